//! Adopting, cancelling, and the way of a cleanup: everything that happens beside the program.
//!
//! # Safety
//! The words of the filter are a region that is never unmapped, published after it was mapped.
//! Fork's steps release or reset the lock that `fork_prepare` took on this thread.
#![allow(unsafe_code)]
use super::entry::{Entry, State, mark};
use super::{flag, granules, promise, unmapping};
use crate::ground::critical::{self, Critical};
use crate::ground::lock::{Guard, Lock, Rank};
use crate::pages::pool::Pool;
use crate::pages::ranges::Ranges;
use crate::pages::{metadata, own};
use crate::pure::addr::Addr;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::Release};

pub(super) struct Registry {
    /// Ranges whose cleanup has not begun; the word is the entry's index.
    pub tree: Ranges<u32>,
    pub table: Pool<Entry>,
    /// The number of the last marking, of either marker.
    pub epoch: Cell<u32>,
    pub counts: Counts,
}

/// What became of all adopted ranges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub adopted: u64,
    pub cancelled: u64,
    /// Cancelled because they were unmapped.
    pub unmapped: u64,
    pub queued: u64,
    pub done: u64,
}

static REGISTRY: Lock<Registry> = Lock::new(
    Rank::Adopted,
    Registry {
        tree: Ranges::new(metadata::alloc),
        table: Pool::new(),
        epoch: Cell::new(0),
        counts: Counts { adopted: 0, cancelled: 0, unmapped: 0, queued: 0, done: 0 },
    },
);

/// Every range in the tree lies in `LOW..=HIGH`. They close again when the tree is empty.
static LOW: AtomicUsize = AtomicUsize::new(usize::MAX);
static HIGH: AtomicUsize = AtomicUsize::new(0);
/// The filter's words; 0 before the first range, or without memory.
static BITS: AtomicUsize = AtomicUsize::new(0);

/// The filter, if there is one.
#[derive(Clone, Copy)]
pub(super) struct Filter(Addr);

impl Filter {
    pub fn get() -> Option<Filter> {
        match BITS.load(core::sync::atomic::Ordering::Acquire) {
            0 => None,
            at => Some(Filter(Addr(at))),
        }
    }
    #[inline(always)]
    fn cell(&self, at: usize) -> &AtomicU64 {
        debug_assert!(at < granules::WORDS);
        // SAFETY: inside the region, which lives for ever; see the chapter above.
        unsafe { &*self.0.ptr::<AtomicU64>().add(at) }
    }
}
impl granules::Cells for Filter {
    #[inline(always)]
    fn load(&self, at: usize) -> u64 {
        self.cell(at).load(Relaxed)
    }
    fn or(&self, at: usize, bits: u64) {
        self.cell(at).fetch_or(bits, Relaxed);
    }
    fn and(&self, at: usize, bits: u64) {
        self.cell(at).fetch_and(bits, Relaxed);
    }
}

pub(super) fn lock(critical: &Critical) -> Guard<'_, Registry> {
    let registry = REGISTRY.lock(critical);
    unmapping::catch_up(&registry);
    registry
}

/// While the world is stopped.
pub(super) fn stopped() -> &'static Registry {
    // SAFETY: the world is stopped, so nobody holds the lock; the collector is one thread.
    unsafe { &*REGISTRY.as_ptr() }
}

/// The bounds of all ranges; the first above the second if there is none.
#[inline]
pub(super) fn hull() -> (usize, usize) {
    (LOW.load(Relaxed), HIGH.load(Relaxed))
}

/// Whether something adopted may touch `lo..=last`. No lock: for whoever is about to unmap.
#[inline]
pub fn is_near(lo: Addr, last: Addr) -> bool {
    let (low, high) = hull();
    low <= last.0 && high >= lo.0 && Filter::get().is_none_or(|bits| granules::any(&bits, lo.0, last.0))
}

/// A range to adopt.
#[derive(Clone, Copy, Debug)]
pub struct Adopt {
    pub at: Addr,
    pub size: usize,
    pub flags: u32,
    /// `void (*)(uintptr_t address, size_t size, void *arg)`; not 0.
    pub cleanup: usize,
    pub arg: usize,
    /// What the queue of cleanups calls, with the handle as its argument: it asks [`begin`], calls, says [`done`].
    pub via: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Empty, around the end of the address space, memory of ours, strange flags, no cleanup.
    Invalid,
    /// Part of it is adopted already.
    Exists,
    NoMemory,
}

/// What [`cancel`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cancelled {
    /// The cleanup will never run.
    Cancelled,
    /// It will, or does just now.
    QueuedOrRunning,
    /// It returned, or was cancelled before.
    Done,
}

impl Registry {
    /// Entry `i`, one that was used.
    pub fn entry(&self, i: u32) -> &Entry {
        self.table.at(i)
    }
    /// The index of the entry that a handle means, if that still exists.
    fn of(&self, handle: u64) -> Option<u32> {
        self.table.number(handle)
    }

    pub fn publish(lo: usize, last: usize) {
        if let Some(bits) = Filter::get() {
            granules::set(&bits, lo, last);
        }
        LOW.fetch_min(lo, Relaxed);
        HIGH.fetch_max(last, Relaxed);
    }

    /// Takes the entry's range, or what sticks out of it, from the tree.
    pub fn take_out(&mut self, lo: usize, last: usize) {
        self.tree.cut(Addr(lo), Addr(last));
        if self.tree.is_empty() {
            LOW.store(usize::MAX, Relaxed);
            HIGH.store(0, Relaxed);
        }
        if let Some(bits) = Filter::get() {
            let held =
                |lo: usize, last: usize| self.tree.at_or_above(Addr(lo)).is_some_and(|r| r.lo.0 <= last);
            granules::clear(&bits, lo, last, &held);
        }
    }

    /// The entry is over; if its cleanup has not begun it never will.
    pub fn end(&mut self, critical: &Critical, i: u32) {
        let (lo, last, state) = {
            let entry = self.entry(i);
            (entry.lo.get(), entry.last.get(), entry.state.get())
        };
        if state != State::Running {
            self.take_out(lo, last);
        }
        if state == State::Live {
            promise::cancel(critical, self.entry(i).promise.get());
        }
        self.table.give(i);
    }
}

/// The filter, made once; without memory the bounds must do.
fn make_filter(critical: &Critical) {
    if BITS.load(Relaxed) == 0
        && let Some(at) = metadata::map_region(critical, granules::WORDS * size_of::<u64>())
    {
        BITS.store(at.0, Release);
    }
}

/// Makes a range an object of the graph. Returns its handle, which is not 0.
pub fn adopt(critical: &Critical, range: &Adopt) -> Result<u64, Refused> {
    let sort = range.flags & (flag::SCAN | flag::NOSCAN);
    let sane = range.size != 0 && range.at != Addr::NULL && range.cleanup != 0;
    if !sane || range.flags & !flag::ALL != 0 || !sort.is_power_of_two() {
        return Err(Refused::Invalid);
    }
    // The byte behind the last one has an address, too.
    let end = range.at.0.checked_add(range.size).ok_or(Refused::Invalid)?;
    let (lo, last) = (range.at, Addr(end - 1));
    if own::next(lo).is_some_and(|(from, _)| from <= last) {
        return Err(Refused::Invalid);
    }
    let mut registry = lock(critical);
    if registry.tree.at_or_above(lo).is_some_and(|r| r.lo <= last) {
        return Err(Refused::Exists);
    }
    make_filter(critical);
    let entry = Entry {
        lo: Cell::new(lo.0),
        last: Cell::new(last.0),
        cleanup: Cell::new(range.cleanup),
        arg: Cell::new(range.arg),
        state: Cell::new(State::Live),
        marks: Cell::new(range.flags as u8),
        age: Cell::new(0),
        epochs: [const { Cell::new(0) }; 2],
        links: [const { Cell::new(0) }; 2],
        promise: Cell::new(0),
    };
    let i = registry.table.take(critical, entry).ok_or(Refused::NoMemory)?;
    let handle = registry.table.word(i);
    let promise = promise::register(critical, range.via, handle);
    if promise.is_none() || registry.tree.insert(critical, lo, last, i).is_err() {
        if let Some(promise) = promise {
            promise::cancel(critical, promise);
        }
        registry.table.give(i);
        return Err(Refused::NoMemory);
    }
    registry.entry(i).promise.set(promise.unwrap_or(0));
    Registry::publish(lo.0, last.0);
    registry.counts.adopted += 1;
    Ok(handle)
}

/// Makes a range the program's own business again.
pub fn cancel(critical: &Critical, handle: u64) -> Cancelled {
    let mut registry = lock(critical);
    let Some(i) = registry.of(handle) else { return Cancelled::Done };
    match registry.entry(i).state.get() {
        State::Live => {
            registry.end(critical, i);
            registry.counts.cancelled += 1;
            Cancelled::Cancelled
        }
        _ => Cancelled::QueuedOrRunning,
    }
}

/// What a cleanup is called with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dead {
    pub at: Addr,
    pub size: usize,
    pub cleanup: usize,
    pub arg: usize,
}

/// The cleanup of a queued range is about to run: the range leaves the tree. `None`: it was unmapped since.
pub fn begin(critical: &Critical, handle: u64) -> Option<Dead> {
    let mut registry = lock(critical);
    let i = registry.of(handle).filter(|&i| registry.entry(i).state.get() == State::Queued)?;
    let entry = registry.entry(i);
    if entry.has(mark::IMMORTAL) {
        return None;
    }
    let (lo, last) = (entry.lo.get(), entry.last.get());
    let dead = Dead { at: Addr(lo), size: last - lo + 1, cleanup: entry.cleanup.get(), arg: entry.arg.get() };
    entry.state.set(State::Running);
    registry.take_out(lo, last);
    Some(dead)
}

/// The cleanup that [`begin`] told of has returned.
pub fn done(critical: &Critical, handle: u64) {
    let mut registry = lock(critical);
    if let Some(i) = registry.of(handle) {
        registry.end(critical, i);
        registry.counts.done += 1;
    }
}

/// Calls `each` with what adopted ranges leave of `lo..hi`. While the world is stopped.
pub fn each_outside(lo: usize, hi: usize, each: &mut dyn FnMut(usize, usize)) {
    let (low, high) = hull();
    if low >= hi || high < lo {
        return each(lo, hi);
    }
    let mut at = lo;
    for range in stopped().tree.iter_from(Addr(lo)).take_while(|r| r.lo.0 < hi) {
        if at < range.lo.0 {
            each(at, range.lo.0);
        }
        at = range.last.0 + 1;
    }
    if at < hi {
        each(at, hi);
    }
}

/// Calls `each` with the first and the last byte of each range. The world is stopped.
pub fn each_range(each: &mut dyn FnMut(Addr, Addr)) {
    stopped().tree.iter_from(Addr::NULL).for_each(|r| each(r.lo, r.last));
}

pub fn counts() -> Counts {
    lock(&critical::enter()).counts
}

/// For fork's hooks: rank `Adopted`.
pub fn fork_prepare(critical: &Critical) {
    REGISTRY.hold(critical);
}
/// # Safety
/// This thread must have called [`fork_prepare`].
pub unsafe fn fork_parent() {
    // SAFETY: the caller's promise.
    unsafe { REGISTRY.release() };
}
/// The child keeps what it has memory of; cleanups that were running are the parent's.
/// # Safety
/// Only in the child of a fork before which this thread called [`fork_prepare`].
pub unsafe fn fork_child() {
    // SAFETY: there is no other thread, and the lock is held since `prepare`.
    let registry = unsafe { &mut *REGISTRY.as_ptr() };
    let critical = critical::enter();
    for i in 0..registry.table.bound() {
        if !registry.table.is_taken(i) {
            continue;
        }
        let entry = registry.entry(i);
        let parents = entry.has(flag::THIS_PROCESS as u8 | mark::DONTFORK);
        match entry.state.get() {
            State::Running => registry.end(&critical, i),
            _ if parents => registry.end(&critical, i),
            _ => {}
        }
    }
    // SAFETY: the caller's promise.
    unsafe { REGISTRY.reset() };
}

/// First and last bytes of all ranges.
#[cfg(test)]
pub(super) fn all() -> Vec<(usize, usize)> {
    lock(&critical::enter()).tree.iter_from(Addr::NULL).map(|r| (r.lo.0, r.last.0)).collect()
}

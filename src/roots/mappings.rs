//! What the host mapped, as far as it asked us: the record of intercepted calls.
//!
//! `mmap` and its family are passed on to the kernel as they are; around the system call the
//! tree of ranges is brought up to date. The order makes the record never claim what is not
//! there: *forget before unmapping, note after mapping*. So the system call itself needs no
//! lock, however long it takes (MAP_POPULATE), and another thread that gets the same address
//! meanwhile notes it after we forgot it.
//!
//! A signal handler may map memory while its thread holds our locks: depth > 0 says so, the call
//! goes unrecorded and is counted. Such gaps, thread stacks and ld.so's mappings are mended when a
//! cycle compares the record with the kernel's list ([`Reconcile`]). So the record is a cache
//! with more in it than the kernel tells (who mapped it, since when): roots are decided by the
//! kernel's list alone.
//!
//! Protections of heap memory need no record: the list shows them. Guard pages (MADV_GUARD_*)
//! do not show there; those that the host puts into memory of ours are kept in a tree of their own.
//!
//! # Safety
//! Only fork's steps: they release or reset the lock that `fork_prepare` took on this thread.
#![allow(unsafe_code)]
use crate::ground::critical::{self, Critical};
use crate::ground::lock::{Guard, Lock, Rank};
use crate::pages::metadata;
use crate::pages::own;
use crate::pages::ranges::{Kind, Range, Ranges, Record};
use crate::pure::addr::{Addr, PAGE_SIZE, round_up};
use core::sync::atomic::{AtomicUsize, Ordering};

pub mod made;

pub(super) struct State {
    host: Ranges,
    /// Mappings as objects ([`made`]).
    made: Ranges<made::Made>,
    /// The number of the last call that made one.
    calls: u32,
    /// Guard pages in memory of ours.
    guards: Ranges,
    counts: Counts,
}

/// How the record fared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Calls in a signal handler that had interrupted us.
    pub unrecorded: usize,
    /// Calls for which there was no memory to note them.
    pub lost: usize,
    /// Mappings that the kernel listed and no call had announced.
    pub escaped: usize,
    /// Ranges noted that the kernel no longer had.
    pub dropped: usize,
    /// Ranges in the record.
    pub ranges: usize,
}

static STATE: Lock<State> = Lock::new(
    Rank::Ranges,
    State {
        host: Ranges::new(metadata::alloc),
        made: Ranges::new(metadata::alloc),
        calls: 0,
        guards: Ranges::new(metadata::alloc),
        counts: Counts { unrecorded: 0, lost: 0, escaped: 0, dropped: 0, ranges: 0 },
    },
);
static UNRECORDED: AtomicUsize = AtomicUsize::new(0);
/// A guard call went unrecorded: no guard page of the heap is known for sure any more.
static GUARDS_UNSURE: AtomicUsize = AtomicUsize::new(0);

/// Bit of [`Record::flags`].
pub const SHARED: u8 = 1;

fn with(f: impl FnOnce(&mut State, &Critical)) -> Option<()> {
    // Only a signal handler can come here from within a critical section: our own code maps
    // memory by raw system calls.
    if critical::depth() > 0 {
        UNRECORDED.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    let critical = critical::enter();
    f(&mut STATE.lock(&critical), &critical);
    Some(())
}

/// First and last byte of the pages that `lo` and `len` touch, if that is a range at all.
fn pages(lo: Addr, len: usize) -> Option<(Addr, Addr)> {
    let len = round_up(len, PAGE_SIZE);
    let last = lo.0.checked_add(len.checked_sub(1)?)?;
    Some((lo, Addr(last)))
}

/// The host has `lo..lo + len` now. Call it after the mapping call.
pub fn mapped(lo: Addr, len: usize, prot: i32, shared: bool, kind: Kind) {
    let Some((lo, last)) = pages(lo, len) else { return };
    let record = Record { prot: prot as u8 & 7, flags: if shared { SHARED } else { 0 }, kind, stack: 0 };
    with(|state, critical| {
        if state.host.insert(critical, lo, last, record).is_err() {
            state.counts.lost += 1;
        }
    });
}

/// The host is about to unmap `lo..lo + len`, or to map over it. Call it before.
pub fn unmapping(lo: Addr, len: usize) {
    let Some((lo, last)) = pages(lo, len) else { return };
    with(|state, critical| {
        if state.host.remove(critical, lo, last).is_err() {
            state.counts.lost += 1;
        }
    });
}

/// The host changed the protection of `lo..lo + len`. Call it after.
pub fn protected(lo: Addr, len: usize, prot: i32) {
    let Some((lo, last)) = pages(lo, len) else { return };
    with(|state, critical| {
        let mut at = lo;
        while let Some(range) = state.host.at_or_above(at).filter(|r| r.lo <= last) {
            let record = Record { prot: prot as u8 & 7, ..range.record };
            let end = range.last.min(last);
            if record != range.record && state.host.insert(critical, range.lo.max(lo), end, record).is_err() {
                state.counts.lost += 1;
            }
            // A range that goes on behind `last` with the protection it has would be found again.
            if end >= last {
                break;
            }
            at = end.add(1);
        }
    });
}

/// The host is about to install guard pages (`before`), or has removed them.
pub fn guarded(lo: Addr, len: usize, before: GuardCall) {
    let Some((lo, last)) = pages(lo, len) else { return };
    if own::next(lo).is_none_or(|(from, _)| from > last) {
        return;
    }
    let record = Record { kind: Kind::Guard, ..Record::default() };
    let noted = with(|state, critical| {
        let done = match before {
            GuardCall::Install => state.guards.insert(critical, lo, last, record),
            GuardCall::Removed => state.guards.remove(critical, lo, last).map(|_| ()),
        };
        if done.is_err() {
            GUARDS_UNSURE.store(1, Ordering::Relaxed);
        }
    });
    if noted.is_none() {
        GUARDS_UNSURE.store(1, Ordering::Relaxed);
    }
}

/// See [`guarded`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GuardCall {
    Install,
    Removed,
}

/// What is noted about `at`, for a call that keeps it elsewhere (mremap).
pub fn record(at: Addr) -> Option<Record> {
    let mut record = None;
    with(|state, _| record = state.host.find(at).map(|r| r.record));
    record
}

/// The recorded range that holds `at`.
pub fn find(critical: &Critical, at: Addr) -> Option<Range> {
    STATE.lock(critical).host.find(at)
}

/// The recorded range that holds `at`, or the first one above it.
pub fn at_or_above(critical: &Critical, at: Addr) -> Option<Range> {
    STATE.lock(critical).host.at_or_above(at)
}

pub fn counts(critical: &Critical) -> Counts {
    let state = STATE.lock(critical);
    Counts { unrecorded: UNRECORDED.load(Ordering::Relaxed), ranges: state.host.len(), ..state.counts }
}

/// For fork's hooks: rank `Ranges`.
pub fn fork_prepare(critical: &Critical) {
    STATE.hold(critical);
}
/// # Safety
/// This thread must have called [`fork_prepare`].
pub unsafe fn fork_parent() {
    // SAFETY: the caller's promise.
    unsafe { STATE.release() };
}
/// # Safety
/// Only in the child of a fork before which this thread called [`fork_prepare`].
pub unsafe fn fork_child() {
    // SAFETY: the caller's promise.
    unsafe { STATE.reset() };
}

/// The record beside the kernel's list, which is shown to it mapping by mapping.
pub(super) struct Reconcile<'a> {
    state: Guard<'a, State>,
    critical: &'a Critical,
    /// Everything below was compared.
    at: usize,
    escaped: usize,
    dropped: usize,
}

impl<'a> Reconcile<'a> {
    pub fn begin(critical: &'a Critical) -> Reconcile<'a> {
        Reconcile { state: STATE.lock(critical), critical, at: 0, escaped: 0, dropped: 0 }
    }

    /// Begins again from the bottom.
    pub fn restart(&mut self) {
        self.at = 0;
    }

    /// The kernel lists `lo..hi` as the host's, and nothing of the host between the last one and this.
    pub fn seen(&mut self, lo: Addr, hi: Addr, prot: u8, shared: bool) {
        self.drop_until(lo.0);
        let flags = if shared { SHARED } else { 0 };
        let record = Record { prot, flags, kind: Kind::Escaped, stack: 0 };
        let mut at = lo.0;
        while at < hi.0 {
            let gap_end = match self.state.host.at_or_above(Addr(at)) {
                Some(r) if r.lo.0 <= at => {
                    at = r.last.0.saturating_add(1);
                    continue;
                }
                Some(r) => r.lo.0.min(hi.0),
                None => hi.0,
            };
            self.escaped += 1;
            if self.state.host.insert(self.critical, Addr(at), Addr(gap_end - 1), record).is_err() {
                self.state.counts.lost += 1;
            }
            at = gap_end;
        }
        self.at = hi.0;
    }

    fn drop_until(&mut self, end: usize) {
        if self.at < end {
            let gone = self.state.host.remove(self.critical, Addr(self.at), Addr(end - 1));
            self.dropped += gone.unwrap_or(0);
            made::gone(&mut self.state.made, self.critical, Addr(self.at), Addr(end - 1));
        }
    }

    /// Calls `each` with the start of everything that the host did not map by a call that we saw: what ld.so has,
    /// libraries, stacks that libc mapped.
    pub fn each_escaped(&self, each: impl FnMut(Addr)) {
        let escaped = |range: &Range| range.record.kind == Kind::Escaped;
        self.state.host.iter_from(Addr(0)).filter(escaped).map(|range| range.lo).for_each(each);
    }

    /// Calls `each` with the guard pages in memory of ours; a range of everything if they are not
    /// known for sure.
    pub fn guards(&self, each: &mut dyn FnMut(Addr, Addr)) {
        if GUARDS_UNSURE.load(Ordering::Relaxed) != 0 {
            return each(Addr(0), Addr(usize::MAX));
        }
        for range in self.state.guards.iter_from(Addr(0)) {
            each(range.lo, range.last.add(1));
        }
    }

    /// The list is over. Returns (escaped, dropped).
    pub fn finish(mut self) -> (usize, usize) {
        self.drop_until(usize::MAX);
        self.state.counts.escaped += self.escaped;
        self.state.counts.dropped += self.dropped;
        (self.escaped, self.dropped)
    }
}

#[cfg(test)]
mod tests;

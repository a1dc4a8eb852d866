//! Leak checks and collections in a copy of the process: the program is stopped for as long as making the copy takes, a small part
//! of what marking takes (`scripts/live-checks`), and goes on while the copy marks and reports ([`crate::sys::copy`]),
//! or tells what it found (`collect::copied`).
//!
//! What was unreachable when the world was stopped stays so, and a fault or a hang of the marker is the copy's. What
//! the copy does not have as it was at the stop is looked at before (shared memory, [`Process::gather`]) or found by the copy,
//! which then does nothing (ranges that forks do not get: MADV_DONTFORK, MADV_WIPEONFORK): the next check is
//! made with the program stopped, and says why. docs/adr/0011-snapshot.md tells the hazards one by one.
//!
//! What is kept from check to check lies in memory that both share, and belongs to the copy as long as it is at work.
//!
//! # Safety
//! The shared region is zeroed, large enough for a [`Shared`], and stays; of it only atomics are used while a copy
//! may be at work, the rest by the copy alone then, else by the holder of the cycle's lock.
#![allow(unsafe_code)]
mod why;

use super::collect::copied::Told;
use super::start;
use super::world::Process;
use crate::gc::Abandon;
use crate::gc::stats::Count;
use crate::ground::critical::Critical;
use crate::heap::live;
use crate::leak::growth::Growth;
use crate::leak::history::History;
use crate::pages::{metadata, own};
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::pure::options::Marking;
use crate::roots::Snapshot;
use crate::sys::copy::{self, Order};
use crate::sys::raw::Errno;
use crate::sys::sandbox::{self, Need};
use crate::sys::{child, descriptors, process, smaps};
use crate::threads::WorldStopped;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
pub use why::{Why, fell_back, not_tracked, print, tracked};

static MADE: Count = Count::new();

/// What a process shares with its copies.
#[repr(C)]
pub struct Shared {
    /// See [`copy::is_at_work`].
    word: AtomicU32,
    /// A [`Why`], by the copy: it did nothing. 0 once that was taken up.
    verdict: AtomicU32,
    /// How long the program was stopped for the copy; 0: it still is.
    stopped_ns: AtomicU64,
    /// What the last report of the timer's told of.
    told: AtomicU64,
    growth: UnsafeCell<Growth>,
    /// Zero at first, which is valid.
    history: UnsafeCell<History>,
    /// What a copy tells of the collection that it marked for. Zero at first.
    pub cycle: Told,
    /// Bytes of the region, this included.
    bytes: usize,
}

/// The region's sizes that are tried: under a limit on address space the history of growth is shorter.
const SIZES: [usize; 3] = [64 << 20, 8 << 20, 1 << 20];
const HEAD: usize = 10 * PAGE_SIZE;
const _: () = assert!(size_of::<Shared>() <= HEAD);

static SHARED: AtomicUsize = AtomicUsize::new(0);
/// The newest copy; negative: as a child of ours, to be reaped.
static NEWEST: AtomicI32 = AtomicI32::new(0);

fn shared() -> Option<&'static Shared> {
    let at = SHARED.load(Acquire);
    // SAFETY: see the chapter above.
    (at != 0).then(|| unsafe { &*Addr(at).ptr::<Shared>() })
}

/// Called with the cycle's lock held, before what is shared is used: makes the region, and clears up after the last copy.
pub fn prepare(critical: &Critical) -> Option<&'static Shared> {
    if shared().is_none() {
        let map = |size| {
            let at = match sandbox::forbids(Need::Copy) {
                true => metadata::map_region(critical, size),
                false => metadata::map_shared_region(critical, size),
            };
            at.map(|at| (at, size))
        };
        let (at, size) = SIZES.into_iter().find_map(map)?;
        // SAFETY: a new region of zeros, which nobody knows; its first page is the head's.
        unsafe {
            let growth = Growth::new(at.add(HEAD), size - HEAD);
            (&raw mut (*at.ptr::<Shared>()).growth).write(UnsafeCell::new(growth));
            (&raw mut (*at.ptr::<Shared>()).bytes).write(size);
        }
        SHARED.store(at.0, Release);
    }
    shared()
}

/// Calls `f` with what is kept of checks, unless a copy uses it.
///
/// # Safety
/// The cycle's lock is held (in a copy: by whom it works for), and `f` does not come back here.
pub unsafe fn with_kept<R>(shared: &Shared, f: impl FnOnce(&mut Growth, &mut History) -> R) -> Option<R> {
    if !copy::is_copy() && is_busy() {
        return None;
    }
    // SAFETY: the caller's promise; see the chapter above.
    Some(unsafe { f(&mut *shared.growth.get(), &mut *shared.history.get()) })
}

/// What is shared, if there was a check whose results are kept.
pub fn known() -> Option<&'static Shared> {
    shared()
}

/// Whether a copy is at work. One that came to a bad end is cleared up after.
pub fn is_busy() -> bool {
    let (Some(shared), newest) = (shared(), NEWEST.load(Relaxed)) else { return false };
    if newest < 0 && child::reap(-newest, libc::WNOHANG) {
        NEWEST.store(0, Relaxed);
    }
    if shared.word.load(Acquire) == 0 {
        return false;
    }
    if copy::is_at_work(&shared.word, newest.abs()) {
        return true;
    }
    shared.word.store(0, Relaxed);
    shared.verdict.store(Why::Died as u32, Relaxed);
    // SAFETY: nobody works on it any more; the caller holds the cycle's lock.
    unsafe { (*shared.growth.get()).forget() };
    false
}

/// When the newest copy was made.
static MADE_AT: AtomicU64 = AtomicU64::new(0);

/// Whether a copy is at work and not long about it: who asks again in a moment need not stop the program.
pub fn is_worth_waiting_for() -> bool {
    const LONG_NS: u64 = 10_000_000_000;
    is_busy() && process::now_ns().saturating_sub(MADE_AT.load(Relaxed)) < LONG_NS
}

/// At the end of the program: lets a copy at work tell what it finds.
pub fn wait() {
    const SLICE_NS: i64 = 10_000_000;
    const SLICES: u32 = 6000;
    for _ in 0..SLICES {
        if !is_busy() {
            return;
        }
        process::sleep_ns(SLICE_NS);
    }
}

/// In the child of a fork.
pub fn forked(critical: &Critical) {
    SHARED.store(0, Relaxed);
    NEWEST.store(0, Relaxed);
    // SAFETY: nothing else leads there, and the cycle's lock is held: no reference is about.
    unsafe { metadata::leave_shared(critical) };
}

/// Whether the option asks for a copy; by itself for heaps from `worth` bytes on.
pub fn is_worth_it(worth: usize) -> bool {
    match start::options().marking {
        Marking::Stopped => false,
        Marking::Auto => live::exact() >= worth,
        Marking::Snapshot => true,
        // In the other modes that is a copy.
        Marking::Tracked => true,
    }
}

/// Before the stop, once [`prepare`]d: why a copy cannot be had, as far as that is known.
pub fn may_try() -> Result<(), Why> {
    shared().ok_or(Why::NoMemory)?;
    if sandbox::forbids(Need::Copy) {
        return Err(Why::Forbidden);
    }
    if is_busy() {
        return Err(Why::Busy);
    }
    verdict().map_or(Ok(()), Err)
}

/// Why the last copy did nothing, once.
pub fn verdict() -> Option<Why> {
    let verdict = shared()?.verdict.swap(0, AcqRel);
    Why::ALL.into_iter().find(|&why| why as u32 == verdict)
}

/// Whether the last copy did nothing, and that was not taken up.
pub fn is_rejected() -> bool {
    shared().is_some_and(|shared| !shared.was_taken_up())
}

/// Whether the last report that went to the log told something else. Kept from check to check.
pub fn is_news(sum: u64) -> bool {
    shared().is_none_or(|shared| shared.told.swap(sum, Relaxed) != sum)
}

/// Where [`is_whole`] has its ranges, as many as the kernel allows a process by default; touched in copies only.
static RANGES_AT: AtomicUsize = AtomicUsize::new(0);
const RANGES: usize = 2 << 20;

/// Before a copy is made, the world being stopped: has `process` gather what the copy would lack. Ends of stacks for the copy and the process in between.
pub fn ready(critical: &Critical, process: &mut Process<'_>) -> Result<(Addr, Addr), Why> {
    let tops = stacks(critical).ok_or(Why::NoMemory)?;
    match process.gather() {
        Ok(true) => Ok(tops),
        Ok(false) => Err(Why::Shared),
        Err(Abandon::NoMemory) => Err(Why::NoMemory),
        Err(_) => Err(Why::Kernel),
    }
}

/// Ends of the stacks alone.
pub fn stacks(critical: &Critical) -> Option<(Addr, Addr)> {
    const BETWEEN: usize = 16 << 10;
    const COPY: usize = 256 << 10;
    if RANGES_AT.load(Relaxed) == 0 {
        RANGES_AT.store(metadata::map_region(critical, RANGES + BETWEEN + COPY)?.0, Relaxed);
    }
    let at = Addr(RANGES_AT.load(Relaxed) + RANGES);
    Some((at.add(BETWEEN), at.add(BETWEEN + COPY - 64)))
}

/// Makes a copy that does `work` and keeps the descriptor `keep` only. The world is stopped, as `_world` proves.
pub fn make(
    _world: &WorldStopped<'_>,
    tops: (Addr, Addr),
    keep: i32,
    work: &mut dyn FnMut(&'static Shared),
) -> Result<(), Why> {
    may_be_made()?;
    let shared = shared().ok_or(Why::NoMemory)?;
    shared.stopped_ns.store(0, Relaxed);
    let order = Order { tops, keep, word: &shared.word };
    // SAFETY: the token; the locks of a stopped thread are free.
    let made = unsafe { copy::make(&order, &mut || work(shared)) };
    came_to_be(made)?;
    MADE.add(1);
    Ok(())
}

/// The same with a process that shares the memory, and has no descriptor.
pub fn make_beside(_world: &WorldStopped<'_>, tops: (Addr, Addr), work: fn()) -> Result<(), Why> {
    may_be_made()?;
    let shared = shared().ok_or(Why::NoMemory)?;
    let order = Order { tops, keep: -1, word: &shared.word };
    // SAFETY: the token; stacks and word stay, and are used by nobody else while this is busy.
    came_to_be(unsafe { copy::make_beside(&order, work) })
}

fn came_to_be(made: Result<copy::Made, Errno>) -> Result<(), Why> {
    let made = made.map_err(|_| Why::Refused)?;
    NEWEST.store(if made.ours { -made.pid } else { made.pid }, Relaxed);
    MADE_AT.store(process::now_ns(), Relaxed);
    Ok(())
}

/// Here, where nobody sees the descriptors that this takes.
fn may_be_made() -> Result<(), Why> {
    if !child::stays_in_namespaces() {
        return Err(Why::Namespace);
    }
    // The kernel would tell the program's handler of the fork, and wait for it.
    let mut handled = false;
    let seen =
        descriptors::each_other(&mut |_, link| handled |= link.starts_with(b"anon_inode:[userfaultfd]"));
    if handled || seen.is_err() { Err(Why::Userfault) } else { Ok(()) }
}

/// The program runs again after so long a stop. In the process.
pub fn resumed(stopped_ns: u64) {
    if let Some(shared) = shared() {
        shared.stopped_ns.store(stopped_ns.max(1), Release);
    }
}

impl Shared {
    /// Where a copy writes what it found unreachable. In the modes without [`Growth`], which has the place in the others.
    pub fn room(&self) -> (*mut u64, usize) {
        (Addr::of(self).add(HEAD).ptr(), (self.bytes - HEAD) / size_of::<u64>())
    }
    /// Whether nothing is at work, be it that what was died: without a question to the kernel.
    pub fn is_idle(&self) -> bool {
        let word = self.word.load(Acquire);
        word == 0 || word & libc::FUTEX_OWNER_DIED != 0
    }
    /// How long the program was stopped. In the copy.
    pub fn stopped_ns(&self) -> u64 {
        const TRIES: u32 = 2000;
        (0..TRIES)
            .find_map(|_| match self.stopped_ns.load(Acquire) {
                0 => {
                    process::sleep_ns(1_000_000);
                    None
                }
                ns => Some(ns),
            })
            .unwrap_or(0)
    }
    /// The copy cannot do its work, and leaves what is shared alone from now on.
    pub fn give_up(&self, why: Why) {
        self.verdict.store(why as u32, Release);
        self.word.store(0, Release);
    }
    /// The same, but it leaves later.
    pub fn will_give_up(&self, why: Why) {
        self.verdict.store(why as u32, Release);
    }
    /// Whether somebody has taken that up.
    pub fn was_taken_up(&self) -> bool {
        self.verdict.load(Acquire) == 0
    }
}

/// Ranges of addresses in room that was there before the copy: what a copy maps itself may lie where it lacks something.
struct Ranges {
    room: &'static mut [(usize, usize)],
    len: usize,
    full: bool,
}
impl Ranges {
    fn push(&mut self, lo: usize, hi: usize) {
        match self.room.get_mut(self.len) {
            Some(place) => (*place, self.len) = ((lo, hi), self.len + 1),
            None => self.full = true,
        }
    }
    /// The same, for a range that may go on where the last one ends.
    fn push_on(&mut self, lo: usize, hi: usize) {
        match self.room[..self.len].last_mut() {
            Some(last) if last.1 == lo => last.1 = hi,
            _ => self.push(lo, hi),
        }
    }
    fn get(&self) -> &[(usize, usize)] {
        &self.room[..self.len]
    }
}

/// In the copy: whether it has all that the list of the stopped process's memory has. Maps nothing.
pub fn is_whole(snapshot: &Snapshot) -> Result<(), Why> {
    const COUNT: usize = RANGES / size_of::<(usize, usize)>() / 2;
    let at = RANGES_AT.load(Relaxed);
    if at == 0 {
        return Err(Why::NoMemory);
    }
    let [mut here, mut wiped] = [0, 1].map(|half| {
        let at = Addr(at + half * RANGES / 2);
        // SAFETY: half of a region that only a copy uses, once.
        let room = unsafe { core::slice::from_raw_parts_mut(at.ptr(), COUNT) };
        Ranges { room, len: 0, full: false }
    });
    let mut buffer = [0u8; 4096];
    let read = smaps::for_each(&mut buffer, &mut |lo, hi, empty| {
        here.push_on(lo, hi);
        if empty {
            wiped.push(lo, hi);
        }
    });
    if here.full || wiped.full {
        return Err(Why::NoMemory);
    }
    read.map_err(|_| Why::Absent)?;
    let mut whole = true;
    let mut look = |lo: usize, hi: usize| {
        let at = here.get().partition_point(|range| range.1 <= lo);
        whole &= here.get().get(at).is_some_and(|range| range.0 <= lo && hi <= range.1);
        whole &= !wiped.get().iter().any(|range| range.0 < hi && lo < range.1);
    };
    snapshot.each_entry(&mut look);
    own::for_each(|lo, hi| look(lo.0, hi.0));
    if whole { Ok(()) } else { Err(Why::Absent) }
}

/// How many copies were made.
pub fn made() -> u64 {
    MADE.get()
}

//! What is ours: every mapping that gleaner made, as a set of address ranges.
//!
//! The roots are the host's memory *minus this set*: the heap is scanned object by object and
//! metadata never. Whoever maps memory for gleaner adds it here and removes it before it is
//! unmapped. Both happen inside a critical section together with the mapping call, so a
//! collector, which runs only while no thread is in one, never sees a stale set.
//!
//! When the set itself cannot grow it errs to one side: a range that could not be noted (or
//! had to be forgotten) is taken for the host's and scanned, which keeps garbage alive and
//! frees nothing wrongly. Never the other way round.
//!
//! # Safety
//! One promise that a mapping is fresh: this module just made it and tells nobody.
#![allow(unsafe_code)]
use super::extents::{Extent, Extents};
use super::fresh::Fresh;
use crate::ground::critical;
use crate::ground::lock::{Lock, Rank};
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::sys::vm;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

/// Ranges that need no mapping: a process with an unfragmented address space has under ten.
const INLINE: usize = 64;
/// First mapped array: 16 pages, 4096 ranges.
const FIRST_MAPPED: usize = 16 * PAGE_SIZE / size_of::<Extent>();

static OWN: Lock<Own> = Lock::new(Rank::Own, Own { set: Extents::new(), forgotten: 0 });

/// For fork's hooks: the set's lock, taken last of all but the output's.
pub(super) fn lock() -> &'static Lock<Own> {
    &OWN
}

pub(super) struct Own {
    set: Extents<INLINE>,
    /// Bytes that are ours but not in the set, for want of memory.
    forgotten: usize,
}

impl Own {
    fn make_room(&mut self) {
        if !self.set.is_full() {
            return;
        }
        let slots = (self.set.capacity() * 2).max(FIRST_MAPPED);
        let bytes = slots * size_of::<Extent>();
        let Ok(at) = vm::map_rw_lazy(Addr::NULL, bytes) else { return };
        // SAFETY: a mapping just made, never unmapped, known to nobody.
        let fresh = unsafe { Fresh::new(at, bytes) };
        self.set.grow_into(fresh.into_slice());
        let _ = self.set.add(at.0, at.0 + bytes);
    }
}

/// What became ours since somebody wanted to know, as far as there are places.
static NEWS: [[AtomicUsize; 2]; 4096] = [const { [const { AtomicUsize::new(0) }; 2] }; 4096];
static NEWS_COUNT: AtomicUsize = AtomicUsize::new(0);
static NEWS_WANTED: AtomicBool = AtomicBool::new(false);

/// From now on they are noted, or no more. While nobody is in [`add`], or at an end.
pub fn want_news(wanted: bool) {
    NEWS_COUNT.store(0, Relaxed);
    NEWS_WANTED.store(wanted, Release);
}
/// The `number`-th, if there were so many. By anybody, at any time; what it tells of may be gone.
pub fn news(number: usize) -> Option<(Addr, Addr)> {
    let [lo, hi] = NEWS.get(number).filter(|_| number < NEWS_COUNT.load(Acquire))?;
    Some((Addr(lo.load(Relaxed)), Addr(hi.load(Relaxed))))
}

/// Notes `lo..hi` as ours.
pub fn add(lo: Addr, hi: Addr) {
    let critical = critical::enter();
    let mut own = OWN.lock(&critical);
    if NEWS_WANTED.load(Acquire) {
        let number = NEWS_COUNT.load(Relaxed);
        if let Some(place) = NEWS.get(number) {
            place[0].store(lo.0, Relaxed);
            place[1].store(hi.0, Relaxed);
            NEWS_COUNT.store(number + 1, Release);
        }
    }
    own.make_room();
    if own.set.add(lo.0, hi.0).is_err() {
        own.forgotten += hi.since(lo);
    }
}

/// Forgets `lo..hi`. Call it before the range is unmapped.
pub fn remove(lo: Addr, hi: Addr) {
    let critical = critical::enter();
    let mut own = OWN.lock(&critical);
    own.make_room();
    if own.set.remove(lo.0, hi.0).is_err() {
        // A hole needs a slot and there is none: forget the part above the hole as well.
        if let Some(e) = own.set.find(lo.0) {
            own.forgotten += e.hi - hi.0;
            let _ = own.set.remove(lo.0, e.hi);
        }
    }
}

/// Whether `at` lies in a mapping of ours.
pub fn contains(at: Addr) -> bool {
    let critical = critical::enter();
    OWN.lock(&critical).set.contains(at.0)
}

/// The range of ours that holds `at`, or the first one above it.
pub fn next(at: Addr) -> Option<(Addr, Addr)> {
    let critical = critical::enter();
    let own = OWN.lock(&critical);
    let lo = own.set.at_or_above(at.0)?;
    own.set.find(lo).map(|e| (Addr(e.lo), Addr(e.hi)))
}

/// The one range of ours that is shared with copies of this process.
static SHARED: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Tells which it is.
pub fn share(lo: Addr, hi: Addr) {
    SHARED[0].store(lo.0, Relaxed);
    SHARED[1].store(hi.0, Relaxed);
}
/// Where it is; empty if there is none.
pub fn shared() -> (Addr, Addr) {
    (Addr(SHARED[0].load(Relaxed)), Addr(SHARED[1].load(Relaxed)))
}

/// Calls `f` with each range in rising order. No lock is held meanwhile, so `f` may do what it
/// likes; ranges that come and go during the walk may be missed. While the world is stopped
/// nothing comes or goes.
pub fn for_each(mut f: impl FnMut(Addr, Addr)) {
    let mut at = Addr::NULL;
    while let Some((lo, hi)) = next(at) {
        f(lo, hi);
        at = hi;
    }
}

/// Bytes of ours that the set could not hold; 0 but under extreme lack of memory.
pub fn forgotten() -> usize {
    let critical = critical::enter();
    OWN.lock(&critical).forgotten
}

#[cfg(test)]
mod tests;

//! The option `max_heap`: how many pages the heap may have in use.
//!
//! What counts: pages handed out, free slots and what waits in caches included, and mappings *beside* the heap, which
//! their owners [`charge`]. Free pages do not count; but what they still hold goes back to the OS at once where it would not fit beside the
//! others. So the memory of the heap is never more than the limit, but for the moment of one allocation. Not counted: memory
//! for our own structures.
//!
//! Both sums are looked at under the lock of rank `Pages`, which each growth of either takes anyway; without a limit nobody
//! takes it for this.
use super::{HEAP, scavenge_of};
use crate::ground::critical::Critical;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// There is a limit.
static SET: AtomicBool = AtomicBool::new(false);
/// It refused something.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// The limit of one heap, in pages.
pub(super) struct Limit {
    pub most: usize,
    /// Of mappings beside the heap.
    pub beside: usize,
}

impl Limit {
    pub const fn new() -> Limit {
        Limit { most: usize::MAX, beside: 0 }
    }
    /// Whether `n` more pages fit beside `in_use` ones of the heap.
    pub fn allows(&self, in_use: usize, n: usize) -> bool {
        let fits = in_use.saturating_add(self.beside).saturating_add(n) <= self.most;
        if !fits {
            REFUSED.store(true, Relaxed);
        }
        fits
    }
}

/// At most `pages` pages from now on. Before anything is allocated.
pub fn set(critical: &Critical, pages: usize) {
    HEAP.lock(critical).limit.most = pages;
    SET.store(true, Relaxed);
}

/// `pages` more are to be mapped beside the heap. False: they may not.
pub fn charge(critical: &Critical, pages: usize) -> bool {
    if !SET.load(Relaxed) {
        return true;
    }
    let excess = {
        let mut heap = HEAP.lock(critical);
        if !heap.allows(pages) {
            return false;
        }
        heap.limit.beside += pages;
        heap.excess()
    };
    give_back(critical, excess);
    true
}

/// `pages` beside the heap that were in use in it before.
pub fn moved_out(critical: &Critical, pages: usize) {
    if SET.load(Relaxed) {
        HEAP.lock(critical).limit.beside += pages;
    }
}

/// `pages` beside the heap are gone.
pub fn discharge(critical: &Critical, pages: usize) {
    if SET.load(Relaxed) {
        HEAP.lock(critical).limit.beside -= pages;
    }
}

/// Free pages that do not fit beside those in use lose their memory.
pub(super) fn give_back(critical: &Critical, excess: usize) {
    if excess != 0 {
        scavenge_of(critical, excess, false);
    }
}

/// Whether the limit has refused something since the last call.
pub fn take_refused() -> bool {
    REFUSED.load(Relaxed) && REFUSED.swap(false, Relaxed)
}

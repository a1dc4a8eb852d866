//! Adopted memory that the program unmaps, maps over, moves, or keeps from its children.
//!
//! A range that loses memory is cancelled as a whole: the resource is gone, and a cleanup that unmaps
//! it once more would take whatever lies there by then. Called *before* the memory goes, so that at no time
//! an entry claims what is another's.
use super::entry::mark;
use super::promise;
use super::registry::{Registry, is_near, lock};
use crate::ground::critical::{self, Critical};
use crate::ground::lock::Guard;
use crate::pure::addr::Addr;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A signal handler that had interrupted us unmapped something near.
static UNNOTICED: AtomicBool = AtomicBool::new(false);

/// What was adopted until now may have been unmapped: none of it will be cleaned up.
pub fn unnoticed() {
    UNNOTICED.store(true, Relaxed);
}

/// Whoever takes the lock does this first.
#[inline]
pub(super) fn catch_up(registry: &Registry) {
    if UNNOTICED.load(Relaxed) && UNNOTICED.swap(false, Relaxed) {
        for range in registry.tree.iter_from(Addr::NULL) {
            registry.entry(range.record).set(mark::IMMORTAL);
        }
    }
}

impl Registry {
    /// Cancels what touches `lo..=last`; how many that were.
    fn lose(&mut self, critical: &Critical, lo: Addr, last: Addr) -> usize {
        let mut lost = 0;
        while let Some(range) = self.tree.at_or_above(lo).filter(|r| r.lo <= last) {
            self.end(critical, range.record);
            lost += 1;
        }
        self.counts.unmapped += lost as u64;
        lost
    }
}

/// `lo..=last` is about to be unmapped or mapped over. Returns how many ranges were cancelled by that.
#[inline]
pub fn unmapping(lo: Addr, last: Addr) -> usize {
    if !is_near(lo, last) {
        return 0;
    }
    lose(lo, last)
}

#[cold]
fn lose(lo: Addr, last: Addr) -> usize {
    if critical::depth() > 0 {
        unnoticed();
        return 0;
    }
    let critical = critical::enter();
    lock(&critical).lose(&critical, lo, last)
}

/// The kernel will leave `lo..=last` out of children (or no longer).
pub fn dont_fork(lo: Addr, last: Addr, without: bool) {
    if !is_near(lo, last) || critical::depth() > 0 {
        return;
    }
    let critical = critical::enter();
    let registry = lock(&critical);
    for range in registry.tree.iter_from(lo).take_while(|r| r.lo <= last) {
        let entry = registry.entry(range.record);
        if without { entry.set(mark::DONTFORK) } else { entry.unset(mark::DONTFORK) }
    }
}

/// Adopted memory that is about to move. No cycle and no other change of the registry comes between.
pub struct Moving<'c> {
    registry: Guard<'c, Registry>,
    critical: &'c Critical,
    lo: Addr,
    last: Addr,
}

/// Call it before mremap of `lo..=last`, if [`is_near`] says so.
pub fn moving(critical: &Critical, lo: Addr, last: Addr) -> Moving<'_> {
    Moving { registry: lock(critical), critical, lo, last }
}

impl Moving<'_> {
    /// `len` bytes from `lo` on are at `to` now; nothing is where they were. Returns how many ranges
    /// were cancelled.
    pub fn moved(mut self, to: Addr, len: usize) -> usize {
        if to == self.lo {
            return self.shrunk(len);
        }
        let Some(end) = len.checked_sub(1) else { return 0 };
        let mut lost = self.registry.lose(self.critical, to, to.add(end));
        while let Some(range) = self.registry.tree.at_or_above(self.lo).filter(|r| r.lo <= self.last) {
            let offset = range.lo.0.wrapping_sub(self.lo.0);
            if range.lo < self.lo || range.last > self.last || offset > end {
                self.registry.end(self.critical, range.record);
                lost += 1;
                continue;
            }
            let last = to.add((range.last.since(self.lo)).min(end));
            lost += self.rekey(range.record, (range.lo, range.last), (to.add(offset), last)) as usize;
        }
        lost
    }

    /// Whether the range was lost for want of memory.
    fn rekey(&mut self, i: u32, from: (Addr, Addr), to: (Addr, Addr)) -> bool {
        self.registry.take_out(from.0.0, from.1.0);
        let entry = self.registry.entry(i);
        entry.lo.set(to.0.0);
        entry.last.set(to.1.0);
        if self.registry.tree.insert(self.critical, to.0, to.1, i).is_ok() {
            Registry::publish(to.0.0, to.1.0);
            return false;
        }
        promise::cancel(self.critical, self.registry.entry(i).promise.get());
        self.registry.table.give(i);
        self.registry.counts.unmapped += 1;
        true
    }

    /// In place: the rest was cut off, if it became smaller.
    fn shrunk(&mut self, len: usize) -> usize {
        let end = self.lo.add(len);
        let mut lost = 0;
        while let Some(range) = self.registry.tree.at_or_above(end).filter(|r| r.lo <= self.last) {
            if end > self.last {
                break;
            }
            if range.lo >= end || range.last > self.last {
                self.registry.end(self.critical, range.record);
                lost += 1;
            } else {
                self.registry.take_out(end.0, range.last.0);
                self.registry.entry(range.record).last.set(end.0 - 1);
            }
        }
        lost
    }

    /// The memory stays here as well, but empty (MREMAP_DONTUNMAP): nobody can tell which of the two was adopted.
    pub fn doubled(mut self) -> usize {
        let (lo, last) = (self.lo, self.last);
        self.registry.lose(self.critical, lo, last)
    }
}

//! Heap memory that the program made unreadable or read-only: guard pages of stacks that it
//! allocated, sealed tables, code.
//!
//! A few ranges at most, so a sorted array and bisection, in one page of metadata that exists
//! only if there are any. Objects that overlap one are read through `World::large` and are not
//! reclaimed: freeing writes to them, and their pages would be handed out protected.
//!
//! # Safety
//! `len` ranges of the array are initialised.
#![allow(unsafe_code)]
use super::{Abandon, World};
use crate::ground::critical::Critical;
use crate::pages::metadata;
use crate::pure::addr::{Addr, PAGE_SIZE};

type Range = (Addr, Addr);
/// More ranges than this abandon the cycle.
const CAPACITY: usize = 64 * PAGE_SIZE / size_of::<Range>();

pub struct Protected {
    array: Addr,
    len: usize,
    /// All of them are inside; most often they are ours, far from the heap.
    low: Addr,
    high: Addr,
}

impl Protected {
    const NONE: Protected = Protected { array: Addr::NULL, len: 0, low: Addr(usize::MAX), high: Addr::NULL };

    /// Asks `world`.
    pub fn ask(critical: &Critical, world: &mut dyn World) -> Result<Protected, Abandon> {
        let mut new = Protected::NONE;
        let mut failed = None;
        let asked = world.protected(&mut |lo, hi| {
            if let Err(abandon) = new.add(critical, lo, hi) {
                failed = Some(abandon);
            }
        });
        match asked.and(failed.map_or(Ok(()), Err)) {
            Ok(()) => Ok(new),
            Err(abandon) => {
                new.end(critical);
                Err(abandon)
            }
        }
    }

    fn add(&mut self, critical: &Critical, lo: Addr, hi: Addr) -> Result<(), Abandon> {
        if self.array == Addr::NULL {
            let bytes = CAPACITY * size_of::<Range>();
            self.array = metadata::map_region(critical, bytes).ok_or(Abandon::NoMemory)?;
        }
        if self.len == CAPACITY {
            return Err(Abandon::NoMemory);
        }
        let place = self.as_slice().partition_point(|r| r.0 < lo);
        let first: *mut Range = self.array.ptr();
        // SAFETY: there is room for one more behind `len`.
        unsafe {
            core::ptr::copy(first.add(place), first.add(place + 1), self.len - place);
            first.add(place).write((lo, hi));
        }
        self.len += 1;
        (self.low, self.high) = (self.low.min(lo), self.high.max(hi));
        Ok(())
    }

    pub fn as_slice(&self) -> &[Range] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: see the chapter above.
        unsafe { core::slice::from_raw_parts(self.array.ptr(), self.len) }
    }

    /// Whether `lo..hi` overlaps a range.
    #[inline(always)]
    pub fn touches(&self, lo: Addr, hi: Addr) -> bool {
        self.low < hi && lo < self.high && self.search(lo, hi)
    }

    #[cold]
    fn search(&self, lo: Addr, hi: Addr) -> bool {
        let ranges = self.as_slice();
        // Ranges do not overlap each other: the last that begins below `hi` ends highest.
        // An object's last byte is nobody's, and may lie in a page without access.
        let below = ranges.partition_point(|r| r.0.0 + 1 < hi.0);
        below != 0 && ranges[below - 1].1 > lo
    }

    pub fn end(&mut self, critical: &Critical) {
        if self.array != Addr::NULL {
            // SAFETY: mapped in `add`, known to this value only.
            unsafe { metadata::unmap_region(critical, self.array, CAPACITY * size_of::<Range>()) };
            *self = Protected::NONE;
        }
    }
}

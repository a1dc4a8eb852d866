//! A thread's stock of pages: one aligned block of 64, served without a lock.
//!
//! 92 % of span requests ask for a few pages, so most allocations of pages are a bit search in
//! one word. The stock is filled by taking *all* free pages of the block that holds the lowest
//! free page; to the tree they look allocated meanwhile. The price is fragmentation: up to
//! 256 KiB per thread that nobody else can have.
//!
//! A cache belongs to one thread, or to whoever holds the dead thread's record; it is used
//! inside critical sections only. Requests of up to [`LARGEST`] pages try it.
//!
//! Invariant PA8: a page is never free in the tree and in a cache.
use super::chunk::runs_of;
use super::geometry::Page;
use super::store::Checks;
use super::summary::Summary;
use super::tree::{Taken, Tree, corrupt};

/// Pages of a block.
pub const BLOCK: usize = 64;
/// Larger requests would rarely find a run in one block: a quarter of it.
pub const LARGEST: usize = 16;

#[derive(Debug, Default)]
pub struct PageCache {
    /// First page of the block, by number.
    base: usize,
    free: u64,
    released: u64,
}

impl PageCache {
    pub const fn new() -> PageCache {
        PageCache { base: 0, free: 0, released: 0 }
    }
    pub fn is_empty(&self) -> bool {
        self.free == 0
    }
    /// Pages that this cache holds.
    pub fn pages(&self) -> usize {
        self.free.count_ones() as usize
    }
    /// The pages that it holds, for checks: (page, without memory).
    #[cfg(test)]
    pub(super) fn contents(&self) -> impl Iterator<Item = (Page, bool)> + '_ {
        (0..BLOCK)
            .filter(|i| self.free >> i & 1 != 0)
            .map(|i| (Page(self.base + i), self.released >> i & 1 != 0))
    }
    /// The lowest run of `n` (1..=64) of its pages.
    #[inline]
    pub fn take(&mut self, n: usize) -> Option<Taken> {
        let runs = runs_of(self.free, n);
        if runs == 0 {
            return None;
        }
        let at = runs.trailing_zeros();
        let mask = (u64::MAX >> (BLOCK - n)) << at;
        let released = (self.released & mask).count_ones() as usize;
        self.free &= !mask;
        self.released &= !mask;
        Some(Taken { first: Page(self.base + at as usize), released })
    }
    /// Whether pages that begin at `first` would be of its block, if they are of one.
    pub(super) fn can_take_back(&self, first: Page, n: usize) -> bool {
        self.free == 0 || n > BLOCK || first.0 / BLOCK == self.base / BLOCK
    }
    /// Allocated pages with memory are the cache's from now on. False: they are not of its block.
    #[must_use]
    pub(super) fn take_back(&mut self, first: Page, n: usize) -> bool {
        let (block, at) = (first.0 & !(BLOCK - 1), first.0 % BLOCK);
        if at + n > BLOCK || (self.free != 0 && block != self.base) {
            return false;
        }
        let mask = (u64::MAX >> (BLOCK - n)) << at;
        if self.free & mask != 0 {
            corrupt("free of a cached page", first);
        }
        self.base = block;
        self.free |= mask;
        true
    }
}

impl<C: Checks> Tree<C> {
    /// Fills an empty cache from the lowest block that has free pages.
    pub fn fill(&mut self, cache: &mut PageCache) -> Option<()> {
        debug_assert!(cache.is_empty());
        let page = self.lookup(1)?.run;
        let block = Page(page.0 & !(BLOCK - 1));
        let (free, released) = self.store.chunk_mut(page.chunk()).take_block(page.index());
        *cache = PageCache { base: block.0, free, released };
        self.counts.free -= cache.pages();
        self.counts.released -= released.count_ones() as usize;
        self.sink();
        self.update(block, BLOCK, Summary::NONE);
        // `page` was the first free page of all, and none of its block is left. The page after
        // the block may not be mapped; the setter sees to that.
        self.search.raise(block.plus(BLOCK), &self.in_use);
        self.after_change(block, BLOCK);
        Some(())
    }

    /// Gives everything back that is left in a cache.
    pub fn flush(&mut self, cache: &mut PageCache) {
        let PageCache { base, free, released } = core::mem::take(cache);
        if free == 0 {
            return;
        }
        let block = Page(base);
        if !self.store.chunk_mut(block.chunk()).give_block(block.index(), free, released) {
            corrupt("a cached page was free", block);
        }
        self.counts.free += free.count_ones() as usize;
        self.counts.released += released.count_ones() as usize;
        if free != released {
            self.resident_end = self.resident_end.max(block.plus(BLOCK));
        }
        self.update(block, BLOCK, Summary::NONE);
        // Other threads may have moved the search address past this block meanwhile.
        self.search.lower(block.plus(free.trailing_zeros() as usize), &self.in_use);
        self.after_change(block, BLOCK);
    }
}

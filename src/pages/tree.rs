//! The page allocator proper: who has which page, and the summaries that make finding fast.
//!
//! First fit by address: runs come from the lowest free pages that fit, which packs the heap
//! towards its beginning and lets the end be given back. The tree is only arithmetic on its
//! own metadata: mapping memory is [`super::grow`]'s business, releasing it
//! [`super::scavenge`]'s, so it can be built in a test over memory that does not exist.
//!
//! A change of pages goes: bitmap, leaf summary, then up level by level while something
//! changes. Cost: one bitmap summary (10–50 ns) and at most four merges of one cache line.
//!
//! The caller holds the lock of the heap (rank `Pages`) throughout.
//!
//! Invariants (checked by [`super::invariants`]): PA2 each summary equals what the bitmaps say;
//! PA3 see [`super::search_addr`]; PA7 counts agree with bitmaps; PA9 released pages are free;
//! PA15 free pages are in use ranges; PA16 no resident free page at or above `resident_end`.
use super::chunk::{Content, InChunk};
use super::extents::Extents;
use super::geometry::*;
use super::search_addr::SearchAddr;
use super::store::{Checks, Store};
use super::summary::Summary;
use crate::ground::fatal;

/// In-use ranges that need no metadata.
pub const INLINE_RANGES: usize = 16;

/// Page counts of the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Pages of the in-use ranges.
    pub mapped: usize,
    pub free: usize,
    /// Of the free ones, those without memory.
    pub released: usize,
}

/// Pages just taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    pub first: Page,
    /// How many of them were without memory, and so read as zero.
    pub released: usize,
}

/// What a search found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    pub run: Page,
    /// No page below this one is free. Perhaps not mapped: see [`super::find`].
    pub first_free: Page,
}

pub struct Tree<C> {
    pub(super) store: Store<C>,
    /// What of the address space is heap, in page numbers, whole chunks.
    pub(super) in_use: Extents<INLINE_RANGES>,
    pub(super) search: SearchAddr,
    /// The scavenger's place: no free page at or above it has memory.
    pub(super) resident_end: Page,
    pub(super) counts: Counts,
    /// The fewest free resident pages there have been since somebody asked.
    pub(super) low_water: usize,
    /// How often it changed; counted in zeal builds only.
    pub(super) changes: usize,
}

/// A state that no sequence of calls can reach: somebody wrote over our metadata, or a page
/// was freed that was not allocated.
#[cold]
#[inline(never)]
pub(super) fn corrupt(what: &str, page: Page) -> ! {
    fatal::die(format_args!("internal error: page allocator: {what} at {:?}", page.addr()))
}

impl<C: Checks> Tree<C> {
    pub const fn new(checks: C) -> Self {
        Tree {
            store: Store::new(checks),
            in_use: Extents::new(),
            search: SearchAddr::new(C::ROUNDING),
            resident_end: Page(0),
            counts: Counts { mapped: 0, free: 0, released: 0 },
            low_water: 0,
            changes: 0,
        }
    }
    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn is_free(&self, page: Page) -> bool {
        self.in_use.contains(page.0) && self.store.chunk(page.chunk()).is_free(page.index())
    }

    /// How many free pages there are from `lo` up to `hi`.
    pub fn count_free(&self, lo: Page, hi: Page) -> usize {
        let mut count = 0;
        for extent in self.in_use.as_slice() {
            let (mut at, end) = (extent.lo.max(lo.0), extent.hi.min(hi.0));
            while at < end {
                let (page, chunk) = (Page(at), self.store.chunk(Page(at).chunk()));
                let pages = (CHUNK_PAGES - page.index()).min(end - at);
                count += match pages {
                    CHUNK_PAGES => chunk.free_pages(),
                    _ => (page.index()..page.index() + pages).filter(|&index| chunk.is_free(index)).count(),
                };
                at += pages;
            }
        }
        count
    }

    /// The lowest run of `n` free pages, now allocated. `None`: grow, or give up.
    pub fn alloc(&mut self, n: usize) -> Option<Taken> {
        let found = self.lookup(n)?;
        Some(self.take_found(found, found.run, n))
    }

    /// Like [`Tree::alloc`], beginning at a multiple of `align` pages (a power of two).
    /// A search for `n` that is aligned by luck comes first, then one with room for any slack.
    pub fn alloc_aligned(&mut self, n: usize, align: usize) -> Option<Taken> {
        let lucky = self.lookup(n)?;
        if lucky.run.0.is_multiple_of(align) {
            return Some(self.take_found(lucky, lucky.run, n));
        }
        let roomy = self.lookup(n.checked_add(align - 1)?)?;
        let first = Page(roomy.run.0.next_multiple_of(align));
        Some(self.take_found(roomy, first, n))
    }

    /// Finds, without taking, the lowest run of `n`; knows the quick cases.
    pub(super) fn lookup(&mut self, n: usize) -> Option<Found> {
        let from = self.search.get();
        if from == Page::END {
            return None;
        }
        let (chunk, index) = (from.chunk(), from.index());
        // Most requests fit into the chunk where the last one ended.
        if CHUNK_PAGES - index >= n && self.store.entry(LEAF, chunk).max() >= n {
            let Some(InChunk { run, first_free }) = self.store.chunk(chunk).find(n, index) else {
                corrupt("a summary promised a run", from)
            };
            let base = Page::of_chunk(chunk);
            return Some(Found { run: base.plus(run), first_free: base.plus(first_free) });
        }
        let found = self.find(n);
        // Only a search for one page proves that there is none: a larger one that fails says
        // nothing about the next smaller request.
        if found.is_none() && n == 1 {
            self.search.raise(Page::END, &self.in_use);
        }
        found
    }

    /// The chunk where the next `n` pages would begin, if all of it is free and without memory.
    pub fn untouched_next(&mut self, n: usize) -> Option<Page> {
        let page = self.lookup(n)?.run;
        let whole = page.index() == 0 && self.store.chunk(page.chunk()).released_pages() == CHUNK_PAGES;
        whole.then_some(page)
    }

    fn take_found(&mut self, found: Found, first: Page, n: usize) -> Taken {
        let released = self.take(first, n);
        // The first free page itself was taken: nothing below the end of the run is free.
        let next = if found.first_free == first { first.plus(n) } else { found.first_free };
        self.search.raise(next, &self.in_use);
        self.after_change(first, n);
        Taken { first, released }
    }

    /// Makes `n` allocated pages free.
    pub fn free(&mut self, first: Page, n: usize, content: Content) {
        let inside = self.in_use.find(first.0).is_some_and(|e| n <= e.hi - first.0);
        if !inside {
            corrupt("free of pages that are not of the heap", first);
        }
        self.give(first, n, content);
        self.after_change(first, n);
    }

    /// Bitmaps and summaries of an allocation; the search address is the caller's.
    pub(super) fn take(&mut self, first: Page, n: usize) -> usize {
        let mut released = 0;
        for (chunk, index, len) in pieces(first, n) {
            released += self.store.chunk_mut(chunk).take(index, len);
        }
        self.counts.free -= n;
        self.counts.released -= released;
        self.sink();
        self.update(first, n, Summary::NONE);
        released
    }

    /// Pages were taken.
    pub(super) fn sink(&mut self) {
        self.low_water = self.low_water.min(self.counts.free - self.counts.released);
    }

    /// Makes pages free: bitmaps, summaries, search address, scavenger's place.
    pub(super) fn give(&mut self, first: Page, n: usize, content: Content) {
        for (chunk, index, len) in pieces(first, n) {
            if !self.store.chunk_mut(chunk).give(index, len, content) {
                corrupt("free of a free page", Page::of_chunk(chunk).plus(index));
            }
        }
        self.counts.free += n;
        match content {
            Content::Released => self.counts.released += n,
            Content::Resident => self.resident_end = self.resident_end.max(first.plus(n)),
        }
        self.update(first, n, Summary::all_free(LEAF));
        self.search.lower(first, &self.in_use);
    }

    /// Brings the summaries above `first .. first+n` up to date. Whole chunks between the two
    /// edges are known to be `middle`.
    pub(super) fn update(&mut self, first: Page, n: usize, middle: Summary) {
        // Inclusive, because the page after the range may belong to the next block or to none.
        let last = first.plus(n - 1);
        let (lo, hi) = (first.chunk(), last.chunk());
        let mut changed = self.refresh_leaf(lo);
        if lo != hi {
            changed |= self.refresh_leaf(hi);
            for chunk in lo + 1..hi {
                self.store.set_entry(LEAF, chunk, middle);
                changed = true;
            }
        }
        for level in (0..LEAF).rev() {
            if !changed {
                return;
            }
            changed = false;
            for index in first.entry(level)..=last.entry(level) {
                let children = self.store.block(level + 1, index);
                let now = Summary::merge(children, log_pages(level + 1));
                if now != self.store.entry(level, index) {
                    self.store.set_entry(level, index, now);
                    changed = true;
                }
            }
        }
    }

    fn refresh_leaf(&mut self, chunk: usize) -> bool {
        let now = self.store.chunk(chunk).summary();
        if now == self.store.entry(LEAF, chunk) {
            return false;
        }
        self.store.set_entry(LEAF, chunk, now);
        true
    }
}

#[cfg(test)]
mod tests;

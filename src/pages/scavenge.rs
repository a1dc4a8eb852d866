//! Giving memory back: free pages lose their memory (and keep their address), and address
//! space that is free and without memory goes back altogether.
//!
//! Releasing is a *lease* in three steps, so that the lock is not held over madvise:
//! 1. [`Tree::lease`] under the lock: the highest run of free pages with memory is marked
//!    allocated, so nobody else can get it;
//! 2. the caller, without the lock, tells the OS;
//! 3. [`Tree::end_lease`] under the lock: the pages become free again, now without memory.
//!
//! Whoever allocates meanwhile may miss those pages and grow instead; that is accepted. A page
//! is thus never advised away while somebody owns it (PA10).
//!
//! Highest first, because allocation is lowest first: the two meet as late as possible.
//! `resident_end` is where the next search begins; giving resident pages back raises it. Go
//! keeps an atomic index per chunk for this; one address under the lock that we hold anyway
//! does the same work, since a walk from it passes each chunk once.
//!
//! A lease never splits a whole free chunk: it takes the rest of it rather than break a huge page. Free pages beside it that
//! were never used come along: those of a huge page have memory all the same ([`super::thp`]).
use super::chunk::Content;
use super::geometry::*;
use super::store::Checks;
use super::tree::{Tree, corrupt};

/// Chunks that one call looks at before it lets others have the lock: about 20 µs.
const PATIENCE: usize = 4096;

/// Pages taken out of circulation to lose their memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the pages are lost unless the lease ends"]
pub struct Lease {
    pub first: Page,
    pub pages: usize,
    /// How many of them had memory as far as we know.
    pub resident: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Candidate {
    Found(Lease),
    /// Nothing yet; ask again, after letting others have the lock.
    Again,
    /// No free page has memory.
    Nothing,
}

impl<C: Checks> Tree<C> {
    /// Takes the highest free resident pages, about `max` of them.
    pub fn lease(&mut self, max: usize) -> Candidate {
        let mut end = self.resident_end;
        let candidate = self.lease_below(&mut end, max, 1);
        self.resident_end = end;
        candidate
    }

    /// The same below `cursor`, which goes down, and only of chunks that are free for the most part: others are huge pages
    /// that would be broken up.
    pub fn lease_sparse(&mut self, cursor: &mut Page, max: usize) -> Candidate {
        *cursor = Page(cursor.0.min(self.resident_end.0));
        self.lease_below(cursor, max, CHUNK_PAGES / 2)
    }

    /// Below `cursor`, of chunks with at least `least` free pages.
    fn lease_below(&mut self, cursor: &mut Page, max: usize, least: usize) -> Candidate {
        for _ in 0..PATIENCE {
            // The in-use range that holds the page below the cursor, or the next lower one.
            let last = cursor.0.checked_sub(1);
            let range = last.and_then(|last| self.in_use.successor(last).checked_sub(1));
            let Some(range) = range.map(|i| self.in_use.as_slice()[i]) else {
                *cursor = Page(0);
                return Candidate::Nothing;
            };
            let end = Page(cursor.0.min(range.hi));
            let chunk = Page(end.0 - 1).chunk();
            if !self.store.entry(LEAF, chunk).is_none() && self.store.chunk(chunk).free_pages() >= least {
                let below = end.0 - Page::of_chunk(chunk).0;
                if let Some((index, n)) = self.store.chunk(chunk).last_resident(below) {
                    let lease = self.begin_lease(chunk, index, n, max, range.lo);
                    *cursor = lease.first;
                    return Candidate::Found(lease);
                }
            }
            *cursor = Page::of_chunk(chunk);
        }
        Candidate::Again
    }

    /// `index .. index+n` of `chunk` are free and resident; so may be what lies below.
    fn begin_lease(&mut self, chunk: usize, index: usize, n: usize, max: usize, lowest: usize) -> Lease {
        let base = Page::of_chunk(chunk);
        let end = base.plus(index + n);
        let mut first = base.plus(index);
        if n > max && n < CHUNK_PAGES {
            first = Page(end.0 - max);
        } else {
            // Whole chunks below come along while they fit: one call for all of them.
            while first.index() == 0 && first.0 > lowest && end.0 - first.0 + CHUNK_PAGES <= max {
                let below = first.chunk() - 1;
                match self.store.chunk(below).last_resident(CHUNK_PAGES) {
                    Some((0, CHUNK_PAGES)) => first = Page::of_chunk(below),
                    _ => break,
                }
            }
        }
        let (first, end) = self.with_untouched(first, end);
        let pages = end.0 - first.0;
        let resident = pages - self.take(first, pages);
        if resident == 0 {
            corrupt("a resident page was released", first);
        }
        // Not raised: a search address that is too low is right, and the pages come back soon.
        self.after_change(first, pages);
        Lease { first, pages, resident }
    }

    /// `first..end` and the released pages on both sides of it, within its first and last chunk.
    fn with_untouched(&self, first: Page, end: Page) -> (Page, Page) {
        let (low, high) = (first.chunk(), Page(end.0 - 1).chunk());
        let below = self.store.chunk(low).released_before(first.index());
        let above = self.store.chunk(high).released_from(end.0 - Page::of_chunk(high).0);
        (Page(first.0 - below), end.plus(above))
    }

    /// Makes the pages of a lease free again.
    pub fn end_lease(&mut self, lease: Lease, content: Content) {
        self.give(lease.first, lease.pages, content);
        self.after_change(lease.first, lease.pages);
    }

    /// Takes the highest run of whole chunks that are free and released out of the heap, at
    /// most `max` chunks. The caller unmaps them, or puts them back with [`Tree::add`]. `None`:
    /// there are none, or no slot for the hole.
    pub fn retire(&mut self, max: usize) -> Option<Lease> {
        if self.in_use.is_full() || max == 0 {
            return None;
        }
        let mut run: Option<Lease> = None;
        for range in self.in_use.as_slice().iter().rev() {
            for chunk in (Page(range.lo).chunk()..Page(range.hi).chunk()).rev() {
                let whole = self.store.entry(LEAF, chunk).start() == CHUNK_PAGES
                    && self.store.chunk(chunk).released_pages() == CHUNK_PAGES;
                run = match (whole, run) {
                    (true, None) => {
                        Some(Lease { first: Page::of_chunk(chunk), pages: CHUNK_PAGES, resident: 0 })
                    }
                    (true, Some(run)) if run.pages < max * CHUNK_PAGES => {
                        let pages = run.pages + CHUNK_PAGES;
                        Some(Lease { first: Page::of_chunk(chunk), pages, resident: 0 })
                    }
                    (false, None) => None,
                    _ => break,
                };
            }
            if run.is_some() {
                break;
            }
        }
        let run = run?;
        let (lo, hi) = (run.first.0, run.first.0 + run.pages);
        self.in_use.remove(lo, hi).ok()?;
        self.take(run.first, run.pages);
        self.counts.mapped -= run.pages;
        self.search.revise(&self.in_use);
        self.after_change(run.first, run.pages);
        Some(run)
    }
}

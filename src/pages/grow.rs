//! Where heap pages come from: small steps of mapped memory, side by side where possible.
//!
//! A growth is at least one chunk and otherwise an eighth of the heap, up to 8 MiB: memory
//! is charged when it is mapped where `vm.overcommit_memory` is 2, and address space is
//! counted under `ulimit -v`, so neither is taken far ahead of use. When the comfortable
//! step fails, the bare need is tried.
//!
//! The place: at the *hint*, which is the end of the last growth, so that a heap is one
//! mapping and its summaries are dense. The address space is not ours alone: a MAP_FIXED map of
//! the host may lie there. Then the ends of what we have and rising powers of 64 MiB above are
//! tried, then wherever the kernel likes. Every mapping is exact or nothing
//! (MAP_FIXED_NOREPLACE); none replaces another.
//!
//! Order of a growth, so that a failure at any step leaves the structure as it was: map the
//! memory; metadata and a slot in the in-use set; only then, unable to fail, the change.
use super::cache::{BLOCK, PageCache};
use super::chunk::Content;
use super::extents::Extent;
use super::fresh::Fresh;
use super::geometry::*;
use super::limit::Limit;
use super::search_addr::Rounding;
use super::store::{Checks, Plain};
use super::tree::{Taken, Tree, corrupt};
use crate::pure::addr::{ADDR_BITS, Addr, PAGE_SHIFT, PAGE_SIZE};

const CHUNK_BYTES: usize = CHUNK_PAGES << PAGE_SHIFT;
/// The most that is mapped ahead of need: 8 MiB.
const LARGEST_STEP: usize = 4 * CHUNK_PAGES;
/// A heap of so many pages is large: 8 MiB.
const LARGE: usize = 4 * CHUNK_PAGES;
/// A heap with so many pages in use may have its next chunk as a whole: 16 MiB, an eighth more at most.
const WHOLE: usize = 8 * CHUNK_PAGES;
/// Above a taken hint, the next multiple of 64 MiB, 256 MiB, 1 GiB, … is tried.
const FIRST_LEAP: usize = 64 << 20;
const LEAPS: usize = 6;

/// Why memory could not be mapped at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Something else is there.
    Occupied,
    /// The system has no more for us, there or elsewhere.
    NoMemory,
}

/// The system under the allocator; a test brings its own. Heap memory that it maps is zeroed,
/// readable and writable, and registered as ours.
pub trait Backing {
    /// Zeroed metadata for ever, page-aligned.
    fn metadata(&mut self, bytes: usize) -> Option<Fresh>;
    /// Heap memory exactly there.
    fn map_at(&mut self, at: Addr, bytes: usize) -> Result<(), Refused>;
    /// Heap memory anywhere, at a multiple of `align`.
    fn map_anywhere(&mut self, bytes: usize, align: usize) -> Option<Addr>;
    /// Whether the range, whole mappings or not, is gone now.
    fn unmap(&mut self, at: Addr, bytes: usize) -> bool;
    /// Where the first growth goes; a multiple of the chunk size.
    fn first_hint(&mut self) -> Addr;
    /// The heap is small, and this is of it.
    fn small(&mut self, _at: Addr, _bytes: usize) {}
    /// The heap is large, and this is of it.
    fn grown(&mut self, _at: Addr, _bytes: usize) {}
    /// A chunk that was never touched, or has no memory any more, is about to be filled. May give it memory as one piece, which stays zero.
    fn whole(&mut self, _at: Addr) {}
    /// Forbids all access to heap memory that nobody has yet. False: it cannot.
    fn close(&mut self, _at: Addr, _bytes: usize) -> bool {
        false
    }
    /// The opposite.
    fn open(&mut self, _at: Addr, _bytes: usize) -> bool {
        false
    }
}

/// Of the first chunk the lower 1.25 MiB stay closed until the rest is used: a small heap lies between them and the mapping's end, and
/// a write a megabyte before or behind a block faults.
const CLOSED: usize = 320;

impl<C: Checks> Tree<C> {
    /// Adds mapped, zeroed, never used memory, whole chunks, to the heap. `None`, and nothing
    /// changed, when there is no metadata for it.
    pub fn add(
        &mut self,
        first: Page,
        pages: usize,
        metadata: &mut dyn FnMut(usize) -> Option<Fresh>,
    ) -> Option<()> {
        debug_assert!(first.index() == 0 && pages.is_multiple_of(CHUNK_PAGES) && pages > 0);
        let (lo, hi) = (first.chunk(), first.plus(pages).chunk());
        self.store.prepare(lo, hi, metadata)?;
        let end = first.plus(pages);
        if self.in_use.as_slice().iter().any(|e| e.lo < end.0 && first.0 < e.hi) {
            corrupt("memory that is mapped twice", first);
        }
        if self.in_use.is_full() {
            let twice = self.in_use.capacity() * 2 * size_of::<Extent>();
            if let Some(array) = metadata(twice.max(PAGE_SIZE)) {
                self.in_use.grow_into(array.into_slice());
            }
        }
        // A full set still takes a range that touches another.
        self.in_use.add(first.0, end.0).ok()?;
        self.store.checks.mapped(lo, hi);
        self.counts.mapped += pages;
        self.give(first, pages, Content::Released);
        self.after_change(first, pages);
        Some(())
    }
}

/// The tree and where it grows next. One per process, behind the lock of rank `Pages`.
pub struct PageHeap<C> {
    pub(super) tree: Tree<C>,
    /// 0 before the first growth.
    hint: usize,
    /// The first of the [`CLOSED`] pages, which count as in use.
    closed: Option<Page>,
    pub(super) limit: Limit,
    /// The system was told that the heap is large.
    large: bool,
    uses: Uses,
}

/// What pages were wanted for, of late. *Dense* are those for small objects: whoever uses the objects touches every page.
struct Uses {
    dense: usize,
    all: usize,
}

impl Uses {
    /// So many pages are of late: 8 MiB.
    const LATE: usize = 4 * CHUNK_PAGES;

    fn count(&mut self, pages: usize, dense: bool) {
        if self.all >= Self::LATE {
            self.all /= 2;
            self.dense /= 2;
        }
        let pages = pages.min(Self::LATE);
        self.all += pages;
        self.dense += if dense { pages } else { 0 };
    }
    /// Three quarters are.
    fn are_dense(&self) -> bool {
        self.dense >= self.all / 4 * 3
    }
}

impl PageHeap<Plain> {
    pub const fn new() -> Self {
        const { assert!(matches!(Plain::ROUNDING, Rounding::ToMapped)) };
        PageHeap {
            tree: Tree::new(Plain),
            hint: 0,
            closed: None,
            limit: Limit::new(),
            large: false,
            uses: Uses { dense: 0, all: 0 },
        }
    }
}

impl<C: Checks> PageHeap<C> {
    #[cfg(test)]
    pub(super) fn with_checks(checks: C) -> Self {
        PageHeap {
            tree: Tree::new(checks),
            hint: 0,
            closed: None,
            limit: Limit::new(),
            large: false,
            uses: Uses { dense: 0, all: 0 },
        }
    }

    /// `n` pages at a multiple of `align` pages, growing if it must. `dense`: see [`Uses`].
    pub fn alloc(
        &mut self,
        backing: &mut impl Backing,
        n: usize,
        align: usize,
        dense: bool,
    ) -> Option<Taken> {
        if !self.allows(n) {
            return None;
        }
        self.uses.count(n, dense);
        self.make_whole(backing, n, dense);
        if let Some(taken) = self.try_alloc(n, align) {
            return Some(taken);
        }
        if self.open(backing)
            && let Some(taken) = self.try_alloc(n, align)
        {
            return Some(taken);
        }
        self.grow(backing, n.checked_add(align - 1)?)?;
        self.make_whole(backing, n, dense);
        self.try_alloc(n, align)
    }

    /// Pages handed out.
    pub fn in_use(&self) -> usize {
        let counts = self.tree.counts;
        counts.mapped - counts.free - self.closed_pages()
    }

    /// Whether the limit leaves room for `n` more pages.
    pub fn allows(&self, n: usize) -> bool {
        self.limit.allows(self.in_use(), n)
    }

    /// Pages that have memory beyond the limit.
    pub fn excess(&self) -> usize {
        let free = self.tree.counts.free - self.tree.counts.released;
        (self.in_use() + self.limit.beside + free).saturating_sub(self.limit.most)
    }

    /// How many of the pages in use nobody has.
    pub fn closed_pages(&self) -> usize {
        if self.closed.is_some() { CLOSED } else { 0 }
    }

    /// Closed pages come into use. False: there are none.
    pub fn open(&mut self, backing: &mut impl Backing) -> bool {
        let Some(first) = self.closed.take() else { return false };
        if !backing.open(first.addr(), CLOSED << PAGE_SHIFT) {
            self.closed = Some(first);
            return false;
        }
        self.tree.free(first, CLOSED, Content::Released);
        true
    }

    /// The lower pages of a heap that is one chunk become closed.
    fn close(&mut self, backing: &mut impl Backing) {
        let Some(taken) = self.try_alloc(CLOSED, 1) else { return };
        if backing.close(taken.first.addr(), CLOSED << PAGE_SHIFT) {
            self.closed = Some(taken.first);
        } else {
            self.tree.free(taken.first, CLOSED, Content::Released);
        }
    }

    fn try_alloc(&mut self, n: usize, align: usize) -> Option<Taken> {
        if align <= 1 { self.tree.alloc(n) } else { self.tree.alloc_aligned(n, align) }
    }

    /// A full cache of pages, growing if it must. `None`: there are not as many. `dense`: see [`Uses`].
    pub fn fill(&mut self, backing: &mut impl Backing, cache: &mut PageCache, dense: bool) -> Option<()> {
        if !self.allows(BLOCK) {
            return None;
        }
        self.uses.count(BLOCK, dense);
        self.make_whole(backing, 1, dense);
        if self.tree.fill(cache).is_some() || self.open(backing) && self.tree.fill(cache).is_some() {
            return Some(());
        }
        self.grow(backing, 1)?;
        self.make_whole(backing, 1, dense);
        self.tree.fill(cache)
    }

    /// The chunk where the next `n` pages come from may be made a huge page.
    fn make_whole(&mut self, backing: &mut impl Backing, n: usize, dense: bool) {
        if dense
            && self.uses.are_dense()
            && self.in_use() >= WHOLE
            && let Some(chunk) = self.tree.untouched_next(n)
        {
            backing.whole(chunk.addr());
        }
    }

    /// Maps at least `need` pages in one piece and adds them to the tree.
    fn grow(&mut self, backing: &mut impl Backing, need: usize) -> Option<()> {
        let need = need.checked_next_multiple_of(CHUNK_PAGES).filter(|&n| n <= SPACE_PAGES)?;
        let eighth = (self.tree.counts.mapped / 8).next_multiple_of(CHUNK_PAGES);
        let step = eighth.clamp(CHUNK_PAGES, LARGEST_STEP).max(need);
        let is_first = self.hint == 0;
        self.grow_by(backing, step)
            .or_else(|| if step > need { self.grow_by(backing, need) } else { None })?;
        if is_first && step == CHUNK_PAGES {
            self.close(backing);
        }
        Some(())
    }

    fn grow_by(&mut self, backing: &mut impl Backing, pages: usize) -> Option<()> {
        let bytes = pages << PAGE_SHIFT;
        let at = self.map(backing, bytes)?;
        debug_assert!(at.is_aligned(CHUNK_BYTES));
        if self.tree.add(Page::of(at), pages, &mut |bytes| backing.metadata(bytes)).is_none() {
            backing.unmap(at, bytes);
            return None;
        }
        self.hint = at.0 + bytes;
        if self.tree.counts.mapped <= WHOLE {
            backing.small(at, bytes);
        }
        if self.large {
            backing.grown(at, bytes);
        } else if self.tree.counts.mapped >= LARGE {
            self.large = true;
            for range in self.tree.in_use.as_slice() {
                backing.grown(Page(range.lo).addr(), (range.hi - range.lo) << PAGE_SHIFT);
            }
        }
        Some(())
    }

    fn map(&mut self, backing: &mut impl Backing, bytes: usize) -> Option<Addr> {
        if self.hint == 0 {
            self.hint = backing.first_hint().0;
        }
        let end = self.tree.in_use.as_slice().last().map_or(self.hint, |e| Page(e.hi).addr().0);
        let leaps = (0..LEAPS).map(|i| (end + 1).next_multiple_of(FIRST_LEAP << (2 * i)));
        let mut tried = 0;
        for at in [self.hint, end].into_iter().chain(leaps) {
            if at == tried || at.checked_add(bytes).is_none_or(|end| end > 1 << ADDR_BITS) {
                continue;
            }
            tried = at;
            match backing.map_at(Addr(at), bytes) {
                Ok(()) => return Some(Addr(at)),
                Err(Refused::Occupied) => {}
                Err(Refused::NoMemory) => break,
            }
        }
        backing.map_anywhere(bytes, CHUNK_BYTES)
    }

    /// Unmaps at most `max` whole chunks in one piece that have been free without memory.
    /// Returns the pages that went.
    pub fn trim(&mut self, backing: &mut impl Backing, max: usize) -> usize {
        let Some(gone) = self.tree.retire(max) else { return 0 };
        let at = gone.first.addr();
        if backing.unmap(at, gone.pages << PAGE_SHIFT) {
            // The hole is filled first, so that the heap does not wander through the space.
            self.hint = at.0;
            return gone.pages;
        }
        // The kernel could not split a mapping. Putting the range back needs neither metadata
        // nor a slot that was not there before.
        if self.tree.add(gone.first, gone.pages, &mut |_| None).is_none() {
            corrupt("a range could not be put back", gone.first);
        }
        0
    }
}

#[cfg(test)]
mod tests;

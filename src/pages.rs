//! L3: pages of the heap, and memory for gleaner's own structures.
//!
//! # The path of a page
//! A thread that wants a few pages finds them in its [`PageCache`]: a bit search in one word,
//! no lock. An empty cache is filled, and larger requests are met, by the *tree* under the one
//! lock of rank `Pages`: first fit by address over bitmaps of 512 pages with five levels of
//! summaries above them ([`tree`](self), `geometry.rs` for the shape, `find.rs` for the walk). When the tree has nothing,
//! the heap grows by a small mapping (`grow.rs`). Freed pages go back to the tree; from time to
//! time somebody calls [`scavenge`], which takes the memory of free pages away and keeps the
//! address space, and [`trim`], which gives back address space too.
//!
//! Design after the Go runtime's page allocator (proposal 35112), with three differences: 4 KiB
//! pages, so that a chunk is one huge page; address space can be returned; and nothing large is
//! reserved, because a preloaded library lives under its host's `ulimit -v`.
//!
//! # Also here
//! - [`metadata`]: zeroed memory off the heap, never scanned;
//! - [`own`]: every mapping that gleaner made.
//!
//! # Locks
//! `Pages` is taken inside each function below that takes a `Critical`; callers may hold
//! anything of a lower rank. Mapping happens under it, releasing memory does not.
//!
//! # Safety
//! Only fork's hooks are unsafe: they unlock what another function locked.
#![allow(unsafe_code)]
use crate::ground::critical::{self, Critical};
use crate::ground::lock::{Lock, Rank};
use crate::pure::addr::{Addr, PAGE_SIZE};
use chunk::Content;
use geometry::{CHUNK_PAGES, Page, SPACE_PAGES};
use grow::PageHeap;
use os::Os;
use scavenge::Candidate;
use store::Plain;
use tree::Taken;

mod cache;
mod chunk;
mod extents;
mod find;
#[cfg(test)]
mod fixture;
mod fresh;
mod geometry;
mod grow;
mod invariants;
pub mod limit;
pub mod metadata;
mod os;
pub mod own;
pub mod pool;
pub mod ranges;
mod scavenge;
mod search_addr;
mod store;
mod summary;
pub mod thp;
mod tree;

pub use cache::PageCache;

static HEAP: Lock<PageHeap<Plain>> = Lock::new(Rank::Pages, PageHeap::new());

/// Pages just allocated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    pub base: Addr,
    pub pages: usize,
    /// Every byte is known to read as zero: never used before, or given back to the OS since.
    pub zeroed: bool,
    /// Pages that may hold memory, and anything.
    pub resident: usize,
}

impl Run {
    fn of(taken: Taken, pages: usize) -> Run {
        Run {
            base: taken.first.addr(),
            pages,
            zeroed: taken.released == pages,
            resident: pages - taken.released,
        }
    }
}

/// Counts of pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Address space of the heap.
    pub mapped: usize,
    /// Handed out, or in some thread's cache.
    pub in_use: usize,
    /// Free and (as far as we know) still backed by memory.
    pub free_resident: usize,
    /// Free and not backed by memory.
    pub free_released: usize,
}

/// `npages` pages, or `None` when the system has no more memory for us (and for 0 pages). `dense`: whoever uses some of what lies in
/// them touches nearly all of them.
#[inline]
pub fn alloc(critical: &Critical, cache: &mut PageCache, npages: usize, dense: bool) -> Option<Run> {
    if npages.wrapping_sub(1) < cache::LARGEST {
        if let Some(taken) = cache.take(npages) {
            return Some(Run::of(taken, npages));
        }
        return alloc_slow(critical, cache, npages, dense);
    }
    alloc_aligned(critical, npages, 1)
}

#[cold]
fn alloc_slow(critical: &Critical, cache: &mut PageCache, npages: usize, dense: bool) -> Option<Run> {
    let mut heap = HEAP.lock(critical);
    let filled = cache.is_empty() && heap.fill(&mut Os(critical), cache, dense).is_some();
    let cached = if filled { cache.take(npages) } else { None };
    let taken = cached.or_else(|| heap.alloc(&mut Os(critical), npages, 1, dense))?;
    let excess = heap.excess();
    drop(heap);
    limit::give_back(critical, excess);
    Some(Run::of(taken, npages))
}

/// `npages` pages at a multiple of `align_pages` pages (a power of two).
pub fn alloc_aligned(critical: &Critical, npages: usize, align_pages: usize) -> Option<Run> {
    debug_assert!(align_pages.is_power_of_two());
    if npages == 0 || npages > SPACE_PAGES {
        return None;
    }
    let mut heap = HEAP.lock(critical);
    let taken = heap.alloc(&mut Os(critical), npages, align_pages, false)?;
    let excess = heap.excess();
    drop(heap);
    limit::give_back(critical, excess);
    Some(Run::of(taken, npages))
}

/// Takes back a run that [`alloc`] or [`alloc_aligned`] gave, or a part of one.
pub fn free(critical: &Critical, base: Addr, npages: usize) {
    debug_assert!(base.is_aligned(PAGE_SIZE) && npages > 0);
    HEAP.lock(critical).tree.free(Page::of(base), npages, Content::Resident);
}

/// [`free`] through a cache whose owner is about to [`flush`] it: neighbours go back together.
pub fn free_later(critical: &Critical, cache: &mut PageCache, base: Addr, npages: usize) {
    let page = Page::of(base);
    if !cache.can_take_back(page, npages) {
        flush(critical, cache);
    }
    if !cache.take_back(page, npages) {
        free(critical, base, npages);
    }
}

/// [`free`] of pages that have no memory and read as zero.
pub fn free_released(critical: &Critical, base: Addr, npages: usize) {
    debug_assert!(base.is_aligned(PAGE_SIZE) && npages > 0);
    HEAP.lock(critical).tree.free(Page::of(base), npages, Content::Released);
}

/// Gives a cache's pages back, because its owner goes away or memory is short.
pub fn flush(critical: &Critical, cache: &mut PageCache) {
    if !cache.is_empty() {
        HEAP.lock(critical).tree.flush(cache);
    }
}

/// Releases about `max_pages` free resident pages to the OS, highest addresses first (at most a
/// chunk more, rather than break up a huge page). Returns how many it released: fewer when there
/// are no more, or when the OS refuses (locked memory).
///
/// With `thp=always` the free pages of chunks that are mostly used stay, unless all are wanted.
pub fn scavenge(critical: &Critical, max_pages: usize) -> usize {
    scavenge_of(critical, max_pages, thp::keeps_whole() && max_pages != usize::MAX)
}

fn scavenge_of(critical: &Critical, max_pages: usize, sparse_only: bool) -> usize {
    let (mut done, mut cursor) = (0, Page::END);
    while done < max_pages {
        let candidate = {
            let tree = &mut HEAP.lock(critical).tree;
            match sparse_only {
                true => tree.lease_sparse(&mut cursor, max_pages - done),
                false => tree.lease(max_pages - done),
            }
        };
        let lease = match candidate {
            Candidate::Found(lease) => lease,
            Candidate::Again => continue,
            Candidate::Nothing => break,
        };
        let released = os::release(lease.first.addr(), lease.pages * PAGE_SIZE);
        let content = if released { Content::Released } else { Content::Resident };
        HEAP.lock(critical).tree.end_lease(lease, content);
        if !released {
            break;
        }
        done += lease.resident;
    }
    done
}

/// Unmaps whole 2 MiB chunks that are free and were released, highest first, and keeps
/// at least `keep_pages` of released address space for the next growth. Returns the pages unmapped.
pub fn trim(critical: &Critical, keep_pages: usize) -> usize {
    let mut done = 0;
    loop {
        let mut heap = HEAP.lock(critical);
        let spare = heap.tree.counts().released.saturating_sub(keep_pages) / CHUNK_PAGES;
        match heap.trim(&mut Os(critical), spare) {
            0 => return done,
            pages => done += pages,
        }
    }
}

/// The fewest free resident pages that there have been since the last call: nobody needed those.
pub fn take_low_water(critical: &Critical) -> usize {
    let tree = &mut HEAP.lock(critical).tree;
    let counts = tree.counts();
    core::mem::replace(&mut tree.low_water, counts.free - counts.released)
}

/// Puts the mark (back) to `pages`, if there are as many.
pub fn lower_water(critical: &Critical, pages: usize) {
    let tree = &mut HEAP.lock(critical).tree;
    tree.low_water = pages.min(tree.low_water);
}

/// All of the heap's pages come into use: later that may be forbidden.
pub fn open(critical: &Critical) {
    HEAP.lock(critical).open(&mut Os(critical));
}

/// How the heap's pages are used.
pub fn stats() -> Stats {
    let critical = critical::enter();
    let heap = HEAP.lock(&critical);
    let (counts, closed) = (heap.tree.counts(), heap.closed_pages());
    Stats {
        mapped: counts.mapped,
        in_use: heap.in_use(),
        free_resident: counts.free - counts.released,
        free_released: counts.released + closed,
    }
}

/// Whether `addr` is in a free page of the heap.
pub fn is_free(addr: Addr) -> bool {
    let critical = critical::enter();
    HEAP.lock(&critical).tree.is_free(Page::of(addr))
}

/// How many such pages there are from `lo` up to `hi`.
pub fn count_free(lo: Addr, hi: Addr) -> usize {
    let critical = critical::enter();
    HEAP.lock(&critical).tree.count_free(Page::of(lo), Page::of(hi))
}

/// Aborts with a numbered line unless every invariant of the page allocator holds.
pub fn check(critical: &Critical) {
    HEAP.lock(critical).tree.check();
}

/// Fork's prepare step: takes the locks of this layer, so that the child finds no half change.
pub fn fork_prepare(critical: &Critical) {
    HEAP.hold(critical);
    metadata::lock().hold(critical);
    own::lock().hold(critical);
}

/// Fork's step in the parent.
/// # Safety
/// This thread must have called [`fork_prepare`].
pub unsafe fn fork_parent() {
    // SAFETY: held since `fork_prepare`, by the caller's promise.
    unsafe {
        own::lock().release();
        metadata::lock().release();
        HEAP.release();
    }
}

/// Fork's step in the child.
/// # Safety
/// Only in the child of a fork before which this thread called [`fork_prepare`].
pub unsafe fn fork_child() {
    // SAFETY: the child's only thread is the one that held them.
    unsafe {
        own::lock().reset();
        metadata::lock().reset();
        HEAP.reset();
    }
}

#[cfg(test)]
mod tests;

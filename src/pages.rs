//! L3: pages of the heap, and memory for gleaner's own structures.
//!
//! - [`alloc`], [`free`], [`alloc_aligned`]: runs of 4 KiB pages from the summary-tree page
//!   allocator; [`PageCache`] in front of it needs no lock.
//! - [`metadata`]: zeroed memory off the heap, never scanned.
//! - [`own`]: every mapping that gleaner made.
#![allow(unsafe_code)]
//! # Safety
//! First cut: a mapping per run.
use crate::ground::critical::Critical;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::sys::vm;

mod extents;
pub mod metadata;
pub mod own;

/// Pages just allocated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    pub base: Addr,
    /// Every byte is known to read as zero: never used before, or given back to the OS since.
    pub zeroed: bool,
}

/// One thread's stock of up to 64 neighbouring pages, served without a lock. Lives in metadata
/// memory inside the thread's heap cache; [`flush`] it before its owner goes away.
#[derive(Debug, Default)]
pub struct PageCache {
    #[allow(dead_code)]
    base: usize,
}

impl PageCache {
    pub const fn new() -> PageCache {
        PageCache { base: 0 }
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

/// `npages` pages, or `None` when the system has no more memory for us.
pub fn alloc(critical: &Critical, cache: &mut PageCache, npages: usize) -> Option<Run> {
    let _ = cache;
    alloc_aligned(critical, npages, 1)
}

/// `npages` pages at a multiple of `align_pages` pages (a power of two).
pub fn alloc_aligned(critical: &Critical, npages: usize, align_pages: usize) -> Option<Run> {
    let _ = critical;
    let (len, align) = (npages.checked_mul(PAGE_SIZE)?, align_pages.checked_mul(PAGE_SIZE)?);
    let all = len.checked_add(align - PAGE_SIZE)?;
    let at = vm::map_rw(Addr::NULL, all).ok()?;
    own::add(at, at.add(all));
    Some(Run { base: at.align_up(align), zeroed: true })
}

/// Takes back a run that [`alloc`] or [`alloc_aligned`] gave, or a part of one.
pub fn free(critical: &Critical, base: Addr, npages: usize) {
    let _ = critical;
    own::remove(base, base.add(npages * PAGE_SIZE));
    // SAFETY: a run of ours that its user gives back.
    let _ = unsafe { vm::unmap(base, npages * PAGE_SIZE) };
}

/// Gives a cache's pages back, because its owner goes away or memory is short.
pub fn flush(critical: &Critical, cache: &mut PageCache) {
    let _ = (critical, cache);
}

/// Releases up to about `max_pages` free resident pages to the OS, highest addresses first.
/// Returns how many it released.
pub fn scavenge(critical: &Critical, max_pages: usize) -> usize {
    let _ = (critical, max_pages);
    0
}

/// How the heap's pages are used.
pub fn stats() -> Stats {
    Stats::default()
}

/// Fork's prepare step: takes the locks of this layer, so that the child finds no half change.
pub fn fork_prepare(critical: &Critical) {
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
    }
}

//! Memory for gleaner's own structures: zeroed, off the heap, never freed, never scanned.
//!
//! Two sources. [`alloc`] bumps a pointer through blocks of 256 KiB to 1 MiB: span
//! descriptors, thread records, tables. What comes from it stays for ever, so records made of
//! it are *type-stable*: a late reader of a recycled record reads another record of the same
//! kind, never an unmapped page. [`map_region`] is one mapping of its own, for large or
//! temporary structures; its pages cost nothing until they are touched.
//!
//! Blocks are asked for next to the last one, so that they are one mapping and one entry in
//! [`super::own`]. Under an address-space limit the block shrinks with what is left, down to
//! the pages of the one request. A general allocator with free lists was rejected: everything
//! here either lives for ever or is a whole mapping.
//!
//! Lock: rank `Metadata`, taken inside; callers may hold anything of a lower rank.
//!
//! # Safety
//! `unmap_region` removes a mapping; its contract is the caller's promise.
#![allow(unsafe_code)]
use super::{own, thp};
use crate::ground::critical::{self, Critical};
use crate::ground::lock::{Lock, Rank};
use crate::pure::addr::{Addr, PAGE_SIZE, round_up};
use crate::sys::vm;

/// Blocks begin at this size and double up to [`LARGEST_BLOCK`].
const FIRST_BLOCK: usize = 256 << 10;
const LARGEST_BLOCK: usize = 1 << 20;
/// Under an address-space limit, tried before the bare need.
const SMALL_BLOCK: usize = 64 << 10;
/// Requests above this get a mapping of their own, so that at most this much of a block is
/// wasted when the next one does not touch it.
const OWN_MAPPING: usize = 128 << 10;

pub(super) struct Arena {
    next: usize,
    limit: usize,
    block: usize,
    mapped: usize,
}

static ARENA: Lock<Arena> =
    Lock::new(Rank::Metadata, Arena { next: 0, limit: 0, block: FIRST_BLOCK, mapped: 0 });

/// For fork's hooks.
pub(super) fn lock() -> &'static Lock<Arena> {
    &ARENA
}

impl Arena {
    fn take(&mut self, bytes: usize, align: usize) -> Option<Addr> {
        let at = round_up(self.next, align);
        let end = at.checked_add(bytes)?;
        if self.next == 0 || end > self.limit {
            return None;
        }
        self.next = end;
        Some(Addr(at))
    }

    /// A block with room for `need` bytes. Extends the last one where the kernel agrees.
    fn refill(&mut self, need: usize) -> Option<()> {
        let need = round_up(need, PAGE_SIZE);
        for size in [self.block, FIRST_BLOCK, SMALL_BLOCK, need] {
            let size = size.max(need);
            let Ok(at) = vm::map_rw_lazy(Addr(self.limit), size) else { continue };
            own::add(at, at.add(size));
            self.mapped += size;
            if at.0 != self.limit {
                self.next = at.0;
            }
            self.limit = at.0 + size;
            self.block = (self.block * 2).min(LARGEST_BLOCK);
            return Some(());
        }
        None
    }
}

/// `bytes` zeroed bytes, aligned to `align` (a power of two), for ever.
pub fn alloc(critical: &Critical, bytes: usize, align: usize) -> Option<Addr> {
    debug_assert!(align.is_power_of_two());
    let (bytes, align) = (bytes.max(1), align.max(8));
    if bytes > OWN_MAPPING && align <= PAGE_SIZE {
        return map_region(critical, bytes);
    }
    let mut arena = ARENA.lock(critical);
    if let Some(at) = arena.take(bytes, align) {
        return Some(at);
    }
    arena.refill(bytes.checked_add(align)?)?;
    arena.take(bytes, align)
}

/// A mapping of its own, zeroed, `len` bytes rounded up to pages, populated when touched.
pub fn map_region(critical: &Critical, len: usize) -> Option<Addr> {
    let len = len.max(1).checked_next_multiple_of(PAGE_SIZE)?;
    let at = vm::map_rw_lazy(Addr::NULL, len).ok()?;
    thp::table(at, len);
    own::add(at, at.add(len));
    ARENA.lock(critical).mapped += len;
    Some(at)
}

/// The same, shared with copies of this process. Never unmapped, but by [`leave_shared`].
pub fn map_shared_region(critical: &Critical, len: usize) -> Option<Addr> {
    let len = len.max(1).checked_next_multiple_of(PAGE_SIZE)?;
    let at = vm::map_shared_lazy(len).ok()?;
    own::add(at, at.add(len));
    own::share(at, at.add(len));
    ARENA.lock(critical).mapped += len;
    Some(at)
}

/// In the child of a fork: what its parent shares with others is not its own.
/// # Safety
/// Nothing refers to it any more.
pub unsafe fn leave_shared(critical: &Critical) {
    let (lo, hi) = own::shared();
    if lo < hi {
        own::share(Addr::NULL, Addr::NULL);
        // SAFETY: the caller's promise.
        unsafe { unmap_region(critical, lo, hi.since(lo)) };
    }
}

/// Gives back what [`map_region`] gave.
/// # Safety
/// `at` and `len` are those of one `map_region`, and nothing refers to it any more.
pub unsafe fn unmap_region(critical: &Critical, at: Addr, len: usize) {
    let len = round_up(len.max(1), PAGE_SIZE);
    own::remove(at, at.add(len));
    // SAFETY: ours by the caller's promise.
    if unsafe { vm::unmap(at, len) }.is_ok() {
        ARENA.lock(critical).mapped -= len;
    } else {
        // Too many mappings to split one: it stays ours.
        own::add(at, at.add(len));
    }
}

/// Bytes of address space that metadata holds (much of it may be untouched).
pub fn mapped_bytes() -> usize {
    let critical = critical::enter();
    ARENA.lock(&critical).mapped
}

#[cfg(test)]
mod tests;

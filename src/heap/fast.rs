//! The fast paths of malloc and free.
//!
//! **Every instruction here is a safe instruction.** A thread may be stopped, and the heap be
//! looked at, between any two: malloc unlinks with one store (until then the slot is free and
//! on the list, after it the slot is handed out and its address is in a register); free links
//! with one store, after the slot's own link is in place. The compiler fences keep that order.
//! `used` may lag by one: only the owner reads it. `c-tests/torture/` steps a thread through these paths and
//! collects at each instruction.
//!
//! # Safety
//! A span's free list holds only slots of that span, each at least 16 bytes, owned by nobody
//! else; a span that the fast path reaches belongs to the calling thread (its cache shows it,
//! or its owner word is this cache's address).
#![allow(unsafe_code)]
use super::cache;
use crate::pure::addr::Addr;
use crate::spans::class::{MEDIUM_MAX, SMALL_MAX, of_medium};
use crate::spans::span::tag;
use crate::spans::{Block, Span, map};
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, compiler_fence};

/// A slot of at least `n + 1` bytes, or null: then take the slow path.
#[inline(always)]
pub fn malloc(n: usize) -> *mut u8 {
    let slot = if n <= SMALL_MAX { small(n) } else { medium(n) };
    slot.map_or(core::ptr::null_mut(), |slot| slot.as_ptr())
}

/// [`malloc`] for `n <= SMALL_MAX`.
#[inline(always)]
pub fn small(n: usize) -> Option<NonNull<u8>> {
    debug_assert!(n <= SMALL_MAX);
    // SAFETY: the index is at most DIRECT - 1; shown spans are valid for ever and ours.
    pop(unsafe { &*cache::current().direct.get_unchecked((n >> 4) + 1).get() })
}

/// [`malloc`] for larger `n`.
#[inline(always)]
pub fn medium(n: usize) -> Option<NonNull<u8>> {
    if n > MEDIUM_MAX {
        return None;
    }
    // SAFETY: of_medium is below COUNT for these n (tested exhaustively).
    pop(unsafe { &*cache::current().medium.get_unchecked(of_medium(n)).get() })
}

/// Unlinks the first free slot; none if there is none, or if it was written to since it was freed: then
/// its link is not to be trusted. Its first 16 bytes are cleared: the
/// double-free mark must go, and a stale link would look like a pointer to the collector.
#[inline(always)]
pub fn pop(span: &Span) -> Option<NonNull<u8>> {
    let block = span.free.get();
    // SAFETY: a block on the list is a free slot of ours, or the end, which carries no key.
    unsafe {
        let next = (*block).next;
        if (*block).key != cache::mark_of(block, next) {
            return None;
        }
        compiler_fence(Ordering::SeqCst);
        span.free.set(next);
        compiler_fence(Ordering::SeqCst);
        span.used.set(span.used.get().wrapping_add(1));
        (block as *mut u128).write(0);
        Some(NonNull::new_unchecked(block as *mut u8))
    }
}

/// The span of the object at `p` if that is a slot with nothing special about it: not free, not in
/// limbo, not watched. `None`: have it looked at by the slow path. Reads only.
/// # Safety
/// As [`free`].
#[inline(always)]
pub unsafe fn plain(p: *const u8) -> Option<&'static Span> {
    let addr = Addr(p as usize);
    let span = map::lookup_of_pointer(addr)?;
    let special = span.owner.load(Ordering::Relaxed) & (tag::LIMBO | tag::WATCH) != 0;
    // SAFETY: as in `free`; a large object's magic is 0, so it has no slots.
    let plain = !special && span.is_slot(addr) && unsafe { !cache::is_marked(p as *const Block) };
    if plain { Some(span) } else { None }
}

/// How a fast free ended.
pub enum Freed {
    Done,
    /// Done, and no slot of the span is handed out any more: see `release::emptied`.
    Emptied(&'static Span),
    /// Nothing was done: take the slow path.
    Special,
}

/// Frees `p` if it is a slot of this thread's and nothing special.
/// # Safety
/// `p` is not null. If it points into a span, it is what malloc returned.
#[inline(always)]
pub unsafe fn free(p: *mut u8) -> Freed {
    let Some(span) = map::lookup_of_pointer(Addr(p as usize)) else { return Freed::Special };
    if span.owner.load(Ordering::Relaxed) != cache::current().id() {
        return Freed::Special;
    }
    let block = p as *mut Block;
    // SAFETY: the page belongs to a span of ours, so the 16 bytes are mapped memory (is_slot
    // comes first: the last bytes of a span might not have 16 behind them).
    unsafe {
        let half = cache::half_mark(block);
        if !span.is_slot(Addr(p as usize)) || (*block).key ^ half == (*block).next as usize {
            return Freed::Special;
        }
        let next = span.free.get();
        (*block).next = next;
        (*block).key = half ^ next as usize;
        compiler_fence(Ordering::SeqCst);
        span.free.set(block);
        compiler_fence(Ordering::SeqCst);
    }
    let used = span.used.get().wrapping_sub(1);
    span.used.set(used);
    if used == 0 { Freed::Emptied(span) } else { Freed::Done }
}

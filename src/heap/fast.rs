//! The fast paths of malloc and free.
//!
//! **Every instruction here is a safe instruction.** A thread may be stopped, and the heap be
//! looked at, between any two: malloc unlinks with one store (until then the slot is free and
//! on the list, after it the slot is handed out and its address is in a register); free links
//! with one store, after the slot's own link is in place. The compiler fences keep that order.
//! `used` may lag by one: only the owner reads it.
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
use core::sync::atomic::{Ordering, compiler_fence};

/// A slot of at least `n + 1` bytes, or null: then take the slow path.
#[inline(always)]
pub fn malloc(n: usize) -> *mut u8 {
    let cache = cache::current();
    let span = if n <= SMALL_MAX {
        // SAFETY: the index is at most DIRECT - 1 by the test.
        unsafe { cache.direct.get_unchecked((n + 16) >> 4) }
    } else if n <= MEDIUM_MAX {
        // SAFETY: of_medium is below COUNT for these n (tested exhaustively).
        unsafe { cache.medium.get_unchecked(of_medium(n)) }
    } else {
        return core::ptr::null_mut();
    };
    // SAFETY: shown spans are valid for ever and ours.
    pop(unsafe { &*span.get() })
}

/// Unlinks the first free slot; null if there is none. Its first 16 bytes are cleared: the
/// double-free mark must go, and a stale link would look like a pointer to the collector.
#[inline(always)]
pub fn pop(span: &Span) -> *mut u8 {
    let block = span.free.get();
    if block.is_null() {
        return core::ptr::null_mut();
    }
    // SAFETY: a block on the list is a free slot of ours.
    unsafe {
        let next = (*block).next;
        compiler_fence(Ordering::SeqCst);
        span.free.set(next);
        compiler_fence(Ordering::SeqCst);
        span.used.set(span.used.get().wrapping_add(1));
        (block as *mut u128).write(0);
    }
    block as *mut u8
}

/// The span of the object at `p` if that is a slot with nothing special about it: not free, not in
/// limbo, not watched. `None`: have it looked at by the slow path. Reads only.
/// # Safety
/// As [`free`].
#[inline(always)]
pub unsafe fn plain(p: *const u8) -> Option<&'static Span> {
    let addr = Addr(p as usize);
    let span = map::lookup(addr)?;
    let special = span.owner.load(Ordering::Relaxed) & (tag::LIMBO | tag::WATCH) != 0;
    // SAFETY: as in `free`; a large object's magic is 0, so it has no slots.
    let plain =
        !special && span.is_slot(addr) && unsafe { (*(p as *const Block)).key != cache::key_of(p as *const Block) };
    if plain { Some(span) } else { None }
}

/// Frees `p` if it is a slot of this thread's and nothing special; false: take the slow path.
/// # Safety
/// `p` is not null. If it points into a span, it is what malloc returned.
#[inline(always)]
pub unsafe fn free(p: *mut u8) -> bool {
    let Some(span) = map::lookup(Addr(p as usize)) else { return false };
    if span.owner.load(Ordering::Relaxed) != cache::current().id() {
        return false;
    }
    let block = p as *mut Block;
    // SAFETY: the page belongs to a span of ours, so the 16 bytes are mapped memory (is_slot
    // comes first: the last bytes of a span might not have 16 behind them).
    unsafe {
        let key = cache::key_of(block);
        if !span.is_slot(Addr(p as usize)) || (*block).key == key || span.used.get() == 1 {
            return false;
        }
        (*block).next = span.free.get();
        (*block).key = key;
        compiler_fence(Ordering::SeqCst);
        span.free.set(block);
        compiler_fence(Ordering::SeqCst);
    }
    span.used.set(span.used.get() - 1);
    true
}

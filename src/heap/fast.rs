//! The fast paths of malloc and free.
//!
//! **Every instruction here is a safe instruction.** A thread may be stopped, and the heap be
//! looked at, between any two: malloc takes a slot out of a [`Bin`] with one store (until then it is free
//! and in the bin, after it the slot is handed out and its address is in a register); free puts one in
//! with one store, after its place has it. The compiler fences keep that order. `c-tests/torture/` steps a thread
//! through these paths and collects at each instruction.
//!
//! free asks nothing of the span, not even whose it is: a page's entry in [`plain`](crate::spans::plain) leads to
//! the bin, one product tells both whether the pointer is where a slot begins and what mark it would bear
//! if it were free. Whatever is special leads to a bin that takes nothing. A full bin is seen before a slot is in it:
//! a handler of the program's that frees can come between any two instructions as well.
//!
//! # Safety
//! A bin holds only free slots of its class, owned by nobody else; a slot is at least 16 bytes.
#![allow(unsafe_code)]
use super::cache::{self, Bin, Cache};
use super::misuse;
use crate::pure::addr::Addr;
use crate::spans::class::{BIN_OF, MEDIUM_MAX, SMALL_MAX};
use crate::spans::{Block, map, plain};
use core::num::NonZeroUsize;
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
    small_marked(n).map(unmarked)
}

/// [`small`] for a caller who clears the first 16 bytes at once.
#[inline(always)]
pub fn small_marked(n: usize) -> Option<NonNull<u8>> {
    let cache = cache::current();
    pop(cache.bin_of(cache.small_bin(n)))
}

/// [`malloc`] for larger `n`.
#[inline(always)]
pub fn medium(n: usize) -> Option<NonNull<u8>> {
    if n > MEDIUM_MAX {
        return None;
    }
    // SAFETY: the table has an entry for each such `n`.
    let bin = cache::bin_at(unsafe { *BIN_OF.get_unchecked(n >> 4) } as usize);
    let slot = pop(bin)?;
    let block = slot.cast::<Block>().as_ptr();
    let mark = bin.mark(Addr::of(block));
    // One instruction reads, compares and clears: where the page was never touched, a read of its own would be a page fault
    // of its own.
    // SAFETY: a slot that nobody has yet.
    unsafe {
        let rest = (*block).mark.wrapping_sub(mark);
        (*block).mark = rest;
        if rest != 0 {
            odd(block, mark);
        }
    }
    Some(slot)
}

/// A slot of more than `slots::MARKED` bytes came out of its bin without its mark, of which `own` has been subtracted: nobody ever
/// had it, or the program wrote to it.
#[cold]
#[inline(never)]
fn odd(block: *mut Block, own: usize) {
    // SAFETY: as in `medium`. What stood there is compared.
    let mark = unsafe {
        (*block).mark = (*block).mark.wrapping_add(own);
        (*block).mark
    };
    // A handler that came in between may have closed the bin, which then knows no mark.
    // SAFETY: as in `medium`.
    let marked = map::lookup(Addr::of(block)).is_none_or(|span| unsafe { cache::is_marked(span, block) });
    if mark != 0 && !marked {
        misuse::written(Addr::of(block), Addr(mark));
    }
    // SAFETY: as above.
    unsafe { (*block).mark = 0 };
}

/// The mark of a slot that is handed out must go.
#[inline(always)]
pub fn unmarked(slot: NonNull<u8>) -> NonNull<u8> {
    // SAFETY: a slot that nobody has yet.
    unsafe { (*slot.cast::<Block>().as_ptr()).mark = 0 };
    slot
}

/// A slot of the class in a cache whose calls are all slow; see `bins::has`.
#[inline(always)]
pub fn take(cache: &Cache, class: usize) -> Option<NonNull<u8>> {
    pop(cache.bin(class)).map(unmarked)
}

/// Takes the newest slot out.
#[inline(always)]
fn pop(bin: &Bin) -> Option<NonNull<u8>> {
    let bin = bin.at_register();
    let slot = NonNull::new(bin.newest.get())?;
    // SAFETY: the place below the top is the bin's, and has a slot or null.
    let next = unsafe { *bin.place(bin.top.get() - 1) };
    bin.lower_top();
    bin.newest.set(next);
    compiler_fence(Ordering::SeqCst);
    Some(slot)
}

/// How many bytes of the object at `p` the program may use, if that is a slot with nothing special about it: not free,
/// not in limbo, not watched. `None`: have it looked at by the slow path. Reads only.
/// # Safety
/// As [`free`].
#[inline(always)]
pub unsafe fn plain(p: *const u8) -> Option<NonZeroUsize> {
    let addr = Addr(p as usize);
    let (bin, usable) = plain::both(addr);
    let bin = cache::bin_at(bin);
    let mark = bin.mark(addr);
    // SAFETY: as in `free`.
    if mark >= bin.magic.get() || unsafe { (*p.cast::<Block>()).mark } == mark {
        return None;
    }
    NonZeroUsize::new(usable)
}

/// How a fast free ended.
pub enum Freed {
    Done,
    /// It bears its mark, but its bin is full: see `release::bin_full`.
    Full,
    /// Nothing was done: take the slow path.
    Special,
}

/// Frees `p` if it is a slot and nothing special.
/// # Safety
/// If `p` points into a span, it is what malloc returned.
#[inline(always)]
pub unsafe fn free(p: *mut u8) -> Freed {
    let addr = Addr(p as usize);
    let bin = cache::bin_at(plain::bin(addr));
    let mark = bin.mark(addr);
    if mark >= bin.magic.get() {
        return Freed::Special;
    }
    let block = p as *mut Block;
    // SAFETY: the page belongs to a span, and the address is where a slot may begin: the 16 bytes are mapped
    // memory. A full bin has a place for what does not go in.
    unsafe {
        if (*block).mark == mark {
            return Freed::Special;
        }
        (*block).mark = mark;
        let top = bin.top.get();
        *bin.place(top) = bin.newest.get();
        compiler_fence(Ordering::SeqCst);
        if top + 1 == 0 {
            return Freed::Full;
        }
        bin.top.set(top + 1);
        compiler_fence(Ordering::SeqCst);
        bin.newest.set(p);
        Freed::Done
    }
}

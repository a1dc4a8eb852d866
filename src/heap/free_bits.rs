//! Which slots of a span are free and with the span: a bit each, out of line.
//!
//! A slot comes here from a bin, and goes back to one with its neighbours, in the order of their addresses: what was freed
//! in random order is handed out in the order that memory is read in, and nobody walks a list that is cold. A freed slot bears
//! its mark and a link that leads nowhere; a link that does lead somewhere was written by the program. Rejected: a list through the
//! slots (a million of 48 bytes freed in random order came back at 69 ns each, now 21).
//!
//! # Safety
//! The words are the span's, from [`make`] to [`drop_bits`]: the owner's, in a critical section, as are the span's other cells.
#![allow(unsafe_code)]
use super::cache::{is_marked, link_of, link_to};
use super::{misuse, secure};
use crate::ground::critical::Critical;
use crate::pure::addr::Addr;
use crate::spans::span::tag;
use crate::spans::{Block, Span, plain, side};
use core::cell::Cell;
use core::sync::atomic::Ordering;

fn words(span: &Span) -> usize {
    (span.slots.get() as usize).div_ceil(64)
}

/// The span's bits: none for an object that is a span of its own.
pub fn of(span: &Span) -> &[Cell<u64>] {
    let first = span.free_bits.get().cast::<Cell<u64>>();
    if first.is_null() {
        return &[];
    }
    // SAFETY: see the chapter above.
    unsafe { core::slice::from_raw_parts(first, words(span)) }
}

/// A span gets its bits, all clear. False: no memory.
pub fn make(critical: &Critical, span: &Span) -> bool {
    let Some(at) = side::take(critical, words(span) * 8) else { return false };
    span.free_bits.set(at.ptr());
    true
}

/// The span is going.
pub fn drop_bits(critical: &Critical, span: &Span) {
    let at = span.free_bits.replace(core::ptr::null_mut());
    if !at.is_null() {
        side::give(critical, Addr::of(at), words(span) * 8);
    }
}

/// How many slots are free.
pub fn count(span: &Span) -> u32 {
    of(span).iter().map(|word| word.get().count_ones()).sum()
}

/// A slot is free from now on. False: it was already.
/// # Safety
/// `block` is a slot of the span, and the caller's.
#[inline(always)]
pub unsafe fn put(span: &Span, block: *mut Block) -> bool {
    let index = span.index(Addr::of(block)) as usize;
    let Some(word) = of(span).get(index / 64) else { return false };
    let old = word.replace(word.get() | 1 << (index % 64));
    // SAFETY: the caller's promise.
    unsafe { link_to(span, block, core::ptr::null_mut()) };
    old >> (index % 64) & 1 == 0
}

/// Calls `f` with up to `most` free slots, which are the caller's from then on, lowest first. Returns how many. Ends the process
/// if the program wrote to one of them.
#[inline(always)]
pub fn take(span: &Span, most: u32, mut f: impl FnMut(*mut Block)) -> u32 {
    let mut left = most;
    let mut base = 0;
    for word in of(span) {
        let mut bits = word.get();
        while bits != 0 && left != 0 {
            let addr = span.slot(base + bits.trailing_zeros());
            bits &= bits - 1;
            left -= 1;
            check(span, addr.ptr());
            f(addr.ptr());
        }
        word.set(bits);
        if left == 0 {
            break;
        }
        base += 64;
    }
    most - left
}

/// A free slot near a place `by_chance`, which is the caller's from then on.
pub fn take_any(span: &Span, by_chance: usize) -> Option<*mut Block> {
    let words = of(span);
    let (first, bit) = (by_chance / 64 % words.len().max(1), by_chance % 64);
    for number in 0..=words.len() {
        let at = (first + number) % words.len();
        let bits = words[at].get();
        let above = if number == 0 { bits & u64::MAX << bit } else { bits };
        if above != 0 {
            let found = above.trailing_zeros();
            words[at].set(bits & !(1 << found));
            let block = span.slot(at as u32 * 64 + found).ptr();
            check(span, block);
            return Some(block);
        }
    }
    None
}

#[inline(always)]
fn check(span: &Span, block: *const Block) {
    // SAFETY: a slot of the span that is free.
    let (link, marked) = unsafe { (link_of(block), is_marked(span, block)) };
    // Where all blocks go through their spans, to die of a harmless write would be to die of each.
    let watched = plain::is_recorded() || span.owner.load(Ordering::Relaxed) & tag::WATCH != 0;
    let harmless = secure::level() == 0 && watched;
    let marked = marked || harmless;
    if !link.is_null() || !marked {
        // SAFETY: as above.
        let written = Addr(unsafe { if link.is_null() { (*block).mark } else { (*block).link } });
        misuse::overwritten(Addr::of(block), span.size.get(), written);
    }
}

//! Phase 5: the doomed are freed, while the program runs.
//!
//! Whoever clears an object's limbo bit gets it (`heap::limbo`). A resurrection seen on the way
//! ends this at once: what the program still holds may lead to objects that are doomed too.
//!
//! With the option `fill` an object loses its bytes here: who has a pointer to it that we cannot see finds out.
//!
//! # Safety
//! An object whose limbo bit this module cleared, and which does not bear the mark of a free
//! slot, is allocated and nobody's: its span stays what it is until the slot is given back, and its
//! bytes are mapped, writable memory (protected objects are never doomed).
#![allow(unsafe_code)]
use super::Sum;
use super::mark::prefetch;
use crate::ground::critical::Critical;
use crate::heap::limbo::{DOOMED, IN, Limbo};
use crate::heap::{cache, large, live, release, secure, special, stacks};
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::spans::span::{kind, tag};
use crate::spans::{Block, Span, slab};
use crate::sys::vm;
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// Frees what is doomed, after filling it with the byte `fill` if that is not 0. Only the one collector calls this, after the
/// world resumed.
pub fn run(critical: &Critical, fill: u8) -> Sum {
    let mut parts = Parts::new(fill);
    while parts.next(critical) {}
    parts.freed
}

/// The same, a few spans at a time. No cycle begins before all are done.
pub struct Parts {
    walk: slab::Walk,
    fill: u8,
    /// Resurrections when it began.
    before: u64,
    pub freed: Sum,
}

impl Parts {
    pub fn new(fill: u8) -> Parts {
        let before = live::RESURRECTED.load(Ordering::Acquire);
        Parts { walk: slab::Walk::begin(), fill, before, freed: Sum::default() }
    }
    /// One part; false: all are done.
    pub fn next(&mut self, critical: &Critical) -> bool {
        let Some(spans) = self.walk.next() else { return false };
        for span in spans.iter().filter(|span| span.kind() != kind::NONE) {
            reclaim(critical, span, (self.fill, self.before), &mut self.freed);
        }
        true
    }
}

fn reclaim(critical: &Critical, span: &'static Span, (fill, before): (u8, u64), freed: &mut Sum) {
    let tagged = span.owner.load(Ordering::Relaxed) & tag::LIMBO != 0;
    let Some(limbo) = Limbo::of(span).filter(|_| tagged) else { return };
    for at in 0..limbo.words() {
        let doomed = limbo.word(DOOMED, at);
        let mask = doomed.load(Ordering::Relaxed);
        if mask == 0 {
            continue;
        }
        if live::RESURRECTED.load(Ordering::Acquire) != before {
            doomed.store(0, Ordering::Relaxed);
            continue;
        }
        let mine = limbo.word(IN, at).fetch_and(!mask, Ordering::AcqRel) & mask;
        doomed.fetch_and(mine, Ordering::Relaxed);
        free_each(critical, span, Doomed { at, mine, doomed, fill }, freed);
    }
    if limbo.is_empty() {
        span.owner.fetch_and(!tag::LIMBO, Ordering::Relaxed);
    }
}

/// Objects of a word of limbo bits that are the collector's.
struct Doomed<'a> {
    at: usize,
    mine: u64,
    doomed: &'a AtomicU64,
    fill: u8,
}

fn free_each(critical: &Critical, span: &'static Span, objects: Doomed<'_>, freed: &mut Sum) {
    let Doomed { at, mine, doomed, fill } = objects;
    if span.kind() == kind::SLOTS {
        return free_slots(critical, span, objects, freed);
    }
    debug_assert!((at, mine) == (0, 1), "a large object is one");
    if fill != 0 {
        fill_large(span, fill);
    }
    doomed.store(0, Ordering::Release);
    freed.add(1, span.size.get());
    special::reclaimed(critical, span, 0);
    large::free(critical, span);
}

/// All at once: they are fetched together, and given back together.
fn free_slots(critical: &Critical, span: &'static Span, objects: Doomed<'_>, freed: &mut Sum) {
    let Doomed { at, mine, doomed, fill } = objects;
    let index = |bit: u32| at as u32 * 64 + bit;
    let block = |bit: u32| -> *mut Block { span.slot(index(bit)).ptr() };
    each_bit(mine).for_each(|bit| prefetch(Addr::of(block(bit))));
    // Those that are on no list.
    let mut gone = 0;
    for bit in each_bit(mine) {
        // SAFETY: see the chapter above.
        if unsafe { !cache::is_marked(span, block(bit)) } {
            gone |= 1 << bit;
            // First: a neighbour's free looks at what follows the bytes asked for, as long as this says that there are any.
            stacks::set(span, index(bit), stacks::Origin::default());
        }
    }
    fence(Ordering::Release);
    for bit in each_bit(gone) {
        // SAFETY: as above.
        unsafe {
            if fill != 0 {
                block(bit).cast::<u8>().write_bytes(fill, span.size.get());
            }
            cache::link_to(span, block(bit), core::ptr::null_mut());
        }
    }
    fence(Ordering::Release);
    doomed.fetch_and(!mine, Ordering::Release);
    freed.add(gone.count_ones() as usize, span.size.get());
    each_bit(gone).for_each(|bit| special::reclaimed(critical, span, index(bit)));
    if gone != 0 {
        release::give_slots(critical, cache::current(), span, each_bit(gone).map(block));
    }
}

/// The numbers of the bits that are set.
fn each_bit(mut word: u64) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros());
        word &= word.wrapping_sub(1);
        bit
    })
}

/// Of a large object the pages that have memory: the others say nothing to anybody.
fn fill_large(span: &Span, fill: u8) {
    let lo = span.slot(0);
    let hi = lo.add(secure::room(span));
    vm::each_resident(lo.align_down(PAGE_SIZE), hi.align_up(PAGE_SIZE), &mut |from, to| {
        let (from, to) = (from.max(lo), to.min(hi));
        // SAFETY: see the chapter above.
        unsafe { from.ptr::<u8>().write_bytes(fill, to.since(from)) };
    });
}

//! Phase 4: limbo. What is unreachable grows older; what was unreachable often enough is doomed.
//!
//! Every object that a complete cycle finds white is in limbo until the program takes it back, a
//! later cycle finds it reachable (*revived*: a stale word on a stack is enough, so that proves
//! nothing), or it is reclaimed. How many consecutive cycles found it white is counted in bit planes, 64
//! objects at a time: with the default of 2 there is one plane.
//!
//! A span with objects in limbo has the tag LIMBO in its owner word, so that each free of one of
//! its slots comes by the slow path and `heap::limbo::take_back`: it is not `plain` until its owner sees that the tag is gone. The collector sets it while the
//! world is stopped. It may clear it at any time once the span's limbo is empty.
use super::Sum;
use super::bits::words;
use super::object::{self, Colour};
use crate::adopted::Aged;
use crate::ground::critical::Critical;
use crate::heap::limbo::{AGE, DOOMED, IN, Limbo};
use crate::pure::addr::Addr;
use crate::spans::span::tag;
use crate::spans::{Span, plain, slab};
use core::sync::atomic::{AtomicU64, Ordering};

/// Whether objects may be doomed at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doom {
    Allowed,
    /// The process showed that it hides pointers.
    Off,
}

/// What the update did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    /// In limbo now, doomed ones included.
    pub limbo: Sum,
    /// Of these, found white for the first time.
    pub fresh: Sum,
    pub doomed: Sum,
    /// Were in limbo, are reachable.
    pub revived: Sum,
    /// Ranges that the program adopted.
    pub adopted: Aged,
    /// Spans whose objects could not go to limbo for want of memory.
    pub spans_without_memory: usize,
}

/// Planes that count up to `needed - 1`.
fn age_planes(needed: u8) -> usize {
    (u8::BITS - needed.saturating_sub(1).leading_zeros()) as usize
}

/// Brings limbo up to date with a complete mark. `needed` consecutive cycles doom an object.
/// What overlaps a range of `protected` is not.
pub fn update(critical: &Critical, needed: u8, doom: Doom, protected: &[(Addr, Addr)]) -> Moved {
    let mut moved = Moved::default();
    slab::for_each(|span| {
        let white = |at| object::word(span, at, Colour::White);
        update_span(critical, span, (needed, doom), white, &mut moved);
    });
    for &(lo, hi) in protected {
        spare(lo, hi, &mut moved);
    }
    moved
}

/// The same for one span, of which `white` gives the words of white bits. The world is stopped.
pub(super) fn update_span(
    critical: &Critical,
    span: &'static Span,
    (needed, doom): (u8, Doom),
    white: impl Fn(usize) -> u64,
    moved: &mut Moved,
) {
    let any = (0..words(span)).any(|at| white(at) != 0);
    let tagged = span.owner.load(Ordering::Relaxed) & tag::LIMBO != 0;
    if !any && !tagged {
        return;
    }
    // An array without the tag is from an earlier life of the descriptor.
    if !tagged && let Some(stale) = Limbo::of(span) {
        clear(stale);
    }
    let ages = age_planes(needed);
    let Some(limbo) = Limbo::make(critical, span, ages) else {
        moved.spans_without_memory += 1;
        span.owner.fetch_and(!tag::LIMBO, Ordering::Relaxed);
        return;
    };
    let size = span.size.get();
    for at in 0..limbo.words() {
        let white = white(at);
        let old = limbo.word(IN, at).load(Ordering::Relaxed);
        let ripe = grow_older(limbo, at, white, old & white, needed);
        let doomed = if doom == Doom::Allowed { ripe } else { 0 };
        limbo.word(IN, at).store(white, Ordering::Relaxed);
        limbo.word(DOOMED, at).store(doomed, Ordering::Relaxed);
        moved.limbo.add(white.count_ones() as usize, size);
        moved.fresh.add((white & !old).count_ones() as usize, size);
        moved.revived.add((old & !white).count_ones() as usize, size);
        moved.doomed.add(doomed.count_ones() as usize, size);
    }
    if any {
        plain::hide(span);
        span.owner.fetch_or(tag::LIMBO | tag::HIDDEN, Ordering::Release);
    } else {
        span.owner.fetch_and(!tag::LIMBO, Ordering::Release);
    }
}

/// The limbo of a span that has one in this life of its descriptor.
pub(super) fn of(span: &Span) -> Option<Limbo> {
    let tagged = span.owner.load(Ordering::Relaxed) & tag::LIMBO != 0;
    Limbo::of(span).filter(|limbo| tagged && limbo.fits(span))
}

/// Whether the collector is about to reclaim an object.
pub fn is_doomed(span: &'static Span, index: u32) -> bool {
    let (at, bit) = (index as usize / 64, index % 64);
    of(span).is_some_and(|limbo| limbo.word(DOOMED, at).load(Ordering::Relaxed) >> bit & 1 != 0)
}

fn clear(limbo: Limbo) {
    for plane in 0..limbo.planes() {
        for at in 0..limbo.words() {
            limbo.word(plane, at).store(0, Ordering::Relaxed);
        }
    }
}

/// Counts one more cycle for the `again` objects of a word, starts the others of `white` at 0,
/// and returns those of `white` whose count is at least `needed - 1`.
fn grow_older(limbo: Limbo, at: usize, white: u64, again: u64, needed: u8) -> u64 {
    let plane = |i: usize| -> &AtomicU64 { limbo.word(AGE + i, at) };
    let ages = limbo.planes() - AGE;
    let mut carry = again;
    for i in 0..ages {
        let old = plane(i).load(Ordering::Relaxed) & again;
        plane(i).store(old ^ carry, Ordering::Relaxed);
        carry &= old;
    }
    // A count that would wrap stays at its highest, which is at least `needed - 1`.
    let (mut above, mut equal) = (0, u64::MAX);
    for i in (0..ages).rev() {
        let bits = plane(i).load(Ordering::Relaxed) | carry;
        plane(i).store(bits, Ordering::Relaxed);
        if needed.saturating_sub(1) >> i & 1 == 0 {
            above |= equal & bits;
            equal &= !bits;
        } else {
            equal &= bits;
        }
    }
    (above | equal) & white
}

/// Nothing that overlaps `lo..hi` is doomed.
fn spare(lo: Addr, hi: Addr, moved: &mut Moved) {
    object::each_overlapping(lo, hi, &mut |span, index| {
        let Some(limbo) = Limbo::of(span).filter(|limbo| limbo.fits(span)) else { return };
        let mask = 1 << (index % 64);
        if limbo.word(DOOMED, index as usize / 64).fetch_and(!mask, Ordering::Relaxed) & mask != 0 {
            moved.doomed.objects -= 1;
            moved.doomed.bytes -= span.size.get();
        }
    });
}

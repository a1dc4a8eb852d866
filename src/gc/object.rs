//! An object found by a word, and walks over objects by colour. Not the marker's fast way.
//!
//! # Safety
//! While the world is stopped and after `bits`: every span in use has its white and its allocation
//! bits, one for each slot.
#![allow(unsafe_code)]
use super::bits::words;
use super::mark::prefetch;
use super::protected::Protected;
use crate::heap::{cache, large, stacks};
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::spans::span::kind;
use crate::spans::{Block, Span, map, slab};

/// A slot of a span, or a large object.
#[derive(Clone, Copy)]
pub struct Object {
    pub span: &'static Span,
    pub index: u32,
}

impl Object {
    pub fn addr(&self) -> Addr {
        self.span.slot(self.index)
    }
    /// Bytes of its slot: what the program asked for and the rounding.
    pub fn size(&self) -> usize {
        self.span.size.get()
    }
    /// Who allocated it, and how much of the slot (leak mode).
    pub fn origin(&self) -> stacks::Origin {
        stacks::get(self.span, self.index)
    }
    /// Allocated, and not marked (yet).
    pub fn is_white(&self) -> bool {
        let (at, bit) = (self.index as usize / 64, self.index % 64);
        // SAFETY: see the chapter above.
        at < words(self.span) && unsafe { *self.span.white_bits.get().add(at) } >> bit & 1 != 0
    }
    /// Not a free slot.
    pub fn is_allocated(&self) -> bool {
        let (at, bit) = (self.index as usize / 64, self.index % 64);
        let bits = || word(self.span, at, Colour::White) | word(self.span, at, Colour::Black);
        at < words(self.span) && bits() >> bit & 1 != 0
    }
    /// Its memory, which must be readable, looks like that of a free slot: a slot that fell off an overwritten list.
    pub fn bears_free_mark(&self) -> bool {
        let block: *const Block = self.addr().ptr();
        self.span.kind() == kind::SLOTS
            // SAFETY: an allocated slot of at least 16 bytes.
            && unsafe { cache::is_marked(self.span, block) }
    }
}

/// The span that covers `addr`, be it in the middle of a huge object.
pub fn span_at(addr: Addr) -> Option<&'static Span> {
    // SAFETY: the world is stopped.
    map::lookup(addr).or_else(|| unsafe { large::huge_at(addr) })
}

/// The slot, allocated or not, that `word` points into.
pub fn at(word: usize) -> Option<Object> {
    let span = span_at(Addr(word))?;
    let index = span.slot_of(Addr(word))?;
    Some(Object { span, index })
}

/// Which words of bits to walk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    White,
    /// Allocated and marked.
    Black,
}

/// The `at`-th word of `span`'s bits of a colour.
#[inline(always)]
pub fn word(span: &Span, at: usize, colour: Colour) -> u64 {
    debug_assert!(at < words(span));
    // SAFETY: see the chapter above. A span that a copy told of has white bits only, and is asked for no others.
    unsafe {
        let white = *span.white_bits.get().add(at);
        match colour {
            Colour::White => white,
            Colour::Black => *span.alloc_bits.get().add(at) & !white,
        }
    }
}

/// Slot `index` of `span` is white no more.
pub fn blacken_one(span: &Span, index: u32) {
    assert!((index as usize) / 64 < words(span));
    // SAFETY: see the chapter above.
    unsafe { *span.white_bits.get().add(index as usize / 64) &= !(1 << (index % 64)) };
}

/// Calls `f` with every slot, allocated or not, that overlaps `lo..hi`.
pub fn each_overlapping(lo: Addr, hi: Addr, f: &mut impl FnMut(&'static Span, u32)) {
    let mut at = lo.align_down(PAGE_SIZE);
    while at < hi {
        match span_at(at) {
            Some(span) => {
                in_span(span, at, hi, f);
                at = span.limit().max(at.add(PAGE_SIZE));
            }
            None => at = at.add(PAGE_SIZE),
        }
    }
}

fn in_span(span: &'static Span, lo: Addr, hi: Addr, f: &mut impl FnMut(&'static Span, u32)) {
    if span.kind() != kind::SLOTS && lo.0 + 1 >= span.base().0 + span.size.get() {
        return;
    }
    let lo = lo.max(span.base());
    let last = Addr(hi.min(span.limit()).0 - 1);
    let (first, last) = if span.kind() == kind::SLOTS { (span.index(lo), span.index(last)) } else { (0, 0) };
    (first..=last.min(span.slots.get() - 1)).for_each(|index| f(span, index));
}

/// Nothing of `span` is white any more.
pub fn blacken(span: &Span) {
    // SAFETY: see the chapter above.
    unsafe { core::ptr::write_bytes(span.white_bits.get(), 0, words(span)) };
}

/// Calls `f` with every object of a span that has the colour at the time when its word is read.
#[inline(always)]
pub fn each_of(span: &'static Span, colour: Colour, f: &mut impl FnMut(Object)) {
    for at in 0..words(span) {
        let mut bits = word(span, at, colour);
        while bits != 0 {
            f(Object { span, index: at as u32 * 64 + bits.trailing_zeros() });
            bits &= bits - 1;
        }
    }
}

/// Objects that are fetched before they are read.
const AHEAD: usize = 4;

/// The same for an `f` that reads them: the beginnings of the next ones are fetched meanwhile.
#[inline(always)]
pub fn each_fetched(span: &'static Span, colour: Colour, f: &mut impl FnMut(Object)) {
    for at in 0..words(span) {
        let mut bits = word(span, at, colour);
        let mut ahead = bits;
        let first = |bits: u64| Object { span, index: at as u32 * 64 + bits.trailing_zeros() };
        let mut fetch = || {
            if ahead != 0 {
                let lo = first(ahead).addr();
                prefetch(lo);
                prefetch(lo.add(64));
                ahead &= ahead - 1;
            }
        };
        (0..AHEAD).for_each(|_| fetch());
        while bits != 0 {
            fetch();
            f(first(bits));
            bits &= bits - 1;
        }
    }
}

/// Calls `f` with every white object that is one (see [`Object::bears_free_mark`]).
pub fn each_white(protected: &Protected, f: &mut impl FnMut(Object)) {
    slab::for_each(|span| {
        each_of(span, Colour::White, &mut |object| {
            let (lo, hi) = (object.addr(), object.addr().add(object.size()));
            if protected.touches(lo, hi) || !object.bears_free_mark() {
                f(object);
            }
        });
    });
}

//! How much is kept by chance: plain integers in the roots that look like pointers (false retention).
//!
//! Nobody can tell an integer from a pointer to an object. But an integer falls anywhere, also where no object is: into
//! free slots and free pages. A stale pointer leads there, too; it mostly is a multiple of 8. So of a sample of the roots
//! those words are counted that lead to memory of the heap without an object and are no multiple of 8: 7/8 of the integers that
//! fall there. As many a byte fall on objects:
//! ```text
//! density  = 8/7 × integers found / bytes of the heap without an object
//! integers = density × bytes of the heap
//! held     = sum over all objects of size × min(1, density × size)
//! ```
//! *Held* is what integers point to, whether pointers lead there, too, or not: if the program loses it, it stays. What such an
//! object leads to is not in it. Stale pointers into the middle of what was a string count as integers, and where the
//! heap has hardly a free byte nothing is known. The heap is what lies between its first and its last object; those with mappings of their own
//! are left out.
//!
//! Sample: 64 bytes of each KiB of the first 64 KiB of roots, and 4 KiB of each doubling: all parts weigh about the same, and the whole
//! costs a comparison each, and a look-up for what points into the heap, of 6,000 words for 64 MiB.
//!
//! # Safety
//! As for `mark`: what the world gives as roots is readable, and all spans have their bits.
#![allow(unsafe_code)]
use super::bits::{self, Bits};
use super::filter::Window;
use super::object::Object;
use crate::pages;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::spans::span::flag;
use crate::spans::{Span, map, slab};
use core::sync::atomic::Ordering;

const SAMPLE: usize = 64;
const FINEST: usize = 1 << 10;
/// Samples of each doubling.
const PARTS: usize = 64;
const WORD: usize = size_of::<usize>();

/// What roots hold, estimated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Chance {
    /// Words that point into the heap, at objects or not.
    pub words: u64,
    /// Of them plain integers.
    pub integers: u64,
    /// Bytes of objects that such integers point to.
    pub held: u64,
}

/// Looks at a sample of the roots, range by range.
#[derive(Clone)]
pub struct Sampler {
    window: Window,
    /// Bytes of roots so far.
    seen: usize,
    /// Words that point to objects; to memory of the heap without one; of those, integers for sure.
    live: u64,
    free: u64,
    odd: u64,
}

impl Sampler {
    pub fn new(bits: &Bits) -> Sampler {
        let window = Window::new(bits.low.0, bits.high.0);
        Sampler { window, seen: 0, live: 0, free: 0, odd: 0 }
    }

    /// These are roots, too. Bytes of code, each of which may begin a pointer, do not count.
    #[inline(always)]
    pub fn look(&mut self, lo: Addr, hi: Addr) {
        if lo < hi && lo.is_aligned(WORD) {
            let from = self.seen;
            self.seen += hi.since(lo) / WORD * WORD;
            let step = step(from);
            if from % step < SAMPLE || from / step != (self.seen - 1) / step {
                self.sample(lo, from);
            }
        }
    }

    /// `lo` is where the `from`-th byte of all roots is.
    #[inline(never)]
    fn sample(&mut self, lo: Addr, from: usize) {
        let mut at = from;
        while at < self.seen {
            let step = step(at);
            let into = at % step;
            if into < SAMPLE {
                // SAFETY: below the end of what the world gave.
                let word = unsafe { lo.add(at - from).ptr::<usize>().read() };
                if self.window.holds(word) {
                    self.classify(word, (step / SAMPLE) as u64);
                }
                at += WORD;
            } else {
                at += step - into;
            }
        }
    }

    #[cold]
    fn classify(&mut self, word: usize, weight: u64) {
        let addr = Addr(word);
        let is_live = match map::lookup(addr) {
            Some(span) if is_beside(span) => return,
            Some(span) => Object { span, index: span.index(addr) }.is_allocated(),
            None if pages::is_free(addr) => false,
            None => return,
        };
        if is_live {
            self.live += weight;
        } else {
            self.free += weight;
            self.odd += if word.is_multiple_of(WORD) { 0 } else { weight };
        }
    }

    /// All roots were looked at.
    pub fn estimate(&self) -> Chance {
        let words = self.live + self.free;
        if self.odd == 0 {
            return Chance { words, ..Chance::default() };
        }
        let (low, high) = (Addr(self.window.low), Addr(self.window.low + self.window.reach));
        let (mut all, mut live) = (pages::count_free(low, high) * PAGE_SIZE, 0);
        slab::for_each(|span| {
            if !is_beside(span) {
                all += span.pages.get() as usize * PAGE_SIZE;
                live += allocated(span) * span.size.get();
            }
        });
        let fallen = self.odd as f64 * WORD as f64 / (WORD - 1) as f64;
        // Of a heap without a free byte a single word would tell anything.
        let density = fallen / all.saturating_sub(live).max(live / 64).max(1) as f64;
        let mut held = 0.0;
        slab::for_each(|span| {
            if !is_beside(span) {
                let size = span.size.get() as f64;
                held += allocated(span) as f64 * size * (density * size).min(1.0);
            }
        });
        let on_live = (density * live as f64).min(self.live as f64);
        Chance { words, integers: ((fallen + on_live) as u64).min(words), held: held as u64 }
    }
}

/// From sample to sample, around the `at`-th byte: a power of two, of which the places where it changes are multiples.
fn step(at: usize) -> usize {
    ((1 << (at | 1).ilog2()) / PARTS).max(FINEST)
}

/// A mapping of its own: not where the others are.
fn is_beside(span: &Span) -> bool {
    span.flags.load(Ordering::Relaxed) & flag::OWN_MAPPING != 0
}

/// How many objects the span has.
fn allocated(span: &Span) -> usize {
    // SAFETY: see the chapter above.
    let words = unsafe { core::slice::from_raw_parts(span.alloc_bits.get(), bits::words(span)) };
    words.iter().map(|word| word.count_ones() as usize).sum()
}

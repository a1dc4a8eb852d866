//! Limbo bits: which objects the collector found unreachable and has not reclaimed yet.
//!
//! An array a span, out of line, in *planes* of one bit a slot: plane 0 says "in limbo", plane 1 "doomed"
//! (being reclaimed now), the others count for how many collections (collector only).
//! It is made when the first object of a span comes to limbo and stays with the *descriptor*,
//! which is never unmapped: a late reader finds a limbo array, whatever the span became. The
//! collector replaces one of another shape, while the world is stopped.
//!
//! # Who gets the object
//! As long as an object's limbo bit is set it is allocated and intact. Whoever clears the bit
//! gets it: the program, by a free or realloc (a *resurrection*), or the collector.
//! ```text
//! collector, beside the program          free() of the program (span tagged LIMBO)
//!  1 clear limbo bit ── was set: mine      1 clear limbo bit ── was set: resurrection, clear doomed
//!  2 write the free mark into the slot     2 doomed bit set: taken by the collector, end
//!  3 clear doomed bit (release)            3 free mark in the slot: double free, end
//!  4 push the slot on a free list          4 an ordinary object
//! ```
//! So a free that comes too late never pushes a slot a second time.
//!
//! # Safety
//! An array's header says how many words a plane has; planes lie one behind the other. All words
//! are atomic. `WITNESS` is null or a [`Witness`].
#![allow(unsafe_code)]
use super::{live, misuse};
use crate::ground::critical::Critical;
use crate::spans::{Span, side};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Words before plane 0: words a plane, planes.
const HEADER: usize = 2;
/// Plane 0: in limbo.
pub const IN: usize = 0;
/// Plane 1: the collector is about to reclaim it.
pub const DOOMED: usize = 1;
/// First plane of the counters.
pub const AGE: usize = 2;

/// A span's limbo array.
#[derive(Clone, Copy)]
pub struct Limbo {
    planes: *const AtomicU64,
}

impl Limbo {
    /// The array that `span`'s descriptor has, be it of another shape.
    pub fn of(span: &Span) -> Option<Limbo> {
        let planes = span.limbo_bits.load(Ordering::Acquire) as *const AtomicU64;
        if planes.is_null() { None } else { Some(Limbo { planes }) }
    }
    fn words_for(span: &Span) -> usize {
        (span.slots.get() as usize).div_ceil(64)
    }
    /// The array of `span` in the shape that it must have, with `ages` counting planes; an
    /// earlier one of another shape is given back. `None`: no memory. While the world is stopped.
    pub fn make(critical: &Critical, span: &Span, ages: usize) -> Option<Limbo> {
        let (words, planes) = (Self::words_for(span), AGE + ages);
        if let Some(old) = Self::of(span) {
            if old.words() == words && old.planes() == planes {
                return Some(old);
            }
            span.limbo_bits.store(core::ptr::null_mut(), Ordering::Release);
            let bytes = (HEADER + old.words() * old.planes()) * 8;
            side::give(critical, crate::pure::addr::Addr::of(old.header(0)), bytes);
        }
        let at = side::take(critical, (HEADER + words * planes) * 8)?;
        let header: *mut u64 = at.ptr();
        // SAFETY: fresh zeroed words, ours.
        let first = unsafe {
            header.write(words as u64);
            header.add(1).write(planes as u64);
            header.add(HEADER)
        };
        span.limbo_bits.store(first, Ordering::Release);
        Self::of(span)
    }
    /// Whether the array is one for the span as it is now.
    pub fn fits(self, span: &Span) -> bool {
        self.words() == Self::words_for(span)
    }
    fn header(self, at: usize) -> &'static AtomicU64 {
        // SAFETY: the header stands before plane 0.
        unsafe { &*self.planes.sub(HEADER).add(at) }
    }
    /// Words a plane.
    pub fn words(self) -> usize {
        self.header(0).load(Ordering::Relaxed) as usize
    }
    pub fn planes(self) -> usize {
        self.header(1).load(Ordering::Relaxed) as usize
    }
    /// Word `at` of a plane.
    pub fn word(self, plane: usize, at: usize) -> &'static AtomicU64 {
        let words = self.words();
        assert!(plane < self.planes() && at < words);
        // SAFETY: inside the array, by the test.
        unsafe { &*self.planes.add(plane * words + at) }
    }
    /// Nothing of the span is in limbo.
    pub fn is_empty(self) -> bool {
        (0..self.words()).all(|at| self.word(IN, at).load(Ordering::Relaxed) == 0)
    }
}

/// The program got slot `index` of a tagged span by a weak handle: it is out of limbo, and nothing was hidden. The collector
/// has not taken it: it clears handles first.
pub fn revive(span: &Span, index: u32) {
    let (at, mask) = (index as usize / 64, 1 << (index % 64));
    if let Some(limbo) = Limbo::of(span).filter(|limbo| at < limbo.words()) {
        limbo.word(IN, at).fetch_and(!mask, Ordering::AcqRel);
        // Not all spans may have come to limbo yet: handles of what is doomed are cleared in the end.
        limbo.word(DOOMED, at).fetch_and(!mask, Ordering::Relaxed);
    }
}

/// The program named a range of memory in which slot `index` of a tagged span lies: that is no pointer to it, and
/// nothing was hidden. It is out of limbo; or false: the collector has taken it.
pub fn spare(span: &Span, index: u32) -> bool {
    let (at, mask) = (index as usize / 64, 1 << (index % 64));
    let Some(limbo) = Limbo::of(span).filter(|limbo| at < limbo.words()) else { return true };
    let doomed = limbo.word(DOOMED, at);
    if limbo.word(IN, at).fetch_and(!mask, Ordering::AcqRel) & mask != 0 {
        doomed.fetch_and(!mask, Ordering::Relaxed);
        return true;
    }
    doomed.load(Ordering::Acquire) & mask == 0
}

/// Who is told of each resurrection: the slot, how many collections had found it unreachable, and the call that it was
/// handed to. Called without locks, before the call goes on.
pub type Witness = fn(&'static Span, u32, u32, &'static str);
static WITNESS: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// From now on `witness` is told.
pub fn tell(witness: Witness) {
    WITNESS.store(witness as *mut (), Ordering::Release);
}

/// How many collections in a row found slot `index` unreachable, as far as the counting planes reach.
fn age(limbo: Limbo, at: usize, mask: u64) -> u32 {
    let bit = |i: usize| (limbo.word(AGE + i, at).load(Ordering::Relaxed) & mask != 0) as u32;
    1 + (0..limbo.planes() - AGE).map(|i| bit(i) << i).sum::<u32>()
}

/// The program handed slot `index` of a span that is tagged LIMBO to `call`. If the slot was in
/// limbo, the program had it although no pointer led to it: that is noted, and the object is the
/// program's again. Ends the process if the collector has taken it already.
#[cold]
pub fn take_back(span: &'static Span, index: u32, call: &'static str) {
    let (at, mask) = (index as usize / 64, 1 << (index % 64));
    let Some(limbo) = Limbo::of(span).filter(|limbo| at < limbo.words()) else { return };
    let doomed = limbo.word(DOOMED, at);
    if limbo.word(IN, at).fetch_and(!mask, Ordering::AcqRel) & mask != 0 {
        doomed.fetch_and(!mask, Ordering::Relaxed);
        live::RESURRECTED_AT.store(span.slot(index).0 as u64, Ordering::Relaxed);
        live::RESURRECTED.fetch_add(1, Ordering::Release);
        let witness = WITNESS.load(Ordering::Acquire);
        if !witness.is_null() {
            // SAFETY: only `tell` stores there.
            let witness = unsafe { core::mem::transmute::<*mut (), Witness>(witness) };
            witness(span, index, age(limbo, at, mask), call);
        }
    } else if doomed.load(Ordering::Acquire) & mask != 0 {
        misuse::reclaimed(call, span.slot(index));
    }
}

//! What is white, told from a copy of the process to the process: words in memory that both share.
//!
//! For each span with white objects
//! ```text
//! its descriptor, its base, kind | slots << 8, then slots / 64 + 1 words of white bits,
//! and as many of those that were in limbo by then
//! ```
//! Objects that the program made other than readable and writable ([`Protected`]) are left out: they are never reclaimed.
//!
//! What was white when the copy was made stays unreachable, and nobody takes it up but by a pointer in disguise. So a span with
//! a finding that is another one by now, or none, had one: [`Aging`] leaves it out, as it does with what was in limbo and has left it since. A slot
//! that was not, went by such a pointer, and was handed out again cannot be told from the old one: it comes to limbo, as what is found for the first time does.
//! There its next free is seen, and a collection that began later must find it white again. See docs/adr/0014-copied-cycles.md.
//!
//! # Safety
//! Descriptors are never unmapped, and lie in the copy where they lie in the process. [`write`]: as for `object`.
#![allow(unsafe_code)]
use super::bits::words;
use super::limbo::{self, Doom, Moved};
use super::object::{self, Colour};
use super::protected::Protected;
use super::special;
use crate::ground::critical::Critical;
use crate::heap::limbo::IN;
use crate::heap::special as heap_special;
use crate::spans::span::kind;
use crate::spans::{Span, slab};
use core::sync::atomic::Ordering;

/// Words before a span's bits.
const HEAD: usize = 3;

fn shape(span: &Span) -> u64 {
    span.kind() as u64 | (span.slots.get() as u64) << 8
}

/// The `at`-th word of the span's bits of objects in limbo.
fn in_limbo(span: &Span, at: usize) -> u64 {
    let limbo = limbo::of(span).filter(|limbo| at < limbo.words());
    limbo.map_or(0, |limbo| limbo.word(IN, at).load(Ordering::Relaxed))
}

/// Writes what is white to `room`. How many words that took, or `None`: it has no place.
pub(super) fn write(protected: &Protected, room: &mut [u64]) -> Option<usize> {
    for &(lo, hi) in protected.as_slice() {
        object::each_overlapping(lo, hi, &mut |span, index| object::blacken_one(span, index));
    }
    let mut used = Some(0);
    slab::for_each(|span| {
        let white = |at| object::word(span, at, Colour::White);
        if used.is_none() || (0..words(span)).all(|at| white(at) == 0) {
            return;
        }
        used = used.and_then(|from| put(room, from, span, white));
    });
    used
}

/// The same for one span, by who marked beside the program: the words `white`, behind the first `from` of `room`.
pub(super) fn put(room: &mut [u64], from: usize, span: &Span, white: impl Fn(usize) -> u64) -> Option<usize> {
    let to = from + HEAD + 2 * words(span);
    let entry = room.get_mut(from..to)?;
    entry[0] = span as *const Span as u64;
    entry[1] = span.base().0 as u64;
    entry[2] = shape(span);
    let (bits, known) = entry[HEAD..].split_at_mut(words(span));
    bits.iter_mut().enumerate().for_each(|(at, word)| *word = white(at));
    known.iter_mut().enumerate().for_each(|(at, word)| *word = in_limbo(span, at));
    Some(to)
}

/// What a copy told, on its way to limbo: as [`super::Marked::to_limbo`] does, but span by span, in as many stops as
/// that takes. Adopted ranges grow no older.
///
/// The list is in the order of [`slab::Walk`]; descriptors that came since stand in slabs before all others, or have no entry.
pub struct Aging {
    walk: slab::Walk,
    rest: &'static [u64],
    how: (u8, Doom),
    pub moved: Moved,
}

impl Aging {
    /// # Safety
    /// A copy of this process wrote `list` ([`super::Marked::write_findings`]), and since it was made no cycle
    /// was complete, nor will any be until this is dropped. `needed` is at least 2: what is doomed was in limbo when the copy was made.
    pub unsafe fn begin(list: &'static [u64], needed: u8, doom: Doom) -> Aging {
        Aging { walk: slab::Walk::begin(), rest: list, how: (needed, doom), moved: Moved::default() }
    }
    /// Nothing is doomed from now on.
    pub fn spare_all(&mut self) {
        self.how.1 = Doom::Off;
    }
    /// The next spans, a few. False: that was all.
    /// # Safety
    /// The world is stopped.
    pub unsafe fn next(&mut self, critical: &Critical) -> bool {
        let Some(spans) = self.walk.next() else {
            debug_assert!(self.rest.is_empty(), "the list is in the order of the walk");
            if self.moved.doomed.objects != 0 {
                special::clear_weak_of_doomed(critical);
            }
            return false;
        };
        for span in spans {
            let entry = self.entry_of(span);
            if span.kind() != kind::NONE {
                let white =
                    |at: usize| entry.map_or(0, |(bits, known)| bits[at] & (!known[at] | in_limbo(span, at)));
                limbo::update_span(critical, span, self.how, white, &mut self.moved);
                heap_special::forget_idle(span, false);
            }
        }
        true
    }
    /// The white bits that were told of `span`, and which of them were in limbo, if it is still the same.
    fn entry_of(&mut self, span: &Span) -> Option<(&'static [u64], &'static [u64])> {
        let [descriptor, base, told, ..] = *self.rest else { return None };
        if descriptor != span as *const Span as u64 {
            return None;
        }
        let count = (told >> 8) as usize / 64 + 1;
        let (entry, rest) = self.rest.split_at_checked(HEAD + 2 * count)?;
        self.rest = rest;
        let is_same = span.kind() != kind::NONE && shape(span) == told && span.base().0 as u64 == base;
        is_same.then(|| entry[HEAD..].split_at(count))
    }
}

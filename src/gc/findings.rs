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
//! a finding that is another one by now, or none, had one: [`show`] leaves it out, as it does with what was in limbo and has left it since. A slot
//! that was not, went by such a pointer, and was handed out again cannot be told from the old one: it comes to limbo, as what is found for the first time does.
//! There its next free is seen, and a collection that began later must find it white again. See docs/adr/0014-copied-cycles.md.
//!
//! # Safety
//! Descriptors are never unmapped, and lie in the copy where they lie in the process. [`write`]: as for `object`. [`show`]: the
//! world is stopped.
#![allow(unsafe_code)]
use super::bits::words;
use super::limbo::{self, Doom, Moved};
use super::object::{self, Colour};
use super::protected::Protected;
use crate::ground::critical::Critical;
use crate::heap::limbo::IN;
use crate::pure::addr::Addr;
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
        used = used.and_then(|from| {
            let to = from + HEAD + 2 * words(span);
            let entry = room.get_mut(from..to)?;
            entry[0] = span as *const Span as u64;
            entry[1] = span.base().0 as u64;
            entry[2] = shape(span);
            let (bits, known) = entry[HEAD..].split_at_mut(words(span));
            bits.iter_mut().enumerate().for_each(|(at, word)| *word = white(at));
            known.iter_mut().enumerate().for_each(|(at, word)| *word = in_limbo(span, at));
            Some(to)
        });
    });
    used
}

/// Moves to limbo what a copy of this process found unreachable, as [`super::Marked::to_limbo`] does. Adopted ranges grow no older.
/// # Safety
/// The world is stopped; a copy wrote `list` ([`super::Marked::write_findings`]), and since it was made no cycle
/// was complete. `needed` is at least 2: what is doomed was in limbo when the copy was made.
pub unsafe fn to_limbo(critical: &Critical, list: &mut [u64], needed: u8, doom: Doom) -> Moved {
    // SAFETY: the caller's promise.
    unsafe { show(list) };
    super::move_to_limbo(critical, needed, doom, &[])
}

/// Every span's white bits are what `list` says of it: null for those of which it says nothing.
/// # Safety
/// See the chapter above; `list` was written by [`write`], and stays as long as the bits are used.
unsafe fn show(list: &mut [u64]) {
    slab::for_each(|span| span.white_bits.set(core::ptr::null_mut()));
    let mut rest = list;
    while let [descriptor, base, told, ..] = *rest {
        let count = (told >> 8) as usize / 64 + 1;
        let (entry, next) = rest.split_at_mut(HEAD + 2 * count);
        let (bits, known) = entry[HEAD..].split_at_mut(count);
        // SAFETY: a descriptor, by the caller's promise.
        let span: &'static Span = unsafe { &*Addr(descriptor as usize).ptr::<Span>() };
        if shape(span) == told && span.base().0 as u64 == base {
            for (at, (white, known)) in bits.iter_mut().zip(known).enumerate() {
                *white &= !*known | in_limbo(span, at);
            }
            span.white_bits.set(bits.as_mut_ptr());
        }
        rest = next;
    }
}

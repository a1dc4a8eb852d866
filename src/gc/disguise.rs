//! Phase 2b: before anything is reclaimed, pointers in disguise are looked for.
//!
//! Some programs keep their only pointer to an object as something else. Marking does not see it, limbo
//! only delays, and a resurrection is noticed too late for whoever merely reads. So if an object would
//! be doomed now, everything reachable is read a second time, and each word is also taken for:
//!
//! ```text
//! object + word          an offset from its own object's start      fontconfig
//! address + word         an offset from its own place               boost::interprocess, relative tables
//! low 30 bits, next 30   two digits of a Python integer             int(pointer) in C extensions
//! low 48 bits            boxed in a NaN, or tagged at the top       interpreters
//! the word 4 bytes on    a packed structure
//! ```
//! An offset or an integer counts only if it leads to the very start of an object: small numbers are
//! everywhere. What is found is marked with all that it leads to, and looked at in turn. There an
//! offset of a power of two below [`NEAR`] no longer counts: leaked records of one size that
//! hold a capacity or a flag would keep each other alive, one after the other.
//!
//! Cost: nothing while nothing is to be reclaimed; else about two markings of what is live. Leak mode
//! does without: there a true leak must not hide behind a number.
//!
//! # Safety
//! As for `mark`.
#![allow(unsafe_code)]
use super::bits::words;
use super::mark::Marker;
use super::object::{self, Colour, Object};
use super::{Abandon, World};
use crate::heap::limbo::{IN, Limbo};
use crate::pure::addr::Addr;
use crate::spans::span::tag;
use crate::spans::{Span, slab};
use core::sync::atomic::Ordering;

/// Offsets below this may be numbers.
const NEAR: usize = 64 << 10;
/// Each pass follows disguises one step further. What still turns up new objects then is not
/// settled, and nothing is reclaimed in this cycle.
const PASSES: usize = 12;
const WORD: usize = size_of::<usize>();

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Disguised {
    /// Objects that only a disguised pointer led to, without those that they lead to.
    pub objects: usize,
    /// There may be more: nothing must be reclaimed.
    pub unsettled: bool,
}

/// Whether an object would be doomed by a limbo that asks for `limbo` cycles.
pub fn is_due(limbo: u8) -> bool {
    let mut due = false;
    slab::for_each(|span| due = due || any_due(span, limbo));
    due
}

fn any_due(span: &'static Span, limbo: u8) -> bool {
    if limbo <= 1 {
        return (0..words(span)).any(|at| object::word(span, at, Colour::White) != 0);
    }
    if span.owner.load(Ordering::Relaxed) & tag::LIMBO == 0 {
        return false;
    }
    let Some(limbo) = Limbo::of(span).filter(|limbo| limbo.fits(span)) else { return false };
    (0..limbo.words())
        .any(|at| limbo.word(IN, at).load(Ordering::Relaxed) & object::word(span, at, Colour::White) != 0)
}

/// Marks what disguised pointers lead to. Everything else is marked.
pub(super) fn look(marker: &mut Marker<'_>, world: &mut dyn World) -> Result<Disguised, Abandon> {
    let mut found = Disguised::default();
    let mut look = Look { chained: false, hits: 0 };
    world.roots(&mut |lo, hi| look.at(marker, lo, hi, None))?;
    for _ in 0..PASSES {
        look.heap(marker, world)?;
        marker.finish(world)?;
        let hits = core::mem::take(&mut look.hits);
        found.objects += hits;
        if hits == 0 {
            return Ok(found);
        }
        look.chained = true;
    }
    found.unsettled = true;
    Ok(found)
}

struct Look {
    /// What is read may have been found in disguise itself.
    chained: bool,
    hits: usize,
}

impl Look {
    /// Every object that is marked by now.
    fn heap(&mut self, marker: &mut Marker<'_>, world: &mut dyn World) -> Result<(), Abandon> {
        let mut done = Ok(());
        slab::for_each(|span| {
            object::each_of(span, Colour::Black, &mut |object: Object| {
                let (lo, hi) = (object.addr(), object.addr().add(object.size()));
                if done.is_err() {
                } else if marker.is_for_world(lo, hi) {
                    done = world.large(lo, hi, &mut |from, to| {
                        // Of a copy nobody knows here where it belongs.
                        let in_place = lo <= from && to <= hi;
                        self.at(marker, from, to, in_place.then_some(lo));
                    });
                } else {
                    self.at(marker, lo, hi, Some(lo));
                }
            });
        });
        done
    }

    /// The words of `lo..hi`, which stand there in place, in the object at `base`, if that is told.
    fn at(&mut self, marker: &mut Marker<'_>, lo: Addr, hi: Addr, base: Option<Addr>) {
        let mut at = lo;
        while at.add(WORD) <= hi {
            // SAFETY: readable, as for the marker.
            let word = unsafe { at.ptr::<usize>().read_unaligned() };
            if word != 0 {
                self.word(marker, at, word, base);
            }
            if at.add(WORD + WORD / 2) <= hi {
                // SAFETY: inside the range too.
                let packed = unsafe { at.add(WORD / 2).ptr::<usize>().read_unaligned() };
                self.try_any(marker, packed);
            }
            at = at.add(WORD);
        }
    }

    #[inline(always)]
    fn word(&mut self, marker: &mut Marker<'_>, at: Addr, word: usize, base: Option<Addr>) {
        const DIGIT: u32 = 30;
        const ADDRESS: usize = (1 << 48) - 1;
        if let Some(base) = base {
            let near = (word as isize).unsigned_abs();
            if !(self.chained && near < NEAR && near.is_power_of_two()) {
                self.try_start(marker, base.0.wrapping_add(word));
                self.try_start(marker, at.0.wrapping_add(word));
            }
        }
        let (low, high) = (word & (u32::MAX as usize), word >> 32);
        if high != 0 && low >> DIGIT == 0 && high >> (48 - DIGIT) == 0 {
            self.try_start(marker, low | high << DIGIT);
        }
        if word > ADDRESS {
            self.try_any(marker, word & ADDRESS);
        }
    }

    #[inline(always)]
    fn try_start(&mut self, marker: &mut Marker<'_>, word: usize) {
        if marker.holds(word) {
            self.expose(marker, object::at(word).filter(|object| object.addr() == Addr(word)));
        }
    }
    #[inline(always)]
    fn try_any(&mut self, marker: &mut Marker<'_>, word: usize) {
        if marker.holds(word) {
            self.expose(marker, object::at(word));
        }
    }
    fn expose(&mut self, marker: &mut Marker<'_>, object: Option<Object>) {
        if let Some(object) = object.filter(Object::is_white) {
            self.hits += 1;
            marker.reach(object.span, object.index);
        }
    }
}

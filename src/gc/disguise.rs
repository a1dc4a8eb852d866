//! Phase 2b: before anything comes to limbo, pointers in disguise are looked for.
//!
//! Some programs keep their only pointer to an object as something else. Marking does not see it, limbo
//! only delays, and a resurrection is noticed too late for whoever merely reads. So if anything is white
//! after marking, everything reachable is read a second time, and each word is also taken for:
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
//! Cost: nothing while there is no garbage; else one more reading of what is live, four words at a time
//! where the processor has AVX2, eight with AVX-512 ([`wide`]), with all guises compared to the one window of what may be found. Leak mode
//! has a look of its own ([`crate::leak::possible`]), without the numbers: behind those a true leak could hide.
//!
//! # Safety
//! As for `mark`.
#![allow(unsafe_code)]
mod wide;

use super::bits::words;
use super::filter::{self, Bounds, Level, Window};
use super::mark::Marker;
use super::object::{self, Colour, Object};
use super::{Abandon, World};
use crate::adopted::View;
use crate::pure::addr::Addr;
use crate::spans::slab;
use core::arch::x86_64::*;

/// Offsets below this may be numbers.
const NEAR: usize = 64 << 10;
/// Each pass follows disguises one step further. What still turns up new objects then is not
/// settled, and nothing is reclaimed in this cycle.
const PASSES: usize = 12;
const WORD: usize = size_of::<usize>();
/// Bits of a Python integer's digit.
const DIGIT: u32 = 30;
/// Bits of an address that a program may have.
const ADDRESS: usize = (1 << 48) - 1;
/// Words that are compared at a time.
const LANES: usize = 4;

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Disguised {
    /// Objects that only a disguised pointer led to, without those that they lead to.
    pub objects: usize,
    /// There may be more: nothing must be reclaimed.
    pub unsettled: bool,
}

/// Where white objects and adopted ranges are, if there are any.
pub fn due(adopted: Option<&View>) -> Option<Window> {
    let (mut low, mut high) = adopted.and_then(View::white).unwrap_or((usize::MAX, 0));
    slab::for_each(|span| {
        if (0..words(span)).any(|at| object::word(span, at, Colour::White) != 0) {
            low = low.min(span.base().0);
            high = high.max(span.base().0 + span.size.get() * span.slots.get() as usize);
        }
    });
    (low < high).then(|| Window::new(low, high))
}

/// Marks what disguised pointers lead to. Everything else is marked.
pub(super) fn look(
    marker: &mut Marker<'_>,
    world: &mut dyn World,
    window: Window,
) -> Result<Disguised, Abandon> {
    let mut found = Disguised::default();
    let mut look = Look { window, level: filter::level(), chained: false, hits: 0 };
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

/// Takes words for what they may be.
pub trait Guesses {
    /// How many white objects begin exactly at `word`, and are black from now on.
    fn start(&mut self, word: usize) -> usize;
    /// The same for objects that `word` points into.
    fn any(&mut self, word: usize) -> usize;
}

impl Marker<'_> {
    fn expose(&mut self, object: Option<Object>) -> usize {
        let Some(object) = object.filter(Object::is_white) else { return 0 };
        self.reach(object.span, object.index);
        1
    }
}
impl Guesses for Marker<'_> {
    #[inline(always)]
    fn start(&mut self, word: usize) -> usize {
        self.expose(object::at(word).filter(|object| object.addr() == Addr(word)))
            + self.adopted.as_ref().is_some_and(|view| view.reach_start(word)) as usize
    }
    #[inline(always)]
    fn any(&mut self, word: usize) -> usize {
        self.expose(object::at(word)) + self.adopted.as_ref().is_some_and(|view| view.reach(word)) as usize
    }
}

/// Looks through `lo..hi`, of the object at `base` if that is told, for what is in `window`: how much it found. What that leads to is
/// not looked at. `chained`: the object may have been found in disguise itself.
pub fn look_at(
    finder: &mut impl Guesses,
    window: Window,
    (lo, hi): (Addr, Addr),
    base: Option<Addr>,
    chained: bool,
) -> usize {
    let mut look = Look { window, level: filter::level(), chained, hits: 0 };
    look.at(finder, lo, hi, base);
    look.hits
}

struct Look {
    /// Where there is something to be found.
    window: Window,
    level: Level,
    /// What is read may have been found in disguise itself.
    chained: bool,
    hits: usize,
}

impl Look {
    /// Every object that is marked by now.
    fn heap(&mut self, marker: &mut Marker<'_>, world: &mut dyn World) -> Result<(), Abandon> {
        let mut done = self.adopted(marker, world);
        slab::for_each(|span| {
            object::each_fetched(span, Colour::Black, &mut |object: Object| {
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

    /// Every adopted range that is marked by now, and may hold pointers.
    fn adopted(&mut self, marker: &mut Marker<'_>, world: &mut dyn World) -> Result<(), Abandon> {
        let mut from = Addr::NULL;
        while let Some((lo, hi)) = marker.adopted.as_ref().and_then(|view| view.scanned_from(from)) {
            world.adopted(lo, hi, &mut |at, to| {
                let in_place = lo <= at && to <= hi;
                self.at(marker, at, to, in_place.then_some(lo));
            })?;
            from = hi;
        }
        Ok(())
    }

    /// The words of `lo..hi`, which stand there in place, in the object at `base`, if that is told.
    #[inline(always)]
    fn at(&mut self, finder: &mut impl Guesses, lo: Addr, hi: Addr, base: Option<Addr>) {
        let mut at = lo;
        if self.level >= Level::Avx512 {
            // SAFETY: readable, as for the marker; AVX-512 is available.
            while let Some(near) = unsafe { wide::next_near(at, hi, base, self.window) } {
                at = near.add(filter::BLOCK).min(hi);
                self.each(finder, near, at, hi, base);
            }
            return;
        }
        if self.level >= Level::Avx2 {
            // SAFETY: readable, as for the marker; the filter is available.
            while let Some(near) = unsafe { next_near(at, hi, base, self.window) } {
                at = near.add(LANES * WORD);
                self.each(finder, near, at, hi, base);
            }
            // Whole blocks are done; they all begin at a multiple of their size from `lo`.
            at = lo.add(hi.since(lo) / (LANES * WORD) * (LANES * WORD));
        }
        if at < hi {
            self.each(finder, at, hi, hi, base);
        }
    }

    /// The words that begin in `at..end`; the range ends at `hi`.
    #[inline(never)]
    fn each(&mut self, finder: &mut impl Guesses, mut at: Addr, end: Addr, hi: Addr, base: Option<Addr>) {
        while at.add(WORD) <= end {
            // SAFETY: readable, as for the marker.
            let word = unsafe { at.ptr::<usize>().read_unaligned() };
            if word != 0 {
                self.word(finder, at, word, base);
            }
            if at.add(WORD + WORD / 2) <= hi {
                // SAFETY: inside the range too.
                let packed = unsafe { at.add(WORD / 2).ptr::<usize>().read_unaligned() };
                self.try_any(finder, packed);
            }
            at = at.add(WORD);
        }
    }

    #[inline(always)]
    fn word(&mut self, finder: &mut impl Guesses, at: Addr, word: usize, base: Option<Addr>) {
        if let Some(base) = base {
            let near = (word as isize).unsigned_abs();
            if !(self.chained && near < NEAR && near.is_power_of_two()) {
                self.try_start(finder, base.0.wrapping_add(word));
                self.try_start(finder, at.0.wrapping_add(word));
            }
        }
        let (low, high) = (word & (u32::MAX as usize), word >> 32);
        if high != 0 && low >> DIGIT == 0 && high >> (48 - DIGIT) == 0 {
            self.try_start(finder, low | high << DIGIT);
        }
        if word > ADDRESS {
            self.try_any(finder, word & ADDRESS);
        }
    }

    #[inline(always)]
    fn try_start(&mut self, finder: &mut impl Guesses, word: usize) {
        if self.window.holds(word) {
            self.hits += finder.start(word);
        }
    }
    #[inline(always)]
    fn try_any(&mut self, finder: &mut impl Guesses, word: usize) {
        if self.window.holds(word) {
            self.hits += finder.any(word);
        }
    }
}

/// The first block of four words of `at..hi` that may have one in the window, in some guise. Some that have not
/// may be told too; what is left behind the last whole block is not looked at.
///
/// # Safety
/// `at..hi` is readable; AVX2 is available.
#[target_feature(enable = "avx2")]
unsafe fn next_near(mut at: Addr, hi: Addr, base: Option<Addr>, window: Window) -> Option<Addr> {
    const BLOCK: usize = LANES * WORD;
    let zero = _mm256_setzero_si256();
    let bounds = Bounds::new(window);
    let address_bits = _mm256_set1_epi64x(ADDRESS as i64);
    let digit_bits = _mm256_set1_epi64x((1 << DIGIT) - 1);
    let bases = _mm256_set1_epi64x(base.map_or(0, |base| base.0) as i64);
    let no_base = _mm256_set1_epi64x(if base.is_some() { 0 } else { -1 });
    let mut places = _mm256_add_epi64(_mm256_set1_epi64x(at.0 as i64), _mm256_setr_epi64x(0, 8, 16, 24));
    while at.add(BLOCK) <= hi {
        let p: *const __m256i = at.ptr();
        // SAFETY: inside the range.
        let words = unsafe { _mm256_loadu_si256(p) };
        let packed = if at.add(BLOCK + WORD / 2) <= hi {
            // SAFETY: inside the range.
            unsafe { _mm256_loadu_si256(p.byte_add(WORD / 2)) }
        } else {
            _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 7))
        };
        // Without anything above its low 48 bits a word is what marking saw already.
        let plain = _mm256_cmpeq_epi64(_mm256_srli_epi64::<48>(words), zero);
        let address = _mm256_or_si256(plain, bounds.outside(_mm256_and_si256(words, address_bits)));
        let high_digit = _mm256_slli_epi64::<{ DIGIT as i32 }>(_mm256_srli_epi64::<32>(words));
        let digits = bounds.outside(_mm256_or_si256(_mm256_and_si256(words, digit_bits), high_digit));
        // A zero leads nowhere; it would be everybody's offset to itself.
        let nowhere = _mm256_or_si256(no_base, _mm256_cmpeq_epi64(words, zero));
        let offsets = _mm256_and_si256(
            bounds.outside(_mm256_add_epi64(words, bases)),
            bounds.outside(_mm256_add_epi64(words, places)),
        );
        let all = _mm256_and_si256(
            _mm256_and_si256(bounds.outside(packed), address),
            _mm256_and_si256(digits, _mm256_or_si256(offsets, nowhere)),
        );
        if _mm256_movemask_epi8(all) != -1 {
            return Some(at);
        }
        at = at.add(BLOCK);
        places = _mm256_add_epi64(places, _mm256_set1_epi64x(BLOCK as i64));
    }
    None
}

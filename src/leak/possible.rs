//! What may still be in use: unreachable objects whose address the program keeps in disguise.
//!
//! Marking takes a word for a pointer that stands at a multiple of eight and is an address as it is. A program that packs its
//! structures, or boxes its pointers in the upper half of a NaN, keeps some that are neither:
//!
//! ```text
//! unaligned    eight bytes at any place    packed structures, messages
//! tagged       the low 48 bits of a word   NaN boxes, counters and types above the address
//! ```
//! Objects that such words lead to, and what those lead to, are *possible* leaks: told, and not counted. Numbers seldom look
//! so: of words at random one in 2^48 for each byte of what is lost. Since gigabytes may be lost, only an object's first
//! page ([`NEAR`]) counts: what is packed or boxed is what malloc gave. (The collector looks for more guises, `gc::disguise`; behind those
//! a true leak could hide.)
//!
//! # Cost
//! Nothing without leaks; else what is live is read once more, 32 bytes at a time with eight loads where the processor has AVX2.
//!
//! # Safety
//! [`each_of`] reads what its caller may read; AVX2 is used where it is available.
#![allow(unsafe_code)]
use super::group::{Edges, Kind, Object, Search, holder};
use super::scratch::{Full, List};
use crate::gc::filter::{self, Bounds, Window};
use crate::ground::critical::Critical;
use crate::pure::addr::Addr;
use core::arch::x86_64::*;

const WORD: usize = size_of::<usize>();
/// Bytes that are compared at a time.
const LANES: usize = 4 * WORD;
/// Bits of an address that a program may have.
const ADDRESS: usize = (1 << 48) - 1;

/// How far from its start a word in disguise may lead into an object.
const NEAR: usize = 4096;

/// Calls with the readable parts of an object.
pub type Parts<'a> = dyn Fn(&Object, &mut dyn FnMut(Addr, Addr)) + 'a;

/// Which of some objects are held in disguise.
pub struct Possible<'c> {
    search: Search<'c>,
    window: Window,
    filter: bool,
    found: List<'c, u32>,
}

impl<'c> Possible<'c> {
    /// `objects` is sorted by address.
    pub fn new(critical: &'c Critical, objects: &[Object]) -> Result<Possible<'c>, Full> {
        let low = objects.first().map_or(0, |object| object.addr);
        let high = objects.last().map_or(0, |object| object.addr + object.size);
        let mut found = List::new(critical);
        found.reserve(objects.len())?;
        let search = Search::new(critical, objects.len())?;
        Ok(Possible { search, window: Window::new(low, high), filter: filter::available(), found })
    }

    /// Notes what the words in `lo..hi` lead to in disguise.
    ///
    /// # Safety
    /// The range is readable.
    pub unsafe fn look(&mut self, objects: &[Object], lo: Addr, hi: Addr) {
        let Possible { search, found, .. } = self;
        let mut each = |word: usize| {
            if let Some(at) = holder(objects, word)
                && word - objects[at].addr <= NEAR
                && search.mark(at)
            {
                // Once each, and there is room for all.
                let _ = found.push(at as u32);
            }
        };
        // SAFETY: the caller's promise.
        unsafe { each_of(lo, hi, self.window, self.filter, &mut each) };
    }

    /// Sets the kind of what was found, and of all that it leads to. `parts` calls with the readable parts of an object, whose words
    /// are edges too.
    pub fn settle(&mut self, objects: &mut [Object], edges: &dyn Edges, parts: &Parts<'_>) {
        while let Some(at) = self.found.pop() {
            objects[at as usize].kind = Kind::Possible;
            let object = objects[at as usize];
            edges.each(&object, &mut |word| {
                if self.window.holds(word)
                    && let Some(to) = holder(objects, word)
                    && self.search.mark(to)
                {
                    let _ = self.found.push(to as u32);
                }
            });
            parts(&object, &mut |lo, hi| {
                // SAFETY: readable, as `parts` has it.
                unsafe { self.look(objects, lo, hi) };
            });
        }
    }
}

/// Calls `each` with the addresses inside `window` that stand in disguise in `lo..hi`.
///
/// # Safety
/// The range is readable. `filter`: AVX2 is available.
unsafe fn each_of(lo: Addr, hi: Addr, window: Window, filter: bool, each: &mut dyn FnMut(usize)) {
    let mut at = lo.align_up(WORD);
    if filter {
        // SAFETY: as above.
        while let Some(near) = unsafe { next_near(at, hi, window) } {
            at = near.add(LANES);
            // SAFETY: the caller's promise.
            unsafe { each_word(near, at, hi, window, each) };
        }
        // Whole blocks with the seven bytes behind them are done.
        let whole = hi.0.saturating_sub(lo.align_up(WORD).0).saturating_sub(WORD - 1) / LANES * LANES;
        at = lo.align_up(WORD).add(whole);
    }
    // SAFETY: the caller's promise.
    unsafe { each_word(at, hi, hi, window, each) };
}

/// The words that begin in `at..end`; the range ends at `hi`.
///
/// # Safety
/// `at..hi` is readable.
unsafe fn each_word(mut at: Addr, end: Addr, hi: Addr, window: Window, each: &mut dyn FnMut(usize)) {
    while at < end && at.add(WORD) <= hi {
        // SAFETY: inside the range; volatile, as it is not Rust's.
        let word = unsafe { at.ptr::<usize>().read_volatile() };
        if word > ADDRESS && window.holds(word & ADDRESS) {
            each(word & ADDRESS);
        }
        for beyond in 1..WORD {
            if at.add(beyond + WORD) > hi {
                break;
            }
            // SAFETY: inside the range.
            let word = unsafe { at.add(beyond).ptr::<usize>().read_unaligned() };
            if window.holds(word) {
                each(word);
            }
        }
        at = at.add(WORD);
    }
}

/// The first block from `at` on that has an address in the window in disguise. Of what comes behind the last whole block with seven more
/// bytes nothing is known.
///
/// # Safety
/// `at..hi` is readable; AVX2 is available.
#[target_feature(enable = "avx2")]
unsafe fn next_near(mut at: Addr, hi: Addr, window: Window) -> Option<Addr> {
    let bounds = Bounds::new(window);
    let address = _mm256_set1_epi64x(ADDRESS as i64);
    let zero = _mm256_setzero_si256();
    while at.add(LANES + WORD - 1) <= hi {
        let p: *const __m256i = at.ptr();
        // SAFETY: the block and seven bytes behind it are inside the range, here and below.
        let words = unsafe { _mm256_loadu_si256(p) };
        // Without anything above its low 48 bits a word is what marking saw already.
        let plain = _mm256_cmpeq_epi64(_mm256_srli_epi64::<48>(words), zero);
        let mut all = _mm256_or_si256(plain, bounds.outside(_mm256_and_si256(words, address)));
        for beyond in 1..WORD {
            // SAFETY: as above.
            all = _mm256_and_si256(all, bounds.outside(unsafe { _mm256_loadu_si256(p.byte_add(beyond)) }));
        }
        if _mm256_movemask_epi8(all) != -1 {
            return Some(at);
        }
        at = at.add(LANES);
    }
    None
}

#[cfg(test)]
mod tests;

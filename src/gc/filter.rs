//! Which words of a range point near the heap: eight at a time, where the processor can.
//!
//! Most words of most programs are no pointers into the heap. A block of 64 bytes is compared
//! with AVX2 at about the speed of memory (two loads, two subtractions, two comparisons); only
//! blocks with a hit come back to the marker. With AVX-512 ([`wide`]) small objects are looked at that way, too. Without
//! either (asked once, by cpuid) the marker looks at each word itself.
//!
//! # Safety
//! `next_hit` reads whole blocks inside the range that its caller may read. Code for a [`Level`] runs
//! only after cpuid and xgetbv said that processor and kernel have it.
#![allow(unsafe_code)]
use core::arch::x86_64::*;
use core::sync::atomic::{AtomicU8, Ordering};

/// Addresses `low ..= low + reach`: the upper end is inclusive for one-past-the-end pointers.
#[derive(Clone, Copy)]
pub struct Window {
    pub low: usize,
    pub reach: usize,
}

impl Window {
    /// `low..=high`, or if they are not in order a window that holds one address that no object has.
    pub fn new(low: usize, high: usize) -> Window {
        if low < high { Window { low, reach: high - low } } else { Window { low: usize::MAX, reach: 0 } }
    }
    #[inline(always)]
    pub fn holds(self, word: usize) -> bool {
        word.wrapping_sub(self.low) <= self.reach
    }
}

/// Bytes of a block.
pub const BLOCK: usize = 64;

/// What processor and kernel have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Level {
    Words = 1,
    /// [`next_hit`] may be called.
    Avx2,
    /// The functions of [`wide`] too.
    Avx512,
}
const UNKNOWN: u8 = 0;
static LEVEL: AtomicU8 = AtomicU8::new(UNKNOWN);

pub fn level() -> Level {
    if LEVEL.load(Ordering::Relaxed) == UNKNOWN {
        LEVEL.store(detect() as u8, Ordering::Relaxed);
    }
    match LEVEL.load(Ordering::Relaxed) {
        3 => Level::Avx512,
        2 => Level::Avx2,
        _ => Level::Words,
    }
}

/// For tests: from now on no more than `most` is used of what there is.
pub fn limit(most: Level) {
    LEVEL.store(most.min(detect()) as u8, Ordering::Relaxed);
}

/// Whether [`next_hit`] may be called.
pub fn available() -> bool {
    level() >= Level::Avx2
}

fn detect() -> Level {
    // OSXSAVE and AVX; beyond them POPCNT.
    const BASE: u32 = 1 << 27 | 1 << 28;
    const POPCNT: u32 = 1 << 23;
    const AVX2: u32 = 1 << 5;
    // BMI1, BMI2, AVX512F, DQ, BW, VL.
    const WIDE: u32 = 1 << 3 | 1 << 8 | 1 << 16 | 1 << 17 | 1 << 30 | 1 << 31;
    const LZCNT: u32 = 1 << 5;
    // What the kernel keeps: SSE and AVX; opmasks and both parts of the wide registers.
    const STATE: u64 = 6;
    const WIDE_STATE: u64 = 7 << 5;
    let features = __cpuid(1).ecx;
    if __cpuid(0).eax < 7 || features & BASE != BASE {
        return Level::Words;
    }
    // SAFETY: OSXSAVE says that xgetbv exists.
    let kept = unsafe { _xgetbv(0) };
    let more = __cpuid_count(7, 0).ebx;
    if kept & STATE != STATE || more & AVX2 == 0 {
        return Level::Words;
    }
    let extended = __cpuid(0x8000_0000).eax > 0x8000_0000 && __cpuid(0x8000_0001).ecx & LZCNT != 0;
    let wide = more & WIDE == WIDE && kept & WIDE_STATE == WIDE_STATE;
    if wide && extended && features & POPCNT != 0 { Level::Avx512 } else { Level::Avx2 }
}

/// A window as AVX2 compares with it: unsigned by signed, both sides moved by half of the range.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    low: __m256i,
    limit: __m256i,
    sign: __m256i,
}
impl Bounds {
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn new(window: Window) -> Bounds {
        let sign = _mm256_set1_epi64x(i64::MIN);
        let limit = _mm256_xor_si256(_mm256_set1_epi64x(window.reach as i64), sign);
        Bounds { low: _mm256_set1_epi64x(window.low as i64), limit, sign }
    }
    /// All bits of each word that is not in the window.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn outside(self, words: __m256i) -> __m256i {
        _mm256_cmpgt_epi64(_mm256_xor_si256(_mm256_sub_epi64(words, self.low), self.sign), self.limit)
    }
}

/// The first block of `[at, end)` with a word in the window: its address, and a bit for
/// each such word. `end - at` is a multiple of [`BLOCK`].
///
/// # Safety
/// The range is readable, and [`available`].
#[target_feature(enable = "avx2")]
pub unsafe fn next_hit(mut at: usize, end: usize, window: Window) -> Option<(usize, u32)> {
    let bounds = Bounds::new(window);
    while at < end {
        let p: *const __m256i = core::ptr::with_exposed_provenance(at);
        // SAFETY: a whole block inside the range.
        let (first, second) = unsafe { (_mm256_loadu_si256(p), _mm256_loadu_si256(p.add(1))) };
        let (first, second) = (bounds.outside(first), bounds.outside(second));
        if _mm256_movemask_epi8(_mm256_and_si256(first, second)) != -1 {
            let low = _mm256_movemask_pd(_mm256_castsi256_pd(first)) as u32;
            let high = _mm256_movemask_pd(_mm256_castsi256_pd(second)) as u32;
            return Some((at, !(low | high << 4) & 0xff));
        }
        at += BLOCK;
    }
    None
}

pub mod wide;

#[cfg(test)]
mod tests;

//! The look for disguises with AVX-512: a line at once, in half the instructions, and lines of zeros in five.
//!
//! # Safety
//! What a mask leaves out is not read. All of this needs [`crate::gc::filter::Level::Avx512`].
#![allow(unsafe_code)]
use super::{ADDRESS, DIGIT, WORD};
use crate::gc::filter::Window;
use crate::gc::filter::wide::LANES;
use crate::pure::addr::Addr;
use core::arch::x86_64::*;

/// The first [`LANES`] words from `at` on, or as many as are left, of which one may lead into the window, in some guise.
/// Nothing of `at..hi` is left out.
///
/// # Safety
/// `at..hi` is readable; see the chapter above.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,bmi1,bmi2,popcnt,lzcnt")]
pub unsafe fn next_near(mut at: Addr, hi: Addr, base: Option<Addr>, window: Window) -> Option<Addr> {
    let low = _mm512_set1_epi64(window.low as i64);
    let reach = _mm512_set1_epi64(window.reach as i64);
    let inside =
        |of: __mmask8, words: __m512i| _mm512_mask_cmple_epu64_mask(of, _mm512_sub_epi64(words, low), reach);
    let address_bits = _mm512_set1_epi64(ADDRESS as i64);
    let high_bits = _mm512_set1_epi64(!ADDRESS as i64);
    let digit_bits = _mm512_set1_epi64((1 << DIGIT) - 1);
    let bases = _mm512_set1_epi64(base.map_or(0, |base| base.0) as i64);
    let first = _mm512_setr_epi64(0, 8, 16, 24, 32, 40, 48, 56);
    while at.add(WORD) <= hi {
        let count = hi.since(at) / WORD;
        let all = _bzhi_u32(0xff, count.min(LANES) as u32) as __mmask8;
        // The last word's packed one would end behind `hi`.
        let packed_too = if hi.since(at) >= count.min(LANES) * WORD + WORD / 2 { all } else { all >> 1 };
        let p: *const i64 = at.ptr();
        // SAFETY: inside the range, as far as the masks say.
        let (words, packed) = unsafe {
            (_mm512_maskz_loadu_epi64(all, p), _mm512_maskz_loadu_epi64(packed_too, p.byte_add(WORD / 2)))
        };
        // A zero leads nowhere; it would be everybody's offset to itself.
        if _mm512_test_epi64_mask(_mm512_or_si512(words, packed), _mm512_or_si512(words, packed)) != 0 {
            let some = _mm512_test_epi64_mask(words, words);
            // Without anything above its low 48 bits a word is what marking saw already.
            let tall = _mm512_test_epi64_mask(words, high_bits);
            let digits = _mm512_or_si512(
                _mm512_and_si512(words, digit_bits),
                _mm512_slli_epi64::<DIGIT>(_mm512_srli_epi64::<32>(words)),
            );
            let offsets = if base.is_some() {
                let places = _mm512_add_epi64(_mm512_set1_epi64(at.0 as i64), first);
                inside(some, _mm512_add_epi64(words, bases)) | inside(some, _mm512_add_epi64(words, places))
            } else {
                0
            };
            let address = inside(tall, _mm512_and_si512(words, address_bits));
            if address | offsets | inside(packed_too, packed) | inside(some, digits) != 0 {
                return Some(at);
            }
        }
        at = at.add(LANES * WORD);
    }
    None
}

#[cfg(test)]
mod tests;

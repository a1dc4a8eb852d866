//! Nothing waits but one word: a list. Its objects are followed one by one, without the way through batch, bits of grey and queue.
//!
//! There is nothing to do meanwhile, so what counts is how long it takes from one object's memory to the address of the next. By the
//! data alone that is word → page's entry in the map → descriptor → slot → object. But the entry is only needed to
//! know whether the word points to a slot's first byte, how large the slot is, and whether it was white: that mostly turns out as it
//! did for the object before. So nothing of this is put into the next address. It is compared, and the processor
//! guesses each comparison: it has begun to read the next object, and the one after it, while map, descriptor and bits of this one are
//! still on their way. Then a list in random order waits for one cache miss an object, and not for three in a row.
//!
//! What does not look like a list is handed to the usual way: words that no span covers, objects with two pointers and
//! more, large ones. Each step marks an object, so there is an end.
//!
//! # Safety
//! As in [`super`] and [`super::scan`].
#![allow(unsafe_code)]
use super::scan::FILTERED;
use super::{Marker, claim};
use crate::gc::filter::{BLOCK, Window, wide};
use crate::pure::addr::Addr;
use crate::spans::map;
use core::arch::asm;
use core::mem::MaybeUninit;

/// The same value, of which the compiler knows nothing: it must not compute it from what it was compared with.
#[inline(always)]
fn guessed(mut value: usize) -> usize {
    // SAFETY: no instruction.
    unsafe { asm!("/* {0} */", inout(reg) value, options(pure, nomem, nostack, preserves_flags)) };
    value
}

impl Marker<'_> {
    /// Follows the only word of the batch as long as it leads from object to object. What is left is in batch or queue. False: nothing was done.
    #[inline(always)]
    pub(super) fn follow_chain<const WIDE: bool, const SHARED: bool>(&mut self) -> bool {
        let Window { low, reach } = self.near;
        // Where something is unpadded, or protected, more is asked about each word.
        if self.batch.len != 1 || self.unpadded || self.protected.touches(Addr(low), Addr(low + reach)) {
            return false;
        }
        // SAFETY: below the batch's length words were written.
        let mut word = unsafe { self.batch.words[0].assume_init() };
        let (mut nth, mut size) = (0, 0);
        self.batch.len = 0;
        loop {
            let span = match map::lookup(Addr(word)) {
                Some(span) if span.size.get() < FILTERED => span,
                _ => {
                    self.batch.words[0] = MaybeUninit::new(word);
                    self.batch.len = 1;
                    return size != 0;
                }
            };
            let index = span.index(Addr(word));
            if !claim::<SHARED>(span, index) {
                return true;
            }
            let mut lo = guessed(word);
            if span.slot(index).0 != word {
                lo = guessed(span.slot(index).0);
            }
            if span.size.get() != size {
                size = guessed(span.size.get());
            }
            let hits = self.hits::<WIDE>(lo, size);
            if hits != 1 << nth {
                if hits & hits.wrapping_sub(1) != 0 {
                    self.shade::<SHARED>(span, index);
                    return true;
                }
                if hits == 0 {
                    return true;
                }
                nth = hits.trailing_zeros() as usize;
            }
            // SAFETY: its slot was white, so it is allocated, and stays so while the world is stopped; `nth` is below `size / 8`.
            word = unsafe { Addr(lo + nth * 8).ptr::<usize>().read_unaligned() };
        }
    }

    /// Which words of a small object are near the heap.
    #[inline(always)]
    fn hits<const WIDE: bool>(&self, lo: usize, size: usize) -> u64 {
        let mut hits = 0;
        if WIDE {
            for at in (0..size).step_by(BLOCK) {
                let count = ((size - at) / 8).min(wide::LANES);
                // SAFETY: `lo..lo + size` is the slot that the caller claimed; `WIDE` is chosen where the processor has AVX-512.
                hits |= u64::from(unsafe { wide::hits(lo + at, count, self.near) }) << (at / 8);
            }
        } else {
            for nth in 0..size / 8 {
                // SAFETY: as above.
                let word = unsafe { Addr(lo + nth * 8).ptr::<usize>().read_unaligned() };
                hits |= u64::from(self.near.holds(word)) << nth;
            }
        }
        hits
    }
}

//! Phase 1: which slots are allocated.
//!
//! All slots that were ever put on the list (`extended`), minus those that the span has back,
//! minus its remote list, minus what is in some thread's bin. Two passes over the descriptors: one counts the words, one writes them
//! into a single mapped region:
//!
//! ```text
//! header   which slots are grey: none, one (its index), or those with a bit in `grey` (see [`grey`])
//! white    allocated and not marked: marking clears them      <- Span::white_bits
//! grey     marked and still to be scanned, unless the header says otherwise
//! alloc    allocated: these stay                              <- Span::alloc_bits
//! (check)  the white ones of the second marker, for checkmark
//! ```
//! A span of `n` slots has `n / 64 + 1` words of each, so that the index of an address in the tail
//! behind the last slot has a bit as well, never set.
//!
//! Remote lists run through memory that the program can overwrite. The walk believes nothing: a
//! link must lead to a slot of the span that was not met before, which bounds the walk too. If not, every slot of the span counts as allocated, and in the end as reachable.
//!
//! # Safety
//! The world is stopped: nobody changes descriptors or lists, and fast paths keep lists whole at each
//! instruction. A link is read only from a slot of the span, which is mapped; the bits of a
//! span are written only inside the words counted for it.
#![allow(unsafe_code)]
use super::Sum;
use super::grey::{self, GreyState};
use crate::ground::critical::Critical;
use crate::heap::{bins, cache, fork, free_bits, quarantine};
use crate::pages::metadata;
use crate::pure::addr::Addr;
use crate::spans::span::{NOTIFY, flag, kind};
use crate::spans::{Block, Span, map, slab};
use core::sync::atomic::{AtomicU64, Ordering};

/// The bits of one cycle and what the passes saw.
pub struct Bits {
    region: Addr,
    bytes: usize,
    /// Lowest and highest address of spans that the map knows in full.
    pub low: Addr,
    pub high: Addr,
    pub allocated: Sum,
    /// Descriptors in use.
    pub spans: usize,
    /// Of these, objects that are spans of their own.
    pub large: usize,
    /// Some span is UNPADDED.
    pub unpadded: bool,
    pub broken_lists: usize,
}

/// Words of a span's bits of one sort.
#[inline(always)]
pub fn words(span: &Span) -> usize {
    span.slots.get() as usize / 64 + 1
}

impl Bits {
    /// Derives the allocation state of the whole heap. `None`: no memory.
    pub fn derive(critical: &Critical, checked: bool) -> Option<Bits> {
        let sorts = if checked { 4 } else { 3 };
        fork::mend(critical);
        let (mut total, mut spans) = (0, 0);
        slab::for_each(|span| {
            total += 1 + words(span) * sorts;
            spans += 1;
        });
        let bytes = total * 8;
        let region = metadata::map_region(critical, bytes)?;
        let mut bits = Bits {
            region,
            bytes,
            low: Addr(usize::MAX),
            high: Addr(0),
            allocated: Sum::default(),
            spans,
            large: 0,
            unpadded: false,
            broken_lists: 0,
        };
        let mut at: *mut u64 = region.ptr();
        slab::for_each(|span| {
            // SAFETY: the first pass counted the same words for the same spans.
            at = unsafe { bits.write(span, at, sorts) };
        });
        // SAFETY: the world is stopped, and all spans have their bits.
        unsafe {
            bins::for_each_slot(|slot| bits.strike_slot(slot, sorts));
            quarantine::for_each_slot(|slot| bits.strike_slot(slot, sorts));
        }
        Some(bits)
    }

    /// A slot in a bin is free.
    unsafe fn strike_slot(&mut self, slot: Addr, sorts: usize) {
        let Some(span) = map::lookup(slot) else { return };
        let Some(index) = span.slot_of(slot).filter(|_| span.kind() == kind::SLOTS) else { return };
        let (at, mask) = (index as usize / 64, 1u64 << (index % 64));
        let count = words(span);
        // SAFETY: the caller's promise: words of the span's bits.
        unsafe {
            let (white, alloc) = (span.white_bits.get(), span.alloc_bits.get());
            if *alloc.add(at) & mask == 0 {
                return;
            }
            *alloc.add(at) &= !mask;
            *white.add(at) &= !mask;
            if sorts > 3 {
                *alloc.add(count + at) &= !mask;
            }
        }
        self.allocated.objects -= 1;
        self.allocated.bytes -= span.size.get();
    }

    /// # Safety
    /// `1 + sorts * words(span)` words from `at` are the span's, and zero; the world is stopped.
    unsafe fn write(&mut self, span: &'static Span, at: *mut u64, sorts: usize) -> *mut u64 {
        let count = words(span);
        // SAFETY: the caller's promise.
        let (white, alloc) =
            unsafe { (at.add(1), core::slice::from_raw_parts_mut(at.add(1 + 2 * count), count)) };
        fill(alloc, span.extended.get());
        if span.kind() == kind::SLOTS {
            let remote = (span.remote.load(Ordering::Acquire) & !NOTIFY) as *const Block;
            for (word, free) in alloc.iter_mut().zip(free_bits::of(span)) {
                *word &= !free.get();
            }
            // SAFETY: the world is stopped.
            if unsafe { strike(span, remote, alloc) } {
                span.flags.fetch_and(!flag::BROKEN, Ordering::Relaxed);
            } else {
                fill(alloc, span.extended.get());
                span.flags.fetch_or(flag::BROKEN, Ordering::Relaxed);
                self.broken_lists += 1;
            }
        } else if span.kind() != kind::KEPT {
            self.large += 1;
        }
        if span.flags.load(Ordering::Relaxed) & flag::OWN_MAPPING == 0 {
            self.low = self.low.min(span.base());
            self.high = self.high.max(span.limit());
        }
        self.unpadded |= span.flags.load(Ordering::Relaxed) & flag::UNPADDED != 0;
        let set: u32 = alloc.iter().map(|w| w.count_ones()).sum();
        self.allocated.add(set as usize, span.size.get());
        span.white_bits.set(white);
        span.alloc_bits.set(alloc.as_mut_ptr());
        // SAFETY: the caller's promise.
        unsafe {
            core::ptr::copy_nonoverlapping(alloc.as_ptr(), white, count);
            if sorts > 3 {
                core::ptr::copy_nonoverlapping(alloc.as_ptr(), alloc.as_mut_ptr().add(count), count);
            }
            at.add(1 + sorts * count)
        }
    }

    /// Gives the memory back. The spans' pointers are stale from now on; nobody but a cycle
    /// follows them, and a cycle sets them first.
    pub fn end(self, critical: &Critical) {
        // SAFETY: mapped in `derive`; the cycle is over.
        unsafe { metadata::unmap_region(critical, self.region, self.bytes) };
    }
}

/// Where the header is.
#[inline(always)]
pub fn header(span: &Span) -> Addr {
    Addr(span.white_bits.get() as usize - 8)
}

/// The same, to be used.
/// # Safety
/// As for all that follows: the span's bits are of this cycle.
#[inline(always)]
unsafe fn header_of(span: &Span) -> &AtomicU64 {
    // SAFETY: the caller's promise.
    unsafe { AtomicU64::from_ptr(header(span).ptr()) }
}

/// The `at`-th word of grey bits.
/// # Safety
/// See [`header_of`]; `at` is below the span's words.
#[inline(always)]
unsafe fn grey_word(span: &Span, at: usize) -> &AtomicU64 {
    debug_assert!(at < words(span));
    // SAFETY: the caller's promise.
    unsafe { AtomicU64::from_ptr(span.white_bits.get().add(words(span) + at)) }
}

/// What is grey.
/// # Safety
/// See [`header_of`].
#[inline(always)]
pub unsafe fn grey_state(span: &Span) -> GreyState {
    // SAFETY: the caller's promise.
    grey::peek(unsafe { header_of(span) })
}

/// Slot `index` becomes grey. True if the span was idle: then it must be queued. `SHARED`: others mark, too.
/// # Safety
/// See [`header_of`]; `index` is a slot of the span.
#[inline(always)]
pub unsafe fn add_grey<const SHARED: bool>(span: &Span, index: u32) -> bool {
    // SAFETY: the caller's promise.
    let (header, word) = unsafe { (header_of(span), |at| grey_word(span, at)) };
    if SHARED { grey::add_shared(header, word, index) } else { grey::add(header, word, index) }
}

/// The span becomes idle; what was grey, of which `Many` are taken by [`take_grey_word`].
/// # Safety
/// See [`header_of`].
#[inline(always)]
pub unsafe fn take_grey<const SHARED: bool>(span: &Span) -> GreyState {
    // SAFETY: the caller's promise.
    let header = unsafe { header_of(span) };
    if SHARED { grey::take_shared(header) } else { grey::take(header) }
}

/// Takes what is grey among 64 slots.
/// # Safety
/// See [`grey_word`].
#[inline(always)]
pub unsafe fn take_grey_word<const SHARED: bool>(span: &Span, at: usize) -> u64 {
    // SAFETY: the caller's promise.
    let word = unsafe { grey_word(span, at) };
    if SHARED { grey::take_word_shared(word) } else { grey::take_word(word) }
}

/// The span becomes idle; calls `each` with what was grey, slot by slot. One marker only.
/// # Safety
/// See [`header_of`].
pub unsafe fn each_grey(span: &Span, mut each: impl FnMut(u32)) {
    // SAFETY: the caller's promise.
    unsafe {
        if let GreyState::One(index) = take_grey::<false>(span) {
            return each(index);
        }
        for at in 0..words(span) {
            let mut word = take_grey_word::<false>(span, at);
            while word != 0 {
                each(at as u32 * 64 + word.trailing_zeros());
                word &= word - 1;
            }
        }
    }
}

/// Sets the first `n` bits, clears the others.
fn fill(words: &mut [u64], n: u32) {
    for (i, word) in words.iter_mut().enumerate() {
        *word = match (n as usize).saturating_sub(i * 64) {
            0 => 0,
            rest @ 1..64 => (1 << rest) - 1,
            _ => u64::MAX,
        };
    }
}

/// Clears the bits of the slots on a list. False as soon as the list makes no sense.
///
/// # Safety
/// The world is stopped and `bits` are those of `span`.
unsafe fn strike(span: &Span, first: *const Block, bits: &mut [u64]) -> bool {
    let mut block = first;
    while !block.is_null() {
        let addr = Addr::of(block);
        if addr < span.base() || addr >= span.limit() {
            return false;
        }
        let index = span.index(addr);
        if index >= span.extended.get() || span.slot(index) != addr {
            return false;
        }
        let (word, mask) = (&mut bits[index as usize / 64], 1 << (index % 64));
        if *word & mask == 0 {
            return false;
        }
        *word &= !mask;
        // SAFETY: a slot that was put on the list once: mapped memory of at least 16 bytes.
        block = unsafe { cache::link_of(block) };
    }
    true
}

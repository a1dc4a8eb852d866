//! Leak mode: for each object the id of the call stack that allocated it and how many bytes
//! were asked for, out of line. What stands there of a free slot means nothing: a fast free leaves it.
//!
//! A word of 64 bits a slot: stack, slack, and bits of `secure`'s. In leak mode alone, where most of a heap is small slots, one of 32 bits for
//! those ([`NARROW`]): a stack's number has 24, and the slack is less than a slot.
//!
//! # Safety
//! A span's array covers all its slots and is replaced only while the span has no objects.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::pure::addr::Addr;
use crate::spans::{Span, plain, side};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// A stack's number is less than the largest of so many bits, which stands for [`IGNORED`].
pub const STACK_BITS: u32 = 24;
/// In place of a stack: allocated where the program wanted no leaks reported.
pub const IGNORED: u32 = u32::MAX;
/// There may be such an object.
pub static ANY_IGNORED: AtomicBool = AtomicBool::new(false);

/// One object's origin: stack id, and the bytes of its slot that were not asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    /// The depot's number; 0 = none.
    pub stack: u32,
    /// Slot size minus the request.
    pub slack: u32,
}

impl Origin {
    fn pack(self) -> u64 {
        self.stack as u64 | (self.slack as u64) << 32
    }
    fn unpack(word: u64) -> Origin {
        Origin { stack: word as u32, slack: slack_of(word) as u32 }
    }
    fn pack_narrow(self) -> u32 {
        self.stack & NARROW_STACK | self.slack << STACK_BITS
    }
    fn unpack_narrow(word: u32) -> Origin {
        let stack = match word & NARROW_STACK {
            NARROW_STACK => IGNORED,
            stack => stack,
        };
        Origin { stack, slack: word >> STACK_BITS }
    }
}

/// The largest slot with a word of 32 bits.
const NARROW: usize = 240;
const NARROW_STACK: u32 = (1 << STACK_BITS) - 1;
const _: () = assert!(NARROW < 1 << (u32::BITS - STACK_BITS));

#[inline(always)]
fn is_narrow(span: &Span) -> bool {
    span.size.get() <= NARROW && plain::is_recorded()
}

/// Bytes of a span's array.
fn bytes(span: &Span) -> usize {
    span.slots.get() as usize * if is_narrow(span) { size_of::<AtomicU32>() } else { size_of::<AtomicU64>() }
}

/// The bits of a word above the slack are for `secure`.
const SLACK: u64 = (1 << 28) - 1;

/// The slack in a word.
pub fn slack_of(word: u64) -> usize {
    (word >> 32 & SLACK) as usize
}

#[inline]
fn entry(span: &Span, index: u32) -> Option<&AtomicU64> {
    let array = span.stacks.load(Ordering::Acquire);
    // SAFETY: the array has an entry a slot.
    if array.is_null() { None } else { Some(unsafe { &*array.add(index as usize) }) }
}

#[inline]
fn narrow_entry(span: &Span, index: u32) -> Option<&AtomicU32> {
    let array = span.stacks.load(Ordering::Acquire).cast::<AtomicU32>();
    // SAFETY: the array has an entry a slot, of 32 bits where `is_narrow` says so.
    if array.is_null() { None } else { Some(unsafe { &*array.add(index as usize) }) }
}

/// The word of slot `index`; 0 where there is none. Of 64 bits: not in leak mode alone.
pub fn word(span: &Span, index: u32) -> u64 {
    entry(span, index).map_or(0, |word| word.load(Ordering::Acquire))
}
pub fn set_word(span: &Span, index: u32, word: u64) {
    if let Some(entry) = entry(span, index) {
        entry.store(word, Ordering::Release);
    }
}
/// Clears `bits` of it. What it was.
pub fn take_word(span: &Span, index: u32, bits: u64) -> u64 {
    entry(span, index).map_or(0, |word| word.fetch_and(!bits, Ordering::AcqRel))
}
pub fn is_absent(span: &Span) -> bool {
    span.stacks.load(Ordering::Acquire).is_null()
}

/// Remembers (or with the default forgets) the origin of slot `index`, if the span has an array.
#[inline]
pub fn set(span: &Span, index: u32, origin: Origin) {
    if !is_narrow(span) {
        set_word(span, index, origin.pack());
    } else if let Some(entry) = narrow_entry(span, index) {
        entry.store(origin.pack_narrow(), Ordering::Release);
    }
}

/// The origin of slot `index`; the default where none was recorded.
pub fn get(span: &Span, index: u32) -> Origin {
    if !is_narrow(span) {
        return Origin::unpack(word(span, index));
    }
    let word = narrow_entry(span, index).map(|entry| entry.load(Ordering::Acquire));
    Origin::unpack_narrow(word.unwrap_or(0))
}

/// Records that slot `index` was allocated by `stack` for `n` bytes, making the array first if
/// there is none. Owner only (or under the late lock).
pub fn record(critical: &Critical, span: &Span, index: u32, stack: u32, n: usize) {
    if span.stacks.load(Ordering::Relaxed).is_null() {
        let Some(array) = side::take(critical, bytes(span)) else { return };
        span.stacks.store(array.ptr::<AtomicU64>(), Ordering::Release);
    }
    let slack = (span.size.get() - n.min(span.size.get())).min(SLACK as usize) as u32;
    set(span, index, Origin { stack, slack });
}

/// The span goes: so does its array.
pub fn drop_array(critical: &Critical, span: &Span) {
    let array = span.stacks.swap(core::ptr::null_mut(), Ordering::AcqRel);
    if !array.is_null() {
        side::give(critical, Addr::of(array), bytes(span));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_both_sizes_keep_what_they_are_given() {
        let largest = (1 << STACK_BITS) - 2;
        for stack in [0, 1, 4711, largest, IGNORED] {
            for slack in [0, 1, 15, NARROW as u32] {
                let origin = Origin { stack, slack };
                assert_eq!(Origin::unpack_narrow(origin.pack_narrow()), origin);
                assert_eq!(Origin::unpack(origin.pack()), origin);
            }
        }
        assert_eq!(Origin::unpack_narrow(0), Origin::default());
    }
}

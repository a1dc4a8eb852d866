//! What the object that is being scanned points to in its own span.
//!
//! Objects that were allocated one after the other lie in one span, and often point to the next: lists and trees in
//! the order in which they were made. Such an object is scanned at once: its span's bits and its own line are in the
//! cache, or will be soon. With the way through batch and queue a list took twice, a tree three times as long; for a tree, that way goes level by level,
//! which is no order in memory.
//!
//! # Safety
//! Below `len` all slots of the array are written.
#![allow(unsafe_code)]
use crate::gc::filter::Window;
use crate::spans::Span;
use crate::spans::span::flag;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;

/// Objects that wait. What has no place here goes the long way.
const PLACES: usize = 32;

/// Where the slots of `span` are, if pointers there are followed at once. Where a pointer to a slot may be one past the end of the
/// slot before it, which is so where something is `unpadded`, it goes the way that knows of that: so go all of such a span, and
/// pointers to the beginning of the others, before which such a one may end.
#[inline(always)]
pub fn home(span: &Span, unpadded: bool) -> Option<Window> {
    let (low, reach) = (span.base.get(), span.slots.get() as usize * span.size.get() - 1);
    match unpadded {
        false => Some(Window { low, reach }),
        true if span.flags.load(Ordering::Relaxed) & flag::UNPADDED != 0 => None,
        true => Some(Window { low: low + 1, reach: reach - 1 }),
    }
}

/// Marked objects of the span that is being scanned, the newest first. What has no place here goes the long way.
pub struct Trail {
    len: usize,
    slots: [MaybeUninit<u32>; PLACES],
}
impl Trail {
    pub const EMPTY: Trail = Trail { len: 0, slots: [const { MaybeUninit::uninit() }; PLACES] };
    #[inline(always)]
    pub fn push(&mut self, index: u32) -> bool {
        let Some(slot) = self.slots.get_mut(self.len) else { return false };
        slot.write(index);
        self.len += 1;
        true
    }
    #[inline(always)]
    pub fn pop(&mut self) -> Option<u32> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: below the old length all are written.
        Some(unsafe { self.slots[self.len].assume_init() })
    }
}

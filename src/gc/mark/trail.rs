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
use core::mem::MaybeUninit;

/// Objects that wait. What has no place here goes the long way.
const PLACES: usize = 32;

/// A window that holds no pointer.
pub const NOWHERE: Window = Window { low: usize::MAX, reach: 0 };

/// Where the slots of `span` are.
#[inline(always)]
pub fn home(span: &Span) -> Window {
    Window { low: span.base.get(), reach: span.slots.get() as usize * span.size.get() - 1 }
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

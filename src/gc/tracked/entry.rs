//! What marking beside the program knows of a span: an entry that never changes but for its bits.
//!
//! A descriptor may become another span's at any time. An entry has the shape of one life; whoever finds an entry by a
//! descriptor that was renewed since asks whether it [fits](Entry::fits) still. What the bits of one that fits say is true of the memory,
//! whoever has it: black is a slot whose words led to what is black, as far as they were not written to since.
//!
//! ```text
//! Entry    shape, header (see `grey`)
//! white    slots / 64 + 1 words: all slots at first, be they allocated or not
//! grey     as many
//! ```
//!
//! # Safety
//! Entries lie in an [`Arena`], which outlives all use of them; behind an entry are its words. A shape that was read while the program
//! ran is used only if it is one that a span can have, where the map leads to that span.
#![allow(unsafe_code)]
use crate::gc::grey::{self, GreyState};
use crate::pure::addr::{Addr, PAGE_SHIFT, PAGE_SIZE};
use crate::spans::span::kind;
use crate::spans::{Span, class, map};
use core::sync::atomic::{AtomicU64, Ordering::*, fence};

/// Zeroed memory that is handed out piece by piece.
pub struct Arena {
    next: usize,
    end: usize,
}
impl Arena {
    pub fn new(lo: Addr, hi: Addr) -> Arena {
        Arena { next: lo.0, end: hi.0 }
    }
    pub fn take(&mut self, bytes: usize) -> Option<Addr> {
        let at = self.next.next_multiple_of(16);
        let next = at.checked_add(bytes).filter(|&next| next <= self.end)?;
        self.next = next;
        Some(Addr(at))
    }
}

/// Where the objects of a span are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    pub base: usize,
    pub size: usize,
    pub slots: u32,
    /// 0: one object, large or huge.
    pub magic: u64,
}

impl Shape {
    /// That of `span`, if it has objects, or may have had. While the program runs it may be told of a span in the making; what is told then is at
    /// least a shape where the map leads to the span.
    pub fn of(span: &'static Span) -> Option<Shape> {
        let kind = span.kind();
        let shape = Shape {
            base: span.base.get(),
            size: span.size.get(),
            slots: span.slots.get(),
            magic: span.magic.get(),
        };
        let pages = span.pages.get() as usize;
        fence(SeqCst);
        let leads = |at: usize| map::lookup(Addr(at)).is_some_and(|found| core::ptr::eq(found, span));
        let is_sound = match kind {
            kind::SLOTS => {
                let bytes = shape.size.checked_mul(shape.slots as usize)?;
                let page_base = shape.base & !(PAGE_SIZE - 1);
                let known = class::SIZE.get(span.class.get() as usize).copied().unwrap_or(0) as usize;
                bytes != 0
                    && shape.size == known
                    && shape.magic == class::magic(known)
                    && shape.base + bytes <= page_base + (pages << PAGE_SHIFT)
                    && leads(shape.base)
                    && leads(shape.base + bytes - 1)
            }
            kind::LARGE | kind::HUGE | kind::KEPT => {
                shape.magic == 0 && shape.slots == 1 && shape.size != 0 && leads(shape.base)
            }
            _ => false,
        };
        is_sound.then_some(shape)
    }
}

#[repr(C)]
pub struct Entry {
    pub span: &'static Span,
    pub shape: Shape,
    /// Made after the collection began: nothing of it is reclaimed.
    pub newborn: bool,
    header: AtomicU64,
}

impl Entry {
    /// All of its slots are white. `None`: no room.
    pub fn make(
        arena: &mut Arena,
        span: &'static Span,
        shape: Shape,
        newborn: bool,
    ) -> Option<&'static Entry> {
        let words = shape.slots as usize / 64 + 1;
        let at = arena.take(size_of::<Entry>() + 2 * words * 8)?;
        let entry: *mut Entry = at.ptr();
        // SAFETY: room for the entry and its words, which nobody knows.
        let entry: &'static Entry = unsafe {
            entry.write(Entry { span, shape, newborn, header: AtomicU64::new(0) });
            &*entry
        };
        for at in 0..words {
            let left = (shape.slots as usize).saturating_sub(at * 64);
            let all = if left >= 64 { u64::MAX } else { (1 << left) - 1 };
            entry.word(at).store(all, Relaxed);
        }
        Some(entry)
    }
    pub fn is_large(&self) -> bool {
        self.shape.magic == 0
    }
    /// Whether it is one of the span as it is now.
    pub fn fits(&self) -> bool {
        let (span, shape) = (self.span, &self.shape);
        span.base.get() == shape.base
            && span.size.get() == shape.size
            && span.slots.get() == shape.slots
            && span.magic.get() == shape.magic
    }
    #[inline(always)]
    pub fn words(&self) -> usize {
        self.shape.slots as usize / 64 + 1
    }
    #[inline(always)]
    fn word_at(&self, at: usize) -> &'static AtomicU64 {
        // SAFETY: `make` took room for twice so many words behind the entry; entries stay.
        unsafe { &*(self as *const Entry).add(1).cast::<AtomicU64>().add(at) }
    }
    /// The `at`-th word of white bits.
    #[inline(always)]
    pub fn word(&self, at: usize) -> &'static AtomicU64 {
        debug_assert!(at < self.words());
        self.word_at(at)
    }
    fn grey_word(&self, at: usize) -> &'static AtomicU64 {
        debug_assert!(at < self.words());
        self.word_at(self.words() + at)
    }
    /// The slot that `addr`, an address in the span's pages, is in; `slots`, which is never white, if it is in none.
    #[inline(always)]
    pub fn index(&self, addr: usize) -> u32 {
        let offset = addr.wrapping_sub(self.shape.base);
        let index = ((offset as u128 * self.shape.magic as u128) >> 64) as u64;
        index.min(self.shape.slots as u64) as u32
    }
    #[inline(always)]
    pub fn slot(&self, index: u32) -> Addr {
        Addr(self.shape.base + index as usize * self.shape.size)
    }
    pub fn is_white(&self, index: u32) -> bool {
        self.word(index as usize / 64).load(Relaxed) >> (index % 64) & 1 != 0
    }
    /// A slot, and not white.
    pub fn is_black(&self, index: u32) -> bool {
        index < self.shape.slots && !self.is_white(index)
    }
    /// Whether slot `index` was white, which it is no more.
    #[inline(always)]
    pub fn claim(&self, index: u32) -> bool {
        let (word, mask) = (self.word(index as usize / 64), 1 << (index % 64));
        let white = word.load(Relaxed);
        word.store(white & !mask, Relaxed);
        white & mask != 0
    }
    /// Whether the slot bears the mark of a free one: it holds nothing.
    /// # Safety
    /// The slot is readable.
    #[inline(always)]
    pub unsafe fn is_free(&self, index: u32) -> bool {
        let at = self.slot(index);
        // SAFETY: the caller's promise; a slot has two words.
        let mark = unsafe { at.add(8).ptr::<usize>().read_volatile() };
        !self.is_large() && mark == at.0.wrapping_mul(self.shape.magic as usize)
    }
    /// Slot `index` turns grey; true: the entry must be queued.
    #[inline(always)]
    pub fn add_grey(&self, index: u32) -> bool {
        grey::add(&self.header, |at| self.grey_word(at), index)
    }
    /// The entry becomes idle; calls `each` with what was grey.
    #[inline(always)]
    pub fn each_grey(&self, mut each: impl FnMut(u32)) {
        if let GreyState::One(index) = grey::take(&self.header) {
            return each(index);
        }
        for at in 0..self.words() {
            let mut word = grey::take_word(self.grey_word(at));
            while word != 0 {
                each(at as u32 * 64 + word.trailing_zeros());
                word &= word - 1;
            }
        }
    }
}

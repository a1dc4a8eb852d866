//! The span descriptor.
//!
//! ```text
//!          new            last slot handed out         a slot comes back
//!  (none) ----> QUEUED --------------------------> FULL ---------------> QUEUED
//!                 | used == 0, not head                | thread exits
//!                 v                                    v
//!              (pages freed)                       ABANDONED --adopted--> QUEUED
//! ```
//! `owner` is the address of the cache that may touch `free`, plus tag bits. free()'s fast path
//! compares it with the thread's cache: any tag, another thread's span, an abandoned span, a
//! large object and a foreign pointer all fail the one comparison and take the slow path.
//!
//! # Safety
//! Descriptors come zeroed from metadata and are never unmapped, so a `&'static Span` is always
//! readable. The `Cell` fields belong to the owner (to the holder of the heap lock while
//! abandoned); the collector reads them only while the world is stopped.
#![allow(unsafe_code)]
use super::{class, slab};
use crate::pure::addr::{Addr, PAGE_SHIFT, PAGE_SIZE, round_up};
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// A free slot's first sixteen bytes.
#[repr(C)]
pub struct Block {
    /// On a list, the next one, in a disguise that only we know (`heap::cache`).
    pub link: usize,
    /// [`Span::mark`]: a sign of a double free.
    pub mark: usize,
}

/// Tag bits of [`Span::owner`].
pub mod tag {
    /// On no queue: every slot is handed out.
    pub const FULL: usize = 1;
    /// Some slots are in limbo: a free of one is a resurrection.
    pub const LIMBO: usize = 2;
    /// Frees are watched (audit mode, `secure=`, slots of more than a KiB in leak mode, and where an object is special).
    pub const WATCH: usize = 4;
    /// It is not in [`plain`](super::super::plain): its owner may want to put it there.
    pub const HIDDEN: usize = 8;
    pub const ALL: usize = 63;
}

/// What a descriptor describes.
pub mod kind {
    pub const NONE: u8 = 0;
    /// Slots of a size class.
    pub const SLOTS: u8 = 1;
    /// One object in pages of the page allocator.
    pub const LARGE: u8 = 2;
    /// One object in a mapping of its own.
    pub const HUGE: u8 = 3;
    /// A freed large or huge object that `heap::kept` has: no object, no slots.
    pub const KEPT: u8 = 4;
}

/// Bits of [`Span::flags`].
pub mod flag {
    /// Some object fills its slot to the last byte: its one-past-the-end is the next slot.
    pub const UNPADDED: u8 = 1;
    /// Collector: in this cycle its free lists made no sense.
    pub const BROKEN: u8 = 2;
    /// A large object in a mapping of its own: of kind HUGE, while it is not KEPT.
    pub const OWN_MAPPING: u8 = 4;
    /// Some object is pinned or otherwise special (`heap::special`). Its owner word has the tag WATCH.
    pub const SPECIAL: u8 = 8;
    /// When the span was made, its pages held what others had written.
    pub const USED_PAGES: u8 = 16;
    /// The page behind it has no access and belongs to it.
    pub const CLOSED_BEHIND: u8 = 32;
    /// One object, whose last byte is in a page without access (`heap::guarded`).
    pub const GUARDED: u8 = 64;
    /// It has a cell.
    pub const CELL: u8 = 128;
}

/// Some span was UNPADDED, ever.
pub static ANY_UNPADDED: AtomicBool = AtomicBool::new(false);

/// Bit 0 of [`Span::remote`]: the owner wants to hear of the next remote free.
pub const NOTIFY: usize = 1;

#[repr(C, align(128))]
pub struct Span {
    /// Owner: which slots are free and not in somebody's bin (`heap::free_bits`). Each of them bears its mark.
    pub free_bits: Cell<*mut u64>,
    /// Cache address | tags; 0 while abandoned or large.
    pub owner: AtomicUsize,
    /// Owner: slots not in `free_bits` and handed out at least once, be they in somebody's bin by now (+1 while
    /// the span is its class's head).
    pub used: Cell<u32>,
    /// Slots in the span.
    pub slots: Cell<u32>,
    /// Bytes a slot; for large objects, of the whole object.
    pub size: Cell<usize>,
    /// Where the first slot begins: a multiple of the size, in the first page.
    pub base: Cell<usize>,
    /// Owner: slots below this index have been put on the list at least once.
    pub extended: Cell<u32>,
    pub pages: Cell<u32>,
    /// See `class::magic`; 0 for large objects.
    pub magic: Cell<u64>,
    /// `used` (without the head's +1) when it was last added to the heap's live bytes.
    pub accounted: Cell<u32>,
    pub class: Cell<u8>,
    /// Published last (release) when a span is made, cleared first when it goes.
    pub kind: AtomicU8,
    pub flags: AtomicU8,
    /// A large object's: how calloc clears it (`heap::cleared`).
    pub clearing: Cell<u8>,
    /// Slots freed by others, newest first, | NOTIFY.
    pub remote: AtomicUsize,
    pub next: Cell<*const Span>,
    pub prev: Cell<*const Span>,
    /// Link in the owner's notify list, or 0.
    pub notify_next: AtomicUsize,
    /// Collector, while the world is stopped: which slots are allocated, and which of those are
    /// not marked (white). Stale outside of a cycle.
    pub alloc_bits: Cell<*mut u64>,
    pub white_bits: Cell<*mut u64>,
    /// Which slots are in limbo; see `heap::limbo`. Replaced only while the world is stopped.
    pub limbo_bits: AtomicPtr<u64>,
    /// Leak mode: one origin a slot (`heap::stacks`).
    pub stacks: AtomicPtr<AtomicU64>,
}
const _: () = assert!(size_of::<Span>() == 128);
// SAFETY: see the chapter above: who may touch what is part of each field's contract.
unsafe impl Sync for Span {}

impl Span {
    #[inline(always)]
    pub fn kind(&self) -> u8 {
        self.kind.load(Ordering::Acquire)
    }
    #[inline(always)]
    pub fn base(&self) -> Addr {
        Addr(self.base.get())
    }
    /// The first page.
    #[inline(always)]
    pub fn page_base(&self) -> Addr {
        self.base().align_down(PAGE_SIZE)
    }
    /// End of the span's pages.
    #[inline(always)]
    pub fn limit(&self) -> Addr {
        Addr(self.page_base().0 + ((self.pages.get() as usize) << PAGE_SHIFT))
    }
    /// The index of the slot that holds `addr`, in the span's pages; `slots` for an address before the
    /// first or behind the last one.
    #[inline(always)]
    pub fn index(&self, addr: Addr) -> u32 {
        let offset = addr.0.wrapping_sub(self.base.get());
        let index = ((offset as u128 * self.magic.get() as u128) >> 64) as u64;
        index.min(self.slots.get() as u64) as u32
    }
    /// What the slot at `addr` bears in its second word as long as it is free. Never 0.
    #[inline(always)]
    pub fn mark(&self, addr: Addr) -> usize {
        addr.0.wrapping_mul(self.magic.get() as usize)
    }
    /// Whether `addr` is where a slot of this span of slots is or may come to be.
    pub fn is_place(&self, addr: Addr) -> bool {
        let bytes = self.slots.get() as usize * self.size.get();
        addr.0.wrapping_sub(self.base.get()) < bytes && self.mark(addr) < self.magic.get() as usize
    }
    /// Whether `addr` is where a slot of this span of slots begins that was handed out once.
    #[inline(always)]
    pub fn has_slot(&self, addr: Addr) -> bool {
        let bytes = self.extended.get() as usize * self.size.get();
        addr.0.wrapping_sub(self.base.get()) < bytes && self.mark(addr) < self.magic.get() as usize
    }
    #[inline(always)]
    pub fn slot(&self, index: u32) -> Addr {
        Addr(self.base.get() + index as usize * self.size.get())
    }
    /// The index of the object at `addr`.
    #[inline(always)]
    pub fn index_of(&self, addr: Addr) -> u32 {
        if self.kind() == kind::SLOTS { self.index(addr) } else { 0 }
    }
    /// The slot that `addr` points into (or exactly at), if it was ever handed out.
    #[inline]
    pub fn slot_of(&self, addr: Addr) -> Option<u32> {
        let offset = addr.0.wrapping_sub(self.base.get());
        match self.kind() {
            kind::SLOTS if addr < self.limit() && addr >= self.base() => {
                Some(self.index(addr)).filter(|&i| i < self.extended.get())
            }
            kind::LARGE | kind::HUGE if offset < self.size.get() => Some(0),
            _ => None,
        }
    }
    /// Sets up a descriptor for slots of `class_no` in `count` fresh pages, of which some at both ends may not
    /// be needed. Not yet published.
    pub fn init_slots(&self, pages: Addr, count: usize, class_no: usize) {
        slab::renew(self);
        let size = class::SIZE[class_no] as usize;
        let base = pages.0.next_multiple_of(size);
        let slots = (pages.0 + (count << PAGE_SHIFT) - base) / size;
        let end = round_up(base + slots * size, PAGE_SIZE);
        self.free_bits.set(ptr::null_mut());
        self.used.set(0);
        self.slots.set(slots as u32);
        self.size.set(size);
        self.base.set(base);
        self.extended.set(0);
        self.magic.set(class::magic(size));
        self.pages.set((Addr(end).since(Addr(base).align_down(PAGE_SIZE)) >> PAGE_SHIFT) as u32);
        self.accounted.set(0);
        self.class.set(class_no as u8);
        self.clearing.set(0);
        self.flags.store(0, Ordering::Relaxed);
        self.remote.store(0, Ordering::Relaxed);
        self.next.set(ptr::null());
        self.prev.set(ptr::null());
    }
    /// Sets up a descriptor for one large object. Not yet published.
    pub fn init_large(&self, base: Addr, pages: usize, size: usize) {
        self.init_slots(base, 1, 1);
        self.base.set(base.0);
        self.slots.set(1);
        self.extended.set(1);
        self.used.set(1);
        self.size.set(size);
        self.magic.set(0);
        self.pages.set(pages as u32);
        self.class.set(0);
        self.owner.store(0, Ordering::Relaxed);
    }
    /// Some object fills its slot to the last byte, or is about to.
    pub fn set_unpadded(&self) {
        self.flags.fetch_or(flag::UNPADDED, Ordering::Relaxed);
        ANY_UNPADDED.store(true, Ordering::Release);
    }
    /// Makes the span visible to look-ups that check `kind`.
    pub fn publish(&self, kind: u8) {
        self.kind.store(kind, Ordering::Release);
    }
}

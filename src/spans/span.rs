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
use super::class;
use crate::pure::addr::{Addr, PAGE_SHIFT};
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// A free slot's first sixteen bytes.
#[repr(C)]
pub struct Block {
    pub next: *mut Block,
    /// The cache's key while the slot is free: a quick sign of a double free.
    pub key: usize,
}

impl Block {
    /// What ends a local free list: a block that never carries its key, so that one comparison
    /// tells both that a list is empty and that its first block was written to since it was freed.
    pub fn end() -> *mut Block {
        (&raw const END).cast_mut().cast()
    }
}
struct End {
    _block: Block,
}
// SAFETY: never written to.
unsafe impl Sync for End {}
static END: End = End { _block: Block { next: ptr::null_mut(), key: 0 } };

/// Tag bits of [`Span::owner`].
pub mod tag {
    /// On no queue: every slot is handed out.
    pub const FULL: usize = 1;
    /// Some slots are in limbo: a free of one is a resurrection.
    pub const LIMBO: usize = 2;
    /// Frees are watched (leak mode, and where an object is special).
    pub const WATCH: usize = 4;
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
}

/// Bit 0 of [`Span::remote`]: the owner wants to hear of the next remote free.
pub const NOTIFY: usize = 1;

#[repr(C, align(128))]
pub struct Span {
    /// Owner: local free list, up to [`Block::end`]. Each block on it carries its key.
    pub free: Cell<*mut Block>,
    /// Cache address | tags; 0 while abandoned or large.
    pub owner: AtomicUsize,
    /// Owner: slots not on `free` and handed out at least once (+1 while the span is its
    /// class's head, so that the fast path's count does not reach 0).
    pub used: Cell<u32>,
    /// Slots in the span.
    pub slots: Cell<u32>,
    /// Bytes a slot; for large objects, of the whole object.
    pub size: Cell<usize>,
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
    /// The span's memory read as zero when it was made.
    pub zeroed: Cell<u8>,
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
    /// What the fast paths find where there is no span.
    pub const fn empty() -> Span {
        Span {
            free: Cell::new((&raw const END).cast_mut().cast()),
            owner: AtomicUsize::new(0),
            used: Cell::new(0),
            slots: Cell::new(0),
            size: Cell::new(0),
            base: Cell::new(0),
            extended: Cell::new(0),
            pages: Cell::new(0),
            magic: Cell::new(0),
            accounted: Cell::new(0),
            class: Cell::new(0),
            kind: AtomicU8::new(kind::NONE),
            flags: AtomicU8::new(0),
            zeroed: Cell::new(0),
            remote: AtomicUsize::new(0),
            next: Cell::new(ptr::null()),
            prev: Cell::new(ptr::null()),
            notify_next: AtomicUsize::new(0),
            alloc_bits: Cell::new(ptr::null_mut()),
            white_bits: Cell::new(ptr::null_mut()),
            limbo_bits: AtomicPtr::new(ptr::null_mut()),
            stacks: AtomicPtr::new(ptr::null_mut()),
        }
    }

    #[inline(always)]
    pub fn kind(&self) -> u8 {
        self.kind.load(Ordering::Acquire)
    }
    #[inline(always)]
    pub fn base(&self) -> Addr {
        Addr(self.base.get())
    }
    /// End of the span's pages.
    #[inline(always)]
    pub fn limit(&self) -> Addr {
        Addr(self.base.get() + ((self.pages.get() as usize) << PAGE_SHIFT))
    }
    /// The index of the slot that holds `addr`, which must be at or above the base. May be
    /// ≥ `slots` for an address in the tail.
    #[inline(always)]
    pub fn index(&self, addr: Addr) -> u32 {
        let offset = addr.0.wrapping_sub(self.base.get());
        ((offset as u128 * self.magic.get() as u128) >> 64) as u32
    }
    /// Whether `addr`, in a span of slots, is where a slot begins.
    #[inline(always)]
    pub fn is_slot(&self, addr: Addr) -> bool {
        let offset = addr.0.wrapping_sub(self.base.get()) as u64;
        offset.wrapping_mul(self.magic.get()) < self.magic.get()
    }
    #[inline(always)]
    pub fn slot(&self, index: u32) -> Addr {
        Addr(self.base.get() + index as usize * self.size.get())
    }
    /// The slot that `addr` points into (or exactly at), if it was ever handed out.
    #[inline]
    pub fn slot_of(&self, addr: Addr) -> Option<u32> {
        if addr.0 < self.base.get() || addr >= self.limit() {
            return None;
        }
        match self.kind() {
            kind::SLOTS => Some(self.index(addr)).filter(|&i| i < self.extended.get()),
            kind::NONE | kind::KEPT => None,
            _ => Some(0),
        }
    }
    /// Sets up a descriptor for slots of `class_no` over fresh pages. Not yet published.
    pub fn init_slots(&self, base: Addr, class_no: usize, zeroed: bool) {
        let size = class::SIZE[class_no] as usize;
        self.free.set(Block::end());
        self.used.set(0);
        self.slots.set(class::slots(class_no) as u32);
        self.size.set(size);
        self.base.set(base.0);
        self.extended.set(0);
        self.magic.set(class::magic(size));
        self.pages.set(class::PAGES[class_no] as u32);
        self.accounted.set(0);
        self.class.set(class_no as u8);
        self.zeroed.set(zeroed as u8);
        self.flags.store(0, Ordering::Relaxed);
        self.remote.store(0, Ordering::Relaxed);
        self.next.set(ptr::null());
        self.prev.set(ptr::null());
    }
    /// Sets up a descriptor for one large object. Not yet published.
    pub fn init_large(&self, base: Addr, pages: usize, size: usize, zeroed: bool) {
        self.init_slots(base, 1, zeroed);
        self.slots.set(1);
        self.extended.set(1);
        self.used.set(1);
        self.size.set(size);
        self.magic.set(0);
        self.pages.set(pages as u32);
        self.class.set(0);
        self.owner.store(0, Ordering::Relaxed);
    }
    /// Makes the span visible to look-ups that check `kind`.
    pub fn publish(&self, kind: u8) {
        self.kind.store(kind, Ordering::Release);
    }
}

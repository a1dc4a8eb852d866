//! A thread's cache: the slots that it has at hand and the spans that it owns, by class, and the TLS word that leads to it.
//!
//! Caches live in metadata and are recycled, never unmapped: another thread may still push a
//! span on the notify list of a cache whose thread is gone. The TLS word of a new thread holds
//! the address of [`EMPTY`], whose bins have no slots and take none: so the fast
//! paths need no test for "no cache yet", they just miss. The collector finds every cache through [`for_each`].
//!
//! # Safety
//! A cache's cells are its thread's own; `notify` is atomic; the late cache's cells belong to
//! the holder of the late lock. The TLS asm touches only this thread's copy of a hidden symbol.
#![allow(unsafe_code)]
use super::at_hand::AtHand;
use super::growing::Growing;
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::{self, PageCache, metadata};
use crate::pure::addr::Addr;
use crate::spans::class::{self, BIN, BINS, COUNT, SMALL_MAX};
use crate::spans::{Block, Span};
use core::arch::{asm, global_asm};
use core::cell::{Cell, UnsafeCell};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// A new one is all zero.
#[repr(C, align(64))]
pub struct Cache {
    /// See [`Bin`]. Where they are, say `class::BIN` and `spans::plain`.
    bins: UnsafeCell<[usize; BINS / 8]>,
    /// Chunks without slots.
    pub spare_chunks: Cell<*const Chunk>,
    /// By request: where its bin is.
    by_size: [Cell<u16>; SMALL_MAX + 1],
    /// By class: the span to take slots from, or null.
    pub head: [Cell<*const Span>; COUNT],
    /// By class: further spans with free slots, doubly linked.
    pub queue: [Cell<*const Span>; COUNT],
    /// Spans without free slots, doubly linked.
    pub full: Cell<*const Span>,
    /// Spans that got a remote free after they were full: a stack through `notify_next`.
    pub notify: AtomicUsize,
    /// Pages of queued spans that have no object; see `release::settle`.
    pub spare: Cell<usize>,
    /// Allocations of this cache never take the fast path (leak mode, audit mode, `secure=`). Its bins are empty but for those that
    /// `bins::has`.
    pub watched: Cell<bool>,
    /// The child of a fork: its thread is not here, and may have been in the middle of a slow path.
    pub lost: Cell<bool>,
    pub pages: UnsafeCell<PageCache>,
    /// Large objects that it freed last.
    pub at_hand: AtHand,
    /// The block that it grew last.
    pub growing: Growing,
    /// Link in the list of unused caches.
    next: Cell<*const Cache>,
    /// Link in the list of all caches.
    before: Cell<*const Cache>,
}

/// The newest free slots of a class, last in first out. The very newest is in the head; the others lie below the
/// head, at negative indices: from `-room` to `top - 1`, and below them two nulls, the upper one of which counts as a slot
/// to malloc and free: it is "newest" in an empty bin. `top` is -1 if the bin is full. What is in it is free, be it
/// of whoever's spans; one may be in two places. While it is shut (see `bins`) it has no newest.
#[repr(C)]
pub struct Bin {
    /// The place of index -1: what a full bin does not take comes here.
    over: Cell<*mut u8>,
    /// `class::magic`. 0: takes nothing.
    pub magic: Cell<usize>,
    pub top: Cell<isize>,
    pub room: Cell<isize>,
    /// Slots came from a span since some went back to one.
    pub refilled: Cell<bool>,
    /// How many chunks may wait for it, and how many do.
    pub chunks_most: Cell<u16>,
    pub chunks_count: Cell<u16>,
    /// Slots in its chunks.
    pub stored: Cell<u16>,
    /// The newest chunk.
    pub chunks: Cell<*const Chunk>,
    /// What malloc hands out next, or null.
    pub newest: Cell<*mut u8>,
}
const _: () = assert!(size_of::<Bin>() <= 64);

/// Slots of a bin that was full, as they were. Metadata, reused, never unmapped.
#[repr(C)]
pub struct Chunk {
    pub next: Cell<*const Chunk>,
    pub count: Cell<usize>,
    pub slots: [Cell<*mut u8>; Chunk::SLOTS],
}
impl Chunk {
    pub const SLOTS: usize = 62;
}

impl Bin {
    /// The place `at`, negative; or 0 in a bin that was never opened.
    #[inline(always)]
    pub fn place(&self, at: isize) -> *mut *mut u8 {
        (self as *const Bin).cast::<*mut u8>().cast_mut().wrapping_offset(at + 1)
    }
    /// `addr * magic mod 2^64`: below `magic` exactly for the address of a slot, which it marks then (`class::magic`).
    #[inline(always)]
    pub fn mark(&self, addr: Addr) -> usize {
        let mark: usize;
        // SAFETY: arithmetic. The compiler would take an instruction more.
        unsafe {
            asm!("imul {mark}, qword ptr [{bin} + {magic}]",
                 bin = in(reg) self,
                 mark = inout(reg) addr.0 => mark,
                 magic = const offset_of!(Bin, magic),
                 options(nostack, readonly));
        }
        mark
    }
    /// The same bin, its address in one register: what was stored through one register and is loaded through one, some
    /// processors hand over without going to memory; with an index it takes them nine cycles more.
    #[inline(always)]
    pub fn at_register(&self) -> &Bin {
        let mut at = Addr::of(self).0;
        // SAFETY: nothing is done.
        unsafe {
            asm!("/* {at} */", at = inout(reg) at, options(nomem, nostack, preserves_flags, pure));
            &*Addr(at).ptr::<Bin>()
        }
    }
    /// Takes one from `top`, in one instruction.
    #[inline(always)]
    pub fn lower_top(&self) {
        // SAFETY: this bin's cell. Other memory is read before and written after it.
        unsafe {
            asm!("dec qword ptr [{bin} + {top}]",
                 bin = in(reg) self,
                 top = const offset_of!(Bin, top),
                 options(nostack));
        }
    }
    /// The slots in it. Other threads' bins may be read while they stand still, or roughly.
    pub fn count(&self) -> usize {
        match self.room.get() {
            0 => 0,
            room => (self.top.get() + 1 + room).max(0) as usize,
        }
    }
    /// The same, those in its chunks included.
    pub fn count_all(&self) -> usize {
        self.count() + self.stored.get() as usize
    }
}

/// The bin at `offset` in this thread's cache.
#[inline(always)]
pub fn bin_at(offset: usize) -> &'static Bin {
    let at: usize;
    // SAFETY: as in `current`; every offset that `class::BIN` and `spans::plain` know is that of a bin.
    unsafe {
        asm!("mov {o}, qword ptr [rip + gleaner_tls_cache@GOTTPOFF]",
             "add {v}, qword ptr fs:[{o}]",
             o = out(reg) _, v = inout(reg) offset => at, options(nostack, readonly));
        &*Addr(at).ptr::<Bin>()
    }
}
// SAFETY: see the chapter above.
unsafe impl Sync for Cache {}

pub static EMPTY: Cache = Cache::new();

global_asm!(
    ".section .tdata.gleaner,\"awT\",@progbits",
    ".globl gleaner_tls_cache",
    ".hidden gleaner_tls_cache",
    ".type gleaner_tls_cache, @object",
    ".size gleaner_tls_cache, 8",
    ".p2align 3",
    "gleaner_tls_cache:",
    ".quad {empty}",
    ".text",
    empty = sym EMPTY,
);

/// This thread's cache (EMPTY before the first and after the last slow call).
#[inline(always)]
pub fn current() -> &'static Cache {
    let value: *const Cache;
    // SAFETY: the word holds the address of EMPTY or of a cache, both valid for ever.
    unsafe {
        asm!("mov {o}, qword ptr [rip + gleaner_tls_cache@GOTTPOFF]",
             "mov {v}, qword ptr fs:[{o}]",
             o = out(reg) _, v = out(reg) value, options(nostack, readonly, preserves_flags));
        &*value
    }
}

/// Makes `cache` this thread's, in one store.
pub fn set_current(cache: &'static Cache) {
    // SAFETY: writes this thread's own word.
    unsafe {
        asm!("mov {o}, qword ptr [rip + gleaner_tls_cache@GOTTPOFF]",
             "mov qword ptr fs:[{o}], {v}",
             o = out(reg) _, v = in(reg) cache, options(nostack, preserves_flags));
    }
}

/// Unused caches.
pub struct Unused(*const Cache);
// SAFETY: leads to `Sync` caches.
unsafe impl Send for Unused {}
pub static UNUSED: Lock<Unused> = Lock::new(Rank::Caches, Unused(ptr::null()));
/// All caches that some thread has or had.
static ALL: AtomicPtr<Cache> = AtomicPtr::new(ptr::null_mut());

/// Calls `f` with every cache that some thread has or had.
pub fn for_each(mut f: impl FnMut(&'static Cache)) {
    let mut at: *const Cache = ALL.load(Ordering::Acquire);
    // SAFETY: the list holds caches.
    while let Some(cache) = unsafe { at.as_ref() } {
        f(cache);
        at = cache.before.get();
    }
}

impl Cache {
    pub const fn new() -> Cache {
        Cache {
            bins: UnsafeCell::new([0; BINS / 8]),
            spare_chunks: Cell::new(ptr::null()),
            by_size: [const { Cell::new(0) }; SMALL_MAX + 1],
            head: [const { Cell::new(ptr::null()) }; COUNT],
            queue: [const { Cell::new(ptr::null()) }; COUNT],
            full: Cell::new(ptr::null()),
            notify: AtomicUsize::new(0),
            spare: Cell::new(0),
            watched: Cell::new(false),
            lost: Cell::new(false),
            pages: UnsafeCell::new(PageCache::new()),
            at_hand: AtHand::new(),
            growing: Growing::new(),
            next: Cell::new(ptr::null()),
            before: Cell::new(ptr::null()),
        }
    }
    /// Where the bin for a request of `n <= SMALL_MAX` bytes is.
    #[inline(always)]
    pub fn small_bin(&self, n: usize) -> usize {
        debug_assert!(n <= SMALL_MAX);
        // SAFETY: the table has an entry for each such `n`.
        unsafe { self.by_size.get_unchecked(n) }.get() as usize
    }
    #[inline(always)]
    pub fn bin(&self, class: usize) -> &Bin {
        self.bin_of(BIN[class] as usize)
    }
    /// The bin at `offset`, which is one of `class::BIN`.
    #[inline(always)]
    pub fn bin_of(&self, offset: usize) -> &Bin {
        debug_assert!(offset + size_of::<Bin>() <= BINS);
        // SAFETY: an offset of a bin.
        unsafe { &*self.bins.get().cast::<Bin>().byte_add(offset) }
    }
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        ptr::eq(self, &EMPTY)
    }
    /// The value that `Span::owner` has for this cache's spans, without tags.
    #[inline(always)]
    pub fn id(&self) -> usize {
        self as *const Cache as usize
    }
    /// A fresh or recycled cache.
    pub fn take(critical: &Critical, watched: bool) -> Option<&'static Cache> {
        let recycled = {
            let mut unused = UNUSED.lock(critical);
            // SAFETY: the list holds caches.
            let first = unsafe { unused.0.as_ref() };
            if let Some(cache) = first {
                unused.0 = cache.next.get();
            }
            first
        };
        let cache: &'static Cache = match recycled {
            Some(cache) => cache,
            None => {
                let p: *mut Cache = metadata::alloc(critical, size_of::<Cache>(), align_of::<Cache>())?.ptr();
                // SAFETY: fresh zeroed memory of the right size and alignment, ours for ever. That is a new cache.
                let cache = unsafe { &*p };
                cache.before.set(ALL.load(Ordering::Relaxed));
                while let Err(now) = ALL.compare_exchange_weak(
                    cache.before.get().cast_mut(),
                    p,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                ) {
                    cache.before.set(now);
                }
                cache
            }
        };
        cache.watched.set(watched);
        cache.lost.set(false);
        // A recycled one has its table.
        if !watched && cache.by_size[0].get() == 0 {
            for (n, entry) in cache.by_size.iter().enumerate() {
                entry.set(BIN[class::of(n)]);
            }
        }
        Some(cache)
    }
    /// Gives the page cache's pages back.
    pub fn flush_pages(&self, critical: &Critical) {
        // SAFETY: the cache is the calling thread's.
        pages::flush(critical, unsafe { &mut *self.pages.get() });
    }
    /// Puts a cache without spans up for reuse. Its page cache goes back too.
    pub fn give(&'static self, critical: &Critical) {
        self.flush_pages(critical);
        let mut unused = UNUSED.lock(critical);
        self.next.set(unused.0);
        unused.0 = self;
    }
    /// Takes all spans off the notify list.
    pub fn take_notified(&self) -> usize {
        if self.notify.load(Ordering::Relaxed) == 0 { 0 } else { self.notify.swap(0, Ordering::Acquire) }
    }
}
impl Default for Cache {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether the slot at `block` bears the mark of a free one ([`Span::mark`]). A slot that is handed out does not,
/// and a copy of a free one neither: so it tells a double free.
/// # Safety
/// 16 readable bytes.
#[inline(always)]
pub unsafe fn is_marked(span: &Span, block: *const Block) -> bool {
    // SAFETY: the caller's promise. Volatile: it may be anybody's memory.
    unsafe { (&raw const (*block).mark).read_volatile() == span.mark(Addr::of(block)) }
}
/// Gives a free slot its link and its mark. The link is disguised under the process's secret and the slot's address:
/// who overwrites it makes nonsense of it, not a pointer of his own, and no word of it looks like a pointer to the collector.
/// # Safety
/// The slot is free and the caller's.
#[inline(always)]
pub unsafe fn link_to(span: &Span, block: *mut Block, next: *mut Block) {
    // SAFETY: the caller's promise.
    unsafe {
        (*block).link = disguised(block, next as usize);
        (*block).mark = span.mark(Addr::of(block));
    }
}
/// Where the link of a free slot leads; null at the end of a list. Who follows it looks first whether that can be.
/// # Safety
/// 16 readable bytes.
#[inline(always)]
pub unsafe fn link_of(block: *const Block) -> *mut Block {
    // SAFETY: the caller's promise. Volatile: see `is_marked`.
    let link = unsafe { (&raw const (*block).link).read_volatile() };
    // `free(p); p->next = 0;` is a common mistake: that list ends here.
    if link == 0 { ptr::null_mut() } else { Addr(disguised(block, link)).ptr() }
}
#[inline(always)]
fn disguised(block: *const Block, link: usize) -> usize {
    KEY.load(Ordering::Relaxed) ^ block as usize ^ link
}
static KEY: AtomicUsize = AtomicUsize::new(0x9e37_79b9_7f4a_7c15);
/// Sets the secret, before the first slot is handed out.
pub fn set_key(secret: usize) {
    KEY.store(secret, Ordering::Relaxed);
}

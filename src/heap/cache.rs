//! A thread's cache: the spans that it owns, by class, and the TLS word that leads to it.
//!
//! Caches live in metadata and are recycled, never unmapped: another thread may still push a
//! span on the notify list of a cache whose thread is gone. The TLS word of a new thread holds
//! the address of [`EMPTY`], whose spans have no free slots and which owns nothing: so the fast
//! paths need no test for "no cache yet", they just miss.
//!
//! # Safety
//! A cache's cells are its thread's own; `notify` is atomic; the late cache's cells belong to
//! the holder of the late lock. The TLS asm touches only this thread's copy of a hidden symbol.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::{self, PageCache, metadata};
use crate::spans::class::{COUNT, DIRECT, DIRECT_OF};
use crate::spans::{Block, Span};
use core::arch::{asm, global_asm};
use core::cell::{Cell, UnsafeCell};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

#[repr(C, align(64))]
pub struct Cache {
    /// By `(n + 16) >> 4`: the span to pop from.
    pub direct: [Cell<*const Span>; DIRECT],
    /// By class: the same, for requests above the direct table.
    pub medium: [Cell<*const Span>; COUNT],
    /// By class: the head span, or EMPTY. Differs from `direct`/`medium` only when watched.
    pub head: [Cell<*const Span>; COUNT],
    /// By class: further spans with free slots, doubly linked.
    pub queue: [Cell<*const Span>; COUNT],
    /// Spans without free slots, doubly linked.
    pub full: Cell<*const Span>,
    /// Spans that got a remote free after they were full: a stack through `notify_next`.
    pub notify: AtomicUsize,
    /// Pages of queued spans that have no object; see `release::emptied`.
    pub spare: Cell<usize>,
    /// Allocations of this cache never take the fast path (leak mode).
    pub watched: Cell<bool>,
    pub pages: UnsafeCell<PageCache>,
    /// Link in the list of unused caches.
    next: Cell<*const Cache>,
}
// SAFETY: see the chapter above.
unsafe impl Sync for Cache {}

pub static EMPTY_SPAN: Span = Span::empty();
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

impl Cache {
    pub const fn new() -> Cache {
        Cache {
            direct: [const { Cell::new(&EMPTY_SPAN) }; DIRECT],
            medium: [const { Cell::new(&EMPTY_SPAN) }; COUNT],
            head: [const { Cell::new(&EMPTY_SPAN) }; COUNT],
            queue: [const { Cell::new(ptr::null()) }; COUNT],
            full: Cell::new(ptr::null()),
            notify: AtomicUsize::new(0),
            spare: Cell::new(0),
            watched: Cell::new(false),
            pages: UnsafeCell::new(PageCache::new()),
            next: Cell::new(ptr::null()),
        }
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
                // SAFETY: fresh memory of the right size and alignment, ours for ever.
                unsafe {
                    p.write(Cache::new());
                    &*p
                }
            }
        };
        cache.watched.set(watched);
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
    /// Shows `span` to the fast paths as the one to pop from for `class` (EMPTY_SPAN: none).
    pub fn show(&self, class: usize, span: &'static Span) {
        self.head[class].set(span);
        if self.watched.get() {
            return;
        }
        self.medium[class].set(span);
        let (first, end) = DIRECT_OF[class];
        for entry in &self.direct[first as usize..end as usize] {
            entry.set(span);
        }
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

/// What a free slot carries in its second word: its address and its link under the process's secret. A slot
/// that is handed out does not (a copy of a free one neither), so it tells a double free; and who writes to either word
/// of a free slot breaks it, so that no link is followed that we did not lay.
#[inline(always)]
pub fn mark_of(block: *const Block, next: *mut Block) -> usize {
    half_mark(block) ^ next as usize
}
/// The mark but for the link.
#[inline(always)]
pub fn half_mark(block: *const Block) -> usize {
    KEY.load(Ordering::Relaxed) ^ block as usize
}
/// Whether a slot bears the mark of a free one.
/// # Safety
/// 16 readable bytes.
#[inline(always)]
pub unsafe fn is_marked(block: *const Block) -> bool {
    // SAFETY: the caller's promise. Volatile: it may be anybody's memory.
    let (next, key) =
        unsafe { ((&raw const (*block).next).read_volatile(), (&raw const (*block).key).read_volatile()) };
    key == mark_of(block, next)
}
/// Gives a free slot its link and its mark.
/// # Safety
/// The slot is free and the caller's.
#[inline(always)]
pub unsafe fn link_to(block: *mut Block, next: *mut Block) {
    // SAFETY: the caller's promise.
    unsafe {
        (*block).next = next;
        (*block).key = mark_of(block, next);
    }
}
static KEY: AtomicUsize = AtomicUsize::new(0x9e37_79b9_7f4a_7c15);
/// Sets the secret, before the first slot is handed out.
pub fn set_key(secret: usize) {
    KEY.store(secret, Ordering::Relaxed);
}

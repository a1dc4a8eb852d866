//! Sizes of objects, aligned allocations, realloc: what stands on alloc and free.
//!
//! # Safety
//! Copies stay within the smaller of the old and the new usable size.
#![allow(unsafe_code)]
use super::cache::{self, Cache};
use super::release::{self, Freed};
use super::secure::{self, How};
use super::{bins, cleared, fast, guarded, large, shared, slots, special, stacks};
use crate::ground::critical::{self, Critical};
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::spans::span::{flag, kind};
use crate::spans::{Span, class, map, plain};
use core::sync::atomic::Ordering;

/// An allocation: null when there is no memory.
#[derive(Clone, Copy)]
pub struct Got {
    pub at: *mut u8,
    /// The bytes are known to be zero.
    pub zeroed: bool,
    /// A large object's.
    span: Option<&'static Span>,
}
impl Got {
    /// A block of another allocator's, or null.
    pub const fn foreign(at: *mut u8) -> Got {
        Got { at, ..NONE }
    }
}
const NONE: Got = Got { at: core::ptr::null_mut(), zeroed: false, span: None };

/// Makes the first `n` bytes of a new object zero.
pub fn clear(got: Got, n: usize) {
    if got.at.is_null() || got.zeroed {
        return;
    }
    // SAFETY: a new object of at least `n` bytes.
    unsafe {
        match got.span {
            Some(span) => cleared::clear(span, n),
            None => core::ptr::write_bytes(got.at, 0, n),
        }
    }
}

/// How this process allocates on the slow path.
#[derive(Clone, Copy)]
pub struct Trace {
    /// Id of the calling stack, in leak mode; 0 = not recorded.
    pub stack: u32,
    /// No fast paths: the process is in leak mode, or has a `secure` level.
    pub watched: bool,
    /// What is called.
    pub how: How,
}

/// The slow path of malloc: `n` bytes.
pub fn alloc(critical: &Critical, n: usize, trace: Trace) -> Got {
    if secure::alone(n)
        && let Some(got) = alloc_alone(critical, n, 1, trace)
    {
        return got;
    }
    match class::of(n) {
        0 => alloc_large(critical, n, 1, trace),
        class => alloc_class(critical, n, class, trace),
    }
}

fn alloc_class(critical: &Critical, n: usize, class: usize, trace: Trace) -> Got {
    let cache = cache::current();
    let at = if cache.is_empty() {
        shared::late_alloc(critical, class, trace.watched)
    } else {
        let at_hand = if trace.watched && bins::has(class) { fast::take(cache, class) } else { None };
        at_hand.map_or_else(|| slots::alloc(critical, cache, class), |slot| slot.as_ptr())
    };
    let mut zeroed = false;
    if trace.watched
        && let Some(span) = map::lookup(Addr(at as usize))
    {
        zeroed = record(critical, span, span.index(Addr(at as usize)), n, trace, false);
    }
    Got { at, zeroed, span: None }
}

/// Remembers where an object comes from, as far as this process wants to know. Whether it is known to be zero.
fn record(critical: &Critical, span: &Span, index: u32, n: usize, trace: Trace, zeroed: bool) -> bool {
    if secure::level() != 0 {
        return secure::handed(critical, span, index, n, trace.how, trace.stack, zeroed);
    }
    if trace.stack != 0 {
        stacks::record(critical, span, index, trace.stack, n);
    } else {
        // The slot's last object has left its own.
        stacks::set(span, index, stacks::Origin::default());
    }
    zeroed
}

/// An object with pages of its own, be it small.
fn alloc_alone(critical: &Critical, n: usize, align: usize, trace: Trace) -> Option<Got> {
    let object = if n <= guarded::CELL_MAX {
        guarded::alloc_small(critical, n, align)
    } else {
        guarded::alloc_large(critical, n, align)
    }?;
    let zeroed = record(critical, object.span, 0, n, trace, object.zeroed);
    Some(Got { at: object.at, zeroed, span: Some(object.span) })
}

fn alloc_large(critical: &Critical, n: usize, align: usize, trace: Trace) -> Got {
    let Some(object) = large::alloc(critical, n, align) else { return NONE };
    let zeroed = record(critical, object.span, 0, n, trace, object.zeroed);
    Got { at: object.at, zeroed, span: Some(object.span) }
}

/// `n` bytes at a multiple of `align`, a power of two.
pub fn alloc_aligned(critical: &Critical, n: usize, align: usize, trace: Trace) -> Got {
    if align <= 16 {
        return alloc(critical, n, trace);
    }
    if secure::alone(n)
        && let Some(got) = alloc_alone(critical, n, align, trace)
    {
        return got;
    }
    // A byte is wanted behind it that is looked at.
    let wanted = n.saturating_add((secure::level() != 0) as usize);
    let class = if align <= PAGE_SIZE { class::of_aligned(wanted, align) } else { 0 };
    if class == 0 || (n > class::SMALL_MAX && align < PAGE_SIZE && n * 5 < class::SIZE[class] as usize * 4) {
        return alloc_large(critical, n, align, trace);
    }
    let got = alloc_class(critical, n, class, trace);
    if class::SIZE[class] as usize == n
        && let Some(span) = map::lookup(Addr(got.at as usize))
    {
        span.set_unpadded();
        plain::unpadded(span);
    }
    got
}

/// [`usable_size`] of an object that the caller has, without a look at whether it is one.
pub fn usable_at_once(p: *const u8) -> Option<usize> {
    map::lookup(Addr(p as usize)).map(usable)
}

/// Whether an object of `old` usable bytes may become one of `n > 0` where it is: it fits, and not more
/// than half and 32 bytes would be wasted.
#[inline(always)]
pub fn stays(old: usize, n: usize) -> bool {
    n.wrapping_sub(1) < old && n + 32 >= old / 2
}

/// Bytes that the object at `p` may use; `None` for a pointer that is not ours.
/// # Safety
/// `p` is not null.
pub unsafe fn usable_size(p: *const u8, call: &'static str) -> Option<usize> {
    let addr = Addr(p as usize);
    let span = map::lookup(addr)?;
    let index = release::check(span, addr, call);
    Some(usable_of(span, index))
}

/// The byte behind the end stays ours (see `class`), unless an object took the whole slot.
#[inline(always)]
pub fn usable(span: &Span) -> usize {
    span.size.get() - (span.flags.load(Ordering::Relaxed) & flag::UNPADDED == 0) as usize
}

/// The same for one object, to the byte if that is known.
pub fn usable_of(span: &Span, index: u32) -> usize {
    if secure::level() == 0 { None } else { secure::size_of(span, index) }.unwrap_or_else(|| usable(span))
}

/// How a realloc ended.
pub enum Resized {
    Done(*mut u8),
    NoMemory,
    Foreign,
}

/// Changes the size of the object at `p` to `n` bytes. `poll` is called when the object is known to be one.
/// # Safety
/// `p` is not null; if it is an object of ours, the caller owns it.
pub unsafe fn realloc(p: *mut u8, n: usize, poll: impl FnOnce(), trace: impl Fn() -> Trace) -> Resized {
    // SAFETY: forwarded.
    let Some(old) = (unsafe { usable_size(p, "realloc") }) else { return Resized::Foreign };
    poll();
    if secure::level() != 0 {
        if let Some(span) = map::lookup(Addr(p as usize))
            && secure::stays(&critical::enter(), span, span.index_of(Addr(p as usize)), n, trace().stack)
        {
            return Resized::Done(p);
        }
    } else if stays(old, n) {
        stay(p, n, trace);
        return Resized::Done(p);
    }
    let cache = cache::current();
    let may_have_room = !cache.is_empty() && !cache.watched.get() && secure::level() == 0;
    let wanted = if may_have_room { cache.growing.wanted(p, old, n) } else { n };
    let fast = fast::malloc(wanted);
    let critical = critical::enter();
    let new = if !fast.is_null() {
        fast
    } else {
        let trace = trace();
        let Some(span) = map::lookup(Addr(p as usize)) else { return Resized::Foreign };
        // A pinned object stays where it is, to its last byte.
        if span.kind() != kind::SLOTS
            && !special::is_pinned(span, 0)
            && let Some(moved) = large::resize(&critical, span, n)
        {
            record(&critical, span, 0, n, trace, true);
            special::relocate(&critical, span, Addr(p as usize), Addr(moved as usize));
            return Resized::Done(moved);
        }
        let at = alloc(&critical, wanted, trace).at;
        if at.is_null() && wanted > n { alloc(&critical, n, trace).at } else { at }
    };
    if new.is_null() {
        return Resized::NoMemory;
    }
    if may_have_room {
        cache.growing.moved(p, old, new, n, wanted);
    }
    drop(critical);
    // SAFETY: both objects hold that many bytes and differ; the old one is the caller's.
    unsafe {
        core::ptr::copy_nonoverlapping(p, new, old.min(n));
        if let Some(span) = map::lookup(Addr(p as usize)).filter(|span| special::any_in(span)) {
            special::relocate(&critical::enter(), span, Addr(p as usize), Addr(new as usize));
        }
        give(p);
    }
    Resized::Done(new)
}

/// Frees an object that was found to be one.
/// # Safety
/// As free.
#[inline(always)]
unsafe fn give(p: *mut u8) {
    // SAFETY: forwarded.
    unsafe {
        match fast::free(p) {
            fast::Freed::Done => {}
            fast::Freed::Full => release::bin_full(&critical::enter(), p),
            fast::Freed::Special => {
                let freed = release::free(&critical::enter(), p);
                debug_assert!(freed == Freed::Ours);
            }
        }
    }
}

/// Moves a slot of `old` usable bytes with nothing special about it ([`fast::plain`]) to one of `n` bytes that this thread has at
/// hand. `None`: nothing was done. Made of fast paths, it may be interrupted anywhere.
/// # Safety
/// The caller owns the object.
#[inline(always)]
pub unsafe fn move_plain(p: *mut u8, old: usize, n: usize) -> Option<*mut u8> {
    let cache = cache::current();
    if n == 0 || cache.watched.get() {
        return None;
    }
    let wanted = cache.growing.wanted(p, old, n);
    let new = fast::malloc(wanted);
    if new.is_null() {
        return None;
    }
    cache.growing.moved(p, old, new, n, wanted);
    // SAFETY: both objects hold that many bytes and differ; the old one is the caller's.
    unsafe {
        core::ptr::copy_nonoverlapping(p, new, old.min(n));
        give(p);
    }
    Some(new)
}

/// In leak mode a block that realloc left in place is realloc's from now on.
fn stay(p: *mut u8, n: usize, trace: impl FnOnce() -> Trace) {
    let addr = Addr(p as usize);
    let Some(span) = map::lookup(addr) else { return };
    if span.stacks.load(Ordering::Relaxed).is_null() {
        return;
    }
    let critical = critical::enter();
    stacks::record(&critical, span, span.index(addr), trace().stack, n);
}

/// The calling thread gets a cache, if it has none and is not past its destructors.
pub fn attach(critical: &Critical, watched: bool) -> bool {
    if !cache::current().is_empty() {
        return true;
    }
    let Some(cache) = Cache::take(critical, watched) else { return false };
    cache::set_current(cache);
    true
}

/// The calling thread gives its cache up; its next allocations are late ones.
pub fn detach(critical: &Critical) {
    let cache = cache::current();
    if !cache.is_empty() {
        // The word first: from here on every call of this thread takes the slow path.
        cache::set_current(&cache::EMPTY);
        shared::abandon(critical, cache);
        cache.give(critical);
    }
}

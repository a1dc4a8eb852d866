//! Large objects: one span an object.
//!
//! Up to [`LARGE_MAX`] bytes the pages come from the page allocator, which keeps freed ones
//! for a while and joins them; above that each object has a mapping of its own, which realloc grows in place
//! or moves by mremap. A large object that grows gets such a mapping too: its pages move there without
//! being copied. Freed objects are [`kept`] first. A huge object enters only its first page in the span map (1 GiB
//! would cost 2 MiB of entries); [`huge_at`] finds its interior for the collector.
//!
//! # Safety
//! The array of huge objects is a metadata region of ours, read under its lock or while the
//! world is stopped. A mapping is unmapped or moved only by whoever frees or reallocs the
//! object, which by then nobody else may use.
#![allow(unsafe_code)]
use super::{at_hand, buried, cache, cleared, guarded, kept, live, purge, secure, stacks};
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::{self, limit, metadata, own, thp};
use crate::pure::addr::{Addr, PAGE_SIZE, pages_for, round_up};
use crate::spans::class::MEDIUM_MAX;
use crate::spans::span::{flag, kind};
use crate::spans::{Span, map, slab};
use crate::sys::vm;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Largest object from the page allocator, bytes. Freed pages of several serve one of another size.
pub const LARGE_MAX: usize = 32 << 20;
/// Largest alignment there: a higher one would leave too large holes.
const ALIGN_MAX: usize = 2 << 20;
/// A large object of fewer bytes is copied when it grows: cheaper than a mapping.
const MOVE_MIN: usize = 256 << 10;
/// No object is larger: glibc's PTRDIFF_MAX.
pub const OBJECT_MAX: usize = isize::MAX as usize - 2 * PAGE_SIZE;

/// An object and whether its bytes are known to be zero.
pub struct Object {
    pub at: *mut u8,
    pub zeroed: bool,
    pub span: &'static Span,
}

/// An object of `n` bytes at a multiple of `align` (a power of two), or `None`.
pub fn alloc(critical: &Critical, n: usize, align: usize) -> Option<Object> {
    if n > OBJECT_MAX || align > OBJECT_MAX {
        return None;
    }
    if secure::level() >= 2
        && let Some(object) = guarded::alloc_large(critical, n, align)
    {
        return Some(object);
    }
    let bytes = round_up(n + 1, PAGE_SIZE);
    let pages = bytes / PAGE_SIZE;
    let at_hand = if align <= PAGE_SIZE { at_hand::take(cache::current(), pages) } else { None };
    if let Some(span) = at_hand.or_else(|| kept::take(critical, pages, align)) {
        return Some(reuse(span));
    }
    if bytes <= LARGE_MAX && align <= ALIGN_MAX {
        alloc_large(critical, bytes, align)
    } else {
        alloc_huge(critical, bytes, align)
    }
}

/// An object of `n` bytes, too many for a slot, that this thread has [at hand](at_hand). Outside of critical sections.
#[inline]
pub fn quick(n: usize) -> Option<*mut u8> {
    let pages = pages_for(n.checked_add(1)?);
    at_hand::take(cache::current(), pages).map(|span| reuse(span).at)
}

fn alloc_large(critical: &Critical, bytes: usize, align: usize) -> Option<Object> {
    let count = pages_for(bytes);
    let span = slab::take(critical)?;
    let Some(run) = pages::alloc_aligned(critical, count, pages_for(align)) else {
        slab::give(critical, span);
        return None;
    };
    // Before the map leads to it: see `fork::mend`.
    span.init_large(run.base, count, bytes);
    if !run.zeroed && run.resident * 2 >= count {
        span.clearing.set(cleared::WRITE_FIRST);
    }
    if !map::set(critical, run.base, count, Some(span)) {
        pages::free(critical, run.base, count);
        slab::give(critical, span);
        return None;
    }
    Some(publish(span, run.zeroed, kind::LARGE))
}

/// A kept span is an object again.
pub(super) fn reuse(span: &'static Span) -> Object {
    slab::renew(span);
    let own = span.flags.load(Ordering::Relaxed) & flag::OWN_MAPPING;
    span.flags.store(own, Ordering::Relaxed);
    span.extended.set(1);
    publish(span, false, if own == 0 { kind::LARGE } else { kind::HUGE })
}

fn alloc_huge(critical: &Critical, bytes: usize, align: usize) -> Option<Object> {
    let span = slab::take(critical)?;
    let Some(base) = map_aligned(critical, bytes, align) else {
        slab::give(critical, span);
        return None;
    };
    span.init_large(base, bytes / PAGE_SIZE, bytes);
    span.flags.store(flag::OWN_MAPPING, Ordering::Relaxed);
    if !map::set(critical, base, 1, Some(span)) {
        unmap(critical, base, bytes);
        slab::give(critical, span);
        return None;
    }
    if !insert_huge(critical, base, span) {
        let _ = map::set(critical, base, 1, None);
        unmap(critical, base, bytes);
        slab::give(critical, span);
        return None;
    }
    Some(publish(span, true, kind::HUGE))
}

pub(super) fn publish(span: &'static Span, zeroed: bool, as_kind: u8) -> Object {
    span.publish(as_kind);
    live::add(span.size.get() as isize);
    Object { at: span.base().ptr(), zeroed, span }
}

/// A mapping for an object, charged and registered as ours.
fn map_aligned(critical: &Critical, bytes: usize, align: usize) -> Option<Addr> {
    let pages = bytes / PAGE_SIZE;
    if !limit::charge(critical, pages) {
        return None;
    }
    let base = map_room(bytes, align);
    match base {
        Some(base) => own::add(base, base.add(bytes)),
        None => limit::discharge(critical, pages),
    }
    base
}

/// A mapping that nobody knows yet.
fn map_room(bytes: usize, align: usize) -> Option<Addr> {
    let slack = align.saturating_sub(PAGE_SIZE);
    let all = bytes.checked_add(slack)?;
    let at = vm::map_rw(Addr::NULL, all).ok()?;
    let base = at.align_up(align.max(PAGE_SIZE));
    let (before, after) = (base.since(at), slack - base.since(at));
    // SAFETY: the parts around the aligned piece were mapped just now and hold nothing.
    unsafe {
        if before != 0 {
            let _ = vm::unmap(at, before);
        }
        if after != 0 {
            let _ = vm::unmap(base.add(bytes), after);
        }
    }
    thp::object(base, bytes);
    Some(base)
}

fn unmap(critical: &Critical, base: Addr, bytes: usize) {
    limit::discharge(critical, bytes / PAGE_SIZE);
    own::remove(base, base.add(bytes));
    // SAFETY: the object's own mapping; its user gave it back.
    let _ = unsafe { vm::unmap(base, bytes) };
}

/// Frees a large or huge object.
pub fn free(critical: &Critical, span: &'static Span) {
    live::add(-(span.size.get() as isize));
    stacks::drop_array(critical, span);
    span.owner.store(0, Ordering::Relaxed);
    let flags = span.flags.load(Ordering::Relaxed);
    if flags & flag::CELL != 0 {
        return guarded::free_small(critical, span);
    }
    if buried::put(critical, span) {
        return;
    }
    at_hand::again(cache::current());
    if flags & flag::GUARDED != 0 || !kept::put(critical, span) {
        give_up(critical, span, pages::free);
    }
}

/// Gives the memory of an object that nobody has any more back, and its descriptor. `free_pages`: how, if it is the page allocator's.
pub(super) fn give_up(critical: &Critical, span: &'static Span, free_pages: fn(&Critical, Addr, usize)) {
    let (base, bytes) = (span.base(), span.size.get());
    span.publish(kind::NONE);
    if span.flags.load(Ordering::Relaxed) & flag::OWN_MAPPING != 0 {
        remove_huge(critical, base);
        let _ = map::set(critical, base, 1, None);
        if span.flags.load(Ordering::Relaxed) & flag::GUARDED != 0 {
            guarded::unmap_large(critical, span);
            return slab::give(critical, span);
        }
        slab::give(critical, span);
        unmap(critical, base, bytes);
    } else {
        let _ = map::set(critical, base, bytes / PAGE_SIZE, None);
        slab::give(critical, span);
        free_pages(critical, base, bytes / PAGE_SIZE);
        pages_freed(critical, bytes / PAGE_SIZE);
    }
}

/// Grows or shrinks a large or huge object to hold `n` bytes, moving it if need be. `None`: the caller
/// must allocate, copy and free.
pub fn resize(critical: &Critical, span: &'static Span, n: usize) -> Option<*mut u8> {
    let bytes = round_up(n.checked_add(1)?, PAGE_SIZE);
    let (base, old) = (span.base(), span.size.get());
    let guarded = span.flags.load(Ordering::Relaxed) & flag::GUARDED != 0;
    if n > OBJECT_MAX || n <= MEDIUM_MAX || guarded {
        return None;
    }
    if bytes == old {
        return Some(base.ptr());
    }
    match span.kind() {
        kind::HUGE => resize_huge(critical, span, bytes),
        kind::LARGE if bytes < old => Some(shrink_large(critical, span, bytes)),
        kind::LARGE if old >= MOVE_MIN => grow_large(critical, span, bytes),
        _ => None,
    }
}

/// The pages behind the new end go back.
fn shrink_large(critical: &Critical, span: &'static Span, bytes: usize) -> *mut u8 {
    let (base, old) = (span.base(), span.size.get());
    let gone = (old - bytes) / PAGE_SIZE;
    resized(span, base, bytes);
    let _ = map::set(critical, base.add(bytes), gone, None);
    pages::free(critical, base.add(bytes), gone);
    pages_freed(critical, gone);
    base.ptr()
}

/// The object's pages move to a mapping with room for `bytes`; the page allocator gets empty ones back.
///
/// Pages that came from elsewhere never become one mapping with what was mapped behind them, and two mappings cannot be
/// moved on as one: the next growth would copy. So the moved part grows into the place of the rest.
fn grow_large(critical: &Critical, span: &'static Span, bytes: usize) -> Option<*mut u8> {
    let old = span.size.get();
    // The pages that move are charged already.
    if !limit::charge(critical, (bytes - old) / PAGE_SIZE) {
        return None;
    }
    let new = move_large(critical, span, bytes);
    if new.is_none() {
        limit::discharge(critical, (bytes - old) / PAGE_SIZE);
    }
    new
}

fn move_large(critical: &Critical, span: &'static Span, bytes: usize) -> Option<*mut u8> {
    let (base, old) = (span.base(), span.size.get());
    let room = map_room(bytes, PAGE_SIZE)?;
    own::add(room, room.add(bytes));
    // Tried where there is a way back: afterwards records are in what this leaves.
    let listed = list(critical, span, room);
    // SAFETY: both ranges are ours; the object belongs to the caller of realloc.
    let came = listed && unsafe { vm::move_pages(base, old, room) }.is_ok();
    unlist(critical, room, bytes);
    if !came {
        // SAFETY: mapped above; nobody uses it.
        let _ = unsafe { vm::unmap(room, bytes) };
        return None;
    }
    // SAFETY: nobody uses the rest of the new mapping yet; the object as above.
    let grown = unsafe {
        let _ = vm::unmap(room.add(old), bytes - old);
        vm::remap(room, old, bytes, true)
    };
    let Ok(new) = grown else {
        // SAFETY: back to where it was; there is nothing any more.
        let back = unsafe { vm::move_back(room, old, base) };
        if back.is_err() {
            crate::ground::fatal::die(format_args!("realloc: {base:?} cannot be moved back from {room:?}"));
        }
        return None;
    };
    // It came from the heap with its pages.
    thp::object(new, bytes);
    resized(span, new, bytes);
    relist(critical, span, new);
    span.flags.fetch_or(flag::OWN_MAPPING, Ordering::Relaxed);
    span.publish(kind::HUGE);
    let _ = map::set(critical, base, old / PAGE_SIZE, None);
    pages::free_released(critical, base, old / PAGE_SIZE);
    limit::moved_out(critical, old / PAGE_SIZE);
    Some(new.ptr())
}

fn resize_huge(critical: &Critical, span: &'static Span, bytes: usize) -> Option<*mut u8> {
    let (base, old) = (span.base(), span.size.get());
    if bytes > old && !limit::charge(critical, (bytes - old) / PAGE_SIZE) {
        return None;
    }
    // For the collector the records follow the move in one step: a critical section is one. For other threads they are gone
    // before the place is: what they map may come to lie there.
    unlist(critical, base, old);
    // SAFETY: the object belongs to the caller of realloc, who gets the new address.
    let new = unsafe { vm::remap(base, old, bytes, true) }.ok();
    // What was charged too much, or is gone.
    if new.is_none() || bytes < old {
        limit::discharge(critical, old.abs_diff(bytes) / PAGE_SIZE);
    }
    if let Some(new) = new {
        resized(span, new, bytes);
    }
    relist(critical, span, span.base());
    new.map(Addr::ptr)
}

/// The mapping at `base` is `span`'s. False: no memory for the records.
fn list(critical: &Critical, span: &'static Span, base: Addr) -> bool {
    map::set(critical, base, 1, Some(span)) && insert_huge(critical, base, span)
}

/// The mapping at `base` is about to go, or to move.
fn unlist(critical: &Critical, base: Addr, bytes: usize) {
    remove_huge(critical, base);
    let _ = map::set(critical, base, 1, None);
    own::remove(base, base.add(bytes));
}

/// The mapping of an object that was [`unlist`]ed is at `base` now.
fn relist(critical: &Critical, span: &'static Span, base: Addr) {
    own::add(base, base.add(span.size.get()));
    // One slot was just given up and leaves are rarely missing; if one is, the object
    // would be lost to free.
    if !list(critical, span, base) {
        crate::ground::fatal::die(format_args!("realloc: no memory for the records of {base:?}"));
    }
}

fn resized(span: &Span, base: Addr, bytes: usize) {
    slab::renew(span);
    live::add(bytes as isize - span.size.get() as isize);
    span.base.set(base.0);
    span.size.set(bytes);
    span.pages.set((bytes / PAGE_SIZE) as u32);
}

/// Marks a large object whose one-past-the-end address is another page (memalign).
pub fn unpadded(span: &Span) {
    span.set_unpadded();
}

/// The huge objects, sorted by address.
pub struct Huge {
    array: Addr,
    len: usize,
    capacity: usize,
}
/// Public for fork, which holds it across.
pub static HUGE: Lock<Huge> = Lock::new(Rank::Huge, Huge { array: Addr(0), len: 0, capacity: 0 });

impl Huge {
    fn slice(&self) -> &[(usize, &'static Span)] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the region holds `len` initialised entries.
        unsafe { core::slice::from_raw_parts(self.array.ptr(), self.len) }
    }
    fn find(&self, addr: Addr) -> Option<&'static Span> {
        let at = self.slice().partition_point(|e| e.0 <= addr.0);
        let (_, span) = self.slice().get(at.checked_sub(1)?)?;
        (addr.since(span.base()) < span.size.get()).then_some(*span)
    }
    fn reserve_one(&mut self, critical: &Critical) -> bool {
        if self.len < self.capacity {
            return true;
        }
        let entry = size_of::<(usize, &Span)>();
        let capacity = (self.capacity * 2).max(16 * PAGE_SIZE / entry);
        let Some(array) = metadata::map_region(critical, capacity * entry) else { return false };
        // SAFETY: both regions are ours and the new one is larger.
        unsafe {
            core::ptr::copy_nonoverlapping(self.array.ptr::<u8>(), array.ptr::<u8>(), self.len * entry);
        }
        if self.capacity != 0 {
            // SAFETY: the old region was this array's alone.
            unsafe { metadata::unmap_region(critical, self.array, self.capacity * entry) };
        }
        (self.array, self.capacity) = (array, capacity);
        true
    }
}

pub(super) fn insert_huge(critical: &Critical, base: Addr, span: &'static Span) -> bool {
    let mut huge = HUGE.lock(critical);
    if !huge.reserve_one(critical) {
        return false;
    }
    let at = huge.slice().partition_point(|e| e.0 < base.0);
    let p: *mut (usize, &'static Span) = huge.array.ptr();
    // SAFETY: there is room for one more behind `len`.
    unsafe {
        core::ptr::copy(p.add(at), p.add(at + 1), huge.len - at);
        p.add(at).write((base.0, span));
    }
    huge.len += 1;
    true
}

fn remove_huge(critical: &Critical, base: Addr) {
    let mut huge = HUGE.lock(critical);
    let at = huge.slice().partition_point(|e| e.0 < base.0);
    if huge.slice().get(at).is_some_and(|e| e.0 == base.0) {
        let p: *mut (usize, &'static Span) = huge.array.ptr();
        // SAFETY: the entries behind `at` move down by one.
        unsafe { core::ptr::copy(p.add(at + 1), p.add(at), huge.len - at - 1) };
        huge.len -= 1;
    }
}

/// Base and size of the huge object that holds `addr`, for messages.
pub fn huge_block(critical: &Critical, addr: Addr) -> Option<(Addr, usize)> {
    let huge = HUGE.lock(critical);
    huge.find(addr).map(|span| (span.base(), span.size.get()))
}

/// The huge object that holds `addr`.
/// # Safety
/// Only while the world is stopped (nobody is inside this module then).
pub unsafe fn huge_at(addr: Addr) -> Option<&'static Span> {
    // SAFETY: stopped threads hold no lock of ours, so nobody writes.
    unsafe { &*HUGE.as_ptr() }.find(addr)
}

/// Lowest and highest address of huge objects; equal if there are none.
/// # Safety
/// As [`huge_at`].
pub unsafe fn huge_bounds() -> (Addr, Addr) {
    // SAFETY: as in `huge_at`.
    let huge = unsafe { &*HUGE.as_ptr() };
    match (huge.slice().first(), huge.slice().last()) {
        (Some(first), Some(last)) => (Addr(first.0), last.1.limit()),
        _ => (Addr(0), Addr(0)),
    }
}

/// Calls `f` with each huge object.
/// # Safety
/// As [`huge_at`].
pub unsafe fn each_huge(mut f: impl FnMut(&'static Span)) {
    // SAFETY: as in `huge_at`.
    unsafe { &*HUGE.as_ptr() }.slice().iter().for_each(|entry| f(entry.1));
}

/// Pages freed since the last look at what should go back to the OS.
static FREED: AtomicUsize = AtomicUsize::new(0);
/// How many are freed between two looks: 16 MiB.
const LOOK_EVERY: usize = 4096;

/// Keeps resident free memory within a quarter of what is in use, plus 32 MiB, whatever [`purge`] says. Whoever
/// frees pages calls this.
pub fn pages_freed(critical: &Critical, count: usize) {
    purge::freed(critical, count);
    if FREED.fetch_add(count, Ordering::Relaxed) + count < LOOK_EVERY {
        return;
    }
    FREED.store(0, Ordering::Relaxed);
    let stats = pages::stats();
    // What is kept whole is in use to the page allocator, and idle to us.
    let kept = kept::pages(critical);
    let keep = (stats.in_use - kept.min(stats.in_use)) / 4 + 2 * LOOK_EVERY;
    let idle = stats.free_resident + kept;
    if idle > keep {
        pages::scavenge(critical, idle - keep);
    }
}

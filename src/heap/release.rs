//! The slow path of free: checks, slots that go back to their spans, remote frees, spans that become usable or empty.
//!
//! A **remote free** pushes the slot on the span's `remote` stack. If the span was full, its
//! owner wants to know: the pusher that takes away the NOTIFY bit puts the span on the owner's
//! notify list, which the owner drains in its next slow path.
//!
//! Descriptors and caches are type-stable, so a notification that arrives after its span or
//! cache changed hands is harmless: the drainer looks at the owner and forwards or drops it.
//!
//! # Safety
//! As `slots`: the owner's cells are touched by the owner's thread, in a critical section, or
//! under the heap lock while the span is abandoned.
#![allow(unsafe_code)]
use super::cache::{self, Cache};
use super::secure::How;
use super::special::{self, Fate};
use super::{bins, free_bits, guarded, large, limbo, live, misuse, secure, shared, slots, stacks};
use crate::ground::critical::Critical;
use crate::pages;
use crate::pure::addr::Addr;
use crate::spans::span::{NOTIFY, flag, kind, tag};
use crate::spans::{Block, Span, map, plain, slab};
use core::sync::atomic::Ordering;

/// What became of a pointer.
#[derive(PartialEq, Eq, Debug)]
pub enum Freed {
    Ours,
    /// In no span: another allocator's, or nonsense.
    Foreign,
}

/// Frees `p`, whoever owns it. Ends the process on a pointer into a span that is no object.
/// # Safety
/// `p` came from this heap or is no address in it.
pub unsafe fn free(critical: &Critical, p: *mut u8) -> Freed {
    // SAFETY: forwarded.
    unsafe { free_as(critical, p, How::Malloc, None) }
}

/// [`free`] by what is told, of an object of `size` bytes if that is told.
/// # Safety
/// As [`free`].
pub unsafe fn free_as(critical: &Critical, p: *mut u8, how: How, size: Option<usize>) -> Freed {
    let addr = Addr(p as usize);
    let Some(span) = map::lookup(addr) else { return Freed::Foreign };
    let index = check(span, addr, "free");
    if secure::level() != 0 {
        secure::fits(span, index, how, size);
    }
    if !special::any_in(span) || special::freed(critical, span, index) == Fate::Goes {
        give(critical, span, index);
    }
    Freed::Ours
}

/// Gives an object back that nothing holds.
pub fn give(critical: &Critical, span: &'static Span, index: u32) {
    if span.kind() != kind::SLOTS {
        return large::free(critical, span);
    }
    if secure::level() == 0 {
        stacks::set(span, index, stacks::Origin::default());
    } else if secure::freed(critical, span, index) {
        return;
    }
    let block: *mut Block = span.slot(index).ptr();
    if plain::is_shown(Addr::of(block)) {
        // SAFETY: the slot is free now and the caller's.
        unsafe { (*block).mark = span.mark(Addr::of(block)) };
        if bins::put(critical, cache::current(), span.class.get() as usize, block.cast()) {
            return;
        }
    }
    give_slot(critical, span, block);
}

/// The object at exactly `addr`, handed out and not freed as far as can be told, or the end. If
/// it was in limbo it no longer is.
pub fn check(span: &'static Span, addr: Addr, call: &'static str) -> u32 {
    let index = match span.slot_of(addr) {
        Some(index) if span.slot(index) == addr => index,
        // Slots that were freed and are as good as never handed out.
        // SAFETY: a slot's place in a live span.
        _ if span.kind() == kind::SLOTS
            && span.is_place(addr)
            && unsafe { cache::is_marked(span, addr.ptr()) } =>
        {
            misuse::double_free(call, addr)
        }
        _ => misuse::invalid(call, addr, span),
    };
    // Before the look at the free mark: see `limbo`.
    if span.owner.load(Ordering::Relaxed) & tag::LIMBO != 0 {
        limbo::take_back(span, index, call);
    }
    let block: *mut Block = addr.ptr();
    // SAFETY: a slot of a live span is mapped and has 16 bytes.
    let free = span.kind() == kind::SLOTS && unsafe { cache::is_marked(span, block) };
    if free || special::is_held(span, index) {
        misuse::double_free(call, addr);
    }
    if secure::level() != 0 {
        secure::inspect(span, index, call);
    }
    index
}

/// Gives one slot back to its span. The collector frees dead objects through here.
pub fn give_slot(critical: &Critical, span: &'static Span, block: *mut Block) {
    give_slots(critical, cache::current(), span, core::iter::once(block));
}

/// Gives some slots of one span back to it: to its bits if it is ours, else remotely.
pub fn give_slots(
    critical: &Critical,
    cache: &'static Cache,
    span: &'static Span,
    mut blocks: impl Iterator<Item = *mut Block>,
) {
    let owner = span.owner.load(Ordering::Acquire) & !tag::ALL;
    if owner == cache.id() && !cache.is_empty() {
        push_all(span, &mut blocks);
        settle(critical, cache, span);
    } else if owner != 0 || !shared::give_abandoned(critical, span, &mut blocks) {
        give_remote(span, blocks);
    }
}

/// A span of ours got slots back.
pub(super) fn settle(critical: &Critical, cache: &'static Cache, span: &'static Span) {
    slots::show_again(critical, span);
    if span.owner.load(Ordering::Relaxed) & tag::FULL != 0 {
        unfill(critical, cache, span);
    } else if span.used.get() == 0 && !keep_spare(cache, span) {
        slots::unlink(&cache.queue[span.class.get() as usize], span);
        give_span(critical, span);
    }
}

/// A cache keeps a few empty spans in its queues: classes of which a thread has a handful of objects would
/// else take pages and give them back all the time. 256 KiB at most.
const SPARE_PAGES: usize = 64;

/// Whether a span that became empty may stay. It is counted then.
fn keep_spare(cache: &Cache, span: &Span) -> bool {
    let spare = cache.spare.get() + span.pages.get() as usize;
    if spare > SPARE_PAGES {
        return false;
    }
    cache.spare.set(spare);
    live::account(span, 0);
    true
}

/// Gives the empty spans of the calling thread's cache back.
pub fn give_spares(critical: &Critical, cache: &'static Cache) {
    for queue in &cache.queue {
        let mut at = queue.get();
        // SAFETY: queued spans are valid for ever.
        while let Some(span) = unsafe { at.as_ref() } {
            at = span.next.get();
            if span.used.get() == 0 {
                slots::unlink(queue, span);
                give_span(critical, span);
            }
        }
    }
    cache.spare.set(0);
}

/// The span has these slots again.
#[inline(always)]
pub(super) fn push_all(span: &Span, blocks: &mut impl Iterator<Item = *mut Block>) {
    let mut used = span.used.get();
    for block in blocks {
        // SAFETY: the slot is free now and ours.
        if !unsafe { free_bits::put(span, block) } {
            misuse::double_free("free", Addr::of(block));
        }
        used -= 1;
    }
    span.used.set(used);
}

/// A full span has free slots again.
fn unfill(critical: &Critical, cache: &'static Cache, span: &'static Span) {
    // The wish to be told stays: a notification for a span that is not full is dropped.
    slots::clear_tag(span, tag::FULL);
    slots::unlink(&cache.full, span);
    if span.used.get() == 0 && !keep_spare(cache, span) {
        give_span(critical, span);
    } else {
        live::account(span, span.used.get());
        slots::link(&cache.queue[span.class.get() as usize], span);
    }
}

fn give_remote(span: &'static Span, mut blocks: impl Iterator<Item = *mut Block>) {
    let Some(last) = blocks.next() else { return };
    let first = blocks.fold(last, |first, block| {
        // SAFETY: the slot is free now, and the caller's.
        unsafe { cache::link_to(span, block, first) };
        block
    });
    let mut old = span.remote.load(Ordering::Relaxed);
    loop {
        // SAFETY: as above; until the exchange succeeds nobody else reads it.
        unsafe { cache::link_to(span, last, (old & !NOTIFY) as *mut Block) };
        match span.remote.compare_exchange_weak(old, first as usize, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => break,
            Err(now) => old = now,
        }
    }
    if old & NOTIFY != 0 {
        notify(span);
    }
}

/// Puts `span` on its owner's notify list, unless it is on some list already.
fn notify(span: &'static Span) {
    let owner = span.owner.load(Ordering::Acquire) & !tag::ALL;
    if owner == 0 || span.notify_next.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return;
    }
    // SAFETY: a non-zero owner word is the address of a cache, valid for ever.
    let cache: &'static Cache = unsafe { &*(owner as *const Cache) };
    let mut first = cache.notify.load(Ordering::Relaxed);
    loop {
        // 1 ends the list; a span's own link is never 0 while it is listed.
        span.notify_next.store(first.max(1), Ordering::Relaxed);
        let me = span as *const Span as usize;
        match cache.notify.compare_exchange_weak(first, me, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => first = now,
        }
    }
}

/// Handles the full spans that got remote frees.
pub fn drain_notified(critical: &Critical, cache: &'static Cache) {
    let mut at = cache.take_notified();
    while at > 1 {
        // SAFETY: lists hold descriptors, valid for ever.
        let span: &'static Span = unsafe { &*(at as *const Span) };
        at = span.notify_next.swap(0, Ordering::AcqRel);
        let owner = span.owner.load(Ordering::Acquire);
        if owner & !tag::ALL != cache.id() {
            notify(span);
        } else if owner & tag::FULL != 0 && collect_remote(span) != 0 {
            unfill(critical, cache, span);
        }
    }
}

/// The span has what others freed from now on; how many there were.
pub fn collect_remote(span: &Span) -> u32 {
    if span.remote.load(Ordering::Relaxed) & !NOTIFY == 0 {
        return 0;
    }
    let mut block = (span.remote.swap(0, Ordering::Acquire) & !NOTIFY) as *mut Block;
    let mut count = 0;
    while !block.is_null() {
        if count == span.slots.get() {
            misuse::overwritten(Addr::of(block), span.size.get(), Addr::of(block));
        }
        // SAFETY: a slot of this span: pushed, or seen to be one.
        let next = unsafe { slots::next_of(span, block) };
        push_all(span, &mut core::iter::once(block));
        block = next;
        count += 1;
    }
    count
}

/// A fast free of `p` found its bin full.
pub fn bin_full(critical: &Critical, p: *mut u8) {
    let Some(span) = map::lookup(Addr::of(p)) else { return };
    if !bins::put(critical, cache::current(), span.class.get() as usize, p) {
        give_slot(critical, span, p.cast());
    }
}

/// Gives an empty span's pages and descriptor back. It is on no list any more.
pub fn give_span(critical: &Critical, span: &'static Span) {
    give_span_by(critical, span, |base, count| pages::free(critical, base, count));
}

/// The same, by the owner of `cache`, who is about to flush its pages.
pub fn give_span_later(critical: &Critical, cache: &'static Cache, span: &'static Span) {
    // SAFETY: the cache is the calling thread's.
    let pages = unsafe { &mut *cache.pages.get() };
    give_span_by(critical, span, |base, count| pages::free_later(critical, pages, base, count));
}

fn give_span_by(critical: &Critical, span: &'static Span, free_pages: impl FnOnce(Addr, usize)) {
    live::account(span, 0);
    let (base, count) = (span.page_base(), span.pages.get() as usize);
    plain::hide(span);
    span.publish(kind::NONE);
    free_bits::drop_bits(critical, span);
    stacks::drop_array(critical, span);
    let closed =
        span.flags.load(Ordering::Relaxed) & flag::CLOSED_BEHIND != 0 && guarded::open_behind(span.limit());
    // Clearing entries of existing leaves cannot fail.
    let _ = map::set(critical, base, count, None);
    slab::give(critical, span);
    free_pages(base, count + closed as usize);
    large::pages_freed(critical, count);
}

//! The slow path of small and medium allocations: find or make a span with a free slot.
//!
//! In order: the head's remote frees; more of the head's untouched slots (a page's worth at a
//! time, so that memory is touched as it is used); a queued span; an abandoned span; new pages.
//! The exhausted head goes to the full list and asks to be told of the next remote free.
//!
//! # Safety
//! Runs in a critical section on the owner's thread (or under the late lock), so the cache's
//! and its spans' cells have no other user.
#![allow(unsafe_code)]
use super::cache::{Cache, EMPTY_SPAN, link_to};
use super::{fast, live, release, shared};
use crate::ground::critical::Critical;
use crate::pages;
use crate::pure::addr::PAGE_SIZE;
use crate::spans::span::{NOTIFY, kind, tag};
use crate::spans::{Block, Span, class, map, slab};
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::Ordering;

/// A slot of `class`, or null when there is no memory.
pub fn alloc(critical: &Critical, cache: &'static Cache, class: usize) -> *mut u8 {
    loop {
        // SAFETY: heads are valid for ever.
        let head: &'static Span = unsafe { &*cache.head[class].get() };
        if !ptr::eq(head, &EMPTY_SPAN) {
            if head.free.get() == Block::end() && release::collect_remote(head) == 0 {
                extend(head);
            }
            if let Some(p) = fast::pop(head) {
                return p.as_ptr();
            }
            if head.free.get() != Block::end() {
                release::mend_first(head);
                continue;
            }
            if !fill_up(cache, class, head) {
                continue;
            }
        }
        release::drain_notified(critical, cache);
        let Some(span) = next_span(critical, cache, class) else {
            cache.show(class, &EMPTY_SPAN);
            return ptr::null_mut();
        };
        // The +1 keeps the fast path's count off zero while the span is head.
        span.used.set(span.used.get() + 1);
        cache.show(class, span);
    }
}

fn next_span(critical: &Critical, cache: &'static Cache, class: usize) -> Option<&'static Span> {
    // SAFETY: queued spans are valid for ever.
    if let Some(span) = unsafe { cache.queue[class].get().as_ref() } {
        unlink(&cache.queue[class], span);
        if span.used.get() == 0 {
            cache.spare.set(cache.spare.get().saturating_sub(span.pages.get() as usize));
        }
        return Some(span);
    }
    if let Some(span) = shared::adopt(critical, cache, class) {
        return Some(span);
    }
    new_span(critical, cache, class)
}

/// Puts the exhausted head on the full list. False if a remote free came in between: then it
/// is still the head.
fn fill_up(cache: &'static Cache, class: usize, head: &'static Span) -> bool {
    // The wish stays from an earlier time if no remote free came since.
    if head.remote.load(Ordering::Relaxed) != NOTIFY
        && head.remote.compare_exchange(0, NOTIFY, Ordering::AcqRel, Ordering::Acquire).is_err()
    {
        return false;
    }
    cache.head[class].set(&EMPTY_SPAN);
    head.used.set(head.used.get() - 1);
    set_tag(head, tag::FULL);
    live::account(head, head.used.get());
    link(&cache.full, head);
    true
}

/// Sets a tag. Others set and clear theirs in the same word at any time (`special`, the collector).
pub fn set_tag(span: &Span, tag: usize) {
    span.owner.fetch_or(tag, Ordering::AcqRel);
}

/// The opposite.
pub fn clear_tag(span: &Span, tag: usize) {
    span.owner.fetch_and(!tag, Ordering::AcqRel);
}

/// `id` is the span's owner from now on. Its tags stay, but for FULL, which is as told.
pub fn change_owner(span: &Span, id: usize, full: usize) {
    let kept = tag::ALL & !tag::FULL;
    let new = |old: usize| Some(id | (old & kept) | full);
    let _ = span.owner.fetch_update(Ordering::AcqRel, Ordering::Relaxed, new);
}

/// Puts up to a page's worth of never used slots on the list. False if there are none left.
fn extend(span: &Span) -> bool {
    let (from, size) = (span.extended.get(), span.size.get());
    let count = (PAGE_SIZE / size).max(1) as u32;
    let to = (from + count).min(span.slots.get());
    let mut next = span.free.get();
    for index in (from..to).rev() {
        let block: *mut Block = span.slot(index).ptr();
        // SAFETY: the slot lies in the span's pages and was never handed out.
        unsafe { link_to(block, next) };
        next = block;
    }
    span.extended.set(to);
    span.free.set(next);
    from != to
}

fn new_span(critical: &Critical, cache: &'static Cache, class: usize) -> Option<&'static Span> {
    let pages = class::PAGES[class] as usize;
    let span = slab::take(critical)?;
    // SAFETY: the cache is this thread's.
    let Some(run) = pages::alloc(critical, unsafe { &mut *cache.pages.get() }, pages) else {
        slab::give(critical, span);
        return None;
    };
    if !map::set(critical, run.base, pages, Some(span)) {
        pages::free(critical, run.base, pages);
        slab::give(critical, span);
        return None;
    }
    span.init_slots(run.base, class, run.zeroed);
    let watch = if cache.watched.get() { tag::WATCH } else { 0 };
    span.owner.store(cache.id() | watch, Ordering::Release);
    span.publish(kind::SLOTS);
    Some(span)
}

/// Pushes `span` at the front of a doubly linked list.
pub fn link(list: &Cell<*const Span>, span: &'static Span) {
    let first = list.get();
    span.prev.set(ptr::null());
    span.next.set(first);
    // SAFETY: lists hold valid spans.
    if let Some(first) = unsafe { first.as_ref() } {
        first.prev.set(span);
    }
    list.set(span);
}

/// Takes `span` off the list that it is on.
pub fn unlink(list: &Cell<*const Span>, span: &'static Span) {
    let (prev, next) = (span.prev.get(), span.next.get());
    // SAFETY: lists hold valid spans.
    unsafe {
        match prev.as_ref() {
            Some(prev) => prev.next.set(next),
            None => list.set(next),
        }
        if let Some(next) = next.as_ref() {
            next.prev.set(prev);
        }
    }
    span.prev.set(ptr::null());
    span.next.set(ptr::null());
}

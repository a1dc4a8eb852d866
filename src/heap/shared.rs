//! Heap state that has no thread: abandoned spans, and the late cache.
//!
//! A thread that exits leaves spans with live objects behind: *abandoned*, `owner` 0 (tags
//! stay), listed by class. Whoever needs a span of the class next adopts one. A free into an
//! abandoned span takes the heap lock and works on the span as if it were its owner.
//!
//! A thread whose TSD destructors ran may still malloc (FACTS-BUILD: node does, 36 times): it
//! is *late*, has no cache of its own and shares one under a lock.
//!
//! # Safety
//! The lists' spans belong to the holder of the heap lock; the late cache's cells to the holder
//! of the late lock.
#![allow(unsafe_code)]
use super::cache::Cache;
use super::release::{collect_remote, drain_notified, give_span, give_span_later, give_spares, push_all};
use super::slots::{link, unlink};
use super::{at_hand, bins, live, slots};
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::spans::class::COUNT;
use crate::spans::span::{NOTIFY, tag};
use crate::spans::{Block, Span};
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::Ordering;

/// Abandoned spans by class.
pub struct Abandoned([Cell<*const Span>; COUNT]);
// SAFETY: leads to `Sync` descriptors.
unsafe impl Send for Abandoned {}

/// Public for fork, which holds it across.
pub static ABANDONED: Lock<Abandoned> =
    Lock::new(Rank::Heap, Abandoned([const { Cell::new(ptr::null()) }; COUNT]));
/// Held while a late thread allocates. Public for fork.
pub static LATE_LOCK: Lock<()> = Lock::new(Rank::Late, ());
static LATE: Cache = Cache::new();

/// An abandoned span of `class` with at least one free slot becomes `cache`'s, if there is any.
pub fn adopt(critical: &Critical, cache: &'static Cache, class: usize) -> Option<&'static Span> {
    let lists = ABANDONED.lock(critical);
    // SAFETY: listed spans are valid for ever.
    while let Some(span) = unsafe { lists.0[class].get().as_ref() } {
        unlink(&lists.0[class], span);
        collect_remote(span);
        if span.used.get() < span.slots.get() {
            slots::change_owner(span, cache.id(), 0);
            return Some(span);
        }
        // Nothing free in it: it is this thread's full span from now on.
        slots::change_owner(span, cache.id(), tag::FULL);
        span.remote.fetch_or(NOTIFY, Ordering::AcqRel);
        link(&cache.full, span);
    }
    None
}

/// Frees slots of a span that is abandoned. False if it is not (any more): then none was taken.
pub fn give_abandoned(
    critical: &Critical,
    span: &'static Span,
    blocks: &mut impl Iterator<Item = *mut Block>,
) -> bool {
    let lists = ABANDONED.lock(critical);
    if span.owner.load(Ordering::Acquire) & !tag::ALL != 0 {
        return false;
    }
    push_all(span, blocks);
    collect_remote(span);
    live::account(span, span.used.get());
    if span.used.get() == 0 {
        unlink(&lists.0[span.class.get() as usize], span);
        drop(lists);
        give_span(critical, span);
    }
    true
}

/// Empties a cache whose thread is going, and has it no more: empty spans are freed, others abandoned.
pub fn abandon(critical: &Critical, cache: &'static Cache) {
    bins::give_all(critical, cache);
    at_hand::give_all(critical, cache);
    drain_notified(critical, cache);
    cache.spare.set(0);
    for class in 1..COUNT {
        // SAFETY: heads and queued spans are valid for ever.
        if let Some(head) = unsafe { cache.head[class].replace(ptr::null()).as_ref() } {
            head.used.set(head.used.get() - 1);
            leave(critical, cache, head);
        }
        // SAFETY: as above.
        while let Some(span) = unsafe { cache.queue[class].get().as_ref() } {
            unlink(&cache.queue[class], span);
            leave(critical, cache, span);
        }
    }
    // SAFETY: as above.
    while let Some(span) = unsafe { cache.full.get().as_ref() } {
        unlink(&cache.full, span);
        leave(critical, cache, span);
    }
}

fn leave(critical: &Critical, cache: &'static Cache, span: &'static Span) {
    collect_remote(span);
    // Nobody is there to be told. Its next owner must find the word clear: a head whose bit is set
    // already looks, when it is exhausted, as if a remote free had come in between, again and again.
    span.remote.fetch_and(!NOTIFY, Ordering::AcqRel);
    live::account(span, span.used.get());
    if span.used.get() == 0 {
        give_span_later(critical, cache, span);
        return;
    }
    let lists = ABANDONED.lock(critical);
    link(&lists.0[span.class.get() as usize], span);
    slots::change_owner(span, 0, 0);
}

/// The calling thread will not want anything for a while: what it has at hand goes back, and the spans that it has
/// nothing in. Not in a handler that may have come between two instructions of a fast path.
pub fn rest(critical: &Critical, cache: &'static Cache) {
    if cache.is_empty() {
        return;
    }
    bins::give_all(critical, cache);
    drain_notified(critical, cache);
    for class in 1..COUNT {
        // SAFETY: heads are valid for ever.
        let Some(head) = (unsafe { cache.head[class].get().as_ref() }) else { continue };
        collect_remote(head);
        // What keeps a head's count off zero is all that is left.
        if head.used.get() == 1 {
            cache.head[class].set(ptr::null());
            head.used.set(0);
            leave(critical, cache, head);
        }
    }
    give_spares(critical, cache);
    cache.flush_pages(critical);
}

/// A slot for a thread that has no cache any more.
pub fn late_alloc(critical: &Critical, class: usize, watched: bool) -> *mut u8 {
    let _late = LATE_LOCK.lock(critical);
    LATE.watched.set(watched);
    slots::alloc(critical, &LATE, class)
}

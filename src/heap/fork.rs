//! Fork: every lock of the heap is held across it, so that the child finds no half change.
//!
//! The child's one thread keeps its cache. The spans of the parent's other threads stay with
//! caches that have no thread any more: their live objects stay valid, a free of one is a
//! remote free that nobody collects. They may have been in the middle of a fast or slow path, so their
//! bins and spans are left alone (the collector reads them defensively).
//!
//! # Safety
//! `hold` in prepare, then exactly one of `release` (parent) and `reset` (child).
#![allow(unsafe_code)]
use super::{attached, buried, cache, guarded, kept, large, purge, quarantine, scopes, shared, special};
use crate::cleanups;
use crate::ground::critical::Critical;
use crate::pages;
use crate::pure::addr::PAGE_SIZE;
use crate::spans::span::flag;
use crate::spans::{map, side, slab};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

/// Takes every lock from the late cache's rank on.
pub fn prepare(critical: &Critical) {
    shared::LATE_LOCK.hold(critical);
    shared::ABANDONED.hold(critical);
    kept::KEPT.hold(critical);
    buried::BURIED.hold(critical);
    quarantine::WAITING.hold(critical);
    guarded::FREE_CELLS.hold(critical);
    large::HUGE.hold(critical);
    cache::UNUSED.hold(critical);
    scopes::SCOPES.hold(critical);
    attached::TABLE.hold(critical);
    special::MAKING.hold(critical);
    cleanups::lock().hold(critical);
    side::LISTS.hold(critical);
    slab::FREE.hold(critical);
    pages::fork_prepare(critical);
}

/// # Safety
/// This thread called [`prepare`].
pub unsafe fn parent() {
    // SAFETY: held since `prepare`.
    unsafe {
        pages::fork_parent();
        slab::FREE.release();
        side::LISTS.release();
        cleanups::lock().release();
        special::MAKING.release();
        attached::TABLE.release();
        scopes::SCOPES.release();
        cache::UNUSED.release();
        large::HUGE.release();
        guarded::FREE_CELLS.release();
        quarantine::WAITING.release();
        buried::BURIED.release();
        kept::KEPT.release();
        shared::ABANDONED.release();
        shared::LATE_LOCK.release();
    }
}

/// # Safety
/// Only in the child of a fork before which this thread called [`prepare`].
pub unsafe fn child() {
    // SAFETY: the child's only thread is the one that held them.
    unsafe {
        pages::fork_child();
        slab::FREE.reset();
        side::LISTS.reset();
        cleanups::lock().reset();
        special::MAKING.reset();
        attached::TABLE.reset();
        scopes::SCOPES.reset();
        cleanups::fork_child();
        cache::UNUSED.reset();
        large::HUGE.reset();
        guarded::FREE_CELLS.reset();
        quarantine::WAITING.reset();
        buried::BURIED.reset();
        kept::KEPT.reset();
        shared::ABANDONED.reset();
        shared::LATE_LOCK.reset();
    }
    purge::forget_timer();
    TORN.store(true, Ordering::Relaxed);
    let mine = cache::current();
    cache::for_each(|cache| cache.lost.set(!ptr::eq(cache, mine)));
}

/// Other threads of the parent may have been making spans, or giving some back.
static TORN: AtomicBool = AtomicBool::new(false);

/// Takes out of the map what leads to spans that are none: once in a child, before its heap is looked at as a whole.
/// The world is stopped. The pages are nobody's from then on.
pub fn mend(critical: &Critical) {
    if !TORN.swap(false, Ordering::Relaxed) {
        return;
    }
    slab::for_each_unused(|span| {
        let own = span.flags.load(Ordering::Relaxed) & flag::OWN_MAPPING != 0;
        let pages = if own { 1 } else { span.pages.get() as usize };
        for page in 0..pages {
            let at = span.page_base().add(page * PAGE_SIZE);
            if map::lookup(at).is_some_and(|found| ptr::eq(found, span)) {
                // Clearing entries of existing leaves cannot fail.
                let _ = map::set(critical, at, 1, None);
            }
        }
    });
}

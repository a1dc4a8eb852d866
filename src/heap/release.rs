//! The slow path of free: checks, remote frees, spans that become usable or empty.
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
use super::special::{self, Fate};
use super::{large, limbo, live, misuse, shared, slots, stacks};
use crate::ground::critical::Critical;
use crate::pages;
use crate::pure::addr::Addr;
use crate::spans::span::{NOTIFY, kind, tag};
use crate::spans::{Block, Span, map, slab};
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
    let addr = Addr(p as usize);
    let Some(span) = map::lookup(addr) else { return Freed::Foreign };
    let index = check(span, addr, "free");
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
    stacks::set(span, index, stacks::Origin::default());
    give_slot(critical, span, span.slot(index).ptr());
}

/// The object at exactly `addr`, handed out and not freed as far as can be told, or the end. If
/// it was in limbo it no longer is.
pub fn check(span: &'static Span, addr: Addr, call: &'static str) -> u32 {
    let index = match span.slot_of(addr) {
        Some(index) if span.slot(index) == addr => index,
        _ => misuse::invalid(call, addr, span),
    };
    // Before the look at the free mark: see `limbo`.
    if span.owner.load(Ordering::Relaxed) & tag::LIMBO != 0 {
        limbo::take_back(span, index, call);
    }
    let block: *mut Block = addr.ptr();
    // SAFETY: a slot of a live span is mapped and has 16 bytes.
    let free = span.kind() == kind::SLOTS && unsafe { cache::is_marked(block) };
    if free || special::is_held(span, index) {
        misuse::double_free(call, addr);
    }
    index
}

/// Gives one slot back to its span: to the local list if it is ours, else remotely. The
/// collector frees dead objects through here as well.
pub fn give_slot(critical: &Critical, span: &'static Span, block: *mut Block) {
    let owner = span.owner.load(Ordering::Acquire) & !tag::ALL;
    let cache = cache::current();
    if owner == cache.id() {
        give_local(critical, cache, span, block);
    } else if owner != 0 || !shared::give_abandoned(critical, span, block) {
        give_remote(span, block);
    }
}

fn give_local(critical: &Critical, cache: &'static Cache, span: &'static Span, block: *mut Block) {
    push(span, block);
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

/// Puts a slot on the local list.
pub(super) fn push(span: &Span, block: *mut Block) {
    // SAFETY: the slot is free now and ours.
    unsafe { cache::link_to(block, span.free.get()) };
    span.free.set(block);
    span.used.set(span.used.get() - 1);
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

fn give_remote(span: &'static Span, block: *mut Block) {
    let mut old = span.remote.load(Ordering::Relaxed);
    loop {
        // SAFETY: the slot is free now; until the exchange succeeds nobody else reads it.
        unsafe { cache::link_to(block, (old & !NOTIFY) as *mut Block) };
        match span.remote.compare_exchange_weak(old, block as usize, Ordering::AcqRel, Ordering::Relaxed) {
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

/// Moves the remote frees to the local list; how many there were.
pub fn collect_remote(span: &Span) -> u32 {
    if span.remote.load(Ordering::Relaxed) & !NOTIFY == 0 {
        return 0;
    }
    let mut block = (span.remote.swap(0, Ordering::Acquire) & !NOTIFY) as *mut Block;
    let (mut count, mut before) = (0, block);
    while !block.is_null() {
        if !is_free(span, block) || count == span.slots.get() {
            misuse::overwritten(Addr(before as usize), span.size.get(), Addr(block as usize));
        }
        before = block;
        // SAFETY: a slot of this span, as was just seen.
        let next = unsafe { (*block).next };
        push(span, block);
        block = next;
        count += 1;
    }
    count
}

/// Whether `block` is a slot of `span` that bears the mark of a free one.
fn is_free(span: &Span, block: *mut Block) -> bool {
    let addr = Addr(block as usize);
    // SAFETY: a slot of a live span is mapped and has 16 bytes.
    span.slot_of(addr).is_some_and(|i| span.slot(i) == addr) && unsafe { cache::is_marked(block) }
}

/// The first block of the local list lost its mark: the program wrote to it after it freed it. What led to it
/// was marked, so it is a free slot. If its link is sound all the same, nothing is lost. If it is null
/// (`free(p); p->next = 0;` is a common mistake), the blocks behind it are lost, and the program lives.
/// Otherwise this is the end.
pub fn mend_first(span: &Span) {
    let block = span.free.get();
    // SAFETY: a slot of the span, see above.
    unsafe {
        let next = if (*block).next.is_null() { Block::end() } else { (*block).next };
        if next != Block::end() && !is_free(span, next) {
            misuse::overwritten(Addr(block as usize), span.size.get(), Addr(next as usize));
        }
        cache::link_to(block, next);
    }
}

/// A fast free took the last object of a span that was no head.
pub fn emptied(critical: &Critical, span: &'static Span) {
    let cache = cache::current();
    let ours = span.kind() == kind::SLOTS && span.owner.load(Ordering::Relaxed) == cache.id();
    if ours && span.used.get() == 0 && !keep_spare(cache, span) {
        slots::unlink(&cache.queue[span.class.get() as usize], span);
        give_span(critical, span);
    }
}

/// Gives an empty span's pages and descriptor back. It is on no list any more.
pub fn give_span(critical: &Critical, span: &'static Span) {
    live::account(span, 0);
    let (base, count) = (span.base(), span.pages.get() as usize);
    span.publish(kind::NONE);
    span.free.set(Block::end());
    stacks::drop_array(critical, span);
    // Clearing entries of existing leaves cannot fail.
    let _ = map::set(critical, base, count, None);
    slab::give(critical, span);
    pages::free(critical, base, count);
    large::pages_freed(critical, count);
}

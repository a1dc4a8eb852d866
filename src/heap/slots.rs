//! The slow path of small and medium allocations: find or make a span with a free slot.
//!
//! In order: the head's free slots; its remote frees; its untouched slots; a queued span; an abandoned span; new pages. Some
//! more slots go to the thread's bin of the class ([`bins`]).
//! The exhausted head goes to the full list and asks to be told of the next remote free.
//!
//! # Safety
//! Runs in a critical section on the owner's thread (or under the late lock), so the cache's
//! and its spans' cells have no other user.
#![allow(unsafe_code)]
use super::cache::{self, Cache, link_of};
use super::{bins, free_bits, guarded, live, misuse, release, secure, shared};
use crate::ground::critical::Critical;
use crate::pages;
use crate::pure::addr::{Addr, PAGE_SHIFT, PAGE_SIZE};
use crate::spans::span::{NOTIFY, flag, kind, tag};
use crate::spans::{Block, Span, class, map, plain, slab};
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{Ordering, fence};

/// A slot of `class`, or null when there is no memory.
pub fn alloc(critical: &Critical, cache: &'static Cache, class: usize) -> *mut u8 {
    if let Some(block) = bins::take(cache, class) {
        if let Some(span) = map::lookup(Addr::of(block)) {
            check_mark(span, block);
        }
        // SAFETY: a slot that is the caller's now.
        unsafe { block.cast::<u128>().write(0) };
        return block.cast();
    }
    loop {
        // SAFETY: heads are valid for ever.
        if let Some(head) = unsafe { cache.head[class].get().as_ref() } {
            if let Some(block) = take_one(head) {
                // SAFETY: a slot that is the caller's now. In pages that another span had there may be marks.
                unsafe { block.cast::<u128>().write(0) };
                if ptr::eq(cache, cache::current()) {
                    bins::refill(cache, class, head);
                }
                return block.cast();
            }
            if !fill_up(cache, class, head) {
                continue;
            }
        }
        release::drain_notified(critical, cache);
        let Some(span) = next_span(critical, cache, class) else {
            cache.head[class].set(ptr::null());
            return ptr::null_mut();
        };
        // The +1 keeps the count off zero while the span is head.
        span.used.set(span.used.get() + 1);
        cache.head[class].set(span);
        show_again(critical, span);
    }
}

/// Calls `f` with up to `most` of the span's free slots, lowest first. Returns how many. They bear their marks still.
pub fn take(span: &Span, most: u32, f: impl FnMut(*mut Block)) -> u32 {
    slab::taking(span);
    let taken = free_bits::take(span, most, f);
    span.used.set(span.used.get() + taken);
    taken
}

/// A free slot, or one that others freed, or one that nobody ever had.
fn take_one(span: &Span) -> Option<*mut Block> {
    if secure::level() >= 2 {
        return take_any(span);
    }
    let mut one = None;
    if take(span, 1, |block| one = Some(block)) == 0 && release::collect_remote(span) != 0 {
        take(span, 1, |block| one = Some(block));
    }
    one.or_else(|| fresh(span, 1).next())
}

/// A free slot by chance: of those that came back, or of some more that nobody ever had.
fn take_any(span: &Span) -> Option<*mut Block> {
    if free_bits::count(span) == 0 && release::collect_remote(span) == 0 {
        let more = (PAGE_SIZE * 16 / span.size.get()).clamp(4, 64) as u32;
        release::push_all(span, &mut fresh(span, more));
    }
    slab::taking(span);
    let taken = free_bits::take_any(span, secure::chance());
    span.used.set(span.used.get() + taken.is_some() as u32);
    taken
}

/// What a free slot's link leads to, null at the end. Ends the process if it is no slot of the span: the program wrote to
/// what it had freed.
/// # Safety
/// `block` is a slot of the span.
pub(super) unsafe fn next_of(span: &Span, block: *const Block) -> *mut Block {
    // SAFETY: the caller's promise.
    let next = unsafe { link_of(block) };
    let at = Addr::of(next);
    if !next.is_null() && !span.has_slot(at) {
        // SAFETY: as above.
        let link = Addr(unsafe { (*block).link });
        misuse::overwritten(Addr::of(block), span.size.get(), link);
    }
    next
}

/// The fast paths may have the slots of a span of the caller's again whose last object has left limbo.
pub(super) fn show_again(critical: &Critical, span: &Span) {
    let owner = span.owner.load(Ordering::Acquire);
    if owner & (tag::LIMBO | tag::WATCH | tag::HIDDEN) == tag::HIDDEN {
        clear_tag(span, tag::HIDDEN);
        plain::show(critical, span);
        hide_if_special(span);
    }
}

/// Somebody may have pinned an object while the span was shown: whoever comes last hides it.
fn hide_if_special(span: &Span) {
    fence(Ordering::SeqCst);
    if span.owner.load(Ordering::Relaxed) & (tag::LIMBO | tag::WATCH) != 0 {
        set_tag(span, tag::HIDDEN);
        plain::hide(span);
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
    cache.head[class].set(ptr::null());
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

/// Up to `count` slots that nobody ever had, in use from now on.
pub fn fresh(span: &Span, count: u32) -> impl Iterator<Item = *mut Block> + '_ {
    slab::taking(span);
    let from = span.extended.get();
    let to = from.saturating_add(count).min(span.slots.get());
    if span.size.get() <= MARKED {
        let first = span.slot(marked(span, from));
        let (size, step) = (span.size.get(), span.mark(Addr(span.size.get())));
        let (mut slot, mut mark) = (first.ptr::<Block>(), span.mark(first));
        for _ in marked(span, from)..marked(span, to) {
            // SAFETY: a slot of the span that nobody has. The mark is a multiple of the address.
            unsafe { (*slot).mark = mark };
            (slot, mark) = (slot.wrapping_byte_add(size), mark.wrapping_add(step));
        }
    } else if span.flags.load(Ordering::Relaxed) & flag::USED_PAGES != 0 {
        for index in from..to {
            let slot: *mut Block = span.slot(index).ptr();
            // SAFETY: as above.
            unsafe { (*slot).mark = span.mark(Addr::of(slot)) };
        }
    }
    let pages = plain::used_pages(span);
    span.extended.set(to);
    span.used.set(span.used.get() + (to - from));
    if plain::used_pages(span) != pages
        && span.owner.load(Ordering::Relaxed) & (tag::LIMBO | tag::WATCH | tag::HIDDEN) == 0
    {
        plain::show_pages(span, pages);
        hide_if_special(span);
    }
    (from..to).map(|index| span.slot(index).ptr())
}

/// Slots of at most so many bytes are marked before anybody has them, so that a free of one is noticed. Larger ones are left
/// untouched instead, with 0 where the mark would be, unless somebody else had their pages.
const MARKED: usize = class::SMALL_MAX + 16;

/// A slot that leaves a bin bears its mark, or was never touched: else the program wrote to what it had freed.
#[inline(always)]
pub(super) fn check_mark(span: &Span, block: *const Block) {
    // SAFETY: a free slot, and the caller's.
    let mark = unsafe { (*block).mark };
    let odd = mark != span.mark(Addr::of(block)) && (mark != 0 || span.size.get() <= MARKED);
    if odd && !plain::is_recorded() {
        misuse::overwritten(Addr::of(block), span.size.get(), Addr(mark));
    }
}

/// How many slots of a span are marked when `extended` were in use: all that begin in the same pages.
fn marked(span: &Span, extended: u32) -> u32 {
    match extended {
        0 => 0,
        _ => {
            let last = span.slot(extended - 1).0 | (PAGE_SIZE - 1);
            (span.index(Addr(last)) + 1).min(span.slots.get())
        }
    }
}

fn new_span(critical: &Critical, cache: &'static Cache, class: usize) -> Option<&'static Span> {
    let pages = class::PAGES[class] as usize;
    let span = slab::take(critical)?;
    let behind = guarded::wants_page_behind() as usize;
    // A slot of up to a page: no page without an object.
    let dense = class::SIZE[class] as usize <= PAGE_SIZE + 16;
    // SAFETY: the cache is this thread's.
    let Some(run) = pages::alloc(critical, unsafe { &mut *cache.pages.get() }, pages + behind, dense) else {
        slab::give(critical, span);
        return None;
    };
    span.init_slots(run.base, pages, class);
    let flags = if run.zeroed { 0 } else { flag::USED_PAGES };
    span.flags.store(flags | if behind != 0 { flag::CLOSED_BEHIND } else { 0 }, Ordering::Relaxed);
    let (first, count) = (span.page_base(), span.pages.get() as usize);
    if !free_bits::make(critical, span) || !map::set(critical, first, count, Some(span)) {
        free_bits::drop_bits(critical, span);
        pages::free(critical, run.base, run.pages);
        slab::give(critical, span);
        return None;
    }
    let before = first.since(run.base) >> PAGE_SHIFT;
    give_ends(critical, &run, before, pages - before - count);
    if behind != 0 {
        guarded::close_behind(span.limit());
    }
    let watch = if cache.watched.get() && !bins::has(class) { tag::WATCH } else { 0 };
    span.owner.store(cache.id() | watch | tag::HIDDEN, Ordering::Release);
    span.publish(kind::SLOTS);
    Some(span)
}

/// Gives the pages of a run that no slot of its span touches back.
fn give_ends(critical: &Critical, run: &pages::Run, before: usize, behind: usize) {
    let free = if run.zeroed { pages::free_released } else { pages::free };
    if before != 0 {
        free(critical, run.base, before);
    }
    if behind != 0 {
        free(critical, run.base.add((run.pages - behind) * PAGE_SIZE), behind);
    }
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

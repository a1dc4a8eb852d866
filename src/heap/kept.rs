//! Freed large and huge objects that are kept whole for the next request of their size.
//!
//! A program that allocates and frees a buffer of 1 MiB again and again would pay each time for
//! 256 entries of the map, bitmaps and summaries, or for a mapping and its page faults. So up to
//! [`MOST`] freed objects stay as they are: span, map entries, memory; only their kind becomes KEPT, which
//! to everybody else is memory that holds no object. The newest that fits, with at most an eighth to spare,
//! serves a request. What nobody wanted between two ticks (`heap::purge`) goes its ordinary way.
//!
//! The array has 64 entries, which is one kilobyte to look through; nobody gains from more: each entry
//! is at least 64 KiB of somebody's memory. Rejected: lists in each thread's cache (they hoard, and only
//! the thread itself could give them back).
//!
//! # Safety
//! A kept span belongs to the holder of the lock.
#![allow(unsafe_code)]
use super::{at_hand, large, purge};
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages;
use crate::pure::addr::PAGE_SIZE;
use crate::spans::Span;
use crate::spans::span::{flag, kind};
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;

/// As many as are kept.
const MOST: usize = 64;
/// Pages in all: 32 MiB.
const PAGES: usize = 8192;
/// Pages of one object: 16 MiB.
const PAGES_OF_ONE: usize = 4096;

#[derive(Clone, Copy)]
struct Entry {
    pages: u32,
    /// The tick during which it came.
    tick: u32,
    span: &'static Span,
}

/// Oldest first.
pub struct Kept {
    entries: [MaybeUninit<Entry>; MOST],
    count: usize,
    pages: usize,
    tick: u32,
}

/// Public for fork, which holds it across.
pub static KEPT: Lock<Kept> = Lock::new(
    Rank::Kept,
    Kept { entries: [const { MaybeUninit::uninit() }; MOST], count: 0, pages: 0, tick: 0 },
);

impl Kept {
    fn entries(&self) -> &[Entry] {
        // SAFETY: the first `count` are initialised.
        unsafe { core::slice::from_raw_parts(self.entries.as_ptr().cast(), self.count) }
    }
    fn remove(&mut self, at: usize) -> &'static Span {
        let entry = self.entries()[at];
        self.entries.copy_within(at + 1..self.count, at);
        self.count -= 1;
        self.pages -= entry.pages as usize;
        entry.span
    }
}

/// Keeps a span that its user gave up, as [`kind::KEPT`]. False: it is too large for that, or has grown by being remapped: the next
/// that grows begins small and would not take it.
pub fn put(critical: &Critical, span: &'static Span) -> bool {
    let pages = span.pages.get() as usize;
    if pages > PAGES_OF_ONE || span.flags.load(Ordering::Relaxed) & flag::OWN_MAPPING != 0 {
        return false;
    }
    let mut kept = KEPT.lock(critical);
    while kept.count == MOST || kept.pages + pages > PAGES {
        let old = kept.remove(0);
        drop(kept);
        large::give_up(critical, old, pages::free);
        kept = KEPT.lock(critical);
    }
    span.extended.set(0);
    span.publish(kind::KEPT);
    let (at, tick) = (kept.count, kept.tick);
    kept.entries[at].write(Entry { pages: pages as u32, tick, span });
    kept.count += 1;
    kept.pages += pages;
    drop(kept);
    purge::freed(critical, pages);
    true
}

/// A kept span of `pages` pages or at most an eighth more, at a multiple of `align`.
pub fn take(critical: &Critical, pages: usize, align: usize) -> Option<&'static Span> {
    let mut kept = KEPT.lock(critical);
    let most = pages + pages / 8;
    let at = kept.entries().iter().rposition(|e| {
        let has = e.pages as usize;
        pages <= has && has <= most && (align <= PAGE_SIZE || e.span.base().is_aligned(align))
    })?;
    Some(kept.remove(at))
}

/// Gives up what nobody wanted since the tick before the last one (`All`: everything). Pages given up.
pub fn age(critical: &Critical, which: Which) -> usize {
    let mut given = at_hand::age(critical, which);
    KEPT.lock(critical).tick += 1;
    loop {
        let mut kept = KEPT.lock(critical);
        let now = kept.tick;
        let old = |e: &Entry| which == Which::All || now.wrapping_sub(e.tick) > 1;
        if !kept.entries().first().is_some_and(old) {
            return given;
        }
        let span = kept.remove(0);
        drop(kept);
        given += span.pages.get() as usize;
        large::give_up(critical, span, pages::free);
    }
}

/// Which kept objects to give up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Old,
    All,
}

/// Pages that are kept, what threads have [at hand](at_hand) included.
pub fn pages(critical: &Critical) -> usize {
    let kept = KEPT.lock(critical).pages;
    kept + at_hand::count_pages()
}

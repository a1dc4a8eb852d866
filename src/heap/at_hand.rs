//! The large objects that a thread freed last: whole, without a lock, for its next request of their size.
//!
//! Each thread has [`PLACES`] of them, of at most [`MOST`] bytes; the others go to [`kept`], whose lock, records and clock cost three
//! times as many instructions (`pair1m` of `scripts/bench`). To everybody else they are KEPT, which is memory that holds no object. A place is one atomic word:
//! its thread fills it when it is empty, and whoever empties it, its thread or somebody who ticks (`heap::purge`), has the span. A tick marks what it
//! finds, the next one gives up what still bears the mark.
//!
//! This runs outside of critical sections, as the fast paths do: between any two instructions the span is an object, or KEPT and
//! in a place, or in the hands of this thread alone. Not in a handler that interrupted one: a collection of this thread's may be
//! half done. What a child of fork loses that way is address space.
//!
//! One free in [`SLOWLY`] takes the slow path, which looks at the clock.
//!
//! # Safety
//! The span that was taken out of a place is the taker's.
#![allow(unsafe_code)]
use super::cache::{self, Cache};
use super::kept::Which;
use super::{kept, large, live, secure};
use crate::ground::critical::Critical;
use crate::pages;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::spans::span::{flag, kind};
use crate::spans::{Span, map};
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

pub const PLACES: usize = 2;
/// Pages of one: 8 MiB, and the one for the byte behind the end.
const MOST: usize = 2049;
/// So many frees in a row do without the clock.
const SLOWLY: u32 = 64;

/// What a thread has at hand. All zero: nothing.
pub struct AtHand {
    places: [AtomicPtr<Span>; PLACES],
    /// A tick has seen what is in the place.
    seen: [AtomicBool; PLACES],
    /// Frees until the next slow one.
    left: Cell<u32>,
}

impl Default for AtHand {
    fn default() -> Self {
        Self::new()
    }
}
impl AtHand {
    pub const fn new() -> AtHand {
        AtHand {
            places: [const { AtomicPtr::new(ptr::null_mut()) }; PLACES],
            seen: [const { AtomicBool::new(false) }; PLACES],
            left: Cell::new(0),
        }
    }
}

/// An object of `pages` pages, or of an eighth more, that this thread freed.
#[inline]
pub fn take(cache: &'static Cache, pages: usize) -> Option<&'static Span> {
    for place in &cache.at_hand.places {
        let at = place.load(Ordering::Relaxed);
        // SAFETY: descriptors are never unmapped.
        let Some(span) = (unsafe { at.as_ref() }) else { continue };
        let fits = || (pages..=pages + pages / 8).contains(&(span.pages.get() as usize));
        if !fits()
            || place.compare_exchange(at, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed).is_err()
        {
            continue;
        }
        // A handler of the program's may have come in between, and left the descriptor to another object.
        if span.pages.get() as usize >= pages {
            return Some(span);
        }
        put_in(cache, span);
    }
    None
}

/// The quick way to free `p`: if it is a large object with nothing special about it, and there is a place for it. False: nothing was done.
/// # Safety
/// As free(3).
#[inline]
pub unsafe fn free(cache: &'static Cache, p: *mut u8) -> bool {
    let addr = Addr(p as usize);
    let hand = &cache.at_hand;
    if !addr.0.is_multiple_of(PAGE_SIZE) || hand.left.get() == 0 {
        return false;
    }
    let Some(span) = map::lookup(addr) else { return false };
    if span.kind() != kind::LARGE
        || span.base() != addr
        || span.pages.get() as usize > MOST
        || span.owner.load(Ordering::Relaxed) != 0
        || span.flags.load(Ordering::Relaxed) & (flag::SPECIAL | flag::OWN_MAPPING) != 0
        || !span.stacks.load(Ordering::Relaxed).is_null()
        || !hand.places.iter().any(|place| place.load(Ordering::Relaxed).is_null())
    {
        return false;
    }
    hand.left.set(hand.left.get() - 1);
    live::add(-(span.size.get() as isize));
    span.extended.set(0);
    span.publish(kind::KEPT);
    if !put_in(cache, span) {
        // A handler has freed as well, meanwhile.
        large::reuse(span);
        return false;
    }
    true
}

fn put_in(cache: &'static Cache, span: &'static Span) -> bool {
    let hand = &cache.at_hand;
    hand.places.iter().zip(&hand.seen).any(|(place, seen)| {
        if !place.load(Ordering::Relaxed).is_null() {
            return false;
        }
        seen.store(false, Ordering::Relaxed);
        let at = ptr::from_ref(span).cast_mut();
        place.compare_exchange(ptr::null_mut(), at, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    })
}

/// The slow path frees a large object: the next frees may be quick, unless each is to be looked at.
pub fn again(cache: &'static Cache) {
    if !cache.is_empty() && secure::level() == 0 {
        cache.at_hand.left.set(SLOWLY);
    }
}

/// Gives up what was at some thread's hand throughout the last interval (`All`: everything). Pages given up.
pub fn age(critical: &Critical, which: Which) -> usize {
    let mut given = 0;
    cache::for_each(|cache| {
        for (place, seen) in cache.at_hand.places.iter().zip(&cache.at_hand.seen) {
            if !place.load(Ordering::Relaxed).is_null()
                && (seen.swap(true, Ordering::Relaxed) || which == Which::All)
                && let Some(span) = empty(place)
            {
                given += span.pages.get() as usize;
                large::give_up(critical, span, pages::free);
            }
        }
    });
    given
}

/// The thread ends.
pub fn give_all(critical: &Critical, cache: &'static Cache) {
    for span in cache.at_hand.places.iter().filter_map(empty) {
        if !kept::put(critical, span) {
            large::give_up(critical, span, pages::free);
        }
    }
    cache.at_hand.left.set(0);
}

fn empty(place: &AtomicPtr<Span>) -> Option<&'static Span> {
    // SAFETY: descriptors are never unmapped.
    unsafe { place.swap(ptr::null_mut(), Ordering::AcqRel).as_ref() }
}

/// Pages at hand of all threads, read beside them.
pub fn count_pages() -> usize {
    let mut pages = 0;
    cache::for_each(|cache| {
        for place in &cache.at_hand.places {
            // SAFETY: descriptors are never unmapped.
            let span = unsafe { place.load(Ordering::Relaxed).as_ref() };
            pages += span.map_or(0, |span| span.pages.get() as usize);
        }
    });
    pages
}

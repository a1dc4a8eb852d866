//! What is special about single objects: pins, holds, what is attached to them.
//!
//! A span with a special object has the flag SPECIAL and, so that free() takes its slow path, the tag WATCH in
//! its owner word and is hidden in the table of pages; the fast paths are as they were. Such a span has an array of *cells*, one a slot: a word of
//! state, and who pinned first, when. The array is made at the first pin, stays with the *descriptor* (as limbo's)
//! and is replaced only when the descriptor gets another shape; an object that goes leaves its cell zero.
//!
//! ```text
//!            pin (n+1)                 free                            last unpin
//!  plain <-----------------> pinned ---------> held (freed, intact) ---------------> given back
//!            unpin (n-1)
//! ```
//! All changes of the state are one compare-and-exchange, so `unpin` against `free` needs no lock: whoever comes
//! second gives the memory back. A *held* object is allocated to everybody but its program: not reused,
//! not poisoned, a root for the collector. realloc of a pinned object copies, and the old one becomes held.
//!
//! Pins are roots: the collector marks what has a count ([`each`]), and scans it. They do not recurse:
//! what a pinned object points to is reachable, no more.
//!
//! # Numbers
//! 24 bytes a slot of a span that has or had a special object. A pin and its unpin are two locked instructions
//! and a look at the clock. WATCH and SPECIAL stay until the span goes or a collection finds no cell in use: taking them
//! away while others pin would cost each pin one more locked instruction.
//!
//! Rejected: a hash table of pinned addresses (a lock, or its lines bounce between threads); the free mark in the object's first
//! words (the kernel may be writing there).
//!
//! # Safety
//! An array's first word says how many cells follow; it is replaced under the lock `Special`, when its descriptor
//! has no special object. Slots are read for their mark as in `release`.
#![allow(unsafe_code)]
use super::{attached, cache, large, limbo, live, release, resize, secure, slots};
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::own;
use crate::pure::addr::{ADDR_BITS, Addr};
use crate::spans::span::{flag, kind, tag};
use crate::spans::{Block, Span, map, plain, side, slab};
use crate::sys::process;
use core::sync::atomic::{AtomicU64, Ordering};

mod word;
use state::{ATTACHED, COUNT, HELD, IGNORED};
pub use word::{Fate, Refused, state};

/// One object's cell.
#[repr(C)]
pub struct Cell {
    state: AtomicU64,
    /// Who made the first of the pins there are (the upper bits: in which collection), and when.
    site: AtomicU64,
    since: AtomicU64,
}
const _: () = assert!(size_of::<Cell>() == 24);

/// An object.
#[derive(Clone, Copy)]
pub struct Found {
    pub span: &'static Span,
    pub index: u32,
}
impl Found {
    pub fn addr(&self) -> Addr {
        self.span.slot(self.index)
    }
}

/// Public for fork, which holds it across.
pub static MAKING: Lock<()> = Lock::new(Rank::Special, ());

/// Whether an object of `span` is special.
#[inline(always)]
pub fn any_in(span: &Span) -> bool {
    span.flags.load(Ordering::Relaxed) & flag::SPECIAL != 0
}

/// The cells of `span`, if it has them in its present shape.
#[inline(always)]
fn cells(span: &'static Span) -> Option<&'static [Cell]> {
    let header = slab::extra(span)?.load(Ordering::Acquire);
    // SAFETY: see the chapter above.
    unsafe {
        let count = *header.as_ref()? as usize;
        (count == span.slots.get() as usize).then(|| core::slice::from_raw_parts(header.add(1).cast(), count))
    }
}

#[inline(always)]
fn cell(span: &'static Span, index: u32) -> Option<&'static Cell> {
    if any_in(span) { cells(span)?.get(index as usize) } else { None }
}

/// The cell of an object, which makes it special.
#[inline(always)]
fn make_cell(critical: &Critical, object: Found) -> Option<&'static Cell> {
    match cell(object.span, object.index) {
        Some(cell) => Some(cell),
        None => make_cells(critical, object.span)?.get(object.index as usize),
    }
}

#[cold]
#[inline(never)]
fn make_cells(critical: &Critical, span: &'static Span) -> Option<&'static [Cell]> {
    let _making = MAKING.lock(critical);
    let word = slab::make_extra(critical, span)?;
    if cells(span).is_none() {
        let bytes = |count: usize| size_of::<u64>() + count * size_of::<Cell>();
        let old = word.swap(core::ptr::null_mut(), Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: an array of an earlier life of the descriptor, whose cells are zero.
            side::give(critical, Addr::of(old), bytes(unsafe { *old } as usize));
        }
        let count = span.slots.get() as usize;
        let fresh: *mut u64 = side::take(critical, bytes(count))?.ptr();
        // SAFETY: fresh zeroed words, ours.
        unsafe { fresh.write(count as u64) };
        word.store(fresh, Ordering::Release);
    }
    if span.kind() == kind::SLOTS {
        // The owner looks at the tag once more after it showed the span: see `slots::show_again`.
        slots::set_tag(span, tag::WATCH | tag::HIDDEN);
        plain::hide(span);
    }
    span.flags.fetch_or(flag::SPECIAL, Ordering::AcqRel);
    cells(span)
}

/// How the program names an object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// By a pointer: if it was in limbo, the program hides pointers.
    Pointer,
    /// By a range in which it happens to lie: a neighbour may be garbage.
    Range,
}

/// The object that holds `addr`: any byte that the program may use.
#[inline(always)]
pub fn find(critical: &Critical, addr: Addr) -> Result<Found, Refused> {
    find_named(critical, addr, Named::Pointer)
}

#[inline(always)]
pub fn find_named(critical: &Critical, addr: Addr, how: Named) -> Result<Found, Refused> {
    let Some(span) = map::lookup(addr) else { return find_elsewhere(critical, addr) };
    let index = if span.kind() == kind::SLOTS { span.index(addr) } else { 0 };
    resolve(span, index, addr, how)
}

#[inline(always)]
fn resolve(span: &'static Span, index: u32, addr: Addr, how: Named) -> Result<Found, Refused> {
    match span.kind() {
        kind::NONE => return Err(Refused::NotOurs),
        kind::KEPT => return Err(Refused::Dead),
        _ => {}
    }
    if index >= span.extended.get() {
        return Err(if index < span.slots.get() { Refused::Dead } else { Refused::NotOurs });
    }
    let at = span.slot(index);
    let padded = span.flags.load(Ordering::Relaxed) & flag::UNPADDED == 0;
    if addr.since(at) >= span.size.get() - padded as usize {
        return Err(Refused::NotOurs);
    }
    // SAFETY: a slot of a live span is mapped and has 16 bytes.
    if span.kind() == kind::SLOTS && unsafe { cache::is_marked(span, at.ptr::<Block>()) } {
        return Err(Refused::Dead);
    }
    if secure::level() != 0 && secure::is_freed(span, index) {
        return Err(Refused::Dead);
    }
    if span.owner.load(Ordering::Relaxed) & tag::LIMBO != 0 {
        match how {
            Named::Pointer => limbo::take_back(span, index, "gleaner_pin"),
            Named::Range if !limbo::spare(span, index) => return Err(Refused::Dead),
            Named::Range => {}
        }
    }
    Ok(Found { span, index })
}

#[cold]
#[inline(never)]
fn find_elsewhere(critical: &Critical, addr: Addr) -> Result<Found, Refused> {
    match large::huge_block(critical, addr).and_then(|(base, _)| map::lookup(base)) {
        Some(span) => resolve(span, 0, addr, Named::Pointer),
        None if own::contains(addr) => Err(Refused::Dead),
        None => Err(Refused::NotOurs),
    }
}

/// One more pin, made at `site`.
#[inline(always)]
pub fn pin(critical: &Critical, object: Found, site: usize, extra: u64) -> Result<(), Refused> {
    let cell = make_cell(critical, object).ok_or(Refused::NoMemory)?;
    let old = word::pin(&cell.state, extra)?;
    if old & COUNT == 0 {
        let cycle = live::CYCLES.load(Ordering::Relaxed) << ADDR_BITS;
        cell.site.store(site as u64 | cycle, Ordering::Relaxed);
        cell.since.store(stamp(), Ordering::Relaxed);
    }
    Ok(())
}

/// One pin less. `Goes`: it was the last one of an object that was freed meanwhile; the caller
/// gives it back by [`give_back`].
#[inline(always)]
pub fn unpin(object: Found) -> Result<Fate, Refused> {
    word::unpin(&cell(object.span, object.index).ok_or(Refused::NotPinned)?.state)
}

/// Gives a held object back, after its last unpin.
#[cold]
#[inline(never)]
pub fn give_back(critical: &Critical, object: Found) {
    reclaimed(critical, object.span, object.index);
    release::give(critical, object.span, object.index);
}

/// The program frees an object of a span that has special ones.
#[cold]
pub fn freed(critical: &Critical, span: &'static Span, index: u32) -> Fate {
    let Some(cell) = cell(span, index) else { return Fate::Goes };
    let (old, fate) = word::free(&cell.state);
    if old & ATTACHED != 0 {
        match fate {
            Fate::Goes => attached::died(critical, span.slot(index), resize::usable_of(span, index)),
            Fate::Held => attached::clear_weak(critical, span.slot(index)),
        }
    }
    fate
}

/// realloc moved the object at `from`, in `span` (or the whole of it): what is attached goes along, pins stay.
pub fn relocate(critical: &Critical, span: &'static Span, from: Addr, to: Addr) {
    if !any_in(span) {
        return;
    }
    // A large object that moved has a new base already.
    let index = if span.kind() == kind::SLOTS { span.index(from) } else { 0 };
    let old = clear(span, index, ATTACHED | IGNORED);
    let Ok(object) = find(critical, to) else { return };
    if old & ATTACHED != 0 {
        attached::moved(critical, from, object, resize::usable_of(object.span, object.index));
    }
    if old & IGNORED != 0 {
        // Without memory for a cell it is an ordinary one.
        let _ = set(critical, object, IGNORED);
    }
}

/// The collector reclaims an object.
pub fn reclaimed(critical: &Critical, span: &'static Span, index: u32) {
    if let Some(cell) = cell(span, index)
        && cell.state.swap(0, Ordering::AcqRel) & ATTACHED != 0
    {
        attached::died(critical, span.slot(index), resize::usable_of(span, index));
    }
}

/// Freed, and still there for the pins.
#[inline]
pub fn is_held(span: &'static Span, index: u32) -> bool {
    cell(span, index).is_some_and(|c| c.state.load(Ordering::Relaxed) & HELD != 0)
}
pub fn is_pinned(span: &'static Span, index: u32) -> bool {
    cell(span, index).is_some_and(|c| c.state.load(Ordering::Relaxed) & COUNT != 0)
}

/// Sets a bit of an object's state that is not a pin.
pub fn set(critical: &Critical, object: Found, bit: u64) -> Result<(), Refused> {
    let cell = make_cell(critical, object).ok_or(Refused::NoMemory)?;
    let live = |old: u64| (old & HELD == 0).then_some(old | bit);
    cell.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, live).map_err(|_| Refused::Dead)?;
    Ok(())
}
/// The opposite. Its bits before that.
pub fn clear(span: &'static Span, index: u32, bit: u64) -> u64 {
    cell(span, index).map_or(0, |c| c.state.fetch_and(!bit, Ordering::AcqRel))
}

/// A special object, for reports and the collector.
#[derive(Clone, Copy)]
pub struct Special {
    pub object: Found,
    pub state: u64,
    pub site: usize,
    pub since: u64,
    /// Collections since the first pin, modulo 2^16.
    pub collections: u16,
}
impl Special {
    pub fn pins(&self) -> u32 {
        (self.state & COUNT) as u32
    }
}

/// Calls `f` with every object whose state has one of `bits`.
pub fn each(bits: u64, mut f: impl FnMut(Special)) {
    slab::for_each(|span| {
        if !any_in(span) {
            return;
        }
        for (index, cell) in cells(span).unwrap_or(&[]).iter().enumerate() {
            let state = cell.state.load(Ordering::Acquire);
            if state & bits != 0 {
                let (word, since) = (cell.site.load(Ordering::Relaxed), cell.since.load(Ordering::Relaxed));
                let site = (word & ((1 << ADDR_BITS) - 1)) as usize;
                let collections =
                    (live::CYCLES.load(Ordering::Relaxed) as u16).wrapping_sub((word >> ADDR_BITS) as u16);
                let object = Found { span, index: index as u32 };
                f(Special { object, state, site, since, collections });
            }
        }
    });
}

/// Whether some object has a weak handle or a cleanup.
pub fn any_attached() -> bool {
    let mut any = false;
    each(ATTACHED, |_| any = true);
    any
}

/// Without special objects `span` is ordinary again. Only while the world is stopped: nobody is between the look at
/// the flag and the change of a cell then. `watched`: the tag stays (leak mode).
pub fn forget_idle(span: &'static Span, watched: bool) {
    let idle = |c: &Cell| c.state.load(Ordering::Relaxed) == 0;
    if any_in(span) && cells(span).is_none_or(|cells| cells.iter().all(idle)) {
        span.flags.fetch_and(!flag::SPECIAL, Ordering::Relaxed);
        if !watched {
            slots::clear_tag(span, tag::WATCH);
        }
    }
}

/// Milliseconds of the kernel's coarse clock: a few nanoseconds, where the processor's counter costs twenty.
#[inline(always)]
pub fn stamp() -> u64 {
    process::coarse_ms()
}

#[cfg(test)]
mod tests;

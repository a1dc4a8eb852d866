//! Marking beside the program, with what is written meanwhile tracked by the kernel ([`crate::sys::tracking`]).
//!
//! ```text
//!  stop: roots ── resume ──── the program goes on ──────────────────────── stop ── resume
//!           └─► protect, mark, then rounds: what was written is               └─► written pages and roots once more, drain:
//!               protected anew and read once more                                 what is white now is unreachable or free
//! ```
//! All marking beside the program is a hint: every slot of a span counts as an object, allocated or not, and a word may be read
//! while it changes. What makes it right is the last stop: a black slot whose page was not written to since it was protected
//! leads to black ones only, and everything else is read again. So what the program allocates and frees meanwhile needs nothing but to be
//! found when it is pointed to.
//!
//! # What is white and free
//! Afterwards, with the program running, the findings are told as a copy of the process tells them ([`super::findings`]). A slot is left out if it
//! was in a bin at the last stop, bears the mark of a free one, or was never handed out; so is a span that has
//! handed out slots since that stop, or became another one since the first ([`slab::taking`], [`slab::renew`]). Spans
//! that were made meanwhile have nothing reclaimed in this collection.
//!
//! # Safety
//! One party at a time has a [`Tracked`]: who begins it while the world is stopped, then who marks beside the program, then who has the
//! world stopped at the end, then who tells. Its room is zeroed memory that is nobody else's meanwhile.
#![allow(unsafe_code)]
mod entry;
mod marker;

use super::filter::Window;
use super::{Abandon, Object, Scan, Sum, World, findings};
use crate::ground::fatal;
use crate::heap::special::{self, state};
use crate::heap::{bins, large, quarantine};
use crate::pages::own;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::spans::span::{flag, kind};
use crate::spans::{map, slab};
use crate::sys::pagemap::Region;
use crate::sys::raw::Errno;
use crate::sys::tracking::{Protection, Written};
use core::sync::atomic::Ordering::*;
use entry::{Arena, Entry};
use marker::{HugeAt, Marker, Mode};

/// Words of roots that are kept from the first stop.
const ROOTS: usize = 1 << 20;
/// Ranges of memory of ours.
const RANGES: usize = 1 << 13;
const HUGE: usize = 1 << 14;
/// How much is asked of the kernel, or of it to be protected, at a time: it holds the lock of the address space meanwhile.
const STEP: usize = 32 << 20;
/// So far behind what the heap has it may grow while it is marked.
const BEHIND: usize = 8 << 30;
/// No address of the program's is higher.
const USER_END: usize = 1 << 47;

/// Memory of ours.
#[derive(Clone, Copy)]
struct Range {
    lo: Addr,
    hi: Addr,
    /// Some of it is the heap's, and all of it is protected.
    registered: bool,
}

/// A list in the room.
struct Kept<T: 'static> {
    at: *mut T,
    len: usize,
    most: usize,
}
impl<T: Copy> Kept<T> {
    fn new(arena: &mut Arena, most: usize) -> Option<Kept<T>> {
        Some(Kept { at: arena.take(most * size_of::<T>())?.ptr(), len: 0, most })
    }
    fn push(&mut self, value: T) -> bool {
        let fits = self.len < self.most;
        if fits {
            // SAFETY: below the length of the list's room.
            unsafe { self.at.add(self.len).write(value) };
            self.len += 1;
        }
        fits
    }
    fn get(&self) -> &'static mut [T] {
        // SAFETY: so many were written; the room stays, and whoever has the list has it alone.
        unsafe { core::slice::from_raw_parts_mut(self.at, self.len) }
    }
}

/// Why it came to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failed {
    NoMemory,
    /// The program made objects other than readable and writable.
    Protected,
    /// The kernel tells nothing of what was written.
    Refused,
    /// Too much to be read twice while the program is stopped.
    Roots,
    Abandoned(Abandon),
}

/// A collection of this sort.
pub struct Tracked {
    marker: Marker,
    roots: Kept<usize>,
    ranges: Kept<Range>,
    news: usize,
    near: Window,
    protection: Option<Protection>,
    disguised: bool,
    pub root_bytes: usize,
}

/// How much room is needed, bytes, most of which is never touched: for a heap of so many bytes, before the world is stopped.
pub fn room_for(heap: usize) -> usize {
    let lists = ROOTS * 8 + RANGES * size_of::<Range>() + HUGE * size_of::<HugeAt>();
    (heap / 8 + slab::count() * 128 + lists + (64 << 20)).next_multiple_of(PAGE_SIZE)
}

/// Nothing is noted any more of what becomes of spans.
pub fn stop() {
    slab::RENEWING.store(false, Relaxed);
    slab::TAKING.store(false, Relaxed);
}

/// Clears what an earlier one left behind with the descriptors. Before the world is stopped; nobody else marks so.
pub fn forget() {
    stop();
    slab::Walk::begin().filter_map(|spans| spans.first()).for_each(|span| {
        let (tracked, _) = slab::tracked(span);
        tracked.entries.store(core::ptr::null_mut(), Relaxed);
        tracked.renewed.store(0, Relaxed);
        tracked.taken.store(0, Relaxed);
    });
}

/// Begins one in `room`. The world is stopped.
/// # Safety
/// `room` is zeroed and nobody else's, as long as the result is used. [`forget`] was called since the last one.
pub unsafe fn begin(
    (room, bytes): (Addr, usize),
    world: &mut dyn World,
    disguised: bool,
    roots_most: usize,
) -> Result<&'static mut Tracked, Failed> {
    let mut arena = Arena::new(room, room.add(bytes));
    let no_memory = Failed::NoMemory;
    let at: *mut Tracked = arena.take(size_of::<Tracked>()).ok_or(no_memory)?.ptr();
    let roots = Kept::new(&mut arena, ROOTS).ok_or(no_memory)?;
    let mut ranges = Kept::new(&mut arena, RANGES).ok_or(no_memory)?;
    let mut huge = Kept::new(&mut arena, HUGE).ok_or(no_memory)?;
    let (mut low, mut fits) = (USER_END - 1, true);
    own::for_each(|lo, hi| {
        low = low.min(lo.0);
        // Its own room is not to be tracked.
        for (lo, hi) in [(lo, hi.min(room)), (lo.max(room.add(bytes)), hi)] {
            fits &= lo >= hi || ranges.push(Range { lo, hi, registered: false });
        }
    });
    // SAFETY: the world is stopped.
    unsafe {
        large::each_huge(|span| {
            let (lo, hi) = (span.base().0, span.base().0 + span.size.get());
            fits &= huge.push(HugeAt { lo, hi, span });
        });
    }
    if !fits {
        return Err(no_memory);
    }
    let near = Window::new(low, USER_END - 1);
    let places = slab::count() * 2 + (1 << 16);
    let mut marker = Marker::new(arena, places, near).ok_or(no_memory)?;
    marker.huge = huge.get();
    let new = Tracked { marker, roots, ranges, news: 0, near, protection: None, disguised, root_bytes: 0 };
    // SAFETY: room for it.
    let tracked: &'static mut Tracked = unsafe {
        at.write(new);
        &mut *at
    };
    all_open(world)?;
    tracked.keep_roots(world, roots_most)?;
    own::want_news(true);
    slab::RENEWING.store(true, SeqCst);
    Ok(tracked)
}

/// Whether every object can be read and written where it is. The world is stopped.
fn all_open(world: &mut dyn World) -> Result<(), Failed> {
    let mut open = true;
    let each: &mut Scan<'_> = &mut |lo, hi| {
        let mut at = lo.align_down(PAGE_SIZE);
        while at < hi && open {
            // SAFETY: the world is stopped.
            let span = map::lookup(at).or_else(|| unsafe { large::huge_at(at) });
            open = span.is_none_or(|span| matches!(span.kind(), kind::NONE | kind::KEPT));
            at = span.map_or(at.add(PAGE_SIZE), |span| span.limit().max(at.add(PAGE_SIZE)));
        }
    };
    world.protected(each).map_err(Failed::Abandoned)?;
    if open { Ok(()) } else { Err(Failed::Protected) }
}

impl Tracked {
    /// Keeps the words that lead to something.
    fn keep_roots(&mut self, world: &mut dyn World, most: usize) -> Result<(), Failed> {
        let (mut bytes, mut fits) = (0, true);
        let (near, roots) = (self.near, &mut self.roots);
        let keep: &mut Scan<'_> = &mut |lo, hi| {
            bytes += hi.0.saturating_sub(lo.0);
            let mut at = lo;
            while fits && bytes <= most && at.add(8) <= hi {
                // SAFETY: readable, by the contract of `World`.
                let word = unsafe { at.ptr::<usize>().read_unaligned() };
                // SAFETY: the world is stopped.
                let huge = || unsafe { large::huge_at(Addr(word)) }.is_some();
                if near.holds(word) && (map::lookup(Addr(word)).is_some() || huge()) {
                    fits = roots.push(word);
                }
                at = at.add(8);
            }
        };
        world.roots(keep).map_err(Failed::Abandoned)?;
        self.root_bytes = bytes;
        if fits && bytes <= most { Ok(()) } else { Err(Failed::Roots) }
    }

    /// The first part beside the program: an entry for each span that there is, everything is protected, and what the roots led to is marked.
    /// `pulse` is asked now and then; false ends it all.
    pub fn mark(&mut self, pulse: &mut dyn FnMut() -> bool) -> Result<(), Failed> {
        let refused = |_: Errno| Failed::Refused;
        self.marker.written = Some(Written::open().map_err(refused)?);
        self.protection = Some(Protection::open().map_err(refused)?);
        for spans in slab::Walk::begin() {
            for span in
                spans.iter().filter(|span| matches!(span.kind(), kind::SLOTS | kind::LARGE | kind::HUGE))
            {
                self.marker.entry_of(span);
            }
            self.go_on(pulse())?;
        }
        self.marker.walked = true;
        self.protect(&mut |_, _, _| (), pulse)?;
        let roots = self.roots.get();
        let lo = Addr::of(roots.as_ptr());
        self.marker.scan(lo, lo.add(size_of_val(roots)));
        let drained = self.marker.drain(pulse);
        self.go_on(drained)?;
        if self.disguised {
            self.guess(pulse)?;
        }
        Ok(())
    }

    fn go_on(&self, well: bool) -> Result<(), Failed> {
        if well && !self.marker.full { Ok(()) } else { Err(Failed::NoMemory) }
    }

    /// Registers what of the heap is not registered, and has the kernel protect what was written to: `each` is told of it.
    fn protect(
        &mut self,
        each: &mut dyn FnMut(&mut Marker, Addr, Addr),
        pulse: &mut dyn FnMut() -> bool,
    ) -> Result<(), Failed> {
        while let Some((lo, hi)) = own::news(self.news) {
            self.news += 1;
            self.ranges.push(Range { lo, hi, registered: false });
        }
        let Some(protection) = &self.protection else { return Err(Failed::Refused) };
        for range in self.ranges.get() {
            if !range.registered && has_spans(range.lo, range.hi) {
                range.registered = match protection.register(range.lo, range.hi) {
                    Ok(()) => true,
                    // What is not mapped as a whole just now reads as written.
                    Err(Errno(libc::EINVAL)) => false,
                    Err(_) => return Err(Failed::Refused),
                };
            }
            if range.registered {
                // Spans come in the chunks behind, too.
                let (low, high) =
                    (self.marker.heap.low, self.marker.heap.low.wrapping_add(self.marker.heap.reach));
                let is_first = self.marker.heap.reach == 0;
                let low = if is_first { range.lo.0 } else { low.min(range.lo.0) };
                let high = (range.hi.0 + BEHIND).max(if is_first { 0 } else { high });
                self.marker.heap = Window::new(low, high);
            }
            let mut at = range.lo;
            while range.registered && at < range.hi {
                let to = range.hi.min(at.add(STEP));
                let Some(written) = self.marker.written.take() else { return Err(Failed::Refused) };
                let marker = &mut self.marker;
                let told = rounds(&written, (at, to), Written::take, &mut |lo, hi| each(marker, lo, hi));
                self.marker.written = Some(written);
                told.map_err(|_| Failed::Refused)?;
                if !pulse() || self.marker.full {
                    return Err(Failed::NoMemory);
                }
                at = to;
            }
        }
        Ok(())
    }

    /// Reads once more what was written to since it was protected, and protects it anew. How many pages that was.
    pub fn round(&mut self, pulse: &mut dyn FnMut() -> bool) -> Result<usize, Failed> {
        let mut pages = 0;
        self.protect(
            &mut |marker, lo, hi| {
                pages += hi.since(lo) / PAGE_SIZE;
                again(marker, lo, hi);
            },
            pulse,
        )?;
        let drained = self.marker.drain(pulse);
        self.go_on(drained)?;
        Ok(pages)
    }

    /// Looks for pointers in disguise in all that is black. What turns black from now on is looked through when it is scanned.
    fn guess(&mut self, pulse: &mut dyn FnMut() -> bool) -> Result<(), Failed> {
        self.marker.guessing = true;
        for spans in slab::Walk::begin() {
            for span in spans {
                if let Some(entry) = self.marker.known(span) {
                    self.marker.guess_all(entry);
                }
            }
            self.go_on(pulse())?;
        }
        let drained = self.marker.drain(pulse);
        self.go_on(drained)
    }

    /// The last part of the marking. The world is stopped; nobody marks beside the program.
    pub fn finish(&mut self, world: &mut dyn World) -> Result<(), Failed> {
        all_open(world)?;
        self.marker.mode = Mode::Still;
        // The other one's descriptor is in a table of his.
        let others = self.marker.written.replace(Written::open().map_err(|_| Failed::Refused)?);
        let done = self.finish_still(world);
        self.marker.written = others;
        self.marker.mode = Mode::Beside;
        done
    }

    fn finish_still(&mut self, world: &mut dyn World) -> Result<(), Failed> {
        let marker = &mut self.marker;
        // What is huge and new may have been pointed into from where nobody looks again.
        // SAFETY: the world is stopped.
        unsafe {
            large::each_huge(|span| {
                let known = marker.known(span).is_some_and(|entry| !entry.newborn && entry.fits());
                if !known && let Some(entry) = marker.entry_of(span) {
                    marker.reach(entry, 0);
                }
            });
        }
        let (disguised, mut bytes) = (self.disguised, 0);
        let mut scan = |lo: Addr, hi: Addr| {
            bytes += hi.0.saturating_sub(lo.0);
            marker.scan(lo, hi);
            if disguised && lo < hi {
                marker.guess(lo, hi, None);
            }
        };
        world.roots(&mut scan).and_then(|()| world.beyond(&mut scan)).map_err(Failed::Abandoned)?;
        self.root_bytes = bytes;
        let stale = self.marker.stale.get();
        let lo = Addr::of(stale.as_ptr());
        self.marker.scan(lo, lo.add(size_of_val(stale)));
        special::each(state::IGNORED | state::COUNT, |s| {
            if let Some(entry) = self.marker.entry_of(s.object.span) {
                self.marker.reach(entry, s.object.index);
            }
        });
        let Some(written) = self.marker.written.take() else { return Err(Failed::Refused) };
        let (marker, mut told) = (&mut self.marker, Ok(()));
        let (mut low, others) = (usize::MAX, self.ranges.get());
        own::for_each(|lo, hi| {
            low = low.min(lo.0);
            // Tables are known from the walk over all ranges, and are not asked about.
            let is_table =
                others.iter().any(|r| !r.registered && r.lo == lo && r.hi == hi) && !has_spans(lo, hi);
            if told.is_ok() && !is_table {
                told = rounds(&written, (lo, hi), Written::look, &mut |lo, hi| again(marker, lo, hi));
            }
        });
        self.marker.written = Some(written);
        told.map_err(|_| Failed::Refused)?;
        let drained = self.marker.drain(&mut || true);
        self.go_on(drained)?;
        if low < self.near.low {
            return Err(Failed::Refused);
        }
        // SAFETY: the world is stopped.
        unsafe {
            bins::for_each_slot(|slot| self.strike(slot));
            quarantine::for_each_slot(|slot| self.strike(slot));
        }
        slab::TAKING.store(true, SeqCst);
        Ok(())
    }

    /// A slot in a bin is free: it holds nothing, and nothing is to be said of it.
    fn strike(&mut self, slot: Addr) {
        if let Some(entry) = map::lookup(slot).and_then(|span| self.marker.known(span))
            && !entry.is_large()
        {
            entry.claim(entry.index(slot.0));
        }
    }

    /// Whether what `marked` says is reachable is black; else calls `missed` with each object that is not. The world is stopped, since
    /// before [`Tracked::finish`].
    pub fn compare(&mut self, marked: &super::Marked, mut missed: impl FnMut(Object)) {
        marked.each_reachable(|object| {
            let entry = self.marker.known(object.span).filter(|entry| entry.fits());
            if entry.is_none_or(|entry| entry.is_white(object.index)) {
                missed(object);
            }
        });
    }
    /// Ends the process if it is not.
    pub fn check(&mut self, marked: &super::Marked) {
        self.compare(marked, |object| {
            let (at, size) = (object.addr(), object.size());
            fatal::die(format_args!(
                "internal error: checkmark: tracked marking missed the object at {at:?}, of {size} bytes"
            ));
        });
    }

    /// Writes what is unreachable to `room`, for [`findings::Aging`]: how many words that took, and what they tell of. Beside the
    /// program, after [`Tracked::finish`].
    pub fn tell(&mut self, room: &mut [u64]) -> Option<(usize, Sum)> {
        let (mut used, mut sum) = (0, Sum::default());
        for span in slab::Walk::begin().flatten() {
            let (tracked, number) = slab::tracked(span);
            let changed = || (tracked.renewed.load(SeqCst) | tracked.taken.load(SeqCst)) >> number & 1 != 0;
            let Some(entry) = self.marker.known(span).filter(|entry| !entry.newborn) else { continue };
            if changed() || (0..entry.words()).all(|at| entry.word(at).load(Relaxed) == 0) {
                continue;
            }
            let white = strip_free(entry);
            if changed() || white == 0 {
                continue;
            }
            used = findings::put(room, used, span, |at| entry.word(at).load(Relaxed))?;
            sum.add(white, entry.shape.size);
        }
        Some((used, sum))
    }

    /// Nothing is protected any more, and the room has no pages, but for this.
    pub fn end(&mut self, pulse: &mut dyn FnMut() -> bool) {
        if let Some(protection) = &self.protection {
            for range in self.ranges.get().iter().filter(|range| range.registered) {
                let mut at = range.lo;
                while at < range.hi && pulse() {
                    let to = range.hi.min(at.add(STEP));
                    let _ = protection.unregister(at, to);
                    at = to;
                }
            }
        }
    }

    /// Objects that are black.
    pub fn black(&self) -> usize {
        self.marker.black
    }
    /// Objects that only a pointer in disguise led to.
    pub fn guessed(&self) -> usize {
        self.marker.guessed
    }
}

/// Leaves those slots of `entry` white that were allocated all the time; how many these are.
fn strip_free(entry: &Entry) -> usize {
    let span = entry.span;
    let kind = span.kind();
    let extended = span.extended.get();
    let is_same = entry.fits()
        && match kind {
            kind::SLOTS => !entry.is_large() && span.flags.load(Relaxed) & flag::BROKEN == 0,
            kind::LARGE | kind::HUGE => entry.is_large(),
            _ => false,
        };
    if !is_same {
        return 0;
    }
    let mut count = 0;
    for at in 0..entry.words() {
        let word = entry.word(at);
        let (mut left, mut kept) = (word.load(Relaxed), 0);
        while left != 0 {
            let bit = left.trailing_zeros();
            left &= left - 1;
            let index = at as u32 * 64 + bit;
            // SAFETY: a slot of a span that was not renewed; who reads it dies of it if it is gone, by and by.
            if index < extended && !unsafe { entry.is_free(index) } {
                kept |= 1 << bit;
                count += 1;
            }
        }
        word.store(kept, Relaxed);
    }
    count
}

type Ask = fn(&Written, Addr, Addr, &mut [Region]) -> Result<(usize, Addr), Errno>;

/// `Written::each`, through an array that fits a small stack.
fn rounds(
    written: &Written,
    range: (Addr, Addr),
    ask: Ask,
    each: &mut dyn FnMut(Addr, Addr),
) -> Result<(), Errno> {
    written.each::<256>(range, ask, each)
}

/// Whether the heap has something in there.
fn has_spans(lo: Addr, hi: Addr) -> bool {
    let mut at = lo;
    while at < hi {
        if map::lookup(at).is_some() {
            return true;
        }
        at = map::after(at);
    }
    false
}

/// Reads what is black in `lo..hi`, whole pages, once more.
fn again(marker: &mut Marker, lo: Addr, hi: Addr) {
    let mut at = lo;
    while at < hi {
        let Some(entry) = marker.known_at(at) else {
            at = at.add(PAGE_SIZE);
            continue;
        };
        let (base, bytes) = (Addr(entry.shape.base), entry.shape.size * entry.shape.slots as usize);
        let end = hi.min(base.add(bytes).align_up(PAGE_SIZE)).max(at.add(PAGE_SIZE));
        let (from, to) = (at.max(base), end.min(base.add(bytes)));
        if from < to {
            let (first, last) = match entry.is_large() {
                true => (0, 0),
                false => (entry.index(from.0), entry.index(to.0 - 1)),
            };
            for index in first..=last {
                if entry.is_black(index) {
                    marker.object(entry, index, Some((from, to)));
                }
            }
        }
        at = end;
    }
}

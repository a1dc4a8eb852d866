//! Objects with pages of their own, and pages without access around them (`secure` levels 2 and 3).
//!
//! An object ends where its last page does, as far as its alignment allows: the next byte faults. To the heap such a span is one byte
//! larger than what can be written, so that the address behind the object is inside of it, as with all others.
//!
//! - A *large* one has a mapping of its own with a megabyte without access at either end. After its free it is `buried`.
//! - A *small* one has a cell: two pages of a region, of which the second has no access, nor has the first of a free cell. A request of
//!   no bytes gets the address between the two. Cells go round: one that was freed is the last to come again.
//!
//! The kernel counts mappings (65,530 a process), and a collection each range without access: there are limits.
//!
//! # Safety
//! A cell that is not in the ring belongs to the program, in the ring to the holder of the lock.
#![allow(unsafe_code)]
use super::large::{self, Object};
use super::secure;
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::{self, limit, own, thp};
use crate::pure::addr::{Addr, PAGE_SIZE, round_up};
use crate::spans::span::{flag, kind};
use crate::spans::{Span, map, slab};
use crate::sys::sandbox::{self, Need};
use crate::sys::vm;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Cells of a process.
const CELLS: usize = 4096;
/// At level 2, where only blocks of no bytes have any.
const FEW: usize = 512;
/// Of the free ones so many stay, to be the later to come again.
const REST: usize = 128;
/// Largest object in a cell.
pub const CELL_MAX: usize = PAGE_SIZE;
/// The first small objects of a process have cells, and then one of so many.
const FIRST: usize = 1024;
const ONE_OF: usize = 64;
/// Large objects with pages around them, and spans with one behind them.
const MOST_LARGE: usize = 2048;
const MOST_SPANS: usize = 2048;

/// Larger ones are ordinary.
const LARGEST: usize = 1 << 30;
/// Address space without access around a large object.
const AROUND: usize = (1 << 20) + PAGE_SIZE;

static SEEN: AtomicUsize = AtomicUsize::new(0);
static LARGE: AtomicUsize = AtomicUsize::new(0);
static SPANS: AtomicUsize = AtomicUsize::new(0);

/// Whether the next object is one of those that have pages of their own.
pub fn is_sample() -> bool {
    let seen = SEEN.fetch_add(1, Relaxed);
    seen < FIRST || seen.is_multiple_of(ONE_OF)
}

/// One more, unless there are `most`.
fn count(counter: &AtomicUsize, most: usize) -> bool {
    counter.fetch_update(Relaxed, Relaxed, |n| (n < most).then_some(n + 1)).is_ok()
}

/// The page behind a new span is to have no access. It is counted.
pub fn wants_page_behind() -> bool {
    secure::level() >= 2 && !sandbox::forbids(Need::Map) && count(&SPANS, MOST_SPANS)
}

/// Closes the page behind a span.
pub fn close_behind(page: Addr) {
    // SAFETY: a page of ours that nobody has.
    let _ = unsafe { vm::protect(page, PAGE_SIZE, libc::PROT_NONE) };
}

/// Opens it again; it goes back with its span.
pub fn open_behind(page: Addr) -> bool {
    SPANS.fetch_sub(1, Relaxed);
    // SAFETY: as above. Without the call the page is lost.
    !sandbox::forbids(Need::Map) && unsafe { vm::commit(page, PAGE_SIZE) }.is_ok()
}

/// Where an object of `n` bytes begins that is to end at `end`.
fn place(end: Addr, n: usize, align: usize) -> Addr {
    Addr((end.0 - n) & !(align.max(16) - 1))
}

/// An object in a mapping of its own with nothing around it, or `None`: then it is to be an ordinary one.
pub fn alloc_large(critical: &Critical, n: usize, align: usize) -> Option<Object> {
    if align > PAGE_SIZE || n > LARGEST || !count(&LARGE, MOST_LARGE) {
        return None;
    }
    let object = map_large(critical, n, align);
    if object.is_none() {
        LARGE.fetch_sub(1, Relaxed);
    }
    object
}

fn map_large(critical: &Critical, n: usize, align: usize) -> Option<Object> {
    let bytes = round_up(round_up(n.max(1), align.max(16)), PAGE_SIZE);
    let whole = bytes + 2 * AROUND;
    let span = slab::take(critical)?;
    if !limit::charge(critical, bytes / PAGE_SIZE) {
        slab::give(critical, span);
        return None;
    }
    let Ok(at) = vm::reserve(Addr::NULL, whole) else {
        limit::discharge(critical, bytes / PAGE_SIZE);
        slab::give(critical, span);
        return None;
    };
    own::add(at, at.add(whole));
    let (first, end) = (at.add(AROUND), at.add(AROUND + bytes));
    let base = place(end, n, align);
    span.init_large(base, bytes / PAGE_SIZE, end.since(base) + 1);
    span.flags.store(flag::OWN_MAPPING | flag::GUARDED, Relaxed);
    // SAFETY: reserved just now, for this object.
    let there = unsafe { vm::give_again(first, bytes) }.is_ok()
        && map::set(critical, first, 1, Some(span))
        && large::insert_huge(critical, base, span);
    if !there {
        let _ = map::set(critical, first, 1, None);
        unmap(critical, span);
        slab::give(critical, span);
        return None;
    }
    thp::object(first, bytes);
    Some(large::publish(span, true, kind::HUGE))
}

fn unmap(critical: &Critical, span: &Span) {
    limit::discharge(critical, span.pages.get() as usize);
    let bytes = span.pages.get() as usize * PAGE_SIZE + 2 * AROUND;
    let from = Addr(span.page_base().0 - AROUND);
    own::remove(from, from.add(bytes));
    // SAFETY: the object's own mapping; nobody has it any more.
    let _ = unsafe { vm::unmap(from, bytes) };
}

/// The mapping of a large one goes, with its pages around it. Nothing leads to it any more.
pub fn unmap_large(critical: &Critical, span: &Span) {
    LARGE.fetch_sub(1, Relaxed);
    unmap(critical, span);
}

/// The free cells, oldest first from `at` on, and where they all are.
pub struct Cells {
    first: Addr,
    all: usize,
    ring: [u16; CELLS],
    at: usize,
    free: usize,
    spans: [Option<&'static Span>; CELLS],
}

/// Public for fork, which holds it across.
pub static FREE_CELLS: Lock<Cells> = Lock::new(
    Rank::Cells,
    Cells { first: Addr(0), all: 0, ring: [0; CELLS], at: 0, free: 0, spans: [None; CELLS] },
);

impl Cells {
    /// Makes the region, once. False: there is none.
    fn begin(&mut self, critical: &Critical) -> bool {
        if self.first != Addr(0) {
            return self.all != 0;
        }
        self.first = Addr(PAGE_SIZE);
        let all = if secure::level() >= 3 { CELLS } else { FEW };
        let count = 2 * all + 1;
        let Some(run) = pages::alloc_aligned(critical, count, 1) else { return false };
        // SAFETY: pages that nobody has.
        if unsafe { vm::take_away(run.base, count * PAGE_SIZE) }.is_err() {
            pages::free(critical, run.base, count);
            return false;
        }
        (self.first, self.all, self.free) = (run.base.add(PAGE_SIZE), all, all);
        self.ring.iter_mut().enumerate().for_each(|(number, cell)| *cell = number as u16);
        true
    }
    fn take(&mut self, critical: &Critical) -> Option<(usize, &'static Span)> {
        if !self.begin(critical) || self.free <= REST {
            return None;
        }
        let cell = self.ring[self.at] as usize;
        let span = match self.spans[cell] {
            Some(span) => span,
            None => {
                let page = self.page(cell);
                let span = slab::take(critical)?;
                span.init_large(page, 1, 1);
                if !map::set(critical, page, 2, Some(span)) {
                    slab::give(critical, span);
                    return None;
                }
                span.publish(kind::KEPT);
                self.spans[cell] = Some(span);
                span
            }
        };
        (self.at, self.free) = ((self.at + 1) % self.all, self.free - 1);
        Some((cell, span))
    }
    fn page(&self, cell: usize) -> Addr {
        self.first.add(2 * cell * PAGE_SIZE)
    }
    fn put(&mut self, cell: usize) {
        let end = (self.at + self.free) % self.all;
        self.ring[end] = cell as u16;
        self.free += 1;
    }
}

/// An object of at most [`CELL_MAX`] bytes in a cell, or `None`: then it is to be an ordinary one.
pub fn alloc_small(critical: &Critical, n: usize, align: usize) -> Option<Object> {
    if n > CELL_MAX || align > PAGE_SIZE || sandbox::forbids(Need::Map) {
        return None;
    }
    let (page, cell, span) = {
        let mut cells = FREE_CELLS.lock(critical);
        let (cell, span) = cells.take(critical)?;
        (cells.page(cell), cell, span)
    };
    let end = page.add(PAGE_SIZE);
    let base = place(end, n, align);
    // SAFETY: the cell is ours.
    if n != 0 && unsafe { vm::commit(page, PAGE_SIZE) }.is_err() {
        FREE_CELLS.lock(critical).put(cell);
        return None;
    }
    span.init_large(base, 1, end.since(base) + 1);
    span.flags.store(flag::CELL | flag::GUARDED, Relaxed);
    Some(large::publish(span, true, kind::LARGE))
}

/// A cell is free. It stays in the map: who frees it again is told.
pub fn free_small(critical: &Critical, span: &'static Span) {
    let empty = span.size.get() == 1;
    let page = if empty { Addr(span.base().0 - PAGE_SIZE) } else { span.page_base() };
    span.extended.set(0);
    span.publish(kind::KEPT);
    // SAFETY: nobody has the object any more.
    if !empty && unsafe { vm::take_away(page, PAGE_SIZE) }.is_err() {
        // SAFETY: as above. It is cleared, at least.
        unsafe { page.ptr::<u8>().write_bytes(0, PAGE_SIZE) };
    }
    let mut cells = FREE_CELLS.lock(critical);
    let cell = page.since(cells.first) / (2 * PAGE_SIZE);
    cells.put(cell);
}

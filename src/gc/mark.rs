//! Phase 2: marking.
//!
//! Depth-first with a short queue in front of the stack: an object that comes off the stack is
//! prefetched and waits in the queue while the ones before it are scanned, so that several
//! cache misses are under way at once. For each word: two comparisons reject what points
//! nowhere near the heap ([`filter`] does it for eight words); then span map, reciprocal, and,
//! some pointers later, one test of the white bit, which was prefetched meanwhile.
//!
//! Large objects (and those in protected pages) wait on a stack of their own, because
//! `World::large` reads them, and cannot be called from within `World::roots`.
//!
//! When a stack is full, the object is marked but not pushed. Once all else is done, every
//! marked object of the heap is scanned again. Each such pass marks something new or is
//! the last, so this ends.
//!
//! # Safety
//! The world is stopped, so allocated slots are mapped memory that nobody unmaps. Should a
//! device or the kernel still write to it, any word may be read, and any word will do. Bits are inside their span's words: an index comes from
//! the reciprocal of an address inside the span, or is 0.
#![allow(unsafe_code)]
use super::bits::{Bits, words};
use super::checkmark::Checker;
use super::filter::{self, BLOCK, Window};
use super::object::{self, Colour, Object};
use super::protected::Protected;
use super::stack::{Entry, Stack};
use super::{Abandon, Found, Settings, World};
use crate::ground::critical::Critical;
use crate::heap::large;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::spans::span::flag;
use crate::spans::{Span, map, slab};
use core::sync::atomic::Ordering;

/// Objects above this are read through `World::large`: asking which pages are present costs
/// about as much as reading this many bytes.
const DIRECT_MAX: usize = 32 * PAGE_SIZE;
/// Roots are scanned in steps, each followed by what it leads to.
const STEP: usize = 4 * PAGE_SIZE;
/// Objects being prefetched (a power of two).
const AHEAD: usize = 16;
/// Pointers whose white bits are being prefetched (a power of two).
const PENDING: usize = 32;
const _: () = assert!(AHEAD.is_power_of_two() && PENDING.is_power_of_two());
/// Ranges from this size on go through the filter, bytes.
const FILTERED: usize = 4 * BLOCK;

struct Marker<'a> {
    /// Where slots and page-allocator objects are; where huge objects are.
    heap: Window,
    huge: Window,
    stack: Stack,
    later: Stack,
    queue: [Entry; AHEAD],
    queue_first: usize,
    queue_len: usize,
    pending: [(Option<&'static Span>, u32); PENDING],
    pending_first: usize,
    pending_len: usize,
    filter: bool,
    overflow: bool,
    unpadded: bool,
    protected: &'a Protected,
    found: Found,
}

/// Marks everything that `world`'s roots lead to.
pub fn run(
    critical: &Critical,
    world: &mut dyn World,
    settings: &Settings,
    bits: &Bits,
    protected: &Protected,
) -> Result<Found, Abandon> {
    let entries = bits.allocated.objects.min(settings.stack_entries);
    let stack = Stack::new(critical, entries).ok_or(Abandon::NoMemory)?;
    let larges = if protected.as_slice().is_empty() { bits.large } else { bits.allocated.objects };
    let Some(later) = Stack::new(critical, larges.min(settings.stack_entries)) else {
        stack.end(critical);
        return Err(Abandon::NoMemory);
    };
    let mut checker = if settings.checkmark { Checker::new(critical, bits) } else { None };
    let mut marker = Marker::new(stack, later, bits, protected);
    let mut done = world.roots(&mut |lo, hi| {
        marker.roots(lo, hi);
        if let Some(checker) = &mut checker {
            checker.scan(lo, hi);
        }
    });
    done = done.and_then(|()| marker.finish(world));
    if let Some(mut checker) = checker {
        done = done.and_then(|()| checker.finish(world, protected));
        checker_end(checker, critical, done.is_ok());
    }
    let Marker { stack, later, mut found, .. } = marker;
    stack.end(critical);
    later.end(critical);
    done?;
    found.allocated = bits.allocated;
    found.broken_lists = bits.broken_lists;
    slab::for_each(|span| found.unreachable.add(left_white(span), span.size.get()));
    Ok(found)
}

/// How many objects of `span` stay white. None do where the free lists made no sense: among the
/// slots that count as allocated are free ones.
fn left_white(span: &'static Span) -> usize {
    if span.flags.load(Ordering::Relaxed) & flag::BROKEN != 0 {
        object::blacken(span);
    }
    (0..words(span)).map(|at| object::word(span, at, Colour::White).count_ones() as usize).sum()
}

fn checker_end(checker: Checker, critical: &Critical, complete: bool) {
    if complete {
        checker.compare();
    }
    checker.end(critical);
}

impl<'a> Marker<'a> {
    fn new(stack: Stack, later: Stack, bits: &Bits, protected: &'a Protected) -> Marker<'a> {
        // SAFETY: the world is stopped.
        let (huge_low, huge_high) = unsafe { large::huge_bounds() };
        Marker {
            heap: Window::new(bits.low.0, bits.high.0),
            huge: Window::new(huge_low.0, huge_high.0),
            stack,
            later,
            queue: [Entry { lo: Addr::NULL, bytes: 0 }; AHEAD],
            queue_first: 0,
            queue_len: 0,
            pending: [(None, 0); PENDING],
            pending_first: 0,
            pending_len: 0,
            filter: filter::available(),
            overflow: false,
            unpadded: bits.unpadded,
            protected,
            found: Found::default(),
        }
    }

    fn roots(&mut self, lo: Addr, hi: Addr) {
        self.found.root_bytes += hi.0.saturating_sub(lo.0);
        self.scan_in_steps(lo, hi);
    }

    fn scan_in_steps(&mut self, lo: Addr, hi: Addr) {
        let mut at = lo;
        while at < hi {
            let end = hi.min(at.add(STEP));
            self.scan(at, end);
            self.drain();
            at = end;
        }
    }

    /// Scans until nothing is left to scan.
    fn finish(&mut self, world: &mut dyn World) -> Result<(), Abandon> {
        loop {
            self.drain();
            if let Some(entry) = self.later.pop() {
                world.large(entry.lo, entry.lo.add(entry.bytes), &mut |lo, hi| self.scan_in_steps(lo, hi))?;
            } else if self.overflow {
                self.overflow = false;
                self.found.overflows += 1;
                self.scan_marked_again(world)?;
            } else {
                return Ok(());
            }
        }
    }

    fn scan_marked_again(&mut self, world: &mut dyn World) -> Result<(), Abandon> {
        let mut done = Ok(());
        slab::for_each(|span| {
            object::each_of(span, Colour::Black, &mut |object: Object| {
                let (lo, bytes) = (object.addr(), object.size());
                if done.is_err() {
                } else if self.is_for_world(lo, bytes) {
                    done = world.large(lo, lo.add(bytes), &mut |lo, hi| self.scan_in_steps(lo, hi));
                } else {
                    self.scan(lo, lo.add(bytes));
                    self.drain();
                }
            });
        });
        done
    }

    /// Scans what is on the stack, and what that leads to.
    fn drain(&mut self) {
        loop {
            while self.queue_len < AHEAD {
                let Some(entry) = self.stack.pop() else { break };
                prefetch(entry.lo);
                self.queue[(self.queue_first + self.queue_len) % AHEAD] = entry;
                self.queue_len += 1;
            }
            if self.queue_len == 0 {
                if self.pending_len == 0 {
                    return;
                }
                while self.pending_len != 0 {
                    self.settle_oldest();
                }
                continue;
            }
            let entry = self.queue[self.queue_first];
            self.queue_first = (self.queue_first + 1) % AHEAD;
            self.queue_len -= 1;
            self.scan(entry.lo, entry.lo.add(entry.bytes));
        }
    }

    #[inline(always)]
    fn scan(&mut self, lo: Addr, hi: Addr) {
        if self.filter && hi.since(lo) >= FILTERED {
            return self.scan_filtered(lo, hi);
        }
        self.scan_each(lo, hi);
    }

    #[inline(always)]
    fn scan_each(&mut self, lo: Addr, hi: Addr) {
        let mut at = lo.0;
        while at + 8 <= hi.0 {
            // SAFETY: allocated memory of the heap, or a readable range by `World`'s contract.
            let word = unsafe { Addr(at).ptr::<usize>().read_unaligned() };
            if self.heap.holds(word) {
                self.heap_word(word);
            } else if self.huge.holds(word) {
                self.huge_word(word);
            }
            at += 8;
        }
    }

    #[inline(never)]
    fn scan_filtered(&mut self, lo: Addr, hi: Addr) {
        let end = lo.add(hi.since(lo) / BLOCK * BLOCK);
        let mut at = lo.0;
        // SAFETY: as for `scan_each`; the filter is available.
        while let Some((block, mut mask)) = unsafe { filter::next_hit(at, end.0, self.heap, self.huge) } {
            while mask != 0 {
                let word = Addr(block + mask.trailing_zeros() as usize * 8);
                mask &= mask - 1;
                self.scan_each(word, word.add(8));
            }
            at = block + BLOCK;
        }
        self.scan_each(end, hi);
    }

    #[inline(always)]
    fn heap_word(&mut self, word: usize) {
        match map::lookup(Addr(word)) {
            Some(span) => self.look_later(span, span.index(Addr(word))),
            None if self.huge.holds(word) => self.huge_word(word),
            None => {}
        }
        if self.unpadded {
            self.slot_before(word);
        }
    }

    /// Begins to fetch the white bit of slot `index`, and looks at those that were begun earlier.
    /// A test that waits for memory is a branch that the processor guesses wrongly half of the time.
    #[inline(always)]
    fn look_later(&mut self, span: &'static Span, index: u32) {
        // SAFETY: see the chapter above.
        prefetch(Addr::of(unsafe { span.white_bits.get().add(index as usize / 64) }));
        if self.pending_len == PENDING {
            self.settle_oldest();
        }
        self.pending[(self.pending_first + self.pending_len) % PENDING] = (Some(span), index);
        self.pending_len += 1;
    }

    #[inline(always)]
    fn settle_oldest(&mut self) {
        let (span, index) = self.pending[self.pending_first];
        self.pending_first = (self.pending_first + 1) % PENDING;
        self.pending_len -= 1;
        if let Some(span) = span {
            self.reach(span, index);
        }
    }

    #[cold]
    fn huge_word(&mut self, word: usize) {
        // SAFETY: the world is stopped.
        if let Some(span) = unsafe { large::huge_at(Addr(word)) } {
            self.reach(span, 0);
        }
    }

    /// A pointer to a slot's first byte may be one past the end of the slot before it.
    #[inline(never)]
    fn slot_before(&mut self, word: usize) {
        let last = Addr(word.wrapping_sub(1));
        if let Some(span) = map::lookup(last)
            && span.flags.load(Ordering::Relaxed) & flag::UNPADDED != 0
        {
            let index = span.index(last);
            if span.slot(index).add(span.size.get()) == Addr(word) {
                self.reach(span, index);
            }
        }
    }

    /// Marks slot `index` of `span`, if it is white.
    #[inline(always)]
    fn reach(&mut self, span: &'static Span, index: u32) {
        let mask = 1u64 << (index % 64);
        // SAFETY: see the chapter above.
        unsafe {
            let word = span.white_bits.get().add(index as usize / 64);
            if *word & mask == 0 {
                return;
            }
            *word &= !mask;
        }
        let entry = Entry { lo: span.slot(index), bytes: span.size.get() };
        let stack = if self.is_for_world(entry.lo, entry.bytes) { &mut self.later } else { &mut self.stack };
        if !stack.push(entry) {
            self.overflow = true;
        }
    }

    #[inline(always)]
    fn is_for_world(&self, lo: Addr, bytes: usize) -> bool {
        bytes > DIRECT_MAX || self.protected.touches(lo, lo.add(bytes))
    }
}

#[inline(always)]
fn prefetch(at: Addr) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint; it never faults.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.ptr::<i8>()) };
}

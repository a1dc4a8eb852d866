//! Phase 2: marking, by spans.
//!
//! A marked object is not scanned at once: it turns *grey*, and its span waits in a [`Queue`], first come,
//! first served. While it waits, more of its objects turn grey; then they are scanned together, in the order
//! of their addresses. So memory is read mostly forward, a span's descriptor and bits are met once for many
//! objects, and the queue has a place for each span, so nothing can overflow. (The idea is that of Go 1.25's
//! "green tea".) A span with one grey object has its index in the header word, so that a list costs no walk
//! over bits; and where nothing else waits, not even that way ([`chain`]).
//!
//! Words that point near the heap ([`filter`], or a comparison without a branch) are gathered
//! in a *batch*. A full batch is worked off in loops, each of which does one step for all words: map →
//! span, span → bit, bit → was it white? Steps of different words do not wait for each
//! other, so the processor has many cache misses under way, and there is nothing to guess until
//! the few that were white are known.
//!
//! Large objects (and those in protected pages) wait in a queue of their own, because
//! `World::large` reads them, and cannot be called from within `World::roots`.
//!
//! # Safety
//! The world is stopped, so allocated slots are mapped memory that nobody unmaps. Should a device or the
//! kernel still write to it, any word may be read, and any word will do. Bits are inside their span's words:
//! an index comes from the reciprocal of an address inside the span, or is 0. A batch's lengths never exceed
//! its arrays: see [`Batch`].
#![allow(unsafe_code)]
mod chain;
mod crew;
mod scan;
mod team;
mod trail;

use super::bits::{self, Bits, words};
use super::chance::Sampler;
use super::checkmark::Checker;
use super::filter::{self, Level, Window};
use super::object::{self, Colour};
use super::protected::Protected;
use super::queue::Queue;
use super::{Abandon, Found, Settings, World, disguise, special};
use crate::adopted::{self, View};
use crate::ground::critical::Critical;
use crate::heap::large;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::spans::span::flag;
use crate::spans::{Span, map, slab};
use core::mem::{MaybeUninit, take};
use core::sync::atomic::{AtomicU64, Ordering};
use crew::Crew;
use team::Team;

/// Objects above this are read through `World::large`: asking which pages are present costs
/// about as much as reading this many bytes.
const DIRECT_MAX: usize = 32 * PAGE_SIZE;
/// Words of a full batch.
const BATCH: usize = 256;
/// Words that are looked at between two questions whether the batch has room for them.
const CHUNK: usize = 64;

/// Words that passed the windows. `len <= BATCH`; whoever adds up to `CHUNK` words asks first.
struct Batch {
    len: usize,
    words: [MaybeUninit<usize>; BATCH],
}

impl Batch {
    fn new() -> Batch {
        Batch { len: 0, words: [const { MaybeUninit::uninit() }; BATCH] }
    }
}

/// What a word of the batch leads to.
#[derive(Clone, Copy)]
struct Target {
    span: &'static Span,
    index: u32,
}

pub(super) struct Marker<'a> {
    /// Where objects are, of any sort: one comparison for each word. Where huge ones are.
    near: Window,
    huge: Window,
    batch: Batch,
    queue: Queue,
    later: Queue,
    level: Level,
    unpadded: bool,
    protected: &'a Protected,
    /// Adopted ranges, if there are any: one question for each batch.
    pub(super) adopted: Option<View>,
    sampler: Sampler,
    found: Found,
    /// Who can be called to help, and from how many waiting spans on that is worth it.
    crew: Option<Crew<'a>>,
    help_from: usize,
    /// Others mark at the same time.
    team: Option<&'a Team>,
}

/// Marks everything that `world`'s roots lead to.
pub fn run<'a>(
    critical: &'a Critical,
    world: &mut dyn World,
    settings: &Settings,
    bits: &Bits,
    protected: &'a Protected,
) -> Result<Found, Abandon> {
    let queue = Queue::new(critical, bits.spans).ok_or(Abandon::NoMemory)?;
    let larges = if protected.as_slice().is_empty() { bits.large } else { bits.spans };
    let Some(later) = Queue::new(critical, larges) else {
        queue.end(critical);
        return Err(Abandon::NoMemory);
    };
    let mut checker = if settings.checkmark { Checker::new(critical, bits) } else { None };
    let mut marker = Marker::new(queue, later, bits, protected);
    marker.may_call(critical, settings, bits);
    let mut done = world.roots(&mut |lo, hi| root(&mut marker, &mut checker, lo, hi));
    done = done.and_then(|()| marker.finish(world));
    if done.is_ok() && disguise::due(marker.adopted.as_ref()).is_some() {
        done = world.beyond(&mut |lo, hi| root(&mut marker, &mut checker, lo, hi));
        done = done.and_then(|()| marker.finish(world));
    }
    done = done.and_then(|()| {
        marker.found.pinned = special::mark(&mut marker, &mut checker, world)?;
        Ok(())
    });
    if let Some(mut checker) = checker {
        done = done.and_then(|()| checker.finish(world, protected));
        checker_end(checker, critical, done.is_ok(), marker.adopted.as_ref());
    }
    if settings.disguised
        && done.is_ok()
        && let Some(window) = disguise::due(marker.adopted.as_ref())
    {
        match disguise::look(&mut marker, world, window) {
            Ok(disguised) => marker.found.disguised = disguised,
            Err(abandon) => done = Err(abandon),
        }
    }
    done = done.and_then(|()| marker.keep_arguments(world));
    let Marker { queue, later, mut found, sampler, crew, .. } = marker;
    queue.end(critical);
    later.end(critical);
    if let Some(crew) = crew {
        (found.helpers, found.helpers_ns) = crew.end();
    }
    done?;
    found.allocated = bits.allocated;
    found.broken_lists = bits.broken_lists;
    found.chance = sampler.estimate();
    slab::for_each(|span| found.unreachable.add(left_white(span), span.size.get()));
    Ok(found)
}

fn root(marker: &mut Marker<'_>, checker: &mut Option<Checker>, lo: Addr, hi: Addr) {
    marker.roots(lo, hi);
    if let Some(checker) = checker {
        checker.scan(lo, hi);
    }
}

/// How many objects of `span` stay white. None do where the free lists made no sense: among the
/// slots that count as allocated are free ones.
fn left_white(span: &'static Span) -> usize {
    if span.flags.load(Ordering::Relaxed) & flag::BROKEN != 0 {
        object::blacken(span);
    }
    (0..words(span)).map(|at| object::word(span, at, Colour::White).count_ones() as usize).sum()
}

fn checker_end(checker: Checker, critical: &Critical, complete: bool, adopted: Option<&View>) {
    if complete {
        checker.compare(adopted);
    }
    checker.end(critical);
}

impl<'a> Marker<'a> {
    fn new(queue: Queue, later: Queue, bits: &Bits, protected: &'a Protected) -> Marker<'a> {
        // SAFETY: the world is stopped.
        let (huge_low, huge_high) = unsafe { large::huge_bounds() };
        let (mut low, mut high) = (bits.low.0, bits.high.0);
        if huge_low < huge_high {
            (low, high) = (low.min(huge_low.0), high.max(huge_high.0));
        }
        let adopted = View::marker();
        if let Some((first, last)) = adopted.as_ref().map(View::bounds) {
            (low, high) = if low < high { (low.min(first), high.max(last)) } else { (first, last) };
        }
        Marker {
            near: Window::new(low, high),
            huge: Window::new(huge_low.0, huge_high.0),
            batch: Batch::new(),
            queue,
            later,
            level: filter::level(),
            unpadded: bits.unpadded,
            protected,
            adopted,
            sampler: Sampler::new(bits),
            found: Found::default(),
            crew: None,
            help_from: usize::MAX,
            team: None,
        }
    }

    fn roots(&mut self, lo: Addr, hi: Addr) {
        self.found.root_bytes += hi.0.saturating_sub(lo.0);
        self.sampler.look(lo, hi);
        self.scan_given(lo, hi);
    }

    /// What the world gives may be empty, or shorter than a word.
    fn scan_given(&mut self, lo: Addr, hi: Addr) {
        if lo < hi {
            self.scan(lo, hi);
        }
    }

    /// Scans until nothing is left to scan.
    pub(super) fn finish(&mut self, world: &mut dyn World) -> Result<(), Abandon> {
        loop {
            self.drain();
            let Some(span) = self.later.pop() else {
                match self.adopted.as_ref().and_then(View::next) {
                    Some((lo, hi)) => world.adopted(lo, hi, &mut |lo, hi| self.scan_given(lo, hi))?,
                    None => return Ok(()),
                }
                continue;
            };
            let mut done = Ok(());
            // SAFETY: the world is stopped; a span from the queue has its bits.
            unsafe {
                bits::each_grey(span, |index| {
                    let (lo, hi) = range(span, index);
                    if done.is_err() {
                    } else if self.is_for_world(lo, hi) {
                        done = world.large(lo, hi, &mut |lo, hi| self.scan_given(lo, hi));
                    } else {
                        self.scan(lo, hi);
                    }
                });
            }
            done?;
        }
    }

    /// Whether an object is read through `World::large`.
    #[inline(always)]
    pub(super) fn is_for_world(&self, lo: Addr, hi: Addr) -> bool {
        hi.since(lo) > DIRECT_MAX || self.protected.touches(lo, hi)
    }

    /// Afterwards `CHUNK` words fit, and one that is written and not kept.
    #[inline(always)]
    fn make_room(&mut self) {
        if self.batch.len + CHUNK >= BATCH {
            self.flush();
        }
    }

    /// Marks what the words of the batch point to.
    #[inline(never)]
    fn flush(&mut self) {
        let mut targets = [const { MaybeUninit::<Target>::uninit() }; BATCH];
        let found = self.find_spans(&mut targets);
        let targets = &mut targets[..found];
        let mut bits_of = [const { MaybeUninit::<(&AtomicU64, u32)>::uninit() }; BATCH];
        for (target, bit) in targets.iter().zip(&mut bits_of) {
            // SAFETY: written by `find_spans`; a span that is found has its bits.
            let (target, white) = unsafe {
                let target = target.assume_init_ref();
                (target, white_word(target.span, target.index))
            };
            prefetch(Addr::of(white));
            bit.write((white, target.index % 64));
        }
        if self.team.is_some() {
            self.claim_all::<true>(targets, &bits_of[..found]);
        } else {
            self.claim_all::<false>(targets, &bits_of[..found]);
        }
    }

    /// Those of the targets that are white turn grey.
    #[inline(always)]
    fn claim_all<const SHARED: bool>(
        &mut self,
        targets: &[MaybeUninit<Target>],
        bits_of: &[MaybeUninit<(&AtomicU64, u32)>],
    ) {
        let mut fresh = [const { MaybeUninit::<u16>::uninit() }; BATCH];
        let mut count = 0;
        for (i, bit) in bits_of.iter().enumerate() {
            // SAFETY: both slices are written, and not longer than a batch; count <= i.
            unsafe {
                let (white, shift) = bit.assume_init();
                let word = white.load(Ordering::Relaxed);
                if !SHARED {
                    white.store(word & !(1 << shift), Ordering::Relaxed);
                }
                fresh.get_unchecked_mut(count).write(i as u16);
                count += (word >> shift & 1) as usize;
            }
        }
        if SHARED {
            // Locked operations wait for their memory.
            for i in &fresh[..count] {
                // SAFETY: as below.
                unsafe {
                    let Target { span, .. } = targets[i.assume_init() as usize].assume_init();
                    let (white, _) = bits_of[i.assume_init() as usize].assume_init();
                    prefetch(Addr::of(white).add(bits::words(span) * 8));
                    prefetch(bits::header(span));
                }
            }
        }
        for i in &fresh[..count] {
            // SAFETY: written above; each is below the slices' length.
            let Target { span, index } = unsafe { targets[i.assume_init() as usize].assume_init() };
            // Another may have been faster, and a word may be among them twice.
            if !SHARED || claim::<true>(span, index) {
                self.shade::<SHARED>(span, index);
            }
        }
    }

    /// The spans and slots that the words point to. Empties the batch.
    #[inline(always)]
    fn find_spans(&mut self, targets: &mut [MaybeUninit<Target>; BATCH]) -> usize {
        let len = take(&mut self.batch.len);
        let mut found = 0;
        for i in 0..len {
            // SAFETY: a word below the batch's length was written.
            let word = unsafe { self.batch.words[i].assume_init() };
            match map::lookup(Addr(word)) {
                Some(span) => {
                    targets[found].write(Target { span, index: span.index(Addr(word)) });
                    found += 1;
                }
                None if self.huge.holds(word) => self.huge_word(word),
                None => {}
            }
        }
        if self.unpadded {
            for i in 0..len {
                // SAFETY: as above.
                self.slot_before(unsafe { self.batch.words[i].assume_init() });
            }
        }
        if let Some(adopted) = &self.adopted {
            for word in &self.batch.words[..len] {
                // SAFETY: as above.
                let word = unsafe { word.assume_init() };
                if map::lookup(Addr(word)).is_none() {
                    adopted.reach(word);
                }
            }
        }
        found
    }

    /// Who died is decided; what the cleanups of adopted ranges are told of by their argument stays. That
    /// leads back to none of the dead.
    fn keep_arguments(&mut self, world: &mut dyn World) -> Result<(), Abandon> {
        let Some(view) = &self.adopted else { return Ok(()) };
        adopted::after_marking(view);
        adopted::each_argument(&mut |argument| {
            if let Some(object) = object::at(argument) {
                self.reach(object.span, object.index);
            }
        });
        self.finish(world)
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
    pub(super) fn reach(&mut self, span: &'static Span, index: u32) {
        if self.team.is_some() {
            self.reach_as::<true>(span, index);
        } else {
            self.reach_as::<false>(span, index);
        }
    }
    fn reach_as<const SHARED: bool>(&mut self, span: &'static Span, index: u32) {
        if claim::<SHARED>(span, index) {
            self.shade::<SHARED>(span, index);
        }
    }

    /// Slot `index` was white: it is to be scanned.
    #[inline(always)]
    fn shade<const SHARED: bool>(&mut self, span: &'static Span, index: u32) {
        // SAFETY: the world is stopped; a span with a white slot has its bits.
        if unsafe { bits::add_grey::<SHARED>(span, index) } {
            let later = span.size.get() > DIRECT_MAX || self.protected.touches(span.base(), span.limit());
            if later { &mut self.later } else { &mut self.queue }.push(span);
        }
    }
}

/// The word that has the white bit of slot `index`.
/// # Safety
/// See the chapter above: a slot of the span, which has its bits.
#[inline(always)]
unsafe fn white_word(span: &'static Span, index: u32) -> &'static AtomicU64 {
    // SAFETY: the caller's promise. The bits outlive the markers.
    unsafe { AtomicU64::from_ptr(span.white_bits.get().add(index as usize / 64)) }
}

/// Whether slot `index` of `span` was white, which it is no more. `SHARED`: others ask, too, and one is told so.
#[inline(always)]
fn claim<const SHARED: bool>(span: &'static Span, index: u32) -> bool {
    let mask = 1u64 << (index % 64);
    // SAFETY: see the chapter above.
    let word = unsafe { white_word(span, index) };
    let white = word.load(Ordering::Relaxed);
    if !SHARED {
        word.store(white & !mask, Ordering::Relaxed);
        return white & mask != 0;
    }
    white & mask != 0 && word.fetch_and(!mask, Ordering::Relaxed) & mask != 0
}

fn range(span: &'static Span, index: u32) -> (Addr, Addr) {
    let lo = span.slot(index);
    (lo, lo.add(span.size.get()))
}

#[inline(always)]
pub fn prefetch(at: Addr) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint; it never faults.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.ptr::<i8>()) };
}

//! Where span descriptors live: slabs in metadata, reused, never unmapped, all of them listed.
//!
//! The collector walks every descriptor through [`for_each`]; a descriptor whose `kind` is NONE
//! is free. Slab growth is the only time that this module asks for memory.
//!
//! # Safety
//! A slab is zeroed metadata, and an all-zero `Span` is a valid free one. Slabs are linked in
//! before use and never go away.
#![allow(unsafe_code)]
use super::Span;
use super::span::kind;
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::metadata;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

/// Descriptors a slab: with its one-descriptor head, 8 KiB.
pub const PER_SLAB: usize = 63;

/// A slab stands at a multiple of its size, so that a descriptor leads to it.
#[repr(C, align(8192))]
struct Slab {
    next: AtomicPtr<Slab>,
    /// [`Extras`] of its descriptors, once one of them has any.
    extras: AtomicPtr<Extras>,
    tracked: Tracked,
    spans: [Span; PER_SLAB],
}
const _: () = assert!(size_of::<Slab>() == align_of::<Slab>() && PER_SLAB < u64::BITS as usize);
const _: () = assert!(core::mem::offset_of!(Slab, spans) == size_of::<Span>());

/// For each descriptor of a slab a word that `heap::special` uses: there is no room in the descriptor.
pub struct Extras([AtomicPtr<u64>; PER_SLAB]);

/// What a collection that marks beside the program (`gc::tracked`) keeps for the descriptors of a slab.
pub struct Tracked {
    /// One for each descriptor, of a type of its own.
    pub entries: AtomicPtr<()>,
    /// A bit for each that may have become another span, or have changed its shape, since the collection began.
    pub renewed: AtomicU64,
    /// A bit for each that has handed out slots since all was marked.
    pub taken: AtomicU64,
}
/// Whether `renewed`, and `taken`, are kept. Changed while the world is stopped, but for an end.
pub static RENEWING: AtomicBool = AtomicBool::new(false);
pub static TAKING: AtomicBool = AtomicBool::new(false);

/// Of the slab of `span`, which must be a descriptor of one, and which of its descriptors that is.
#[inline(always)]
pub fn tracked(span: &Span) -> (&'static Tracked, usize) {
    let (slab, number) = home(span);
    (&slab.tracked, number)
}

/// The slab of `span`, which must be a descriptor of one, and which of its descriptors that is.
#[inline(always)]
fn home(span: &Span) -> (&'static Slab, usize) {
    let at = span as *const Span as usize;
    // SAFETY: descriptors live in slabs only, which stand at multiples of their size and stay.
    let slab: &'static Slab = unsafe { &*((at & !(size_of::<Slab>() - 1)) as *const Slab) };
    (slab, (at - slab.spans.as_ptr() as usize) / size_of::<Span>())
}

/// `span` is about to become another one, or to change its shape.
#[inline(always)]
pub fn renew(span: &Span) {
    if RENEWING.load(Ordering::Relaxed) {
        let (tracked, number) = tracked(span);
        tracked.renewed.fetch_or(1 << number, Ordering::SeqCst);
    }
}

/// Slots of `span` are about to be handed out.
#[inline(always)]
pub fn taking(span: &Span) {
    if TAKING.load(Ordering::Relaxed) {
        let (tracked, number) = tracked(span);
        tracked.taken.fetch_or(1 << number, Ordering::SeqCst);
    }
}

/// The word of `span`, a descriptor of a slab, or `None` while its slab has none.
#[inline(always)]
pub fn extra(span: &'static Span) -> Option<&'static AtomicPtr<u64>> {
    let (slab, number) = home(span);
    // SAFETY: extras are zeroed metadata, for ever.
    let extras = unsafe { slab.extras.load(Ordering::Acquire).as_ref() }?;
    Some(&extras.0[number])
}

/// [`extra`], made if there is none. `None`: no memory.
pub fn make_extra(critical: &Critical, span: &'static Span) -> Option<&'static AtomicPtr<u64>> {
    if extra(span).is_none() {
        let fresh: *mut Extras = metadata::alloc(critical, size_of::<Extras>(), 8)?.ptr();
        // Who comes second leaves its own unused.
        let word = &home(span).0.extras;
        let _ = word.compare_exchange(core::ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire);
    }
    extra(span)
}

/// The free descriptors, linked through `next`.
pub struct Free {
    first: *const Span,
}
// SAFETY: the pointers lead to `Sync` descriptors.
unsafe impl Send for Free {}

/// Public for fork, which holds it across.
pub static FREE: Lock<Free> = Lock::new(Rank::Spans, Free { first: core::ptr::null() });
static SLABS: AtomicPtr<Slab> = AtomicPtr::new(core::ptr::null_mut());

/// A free descriptor, or `None` if there is no memory.
pub fn take(critical: &Critical) -> Option<&'static Span> {
    let mut free = FREE.lock(critical);
    if free.first.is_null() {
        let slab: *mut Slab = metadata::alloc(critical, size_of::<Slab>(), align_of::<Slab>())?.ptr();
        // SAFETY: fresh zeroed memory of the right size and alignment, ours for ever.
        let slab: &'static Slab = unsafe { &*slab };
        slab.next.store(SLABS.load(Ordering::Relaxed), Ordering::Relaxed);
        SLABS.store(slab as *const Slab as *mut Slab, Ordering::Release);
        for span in slab.spans.iter().rev() {
            span.next.set(free.first);
            free.first = span;
        }
    }
    // SAFETY: the list holds descriptors of slabs.
    let span: &'static Span = unsafe { &*free.first };
    free.first = span.next.get();
    span.next.set(core::ptr::null());
    Some(span)
}

/// Gives a descriptor back. Its pages are out of the map already.
pub fn give(critical: &Critical, span: &'static Span) {
    span.publish(kind::NONE);
    span.owner.store(0, Ordering::Release);
    let mut free = FREE.lock(critical);
    span.next.set(free.first);
    free.first = span;
}

/// Every descriptor in use.
pub fn for_each(mut f: impl FnMut(&'static Span)) {
    each(|span| {
        if span.kind() != kind::NONE {
            f(span);
        }
    });
}

/// Every descriptor that is free, or is being made or given back.
pub fn for_each_unused(mut f: impl FnMut(&'static Span)) {
    each(|span| {
        if span.kind() == kind::NONE {
            f(span);
        }
    });
}

/// A walk over all descriptors, used or not, slab by slab. Those of slabs that are made meanwhile are not met.
pub struct Walk {
    next: *const Slab,
}
// SAFETY: it leads to slabs, which stay and are for all threads.
unsafe impl Send for Walk {}

impl Walk {
    pub fn begin() -> Walk {
        Walk { next: SLABS.load(Ordering::Acquire) }
    }
}
impl Iterator for Walk {
    type Item = &'static [Span];
    #[inline(always)]
    fn next(&mut self) -> Option<&'static [Span]> {
        // SAFETY: linked slabs stay.
        let slab = unsafe { self.next.as_ref::<'static>() }?;
        self.next = slab.next.load(Ordering::Acquire);
        Some(&slab.spans)
    }
}

/// How many descriptors there are, used or not.
pub fn count() -> usize {
    Walk::begin().map(|spans| spans.len()).sum()
}

#[inline(always)]
fn each(f: impl FnMut(&'static Span)) {
    Walk::begin().flatten().for_each(f);
}

//! How many bytes are live, roughly and for nothing.
//!
//! The fast paths count nothing; to its span a slot in a bin is in use. Slow paths bring the total up to date for
//! the span they handle; so [`estimate`] may lag by the slots that changed hands in spans that
//! no slow path has seen since, and by a sixteenth of each span. [`exact`] walks all spans: the runtime asks it before it
//! believes that the heap has grown.
use super::{bins, quarantine};
use crate::spans::span::kind;
use crate::spans::{Span, slab};
use core::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64, AtomicUsize, Ordering};

static LIVE: AtomicIsize = AtomicIsize::new(0);
/// Complete collections so far.
pub static CYCLES: AtomicU64 = AtomicU64::new(0);
/// Frees (or reallocs …) of objects that were in limbo: proof that the program hides pointers.
pub static RESURRECTED: AtomicU64 = AtomicU64::new(0);
/// Address of the newest one.
pub static RESURRECTED_AT: AtomicU64 = AtomicU64::new(0);

/// Bytes that slow paths handed out, to the program or to a bin; while somebody wants to know.
pub static HANDED: AtomicUsize = AtomicUsize::new(0);
static COUNTING: AtomicBool = AtomicBool::new(false);

/// From now on [`HANDED`] counts.
pub fn count_handed() {
    COUNTING.store(true, Ordering::Relaxed);
}
/// A slow path hands out `bytes`.
pub fn hand(bytes: usize) {
    if COUNTING.load(Ordering::Relaxed) {
        HANDED.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Adds what changed in `span` since it was last accounted, if that is a sixteenth of it or the span
/// became empty: spans that go back and forth between full and nearly full cost no shared store. Owner only.
pub fn account(span: &Span, used: u32) {
    let delta = used as isize - span.accounted.get() as isize;
    if delta != 0 && (used == 0 || delta.unsigned_abs() * 16 >= span.slots.get() as usize) {
        span.accounted.set(used);
        add(delta * span.size.get() as isize);
    }
}
pub fn add(bytes: isize) {
    LIVE.fetch_add(bytes, Ordering::Relaxed);
}
/// Live bytes as far as the slow paths have seen.
pub fn estimate() -> usize {
    LIVE.load(Ordering::Relaxed).max(0) as usize
}
/// Live bytes of all spans, without what is in bins or waits, read beside their owners: off by what is in flight.
pub fn exact() -> usize {
    let mut bytes = 0;
    slab::for_each(|span| {
        bytes += match span.kind() {
            kind::SLOTS => (span.used.get() as usize).min(span.slots.get() as usize) * span.size.get(),
            kind::NONE | kind::KEPT => 0,
            _ => span.size.get(),
        };
    });
    bytes.saturating_sub(bins::bytes() + quarantine::bytes())
}

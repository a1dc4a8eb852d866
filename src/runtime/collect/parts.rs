//! The last part of a collection a little at a time: freeing hundreds of megabytes takes tens of milliseconds, and whoever
//! comes by the allocator's slow paths pays for a fraction of one.
//!
//! What is doomed keeps until its turn comes. The next collection begins after the last part.
use super::{Ended, Held};
use crate::gc::Sum;
use crate::gc::cause::Cause;
use crate::gc::reclaim::Parts;
use crate::runtime::cycle::{self, Guarded};
use crate::runtime::start;
use crate::sys::process::{now_ns, thread_ns};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};

/// At once, and then as long the program has its time, nanoseconds.
const SLICE_NS: u64 = 300_000;

/// A collection, and what is left of it.
pub(super) struct Pending {
    pub ended: Ended,
    pub parts: Parts,
    /// Time that the parts took.
    pub ns: u64,
}
static PENDING: Guarded<Option<Pending>> = Guarded::new(None);
/// The same without the lock.
static IS_PENDING: AtomicBool = AtomicBool::new(false);
/// No part before this.
static NEXT: AtomicU64 = AtomicU64::new(0);

pub fn is_pending() -> bool {
    IS_PENDING.load(Acquire)
}

/// After limbo, with the program running. What was freed, if that was all; whoever asked for the collection, or for memory, waits for that.
pub(super) fn begin(held: &mut Held, ended: Ended) -> Sum {
    let patient = !matches!(ended.cause, Cause::Growth);
    let pending = Pending { ended, parts: Parts::new(start::options().fill), ns: 0 };
    *PENDING.of(held) = Some(pending);
    IS_PENDING.store(true, Release);
    go_on(held, if patient { u64::MAX } else { SLICE_NS })
}

/// All that is left, if anything is.
pub(super) fn finish(held: &mut Held) {
    if is_pending() {
        go_on(held, u64::MAX);
    }
}

/// A thread comes by, without locks and outside of critical sections.
pub fn attend() {
    if now_ns() >= NEXT.load(Relaxed)
        && let Some(mut held) = cycle::try_enter()
    {
        go_on(&mut held, SLICE_NS);
    }
}

/// Frees for so many nanoseconds. What the collection freed in all, once it is over.
fn go_on(held: &mut Held, budget: u64) -> Sum {
    let (began, began_cpu) = (now_ns(), thread_ns());
    let Some(mut pending) = PENDING.of(held).take() else { return Sum::default() };
    let (mut now, mut more) = (began, true);
    while more && now - began < budget {
        more = pending.parts.next(held.critical());
        now = now_ns();
    }
    pending.ns += now - began;
    pending.ended.cost += thread_ns() - began_cpu;
    IS_PENDING.store(more, Release);
    super::each_look();
    if !more {
        return super::conclude(held, pending);
    }
    NEXT.store(now + (now - began), Relaxed);
    *PENDING.of(held) = Some(pending);
    Sum::default()
}

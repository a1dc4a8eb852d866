//! The last parts of a collection a little at a time.
//!
//! *Limbo*, if a copy of the process marked: a walk over all spans with the program stopped takes tens of milliseconds in a heap of
//! gigabytes; so it stops for one at most, again and again. *Reclaiming*: freeing hundreds of megabytes takes as long, and whoever
//! comes by the allocator's slow paths pays for a fraction of a millisecond.
//!
//! What is not in limbo yet, or doomed, keeps until its turn comes. The next collection begins after the last part.
//!
//! # Safety
//! [`Aging::next`] is called while the world is stopped.
#![allow(unsafe_code)]
use super::{Ended, Held, copied};
use crate::gc::cause::Cause;
use crate::gc::findings::Aging;
use crate::gc::reclaim::Parts;
use crate::gc::stats::STATS;
use crate::gc::{Abandon, Sum};
use crate::heap::live;
use crate::runtime::cycle::{self, Guarded};
use crate::runtime::{start, telemetry};
use crate::sys::process::{now_ns, sleep_ns, thread_ns};
use crate::threads;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};

/// At once, and then as long the program has its time, nanoseconds.
const SLICE_NS: u64 = 300_000;
/// At once, where the heap has grown since.
const LATE_NS: u64 = 1_000_000;
/// The program is stopped for so long, nanoseconds, and a little more.
const STOP_NS: u64 = if cfg!(feature = "zeal") { 1 } else { 1_000_000 };

/// A collection, and what is left of it.
pub(super) struct Pending {
    pub ended: Ended,
    stage: Stage,
    /// Bytes and objects that were freed.
    pub freed: Sum,
    /// Time that freeing took.
    pub ns: u64,
    /// How long the program was stopped for limbo, in all.
    pub stopped: u64,
}
enum Stage {
    Limbo(Aging),
    Reclaim(Parts),
}
static PENDING: Guarded<Option<Pending>> = Guarded::new(None);
/// The same without the lock.
static IS_PENDING: AtomicBool = AtomicBool::new(false);
/// No part before this.
static NEXT: AtomicU64 = AtomicU64::new(0);
/// The heap when reclaiming began.
static LIMIT: AtomicUsize = AtomicUsize::new(0);
/// In the child of a fork: what the copy told is its parent's, and may be gone.
static FORKED: AtomicBool = AtomicBool::new(false);

pub fn is_pending() -> bool {
    IS_PENDING.load(Acquire)
}

/// In the child of a fork.
pub fn forked() {
    FORKED.store(is_pending(), Relaxed);
}

/// After limbo, with the program running. What was freed, if that was all; whoever asked for the collection, or for memory, waits for that.
pub(super) fn begin(held: &mut Held, ended: Ended) -> Sum {
    begin_at(held, ended, reclaiming(), 0)
}

/// The same where `aging` has begun, and `aged` says how far it has come.
pub(super) fn begin_with(held: &mut Held, mut ended: Ended, aging: Aging, aged: Aged) -> Sum {
    if aged.more {
        return begin_at(held, ended, Stage::Limbo(aging), aged.stopped);
    }
    ended.moved = aging.moved;
    copied::give_back();
    begin_at(held, ended, reclaiming(), aged.stopped)
}

fn reclaiming() -> Stage {
    LIMIT.store(live::estimate(), Relaxed);
    Stage::Reclaim(Parts::new(start::options().fill))
}

fn begin_at(held: &mut Held, ended: Ended, stage: Stage, stopped: u64) -> Sum {
    let patient = !matches!(ended.cause, Cause::Growth);
    if matches!(stage, Stage::Limbo(_)) {
        LIMIT.store(usize::MAX, Relaxed);
    }
    *PENDING.of(held) = Some(Pending { ended, stage, freed: Sum::default(), ns: 0, stopped });
    FORKED.store(false, Relaxed);
    IS_PENDING.store(true, Release);
    go_on(held, if patient { u64::MAX } else { SLICE_NS })
}

/// All that is left, if anything is.
pub(super) fn finish(held: &mut Held) {
    if is_pending() {
        go_on(held, u64::MAX);
    }
}

/// A thread comes by, without locks and outside of critical sections. If the heap grows faster than it is freed, whoever makes it grow
/// goes on with that for longer, and at once.
pub fn attend() {
    let is_late = live::estimate() > LIMIT.load(Relaxed);
    if (is_late || now_ns() >= NEXT.load(Relaxed))
        && let Some(mut held) = cycle::try_enter()
    {
        go_on(&mut held, if is_late { LATE_NS } else { SLICE_NS });
    }
}

/// Goes on for so many nanoseconds. What the collection freed in all, once it is over.
fn go_on(held: &mut Held, budget: u64) -> Sum {
    let began = now_ns();
    let Some(mut pending) = PENDING.of(held).take() else { return Sum::default() };
    let (mut now, mut more) = (began, true);
    while more && now - began < budget {
        let from = now;
        more = step(held, &mut pending);
        now = now_ns();
        if budget == u64::MAX && now - from >= STOP_NS {
            // The others have their turn before they are stopped again.
            sleep_ns(STOP_NS as i64);
            now = now_ns();
        }
    }
    IS_PENDING.store(more, Release);
    super::each_look();
    if !more {
        return super::conclude(held, pending);
    }
    NEXT.store(now + (now - began), Relaxed);
    *PENDING.of(held) = Some(pending);
    Sum::default()
}

/// The next part. False: that was the last one.
fn step(held: &mut Held, pending: &mut Pending) -> bool {
    match &mut pending.stage {
        Stage::Limbo(aging) => {
            let (forked, began_cpu) = (FORKED.swap(false, Relaxed), thread_ns());
            let none = Aged { more: false, stopped: 0 };
            let aged = if forked { none } else { age(held, aging).unwrap_or(none) };
            pending.stopped += aged.stopped;
            pending.ended.cost += thread_ns() - began_cpu;
            if !aged.more {
                pending.ended.moved = aging.moved;
                pending.ended.phases.settled = now_ns();
                if !forked {
                    copied::give_back();
                }
                pending.stage = reclaiming();
            }
            true
        }
        Stage::Reclaim(parts) => {
            let began = now_ns();
            let more = parts.next(held.critical());
            pending.freed = parts.freed;
            pending.ns += now_ns() - began;
            more
        }
    }
}

/// One stop for limbo.
pub(super) struct Aged {
    /// There are spans left.
    pub more: bool,
    /// How long the program was stopped.
    pub stopped: u64,
}

/// Stops the program for a moment, and brings spans to limbo. `Err`: it did not stop. Spans that had
/// their turn are in limbo, the others are as they were.
pub(super) fn age(held: &mut Held, aging: &mut Aging) -> Result<Aged, Abandon> {
    if live::RESURRECTED.load(Relaxed) != 0 {
        aging.spare_all();
    }
    held.run(|held, _| {
        let began = now_ns();
        let stopped =
            threads::stop_world(held.critical(), began + start::options().deadline as u64 * 1_000_000)?;
        let stood = now_ns();
        // SAFETY: it is stopped.
        let mut next = || unsafe { aging.next(held.critical()) };
        let mut more = next();
        while more && now_ns() - stood < STOP_NS {
            more = next();
        }
        let now = stopped.resume();
        STATS.pause(now - began);
        telemetry::stopped(began, now);
        Ok(Aged { more, stopped: now - began })
    })
    .unwrap_or(Err(Abandon::NoMemory))
}

//! Idle memory goes back to the OS, though the program may sleep.
//!
//! Free pages are kept for a while, because most are wanted again. A *tick* ends an interval: what
//! was free throughout it (the low-water mark of free resident pages) and what [`kept`] holds since before
//! it goes back. So a program that takes and gives 100 MB ten times a second never loses them, and one that
//! gave up a gigabyte and fell asleep has lost it after two ticks.
//!
//! Who ticks: whoever frees pages when [`INTERVAL`] is over; for a program
//! that does nothing any more, a thread that sleeps in a call of libc's (`runtime::asleep`); and where none does, a kernel timer that sends our stop signal, whose handler begins interrupted
//! calls again. The timer is made when 1 MiB was freed for the first time, is armed once an interval at most
//! and only as long as there is something to give back. It needs the option `idle_timer` and a stop signal (not in mode malloc). Rejected: a thread of ours (visible, and `unshare` refuses),
//! giving back at once (page faults are what most allocators lose time with).
use super::kept::{self, Which};
use crate::ground::critical::Critical;
use crate::pages::{self, thp};
use crate::sys::{process, timer};
use core::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// What the timer's signals carry.
pub const VALUE: usize = 0x676c_6e72;
/// Milliseconds between two ticks.
const INTERVAL: u64 = 500;
/// The timer ends the first interval, and the next ones.
const FIRST_NS: u64 = 700_000_000;
const NEXT_NS: u64 = 400_000_000;
/// After an inopportune moment, or when there was more than [`AT_ONCE`].
const SOON_NS: u64 = 30_000_000;
/// Pages freed before anything happens at all: 1 MiB.
const WORTH: usize = 256;
/// Free pages that stay.
const FLOOR: usize = 128;
/// Pages that one tick gives back: 64 MiB are a few milliseconds.
const AT_ONCE: usize = 16384;

/// The stop signal, or 0.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
const NONE: i32 = -1;
const REFUSED: i32 = -2;
static TIMER: AtomicI32 = AtomicI32::new(NONE);
/// Pages freed since the last tick.
static FREED: AtomicUsize = AtomicUsize::new(0);
/// Inopportune moments in a row.
static TRIES: AtomicUsize = AtomicUsize::new(0);
const TRIES_MAX: usize = 8;
/// When the interval began; 0: none is running, there is nothing to give back.
pub static BEGUN: AtomicU64 = AtomicU64::new(0);
/// When it should end, in coarse milliseconds.
static DUE: AtomicU64 = AtomicU64::new(0);

/// From now on a timer may send `signal`, whose handler calls [`tick`] or [`later`].
pub fn begin(signal: i32) {
    SIGNAL.store(signal, Relaxed);
}

/// In the child of a fork: timers stay with the parent.
pub fn forget_timer() {
    TIMER.store(NONE, Relaxed);
    BEGUN.store(0, Relaxed);
}

/// A sandbox is about to be entered that may forbid what the timer's signal leads to.
pub fn pause() {
    let id = TIMER.load(Relaxed);
    if id >= 0 {
        let _ = timer::set(id, 0);
    }
    BEGUN.store(0, Relaxed);
}

/// By the kernel's page for the clock, without its call. Not by the processor's time stamp: a process may have forbidden itself
/// to read it (PR_SET_TSC), and the strict mode of seccomp does.
fn stamp() -> u64 {
    process::coarse_ms().max(1)
}

/// Somebody freed `count` pages, or keeps them.
pub fn freed(critical: &Critical, count: usize) {
    let freed = FREED.load(Relaxed) + count;
    FREED.store(freed, Relaxed);
    if freed < WORTH {
        return;
    }
    let begun = BEGUN.load(Relaxed);
    if begun == 0 {
        start(FIRST_NS);
    } else if stamp().wrapping_sub(begun) > INTERVAL {
        tick(critical);
    }
}

/// An interval begins, to be ended by the timer if by nobody else.
fn start(ns: u64) {
    let now = stamp();
    BEGUN.store(now, Relaxed);
    DUE.store(now + ns / 1_000_000, Relaxed);
    let signal = SIGNAL.load(Relaxed);
    if signal == 0 {
        return;
    }
    if TIMER.load(Relaxed) == NONE {
        TIMER.store(timer::create(signal, VALUE).unwrap_or(REFUSED), Relaxed);
    }
    let id = TIMER.load(Relaxed);
    if id >= 0 && timer::set(id, ns).is_err() {
        TIMER.store(NONE, Relaxed);
    }
}

/// The moment is wrong: again a little later. A program whose threads are never fit for it must not be woken
/// for ever: after some tries the next free begins anew.
pub fn later() {
    if TRIES.fetch_add(1, Relaxed) < TRIES_MAX {
        start(SOON_NS);
    } else {
        TRIES.store(0, Relaxed);
        BEGUN.store(0, Relaxed);
    }
}

/// Nanoseconds until the interval should end; `None`: there is none.
pub fn due_in_ns() -> Option<u64> {
    (BEGUN.load(Relaxed) != 0).then(|| (DUE.load(Relaxed).saturating_sub(stamp()) + 1) * 1_000_000)
}

/// Ends an interval that is over.
pub fn tick_if_due(critical: &Critical) {
    if BEGUN.load(Relaxed) != 0 && stamp() >= DUE.load(Relaxed) {
        tick(critical);
    }
}

/// Ends an interval.
pub fn tick(critical: &Critical) {
    TRIES.store(0, Relaxed);
    FREED.store(0, Relaxed);
    let given = kept::age(critical, Which::Old);
    let idle = pages::take_low_water(critical) + given;
    let wanted = idle.saturating_sub(FLOOR);
    let done = pages::scavenge(critical, wanted.min(AT_ONCE));
    let left = pages::stats().free_resident;
    // What is left would break huge pages up.
    let stuck = thp::keeps_whole() && wanted != 0 && done == 0;
    if done != 0 && done < wanted {
        pages::lower_water(critical, wanted - done);
        start(SOON_NS);
    } else if left > FLOOR + WORTH / 2 && !stuck || kept::pages(critical) != 0 {
        start(NEXT_NS);
    } else {
        BEGUN.store(0, Relaxed);
    }
}

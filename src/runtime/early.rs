//! gc mode: what is around the process is looked at now and then, and may be a reason to collect early ([`crate::gc::early`]).
//!
//! Only where the collector looks at the heap anyway ([`super::collect`]), a slow path of an allocation that made the heap
//! grow; on the cycle's stack. The kernel's files are read once a second, and sooner where the heap has grown by a good part of
//! what was left: for a fiftieth of the time at most. Where a filter forbids collections none is read.
use super::cycle::{Guarded, Held};
use super::{log, start};
use crate::gc::cause::Cause;
use crate::gc::early::{self, Early, Heap, Line, Surroundings};
use crate::gc::pacer::Report;
use crate::gc::stats::{Count, STATS};
use crate::ground::out;
use crate::heap::kept::{self, Which};
use crate::pages;
use crate::pure::addr::PAGE_SIZE;
use crate::pure::options::Mode;
use crate::sys::cgroup::{self, Group};
use crate::sys::process::thread_ns;
use crate::sys::sandbox::{self, Need};

const SECOND: u64 = 1_000_000_000;
/// A process may be moved to another group, and mounts change.
const FIND_EVERY: u64 = 30 * SECOND;
/// Reading takes at most such a part of the time.
const SHARE: u64 = 50;
/// Nanoseconds that it takes.
const USUAL: u64 = 40_000;
/// Free memory goes back to the system at most so often; what nobody wants goes back by itself (`heap::purge`).
const GIVE_EVERY: u64 = SECOND / 2;

struct State {
    group: Option<Group>,
    /// When it was looked for; 0: never.
    found: u64,
    around: Surroundings,
    /// When that was read, the processor's time for it (as [`crate::gc::pacer`] counts), and the heap's size then.
    read: u64,
    cost: u64,
    size: usize,
    /// What the early cycle that begins may gain.
    gain: usize,
    given: u64,
    early: Early,
}
static STATE: Guarded<State> = Guarded::new(State {
    group: None,
    found: 0,
    around: Surroundings::NONE,
    read: 0,
    cost: 0,
    size: 0,
    gain: 0,
    given: 0,
    early: Early::START,
});

/// The group's limit, 0 for none, and what was used of it when it was looked at last.
pub static LIMIT: Count = Count::new();
pub static USED: Count = Count::new();

/// `None`: nobody looks.
fn line() -> Option<Line> {
    let options = start::options();
    let on = options.cgroup != 0 && options.mode == Mode::Gc && !sandbox::forbids(Need::Collect);
    on.then_some(Line { percent: options.cgroup })
}

/// Why to collect now although the heap of `size` bytes has grown from `base` by less than the goal.
pub fn wanted(held: &mut Held, size: usize, base: usize, now: u64) -> Option<Cause> {
    let line = line()?;
    if STATE.of(held).is_due(line, size, now) {
        held.run(|held, _| STATE.of(held).look(line, size, now))?;
    }
    let state = STATE.of(held);
    state.around.cause(line)?;
    if now.saturating_sub(state.given) >= GIVE_EVERY {
        give_back(held, now);
    }
    let heap = Heap {
        size,
        growth: size.saturating_sub(base),
        limbo: STATS.limbo.bytes.get() as usize,
        least: early::least(start::options().min_growth),
    };
    let state = STATE.of(held);
    state.gain = heap.gain();
    state.early.cause(&state.around, line, &heap, now)
}

/// The size of the heap at which it is looked at first.
pub fn first() -> usize {
    let options = start::options();
    if options.cgroup == 0 {
        options.min_growth
    } else {
        options.min_growth.min(4 * early::least(usize::MAX))
    }
}

/// How much more the heap of `size` may grow, whose goal is to grow by `goal`, before it is looked at again.
pub fn stride(held: &mut Held, goal: usize, size: usize) -> usize {
    let Some(line) = line() else { return usize::MAX };
    let state = STATE.of(held);
    state.early.stride(&state.around, line, goal, size, early::least(start::options().min_growth))
}

/// A cycle was complete; the heap grew from `base` before it.
pub fn complete(held: &mut Held, cause: Cause, base: usize, report: &Report) {
    if line().is_none() {
        return;
    }
    let state = STATE.of(held);
    let gain = if cause.is_early() { state.gain } else { report.before.saturating_sub(base) };
    state.early.complete(cause, gain, report);
    if cause.is_early() && report.reclaimed != 0 {
        give_back(held, report.ended);
    }
}

/// A cycle was abandoned.
pub fn abandoned(held: &mut Held, cause: Cause, began: u64, ended: u64) {
    if cause.is_early() {
        STATE.of(held).early.in_vain(ended, ended.saturating_sub(began));
    }
}

/// Free memory goes back to the system.
fn give_back(held: &mut Held, now: u64) {
    kept::age(held.critical(), Which::All);
    let freed = pages::scavenge(held.critical(), usize::MAX) * PAGE_SIZE;
    let state = STATE.of(held);
    state.given = now;
    state.around.used = state.around.used.saturating_sub(freed as u64);
}

impl State {
    fn is_due(&self, line: Line, size: usize, now: u64) -> bool {
        let passed = now.saturating_sub(self.read);
        let grown = size.abs_diff(self.size) >= self.around.room(line) / 8;
        self.found == 0 || passed >= SECOND || (grown && passed >= self.cost.saturating_mul(SHARE))
    }

    fn look(&mut self, line: Line, size: usize, now: u64) {
        let began = thread_ns();
        if self.found == 0 || now.saturating_sub(self.found) >= FIND_EVERY {
            (self.group, self.found) = (Group::find(), now);
        }
        self.around = Surroundings::NONE;
        let mut stalled = None;
        if let Some(group) = &self.group {
            if let Some(level) = group.tightest(&|level| level.used >= line.of(level.limit)) {
                (self.around.limit, self.around.used) = (level.limit, level.used);
            }
            stalled = group.pressure();
        }
        self.around.stalled = stalled.or_else(cgroup::pressure).unwrap_or(0);
        // One that took much longer than the one before was disturbed.
        let took = thread_ns().saturating_sub(began).min(2 * self.cost.max(USUAL));
        (self.size, self.read, self.cost) = (size, now, took);
        let told = if self.around.limit == u64::MAX { 0 } else { self.around.limit };
        LIMIT.set(told);
        USED.set(self.around.used);
        if start::options().verbose >= 3 {
            let text = format_args!(
                "gc: cgroup: {} of {told} used, {} waited in 10000; read in {} us",
                self.around.used,
                self.around.stalled,
                self.cost / 1000
            );
            log::with(&mut |fd| out::say(fd, text));
        }
    }
}

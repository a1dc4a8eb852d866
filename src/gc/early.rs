//! When to collect before the heap has grown by the goal, because memory is short around it.
//!
//! Memory is short when the control group has used so much of its limit ([`Line`]), or when tasks wait for memory. Then a
//! collection needs less: something to gain, and time since one that was in vain.
//! ```text
//! gain = growth since the last cycle + limbo, what a cycle may free at most
//! step = max(heap / 16, least) × patience, least = min(min_growth / 16, 1 MiB)
//! ```
//! *Patience* is 1 and doubles, up to 4, with each early cycle that finds little (as in [`super::pacer`]); one that finds much
//! puts it back. In the last half of the room between the line and the limit it is not asked. *Time*: after an early
//! cycle in vain the next waits fifty times what that one took. So a program without garbage that lives near its limit
//! pays 2 % at most, and mostly nothing, for it has to grow first.
//!
//! Rejected: a smaller goal near the limit, as Go's memory limit has it: a live heap at the limit collects all the
//! time there, up to the cap. Pure arithmetic.
use super::cause::Cause;
use super::pacer::Report;

/// A step is this part of the heap, or of the option `min_growth`,
const PART: usize = 16;
/// but of a small heap no more than this.
const LEAST: usize = 1 << 20;
const PATIENCE_MAX: usize = 4;
/// A cycle is worth its while if at least 1/8 of what it could gain was garbage.
const WORTH: usize = 8;
/// After a cycle in vain so many times its length pass.
const REST: u64 = 50;
/// Hundredths of a percent of the last ten seconds.
const STALLED: u32 = 1000;

/// The share of a limit at which it is nearly used up.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub percent: u8,
}
impl Line {
    /// What of `limit` may be used before it is.
    pub fn of(self, limit: u64) -> u64 {
        (limit as u128 * u128::from(self.percent) / 100) as u64
    }
}

/// What was read of the process's surroundings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Surroundings {
    /// The tightest limit and what is used of it.
    pub limit: u64,
    pub used: u64,
    /// How much tasks waited, in hundredths of a percent.
    pub stalled: u32,
}
impl Surroundings {
    /// Nothing is known, nothing is short.
    pub const NONE: Surroundings = Surroundings { limit: u64::MAX, used: 0, stalled: 0 };

    /// What may be used yet before the limit is near.
    pub fn room(&self, line: Line) -> usize {
        usize::try_from(line.of(self.limit).saturating_sub(self.used)).unwrap_or(usize::MAX)
    }
    /// Why to collect early, if anything could be gained.
    pub fn cause(&self, line: Line) -> Option<Cause> {
        match self.room(line) {
            0 => Some(Cause::Limit),
            _ if self.stalled >= STALLED => Some(Cause::Stalls),
            _ => None,
        }
    }
    /// Less than half of what there was between the line and the limit is left.
    fn is_urgent(&self, line: Line) -> bool {
        let line = line.of(self.limit);
        self.used >= line.saturating_add((self.limit - line) / 2)
    }
}

/// The heap, as a cycle may find it. Bytes.
#[derive(Clone, Copy, Debug)]
pub struct Heap {
    pub size: usize,
    /// Since the last cycle.
    pub growth: usize,
    pub limbo: usize,
    /// [`least`]
    pub least: usize,
}
/// The smallest step.
pub fn least(min_growth: usize) -> usize {
    (min_growth / PART).min(LEAST)
}
impl Heap {
    pub fn gain(&self) -> usize {
        self.growth.saturating_add(self.limbo)
    }
    pub fn step(&self) -> usize {
        (self.size / PART).max(self.least)
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Early {
    patience: usize,
    /// When the next may begin.
    after: u64,
}

impl Early {
    pub const START: Early = Early { patience: 1, after: 0 };

    /// Why an early cycle should begin now.
    pub fn cause(&self, around: &Surroundings, line: Line, heap: &Heap, now: u64) -> Option<Cause> {
        let cause = around.cause(line)?;
        let patience = if around.is_urgent(line) { 1 } else { self.patience };
        let is_worth = heap.growth != 0 && heap.gain() >= heap.step().saturating_mul(patience);
        (is_worth && now >= self.after).then_some(cause)
    }

    /// How much more the heap of `size` may grow, whose goal is to grow by `goal`, before it is looked at again.
    pub fn stride(&self, around: &Surroundings, line: Line, goal: usize, size: usize, least: usize) -> usize {
        let more = match around.cause(line) {
            Some(_) => size / PART / 4,
            None => (goal / 8).min(around.room(line) / 4),
        };
        more.max(least)
    }

    /// A cycle was complete that could gain as much.
    pub fn complete(&mut self, cause: Cause, gain: usize, report: &Report) {
        let garbage = report.fresh.max(report.reclaimed);
        if garbage != 0 && garbage >= gain / WORTH {
            *self = Early::START;
        } else if cause.is_early() {
            self.in_vain(report.ended, report.cost);
        }
    }
    /// One that took so many nanoseconds was abandoned, or found little.
    pub fn in_vain(&mut self, ended: u64, took: u64) {
        self.patience = (self.patience * 2).min(PATIENCE_MAX);
        self.after = ended.saturating_add(took.saturating_mul(REST));
    }
}

#[cfg(test)]
mod tests;

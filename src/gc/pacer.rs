//! When to collect.
//!
//! What counts is **net growth**: bytes allocated minus bytes freed since the last cycle. A
//! program that frees what it allocates never collects, however fast it runs. The goal is
//! ```text
//! goal = max(min_growth, growth % × (reachable + roots)) × patience
//! ```
//! `reachable + roots` is what a mark has to read, so the cost of collecting stays in
//! proportion to allocation. Limbo counts as growth: garbage must not make room for more
//! garbage. So the next cycle begins when the heap is `reachable + goal`, but not before it has
//! grown by a quarter of the goal since the last one.
//!
//! The size to grow from falls with the heap: memory freed since then may be leaked anew. So a program
//! that fills and empties its heap over and over would collect each time, in vain. *Patience* is
//! for that: it doubles the goal, up to 16 times, when a cycle found little (less than 1/8 of
//! the growth was garbage) although the heap was no larger than at an earlier cycle, and falls
//! back to 1 when a cycle finds much. Growth beyond that spaces cycles out by itself.
//!
//! The other way round, where a copy of the process marks, which the program does not wait for, two fifths of the goal will do
//! - if half of the growth was garbage: the heap of a program that leaks stays at one and a half times what is live;
//! - if nothing speaks against it (no patience) and the program has run for ten times what the last cycle cost. Or else a program that begins to leak
//!   when its heap is filled reaches twice what is live before anybody looks. One that grows faster than that is asked at the goal.
//!
//! *Time* is capped by a leaky bucket: collecting fills it, running drains it at a third of the
//! speed, so in the long run collecting takes at most a quarter. While it is full, memory may
//! exceed the goal. It holds one second, so a burst may be that much longer. What fills it is the
//! collecting thread's processor time: on a busy machine a cycle takes longer by the clock, but so does the
//! program between two of them, and counted by the clock its garbage would outgrow every bound. Freeing does not count: a program that
//! frees spends as much, and one that never does would be given room that costs more, in pages, than it saves.
//!
//! Pure arithmetic; all saturating, so no option value overflows.

/// Options are in percent.
const PERCENT: u128 = 100;
/// Useless cycles multiply the goal by at most this.
const PATIENCE_MAX: usize = 16;
/// Abandoned ones by at most this: the cause may pass.
const PATIENCE_ABANDONED: usize = 8;
/// Between two cycles the heap grows by at least this part of the goal, whatever is in limbo.
const SPACING: usize = 4;
/// A cycle is worth its while if at least 1/8 of the growth was garbage.
const WORTH: usize = 8;
/// It pays to ask more often if at least half of it was.
const RICH: usize = 2;
/// That is at two fifths of the goal.
const EAGER: (usize, usize) = (2, 5);
/// Nor does it cost much if the program has run for this many times what a cycle costs.
const SPARE: u64 = 10;
/// The bucket holds this many nanoseconds of collecting.
pub const BUCKET: u64 = 1_000_000_000;
/// One very long cycle counts as this at most, so that collecting is never put off for ever.
pub const FILL_MAX: u64 = 60 * BUCKET;
/// The bucket drains this many times slower than time passes outside of cycles.
pub const DRAIN: u64 = 3;

/// The options that matter here.
#[derive(Clone, Copy, Debug)]
pub struct Knobs {
    pub min_growth: usize,
    /// Percent.
    pub growth: usize,
}

/// Whether [`EAGER`] parts of the goal will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Eager {
    No,
    /// Once the program has run for [`SPARE`] times the cost.
    InTime,
    Yes,
}

#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    knobs: Knobs,
    /// Bytes of the heap after the last cycle, limbo included.
    base: usize,
    /// What the last mark read.
    reachable: usize,
    roots: usize,
    /// Size of the heap at the largest cycle since one was worth its while.
    seen: usize,
    patience: usize,
    eager: Eager,
    /// Nanoseconds of processor time of the last cycle.
    cost: u64,
    /// Nanoseconds of collecting in the bucket when the last cycle ended.
    fill: u64,
    /// When that was; 0 before the first cycle.
    ended: u64,
}

/// What a cycle tells the pacer.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Bytes of the heap when it began, and now.
    pub before: usize,
    pub after: usize,
    /// What the mark read.
    pub reachable: usize,
    pub roots: usize,
    /// Bytes that came to limbo.
    pub fresh: usize,
    /// Bytes freed.
    pub reclaimed: usize,
    /// When it began and ended, in nanoseconds of a monotonic clock.
    pub began: u64,
    pub ended: u64,
    /// Nanoseconds of processor time that it took, without freeing.
    pub cost: u64,
    /// A copy of the process marked.
    pub copied: bool,
}

impl Pacer {
    pub const fn new(knobs: Knobs) -> Pacer {
        Pacer {
            knobs,
            base: 0,
            reachable: 0,
            roots: 0,
            seen: 0,
            patience: 1,
            eager: Eager::No,
            cost: 0,
            fill: 0,
            ended: 0,
        }
    }

    /// Growth since the last cycle that starts the next at the latest.
    pub fn goal(&self) -> usize {
        self.share(1, 1).saturating_mul(self.patience)
    }
    /// `part` of `of` parts of what the heap may grow by without patience.
    fn share(&self, part: usize, of: usize) -> usize {
        let marked = self.reachable.saturating_add(self.roots);
        let share = marked as u128 * self.knobs.growth as u128 * part as u128 / of as u128 / PERCENT;
        self.knobs.min_growth.max(usize::try_from(share).unwrap_or(usize::MAX))
    }
    /// Size of the heap that starts the next cycle at `now`.
    pub fn trigger(&self, now: u64) -> usize {
        let is_eager = match self.eager {
            Eager::No => false,
            Eager::InTime => now.saturating_sub(self.ended) / SPARE >= self.cost,
            Eager::Yes => true,
        };
        self.trigger_if(is_eager)
    }
    /// The least that [`Pacer::trigger`] may come to without another cycle.
    pub fn earliest(&self) -> usize {
        self.trigger_if(self.eager != Eager::No)
    }
    fn trigger_if(&self, is_eager: bool) -> usize {
        let goal = if is_eager { self.share(EAGER.0, EAGER.1) } else { self.goal() };
        self.reachable.saturating_add(goal).max(self.base.saturating_add(goal / SPACING))
    }
    /// Nanoseconds until the time cap allows a cycle.
    pub fn wait(&self, now: u64) -> u64 {
        let fill = self.fill_at(now);
        (fill.saturating_add(1)).saturating_sub(BUCKET).saturating_mul(DRAIN)
    }
    fn fill_at(&self, now: u64) -> u64 {
        self.fill.saturating_sub(now.saturating_sub(self.ended) / DRAIN)
    }

    /// A cycle was complete.
    pub fn complete(&mut self, report: &Report) {
        let growth = report.before.saturating_sub(self.base);
        let garbage = report.fresh.max(report.reclaimed);
        if garbage != 0 && garbage >= growth / WORTH {
            self.patience = 1;
            self.seen = 0;
        } else if report.before <= self.seen.saturating_add(self.seen / WORTH) {
            self.patience = (self.patience * 2).min(PATIENCE_MAX);
        }
        self.eager = match report.copied && self.patience == 1 {
            false => Eager::No,
            true if garbage != 0 && garbage >= growth / RICH => Eager::Yes,
            true => Eager::InTime,
        };
        self.cost = report.cost;
        self.seen = self.seen.max(report.before);
        (self.base, self.reachable, self.roots) = (report.after, report.reachable, report.roots);
        self.spend(report.began, report.ended, report.cost);
    }
    /// A cycle was abandoned when the heap had `bytes`: the next try comes after as much growth
    /// again, and later each time, up to a few times as much.
    pub fn abandoned(&mut self, bytes: usize, began: u64, ended: u64) {
        (self.base, self.reachable) = (bytes, bytes);
        self.patience = (self.patience * 2).min(PATIENCE_ABANDONED.max(self.patience));
        self.eager = Eager::No;
        // Waiting for a thread that cannot be stopped takes no processor time, but the others stand.
        self.spend(began, ended, ended.saturating_sub(began));
    }
    /// The heap has become smaller than [`Pacer::base`] by frees.
    pub fn shrunk(&mut self, bytes: usize) {
        self.base = self.base.min(bytes);
        self.reachable = self.reachable.min(bytes);
    }
    /// Size of the heap from which growth counts.
    pub fn base(&self) -> usize {
        self.base
    }
    fn spend(&mut self, began: u64, ended: u64, cost: u64) {
        let fill = self.fill_at(began);
        self.fill = fill.saturating_add(cost).min(FILL_MAX);
        self.ended = ended;
    }
}

#[cfg(test)]
mod tests;

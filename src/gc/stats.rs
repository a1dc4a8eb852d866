//! What the collector did so far, in counters that anybody may read at any time.
use super::cause::Cause;
use super::{Abandon, Found, Sum, limbo};
use crate::ground::out;
use crate::heap::live;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

/// A counter.
#[derive(Default)]
pub struct Count(AtomicU64);
impl Count {
    pub const fn new() -> Count {
        Count(AtomicU64::new(0))
    }
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
    pub fn raise(&self, n: u64) {
        self.0.fetch_max(n, Ordering::Relaxed);
    }
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Objects and their bytes.
#[derive(Default)]
pub struct Counted {
    pub objects: Count,
    pub bytes: Count,
}
impl Counted {
    const fn new() -> Counted {
        Counted { objects: Count::new(), bytes: Count::new() }
    }
    fn add(&self, sum: Sum) {
        self.objects.add(sum.objects as u64);
        self.bytes.add(sum.bytes as u64);
    }
    fn set(&self, sum: Sum) {
        self.objects.set(sum.objects as u64);
        self.bytes.set(sum.bytes as u64);
    }
}
impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} objects, {} bytes", self.objects.get(), self.bytes.get())
    }
}

pub struct Stats {
    /// Complete cycles.
    pub cycles: Count,
    /// And why they began.
    pub causes: [Count; Cause::COUNT],
    /// Of these, marked by a copy of the process.
    pub copied: Count,
    /// Cycles given up, by reason.
    pub abandoned: [Count; Abandon::COUNT],
    /// Reachable at the end of the last complete cycle.
    pub reachable: Counted,
    pub root_bytes: Count,
    /// [`super::chance::Chance`]
    pub root_words: Count,
    pub root_integers: Count,
    pub held: Count,
    /// In limbo after the last complete cycle.
    pub limbo: Counted,
    pub reclaimed: Counted,
    /// Left limbo because a cycle found them reachable.
    pub revived: Counted,
    /// Kept because of a pointer in disguise, all cycles together.
    pub disguised: Count,
    pub broken_lists: Count,
    /// World stopped: last, longest, sum, in nanoseconds.
    pub pause_last: Count,
    pub pause_longest: Count,
    pub pause_total: Count,
    /// Freeing the doomed, beside the program, nanoseconds.
    pub reclaim_total: Count,
}

pub static STATS: Stats = Stats {
    cycles: Count::new(),
    causes: [const { Count::new() }; Cause::COUNT],
    copied: Count::new(),
    abandoned: [const { Count::new() }; Abandon::COUNT],
    reachable: Counted::new(),
    root_bytes: Count::new(),
    root_words: Count::new(),
    root_integers: Count::new(),
    held: Count::new(),
    limbo: Counted::new(),
    reclaimed: Counted::new(),
    revived: Counted::new(),
    disguised: Count::new(),
    broken_lists: Count::new(),
    pause_last: Count::new(),
    pause_longest: Count::new(),
    pause_total: Count::new(),
    reclaim_total: Count::new(),
};

impl Stats {
    pub fn complete(&self, cause: Cause, found: &Found) {
        self.cycles.add(1);
        self.causes[cause as usize].add(1);
        live::CYCLES.fetch_add(1, Ordering::Relaxed);
        self.reachable.set(found.reachable());
        self.root_bytes.set(found.root_bytes as u64);
        self.root_words.set(found.chance.words);
        self.root_integers.set(found.chance.integers);
        self.held.set(found.chance.held);
        self.disguised.add(found.disguised.objects as u64);
        self.broken_lists.add(found.broken_lists as u64);
    }
    pub fn moved(&self, moved: &limbo::Moved) {
        self.limbo.set(moved.limbo);
        self.revived.add(moved.revived);
    }
    pub fn reclaimed(&self, freed: Sum, ns: u64) {
        self.reclaimed.add(freed);
        self.reclaim_total.add(ns);
        let left = |count: &Count, n: usize| count.set(count.get().saturating_sub(n as u64));
        left(&self.limbo.objects, freed.objects);
        left(&self.limbo.bytes, freed.bytes);
    }
    pub fn abandon(&self, why: Abandon) {
        self.abandoned[why as usize].add(1);
    }
    pub fn pause(&self, ns: u64) {
        self.pause_last.set(ns);
        self.pause_longest.raise(ns);
        self.pause_total.add(ns);
    }
    pub fn abandoned_total(&self) -> u64 {
        self.abandoned.iter().map(Count::get).sum()
    }

    /// Writes the counters to descriptor `fd`, a line each.
    pub fn print(&self, fd: i32) {
        let (ms, us) = (1_000_000, 1_000);
        let cycles = self.cycles.get();
        out::say(fd, format_args!("gc: cycles {cycles}, abandoned {}", self.abandoned_total()));
        for cause in Cause::ALL {
            let n = self.causes[cause as usize].get();
            if n != 0 {
                out::say(fd, format_args!("gc: began, {}: {n}", cause.word()));
            }
        }
        for why in Abandon::ALL {
            let n = self.abandoned[why as usize].get();
            if n != 0 {
                out::say(fd, format_args!("gc: abandoned, {}: {n}", why.reason()));
            }
        }
        let roots = self.root_bytes.get();
        out::say(fd, format_args!("gc: reachable {}; roots {roots} bytes", self.reachable));
        let (words, integers, held) = (self.root_words.get(), self.root_integers.get(), self.held.get());
        let share = integers * 100 / words.max(1);
        out::say(
            fd,
            format_args!(
                "gc: of about {words} words of roots that point into the heap {integers} ({share} %) are integers, which point to {held} bytes"
            ),
        );
        out::say(fd, format_args!("gc: limbo {}", self.limbo));
        out::say(fd, format_args!("gc: reclaimed {}", self.reclaimed));
        let resurrected = live::RESURRECTED.load(Ordering::Relaxed);
        out::say(fd, format_args!("gc: revived {}; resurrected {resurrected}", self.revived));
        out::say(
            fd,
            format_args!(
                "gc: pauses: longest {} us, all {} ms; reclaiming {} ms",
                self.pause_longest.get() / us,
                self.pause_total.get() / ms,
                self.reclaim_total.get() / ms
            ),
        );
        let disguised = self.disguised.get();
        if disguised != 0 {
            out::say(fd, format_args!("gc: kept for a pointer in disguise {disguised}"));
        }
        let broken = self.broken_lists.get();
        if broken != 0 {
            out::say(fd, format_args!("gc: inconsistent free lists {broken}"));
        }
    }
}

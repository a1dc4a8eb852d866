//! Adopted ranges as the marker sees them: reached by a word, scanned once, older by a cycle.
//!
//! Each marking has a number; an entry that was reached bears it. Grey entries are linked through
//! themselves, so nothing can overflow. The checker marks beside the marker with marks and links of its own.
//! All of this happens while the world is stopped.
use super::entry::{Entry, State, mark};
use super::registry::{Filter, Registry, hull, stopped};
use super::{flag, granules, promise};
use crate::ground::critical::Critical;
use crate::pure::addr::Addr;
use core::cell::Cell;

/// What one marker sees.
pub struct View {
    registry: &'static Registry,
    party: usize,
    epoch: u32,
    /// The first grey entry, as index + 1.
    grey: Cell<u32>,
    filter: Option<Filter>,
    low: usize,
    /// Words of interest are `low ..= low + reach`: also the byte behind the last range.
    reach: usize,
}

/// Whether there is anything to see.
pub fn anything() -> bool {
    let (low, high) = hull();
    low <= high
}

impl View {
    /// The marker's own view. `None`: nothing is adopted.
    pub fn marker() -> Option<View> {
        View::begin(0)
    }
    /// The checker's.
    pub fn checker() -> Option<View> {
        View::begin(1)
    }

    fn begin(party: usize) -> Option<View> {
        if !anything() {
            return None;
        }
        let ((low, high), registry) = (hull(), stopped());
        let epoch = registry.epoch.get().wrapping_add(1).max(1);
        registry.epoch.set(epoch);
        let (grey, filter) = (Cell::new(0), Filter::get());
        Some(View { registry, party, epoch, grey, filter, low, reach: high - low + 1 })
    }

    /// The first and the last word that can matter.
    pub fn bounds(&self) -> (usize, usize) {
        (self.low, self.low + self.reach)
    }

    /// Whether a look at the tree is worth while.
    #[inline(always)]
    fn may_hold(&self, word: usize) -> bool {
        word.wrapping_sub(self.low) <= self.reach
            && self.filter.is_none_or(|bits| {
                granules::holds(&bits, word)
                    || word.is_multiple_of(granules::GRANULE) && granules::holds(&bits, word.wrapping_sub(1))
            })
    }

    /// Marks the range that holds `word`, and the one that ends just before it. Whether one was white.
    #[inline]
    pub fn reach(&self, word: usize) -> bool {
        self.may_hold(word) && self.search(word)
    }

    #[inline(never)]
    fn search(&self, word: usize) -> bool {
        let (tree, before) = (&self.registry.tree, Addr(word.wrapping_sub(1)));
        // One way down answers for both bytes, but where a range ends or a leaf does.
        match tree.find_or_next(before) {
            Some(r) if r.lo <= before && r.last > before => self.shade(r.record),
            Some(r) if r.lo <= before => {
                let ended = !self.registry.entry(r.record).has(mark::CLOSED) && self.shade(r.record);
                ended | tree.find(Addr(word)).is_some_and(|r| self.shade(r.record))
            }
            Some(r) => r.lo.0 == word && self.shade(r.record),
            None => tree.find(Addr(word)).is_some_and(|r| self.shade(r.record)),
        }
    }

    /// Marks the range that begins at `word`. Whether there is one and it was white.
    pub fn reach_start(&self, word: usize) -> bool {
        let found = if self.may_hold(word) { self.registry.tree.find(Addr(word)) } else { None };
        found.is_some_and(|r| r.lo.0 == word && self.shade(r.record))
    }

    fn is_marked(&self, entry: &Entry) -> bool {
        entry.epochs[self.party].get() == self.epoch
    }

    fn shade(&self, i: u32) -> bool {
        let entry = self.registry.entry(i);
        if self.is_marked(entry) {
            return false;
        }
        entry.epochs[self.party].set(self.epoch);
        if entry.has(flag::SCAN as u8) {
            entry.links[self.party].set(self.grey.replace(i + 1));
        }
        true
    }

    /// The next range that is to be scanned.
    pub fn next(&self) -> Option<(Addr, Addr)> {
        let entry = self.registry.entry(self.grey.get().checked_sub(1)?);
        self.grey.set(entry.links[self.party].get());
        Some((Addr(entry.lo.get()), Addr(entry.last.get() + 1)))
    }

    /// The first range from `from` on whose contents count by now.
    pub fn scanned_from(&self, from: Addr) -> Option<(Addr, Addr)> {
        let counts = |i: u32| {
            let entry = self.registry.entry(i);
            self.is_marked(entry) && entry.has(flag::SCAN as u8)
        };
        let range = self.registry.tree.iter_from(from).find(|r| counts(r.record))?;
        Some((range.lo, range.last.add(1)))
    }

    /// The bounds of what is still white, if anything is.
    pub fn white(&self) -> Option<(usize, usize)> {
        let mut white = None;
        for range in self.registry.tree.iter_from(Addr::NULL) {
            if !self.is_marked(self.registry.entry(range.record)) {
                let (low, _) = white.unwrap_or((range.lo.0, 0));
                white = Some((low, range.last.0 + 1));
            }
        }
        white
    }

    /// Whether the checker, whose view this is, reached something that `marker` did not.
    pub fn first_missed_by(&self, marker: &View) -> Option<Addr> {
        let missed = |i: u32| {
            let entry = self.registry.entry(i);
            self.is_marked(entry) && !marker.is_marked(entry)
        };
        self.registry.tree.iter_from(Addr::NULL).find(|r| missed(r.record)).map(|r| r.lo)
    }
}

/// Memory of ours or something that the program did not map itself begins at `at` (a library's image, what ld.so
/// allocated, a thread's stack): words that are this address mean that, and no range's end. ld.so alone has
/// several for each library, and the kernel likes to map right below what it mapped before.
pub fn others_begin(at: Addr) {
    let registry = stopped();
    if anything()
        && let Some(range) = registry.tree.find(Addr(at.0.wrapping_sub(1)))
        && range.last.0.wrapping_add(1) == at.0
    {
        registry.entry(range.record).set(mark::CLOSED);
    }
}

/// Marking is over: what `view` did not reach is unreachable. Afterwards marking may go on from the
/// arguments of cleanups without bringing anything back.
pub fn after_marking(view: &View) {
    for range in view.registry.tree.iter_from(Addr::NULL) {
        let entry = view.registry.entry(range.record);
        if view.is_marked(entry) { entry.set(mark::REACHED) } else { entry.unset(mark::REACHED) }
    }
}

/// Calls `each` with the arguments of all cleanups that may still run.
pub fn each_argument(each: &mut dyn FnMut(usize)) {
    let registry = stopped();
    for i in (0..registry.table.bound()).filter(|&i| registry.table.is_taken(i)) {
        each(registry.entry(i).arg.get());
    }
}

/// What [`age`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Aged {
    pub unreachable: usize,
    /// Cleanups that are due by this.
    pub died: usize,
}

/// After a complete cycle: the cleanup of what was unreachable for the `needed`-th time in a row is due, if
/// `allowed`.
pub fn age(critical: &Critical, needed: u8, allowed: bool) -> Aged {
    let mut aged = Aged::default();
    let registry = stopped();
    for range in registry.tree.iter_from(Addr::NULL) {
        let entry = registry.entry(range.record);
        entry.unset(mark::CLOSED);
        if entry.state.get() != State::Live {
            continue;
        }
        if entry.has(mark::REACHED) {
            entry.age.set(0);
            continue;
        }
        aged.unreachable += 1;
        entry.age.set(entry.age.get().saturating_add(1));
        if allowed && entry.age.get() >= needed && !entry.has(mark::IMMORTAL) {
            entry.state.set(State::Queued);
            promise::push(critical, entry.promise.get(), range.lo.0, range.last.since(range.lo) + 1);
            aged.died += 1;
        }
    }
    aged
}

/// Where the ranges begin that the last marking reached.
#[cfg(test)]
pub(super) fn reached() -> Vec<Addr> {
    let registry = stopped();
    let reached = |i: u32| registry.entry(i).has(mark::REACHED);
    registry.tree.iter_from(Addr::NULL).filter(|r| reached(r.record)).map(|r| r.lo).collect()
}

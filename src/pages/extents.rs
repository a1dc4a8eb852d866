//! Sorted, coalescing sets of address ranges, in arrays that somebody else provides.
//!
//! Two sets are built from this: the page allocator's *in-use* ranges (what of the address
//! space is heap; everything that rounds an address up to mapped memory asks it) and
//! [`super::own`] (every mapping of ours). Both hold a handful of ranges in a healthy process
//! and a few thousand in a hostile one, where other mappings lie in the way of every growth.
//! A sorted array with binary search is then the whole trick: 16 bytes a range, no pointers,
//! nothing to allocate per range. A tree was rejected: the set changes once per mapping call,
//! each of which costs more than moving a few kilobytes.
//!
//! The first `N` ranges live inside the set. When [`Extents::is_full`] says so the owner
//! provides a larger array ([`Extents::grow_into`]) *before* the change that needs it, so that
//! no operation fails half way. The owner's lock protects the set.
//!
//! Invariants, checked by [`Extents::check`]:
//! - X1: every extent is non-empty;
//! - X2: extents are sorted, and between two neighbours lies at least one foreign byte.

/// Bytes `lo..hi` of the address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extent {
    pub lo: usize,
    pub hi: usize,
}

/// The change would need one slot more than there is; nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

pub struct Extents<const N: usize> {
    first: [Extent; N],
    grown: Option<&'static mut [Extent]>,
    len: usize,
}

impl<const N: usize> Default for Extents<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Extents<N> {
    pub const fn new() -> Self {
        Extents { first: [Extent { lo: 0, hi: 0 }; N], grown: None, len: 0 }
    }
    fn slots(&self) -> &[Extent] {
        match &self.grown {
            Some(array) => array,
            None => &self.first,
        }
    }
    fn slots_mut(&mut self) -> &mut [Extent] {
        match &mut self.grown {
            Some(array) => array,
            None => &mut self.first,
        }
    }
    pub fn as_slice(&self) -> &[Extent] {
        &self.slots()[..self.len]
    }
    pub fn capacity(&self) -> usize {
        self.slots().len()
    }
    /// Whether the next `add` or `remove` might return [`Full`].
    pub fn is_full(&self) -> bool {
        self.len == self.capacity()
    }
    /// Moves into a larger array. The old one is forgotten: metadata is never freed, and
    /// doubling keeps what is lost below what is used.
    pub fn grow_into(&mut self, array: &'static mut [Extent]) {
        debug_assert!(array.len() > self.len);
        array[..self.len].copy_from_slice(self.as_slice());
        self.grown = Some(array);
    }

    /// Unites the set with `lo..hi`.
    pub fn add(&mut self, lo: usize, hi: usize) -> Result<(), Full> {
        debug_assert!(lo < hi);
        let all = self.as_slice();
        // What touches lo..hi merges with it: `from..to` in the array.
        let from = all.partition_point(|e| e.hi < lo);
        let to = all.partition_point(|e| e.lo <= hi);
        let merged = if from < to {
            Extent { lo: lo.min(all[from].lo), hi: hi.max(all[to - 1].hi) }
        } else {
            Extent { lo, hi }
        };
        self.replace(from, to, &[merged])
    }

    /// Takes `lo..hi` out, wherever the set covers it.
    pub fn remove(&mut self, lo: usize, hi: usize) -> Result<(), Full> {
        debug_assert!(lo < hi);
        let all = self.as_slice();
        let from = all.partition_point(|e| e.hi <= lo);
        let to = all.partition_point(|e| e.lo < hi);
        if from >= to {
            return Ok(());
        }
        let left = Extent { lo: all[from].lo, hi: lo };
        let right = Extent { lo: hi, hi: all[to - 1].hi };
        match (left.lo < left.hi, right.lo < right.hi) {
            (false, false) => self.replace(from, to, &[]),
            (true, false) => self.replace(from, to, &[left]),
            (false, true) => self.replace(from, to, &[right]),
            (true, true) => self.replace(from, to, &[left, right]),
        }
    }

    /// Puts `new` where `from..to` was.
    fn replace(&mut self, from: usize, to: usize, new: &[Extent]) -> Result<(), Full> {
        let len = self.len - (to - from) + new.len();
        if len > self.capacity() {
            return Err(Full);
        }
        let old = self.len;
        let slots = self.slots_mut();
        slots.copy_within(to..old, from + new.len());
        slots[from..from + new.len()].copy_from_slice(new);
        self.len = len;
        if cfg!(feature = "zeal") {
            self.check();
        }
        Ok(())
    }

    /// Index of the first extent that begins above `at`; the set's length if there is none.
    pub fn successor(&self, at: usize) -> usize {
        self.as_slice().partition_point(|e| e.lo <= at)
    }
    /// The extent that holds `at`.
    pub fn find(&self, at: usize) -> Option<Extent> {
        let e = *self.as_slice().get(self.successor(at).checked_sub(1)?)?;
        (at < e.hi).then_some(e)
    }
    pub fn contains(&self, at: usize) -> bool {
        self.find(at).is_some()
    }
    /// The lowest address of the set that is not below `at`. `None` for an empty set, too.
    pub fn at_or_above(&self, at: usize) -> Option<usize> {
        let all = self.as_slice();
        let e = all.get(all.partition_point(|e| e.hi <= at))?;
        Some(e.lo.max(at))
    }

    /// Panics unless X1 and X2 hold.
    pub fn check(&self) {
        let all = self.as_slice();
        for e in all {
            assert!(e.lo < e.hi, "X1: empty extent {e:x?}");
        }
        for pair in all.windows(2) {
            assert!(pair[0].hi < pair[1].lo, "X2: {:x?} and {:x?}", pair[0], pair[1]);
        }
    }
}

#[cfg(test)]
mod tests;

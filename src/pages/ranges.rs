//! The map of byte ranges: what the host mapped, with a word about each range.
//!
//! A B-tree of non-overlapping ranges with *inclusive* ends, so that the last byte of the
//! address space needs no special case. Its nodes are 256 bytes, four cache lines, as in the
//! kernel's maple tree, which solves the same problem:
//!
//! ```text
//! inner   15 bounds, 15 children     child i holds the ranges within (bound[i-1], bound[i]];
//!                                    the last bound is MAX
//! leaf    10 × (last byte, first byte, record), sorted
//! ```
//!
//! The maple tree tiles all of the address space and stores gaps as NULL slots; here a range
//! has both of its ends and gaps cost nothing, because the host's mappings are mostly apart.
//! 100,000 ranges are 10,000 to 20,000 leaves in five levels: a look-up reads five nodes and
//! counts, without a branch, how many bounds lie below the address.
//!
//! Storing over other ranges first *carves*: what lies inside goes, what sticks out is cut. A
//! node that falls low merges with a neighbour if both fit; an empty one goes at once.
//!
//! Every operation asks for the nodes it may need before it changes anything: it fails as a
//! whole or not at all. Nodes come from a source given at the start (metadata, in use: node
//! memory holds the very addresses that a conservative scan looks for, so it must not be
//! scanned) and return to a list of free nodes.
//!
//! Not locked here: the owner's lock protects it, or the world is stopped.
//!
//! Invariants, checked by [`Ranges::check`]:
//! - R1: ranges are non-empty, sorted and disjoint;
//! - R2: every range lies within the bounds of its leaf, with both ends;
//! - R3: no node is empty; all leaves are equally deep; an inner root has two children;
//! - R4: unused bounds, and the last one of an inner node, are MAX;
//! - R5: the count of ranges and of free nodes is right.
//!
//! # Safety
//! A node reference is the address of a [`node::Node`] that the source gave to this tree and
//! that is never unmapped; `&self` and `&mut self` of the tree stand for all of its nodes.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::pure::addr::Addr;
use core::marker::PhantomData;

mod edit;
mod node;

use node::{LEAF, Node, NodeRef};

/// Where a range came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Kind {
    /// An intercepted call.
    #[default]
    Mapped = 1,
    /// Found in the kernel's list only.
    Escaped = 2,
    /// The program break's.
    Brk = 3,
    /// Guard pages that the host installed in memory of ours.
    Guard = 4,
}

/// The word about a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// PROT_READ and so on, as last set.
    pub prot: u8,
    /// 1 = shared; further bits are the caller's.
    pub flags: u8,
    pub kind: Kind,
    /// The call stack that mapped it; 0 = not recorded.
    pub stack: u32,
}

/// What a tree says about a range: a word.
pub trait Word: Copy {
    fn pack(self) -> usize;
    fn unpack(word: usize) -> Self;
}

impl Word for u32 {
    fn pack(self) -> usize {
        self as usize
    }
    fn unpack(word: usize) -> u32 {
        word as u32
    }
}

impl Word for Record {
    fn pack(self) -> usize {
        self.prot as usize
            | (self.flags as usize) << 8
            | (self.kind as usize) << 16
            | (self.stack as usize) << 32
    }
    fn unpack(word: usize) -> Record {
        let kind = match (word >> 16) as u8 {
            2 => Kind::Escaped,
            3 => Kind::Brk,
            4 => Kind::Guard,
            _ => Kind::Mapped,
        };
        Record { prot: word as u8, flags: (word >> 8) as u8, kind, stack: (word >> 32) as u32 }
    }
}

/// A stored range; `last` is its last byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range<T = Record> {
    pub lo: Addr,
    pub last: Addr,
    pub record: T,
}

/// The source had no memory for nodes; nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoMemory;

/// Gives zeroed memory for nodes: bytes, alignment. [`super::metadata::alloc`] is one.
pub type Source = fn(&Critical, usize, usize) -> Option<Addr>;

/// Inner levels at most: 10 × 8^12 ranges exceed any address space.
const LEVELS: usize = 12;

pub struct Ranges<T: Word = Record> {
    root: Option<NodeRef>,
    /// Inner levels above the leaves.
    height: usize,
    len: usize,
    /// Free nodes, linked through their first word.
    free: Option<NodeRef>,
    free_len: usize,
    source: Source,
    _word: PhantomData<T>,
}

/// The way from the root to a leaf: at each inner level the node and the child taken.
struct Path {
    steps: [(NodeRef, usize); LEVELS],
    leaf: NodeRef,
}

impl<T: Word> Ranges<T> {
    pub const fn new(source: Source) -> Ranges<T> {
        Ranges { root: None, height: 0, len: 0, free: None, free_len: 0, source, _word: PhantomData }
    }
    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline(always)]
    fn node(&self, at: NodeRef) -> &Node {
        // SAFETY: see the module's chapter.
        unsafe { &*at.0.ptr::<Node>() }
    }
    #[inline(always)]
    fn node_mut(&mut self, at: NodeRef) -> &mut Node {
        // SAFETY: see the module's chapter; `&mut self` excludes every other reference.
        unsafe { &mut *at.0.ptr::<Node>() }
    }

    fn entry(&self, leaf: NodeRef, i: usize) -> Range<T> {
        let node = self.node(leaf);
        let (lo, last, word) = node.entry(i);
        Range { lo: Addr(lo), last: Addr(last), record: T::unpack(word) }
    }

    /// The range that holds `at`.
    #[inline]
    pub fn find(&self, at: Addr) -> Option<Range<T>> {
        self.find_or_next(at).filter(|r| r.lo <= at)
    }

    /// The range that holds `at`, or the first one above it if that is in the same leaf.
    #[inline]
    pub fn find_or_next(&self, at: Addr) -> Option<Range<T>> {
        let mut here = self.root?;
        for _ in 0..self.height {
            let node = self.node(here);
            here = node.child(node.inner_position(at.0));
        }
        let i = self.node(here).leaf_position(at.0);
        if i >= self.node(here).len() {
            return None;
        }
        Some(self.entry(here, i))
    }

    /// The range that holds `at`, or the first one above it.
    pub fn at_or_above(&self, at: Addr) -> Option<Range<T>> {
        self.place_at_or_above(at).map(|(leaf, i)| self.entry(leaf, i))
    }

    fn place_at_or_above(&self, at: Addr) -> Option<(NodeRef, usize)> {
        let path = self.descend(at.0)?;
        let i = self.node(path.leaf).leaf_position(at.0);
        if i < self.node(path.leaf).len() {
            return Some((path.leaf, i));
        }
        // Up to the first level with a child further right, then down its left edge.
        for level in (0..self.height).rev() {
            let (node, child) = path.steps[level];
            if child + 1 < self.node(node).len() {
                let mut here = self.node(node).child(child + 1);
                for _ in level + 1..self.height {
                    here = self.node(here).child(0);
                }
                return Some((here, 0));
            }
        }
        None
    }

    /// All ranges from `at` upwards.
    pub fn iter_from(&self, at: Addr) -> Iter<'_, T> {
        Iter { ranges: self, next: Some(at), here: None }
    }

    /// The leaf whose bounds hold `at`.
    fn descend(&self, at: usize) -> Option<Path> {
        let mut here = self.root?;
        let mut steps = [(here, 0); LEVELS];
        for step in steps.iter_mut().take(self.height) {
            let node = self.node(here);
            let i = node.inner_position(at);
            *step = (here, i);
            here = node.child(i);
        }
        Some(Path { steps, leaf: here })
    }

    /// Stores `lo..=last`, over whatever was there.
    pub fn insert(&mut self, critical: &Critical, lo: Addr, last: Addr, record: T) -> Result<(), NoMemory> {
        debug_assert!(lo <= last);
        self.reserve(critical)?;
        self.carve(lo.0, last.0);
        self.add(lo.0, last.0, record.pack());
        self.checked();
        Ok(())
    }

    /// Takes `lo..=last` out, cutting what sticks out. Returns how many ranges it touched.
    pub fn remove(&mut self, critical: &Critical, lo: Addr, last: Addr) -> Result<usize, NoMemory> {
        debug_assert!(lo <= last);
        match self.at_or_above(lo) {
            Some(first) if first.lo <= last => {}
            _ => return Ok(0),
        }
        self.reserve(critical)?;
        let touched = self.carve(lo.0, last.0);
        self.checked();
        Ok(touched)
    }

    /// Takes `lo..=last` out: whole ranges and ends of ranges. It lies within no range that sticks out on both
    /// sides, so that no node is needed, and this cannot fail.
    pub fn cut(&mut self, lo: Addr, last: Addr) {
        let inside = |r: &Range<T>| r.lo < lo && r.last > last;
        if !self.find(lo).is_some_and(|r| inside(&r)) {
            self.carve(lo.0, last.0);
        }
        self.checked();
    }

    #[inline]
    fn checked(&self) {
        if cfg!(feature = "zeal") {
            self.check();
        }
    }

    /// Panics unless R1 to R5 hold.
    pub fn check(&self) {
        let mut seen = 0;
        if let Some(root) = self.root {
            assert!(self.height == 0 || self.node(root).len() >= 2, "R3: thin root");
            seen = self.check_node(root, self.height, 0, usize::MAX);
        }
        assert_eq!(seen, self.len, "R5: ranges");
        let (mut free, mut count) = (self.free, 0);
        while let Some(at) = free {
            free = self.node(at).next_free();
            count += 1;
        }
        assert_eq!(count, self.free_len, "R5: free nodes");
    }

    /// Checks the subtree whose bounds are `lo..=last`; returns its ranges.
    fn check_node(&self, at: NodeRef, level: usize, lo: usize, last: usize) -> usize {
        let node = self.node(at);
        let len = node.len();
        assert!(len > 0, "R3: empty node");
        if level == 0 {
            assert!(len <= LEAF && node.unused_is_max(LEAF), "R4: leaf");
            let mut from = lo;
            for i in 0..len {
                let (first, end, _) = node.entry(i);
                assert!(first <= end && first >= from, "R1/R2: {first:x}..={end:x} from {from:x}");
                assert!(end <= last, "R2: {end:x} above {last:x}");
                assert!(i + 1 == len || end < usize::MAX, "R1: more after the end");
                from = end.wrapping_add(1);
            }
            return len;
        }
        assert!(node.unused_is_max(node::INNER) && node.bound(len - 1) == usize::MAX, "R4: inner");
        let (mut from, mut seen) = (lo, 0);
        for i in 0..len {
            let bound = if i + 1 == len { last } else { node.bound(i) };
            assert!(bound >= from && bound <= last, "R2: bound {bound:x}");
            seen += self.check_node(node.child(i), level - 1, from, bound);
            from = bound.wrapping_add(1);
        }
        seen
    }
}

/// See [`Ranges::iter_from`].
pub struct Iter<'a, T: Word> {
    ranges: &'a Ranges<T>,
    next: Option<Addr>,
    /// The leaf of the last range, and what comes behind that in it: most steps need no way down.
    here: Option<(NodeRef, usize)>,
}

impl<T: Word> Iterator for Iter<'_, T> {
    type Item = Range<T>;
    fn next(&mut self) -> Option<Range<T>> {
        if let Some((leaf, i)) = self.here
            && i < self.ranges.node(leaf).len()
        {
            self.here = Some((leaf, i + 1));
            let range = self.ranges.entry(leaf, i);
            self.next = range.last.0.checked_add(1).map(Addr);
            return Some(range);
        }
        let (leaf, i) = self.ranges.place_at_or_above(self.next?)?;
        self.here = Some((leaf, i + 1));
        let range = self.ranges.entry(leaf, i);
        self.next = range.last.0.checked_add(1).map(Addr);
        Some(range)
    }
}

#[cfg(test)]
mod tests;

//! One node of the tree of ranges: 256 bytes, a leaf or an inner node by its place in the tree.
use crate::pure::addr::Addr;

/// Ranges in a leaf.
pub const LEAF: usize = 10;
/// Children of an inner node.
pub const INNER: usize = 15;

/// A node by address; see the safety chapter of [`super`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeRef(pub Addr);

/// The first words are the keys in both kinds, so that searching is one loop over a constant
/// count; unused keys are MAX.
#[repr(C, align(256))]
pub struct Node {
    words: [usize; 2 * INNER],
    len: usize,
    _rest: usize,
}
const _: () = assert!(size_of::<Node>() == 256 && 3 * LEAF == 2 * INNER);

impl Node {
    pub const fn empty() -> Node {
        Node { words: [usize::MAX; 2 * INNER], len: 0, _rest: 0 }
    }
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn unused_is_max(&self, slots: usize) -> bool {
        self.words[self.len..slots].iter().all(|&w| w == usize::MAX)
    }

    // The list of free nodes.
    pub fn next_free(&self) -> Option<NodeRef> {
        (self.words[0] != 0).then_some(NodeRef(Addr(self.words[0])))
    }
    pub fn set_next_free(&mut self, next: Option<NodeRef>) {
        self.words[0] = next.map_or(0, |n| n.0.0);
    }

    // Leaves: last bytes, first bytes, records.

    /// First range that ends at or after `at`; the length (or more) if there is none.
    #[inline(always)]
    pub fn leaf_position(&self, at: usize) -> usize {
        self.words[..LEAF].iter().map(|&last| (last < at) as usize).sum()
    }
    /// First byte, last byte, record.
    #[inline(always)]
    pub fn entry(&self, i: usize) -> (usize, usize, usize) {
        debug_assert!(i < self.len);
        (self.words[LEAF + i], self.words[i], self.words[2 * LEAF + i])
    }
    pub fn set_first(&mut self, i: usize, lo: usize) {
        self.words[LEAF + i] = lo;
    }
    pub fn set_last(&mut self, i: usize, last: usize) {
        self.words[i] = last;
    }
    pub fn insert_entry(&mut self, i: usize, (lo, last, word): (usize, usize, usize)) {
        debug_assert!(i <= self.len && self.len < LEAF);
        for (column, value) in [last, lo, word].into_iter().enumerate() {
            let base = column * LEAF;
            self.words.copy_within(base + i..base + self.len, base + i + 1);
            self.words[base + i] = value;
        }
        self.len += 1;
    }
    pub fn remove_entry(&mut self, i: usize) {
        debug_assert!(i < self.len);
        for base in [0, LEAF, 2 * LEAF] {
            self.words.copy_within(base + i + 1..base + self.len, base + i);
        }
        self.len -= 1;
        self.words[self.len] = usize::MAX;
    }
    /// Moves the ranges from `at` on behind those of `to`.
    pub fn move_entries(&mut self, at: usize, to: &mut Node) {
        for i in at..self.len {
            let entry = self.entry(i);
            to.insert_entry(to.len, entry);
        }
        self.words[at..self.len].fill(usize::MAX);
        self.len = at;
    }

    // Inner nodes: bounds, children.

    /// The child whose bounds hold `at`.
    #[inline(always)]
    pub fn inner_position(&self, at: usize) -> usize {
        self.words[..INNER].iter().map(|&bound| (bound < at) as usize).sum()
    }
    #[inline(always)]
    pub fn child(&self, i: usize) -> NodeRef {
        debug_assert!(i < self.len);
        NodeRef(Addr(self.words[INNER + i]))
    }
    pub fn bound(&self, i: usize) -> usize {
        self.words[i]
    }
    pub fn set_bound(&mut self, i: usize, bound: usize) {
        self.words[i] = bound;
    }
    /// Puts a child before child `i`, with its upper bound.
    pub fn insert_child(&mut self, i: usize, bound: usize, child: NodeRef) {
        debug_assert!(i <= self.len && self.len < INNER);
        for (base, value) in [(0, bound), (INNER, child.0.0)] {
            self.words.copy_within(base + i..base + self.len, base + i + 1);
            self.words[base + i] = value;
        }
        self.len += 1;
    }
    pub fn set_child(&mut self, i: usize, child: NodeRef) {
        self.words[INNER + i] = child.0.0;
    }
    /// Takes child `i` out; its neighbour gets its bounds: the next one, or for the last child
    /// the one before.
    pub fn remove_child(&mut self, i: usize) {
        debug_assert!(i < self.len);
        let bound = if i + 1 == self.len { i.saturating_sub(1) } else { i };
        self.words.copy_within(bound + 1..self.len, bound);
        self.words.copy_within(INNER + i + 1..INNER + self.len, INNER + i);
        self.len -= 1;
        self.words[self.len] = usize::MAX;
        if self.len > 0 {
            self.words[self.len - 1] = usize::MAX;
        }
    }
    /// Moves the children from `at` on behind those of `to`, whose last bound becomes `bound`.
    pub fn move_children(&mut self, at: usize, to: &mut Node, bound: usize) {
        if to.len > 0 {
            to.words[to.len - 1] = bound;
        }
        for i in at..self.len {
            to.insert_child(to.len, self.words[i], NodeRef(Addr(self.words[INNER + i])));
        }
        self.words[at..self.len].fill(usize::MAX);
        self.len = at;
        if at > 0 {
            self.words[at - 1] = usize::MAX;
        }
    }
}

//! Changing the tree of ranges: carve, add, split, remove, merge.
//!
//! # Safety
//! One place makes references to two nodes at a time: they are two nodes of this tree, and the
//! tree is borrowed for writing.
use super::node::{INNER, LEAF, Node, NodeRef};
use super::{LEVELS, NoMemory, Path, Ranges, Word};
use crate::ground::critical::Critical;

/// Nodes that are asked for at a time: a page.
const BATCH: usize = 16;
/// A node with this many slots in use or fewer looks for a neighbour to merge with.
const LOW_LEAF: usize = 3;
const LOW_INNER: usize = 4;

impl<T: Word> Ranges<T> {
    /// Makes sure that one carve and one add find their nodes: each may split every level and
    /// put a root on top.
    pub(super) fn reserve(&mut self, critical: &Critical) -> Result<(), NoMemory> {
        let need = 2 * (self.height + 3);
        while self.free_len < need {
            let bytes = BATCH * size_of::<Node>();
            let base = (self.source)(critical, bytes, size_of::<Node>()).ok_or(NoMemory)?;
            for i in 0..BATCH {
                self.give(NodeRef(base.add(i * size_of::<Node>())));
            }
        }
        Ok(())
    }

    fn give(&mut self, at: NodeRef) {
        let next = self.free;
        self.node_mut(at).set_next_free(next);
        self.free = Some(at);
        self.free_len += 1;
    }

    /// A free node, emptied. [`Ranges::reserve`] made sure that there is one.
    fn take(&mut self) -> NodeRef {
        let Some(at) = self.free else {
            crate::ground::fatal::die(format_args!("internal error: no node was reserved"))
        };
        self.free = self.node(at).next_free();
        self.free_len -= 1;
        *self.node_mut(at) = Node::empty();
        at
    }

    /// Two different nodes at once.
    fn pair(&mut self, a: NodeRef, b: NodeRef) -> (&mut Node, &mut Node) {
        debug_assert!(a != b);
        // SAFETY: two distinct nodes of this tree, and `&mut self` stands for both.
        unsafe { (&mut *a.0.ptr::<Node>(), &mut *b.0.ptr::<Node>()) }
    }

    /// Clears `lo..=last`. Returns how many ranges it touched.
    pub(super) fn carve(&mut self, lo: usize, last: usize) -> usize {
        let mut touched = 0;
        loop {
            let Some(range) = self.at_or_above(crate::pure::addr::Addr(lo)) else { return touched };
            let (first, end) = (range.lo.0, range.last.0);
            if first > last {
                return touched;
            }
            touched += 1;
            let Some(path) = self.descend(end) else { return touched };
            let i = self.node(path.leaf).leaf_position(end);
            match (first < lo, end > last) {
                (false, false) => self.remove_at(&path, i),
                (true, false) => self.node_mut(path.leaf).set_last(i, lo - 1),
                (false, true) => {
                    self.node_mut(path.leaf).set_first(i, last + 1);
                    return touched;
                }
                (true, true) => {
                    self.node_mut(path.leaf).set_last(i, lo - 1);
                    self.add(last + 1, end, range.record.pack());
                    return touched;
                }
            }
        }
    }

    /// Adds a range that overlaps no other.
    pub(super) fn add(&mut self, lo: usize, last: usize, word: usize) {
        self.len += 1;
        let Some(path) = self.descend(last) else {
            let root = self.take();
            self.node_mut(root).insert_entry(0, (lo, last, word));
            self.root = Some(root);
            self.height = 0;
            return;
        };
        self.lower_left_bound(&path, lo);
        let i = self.node(path.leaf).leaf_position(last).min(self.node(path.leaf).len());
        if self.node(path.leaf).len() < LEAF {
            self.node_mut(path.leaf).insert_entry(i, (lo, last, word));
            return;
        }
        // Ranges often come in rising order: then the left half stays full.
        let middle = if i == LEAF { LEAF } else { LEAF / 2 };
        let right = self.take();
        let (left, new) = self.pair(path.leaf, right);
        left.move_entries(middle, new);
        if i >= middle && middle != LEAF / 2 || i > middle {
            new.insert_entry(i - middle, (lo, last, word));
        } else {
            left.insert_entry(i, (lo, last, word));
        }
        let bound = left.entry(left.len() - 1).1;
        self.insert_right(&path, self.height, bound, right);
    }

    /// The bound on the left of this leaf may lie within a range that begins at `lo` (its old
    /// neighbour went): it gives way. All ranges on its left end below `lo`.
    fn lower_left_bound(&mut self, path: &Path, lo: usize) {
        for &(node, child) in path.steps[..self.height].iter().rev() {
            if child > 0 {
                if self.node(node).bound(child - 1) >= lo {
                    self.node_mut(node).set_bound(child - 1, lo - 1);
                }
                return;
            }
        }
    }

    /// A node at `level` levels below the root was split: its left part now ends at `bound`,
    /// and `right` follows it.
    fn insert_right(&mut self, path: &Path, mut level: usize, mut bound: usize, mut right: NodeRef) {
        while level > 0 {
            level -= 1;
            let (at, i) = path.steps[level];
            if self.node(at).len() < INNER {
                return self.put_right(at, i, bound, right);
            }
            let middle = if i + 1 == INNER { INNER - 1 } else { INNER / 2 };
            let new = self.take();
            let up = self.node(at).bound(middle - 1);
            let (left, fresh) = self.pair(at, new);
            left.move_children(middle, fresh, usize::MAX);
            if i < middle {
                self.put_right(at, i, bound, right);
                // The split child may have been the left half's last: its bound went up.
                debug_assert!(self.node(at).len() <= INNER);
            } else {
                self.put_right(new, i - middle, bound, right);
            }
            (bound, right) = (up, new);
        }
        let (Some(old), true) = (self.root, self.height < LEVELS) else { return };
        let root = self.take();
        let node = self.node_mut(root);
        node.insert_child(0, bound, old);
        node.insert_child(1, usize::MAX, right);
        self.root = Some(root);
        self.height += 1;
    }

    /// Child `i` of `at` ends at `bound` now; `right` takes over the rest of its bounds.
    fn put_right(&mut self, at: NodeRef, i: usize, bound: usize, right: NodeRef) {
        let node = self.node_mut(at);
        let (rest, left) = (node.bound(i), node.child(i));
        node.set_bound(i, rest);
        node.set_child(i, right);
        node.insert_child(i, bound, left);
    }

    fn remove_at(&mut self, path: &Path, i: usize) {
        self.len -= 1;
        self.node_mut(path.leaf).remove_entry(i);
        let mut at = path.leaf;
        let (mut low, mut room) = (LOW_LEAF, LEAF);
        for level in (0..self.height).rev() {
            let (parent, child) = path.steps[level];
            if self.node(at).len() == 0 {
                self.node_mut(parent).remove_child(child);
                self.give(at);
            } else if self.node(at).len() > low || !self.merge(parent, child, room) {
                break;
            }
            (at, low, room) = (parent, LOW_INNER, INNER);
        }
        self.shrink_root();
    }

    /// Merges child `i` of `parent` with a neighbour, if one has room for both.
    fn merge(&mut self, parent: NodeRef, i: usize, room: usize) -> bool {
        let children = self.node(parent).len();
        for left in [Some(i), i.checked_sub(1)].into_iter().flatten() {
            if left + 1 >= children {
                continue;
            }
            let (a, b) = (self.node(parent).child(left), self.node(parent).child(left + 1));
            if self.node(a).len() + self.node(b).len() > room {
                continue;
            }
            let bound = self.node(parent).bound(left);
            let (into, from) = self.pair(a, b);
            if room == LEAF {
                from.move_entries(0, into);
            } else {
                from.move_children(0, into, bound);
            }
            // The merged node takes the right one's place.
            let node = self.node_mut(parent);
            node.set_child(left + 1, a);
            node.remove_child(left);
            self.give(b);
            return true;
        }
        false
    }

    fn shrink_root(&mut self) {
        while let Some(root) = self.root {
            match (self.node(root).len(), self.height) {
                (0, _) => (self.root, self.height) = (None, 0),
                (1, 1..) => {
                    self.root = Some(self.node(root).child(0));
                    self.height -= 1;
                }
                _ => return,
            }
            self.give(root);
        }
    }
}

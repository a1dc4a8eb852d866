//! What holds what: leaks as trees of call stacks, each below the direct leak that leads to it.
//!
//! A search from the direct objects, first in, first out, finds every indirect one by a shortest way. An object's *node*
//! is its stack below the node of the object that led to it first, so each byte stands in one place of one tree. A stack
//! that comes again further down is one node with its first place there (the elements of a list, however long), so that a tree
//! is as deep as it has different stacks.
//!
//! The same search labels each object with the root that leads to it, and those that several roots lead to as *shared*:
//! what is not shared is what the root alone keeps. Roots that lead to something in common, directly or by others, are a *family*:
//! when all of a family is suppressed, so is what they share.
//!
//! ```text
//!  A ──► C ──► D        tree of A: C, D           shared: D
//!  B ──► D              tree of B: (nothing)      A and B are a family
//! ```
//! An object is searched from at most twice, when it is found and when it turns out to be shared. Memory: 16 bytes an
//! object for the search, 4,096 nodes; what would be beyond those, or too deep, is in no tree. A direct object that another one leads
//! to is the root of a cycle (`group` tells why).
use super::group::{Edges, Kind, Object, holder};
use super::scratch::{Full, List};
use crate::ground::critical::Critical;

/// Objects of one stack below one node. Numbers of nodes begin at 1, parents before their children.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Node {
    /// 0: a root, whose objects are direct.
    pub parent: u32,
    pub stack: u32,
    pub bytes: u64,
    pub objects: u64,
    /// Of these, what several roots lead to.
    pub shared_bytes: u64,
    pub shared_objects: u64,
    /// Of a root: the root that its family is called by, and how many of its objects stand for a cycle.
    pub family: u32,
    pub cycles: u64,
    depth: u32,
}

const MOST: usize = 4096;
const DEEPEST: u32 = 64;
/// The number of the node of what is in no tree.
const NOWHERE: u32 = u32::MAX;
/// Of a label: others lead there, too.
const SHARED: u32 = 1 << 31;
const TABLE: usize = 2 * MOST;
const _: () = assert!(TABLE.is_power_of_two());

/// The trees of these objects, which are sorted by address and know their kinds.
pub fn grow<'c>(
    critical: &'c Critical,
    objects: &[Object],
    edges: &dyn Edges,
) -> Result<List<'c, Node>, Full> {
    let mut trees = Trees::new(critical, objects)?;
    trees.search(edges)?;
    Ok(trees.sums())
}

struct Trees<'a, 'c> {
    objects: &'a [Object],
    nodes: List<'c, Node>,
    /// Numbers of nodes by parent and stack.
    table: List<'c, u32>,
    /// By object: its node and label, 0 before it is found.
    node_of: List<'c, u32>,
    labels: List<'c, u32>,
    /// Those to search from, in order; each comes twice at most.
    queue: List<'c, u32>,
    /// The last answer of [`Trees::below`].
    last: (u32, u32, u32),
}

impl<'a, 'c> Trees<'a, 'c> {
    fn new(critical: &'c Critical, objects: &'a [Object]) -> Result<Trees<'a, 'c>, Full> {
        let mut queue = List::new(critical);
        queue.reserve(objects.len() * 2)?;
        Ok(Trees {
            objects,
            nodes: List::new(critical),
            table: List::filled(critical, 0, TABLE)?,
            node_of: List::filled(critical, 0, objects.len())?,
            labels: List::filled(critical, 0, objects.len())?,
            queue,
            last: (0, 0, 0),
        })
    }

    fn search(&mut self, edges: &dyn Edges) -> Result<(), Full> {
        let objects = self.objects;
        for (at, object) in objects.iter().enumerate().filter(|(_, object)| object.kind == Kind::Direct) {
            let root = self.node(0, object.stack)?;
            (self.node_of[at], self.labels[at]) = (root, root);
            self.queue.push(at as u32)?;
        }
        let low = objects.first().map_or(0, |o| o.addr);
        let high = objects.last().map_or(0, |o| o.addr + o.size);
        let (mut next, mut done) = (0, Ok(()));
        while let Some(&from) = self.queue.get(next) {
            next += 1;
            edges.each(&objects[from as usize], &mut |word| {
                if done.is_ok()
                    && (low..=high).contains(&word)
                    && let Some(to) = holder(objects, word)
                    && to != from as usize
                {
                    done = self.edge(from as usize, to);
                }
            });
            done?;
        }
        Ok(())
    }

    fn edge(&mut self, from: usize, to: usize) -> Result<(), Full> {
        if self.objects[to].kind == Kind::Direct {
            // Seen at each edge, counted at the first.
            if self.labels[to] & SHARED == 0 {
                self.labels[to] |= SHARED;
                if let Some(root) = self.nodes.get_mut(self.node_of[to].wrapping_sub(1) as usize) {
                    root.cycles += 1;
                }
            }
            return Ok(());
        }
        // A root's mark says something else.
        let shared = if self.objects[from].kind == Kind::Direct { 0 } else { self.labels[from] & SHARED };
        let (root, old) = (self.labels[from] & !SHARED, self.labels[to]);
        if old == 0 {
            self.node_of[to] = self.below(self.node_of[from], self.objects[to].stack)?;
            self.labels[to] = root | shared;
            return self.queue.push(to as u32);
        }
        if old & !SHARED != root {
            self.join(old & !SHARED, root);
        }
        if old & SHARED == 0 && (shared != 0 || old != root) {
            self.labels[to] = old | SHARED;
            return self.queue.push(to as u32);
        }
        Ok(())
    }

    /// Where objects of `stack` are that one of `parent`'s leads to.
    fn below(&mut self, parent: u32, stack: u32) -> Result<u32, Full> {
        let (last_parent, last_stack, last) = self.last;
        if (parent, stack) == (last_parent, last_stack) {
            return Ok(last);
        }
        if parent == NOWHERE {
            return Ok(NOWHERE);
        }
        let mut above = parent;
        // Not the root itself: what is direct stands alone there.
        while let Some(node) = self.nodes.get(above.wrapping_sub(1) as usize)
            && node.parent != 0
            && node.stack != stack
        {
            above = node.parent;
        }
        let place = self.nodes[above as usize - 1];
        let number = if place.parent != 0 { above } else { self.node(parent, stack)? };
        self.last = (parent, stack, number);
        Ok(number)
    }

    /// The node of `stack` right below `parent`, which is made if there is none.
    fn node(&mut self, parent: u32, stack: u32) -> Result<u32, Full> {
        let mut at = (u64::from(parent) << 32 | u64::from(stack)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            as usize
            >> (64 - TABLE.trailing_zeros());
        while let Some(node) = self.nodes.get(self.table[at].wrapping_sub(1) as usize) {
            if (node.parent, node.stack) == (parent, stack) {
                return Ok(self.table[at]);
            }
            at = (at + 1) % TABLE;
        }
        let depth = self.nodes.get(parent.wrapping_sub(1) as usize).map_or(0, |node| node.depth + 1);
        if self.nodes.len() == MOST || depth > DEEPEST {
            return Ok(NOWHERE);
        }
        let number = self.nodes.len() as u32 + 1;
        self.nodes.push(Node {
            parent,
            stack,
            bytes: 0,
            objects: 0,
            shared_bytes: 0,
            shared_objects: 0,
            family: number,
            cycles: 0,
            depth,
        })?;
        self.table[at] = number;
        Ok(number)
    }

    fn family(&self, root: u32) -> Option<u32> {
        let mut root = root;
        loop {
            let above = self.nodes.get(root.wrapping_sub(1) as usize)?.family;
            if above == root {
                return Some(root);
            }
            root = above;
        }
    }

    /// One family: called by the lower number, which keeps the way up short.
    fn join(&mut self, one: u32, other: u32) {
        let (Some(one), Some(other)) = (self.family(one), self.family(other)) else { return };
        self.nodes[one.max(other) as usize - 1].family = one.min(other);
    }

    fn sums(mut self) -> List<'c, Node> {
        for (at, object) in self.objects.iter().enumerate() {
            let Some(node) = self.nodes.get_mut(self.node_of[at].wrapping_sub(1) as usize) else { continue };
            let bytes = object.size as u64;
            (node.bytes, node.objects) = (node.bytes + bytes, node.objects + 1);
            if object.kind != Kind::Direct && self.labels[at] & SHARED != 0 {
                (node.shared_bytes, node.shared_objects) =
                    (node.shared_bytes + bytes, node.shared_objects + 1);
            }
        }
        for at in 0..self.nodes.len() {
            let family = self.family(at as u32 + 1).unwrap_or(0);
            self.nodes[at].family = family;
        }
        self.nodes
    }
}

/// Of the objects of `stack` that are indirect: bytes and number of those that only direct leaks lead to of which each one is
/// `suppressed` (asked by its stack).
pub fn suppressed(nodes: &[Node], stack: u32, suppressed: &dyn Fn(u32) -> bool) -> (u64, u64) {
    let root = |node: &Node| {
        let mut top = *node;
        while let Some(above) = nodes.get(top.parent.wrapping_sub(1) as usize) {
            top = *above;
        }
        top
    };
    let whole = |family: u32| {
        let mut roots = nodes.iter().filter(|node| node.parent == 0 && node.family == family);
        roots.all(|node| suppressed(node.stack))
    };
    let below = nodes.iter().filter(|node| node.parent != 0 && node.stack == stack);
    below.fold((0, 0), |(bytes, objects), node| {
        let root = root(node);
        match (suppressed(root.stack), node.shared_objects) {
            (false, _) => (bytes, objects),
            (true, 1..) if !whole(root.family) => {
                (bytes + node.bytes - node.shared_bytes, objects + node.objects - node.shared_objects)
            }
            (true, _) => (bytes + node.bytes, objects + node.objects),
        }
    })
}

#[cfg(test)]
mod tests;

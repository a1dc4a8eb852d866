//! What holds what: below each direct leak what it leads to, as a tree of stacks.
//!
//! The record has the tree (the library's `leak::tree` says what its numbers mean). Here its nodes find their leaks,
//! and it is said what each direct leak keeps, and which indirect ones need not be told, for all that leads there is suppressed.
use super::site::Sum;
use super::stack;
use crate::record::{self, Kind, Pc, Record};
use std::collections::{HashMap, HashSet};

/// The objects of one leak that a node above it leads to, as [`super::Findings`] has them. Parents before their children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    pub parent: Option<usize>,
    /// Which of the leaks.
    pub leak: usize,
    pub size: Sum,
    /// Of these, what other direct leaks lead to, too.
    pub shared: Sum,
}

/// What a direct leak leads to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Keeps {
    pub alone: Sum,
    pub shared: Sum,
    /// How many of its objects stand for a cycle.
    pub cycles: u64,
}

/// A leak's kind and stack.
pub type Key<'a> = (Kind, &'a [Pc]);

/// The tree of a record: nodes whose parents are known.
pub struct Trees<'a>(Vec<Place<'a>>);
struct Place<'a> {
    node: &'a record::Node,
    pcs: &'a [Pc],
    parent: Option<usize>,
    root: usize,
}

impl<'a> Trees<'a> {
    pub fn of(record: &'a Record) -> Trees<'a> {
        let mut places: Vec<Place<'a>> = Vec::new();
        let mut known: HashMap<u64, usize> = HashMap::new();
        for node in &record.nodes {
            let parent = known.get(&node.parent).copied();
            let at = places.len();
            let root = match (node.parent, parent) {
                (0, _) => at,
                (_, Some(parent)) => places[parent].root,
                _ => continue,
            };
            known.insert(node.id, at);
            places.push(Place { node, pcs: stack(record, node.stack), parent, root });
        }
        Trees(places)
    }

    fn key(&self, at: usize) -> Key<'a> {
        let kind = if self.0[at].root == at { Kind::Direct } else { Kind::Indirect };
        (kind, self.0[at].pcs)
    }

    /// By stack: how much of indirect leaks is only led to by suppressed ones.
    pub fn gone(&self, suppressed: &HashSet<Key<'a>>) -> HashMap<&'a [Pc], Sum> {
        // Families that are suppressed as a whole.
        let mut whole: HashMap<u64, bool> = HashMap::new();
        for (at, place) in self.0.iter().enumerate().filter(|(at, place)| place.root == *at) {
            let is = suppressed.contains(&self.key(at));
            whole.entry(place.node.family).and_modify(|all| *all &= is).or_insert(is);
        }
        let mut gone: HashMap<&'a [Pc], Sum> = HashMap::new();
        for (at, place) in self.0.iter().enumerate() {
            if place.root == at || !suppressed.contains(&self.key(place.root)) {
                continue;
            }
            let mut size = place.node.size;
            if !whole.get(&self.0[place.root].node.family).is_some_and(|whole| *whole) {
                size = less(size, place.node.shared);
            }
            add(gone.entry(place.pcs).or_default(), size);
        }
        gone
    }

    /// The tree of these leaks. Where one is not told, what is below it belongs to what is above.
    pub fn shown(&self, leaks: &HashMap<Key<'a>, usize>) -> Vec<Node> {
        let mut shown: Vec<Node> = Vec::new();
        let mut number: Vec<Option<usize>> = Vec::new();
        for (at, place) in self.0.iter().enumerate() {
            let above = place.parent.and_then(|parent| number[parent]);
            let told = leaks.get(&self.key(at)).filter(|_| place.root == at || number[place.root].is_some());
            number.push(match told {
                Some(&leak) => {
                    let (size, shared) = (place.node.size, place.node.shared);
                    shown.push(Node { parent: above, leak, size, shared });
                    Some(shown.len() - 1)
                }
                None => above,
            });
        }
        shown
    }

    /// By leak: what it keeps. Of the nodes that [`Trees::shown`] gave.
    pub fn keeps(&self, leaks: &HashMap<Key<'a>, usize>, shown: &[Node]) -> HashMap<usize, Keeps> {
        let mut keeps: HashMap<usize, Keeps> = HashMap::new();
        for (at, place) in self.0.iter().enumerate().filter(|(at, place)| place.root == *at) {
            if let Some(&leak) = leaks.get(&self.key(at)) {
                let cycles = &mut keeps.entry(leak).or_default().cycles;
                *cycles = cycles.saturating_add(place.node.cycles);
            }
        }
        let mut roots: Vec<usize> = Vec::new();
        for (at, node) in shown.iter().enumerate() {
            let root = node.parent.map_or(at, |parent| roots[parent]);
            roots.push(root);
            if root != at {
                let keeps = keeps.entry(shown[root].leak).or_default();
                add(&mut keeps.alone, less(node.size, node.shared));
                add(&mut keeps.shared, node.shared);
            }
        }
        keeps
    }
}

pub fn add(sum: &mut Sum, size: Sum) {
    sum.bytes = sum.bytes.saturating_add(size.bytes);
    sum.objects = sum.objects.saturating_add(size.objects);
}
pub fn less(size: Sum, gone: Sum) -> Sum {
    Sum { bytes: size.bytes.saturating_sub(gone.bytes), objects: size.objects.saturating_sub(gone.objects) }
}

/// What a direct leak leads to, in lines for people.
pub fn told(keeps: &Keeps) -> Vec<String> {
    let of = |sum: Sum| {
        let (bytes, objects) = (sum.bytes, sum.objects);
        let s = |n: u64| if n == 1 { "" } else { "s" };
        format!("{bytes} byte{} in {objects} more object{}", s(bytes), s(objects))
    };
    let mut lines = Vec::new();
    match keeps.cycles {
        0 => {}
        1 => lines.push("the root of a cycle".to_owned()),
        n => lines.push(format!("the roots of {n} cycles")),
    }
    if keeps.alone.objects > 0 {
        lines.push(format!("keeps {}", of(keeps.alone)));
    }
    if keeps.shared.objects > 0 {
        lines.push(format!("leads to {}, as other leaks do", of(keeps.shared)));
    }
    lines
}

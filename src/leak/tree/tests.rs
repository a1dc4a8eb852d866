use super::super::group::run;
use super::*;
use crate::ground::critical;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Objects of 64 bytes, 100 apart, of five stacks; edges by number.
fn grown(count: usize, pairs: &[(usize, usize)]) -> (Vec<Object>, Vec<Node>) {
    const FIRST: usize = 0x10000;
    let critical = critical::enter();
    let object = |i: usize| Object {
        addr: FIRST + i * 100,
        size: 64,
        stack: (i % 5) as u32 + 1,
        of: 0,
        kind: Kind::Direct,
    };
    let mut objects: Vec<Object> = (0..count).map(object).collect();
    let edges = |object: &Object, word: &mut dyn FnMut(usize)| {
        let from = (object.addr - FIRST) / 100;
        pairs.iter().filter(|p| p.0 == from).for_each(|p| word(FIRST + p.1 * 100 + 8));
        word(0);
    };
    let nodes = run(&critical, &mut objects, &edges).unwrap().tree.to_vec();
    objects.sort_by_key(|o| o.addr);
    (objects, nodes)
}

/// Which stacks of direct objects lead to each object.
fn leading(objects: &[Object], pairs: &[(usize, usize)]) -> Vec<BTreeSet<u32>> {
    let mut from = vec![BTreeSet::new(); objects.len()];
    for (at, object) in objects.iter().enumerate().filter(|(_, o)| o.kind == Kind::Direct) {
        let mut work = vec![at];
        let mut seen = BTreeSet::from([at]);
        while let Some(next) = work.pop() {
            from[next].insert(object.stack);
            work.extend(pairs.iter().filter(|p| p.0 == next).map(|p| p.1).filter(|&to| seen.insert(to)));
        }
    }
    from
}

fn root(nodes: &[Node], mut node: Node) -> Node {
    while node.parent != 0 {
        node = nodes[node.parent as usize - 1];
    }
    node
}

/// (of roots?, stack) -> objects
type Sums = BTreeMap<(bool, u32), u64>;

fn compare(count: usize, pairs: &[(usize, usize)]) {
    let (objects, nodes) = grown(count, pairs);
    let from = leading(&objects, pairs);
    let indirect = || objects.iter().zip(&from).filter(|(o, _)| o.kind == Kind::Indirect);
    // Each object once.
    let mut sums = Sums::new();
    objects.iter().for_each(|o| *sums.entry((o.kind == Kind::Direct, o.stack)).or_default() += 1);
    let mut told = Sums::new();
    nodes.iter().for_each(|n| *told.entry((n.parent == 0, n.stack)).or_default() += n.objects);
    assert_eq!(told, sums);
    assert!(nodes.iter().all(|n| n.bytes == n.objects * 64 && n.shared_bytes == n.shared_objects * 64));
    assert!(nodes.iter().enumerate().all(|(at, n)| n.parent as usize <= at && n.depth <= 5));
    for head in nodes.iter().filter(|n| n.parent == 0) {
        let below = || nodes.iter().filter(|n| n.parent != 0 && root(&nodes, **n).stack == head.stack);
        let alone = indirect().filter(|(_, from)| **from == BTreeSet::from([head.stack])).count() as u64;
        assert_eq!(below().map(|n| n.objects - n.shared_objects).sum::<u64>(), alone);
        let direct = |at: usize| objects[at].kind == Kind::Direct && objects[at].stack == head.stack;
        let cycles = (0..count).filter(|&at| direct(at) && pairs.iter().any(|p| p.1 == at && p.0 != at));
        assert_eq!(head.cycles, cycles.count() as u64);
    }
    let shared = indirect().filter(|(_, from)| from.len() > 1);
    assert_eq!(nodes.iter().map(|n| n.shared_objects).sum::<u64>(), shared.count() as u64);
    // Families are what shared objects join.
    let mut family: BTreeMap<u32, u32> = objects.iter().map(|o| (o.stack, o.stack)).collect();
    for (_, from) in indirect() {
        let names: BTreeSet<u32> = from.iter().map(|stack| family[stack]).collect();
        let name = *names.first().unwrap();
        family.values_mut().filter(|of| names.contains(of)).for_each(|of| *of = name);
    }
    let heads: Vec<&Node> = nodes.iter().filter(|n| n.parent == 0).collect();
    for (one, other) in heads.iter().flat_map(|one| heads.iter().map(move |other| (one, other))) {
        assert_eq!(one.family == other.family, family[&one.stack] == family[&other.stack]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn like_the_definition((count, pairs) in (1usize..24).prop_flat_map(|n| {
        (Just(n), prop::collection::vec((0..n, 0..n), 0..n * 2))
    })) {
        compare(count, &pairs);
    }
}

/// 0 and 1 (stacks 1, 2) each hold one of stack 3 (2, 7), and share 3; 2 holds 12, of its own stack.
const SHAPE: &[(usize, usize)] = &[(0, 2), (1, 7), (0, 3), (7, 3), (2, 12), (12, 2)];

#[test]
fn a_shape_by_name() {
    let (_, nodes) = grown(13, SHAPE);
    let of = |parent: u32, stack| nodes.iter().find(|n| n.parent == parent && n.stack == stack).copied();
    let number = |node: Node| nodes.iter().position(|n| *n == node).unwrap() as u32 + 1;
    let (one, two) = (of(0, 1).unwrap(), of(0, 2).unwrap());
    let three = of(number(one), 3).unwrap();
    assert_eq!((three.objects, three.shared_objects), (2, 0));
    assert_eq!(of(number(two), 3).unwrap().objects, 1);
    let four = of(number(one), 4).unwrap();
    assert_eq!((four.objects, four.shared_objects), (1, 1));
    assert_eq!((one.family, two.family), (1, 1));
    assert_eq!(of(number(three), 3), None);
}

#[test]
fn what_suppressed_leaks_lead_to() {
    let (_, nodes) = grown(13, SHAPE);
    let gone = |stack, rules: &[u32]| suppressed(&nodes, stack, &|stack| rules.contains(&stack));
    assert_eq!(gone(3, &[1]), (128, 2));
    assert_eq!(gone(3, &[2]), (64, 1));
    assert_eq!(gone(3, &[5]), (0, 0));
    // The shared one goes when nobody is left who leads there.
    assert_eq!((gone(4, &[1]), gone(4, &[2]), gone(4, &[1, 2])), ((0, 0), (0, 0), (64, 1)));
}

/// More stacks than nodes: what finds no place is left out, and the sums of the others stay right.
#[test]
fn the_tree_has_an_end() {
    const COUNT: usize = 6000;
    let critical = critical::enter();
    let mut words: Vec<[usize; 2]> = vec![[0; 2]; COUNT];
    let base = words.as_ptr() as usize;
    (1..COUNT).for_each(|i| words[i][0] = base + (i - 1) * 16);
    let object =
        |i: usize| Object { addr: base + i * 16, size: 8, stack: i as u32, of: 0, kind: Kind::Direct };
    let mut objects: Vec<Object> = (0..COUNT).map(object).collect();
    // SAFETY: the objects are the words.
    let edges = unsafe { super::super::group::Words::new() };
    let nodes = run(&critical, &mut objects, &edges).unwrap().tree.to_vec();
    assert_eq!(nodes.len(), DEEPEST as usize + 1);
    assert!(nodes.iter().all(|node| node.objects == 1));
    // Nobody leads to anybody.
    let none = |_: &Object, _: &mut dyn FnMut(usize)| {};
    let nodes = run(&critical, &mut objects, &none).unwrap().tree.to_vec();
    assert_eq!((nodes.len(), nodes.iter().map(|node| node.objects).sum::<u64>()), (MOST, MOST as u64));
}

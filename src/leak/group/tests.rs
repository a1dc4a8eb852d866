use super::*;
use crate::ground::critical;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// Objects of 64 bytes, 100 apart, in a made-up place; edges by number.
fn made(count: usize) -> Vec<Object> {
    let object = |i: usize| Object {
        addr: 0x10000 + i * 100,
        size: 64,
        stack: (i % 3) as u32,
        of: 0,
        kind: Kind::Direct,
    };
    (0..count).map(object).collect()
}

fn kinds(count: usize, pairs: &[(usize, usize)]) -> Vec<Kind> {
    let critical = critical::enter();
    let mut objects = made(count);
    let first = objects[0].addr;
    // Interior pointers and pointers past the end, as the edge's number has it.
    let edges = |object: &Object, word: &mut dyn FnMut(usize)| {
        let from = (object.addr - first) / 100;
        pairs
            .iter()
            .filter(|p| p.0 == from)
            .for_each(|p| word(first + p.1 * 100 + (p.0 * 16 + p.1 * 8) % 72));
        word(0);
        word(first - 1);
        word(usize::MAX);
    };
    run(&critical, &mut objects, &edges).unwrap();
    objects.sort_by_key(|o| o.addr);
    objects.iter().map(|o| o.kind).collect()
}

/// The definition, naively: direct is the lowest of a set of mutually reachable objects that
/// nothing outside the set reaches.
fn naive(count: usize, pairs: &[(usize, usize)]) -> Vec<Kind> {
    let mut reach = vec![vec![false; count]; count];
    (0..count).for_each(|i| reach[i][i] = true);
    pairs.iter().for_each(|&(a, b)| reach[a][b] = true);
    for k in 0..count {
        for i in 0..count {
            for j in 0..count {
                reach[i][j] |= reach[i][k] && reach[k][j];
            }
        }
    }
    let direct = |i: usize| {
        let source = (0..count).all(|j| !reach[j][i] || reach[i][j]);
        let lowest = (0..i).all(|j| !(reach[j][i] && reach[i][j]));
        source && lowest
    };
    (0..count).map(|i| if direct(i) { Kind::Direct } else { Kind::Indirect }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn like_the_definition((count, pairs) in (1usize..24).prop_flat_map(|n| {
        (Just(n), prop::collection::vec((0..n, 0..n), 0..n * 2))
    })) {
        prop_assert_eq!(kinds(count, &pairs), naive(count, &pairs));
    }
}

#[test]
fn the_shapes_by_name() {
    use Kind::{Direct as D, Indirect as I};
    assert_eq!(kinds(1, &[]), [D]);
    assert_eq!(kinds(1, &[(0, 0)]), [D]);
    assert_eq!(kinds(3, &[(0, 1), (1, 2), (2, 0)]), [D, I, I]);
    // The cycle's lowest is not where the outside comes in.
    assert_eq!(kinds(4, &[(0, 1), (1, 2), (2, 0), (3, 2)]), [I, I, I, D]);
    // A list from high to low; two heads of one tail.
    assert_eq!(kinds(4, &[(3, 2), (2, 1), (1, 0)]), [I, I, I, D]);
    assert_eq!(kinds(3, &[(0, 1), (2, 1)]), [D, I, D]);
}

#[test]
fn sums_by_stack_and_kind() {
    let critical = critical::enter();
    let mut objects = made(9);
    let first = objects[0].addr;
    // 0 points to all others of stack 0 (3 and 6).
    let edges = move |object: &Object, word: &mut dyn FnMut(usize)| {
        if object.addr == first {
            word(first + 300);
            word(first + 600);
        }
    };
    let groups = run(&critical, &mut objects, &edges).unwrap().groups;
    let seen: BTreeMap<_, _> = groups.iter().map(|g| ((g.kind, g.stack), (g.bytes, g.objects))).collect();
    let wanted = [
        ((Kind::Direct, 0), (64, 1)),
        ((Kind::Direct, 1), (192, 3)),
        ((Kind::Direct, 2), (192, 3)),
        ((Kind::Indirect, 0), (128, 2)),
    ];
    assert_eq!(seen, wanted.into_iter().collect());
    assert_eq!(groups[3].kind, Kind::Indirect);
    assert!(run(&critical, &mut [], &edges).unwrap().groups.is_empty());
}

#[test]
fn sums_by_type() {
    let critical = critical::enter();
    let mut objects = made(9);
    let first = objects[0].addr;
    for (at, of) in [(0, 2), (1, 1), (4, 1), (6, 5), (7, 2)] {
        objects[at].of = of;
    }
    // 6, of stack 0 as 0 is, is held.
    let edges = move |object: &Object, word: &mut dyn FnMut(usize)| {
        if object.addr == first {
            word(first + 600);
        }
    };
    let typed = run(&critical, &mut objects, &edges).unwrap().typed;
    let of = |kind, stack, of, objects| Typed { kind, stack, of, bytes: objects * 64, objects };
    let (direct, indirect) = (Kind::Direct, Kind::Indirect);
    assert_eq!(
        typed[..],
        [of(direct, 0, 2, 1), of(direct, 1, 1, 2), of(direct, 1, 2, 1), of(indirect, 0, 5, 1)]
    );
}

/// A real list of a million, linked against the order of addresses: no recursion, one direct.
#[test]
fn a_long_list_in_memory() {
    const COUNT: usize = 1_000_000;
    let mut nodes: Vec<[usize; 4]> = vec![[0; 4]; COUNT];
    let base = nodes.as_ptr() as usize;
    (1..COUNT).for_each(|i| nodes[i][1] = base + (i - 1) * 32 + 8);
    let object = |i: usize| Object { addr: base + i * 32, size: 24, stack: 7, of: 0, kind: Kind::Indirect };
    let mut objects: Vec<Object> = (0..COUNT).map(object).collect();
    let critical = critical::enter();
    // SAFETY: the objects are the nodes.
    let words = unsafe { Words::new() };
    let groups = run(&critical, &mut objects, &words).unwrap().groups;
    let counts: HashSet<_> = groups.iter().map(|g| (g.kind as u8, g.objects, g.bytes)).collect();
    assert_eq!(counts, HashSet::from([(0, 1, 24), (1, COUNT as u64 - 1, 24 * (COUNT as u64 - 1))]));
}

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

fn stack_of(id: u32) -> Vec<usize> {
    get(id, &mut [0; MAX_FRAMES]).0.to_vec()
}

fn pc() -> impl Strategy<Value = usize> {
    prop_oneof![
        0x5555_5555_0000usize..0x5555_5555_4000,
        0x7fff_f700_0000usize..0x7fff_f7ff_ffff,
        (0x7fff_f700_0000usize..0x7fff_f7ff_ffff).prop_map(|pc| pc | EXACT),
        any::<usize>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Against a map: the same stack gets the same number, different ones different numbers, and
    /// each number gives its stack back.
    #[test]
    fn like_a_map(stacks in prop::collection::vec(prop::collection::vec(pc(), 0..70), 1..60)) {
        let mut model: HashMap<Vec<usize>, u32> = HashMap::new();
        for stack in &stacks {
            let id = intern(stack);
            prop_assert_eq!(id == 0, stack.is_empty());
            prop_assert_eq!(*model.entry(stack.clone()).or_insert(id), id);
        }
        let mut ids: Vec<u32> = model.values().copied().collect();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), model.len());
        for (stack, id) in &model {
            prop_assert_eq!(&stack_of(*id), stack);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// As a program's stacks do, each has outer frames in common with the one before: so many are left, so many come.
    #[test]
    fn frames_in_common(steps in prop::collection::vec((0usize..40, prop::collection::vec(pc(), 1..30)), 1..60)) {
        let mut outer_first: Vec<usize> = Vec::new();
        let mut all = Vec::new();
        for (left, new) in steps {
            outer_first.truncate(left);
            outer_first.extend(new);
            let stack: Vec<usize> = outer_first.iter().rev().copied().collect();
            all.push((intern(&stack), stack));
        }
        for (id, stack) in &all {
            prop_assert_eq!(&stack_of(*id), stack);
            prop_assert_eq!(intern(stack), *id);
        }
    }
}

/// Three new frames on top of 25 known ones take 24 bytes; a recursion's stacks, each of which has one frame more, are no long chains.
#[test]
fn what_is_in_common_is_stored_once() {
    let before = stats();
    let stack = |n: usize| {
        let inner = [0x7777_0000_0000, 0x7777_0000_1000 + n % 64 * 8, 0x7777_0001_0000 + n / 64 * 16];
        inner.into_iter().chain((0..25).map(|i| 0x5555_0000_0000 + i * 4096)).collect::<Vec<_>>()
    };
    for n in 0..4096 {
        let id = intern(&stack(n));
        assert_eq!(stack_of(id), stack(n));
        // Siblings have one base, be they ever so many.
        assert!(super::stored(id).unwrap().0.depth() <= 3);
    }
    let (stored, bytes) = (stats().0 - before.0, stats().1 - before.1);
    // Other tests' stacks come in between.
    assert!(bytes / stored < 40, "{stored} {bytes}");
    let deep = |n: usize| (0..n).map(|i| 0x5555_1000_0000 + (n - i) * 64).collect::<Vec<_>>();
    for n in 1..=MAX_FRAMES {
        let id = intern(&deep(n));
        assert_eq!(stack_of(id), deep(n));
        assert!(super::stored(id).unwrap().0.depth() < CHAIN);
    }
}

#[test]
fn grows_through_tables_and_chunks() {
    let stack = |n: usize| (0..28).map(|i| 0x5000_0000 + n * 7919 + i * 4096).collect::<Vec<_>>();
    intern(&stack(0));
    let small = table().unwrap();
    let ids: Vec<u32> = (0..20_000).map(|n| intern(&stack(n))).collect();
    for (n, &id) in ids.iter().enumerate() {
        assert_eq!(intern(&stack(n)), id);
        assert_eq!(stack_of(id), stack(n));
    }
    let (stored, bytes) = stats();
    assert!(stored >= 20_000 && bytes / stored < 150, "{stored} {bytes}");
    // A table that was outgrown is empty, and has no memory.
    assert!(
        core::ptr::eq(small, table().unwrap())
            || small.slots.iter().all(|slot| slot.load(Ordering::Relaxed) == 0)
    );
}

#[test]
fn what_is_too_long_is_cut_and_wild_numbers_are_empty() {
    let long: Vec<usize> = (1..400).map(|n: usize| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    assert_eq!(stack_of(intern(&long)), long[..MAX_FRAMES]);
    assert!(stack_of(0).is_empty() && stack_of(u32::MAX).is_empty());
}

/// Eight threads store the same new stacks at once: one number each.
#[test]
fn races_agree() {
    let work = || (0..2000).map(|n| intern(&[0x1234_0000 + n, 0x77, n])).collect::<Vec<_>>();
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(work)).collect();
    let all: Vec<Vec<u32>> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(all.iter().all(|ids| *ids == all[0]));
    let mut unique = all[0].clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), 2000);
}

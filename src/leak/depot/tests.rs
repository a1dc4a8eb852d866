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

#[test]
fn grows_through_tables_and_chunks() {
    let stack = |n: usize| (0..28).map(|i| 0x5000_0000 + n * 7919 + i * 4096).collect::<Vec<_>>();
    let ids: Vec<u32> = (0..20_000).map(|n| intern(&stack(n))).collect();
    for (n, &id) in ids.iter().enumerate() {
        assert_eq!(intern(&stack(n)), id);
        assert_eq!(stack_of(id), stack(n));
    }
    let (stored, bytes) = stats();
    assert!(stored >= 20_000 && bytes / stored < 150, "{stored} {bytes}");
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

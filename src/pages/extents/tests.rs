//! PA12: the set against a naive model of one flag per address.
use super::{Extents, Full};
use proptest::prelude::*;

const SPACE: usize = 96;

fn grown(n: usize) -> Extents<4> {
    let mut set = Extents::new();
    set.grow_into(vec![Default::default(); n].leak());
    set
}

fn compare(set: &Extents<4>, model: &[bool]) {
    set.check();
    for at in 0..SPACE {
        assert_eq!(set.contains(at), model[at], "contains({at})");
        let above = (at..SPACE).find(|&a| model[a]);
        assert_eq!(set.at_or_above(at), above, "at_or_above({at})");
        let next = set.successor(at);
        assert!(set.as_slice()[..next].iter().all(|e| e.lo <= at));
        assert!(set.as_slice()[next..].iter().all(|e| e.lo > at));
    }
}

proptest! {
    #[test]
    fn scripts_match_a_flag_per_address(
        ops in proptest::collection::vec((any::<bool>(), 0..SPACE, 1..20usize), 0..80)
    ) {
        let mut set = grown(SPACE);
        let mut model = vec![false; SPACE];
        for (add, lo, len) in ops {
            let hi = (lo + len).min(SPACE);
            if add { set.add(lo, hi) } else { set.remove(lo, hi) }.unwrap();
            model[lo..hi].fill(add);
            compare(&set, &model);
        }
    }

    #[test]
    fn a_full_set_refuses_whole(
        ops in proptest::collection::vec((any::<bool>(), 0..SPACE, 1..6usize), 0..80)
    ) {
        let mut set = Extents::<4>::new();
        let mut model = vec![false; SPACE];
        for (add, lo, len) in ops {
            let hi = (lo + len).min(SPACE);
            match if add { set.add(lo, hi) } else { set.remove(lo, hi) } {
                Ok(()) => model[lo..hi].fill(add),
                Err(Full) => assert!(set.is_full()),
            }
            compare(&set, &model);
        }
    }
}

#[test]
fn empty_and_extreme_addresses() {
    let mut set = Extents::<4>::new();
    assert_eq!(set.at_or_above(0), None);
    assert_eq!(set.find(0), None);
    assert_eq!(set.successor(usize::MAX), 0);
    set.add(usize::MAX - 1, usize::MAX).unwrap();
    set.add(0, 1).unwrap();
    assert_eq!(set.at_or_above(1), Some(usize::MAX - 1));
    assert_eq!(set.at_or_above(usize::MAX), None);
    assert!(set.contains(0) && !set.contains(1) && !set.contains(usize::MAX));
}

#[test]
fn adjacent_extents_become_one() {
    let mut set = Extents::<4>::new();
    for (lo, hi) in [(10, 20), (30, 40), (20, 30)] {
        set.add(lo, hi).unwrap();
    }
    assert_eq!(set.as_slice().len(), 1);
    assert_eq!(set.find(25).map(|e| (e.lo, e.hi)), Some((10, 40)));
}

#[test]
fn moving_to_a_larger_array_keeps_everything() {
    let mut set = Extents::<4>::new();
    for i in 0..33 {
        if set.is_full() {
            let twice = set.capacity() * 2;
            set.grow_into(vec![Default::default(); twice].leak());
        }
        set.add(i * 10, i * 10 + 5).unwrap();
        set.check();
    }
    assert_eq!(set.as_slice().len(), 33);
}

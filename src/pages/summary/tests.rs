//! PA1: packing and merging against naive runs over one flag per page.
use super::*;
use proptest::prelude::*;

/// Naive (start, max, end) of a row of flags.
pub(in crate::pages) fn naive(free: &[bool]) -> (usize, usize, usize) {
    let start = free.iter().take_while(|&&f| f).count();
    let end = free.iter().rev().take_while(|&&f| f).count();
    let max = free.split(|&f| !f).map(<[bool]>::len).max().unwrap_or(0);
    (start, max, end)
}

fn parts(s: Summary) -> (usize, usize, usize) {
    (s.start(), s.max(), s.end())
}

#[test]
fn packing_keeps_all_values_up_to_two_to_the_21() {
    let edges = [0, 1, 2, 511, 512, LARGEST / 2, LARGEST - 2, LARGEST - 1];
    for max in edges {
        for start in edges.into_iter().filter(|&s| s <= max) {
            for end in edges.into_iter().filter(|&e| e <= max) {
                assert_eq!(parts(Summary::pack(start, max, end)), (start, max, end));
            }
        }
    }
    let whole = Summary::pack(LARGEST, LARGEST, LARGEST);
    assert_eq!(parts(whole), (LARGEST, LARGEST, LARGEST));
    assert!(!whole.is_none());
    assert_eq!(whole, Summary::all_free(0));
    assert!(Summary::pack(0, 0, 0).is_none());
}

#[test]
fn a_tract_that_is_all_free_merges_to_the_largest_count() {
    for level in 0..LEAF {
        let children = [Summary::all_free(level + 1); FAN];
        assert_eq!(Summary::merge(&children, log_pages(level + 1)), Summary::all_free(level));
    }
    // One page short of all at either end, at the root: needs all 21 bits, not the special case.
    let log = log_pages(1);
    let mut children = [Summary::all_free(1); FAN];
    children[0] = Summary::pack(0, (1 << log) - 1, (1 << log) - 1);
    let almost = LARGEST - 1;
    assert_eq!(parts(Summary::merge(&children, log)), (0, almost, almost));
    children.reverse();
    children[7] = Summary::pack((1 << log) - 1, (1 << log) - 1, 0);
    assert_eq!(parts(Summary::merge(&children, log)), (almost, almost, 0));
}

proptest! {
    #[test]
    fn merging_equals_the_summary_of_the_concatenation(
        runs in proptest::collection::vec((any::<bool>(), 1..24usize), 1..40)
    ) {
        // Eight pieces of 16 pages: runs cross pieces, and pieces are full or empty, often.
        let mut flags: Vec<bool> =
            runs.iter().flat_map(|&(free, n)| std::iter::repeat_n(free, n)).collect();
        flags.resize(128, false);
        let mut children = [Summary::NONE; FAN];
        for (child, piece) in children.iter_mut().zip(flags.chunks(16)) {
            let (start, max, end) = naive(piece);
            *child = Summary::pack(start, max, end);
        }
        prop_assert_eq!(parts(Summary::merge(&children, 4)), naive(&flags));
    }
}

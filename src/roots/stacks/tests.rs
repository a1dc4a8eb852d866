use super::*;
use crate::ground::critical;
use proptest::prelude::*;

proptest! {
    #[test]
    fn holes_are_left_out_byte_for_byte(
        holes in proptest::collection::vec((0usize..200, 1usize..30), 0..12),
        (lo, len) in (0usize..200, 1usize..60),
    ) {
        let critical = critical::enter();
        let mut all = Growing::new(&critical, 16).unwrap();
        for &(lo, len) in &holes {
            let hole = Hole { lo, hi: lo + len };
            prop_assert!(all.push(hole));
        }
        settle(&mut all);
        prop_assert!(all.as_slice().windows(2).all(|w| w[0].hi < w[1].lo));
        let mut left = vec![];
        outside(all.as_slice(), lo, lo + len, &mut |lo, hi| left.extend(lo..hi));
        let expected: Vec<usize> = (lo..lo + len)
            .filter(|&at| !holes.iter().any(|&(lo, len)| lo <= at && at < lo + len))
            .collect();
        prop_assert_eq!(left, expected);
    }
}

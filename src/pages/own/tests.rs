use super::*;

/// The set is one for the whole test process: use addresses that no mapping can have.
const FAR: usize = 1 << 50;

#[test]
fn ranges_come_and_go_beyond_the_inline_array() {
    let range = |i: usize| (Addr(FAR + i * 0x3000), Addr(FAR + i * 0x3000 + 0x1000));
    for i in 0..3 * INLINE {
        let (lo, hi) = range(i);
        add(lo, hi);
    }
    assert_eq!(forgotten(), 0);
    let mut seen = 0;
    for_each(|lo, hi| {
        if lo.0 >= FAR {
            assert_eq!((lo, hi), range(seen));
            seen += 1;
        }
    });
    assert_eq!(seen, 3 * INLINE);
    for i in 0..3 * INLINE {
        let (lo, hi) = range(i);
        assert!(contains(lo) && contains(Addr(hi.0 - 1)) && !contains(hi));
        remove(lo, hi);
        assert!(!contains(lo));
    }
    assert_eq!(next(Addr(FAR)), None);
}

#[test]
fn the_array_of_the_set_is_in_the_set() {
    let critical = critical::enter();
    let mut own = Own { set: Extents::new(), forgotten: 0 };
    for i in 0..INLINE {
        own.set.add(i * 10, i * 10 + 5).unwrap();
    }
    own.make_room();
    let at = own.set.as_slice().as_ptr() as usize;
    assert!(own.set.contains(at));
    drop(critical);
}

use super::class::*;
use crate::pure::addr::PAGE_SIZE;

#[test]
fn every_request_gets_the_smallest_class_that_holds_one_byte_more() {
    for n in 0..=MEDIUM_MAX {
        let class = of(n);
        let size = SIZE[class] as usize;
        assert!(size > n, "{n} in {size}");
        assert!(class == 1 || SIZE[class - 1] as usize <= n, "{n} would fit class {}", class - 1);
    }
    assert_eq!(of(MEDIUM_MAX + 1), 0);
    assert_eq!(SIZE[COUNT - 1] as usize, SLOT_MAX);
}

#[test]
fn waste_stays_within_an_eighth_above_128_bytes() {
    for n in 129..=MEDIUM_MAX {
        let size = SIZE[of(n)] as usize;
        assert!((size - n) * 8 <= n + 16 * 8, "{n} in {size}");
    }
}

#[test]
fn slots_are_16_aligned_and_spans_waste_little() {
    for class in 1..COUNT {
        let size = SIZE[class] as usize;
        let bytes = PAGES[class] as usize * PAGE_SIZE;
        assert_eq!(size % 16, 0);
        assert!((bytes - slots(class) * size) * 16 <= bytes, "class {class}");
        assert!(slots(class) >= 4);
    }
}

#[test]
fn the_reciprocal_is_exact_for_every_offset() {
    for class in 1..COUNT {
        let size = SIZE[class] as usize;
        let magic = magic(size);
        for offset in 0..PAGES[class] as usize * PAGE_SIZE {
            assert_eq!(
                ((offset as u128 * magic as u128) >> 64) as usize,
                offset / size,
                "class {class} offset {offset}"
            );
        }
    }
}

#[test]
fn aligned_classes_are_aligned_and_hold_the_request() {
    for shift in 4..=12 {
        let align = 1 << shift;
        for n in (0..=65536).step_by(7).chain([1, 64, 4096, 8192, 65536]) {
            let class = of_aligned(n, align);
            if class != 0 {
                assert_eq!(SIZE[class] as usize % align, 0);
                assert!(SIZE[class] as usize >= n.max(1));
            }
        }
    }
}

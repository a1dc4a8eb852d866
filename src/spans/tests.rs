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

#[test]
fn one_product_tells_slots_from_all_other_addresses() {
    let mut r = 0x5eed_u64;
    for (class, &size) in SIZE.iter().enumerate().skip(1) {
        let (size, magic) = (size as u64, magic(size as usize));
        for i in 0..20_000u64 {
            r ^= r << 13;
            r ^= r >> 7;
            r ^= r << 17;
            let address = match i % 4 {
                0 => r >> 17,
                1 => (r >> 17) / size * size,
                2 => ((r >> 17) / size * size).saturating_sub(1 + i % 16),
                _ => ((1 << 47) - 1 - i / 4) / size * size + i % 3,
            };
            let mark = address.wrapping_mul(magic);
            assert_eq!(mark < magic, address.is_multiple_of(size), "class {class} address {address:#x}");
            assert!(address == 0 || (mark != 0 && mark != address));
        }
    }
}

#[test]
fn a_request_finds_the_bin_of_its_class_and_bins_do_not_overlap() {
    for n in 0..=MEDIUM_MAX {
        assert_eq!(BIN_OF[n >> 4], BIN[of(n)], "{n}");
    }
    for class in 1..COUNT {
        // Below the oldest place is a null, below that lies the head of the bin before.
        let lowest = BIN[class] as usize - (HOLDS[class] as usize + 1) * 8;
        assert!(lowest >= BIN[class - 1] as usize + 64, "class {class}");
    }
}

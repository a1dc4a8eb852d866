use super::*;
use crate::sys::vm;
use std::time::Instant;

/// All wanted regions, gathered through an array of `step`, merged.
fn gather(way: Way, lo: Addr, hi: Addr, want: Want, step: usize) -> Vec<Region> {
    let mut map = PageMap::open_way(way);
    let mut out = vec![Region::default(); step];
    let (mut at, mut all) = (lo, Vec::<Region>::new());
    while at < hi {
        let (n, end) = map.scan(at, hi, want, &mut out);
        assert!(end > at && end <= hi);
        for &r in &out[..n] {
            match all.last_mut() {
                Some(last) if last.hi == r.lo && last.pages == r.pages => last.hi = r.hi,
                _ => all.push(r),
            }
        }
        at = end;
    }
    all
}

fn touch(base: Addr, page: usize) {
    // SAFETY: a page of a mapping that the test made.
    unsafe { base.add(page * PAGE_SIZE).ptr::<u8>().write_volatile(1) };
}
fn read(base: Addr, page: usize) {
    // SAFETY: a page of a mapping that the test made.
    unsafe { base.add(page * PAGE_SIZE).ptr::<u8>().read_volatile() };
}

#[test]
fn touched_pages_and_no_others_in_every_way() {
    const N: usize = 1000;
    let base = vm::map_rw(Addr::NULL, N * PAGE_SIZE).unwrap();
    let end = base.add(N * PAGE_SIZE);
    // SAFETY: ours; small pages, so that one touch is one page.
    unsafe { vm::advise(base, N * PAGE_SIZE, libc::MADV_NOHUGEPAGE).unwrap() };
    let expected: Vec<Region> = (0..N)
        .step_by(3)
        .map(|i| {
            touch(base, i);
            let lo = base.0 + i * PAGE_SIZE;
            Region { lo, hi: lo + PAGE_SIZE, pages: Pages::PRESENT }
        })
        .collect();
    for way in [Way::ScanGuards, Way::Scan, Way::Entries] {
        for step in [1, 7, 5000] {
            assert_eq!(gather(way, base, end, Want::Modified, step), expected, "{way:?} {step}");
        }
    }
    let resident: Vec<Region> =
        expected.iter().map(|r| Region { pages: Pages::PRESENT.or(Pages::SWAPPED), ..*r }).collect();
    for step in [1, 5000] {
        assert_eq!(gather(Way::Resident, base, end, Want::Modified, step), resident);
    }
    read(base, 1);
    assert_eq!(gather(Way::ScanGuards, base, end, Want::Modified, 100), expected, "the zero page is no news");
    let blind = gather(Way::Blind, base, end, Want::Modified, 1);
    assert_eq!(blind, [Region { lo: base.0, hi: end.0, pages: Pages::SWAPPED }]);
    // SAFETY: ours.
    unsafe { vm::unmap(base, N * PAGE_SIZE).unwrap() };
}

#[test]
fn a_terabyte_of_nothing_is_told_at_once() {
    const LEN: usize = 1 << 40;
    let base = vm::map_rw_lazy(Addr::NULL, LEN).unwrap();
    // SAFETY: ours.
    unsafe { vm::advise(base, LEN, libc::MADV_NOHUGEPAGE).unwrap() };
    touch(base, 12345);
    let start = Instant::now();
    let found = gather(Way::ScanGuards, base, base.add(LEN), Want::Modified, 64);
    let took = start.elapsed();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].lo, base.0 + 12345 * PAGE_SIZE);
    assert!(took.as_millis() < 50, "{took:?}");
    // SAFETY: ours.
    unsafe { vm::unmap(base, LEN).unwrap() };
}

#[test]
fn guard_pages_are_not_wanted() {
    const GUARD_INSTALL: i32 = 102;
    let base = vm::map_rw(Addr::NULL, 4 * PAGE_SIZE).unwrap();
    for i in 0..4 {
        touch(base, i);
    }
    // SAFETY: ours.
    if unsafe { vm::advise(base.add(PAGE_SIZE), PAGE_SIZE, GUARD_INSTALL) }.is_ok() {
        let found = gather(Way::ScanGuards, base, base.add(4 * PAGE_SIZE), Want::Any, 64);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].lo, base.0 + 2 * PAGE_SIZE);
    }
    // SAFETY: ours.
    unsafe { vm::unmap(base, 4 * PAGE_SIZE).unwrap() };
}

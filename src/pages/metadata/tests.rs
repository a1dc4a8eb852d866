use super::*;

fn is_zero(at: Addr, len: usize) -> bool {
    // SAFETY: the caller just got these bytes from the arena.
    unsafe { core::slice::from_raw_parts(at.ptr::<u8>(), len) }.iter().all(|&b| b == 0)
}

#[test]
fn pieces_are_zeroed_aligned_disjoint_and_ours() {
    let critical = critical::enter();
    let mut pieces = vec![];
    for i in 0..2000usize {
        let (bytes, align) = (1 + i * 37 % 3000, 8 << (i % 8));
        let at = alloc(&critical, bytes, align).unwrap();
        assert!(at.is_aligned(align) && is_zero(at, bytes) && own::contains(at));
        // SAFETY: ours, as just allocated.
        unsafe { at.ptr::<u8>().write_bytes(0xff, bytes) };
        pieces.push((at.0, at.0 + bytes));
    }
    pieces.sort_unstable();
    assert!(pieces.windows(2).all(|w| w[0].1 <= w[1].0));
}

#[test]
fn large_and_overaligned_requests() {
    let critical = critical::enter();
    let big = alloc(&critical, 3 << 20, 64).unwrap();
    assert!(is_zero(big, 3 << 20));
    let aligned = alloc(&critical, 100, 1 << 16).unwrap();
    assert!(aligned.is_aligned(1 << 16));
    assert_eq!(alloc(&critical, usize::MAX, 8), None);
    assert_eq!(alloc(&critical, usize::MAX - 8, 1 << 20), None);
}

#[test]
fn regions_are_registered_while_they_live() {
    let critical = critical::enter();
    let at = map_region(&critical, 5 * PAGE_SIZE + 1).unwrap();
    let last = at.add(6 * PAGE_SIZE - 1);
    assert!(is_zero(at, 6 * PAGE_SIZE) && own::contains(at) && own::contains(last));
    // SAFETY: mapped above, no longer used.
    unsafe { unmap_region(&critical, at, 5 * PAGE_SIZE + 1) };
}

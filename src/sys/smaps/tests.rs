use super::*;

#[test]
fn what_forks_get_empty_is_told() {
    let (len, mut found) = (8192, (false, 0));
    // SAFETY: a new mapping, advised on.
    #[allow(unsafe_code)]
    let at = unsafe {
        let at = libc::mmap(
            core::ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        assert_eq!(libc::madvise(at, len, libc::MADV_WIPEONFORK), 0);
        at as usize
    };
    for_each(&mut [0; 700], &mut |lo, hi, wiped| {
        found.0 |= wiped && (lo..hi).contains(&at);
        found.1 += 1;
    })
    .unwrap();
    assert!(found.0 && found.1 > 5);
}

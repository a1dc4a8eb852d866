use super::*;

/// Nothing is read outside the bounds, nor askew.
#[test]
fn bounds_hold() {
    let words = [1usize, 2, 3, 4];
    let lo = words.as_ptr() as usize;
    let bounds = Bounds { lo, hi: lo + 32 };
    assert_eq!((bounds.read(lo), bounds.read(lo + 24)), (Some(1), Some(4)));
    for at in [lo - 8, lo + 32, lo + 4, lo + 25, 0, usize::MAX, usize::MAX - 7] {
        assert_eq!(bounds.read(at), None);
    }
    assert_eq!(Bounds { lo: 0, hi: 0 }.read(8), None);
}

/// Both walks, the one with the cache and the one with all registers, see the same stack.
#[test]
fn the_full_walk_agrees() {
    #[inline(never)]
    fn recurse(n: usize) {
        if n > 0 {
            recurse(n - 1);
            std::hint::black_box(n);
            return;
        }
        let mut out = [0; 64];
        let len = capture(&mut out);
        let sp = bounds::asked(&raw const out as usize).unwrap();
        // The frames of our callers lie above `out`: walk them both ways from a made-up start.
        let mut start = Start::default();
        // SAFETY: stores registers into a local.
        unsafe {
            asm!("lea {t}, [rip]", "mov [{p}], {t}", "mov [{p} + 8], rsp", "mov [{p} + 16], rbp",
                 "mov [{p} + 24], rbx", "mov [{p} + 32], r12", "mov [{p} + 40], r13",
                 "mov [{p} + 48], r14", "mov [{p} + 56], r15",
                 p = in(reg) &raw mut start, t = out(reg) _, options(nostack, preserves_flags));
        }
        let bounds = Bounds { lo: (start.rsp - 128) & !7, ..sp };
        let (mut fast, mut full) = ([0; 64], [0; 64]);
        let n = walk::walk(&start, bounds, &mut fast, walk::Top::Keep);
        let m = walk::fully(&start, bounds, &mut full);
        assert_eq!(fast[..n], full[..m]);
        // capture, this function, its callers.
        assert_eq!(out[2..len], fast[1..n]);
    }
    recurse(30);
}

#[test]
fn errno_and_the_memory_of_bounds_survive() {
    let mut out = [0; 64];
    crate::sys::errno::set(77);
    let first = capture(&mut out);
    modules_changed();
    assert_eq!(capture(&mut out), first);
    assert_eq!(crate::sys::errno::get(), 77);
    let (lo, hi) = remembered();
    let at = &raw const out as usize;
    assert!(lo.load(Ordering::Relaxed) <= at && at < hi.load(Ordering::Relaxed));
}

use super::*;

/// Nothing is read outside the bounds, nor askew.
#[test]
fn bounds_hold() {
    let words = [1usize, 2, 3, 4];
    let lo = words.as_ptr() as usize;
    let bounds = Bounds { lo, hi: lo + 32, is_own: false };
    assert_eq!((bounds.read(lo), bounds.read(lo + 24)), (Some(1), Some(4)));
    for at in [lo - 8, lo + 32, lo + 4, lo + 25, 0, usize::MAX, usize::MAX - 7] {
        assert_eq!(bounds.read(at), None);
    }
    assert_eq!(Bounds { lo: 0, hi: 0, is_own: false }.read(8), None);
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

/// Frames of different shapes, in an order that `script` says; at each return and at the bottom the memo's answer is that
/// of a walk.
mod by_memo {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::hint::black_box;
    use std::sync::atomic::AtomicBool;

    // Each calls rdi with rsi and rdx. One is found by rbp, has the same rsp wherever it was called from nearby, and what it
    // calls first leaves rbp alone; one saves rbp and uses it for something else; one has its CFA in a word near rbp, as
    // gcc's have that align their stack.
    core::arch::global_asm!(
        ".text",
        "gleaner_test_framed: .cfi_startproc",
        "push rbp; .cfi_def_cfa_offset 16; .cfi_offset rbp, -16",
        "mov rbp, rsp; .cfi_def_cfa_register rbp",
        "mov rax, rdi; and rsp, -1024; mov rdi, rsi; mov rsi, rdx; call 2f; leave; .cfi_def_cfa rsp, 8",
        "ret; .cfi_endproc",
        "2: .cfi_startproc",
        "sub rsp, 8; .cfi_def_cfa_offset 16; call rax; add rsp, 8; .cfi_def_cfa_offset 8",
        "ret; .cfi_endproc",
        "gleaner_test_spoils: .cfi_startproc",
        "push rbp; .cfi_def_cfa_offset 16; .cfi_offset rbp, -16",
        "mov rbp, 0x5a5a5; mov rax, rdi; mov rdi, rsi; mov rsi, rdx; call rax; pop rbp; .cfi_def_cfa_offset 8",
        "ret; .cfi_endproc",
        "gleaner_test_aligned: .cfi_startproc",
        "lea r10, [rsp + 8]; .cfi_def_cfa r10, 0",
        "and rsp, -64; push [r10 - 8]; push rbp",
        ".cfi_escape 0x10, 6, 2, 0x76, 0",
        "mov rbp, rsp; push r10",
        ".cfi_escape 0xf, 3, 0x76, 0x78, 6",
        "mov rax, rdi; sub rsp, 40; mov rdi, rsi; mov rsi, rdx; call rax; add rsp, 40",
        "pop r10; .cfi_def_cfa r10, 0",
        "pop rbp; lea rsp, [r10 - 8]; .cfi_def_cfa rsp, 8",
        "ret; .cfi_endproc",
        // Calls the first of them from two places: its frame lies lower the second time, the aligned ones that it calls do not, and where it was at first
        // the return address stays.
        "gleaner_test_two_ways: .cfi_startproc",
        "push rbp; .cfi_def_cfa_offset 16; .cfi_offset rbp, -16",
        "mov rbp, rsp; .cfi_def_cfa_register rbp",
        "and rsp, -1024; sub rsp, 256; mov [rsp], rdi; mov [rsp + 8], rsi; mov [rsp + 16], rdx",
        "call gleaner_test_framed",
        "mov rdi, [rsp]; mov rsi, [rsp + 8]; mov rdx, [rsp + 16]; sub rsp, 64; call gleaner_test_framed",
        "leave; .cfi_def_cfa rsp, 8",
        "ret; .cfi_endproc",
    );
    type Frame = unsafe extern "C" fn(extern "C" fn(*const u8, usize), *const u8, usize);
    unsafe extern "C" {
        fn gleaner_test_framed(f: extern "C" fn(*const u8, usize), script: *const u8, len: usize);
        fn gleaner_test_spoils(f: extern "C" fn(*const u8, usize), script: *const u8, len: usize);
        fn gleaner_test_aligned(f: extern "C" fn(*const u8, usize), script: *const u8, len: usize);
        fn gleaner_test_two_ways(f: extern "C" fn(*const u8, usize), script: *const u8, len: usize);
    }
    extern "C" fn called(script: *const u8, len: usize) {
        // SAFETY: the slice of `by`.
        next(unsafe { core::slice::from_raw_parts(script, len) });
        compare_number();
    }
    fn by(frame: Frame, script: &[u8]) {
        // SAFETY: calls `called` with these two words and returns.
        unsafe { frame(called, script.as_ptr(), script.len()) }
    }

    #[inline(never)]
    fn compare() {
        let (mut walked, mut kept) = ([0; 256], [0; 256]);
        let n = capture(&mut walked);
        numbered(&walked[2..n]);
        let m = memo::frames(&mut kept).expect("a memo can be used");
        let shared = n.min(m);
        assert_eq!((n, walked[2..shared].to_vec()), (m, kept[2..shared].to_vec()));
    }
    /// The last walk stays another one, if this stack is known.
    #[inline(never)]
    fn compare_number() {
        let mut walked = [0; 256];
        let n = capture(&mut walked);
        numbered(&walked[2..n]);
    }
    /// The number of a stack that is made, or known, is that of these frames and two more.
    #[inline(never)]
    fn numbered(walked: &[usize]) {
        let mut frames = [0; crate::leak::depot::MAX_FRAMES];
        // All calls are from one place: it is the same stack.
        for _ in 0..black_box(3) {
            let id = memo::number(160).expect("a memo can be used");
            let stored = crate::leak::depot::get(id, &mut frames).0;
            assert_eq!(stored[3..], *walked);
        }
    }
    #[inline(never)]
    fn small(script: &[u8]) {
        next(script);
        compare_number();
    }
    #[inline(never)]
    fn large(script: &[u8]) {
        let room = black_box([script.len() as u8; 700]);
        next(script);
        black_box(&room);
    }
    #[inline(never)]
    fn busy(script: &[u8]) -> usize {
        let (a, b, c, d) = black_box((1, 2, 3, script.len()));
        next(script);
        compare();
        a + b * c + d + black_box(d)
    }
    #[inline(never)]
    fn twice(script: &[u8]) {
        next(&script[..script.len() / 2]);
        next(&script[script.len() / 2..]);
    }
    #[inline(never)]
    fn next(script: &[u8]) {
        match script.split_first() {
            None => compare_number(),
            Some((0, rest)) => small(rest),
            Some((1, rest)) => large(rest),
            Some((2, rest)) => drop(black_box(busy(rest))),
            Some((3, rest)) => by(gleaner_test_framed, rest),
            Some((4, rest)) => by(gleaner_test_spoils, rest),
            Some((5, rest)) => by(gleaner_test_aligned, rest),
            Some((6, rest)) => twice(rest),
            Some((7, rest)) => again(rest),
            Some((_, rest)) => {
                // The next look at the stack is at another place, or is the next place's first.
                if !AGAIN.load(Ordering::Relaxed) {
                    compare();
                }
                next(rest)
            }
        }
    }
    static AGAIN: AtomicBool = AtomicBool::new(false);
    /// The same calls from two places, which all that lies below has in common.
    #[inline(never)]
    fn again(script: &[u8]) {
        let before = AGAIN.swap(false, Ordering::Relaxed);
        next(script);
        AGAIN.store(true, Ordering::Relaxed);
        next(script);
        AGAIN.store(before, Ordering::Relaxed);
    }

    /// The last walk is one from another place, and nothing but the outer frames tells.
    #[test]
    fn who_called_the_caller() {
        #[inline(never)]
        fn bottom(first: bool) {
            if first {
                compare_number();
            }
            compare_number();
            black_box(first);
        }
        #[inline(never)]
        fn middle(first: bool) {
            bottom(first);
            black_box(first);
        }
        middle(black_box(true));
        middle(black_box(false));
        black_box(());
    }

    /// Nothing tells but what rbp was in a frame further out, which the same places ask for one after the other: all return addresses are
    /// where they were, one of them by chance.
    #[test]
    fn what_rbp_was_further_out() {
        extern "C" fn compared(_: *const u8, _: usize) {
            compare_number();
        }
        extern "C" fn spoiled(script: *const u8, len: usize) {
            // SAFETY: calls `compared` and returns.
            unsafe { gleaner_test_spoils(compared, script, len) }
        }
        for called in [spoiled, compared] {
            // SAFETY: calls one of these two, twice, and returns.
            unsafe { gleaner_test_two_ways(called, core::ptr::null(), 0) }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn as_walked(script in vec(0u8..9, 0..20)) {
            next(&script);
        }
        #[test]
        fn as_walked_again(outer in vec(0u8..9, 0..4), between in vec(0u8..6, 0..4), inner in vec(0u8..6, 0..3)) {
            next(&[&outer[..], &[7], &between, &[8], &inner].concat());
        }
    }

    /// A number by the memo is the number of the same frames without.
    #[test]
    fn the_number_is_the_depots() {
        let mut frames = [0; crate::leak::depot::MAX_FRAMES];
        for _ in 0..3 {
            let id = memo::number(64).expect("a memo can be used");
            let (stored, _) = crate::leak::depot::get(id, &mut frames);
            assert_eq!(crate::leak::depot::intern(stored), id);
            // The innermost ones only, of a stack that is deeper.
            let cut = memo::number(3).expect("a memo can be used");
            assert_eq!(crate::leak::depot::get(cut, &mut frames).0.len(), 3);
        }
    }

    /// Deeper than a memo has room for, and back.
    #[test]
    fn too_deep() {
        #[inline(never)]
        fn down(levels: usize) -> usize {
            if levels == 0 {
                assert_eq!(memo::number(64), None);
                return 0;
            }
            down(levels - 1) + black_box(1)
        }
        assert_eq!(down(400), 400);
        compare();
    }
}

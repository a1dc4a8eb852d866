use super::*;
use crate::ground::critical;
use crate::roots::tests::alone;

const RW: c_int = libc::PROT_READ | libc::PROT_WRITE;
const ANON: c_int = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

fn noted(at: usize) -> Option<(usize, usize, u8)> {
    let critical = critical::enter();
    mappings::find(&critical, Addr(at)).map(|r| (r.lo.0, r.last.0 + 1 - r.lo.0, r.record.prot))
}

#[test]
fn the_family_is_noted_and_fails_as_the_kernel_does() {
    alone("runtime::mappings::tests::the_family_is_noted_and_fails_as_the_kernel_does", family);
}

fn family() {
    // SAFETY: mappings of this test's own, and calls that are refused.
    unsafe {
        let base = mmap(0, 8 * PAGE_SIZE, RW, ANON, -1, 0) as usize;
        assert_eq!(noted(base), Some((base, 8 * PAGE_SIZE, 3)));
        assert_eq!(munmap(base + 2 * PAGE_SIZE, 1), 0);
        assert_eq!(noted(base + 2 * PAGE_SIZE), None);
        assert_eq!(noted(base + 3 * PAGE_SIZE), Some((base + 3 * PAGE_SIZE, 5 * PAGE_SIZE, 3)));
        let fixed = ANON | libc::MAP_FIXED;
        assert_eq!(mmap(base, PAGE_SIZE, 1, fixed, -1, 0) as usize, base);
        assert_eq!(noted(base), Some((base, PAGE_SIZE, 1)));
        assert_eq!(mprotect(base + PAGE_SIZE, PAGE_SIZE, 0), 0);
        assert_eq!(noted(base + PAGE_SIZE), Some((base + PAGE_SIZE, PAGE_SIZE, 0)));
        assert_eq!(pkey_mprotect(base + PAGE_SIZE, PAGE_SIZE, 3, -1), 0);
        assert_eq!(noted(base + PAGE_SIZE).map(|r| r.2), Some(3));

        let five = base + 3 * PAGE_SIZE;
        let moved = mremap(five, 5 * PAGE_SIZE, 900 * PAGE_SIZE, libc::MREMAP_MAYMOVE, 12345) as usize;
        assert_eq!((noted(five), noted(moved)), (None, Some((moved, 900 * PAGE_SIZE, 3))));
        assert_eq!(mremap(moved, 900 * PAGE_SIZE, PAGE_SIZE, 0, 0) as usize, moved);
        assert_eq!(noted(moved), Some((moved, PAGE_SIZE, 3)));

        let failed = |result: bool, code: i32| {
            assert!(result);
            assert_eq!(errno::get(), code);
        };
        failed(mmap(0, 0, RW, ANON, -1, 0) == libc::MAP_FAILED, libc::EINVAL);
        failed(mmap(0, PAGE_SIZE, RW, libc::MAP_PRIVATE, -1, 0) == libc::MAP_FAILED, libc::EBADF);
        failed(mmap(0, PAGE_SIZE, RW, ANON, -1, 1) == libc::MAP_FAILED, libc::EINVAL);
        failed(munmap(moved + 1, PAGE_SIZE) == -1, libc::EINVAL);
        assert!(noted(moved).is_some());
        failed(munmap(moved, 0) == -1, libc::EINVAL);
        failed(mprotect(moved + 1, 1, 1) == -1, libc::EINVAL);
        failed(madvise(moved, PAGE_SIZE, 12345) == -1, libc::EINVAL);
        failed(mremap(moved, PAGE_SIZE, 0, 0, 0) == libc::MAP_FAILED, libc::EINVAL);
        assert_eq!(noted(moved), Some((moved, PAGE_SIZE, 3)));
        errno::set(7);
        assert_eq!((munmap(moved, PAGE_SIZE), munmap(base, 3 * PAGE_SIZE), errno::get()), (0, 0, 7));
        assert_eq!((noted(moved), noted(base)), (None, None));
    }
}

#[test]
fn the_break_moves_as_glibcs() {
    alone("runtime::mappings::tests::the_break_moves_as_glibcs", program_break);
}

fn program_break() {
    // SAFETY: nothing of this process is above the break; glibc's malloc, which may use the break,
    // takes a foreign sbrk for granted.
    unsafe {
        let start = sbrk(0) as usize;
        assert_eq!(start, libc::sbrk(0) as usize);
        assert_eq!(sbrk(3 * PAGE_SIZE as isize) as usize, start);
        assert_eq!(libc::sbrk(0) as usize, start + 3 * PAGE_SIZE);
        assert!(noted(Addr(start).align_up(PAGE_SIZE).0).is_some());
        assert_eq!(sbrk(isize::MIN), libc::MAP_FAILED);
        assert_eq!(errno::get(), libc::ENOMEM);
        assert_eq!(brk(start), 0);
        assert_eq!((sbrk(0) as usize, libc::sbrk(0) as usize), (start, start));
        assert_eq!(noted(Addr(start).align_up(PAGE_SIZE).0), None);
        assert_eq!(brk(usize::MAX / 2), -1);
        assert_eq!(sbrk(0) as usize, start);
    }
}

use super::*;
use crate::pages::metadata;
use std::time::Duration;

/// Of this thread: other tests run beside.
fn cpu_time() -> Duration {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut ts) };
    Duration::new(ts.tv_sec as u64, ts.tv_nsec as u32)
}

#[test]
fn private_and_shared_memory_in_every_way() {
    alone("roots::tests::memory::private_and_shared_memory_in_every_way", || {
        let private = mmap(3 * PAGE, RW, PRIVATE, -1);
        let shared = mmap(3 * PAGE, RW, SHARED, -1);
        let file = mmap(3 * PAGE, RW, libc::MAP_PRIVATE, memfd(3));
        let sealed = mmap(PAGE, RW, PRIVATE, -1);
        let all = [private.add(PAGE + 8), shared.add(PAGE + 16), file.add(PAGE + 24), sealed.add(32)];
        for (i, &at) in all.iter().enumerate() {
            put(at, 1000 + i);
        }
        // SAFETY: the test's mapping, as ld.so protects RELRO.
        unsafe { vm::protect(sealed, PAGE, libc::PROT_READ).unwrap() };
        for way in WAYS {
            let found = seek_by(way, &all, &[], &[]).unwrap();
            for (i, found) in found.iter().enumerate() {
                assert_eq!(found.map(|f| f.0), Some(1000 + i), "{way:?}");
            }
            let kinds: Vec<_> = found.iter().map(|f| f.unwrap().1).collect();
            let anonymous = RootKind::Anonymous;
            assert_eq!(kinds, [anonymous, RootKind::Shared, RootKind::Data, anonymous]);
        }
        let in_place: Vec<_> = seek(&all).iter().map(|f| f.unwrap().2).collect();
        assert_eq!(in_place, [true, true, false, true]);
    });
}

#[test]
fn what_holds_nothing_is_not_visited() {
    alone("roots::tests::memory::what_holds_nothing_is_not_visited", || {
        let fd = memfd(2);
        let fill = mmap(2 * PAGE, RW, libc::MAP_SHARED, fd);
        put(fill, 7);
        put(fill.add(PAGE), 7);
        // SAFETY: the test's mapping.
        unsafe { vm::unmap(fill, 2 * PAGE).unwrap() };
        let unmodified = mmap(2 * PAGE, RW, libc::MAP_PRIVATE, fd);
        let untouched = mmap(PAGE, RW, PRIVATE, -1);
        let zero = mmap(PAGE, RW, PRIVATE, -1);
        let critical = critical::enter();
        let ours = metadata::map_region(&critical, PAGE).unwrap();
        put(ours, 7);
        // SAFETY: mapped above.
        unsafe {
            unmodified.ptr::<usize>().read_volatile();
            zero.ptr::<usize>().read_volatile();
        }
        assert_eq!(seek(&[unmodified, untouched, zero, ours]), [None; 4]);
        assert_eq!(seek_by(Way::Blind, &[ours], &[], &[]).unwrap(), [None]);
    });
}

#[test]
fn closed_memory_with_contents_is_read_all_the_same() {
    alone("roots::tests::memory::closed_memory_with_contents_is_read_all_the_same", || {
        let closed = mmap(3 * PAGE, RW, PRIVATE, -1);
        let write_only = mmap(PAGE, RW, PRIVATE, -1);
        put(closed.add(PAGE), 5);
        put(write_only, 6);
        // SAFETY: the test's mappings.
        unsafe {
            vm::protect(closed, 3 * PAGE, libc::PROT_NONE).unwrap();
            vm::protect(write_only, PAGE, libc::PROT_WRITE).unwrap();
        }
        for way in [Way::ScanGuards, Way::Scan, Way::Entries, Way::Resident] {
            let found = seek_by(way, &[closed.add(PAGE), write_only], &[], &[]).unwrap();
            assert_eq!(found[0], Some((5, RootKind::Anonymous, false)), "{way:?}");
            assert_eq!(found[1].map(|f| f.0), Some(6), "{way:?}");
        }
    });
}

#[test]
fn truncated_files_guard_pages_and_protection_keys_do_not_fault() {
    alone("roots::tests::memory::truncated_files_guard_pages_and_protection_keys_do_not_fault", || {
        let fd = memfd(4);
        let shared = mmap(4 * PAGE, RW, libc::MAP_SHARED, fd);
        let private = mmap(4 * PAGE, RW, libc::MAP_PRIVATE, fd);
        for i in 0..4 {
            put(shared.add(i * PAGE), 10 + i);
            put(private.add(i * PAGE), 20 + i);
        }
        let guarded = mmap(3 * PAGE, RW, PRIVATE, -1);
        for i in 0..3 {
            put(guarded.add(i * PAGE), 30 + i);
        }
        let keyed = mmap(PAGE, RW, PRIVATE, -1);
        put(keyed, 40);
        // SAFETY: the test's file and mappings.
        let (guards, keys) = unsafe {
            assert_eq!(libc::ftruncate(fd, PAGE as i64), 0);
            let key = libc::syscall(libc::SYS_pkey_alloc, 0, 1);
            let keys = key > 0 && libc::syscall(libc::SYS_pkey_mprotect, keyed.0, PAGE, RW, key) == 0;
            (vm::advise(guarded.add(PAGE), PAGE, 102).is_ok(), keys)
        };
        println!("guard pages: {guards}, protection keys: {keys}");
        for way in WAYS {
            let homes = [shared, shared.add(PAGE), private, private.add(PAGE)];
            let more = [guarded, guarded.add(PAGE), guarded.add(2 * PAGE), keyed];
            let found = seek_by(way, &[homes, more].concat(), &[], &[]).unwrap();
            let values: Vec<_> = found.iter().map(|f| f.map(|f| f.0)).collect();
            let guard = if guards { None } else { Some(31) };
            assert_eq!(
                values,
                [Some(10), None, Some(20), None, Some(30), guard, Some(32), Some(40)],
                "{way:?}"
            );
        }
    });
}

#[test]
fn a_terabyte_reserved_and_thousands_of_mappings() {
    alone("roots::tests::memory::a_terabyte_reserved_and_thousands_of_mappings", || {
        let huge = mmap(1 << 40, RW, PRIVATE | libc::MAP_NORESERVE, -1);
        // SAFETY: the test's mapping; small pages, so that a touch is one page.
        unsafe { vm::advise(huge, 1 << 40, libc::MADV_NOHUGEPAGE).unwrap() };
        let last = huge.add((1 << 40) - 8);
        put(last, 77);
        let many = mmap(20_000 * PAGE, RW, PRIVATE, -1);
        for i in (0..20_000).step_by(2) {
            put(many.add(i * PAGE), i);
            // SAFETY: the test's mapping; other protections keep neighbours from merging.
            unsafe { vm::protect(many.add(i * PAGE), PAGE, libc::PROT_READ).unwrap() };
        }
        let critical = critical::enter();
        let mut snapshot = Snapshot::new(&critical).unwrap();
        snapshot.take(&critical).unwrap();
        let start = cpu_time();
        let summary = snapshot.take(&critical).unwrap();
        let taken = cpu_time() - start;
        let homes = [last, many.add(19_998 * PAGE)];
        let probes = homes.iter().map(|&home| Probe { home, found: None }).collect();
        let mut seeker = Seeker { probes, words: 0 };
        let done = visit(&critical, &mut snapshot, &[], &[], &mut seeker).unwrap();
        println!("{summary:?}\n{done:?}\ntake {taken:?}, visit {:?}", cpu_time() - start - taken);
        assert!(summary.mappings > 20_000 && summary.escaped == 0 && summary.dropped == 0);
        assert_eq!(seeker.probes[0].found, Some((77, RootKind::Anonymous, true)));
        assert_eq!(seeker.probes[1].found, Some((19_998, RootKind::Anonymous, true)));
        assert!(seeker.words < 64 << 20, "only what was touched");
        assert!((cpu_time() - start).as_millis() < 100, "took too long");
    });
}

#[test]
fn more_mappings_than_the_first_buffer_holds() {
    alone("roots::tests::memory::more_mappings_than_the_first_buffer_holds", || {
        let many = mmap(40_000 * PAGE, RW, PRIVATE, -1);
        for i in (0..40_000).step_by(2) {
            // SAFETY: the test's mapping.
            unsafe { vm::protect(many.add(i * PAGE), PAGE, libc::PROT_READ).unwrap() };
        }
        let critical = critical::enter();
        let mut snapshot = Snapshot::new(&critical).unwrap();
        for _ in 0..2 {
            let summary = snapshot.take(&critical).unwrap();
            assert!(summary.ranges >= 40_000, "{summary:?}");
        }
    });
}

#[test]
fn heap_memory_that_the_host_protects_is_known() {
    alone("roots::tests::memory::heap_memory_that_the_host_protects_is_known", || {
        let critical = critical::enter();
        let heap = metadata::map_region(&critical, 64 * PAGE).unwrap();
        let mut snapshot = Snapshot::new(&critical).unwrap();
        let page = |i: usize| heap.add(i * PAGE);
        snapshot.take(&critical).unwrap();
        assert_eq!(snapshot.heap_access(heap, page(64)), Access::ReadWrite);
        // SAFETY: a region of this test.
        unsafe {
            vm::protect(page(10), 2 * PAGE, libc::PROT_READ).unwrap();
            vm::protect(page(20), PAGE, libc::PROT_NONE).unwrap();
            let file = libc::MAP_PRIVATE | libc::MAP_FIXED;
            crate::sys::host::mmap(page(30), PAGE, RW, file, memfd(1), 0).unwrap();
            vm::unmap(page(60), PAGE).unwrap();
        }
        drop(critical);
        mappings::guarded(page(40), PAGE, mappings::GuardCall::Install);
        mappings::guarded(page(50), PAGE, mappings::GuardCall::Install);
        mappings::guarded(page(50), PAGE, mappings::GuardCall::Removed);
        let critical = critical::enter();
        snapshot.take(&critical).unwrap();
        assert!(!snapshot.heap_is_plain());
        let of = |i: usize, n: usize| snapshot.heap_access(page(i), page(i + n));
        assert_eq!(
            [of(9, 1), of(9, 2), of(11, 1), of(12, 8)].map(|a| a == Access::ReadWrite),
            [true, false, false, true]
        );
        assert_eq!((of(10, 1), of(20, 1), of(30, 1)), (Access::ReadOnly, Access::Closed, Access::Closed));
        assert_eq!((of(59, 1), of(60, 1), of(61, 3)), (Access::ReadWrite, Access::Closed, Access::ReadWrite));
        assert_eq!((of(40, 1), of(50, 1), of(0, 64)), (Access::Closed, Access::ReadWrite, Access::Closed));
    });
}

#[test]
fn a_process_that_changed_its_user_id_is_read_by_the_other_doors() {
    alone("roots::tests::memory::a_process_that_changed_its_user_id_is_read_by_the_other_doors", || {
        let fd = memfd(2);
        let private = mmap(2 * PAGE, RW, PRIVATE, -1);
        let file = mmap(2 * PAGE, RW, libc::MAP_PRIVATE, fd);
        let shared = mmap(2 * PAGE, RW, libc::MAP_SHARED, fd);
        let closed = mmap(2 * PAGE, RW, PRIVATE, -1);
        let reserved = mmap(1 << 32, libc::PROT_NONE, PRIVATE | libc::MAP_NORESERVE, -1);
        let homes = [private, file, shared];
        for (i, &at) in homes.iter().enumerate() {
            put(at, 1 + i);
        }
        // SAFETY: plain calls; the process is this test's.
        unsafe {
            if libc::geteuid() != 0 || libc::setresuid(65534, 65534, 65534) != 0 {
                println!("not run as root: nothing to give up");
                return;
            }
        }
        assert!(std::fs::File::open("/proc/self/pagemap").is_err());
        let found = seek_by(Way::ScanGuards, &[private, file, shared, reserved], &[], &[]).unwrap();
        let values: Vec<_> = found.iter().map(|f| f.map(|f| f.0)).collect();
        assert_eq!(values, [Some(1), Some(2), Some(3), None]);
        // Contents that are closed and that nobody can force open: no cycle.
        put(closed, 4);
        // SAFETY: the test's mapping.
        unsafe { vm::protect(closed, 2 * PAGE, libc::PROT_NONE).unwrap() };
        assert_eq!(seek_by(Way::ScanGuards, &[closed], &[], &[]), Err(RootError::Unreadable(closed)));
    });
}

#[test]
fn no_descriptor_and_no_memory_stay_behind() {
    alone("roots::tests::memory::no_descriptor_and_no_memory_stay_behind", || {
        let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
        let closed = mmap(PAGE, RW, PRIVATE, -1);
        put(closed, 1);
        // SAFETY: the test's mapping.
        unsafe { vm::protect(closed, PAGE, libc::PROT_NONE).unwrap() };
        let first = seek(&[closed])[0];
        let before = (count("/proc/self/fd"), metadata::mapped_bytes());
        for _ in 0..20 {
            assert_eq!(seek(&[closed])[0], first);
        }
        assert_eq!((count("/proc/self/fd"), metadata::mapped_bytes()), before);
    });
}

#[test]
fn pages_that_a_handler_of_the_host_provides_are_not_asked_for() {
    const MISSING: u64 = 1;
    const WRITE_PROTECT: u64 = 2;
    const UNPOPULATED: u64 = 1 << 13;
    alone("roots::tests::memory::pages_that_a_handler_of_the_host_provides_are_not_asked_for", || {
        let at = mmap(4 * PAGE, RW, PRIVATE, -1);
        put(at, 9);
        let (lo, len) = (at.0 as u64, 4 * PAGE as u64);
        let call = |fd: i64, request: u64, argument: &mut [u64]| {
            // SAFETY: the request's struct is this array.
            unsafe { libc::ioctl(fd as i32, request, argument.as_mut_ptr()) == 0 }
        };
        // SAFETY: a plain call.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, 1) };
        let mode = MISSING | WRITE_PROTECT;
        if fd < 0
            || !call(fd, 0xc018_aa3f, &mut [0xaa, UNPOPULATED, 0])
            || !call(fd, 0xc020_aa00, &mut [lo, len, mode, 0])
        {
            println!("no userfaultfd here");
            return;
        }
        // Missing pages hold nothing and are not read.
        assert_eq!(
            seek(&[at, at.add(PAGE)]).iter().map(|f| f.map(|f| f.0)).collect::<Vec<_>>(),
            [Some(9), None]
        );
        // Protected while missing: an entry that is neither present nor nothing.
        assert!(call(fd, 0xc018_aa06, &mut [lo + 2 * PAGE as u64, PAGE as u64, 1]));
        assert_eq!(seek_by(Way::ScanGuards, &[at], &[], &[]), Err(RootError::Userfault));
        // SAFETY: the test's descriptor.
        unsafe { libc::close(fd as i32) };
        assert_eq!(seek(&[at])[0].map(|f| f.0), Some(9));
    });
}

#[test]
fn a_closed_large_object_is_read_all_the_same() {
    alone("roots::tests::memory::a_closed_large_object_is_read_all_the_same", || {
        let critical = critical::enter();
        let heap = metadata::map_region(&critical, 64 * PAGE).unwrap();
        put(heap.add(3 * PAGE), 31);
        put(heap.add(9 * PAGE), 91);
        // SAFETY: a region of this test.
        unsafe { vm::protect(heap.add(2 * PAGE), 4 * PAGE, libc::PROT_NONE).unwrap() };
        let mut snapshot = Snapshot::new(&critical).unwrap();
        snapshot.take(&critical).unwrap();
        let homes = [heap.add(3 * PAGE), heap.add(9 * PAGE), heap.add(20 * PAGE)];
        let probes = homes.iter().map(|&home| Probe { home, found: None }).collect();
        let mut seeker = Seeker { probes, words: 0 };
        visit_heap(&mut Pagewise::open(), &mut snapshot, heap, heap.add(64 * PAGE), &mut seeker).unwrap();
        let values: Vec<_> = seeker.probes.iter().map(|p| p.found.map(|f| f.0)).collect();
        assert_eq!(values[..2], [Some(31), Some(91)]);
        assert!(values[2].is_none_or(|v| v == 0));
    });
}

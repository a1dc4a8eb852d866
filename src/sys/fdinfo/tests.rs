use super::*;

fn all(read: impl FnOnce(&mut [u8], &mut dyn FnMut(usize)) -> Result<(), Errno>, size: usize) -> Vec<usize> {
    let mut found = Vec::new();
    read(&mut vec![0; size], &mut |word| found.push(word)).unwrap();
    found.sort_unstable();
    found
}

#[test]
fn an_epoll_tells_what_it_would_give_back() {
    // SAFETY: plain calls; the event is of the size that the kernel reads.
    unsafe {
        let epoll = Fd::adopt(libc::epoll_create1(libc::EPOLL_CLOEXEC));
        let watched: Vec<Fd> = (0..200).map(|_| Fd::adopt(libc::eventfd(0, libc::EFD_CLOEXEC))).collect();
        for (n, fd) in watched.iter().enumerate() {
            let mut event =
                libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0x7f00_0000_0000 + n as u64 };
            assert_eq!(libc::epoll_ctl(epoll.raw(), libc::EPOLL_CTL_ADD, fd.raw(), &mut event), 0);
        }
        let copy = Fd::adopt(libc::dup(epoll.raw()));
        for size in [16, 100, 4096] {
            let wanted: Vec<usize> = (0..200).map(|n| 0x7f00_0000_0000 + n).collect();
            assert_eq!(all(|buffer, each| of_epoll(epoll.raw(), buffer, each), size), wanted);
        }
        let fd = watched[0].raw();
        assert_eq!(libc::epoll_ctl(copy.raw(), libc::EPOLL_CTL_DEL, fd, core::ptr::null_mut()), 0);
        drop(epoll);
        assert_eq!(all(|buffer, each| of_epoll(copy.raw(), buffer, each), 4096).len(), 199);
        drop(watched);
        assert_eq!(all(|buffer, each| of_epoll(copy.raw(), buffer, each), 4096), []);
    }
    assert!(of_epoll(i32::MAX, &mut [0; 64], &mut |_| ()).is_err());
}

#[test]
fn timers_tell_their_values() {
    const VALUE: usize = 0x7fab_cdef_1230;
    let timers = || all(|buffer, each| of_timers(buffer, each), 100);
    // SAFETY: plain calls on zeroed structures.
    unsafe {
        let mut event: libc::sigevent = core::mem::zeroed();
        (event.sigev_notify, event.sigev_signo) = (libc::SIGEV_SIGNAL, libc::SIGUSR1);
        event.sigev_value.sival_ptr = core::ptr::without_provenance_mut(VALUE);
        let mut timer = core::mem::zeroed();
        assert_eq!(libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer), 0);
        assert!(timers().contains(&VALUE));
        assert_eq!(libc::timer_delete(timer), 0);
        assert!(!timers().contains(&VALUE));
    }
}

#[test]
fn a_ring_tells_when_it_was_filled_twice() {
    const POLLIN: u32 = 1;
    // SAFETY: the layout of the kernel's structures, in mappings of the sizes that it tells.
    unsafe {
        // struct io_uring_params: sq_entries first; sq_off at 40 (head, tail, mask, entries, flags, dropped, array).
        let mut params = [0u32; 30];
        let fd = libc::syscall(libc::SYS_io_uring_setup, 4, params.as_mut_ptr());
        if fd < 0 {
            return; // Forbidden here.
        }
        let fd = Fd::adopt(fd as i32);
        let map = |at: i64| {
            let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
            libc::mmap(core::ptr::null_mut(), 4096, access, flags, fd.raw(), at).cast::<u8>()
        };
        let (ring, entries) = (map(0), map(0x1000_0000));
        let mut ends = [0; 2];
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        let mut submit = |data: u64| {
            let tail = ring.add(params[11] as usize).cast::<u32>();
            let n = tail.read() & 3;
            let entry = entries.add(n as usize * 64);
            entry.write_bytes(0, 64);
            entry.write(6); // IORING_OP_POLL_ADD
            entry.add(4).cast::<i32>().write(ends[0]);
            entry.add(28).cast::<u32>().write(POLLIN);
            entry.add(32).cast::<u64>().write(data);
            ring.add(params[16] as usize).cast::<u32>().add(n as usize).write(n);
            tail.write(tail.read() + 1);
            assert_eq!(libc::syscall(libc::SYS_io_uring_enter, fd.raw(), 1, 0, 0, 0, 0), 1);
        };
        let look = || of_ring(fd.raw(), &mut [0; 100], &mut |_| ()).unwrap();
        (0..4).for_each(&mut submit);
        assert!(look().is_whole && look().inode != 0);
        submit(4);
        assert!(!look().is_whole);
        // More completions than there is room for: those that wait are told.
        (5..20).for_each(&mut submit);
        assert_eq!(libc::write(ends[1], [1u8].as_ptr().cast(), 1), 1);
        let mut told = Vec::new();
        of_ring(fd.raw(), &mut [0; 100], &mut |word| told.push(word)).unwrap();
        assert_eq!(told.len(), 20 - params[1] as usize);
        ends.iter().for_each(|&end| drop(Fd::adopt(end)));
    }
}

//! The stop, on real threads of one process: attached by hand, unknown to us, blocked, spinning,
//! coming and going. The tests take turns, because there is one world.

use gleaner_core::ground::critical;
use gleaner_core::runtime::blocking;
use gleaner_core::sys::process;
use gleaner_core::threads::{self, Abandon, Stopped, WorldStopped};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::{Mutex, MutexGuard, Once};
use std::time::{Duration, Instant};

static TURN: Mutex<()> = Mutex::new(());

/// One test at a time, with the handler installed.
fn turn() -> MutexGuard<'static, ()> {
    static ONCE: Once = Once::new();
    let turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    ONCE.call_once(|| threads::install(libc::SIGURG).unwrap());
    turn
}

/// Stops the world and calls `f`, which must not allocate or lock.
fn stopped_within<R>(ms: u64, f: impl FnOnce(&WorldStopped<'_>) -> R) -> Result<R, Abandon> {
    let critical = critical::enter();
    threads::with_spilled(|_| {
        let world = threads::stop_world(&critical, process::now_ns() + ms * 1_000_000)?;
        Ok(f(&world))
    })
}
fn stopped<R>(f: impl FnOnce(&WorldStopped<'_>) -> R) -> R {
    stopped_within(10_000, f).expect("the world stops")
}

/// A thread's whole life under the registry, as our pthread_create wrapper makes it.
fn registered(f: impl FnOnce()) {
    threads::attach_current(&critical::enter()).expect("a record");
    f();
    threads::detach_current(&critical::enter());
}

/// Sets a flag, also when a test fails: else its threads would spin, and it would hang instead.
struct Over<'a>(&'a AtomicBool);
impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Registered threads that run `body` until the scope of `during` ends.
fn with_threads(n: usize, body: impl Fn(usize) + Sync, during: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for i in 0..n {
            let (body, over) = (&body, &over);
            scope.spawn(move || {
                registered(|| {
                    while !over.load(Relaxed) {
                        body(i);
                    }
                })
            });
        }
        let _over = Over(&over);
        during();
    });
}

#[test]
fn spinning_threads_stand_still_while_the_world_is_stopped() {
    let _turn = turn();
    static COUNTS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
    let all = || COUNTS.each_ref().map(|c| c.load(Relaxed));
    let count = |i: usize| {
        COUNTS[i].fetch_add(1, Relaxed);
    };
    with_threads(4, count, || {
        for _ in 0..200 {
            let (first, last) = stopped(|_| {
                let first = all();
                (0..20_000).for_each(|_| core::hint::spin_loop());
                (first, all())
            });
            assert_eq!(first, last);
            let resumed = Instant::now();
            while all() == last {
                assert!(resumed.elapsed() < Duration::from_secs(10), "they run again");
                std::thread::yield_now();
            }
        }
    });
}

#[test]
fn threads_that_nobody_registered_are_stopped_too() {
    let _turn = turn();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static OVER: AtomicBool = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !OVER.load(Relaxed) {
                COUNT.fetch_add(1, Relaxed);
            }
        });
        let _over = Over(&OVER);
        // It has to be there before the first stop.
        while COUNT.load(Relaxed) == 0 {
            std::thread::yield_now();
        }
        for _ in 0..100 {
            let (first, last) = stopped(|_| {
                let first = COUNT.load(Relaxed);
                (0..20_000).for_each(|_| core::hint::spin_loop());
                (first, COUNT.load(Relaxed))
            });
            assert_eq!(first, last);
        }
    });
}

/// Calls `libc` function and panics on EINTR.
fn no_eintr(result: i32) {
    let error = std::io::Error::last_os_error().raw_os_error();
    assert!(result >= 0 || error != Some(libc::EINTR), "EINTR");
}

#[test]
fn blocked_threads_see_no_eintr_and_their_time_passes() {
    let _turn = turn();
    let calls = AtomicU64::new(0);
    let body = |i: usize| {
        let begun = Instant::now();
        let ts = libc::timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        // SAFETY: plain calls with live arguments.
        unsafe {
            match i {
                0 => no_eintr(libc::poll(core::ptr::null_mut(), 0, 20)),
                1 => no_eintr(libc::nanosleep(&ts, core::ptr::null_mut())),
                2 => no_eintr(libc::clock_nanosleep(libc::CLOCK_MONOTONIC, 0, &ts, core::ptr::null_mut())),
                3 => no_eintr(libc::usleep(20_000)),
                4 => {
                    let epoll = libc::epoll_create1(0);
                    let mut event = libc::epoll_event { events: 0, u64: 0 };
                    no_eintr(libc::epoll_wait(epoll, &mut event, 1, 20));
                    libc::close(epoll);
                }
                5 => {
                    let mut tv = libc::timeval { tv_sec: 0, tv_usec: 20_000 };
                    let no = core::ptr::null_mut;
                    no_eintr(libc::select(0, no(), no(), no(), &mut tv));
                }
                6 => {
                    let mut set = core::mem::zeroed();
                    libc::sigemptyset(&mut set);
                    no_eintr(libc::sigtimedwait(&set, core::ptr::null_mut(), &ts));
                }
                _ => {
                    let mut sem = core::mem::zeroed();
                    libc::sem_init(&mut sem, 0, 0);
                    let mut until = core::mem::zeroed();
                    libc::clock_gettime(libc::CLOCK_REALTIME, &mut until);
                    until.tv_nsec += 20_000_000;
                    if until.tv_nsec >= 1_000_000_000 {
                        until.tv_sec += 1;
                        until.tv_nsec -= 1_000_000_000;
                    }
                    no_eintr(libc::sem_timedwait(&mut sem, &until));
                }
            }
        }
        let took = begun.elapsed();
        assert!(took >= Duration::from_micros(18_900), "call {i}: {took:?}");
        calls.fetch_add(1, Relaxed);
    };
    with_threads(8, body, || {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(1500) {
            stopped(|_| ());
            std::thread::sleep(Duration::from_micros(700));
        }
    });
    let counters = threads::counters();
    println!("{counters:?}, {} calls", calls.load(Relaxed));
    assert!(counters.rewound > 100);
    // Each call lasts at most twice its 20 ms: the time-outs do not begin afresh for ever.
    assert!(calls.load(Relaxed) > 8 * 25, "{}", calls.load(Relaxed));
}

#[test]
fn a_thread_that_blocks_the_signal_makes_the_stop_give_up() {
    let _turn = turn();
    static READY: AtomicBool = AtomicBool::new(false);
    static OVER: AtomicBool = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            registered(|| {
                gleaner_core::sys::signal::mask(libc::SIG_BLOCK, gleaner_core::sys::signal::Set::FULL);
                READY.store(true, Relaxed);
                while !OVER.load(Relaxed) {
                    std::hint::spin_loop();
                }
            })
        });
        while !READY.load(Relaxed) {
            std::thread::yield_now();
        }
        let begun = Instant::now();
        let got = stopped_within(50, |_| ());
        assert_eq!(got, Err(Abandon::Deadline { running: 1, unknown: 0 }));
        let took = begun.elapsed();
        assert!((50..1000).contains(&took.as_millis()), "{took:?}");
        OVER.store(true, Relaxed);
    });
    stopped(|_| ());
}

#[test]
fn threads_come_and_go_during_stops() {
    let _turn = turn();
    let before = threads::counters().stops;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // A loaded machine may have room for few stops in so many turns.
                for turn in 0.. {
                    if turn >= 400 && threads::counters().stops > before + 20 {
                        break;
                    }
                    std::thread::scope(|inner| {
                        inner.spawn(|| registered(|| drop(std::hint::black_box(vec![1u8; 100]))));
                        inner.spawn(|| drop(std::hint::black_box(vec![1u8; 100])));
                    });
                }
                done.store(true, Relaxed);
            });
        }
        while !done.load(Relaxed) {
            stopped(|_| ());
        }
    });
}

#[test]
fn a_stop_waits_for_critical_sections_and_two_collectors_do_not_deadlock() {
    let _turn = turn();
    static INSIDE: AtomicU64 = AtomicU64::new(0);
    let body = |_| {
        let critical = critical::enter();
        INSIDE.fetch_add(1, Relaxed);
        (0..2000).for_each(|_| core::hint::spin_loop());
        INSIDE.fetch_sub(1, Relaxed);
        drop(critical);
    };
    with_threads(3, body, || {
        for _ in 0..200 {
            assert_eq!(stopped(|_| INSIDE.load(Relaxed)), 0);
        }
    });
    static CYCLE: gleaner_core::ground::lock::Lock<()> =
        gleaner_core::ground::lock::Lock::new(gleaner_core::ground::lock::Rank::Cycle, ());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                registered(|| {
                    for _ in 0..100 {
                        let critical = threads::hold(&CYCLE);
                        let deadline = process::now_ns() + 10_000_000_000;
                        drop(threads::stop_world(&critical, deadline).expect("the world stops"));
                        // SAFETY: held above.
                        unsafe { CYCLE.release() };
                    }
                })
            });
        }
    });
}

/// Whether `secret` lies in what the collector would scan of that thread.
fn sees(thread: &Stopped, secret: u64) -> bool {
    let mut ranges = thread.areas().to_vec_free();
    if thread.on_own_stack() {
        ranges[5] = (thread.sp, thread.stack.1);
    }
    ranges.iter().any(|&(lo, hi)| {
        // SAFETY: areas and live stack of a stopped thread.
        (lo & !7..hi & !7).step_by(8).any(|at| unsafe { (at as *const u64).read() } == secret)
    })
}
trait ToArray {
    fn to_vec_free(&self) -> [(usize, usize); 6];
}
impl ToArray for [(usize, usize)] {
    /// The areas and room for the stack, without allocating.
    fn to_vec_free(&self) -> [(usize, usize); 6] {
        let mut all = [(0, 0); 6];
        all[..self.len()].copy_from_slice(self);
        all
    }
}

/// Each variant makes the only copy of `!*input` in one place, and spins there.
macro_rules! only_in {
    ($name:ident, $($load:tt)*) => {
        fn $name(input: u64, ready: &AtomicBool, over: &AtomicBool) {
            // SAFETY: the asm declares what it clobbers; the loop reads one byte.
            unsafe {
                core::arch::asm!(
                    "not {x}", $($load)*
                    "xor {x:e}, {x:e}",
                    "mov byte ptr [{ready}], 1",
                    "2: pause",
                    "cmp byte ptr [{over}], 0",
                    "je 2b",
                    x = inout(reg) input => _,
                    ready = in(reg) ready.as_ptr(),
                    over = in(reg) over.as_ptr(),
                    out("r12") _, out("xmm3") _, out("xmm7") _,
                    options(nostack)
                );
            }
        }
    };
}
only_in!(in_r12, "mov r12, {x}",);
only_in!(in_xmm3, "movq xmm3, {x}",);
only_in!(in_ymm7_high, "vmovq xmm7, {x}", "vpermq ymm7, ymm7, 0x4f",);
only_in!(in_red_zone, "mov qword ptr [rsp - 120], {x}",);
fn in_zmm29(input: u64, ready: &AtomicBool, over: &AtomicBool) {
    // SAFETY: as above.
    unsafe {
        core::arch::asm!(
            "not {x}",
            "vpbroadcastq zmm29, {x}",
            "xor {x:e}, {x:e}",
            "mov byte ptr [{ready}], 1",
            "2: pause",
            "cmp byte ptr [{over}], 0",
            "je 2b",
            "vpxorq xmm29, xmm29, xmm29",
            x = inout(reg) input => _,
            ready = in(reg) ready.as_ptr(),
            over = in(reg) over.as_ptr(),
            options(nostack)
        );
    }
}

#[test]
fn a_pointer_in_any_register_or_in_the_red_zone_is_seen() {
    let _turn = turn();
    type Place = fn(u64, &AtomicBool, &AtomicBool);
    let mut places: Vec<(&str, Place)> = vec![("r12", in_r12), ("xmm3", in_xmm3), ("red zone", in_red_zone)];
    if is_x86_feature_detected!("avx2") {
        places.push(("ymm7, high half", in_ymm7_high));
    }
    if is_x86_feature_detected!("avx512f") {
        places.push(("zmm29", in_zmm29));
    }
    for (i, (name, place)) in places.into_iter().enumerate() {
        let secret = 0x7ead_beef_0000_1000 + i as u64;
        let (ready, over) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| registered(|| place(std::hint::black_box(!secret), &ready, &over)));
            while !ready.load(Relaxed) {
                std::thread::yield_now();
            }
            let me = process::tid();
            let found = stopped(|world| {
                let mut found = 0;
                world.for_each_thread(&mut |t| found += u32::from(t.tid != me && sees(t, secret)));
                found
            });
            over.store(true, Relaxed);
            assert_eq!(found, 1, "{name}");
        });
    }
}

#[test]
fn forks_out_of_a_busy_program_leave_one_thread() {
    let _turn = turn();
    let body = |_| drop(std::hint::black_box(critical::enter()));
    with_threads(3, body, || {
        threads::attach_current(&critical::enter());
        for _ in 0..50 {
            let critical = threads::fork::prepare();
            // SAFETY: the child uses raw calls and our own code only, then leaves.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                // SAFETY: this thread ran prepare.
                unsafe { threads::fork::child() };
                drop(critical);
                let others = stopped(|world| {
                    let mut n = 0;
                    world.for_each_thread(&mut |_| n += 1);
                    n
                });
                process::exit_group(if others == 0 { 0 } else { 1 });
            }
            // SAFETY: this thread ran prepare.
            unsafe { threads::fork::parent() };
            drop(critical);
            stopped(|_| ());
            let mut status = 0;
            // SAFETY: waits for our child.
            assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
            assert_eq!(status, 0);
        }
    });
}

/// `poll` as preload/ exports it.
#[unsafe(naked)]
unsafe extern "C" fn wrapped_poll() {
    core::arch::naked_asm!(
        "lea r11, [rip + {calls} + {at}]",
        "jmp {call}",
        calls = sym blocking::CALLS,
        at = const blocking::offset("poll"),
        call = sym threads::blocking::call,
    )
}
fn poll(fds: &mut [libc::pollfd], ms: i32) -> i32 {
    type Poll = unsafe extern "C" fn(*mut libc::pollfd, u64, i32) -> i32;
    // SAFETY: libc's poll with live arguments.
    unsafe {
        core::mem::transmute::<unsafe extern "C" fn(), Poll>(wrapped_poll)(
            fds.as_mut_ptr(),
            fds.len() as u64,
            ms,
        )
    }
}

/// `n` registered threads blocked in poll until `during` is over, and others beside them.
fn with_blocked(n: usize, spinning: usize, during: impl FnOnce()) {
    blocking::resolve();
    // Std's own handlers have no gate here: threads in blocking calls would be distrusted.
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: the default action.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    let (asleep, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for i in 0..n + spinning {
            let (asleep, over) = (&asleep, &over);
            let body = move || {
                registered(|| {
                    asleep.fetch_add(1, Relaxed);
                    if i < n {
                        let mut fds = [libc::pollfd { fd: ends[0], events: libc::POLLIN, revents: 0 }];
                        assert_eq!(poll(&mut fds, -1), 1);
                    }
                    while !over.load(Relaxed) {
                        std::hint::spin_loop();
                    }
                })
            };
            std::thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, body).expect("a thread");
        }
        while asleep.load(Relaxed) < (n + spinning) as u64 {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(100));
        threads::attach_current(&critical::enter());
        during();
        over.store(true, Relaxed);
        // SAFETY: one live byte; poll leaves it in the pipe, so all wake.
        assert_eq!(unsafe { libc::write(ends[1], [0u8].as_ptr().cast(), 1) }, 1);
    });
    // SAFETY: ours, used no more.
    unsafe { (libc::close(ends[0]), libc::close(ends[1])) };
}

#[test]
fn threads_in_blocking_calls_are_stopped_without_a_signal() {
    let _turn = turn();
    let (mut again, mut seen) = (0, 0);
    with_blocked(16, 0, || {
        let before = threads::counters().rewound;
        for _ in 0..50 {
            seen = stopped(|world| {
                let mut n = 0;
                world.for_each_thread(&mut |t| n += u32::from(t.sp != 0 && t.on_own_stack()));
                n
            });
        }
        again = threads::counters().rewound - before;
    });
    assert_eq!(again, 0, "interrupted calls");
    assert!(seen >= 16, "{seen} stacks");
}

/// Figures: `cargo test --release --test stop -- --ignored --nocapture`.
#[test]
#[ignore = "figures of a quiet machine"]
fn how_long_a_stop_takes() {
    let _turn = turn();
    for (name, blocked, spinning, stops) in
        [("64 in poll", 64, 0, 400), ("8 spinning", 0, 8, 200), ("992 in poll, 8 spinning", 992, 8, 50)]
    {
        with_blocked(blocked, spinning, || {
            let mut times: Vec<[u64; 2]> = Vec::with_capacity(stops);
            for _ in 0..stops {
                let begun = process::now_ns();
                let frozen = stopped(|_| process::now_ns());
                times.push([frozen - begun, process::now_ns() - frozen]);
                std::thread::sleep(Duration::from_micros(500));
            }
            let figures = [0, 1].map(|i| {
                let mut t: Vec<u64> = times.iter().map(|t| t[i] / 1000).collect();
                t.sort();
                (t[0], t[t.len() / 2], t[t.len() * 99 / 100])
            });
            println!("{name}: stop {:?} us, resume {:?} us (least, median, 99 %)", figures[0], figures[1]);
        });
    }
}

//! A program that falls asleep gives its idle memory back.
//!
//! Memory is idle when nobody wanted it for an interval (`heap::purge`), and the end of an interval needs
//! somebody to notice it. While there is something to give back, one thread that sleeps (poll, select, epoll_wait, nanosleep and
//! their like) does so in slices, and ticks between two. It needs no thread, timer or signal of ours. What that thread has at hand of
//! free slots goes back when the first slice is over; nobody but a thread itself can give back what is in its bins.
//!
//! The program cannot tell. A signal that comes between two slices must end the call as it would have ended the whole: signals
//! are blocked outside of the slices, and the kernel unblocks them only while it waits, as in ppoll. That costs two
//! system calls, so a thread that calls all the time blocks them after its first slice only: it spends more time outside of
//! the call than between two slices anyway. Slices of poll and the like may be late by a thousandth; so the last part of a sleep is a real one.
//!
//! # Safety
//! The arguments are those of the C functions.
#![allow(unsafe_code)]
use super::blocking::{block, wrapped};
use super::signals::{blocking_epoll_pwait, blocking_ppoll, blocking_pselect};
use crate::ground::critical;
use crate::heap::{cache, purge, shared};
use crate::pure::addr::Addr;
use crate::sys::signal::{self, Set};
use crate::sys::{errno, process, sandbox, tls};
use crate::threads::interrupted;
use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use libc::timespec;

wrapped! {
    fn whole_poll = "poll";
    fn whole_select = "select";
    fn whole_epoll = "epoll_wait";
    fn whole_nanosleep = "nanosleep";
    fn whole_clock_nanosleep = "clock_nanosleep";
}

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;
const FOR_EVER: u64 = u64::MAX;

/// The thread that sees to it (the address of its block), or 0.
static CLAIMED: AtomicUsize = AtomicUsize::new(0);
/// When it should have looked again (coarse milliseconds): a child of fork may not have it.
static UNTIL: AtomicU64 = AtomicU64::new(0);

fn me() -> usize {
    Addr::of(tls::block()).0
}
fn claim(now: u64, slice: u64) -> bool {
    let held = CLAIMED.load(Relaxed);
    let free = held == 0 || now > UNTIL.load(Relaxed);
    let mine = free && CLAIMED.compare_exchange(held, me(), Relaxed, Relaxed).is_ok();
    if mine {
        UNTIL.store(now + slice / MS + 1000, Relaxed);
    }
    mine
}
/// The calling thread sees to it no more. One that is cancelled in its sleep says so when it ends.
pub fn give_up() {
    let _ = CLAIMED.compare_exchange(me(), 0, Relaxed, Relaxed);
}

/// Whether there were many such calls of late.
fn is_busy(now: u64) -> bool {
    static SINCE: AtomicU64 = AtomicU64::new(0);
    static CALLS: AtomicU32 = AtomicU32::new(0);
    if now.wrapping_sub(SINCE.load(Relaxed)) > 8 {
        SINCE.store(now, Relaxed);
        CALLS.store(0, Relaxed);
    }
    CALLS.fetch_add(1, Relaxed) > 8
}

/// What is blocked between two slices: not what the processor raises, nor libc's own two, nor what stops us.
fn held() -> Set {
    let keep = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS, 32, 33];
    let set = keep.iter().fold(Set::FULL, |set, &signal| set.without(signal));
    super::signals::own().map_or(set, |own| set.without(own))
}

/// A signal set as libc wants it.
#[repr(C)]
struct Mask([u64; 16]);

/// Waits for `total` nanoseconds in slices: `wait` is given one, or [`FOR_EVER`], and the mask; its result is the
/// call's if it is not 0. `None`: there is no need for slices.
fn sliced(total: u64, wait: &mut dyn FnMut(u64, *const c_void) -> c_int) -> Option<c_int> {
    let first = purge::due_in_ns()?;
    let now = process::coarse_ms();
    if total <= first || critical::depth() != 0 || sandbox::is_filtered() || !claim(now, first) {
        return None;
    }
    super::threads::arm();
    let errno = errno::get();
    let begun = process::now_ns();
    let mut rested = 0;
    let mut mask = (!is_busy(now)).then(Mask::block);
    let result = loop {
        let rest = match total {
            FOR_EVER => FOR_EVER,
            total => total.saturating_sub(process::now_ns() - begun),
        };
        let slice = purge::due_in_ns().filter(|&slice| slice < rest);
        if slice.is_none() {
            give_up();
        }
        let result =
            wait(slice.unwrap_or(rest), mask.as_ref().map_or(ptr::null(), |mask| (&raw const *mask).cast()));
        if result != 0 || slice.is_none() {
            break result;
        }
        mask.get_or_insert_with(Mask::block);
        UNTIL.store(process::coarse_ms() + 2000, Relaxed);
        let critical = critical::enter();
        // Once, and before the end of the interval: what was at hand is idle from here on.
        rested += 1;
        if rested == 1 && interrupted::by_nobody(&rested, super::exit::stack_end()) {
            shared::rest(&critical, cache::current());
        }
        purge::tick_if_due(&critical);
    };
    give_up();
    let got = errno::get();
    if let Some(mask) = mask {
        signal::mask(libc::SIG_SETMASK, Set(mask.0[0]));
    }
    errno::set(if result < 0 { got } else { errno });
    Some(result)
}

impl Mask {
    /// Blocks signals; what was blocked before.
    fn block() -> Mask {
        let mut words = [0; 16];
        words[0] = signal::mask(libc::SIG_BLOCK, held()).0;
        Mask(words)
    }
}

fn time(ns: u64) -> timespec {
    timespec { tv_sec: (ns / SECOND) as i64, tv_nsec: (ns % SECOND) as i64 }
}
/// `None`: no such time.
fn ns(time: &timespec) -> Option<u64> {
    let valid = time.tv_sec >= 0 && (0..SECOND as i64).contains(&time.tv_nsec);
    valid.then(|| (time.tv_sec as u64).saturating_mul(SECOND).saturating_add(time.tv_nsec as u64))
}
/// Milliseconds, rounded up, or -1.
fn ms(ns: u64) -> c_int {
    if ns == FOR_EVER { -1 } else { ns.div_ceil(MS).min(i32::MAX as u64) as c_int }
}
fn of_ms(ms: c_int) -> u64 {
    u64::try_from(ms).map_or(FOR_EVER, |ms| ms * MS)
}

/// # Safety
/// As poll(2).
pub unsafe extern "C" fn poll(fds: *mut c_void, n: u64, timeout: c_int) -> c_int {
    let slices = sliced(of_ms(timeout), &mut |slice, mask| {
        let limit = time(slice);
        let limit = if slice == FOR_EVER { ptr::null() } else { &raw const limit };
        block!(blocking_ppoll(fds, n, limit, mask))
    });
    slices.unwrap_or_else(|| block!(whole_poll(fds, n, timeout)))
}

/// # Safety
/// As epoll_wait(2).
pub unsafe extern "C" fn epoll_wait(epoll: c_int, events: *mut c_void, n: c_int, timeout: c_int) -> c_int {
    let slices = sliced(of_ms(timeout), &mut |slice, mask| {
        block!(blocking_epoll_pwait(epoll, events, n, ms(slice), mask))
    });
    slices.unwrap_or_else(|| block!(whole_epoll(epoll, events, n, timeout)))
}

/// Descriptors in a set of libc's.
const SET: usize = 1024;

/// # Safety
/// As select(2).
pub unsafe extern "C" fn select(
    n: c_int,
    read: *mut c_void,
    write: *mut c_void,
    except: *mut c_void,
    timeout: *mut libc::timeval,
) -> c_int {
    let sets = [read, write, except];
    // SAFETY: the program's.
    let total = match unsafe { timeout.as_ref() } {
        None => Some(FOR_EVER),
        Some(t) => ns(&timespec { tv_sec: t.tv_sec, tv_nsec: t.tv_usec.saturating_mul(1000) }),
    };
    let (Some(total), true) = (total, (0..=SET as c_int).contains(&n)) else {
        return block!(whole_select(n, read, write, except, timeout));
    };
    // A set has whole words of 64 descriptors.
    let bytes = (n as usize).div_ceil(64) * 8;
    let mut asked = [[0u8; SET / 8]; 3];
    for (asked, set) in asked.iter_mut().zip(sets).filter(|(_, set)| !set.is_null()) {
        // SAFETY: the program's sets have room for `n` descriptors.
        unsafe { ptr::copy_nonoverlapping(set.cast(), asked.as_mut_ptr(), bytes) };
    }
    let begun = process::now_ns();
    let slices = sliced(total, &mut |slice, mask| {
        for (asked, set) in asked.iter().zip(sets).filter(|(_, set)| !set.is_null()) {
            // SAFETY: as above.
            unsafe { ptr::copy_nonoverlapping(asked.as_ptr(), set.cast(), bytes) };
        }
        let limit = time(slice);
        let limit = if slice == FOR_EVER { ptr::null() } else { &raw const limit };
        block!(blocking_pselect(n, read, write, except, limit, mask))
    });
    let Some(result) = slices else { return block!(whole_select(n, read, write, except, timeout)) };
    // Linux tells what is left.
    // SAFETY: the program's.
    if let Some(timeout) = unsafe { timeout.as_mut() } {
        let left = time(total.saturating_sub(process::now_ns() - begun));
        (timeout.tv_sec, timeout.tv_usec) = (left.tv_sec, left.tv_nsec / 1000);
    }
    result
}

/// Sleeps for `total` nanoseconds: what is left if a handler ended it.
fn sleep_for(total: u64) -> Option<Result<(), u64>> {
    let begun = process::now_ns();
    let end = begun.saturating_add(total);
    // The last part is a real sleep.
    let most = total - total / 500 - MS;
    let slept = sliced(most, &mut |slice, mask| {
        let limit = time(slice);
        block!(blocking_ppoll(ptr::null::<u8>(), 0, &raw const limit, mask))
    })?;
    let ended = slept < 0 || {
        let end = time(end);
        block!(whole_clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &raw const end, 0)) != 0
    };
    Some(if ended { Err(end.saturating_sub(process::now_ns())) } else { Ok(()) })
}

/// Whether a sleep of so many nanoseconds is worth a look.
fn is_long(total: &u64) -> bool {
    (10 * MS..FOR_EVER / 4).contains(total)
}

/// # Safety
/// As nanosleep(2).
pub unsafe extern "C" fn nanosleep(request: *const timespec, left: *mut timespec) -> c_int {
    // SAFETY: the program's.
    let total = unsafe { request.as_ref() }.and_then(ns).filter(is_long);
    match total.and_then(sleep_for) {
        None => block!(whole_nanosleep(request, left)),
        Some(Ok(())) => 0,
        Some(Err(ns)) => {
            if !left.is_null() {
                // SAFETY: the program's.
                unsafe { left.write(time(ns)) };
            }
            errno::set(libc::EINTR);
            -1
        }
    }
}

/// # Safety
/// As clock_nanosleep(2).
pub unsafe extern "C" fn clock_nanosleep(
    clock: c_int,
    flags: c_int,
    request: *const timespec,
    left: *mut timespec,
) -> c_int {
    let known = clock == libc::CLOCK_MONOTONIC || (clock == libc::CLOCK_REALTIME && flags == 0);
    // SAFETY: the program's.
    let asked =
        unsafe { request.as_ref() }.and_then(ns).filter(|_| known && flags & !libc::TIMER_ABSTIME == 0);
    let total = match flags {
        0 => asked,
        _ => asked.map(|end| end.saturating_sub(process::now_ns())),
    };
    match total.filter(is_long).and_then(sleep_for) {
        None => block!(whole_clock_nanosleep(clock, flags, request, left)),
        Some(Ok(())) => 0,
        Some(Err(ns)) => {
            if !left.is_null() && flags == 0 {
                // SAFETY: the program's.
                unsafe { left.write(time(ns)) };
            }
            libc::EINTR
        }
    }
}

/// # Safety
/// As usleep(3).
pub unsafe extern "C" fn usleep(us: u32) -> c_int {
    let request = time(u64::from(us) * 1000);
    // SAFETY: a time of ours.
    unsafe { nanosleep(&raw const request, ptr::null_mut()) }
}

/// # Safety
/// As sleep(3).
pub unsafe extern "C" fn sleep(seconds: u32) -> u32 {
    let saved = errno::get();
    let mut left = time(u64::from(seconds) * SECOND);
    // SAFETY: times of ours.
    if unsafe { nanosleep(&raw const left, &raw mut left) } < 0 {
        return left.tv_sec as u32;
    }
    errno::set(saved);
    0
}

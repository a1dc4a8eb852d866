//! Ids, clocks, signals to threads, ends.
//!
//! # Safety
//! Plain requests without pointers into our memory, or with pointers to locals.
#![allow(unsafe_code)]
use super::raw::{Errno, check, syscall0, syscall1, syscall2, syscall3};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

pub fn pid() -> i32 {
    // SAFETY: no arguments.
    unsafe { syscall0(libc::SYS_getpid) as i32 }
}
pub fn tid() -> i32 {
    // SAFETY: no arguments.
    unsafe { syscall0(libc::SYS_gettid) as i32 }
}
/// Sends `signal` to one thread of this process.
pub fn tgkill(pid: i32, tid: i32, signal: i32) -> Result<(), Errno> {
    // SAFETY: integers only.
    check(unsafe { syscall3(libc::SYS_tgkill, pid as usize, tid as usize, signal as usize) }).map(|_| ())
}
pub fn yield_now() {
    // SAFETY: no arguments.
    unsafe { syscall0(libc::SYS_sched_yield) };
}
/// Sleeps; a signal cuts it short.
pub fn sleep_ns(ns: i64) {
    let ts = libc::timespec { tv_sec: 0, tv_nsec: ns };
    // SAFETY: the kernel reads one timespec.
    unsafe { syscall2(libc::SYS_nanosleep, &raw const ts as usize, 0) };
}
/// How many processors this process may run on, as of the first time that it was asked.
pub fn processors() -> u32 {
    static KNOWN: AtomicU32 = AtomicU32::new(0);
    match KNOWN.load(Relaxed) {
        0 => {
            let mut set = [0u64; 128];
            // SAFETY: the kernel writes within the set, whole words.
            let got = check(unsafe {
                syscall3(libc::SYS_sched_getaffinity, 0, size_of_val(&set), set.as_mut_ptr() as usize)
            });
            let bits: u32 = set[..got.unwrap_or(0) / 8].iter().map(|w| w.count_ones()).sum();
            KNOWN.store(bits.max(1), Relaxed);
            bits.max(1)
        }
        n => n,
    }
}
/// Monotonic nanoseconds.
pub fn now_ns() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}
/// Monotonic milliseconds as of the last tick of the kernel's, without a system call.
#[inline]
pub fn coarse_ms() -> u64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: libc fills one timespec, from a page that it shares with the kernel.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &mut ts) };
    ts.tv_sec as u64 * 1000 + ts.tv_nsec as u64 / 1_000_000
}
/// Nanoseconds for which the calling thread has had a processor.
pub fn thread_ns() -> u64 {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}
fn clock(id: libc::clockid_t) -> u64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec.
    unsafe { syscall2(libc::SYS_clock_gettime, id as usize, &raw mut ts as usize) };
    ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
}
/// Ends every thread, at once, without handlers.
pub fn exit_group(status: i32) -> ! {
    loop {
        // SAFETY: does not return.
        unsafe { syscall1(libc::SYS_exit_group, status as usize) };
    }
}

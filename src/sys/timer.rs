//! Kernel timers that send this process a signal.
//!
//! # Safety
//! The kernel reads the structs that are passed, and keeps none of them.
#![allow(unsafe_code)]
use super::raw::{Errno, check, syscall3, syscall4};
use super::sandbox::{self, Need};

/// `struct sigevent`, 64 bytes.
#[repr(C)]
struct Event {
    value: usize,
    signal: i32,
    notify: i32,
    _rest: [u64; 6],
}
const _: () = assert!(size_of::<Event>() == 64);

/// A timer of the monotonic clock. When it ends, the process gets `signal` with `si_code` SI_TIMER and `value`.
pub fn create(signal: i32, value: usize) -> Result<i32, Errno> {
    if sandbox::forbids(Need::Timer) {
        return Err(sandbox::REFUSED);
    }
    let event = Event { value, signal, notify: libc::SIGEV_SIGNAL, _rest: [0; 6] };
    let mut id = 0i32;
    let clock = libc::CLOCK_MONOTONIC as usize;
    // SAFETY: the kernel reads one sigevent and writes one timer id.
    check(unsafe { syscall3(libc::SYS_timer_create, clock, &raw const event as usize, &raw mut id as usize) })
        .map(|_| id)
}

/// Lets the timer end once, in `ns` nanoseconds; 0: not at all.
pub fn set(id: i32, ns: u64) -> Result<(), Errno> {
    arm(id, ns, 0)
}

/// Lets the timer end every so many seconds, from now on.
pub fn every(id: i32, seconds: u64) -> Result<(), Errno> {
    arm(id, seconds * 1_000_000_000, seconds)
}

fn arm(id: i32, ns: u64, interval: u64) -> Result<(), Errno> {
    if sandbox::forbids(Need::Timer) {
        return Err(sandbox::REFUSED);
    }
    // Interval, value: two timespecs.
    let spec = [interval, 0, ns / 1_000_000_000, ns % 1_000_000_000];
    // SAFETY: the kernel reads one itimerspec.
    check(unsafe { syscall4(libc::SYS_timer_settime, id as usize, 0, spec.as_ptr() as usize, 0) }).map(|_| ())
}

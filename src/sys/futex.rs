//! Futex wait and wake on private words.
//!
//! # Safety
//! The kernel only reads the word it is given; a reference keeps it valid.
#![allow(unsafe_code)]
use super::raw::{Errno, check, syscall3, syscall4};
use core::sync::atomic::AtomicU32;

/// Sleeps while `*word == expected`. Returns on a wake, a mismatch, a signal, or the time-out
/// (nanoseconds, relative; `None` = for ever). Callers loop.
pub fn wait(word: &AtomicU32, expected: u32, timeout_ns: Option<u64>) -> Result<(), Errno> {
    let ts;
    let tsp = match timeout_ns {
        Some(ns) => {
            ts = libc::timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 };
            &raw const ts as usize
        }
        None => 0,
    };
    let op = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as usize;
    // SAFETY: both pointers are live for the call.
    check(unsafe { syscall4(libc::SYS_futex, word as *const _ as usize, op, expected as usize, tsp) })
        .map(|_| ())
}

/// Wakes up to `n` waiters.
pub fn wake(word: &AtomicU32, n: u32) {
    let op = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as usize;
    // SAFETY: wake only uses the address as a key.
    unsafe { syscall3(libc::SYS_futex, word as *const _ as usize, op, n as usize) };
}

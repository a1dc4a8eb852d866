//! The one way out: one line on stderr, then abort.
//!
//! # Safety
//! Ends the process by SIGABRT with the default action, by raw system calls: nothing of the
//! host runs in between but a debugger or a core dump.
#![allow(unsafe_code)]
use super::out;
use crate::sys::{process, raw};
use core::fmt;

/// Prints `gleaner: <text>` and aborts. For misuse by the host (double free, …) and for broken
/// invariants of ours; never for a lack of memory.
#[cold]
#[inline(never)]
pub fn die(text: fmt::Arguments<'_>) -> ! {
    out::say(2, text);
    #[cfg(test)]
    panic!("{text}");
    #[cfg(not(test))]
    abort()
}

/// SIGABRT, as abort(3) would deliver it: a handler of the host runs first, then the default.
#[cold]
pub fn abort() -> ! {
    let (pid, tid) = (process::pid(), process::tid());
    let unblock: u64 = 1 << (libc::SIGABRT - 1);
    // SAFETY: changes this thread's mask, so that the signal arrives.
    unsafe {
        raw::syscall4(
            libc::SYS_rt_sigprocmask,
            libc::SIG_UNBLOCK as usize,
            &raw const unblock as usize,
            0,
            8,
        );
    }
    let _ = process::tgkill(pid, tid, libc::SIGABRT);
    // A handler returned or the signal is ignored: take the default action.
    let default = [0usize; 4];
    // SAFETY: installs SIG_DFL for SIGABRT; the struct is the kernel's (handler, flags, restorer, mask).
    unsafe {
        raw::syscall4(libc::SYS_rt_sigaction, libc::SIGABRT as usize, default.as_ptr() as usize, 0, 8);
    }
    let _ = process::tgkill(pid, tid, libc::SIGABRT);
    process::exit_group(127)
}

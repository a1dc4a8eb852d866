//! The process ends: the leak check or the audit's report, the statistics, the exit status.
//!
//! Our handler is registered by our constructor, before ld.so's own: so it runs after every
//! other handler and every destructor. To change the status it calls exit again, which glibc allows in a
//! handler: what is left to do (flushing stdio) is done once, then the process ends with the
//! new status.
//!
//! # Safety
//! `__libc_stack_end` is set by ld.so. The handler is a C function without arguments that
//! matter.
#![allow(unsafe_code)]
use super::{audit, leaks, log, lsan, mains, start, stats};
use crate::pure::options::Mode;
use crate::sys::process;
use crate::sys::sandbox::{self, Need};
use crate::threads;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

/// 1 once main has returned (leak mode).
pub static MAIN_RETURNED: AtomicU32 = AtomicU32::new(0);
/// The stack pointer at the newest call of exit from outside of libc, or 0.
pub static CALLED_AT: AtomicUsize = AtomicUsize::new(0);
/// The process whose handler has run.
static DONE: AtomicI32 = AtomicI32::new(0);

unsafe extern "C" {
    fn __cxa_atexit(f: extern "C" fn(*mut c_void), arg: *mut c_void, dso: *mut c_void) -> c_int;
    static __libc_stack_end: usize;
}

pub fn register() {
    let null = core::ptr::null_mut();
    // SAFETY: the handler lives as long as the process.
    unsafe { __cxa_atexit(at_exit, null, null) };
}

/// Where the kernel laid down the arguments and the environment of the program: on the first
/// thread's stack, above all frames.
pub fn stack_end() -> usize {
    // SAFETY: a word of ld.so's.
    unsafe { __libc_stack_end }
}

/// Where the live part of the exiting thread's stack begins: `sp`, or above it what is known
/// to be dead. `hi` is the stack's top.
pub fn live_from(sp: usize, hi: usize) -> usize {
    let end = stack_end();
    if MAIN_RETURNED.load(Ordering::Relaxed) != 0 && sp < end && end < hi {
        return end;
    }
    let called = CALLED_AT.load(Ordering::Relaxed);
    if sp < called && called < hi { called } else { sp }
}

extern "C" fn at_exit(_: *mut c_void) {
    let options = start::options();
    if !start::watched() && !options.stats {
        return;
    }
    let pid = if sandbox::forbids(Need::Collect) { threads::pid() } else { process::pid() };
    if DONE.swap(pid, Ordering::Relaxed) == pid {
        return;
    }
    let found = match options.mode {
        Mode::Leak if !lsan::is_over() => {
            mains::passing();
            leaks::at_exit()
        }
        Mode::Audit => audit::at_exit(),
        _ => leaks::Outcome::Clean,
    };
    let leaked = found == leaks::Outcome::Leaked;
    if options.stats {
        log::with(&mut |fd| stats::print(fd));
    }
    let status = if leaked { lsan::exit_status() } else { 0 };
    if status != 0 {
        // SAFETY: see the head of this file.
        unsafe { libc::exit(status) }
    }
}

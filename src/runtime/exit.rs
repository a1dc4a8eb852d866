//! The process ends: the leak check or the audit's report, the statistics, the exit status. Once in a process.
//!
//! By exit or the end of main: our handler is registered by our constructor, before ld.so's own: so it runs after every
//! other handler and every destructor. To change the status it calls exit again, which glibc allows in a
//! handler: what is left to do (flushing stdio) is done once, then the process ends with the
//! new status.
//!
//! By quick_exit: the same with its own list of handlers. By `_exit`: in our function of that name. By a signal of the
//! option `on_signal`: in our handler. The last two may come anywhere, in a handler of the program's too: so they wait
//! for no lock. A child of vfork has its parent's memory, and one made behind the registry's back has locks
//! that may be nobody's: both just end; and so does, by `_exit`, a child of a process with several threads, which has
//! much that only those had. A child of fork that ends by `_exit` keeps its status, which tells its
//! parent something.
//!
//! # Safety
//! `__libc_stack_end` is set by ld.so. The handler is a C function without arguments that
//! matter.
#![allow(unsafe_code)]
use super::next::Next;
use super::{audit, fork, leaks, log, lsan, mains, metrics, start, stats, telemetry};
use crate::ground::critical;
use crate::heap::secure;
use crate::pure::options::{Mode, Stats};
use crate::sys::raw::Errno;
use crate::sys::sandbox::{self, Need};
use crate::sys::{file, process, tasks, tls};
use crate::threads;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

/// 1 once main has returned (leak mode).
pub static MAIN_RETURNED: AtomicU32 = AtomicU32::new(0);
/// The stack pointer at the newest call of exit from outside of libc, or of `_exit`; or 0.
pub static CALLED_AT: AtomicUsize = AtomicUsize::new(0);
/// The process whose end was begun.
static DONE: AtomicI32 = AtomicI32::new(0);
// SAFETY: the type of the C function.
static EXIT: Next<unsafe extern "C" fn(c_int) -> !> = unsafe { Next::new(c"_exit") };

unsafe extern "C" {
    fn __cxa_atexit(f: extern "C" fn(*mut c_void), arg: *mut c_void, dso: *mut c_void) -> c_int;
    fn __cxa_at_quick_exit(f: extern "C" fn(*mut c_void), dso: *mut c_void) -> c_int;
    static __libc_stack_end: usize;
}

pub fn register() {
    let null = core::ptr::null_mut();
    EXIT.resolve();
    // SAFETY: the handlers live as long as the process.
    unsafe {
        __cxa_atexit(at_exit, null, null);
        __cxa_at_quick_exit(at_quick_exit, null);
    }
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

/// Whether something is written when the program ends.
pub fn is_told_of() -> bool {
    start::watched() || start::options().stats != Stats::No
}

/// Main has returned, or exit was called; no handler has run yet. Some of them close the standard streams (those of all of
/// GNU's coreutils), before ours has told anything.
pub extern "C" fn begins() {
    if is_told_of() && !sandbox::forbids(Need::Collect) && process::pid() == threads::pid() {
        log::keep_stderr();
    }
}

extern "C" fn at_exit(_: *mut c_void) {
    let status = in_order();
    if status != 0 {
        // SAFETY: see the head of this file.
        unsafe { libc::exit(status) }
    }
}

extern "C" fn at_quick_exit(_: *mut c_void) {
    let status = in_order();
    if status != 0 {
        process::exit_group(status);
    }
}

/// The end that handlers are called for; the new status, if not 0.
fn in_order() -> c_int {
    look_at_blocks();
    if is_due() { ending(leaks::Patience::Any) } else { 0 }
}

/// From level 2 of `secure` on all blocks are looked at once more, if nobody else uses any.
fn look_at_blocks() {
    if secure::level() >= 2 && !sandbox::forbids(Need::Collect) && tasks::count() == Some(1) {
        secure::look_at_all(&critical::enter());
    }
}

/// _exit(2), called with this stack pointer: below it is nothing of the program's. In a handler of exit's it is the same end.
pub extern "C" fn immediately(status: c_int, sp: usize) -> ! {
    let _ = CALLED_AT.compare_exchange(0, sp, Ordering::Relaxed, Ordering::Relaxed);
    let end = |status: c_int| match EXIT.get() {
        // SAFETY: libc's function, of this type.
        Some(real) => unsafe { real(status) },
        None => process::exit_group(status),
    };
    let wanted = is_told_of() || telemetry::is_wanted();
    // Where a filter may kill for a question, none is asked.
    if !wanted
        || sandbox::forbids(Need::Collect)
        || threads::fork::lost_threads()
        || !is_moment()
        || !is_due()
    {
        end(status);
    }
    leaks::MINOR.store(fork::is_child(), Ordering::Relaxed);
    match ending(leaks::Patience::Little) {
        0 => end(status),
        _ if fork::is_child() => end(status),
        leaked => end(leaked),
    }
}

/// A signal ends the process; called by its handler.
pub fn by_signal() {
    if !sandbox::forbids(Need::Collect) && is_moment() && is_due() {
        ending(leaks::Patience::Little);
    }
}

/// Whether this may be called in the middle of anything, and here a check can be made.
fn is_moment() -> bool {
    let late = tls::block().late.load(Ordering::Relaxed) != 0;
    critical::depth() == 0 && !late && process::pid() == threads::pid()
}

/// Whether there is something to be done at the end, and has not been.
fn is_due() -> bool {
    let options = start::options();
    if !is_told_of() && !telemetry::is_wanted() || !options.follow && fork::is_child() {
        return false;
    }
    let pid = if sandbox::forbids(Need::Collect) { threads::pid() } else { process::pid() };
    DONE.swap(pid, Ordering::Relaxed) != pid
}

/// What is done at the end; the new status, if not 0.
fn ending(patience: leaks::Patience) -> c_int {
    let options = start::options();
    let found = match options.mode {
        Mode::Leak if !lsan::is_over() => {
            mains::passing();
            leaks::at_exit(patience)
        }
        Mode::Audit => audit::at_exit(),
        _ => leaks::Outcome::Clean,
    };
    if telemetry::is_wanted() {
        telemetry::write();
    }
    match options.stats {
        Stats::No => {}
        Stats::Yes => log::with(&mut |fd| stats::print(fd)),
        Stats::Json => log::with(&mut |fd| {
            metrics::json(&mut |text| {
                let _: Result<(), Errno> = file::write_all(fd, text);
            });
        }),
    }
    if found == leaks::Outcome::Leaked { lsan::exit_status() } else { 0 }
}

//! Signals that the program leaves to their default action, and that the user wants something to happen at.
//!
//! The kernel has a handler of ours for them, and the program reads its default action back (`runtime::signals`). What it
//! installs itself takes the place of ours, and ours comes back with the default action. A signal
//! that the program was born ignoring stays ignored. At exec all is as if we had never been there.
//!
//! A signal that ends the process ends it: after the visit the default action is put back, and either the
//! faulting instruction is executed again or the signal is sent again, so status, core dump and the parent's view are
//! the program's own. A second thread that dies meanwhile waits for the end that the first one brings.
//!
//! # Safety
//! The handler keeps to the rules of `handler`.
#![allow(unsafe_code)]
use super::visits::{self, Fate, Visit};
use super::{current, handler, rewind};
use crate::sys::raw::Errno;
use crate::sys::signal::{self, Frame, Info, Set};
use crate::sys::{errno, process};
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering::*};

/// Signals at which a check is wanted, and those at which the process dies.
static WANTED: AtomicU64 = AtomicU64::new(0);
static DEADLY: AtomicU64 = AtomicU64::new(0);
/// The thread in which a signal that ends the process came first, and the process.
static DYING: AtomicI32 = AtomicI32::new(0);

/// What is to happen at a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    Check,
    Death,
}

/// Called at start-up, before the program has handlers.
pub fn watch(signal: i32, at: At) {
    if signal::installed(signal).handler != libc::SIG_DFL || signal == super::signal_number() {
        return;
    }
    let set = if at == At::Check { &WANTED } else { &DEADLY };
    set.fetch_or(Set::of(signal).0, Relaxed);
    let _ = stand_in(signal);
}

/// Whether the default action of `signal` is ours to replace.
pub fn is_watched(signal: i32) -> bool {
    let all = Set(WANTED.load(Relaxed) | DEADLY.load(Relaxed));
    (1..=64).contains(&signal) && all.has(signal)
}

/// Installs our handler, for a signal that is watched.
pub fn stand_in(signal: i32) -> Result<(), Errno> {
    let flags = libc::SA_SIGINFO | libc::SA_RESTART | handler::flags() & libc::SA_ONSTACK;
    // SAFETY: the handler is written for any instruction of any thread.
    unsafe { signal::install(signal, on_watched, flags, Set::FULL) }.map(|_| ())
}

/// Whether that is our handler.
pub fn is_ours(handler: usize) -> bool {
    handler == on_watched as *const () as usize
}

unsafe extern "C" fn on_watched(signal: i32, info: *mut Info, frame: *mut Frame) {
    let _errno = errno::Saved::new();
    // SAFETY: the kernel's, for the length of this call.
    let (info, frame) = unsafe { (&*info, &mut *frame) };
    let me = current().filter(|t| t.tid.load(Relaxed) == process::tid());
    if Set(WANTED.load(Relaxed)).has(signal) {
        visits::come(Visit::Wanted, me, frame);
        rewind::repair(frame, me);
        return;
    }
    let again = is_fault(signal, info);
    let pid = process::pid();
    let first = DYING.compare_exchange(0, pid, AcqRel, Acquire);
    // A child of vfork has its parent's memory.
    let elsewhere = pid != super::pid();
    if first.is_err_and(|other| other == pid) && !elsewhere {
        while DYING.load(Acquire) == pid {
            handler::give_way(me, frame);
            process::sleep_ns(1_000_000);
        }
    } else if !elsewhere {
        let fate = visits::come(Visit::Death(signal), me, frame);
        DYING.store(0, Release);
        if fate == Fate::PutOff && !again {
            return;
        }
    } else if first.is_ok() {
        DYING.store(0, Release);
    }
    signal::reset(signal);
    if !again {
        // It waits until the mask of the interrupted code is back.
        let _ = process::tgkill(pid, process::tid(), signal);
    }
}

/// Whether the instruction that the handler returns to will raise the signal again.
fn is_fault(signal: i32, info: &Info) -> bool {
    info.code > 0 && matches!(signal, libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL)
}

/// The end by a signal whose visit was put off.
pub(super) fn die_of(signal: i32) {
    signal::reset(signal);
    let _ = process::tgkill(process::pid(), process::tid(), signal);
    signal::mask(libc::SIG_UNBLOCK, Set::of(signal));
}

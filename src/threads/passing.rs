//! A signal of the program's that was sent to the process while the thread that the kernel chose blocks it
//! in the program's eyes.
//!
//! The kernel never sees our signal blocked, so it may choose any thread; had it seen, it would have chosen
//! one that takes the signal. So it is offered to all others: the first that does not block it, or waits for
//! it, has it. Where none does it waits for the process, one deep, until a thread unblocks it or waits for
//! it.
use super::blocking::ACTIVE;
use super::registry;
use crate::sys::sandbox::{self, Need};
use crate::sys::signal::{self, Info};
use crate::sys::{process, tasks};
use core::sync::atomic::{AtomicU32, Ordering::*};

/// `si_code` of an offer.
const OFFER: i32 = -0x676d;
/// 1: one waits for the process.
static WAITS: AtomicU32 = AtomicU32::new(0);

/// In the handler of a thread that blocks it. False: it is this thread's own matter.
pub(super) fn offer(signal: i32, info: &Info) -> bool {
    // What pthread_sigqueue sends looks as sigqueue's does, and is the rarer one.
    if info.code == libc::SI_TKILL || ACTIVE.load(Relaxed) == 0 || sandbox::forbids(Need::Collect) {
        return false;
    }
    if WAITS.swap(1, SeqCst) == 1 {
        return true;
    }
    let (pid, me) = (registry::pid(), process::tid());
    let _ = tasks::for_each(&mut |tid| {
        if tid != me && is_waiting() {
            let _ = signal::send_marked(pid, tid, signal, OFFER);
        }
    });
    true
}

pub(super) fn is_offer(info: &Info) -> bool {
    info.code == OFFER && info.pid == registry::pid()
}

#[inline]
pub(super) fn is_waiting() -> bool {
    WAITS.load(SeqCst) != 0
}

/// The calling thread takes what waits for the process. False: somebody else has it.
#[inline]
pub(super) fn take() -> bool {
    is_waiting() && WAITS.swap(0, SeqCst) == 1
}

/// In the child of a fork: pending signals are not inherited.
pub(super) fn reset() {
    WAITS.store(0, Relaxed);
}

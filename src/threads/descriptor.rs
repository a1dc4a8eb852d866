//! What is known of libc's thread descriptors: where a thread's id is.
//!
//! # Safety
//! A descriptor, to which `fs:0` points, is longer than 2,000 bytes in every glibc. That of a thread that was
//! not joined or detached yet stays mapped.
#![allow(unsafe_code)]
use crate::pure::addr::Addr;
use core::sync::atomic::{AtomicI32, Ordering::Acquire};

/// Where glibc has kept the id since 2.4. The kernel clears it at the thread's end.
const TID: usize = 720;

fn word(tcb: usize) -> i32 {
    // SAFETY: see the chapter above.
    unsafe { &*Addr(tcb + TID).ptr::<AtomicI32>() }.load(Acquire)
}

/// That place, if the calling thread, whose descriptor and id these are, has its own id there.
pub fn tid_offset(tcb: usize, tid: i32) -> Option<usize> {
    (tcb != 0 && word(tcb) == tid).then_some(TID)
}

/// The id that libc has for `thread`, a `pthread_t` that may be joined; 0 if it has ended. `own`: the calling
/// thread's descriptor and id. `None`: this libc keeps it elsewhere.
pub(super) fn tid_of(thread: usize, own: (usize, i32)) -> Option<i32> {
    tid_offset(own.0, own.1).filter(|_| thread != 0).map(|_| word(thread))
}

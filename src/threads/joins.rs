//! pthread_join and its like: a thread that waits for another's end is SAFE.
//!
//! After the wait libc moves the result out of the dead thread's descriptor and may free what
//! belonged to that thread, all without asking us; a thread that does that must be running. So the
//! thread that ends lets the one that joins it be RUN again, in its last destructor ([`ending`]): libc's
//! wait lasts until the kernel has seen the end, which is later. From then on, for some microseconds, the
//! joining
//! thread is RUN in a critical section: a request waits until libc is done.
//!
//! ```text
//! joined:  0 ──────► joiner's record ──► 0        by the joining thread
//!                       │
//!                       └──► BUSY ──► ENDED       by the ending one, also from 0
//! ```
//! A second one that joins the same thread, and one that joins itself, go on to libc, which knows
//! the answer. A thread that ends by a raw system call tells nobody: for that the joining one's
//! cache is put aside as for vfork (`lend`), so that its first free waits for the end of a stop.
//!
//! Rejected: to wait for a semaphore of ours first and to call libc then. A thread that is detached, joined
//! by another or waits for us in turn would have to be answered by us, and not as libc does.
//!
//! # Safety
//! Records are never unmapped. `joins` is 0 or a record's address, `joined` that or one of two small numbers.
#![allow(unsafe_code)]
use super::record::Thread;
use super::{blocking, current, lend, registry};
use crate::ground::critical;
use crate::sys::process;
use core::sync::atomic::Ordering::*;

/// `Thread::joined`: the thread is past its last destructor, or about to be.
const ENDED: usize = 1;
/// It is just looking after who joins it.
const BUSY: usize = 2;

/// A thread that has just been made has so long to enter itself; one that has ended long ago is looked for
/// as long.
const PATIENCE_NS: u64 = 200_000;

/// Before a join of `thread`: whether the caller is SAFE now.
pub(super) unsafe extern "C" fn enter(me: &'static Thread, thread: usize) -> u32 {
    let sp = me.sp.load(Relaxed);
    let Some(other) = find(me, thread) else { return 0 };
    me.joins.store(other as *const Thread as usize, Relaxed);
    lend::put_aside(me);
    me.publish(sp, 0);
    // SAFETY: the calling thread's own record.
    let entered = unsafe { blocking::enter(me) };
    // An ending thread saw either this one SAFE, or itself not joined by it.
    if entered == blocking::ENTERED && other.joined.load(SeqCst) == me as *const Thread as usize {
        // For the rest of the join a critical section: once it is RUN again the thread frees the dead one's
        // stack,
        // under a lock of libc's. Stopped there it would hold up a thread that creates another, in a
        // critical section of its own, until the deadline. (No call of ours is made from inside of one.)
        core::mem::forget(critical::enter());
        critical::open();
        return entered;
    }
    if entered == blocking::ENTERED {
        // SAFETY: as above.
        unsafe { blocking::leave(me) };
    }
    forget(me);
    0
}

/// After it.
pub(super) unsafe extern "C" fn leave(me: &Thread) {
    // SAFETY: the calling thread's own record.
    unsafe { blocking::leave(me) };
    forget(me);
}

/// The join is over, one way or another; the thread is RUN.
pub(super) fn forget(me: &Thread) {
    let other = me.joins.swap(0, Relaxed);
    if other == 0 {
        return;
    }
    if critical::is_open() {
        critical::shut(0);
        drop(critical::resume());
    }
    lend::fetch_back(me);
    // SAFETY: a record; they are never unmapped.
    let other = unsafe { &*(other as *const Thread) };
    let _ = other.joined.compare_exchange(me as *const Thread as usize, 0, SeqCst, SeqCst);
    // What it is about to do to this thread must not come later.
    while other.joined.load(SeqCst) == BUSY {
        process::sleep_ns(20_000);
    }
}

/// The thread to be joined, now known to be joined by `me`.
fn find(me: &Thread, thread: usize) -> Option<&'static Thread> {
    let give_up = process::now_ns() + PATIENCE_NS;
    loop {
        let critical = registry::hold(registry::lock());
        // SAFETY: held by the line above, released below.
        let registry = unsafe { &*registry::lock().as_ptr() };
        let (mut found, to_come) = (None, registry.starts.is_some());
        registry.for_each(&mut |t| {
            if t.tcb.load(Relaxed) == thread && !t.is_exiting() && !core::ptr::eq(t, me) {
                found = Some(t);
            }
        });
        let mine = me as *const Thread as usize;
        let joined = found.filter(|t| t.joined.compare_exchange(0, mine, SeqCst, SeqCst).is_ok());
        // SAFETY: as above.
        unsafe { registry::lock().release() };
        drop(critical);
        if joined.is_some() || found.is_some() || !to_come || process::now_ns() > give_up {
            return joined;
        }
        process::sleep_ns(20_000);
    }
}

/// The calling thread's last destructor runs: whoever joins it is to be RUN before it is gone.
/// Outside of critical sections.
pub fn ending() {
    let Some(me) = current() else { return };
    let joiner = me.joined.swap(BUSY, SeqCst);
    if joiner > BUSY {
        // SAFETY: a record, never unmapped, of a thread that waits in `forget` if it is through.
        unsafe { blocking::leave(&*(joiner as *const Thread)) };
    }
    me.joined.store(ENDED, SeqCst);
}

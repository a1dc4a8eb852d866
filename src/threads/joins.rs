//! pthread_join and its like: a thread that waits for another's end is SAFE.
//!
//! After the wait libc moves the result out of the dead thread's descriptor and may free what belonged to
//! that thread, all without asking us; a thread that does that must be running. So the thread that ends lets
//! the one that joins it be RUN again, in its last destructor ([`ending`]): libc's wait lasts until the
//! kernel has seen the end, which is later. From then on, for some microseconds, the joining thread is RUN in
//! a critical section: a request waits until libc is done.
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
//! Who joins a thread that has ended already, or detaches one, waits for nothing, but takes the same lock of
//! libc's: all of that is in a critical section ([`enter`], [`in_section`]). Whether an unknown
//! thread has ended is read where libc itself looks: the word that the kernel clears.
//!
//! Rejected: to wait for a semaphore of ours first and to call libc then. A thread that is detached, joined
//! by another or waits for us in turn would have to be answered by us, and not as libc does.
//!
//! # Safety
//! Records are never unmapped. `joins` is 0 or a record's address, `joined` that or one of two small numbers.
#![allow(unsafe_code)]
use super::descriptor::tid_of;
use super::record::Thread;
use super::{blocking, current, lend, registry, start};
use crate::ground::critical;
use crate::sys::process;
use core::sync::atomic::Ordering::*;

/// `Thread::joined`: the thread is past its last destructor, or about to be.
const ENDED: usize = 1;
/// It is just looking after who joins it.
const BUSY: usize = 2;

/// `Thread::joins` of one that is in a section and joins nobody whom we know.
const NOBODY: usize = 1;

/// A thread that has been made, but has not said that it runs, has so long to do so.
const PATIENCE_NS: u64 = 50_000_000;
/// The same where libc's word for it cannot be read, so that it may as well have ended long ago.
const SHORT_PATIENCE_NS: u64 = 200_000;

/// Calls what takes libc's locks of threads and waits for nothing.
pub fn in_section<R>(call: impl FnOnce() -> R) -> R {
    let critical = critical::enter();
    let before = critical::open();
    let result = call();
    critical::shut(before);
    drop(critical);
    result
}

/// Before a join of `thread`: whether [`leave`] is to be called after it. The caller is SAFE then, or in a
/// section.
pub(super) unsafe extern "C" fn enter(me: &'static Thread, thread: usize) -> u32 {
    let sp = me.sp.load(Relaxed);
    let other = match find(me, thread) {
        Found::Here(other) => other,
        Found::Ended if me.joins.load(Relaxed) == 0 => {
            me.joins.store(NOBODY, Relaxed);
            open_section();
            return blocking::ENTERED;
        }
        Found::Ended | Found::Unknown => return 0,
    };
    me.joins.store(other as *const Thread as usize, Relaxed);
    lend::put_aside(me);
    me.publish(sp, 0);
    // SAFETY: the calling thread's own record.
    let entered = unsafe { blocking::enter(me) };
    // An ending thread saw either this one SAFE, or itself not joined by it.
    if entered == blocking::ENTERED && other.joined.load(SeqCst) == me as *const Thread as usize {
        // For the rest of the join a critical section: once it is RUN again the thread frees the dead one's
        // stack, under a lock of libc's. Stopped there it would hold up a thread that creates another, in a
        // critical section of its own, until the deadline. (No call of ours is made from inside of one.)
        open_section();
        return entered;
    }
    if entered == blocking::ENTERED {
        // SAFETY: as above.
        unsafe { blocking::leave(me) };
    }
    forget(me);
    0
}

/// Until [`forget`].
fn open_section() {
    core::mem::forget(critical::enter());
    critical::open();
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
    if other == NOBODY {
        return;
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

enum Found {
    /// Alive, and now known to be joined by the one that asks.
    Here(&'static Thread),
    /// Past its last destructor, or about to be, or gone.
    Ended,
    /// Joined by another, or nobody whom we know, or the one that asks.
    Unknown,
}

/// The thread to be joined.
fn find(me: &Thread, thread: usize) -> Found {
    let begun = process::now_ns();
    let own = (me.tcb.load(Relaxed), me.tid.load(Relaxed));
    loop {
        let tid = tid_of(thread, own);
        if tid == Some(0) {
            return Found::Ended;
        }
        let critical = registry::hold(registry::lock());
        // SAFETY: held by the line above, released below.
        let registry = unsafe { &*registry::lock().as_ptr() };
        let mut found = None;
        registry.for_each(&mut |t| {
            // One that ended by a raw system call may have left a record with the same descriptor.
            let same = tid.is_none_or(|tid| tid == t.tid.load(Relaxed));
            if t.tcb.load(Relaxed) == thread && same && !core::ptr::eq(t, me) {
                found = Some(t);
            }
        });
        let mine = me as *const Thread as usize;
        let answer = match found {
            Some(t) if t.is_exiting() => Some(Found::Ended),
            Some(t) => match t.joined.compare_exchange(0, mine, SeqCst, SeqCst) {
                Ok(_) => Some(Found::Here(t)),
                Err(ENDED | BUSY) => Some(Found::Ended),
                Err(_) => Some(Found::Unknown),
            },
            None if process::now_ns() - begun < patience(registry, tid) => None,
            // It may have gone since.
            None if tid_of(thread, own) == Some(0) => Some(Found::Ended),
            None => Some(Found::Unknown),
        };
        // SAFETY: as above.
        unsafe { registry::lock().release() };
        drop(critical);
        if let Some(answer) = answer {
            return answer;
        }
        process::sleep_ns(20_000);
    }
}

/// How long to wait for a thread that is not in the registry. One that runs already waits for nothing but the
/// registry.
fn patience(registry: &registry::Registry, tid: Option<i32>) -> u64 {
    let (mut runs, mut is_made) = (false, false);
    start::for_each(registry.starts, &mut |s| {
        let its = s.tid.load(Acquire);
        runs |= tid == Some(its);
        is_made |= its == 0;
    });
    match tid {
        _ if runs => u64::MAX,
        Some(_) if is_made => PATIENCE_NS,
        None if registry.starts.is_some() => SHORT_PATIENCE_NS,
        _ => 0,
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

//! Fork: the registry across it.
//!
//! Before this layer's step the runtime holds the cycle's lock, so no stop is on or begins. The
//! child has one thread, this one; the records of all others are buried, their stacks are dead
//! ones. `_Fork`, raw `clone` and vfork run no handlers: their child either executes another
//! program or must not use malloc; a collection in it is refused, because the process id is not
//! the registry's.
//!
//! # Safety
//! prepare, then parent or child, on one thread.
#![allow(unsafe_code)]
use super::{current, exec, guests, passing, registry, start, visits};
use crate::ground::critical::Critical;
use crate::sys::process;
use crate::sys::sandbox::{self, Need};
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;

/// Whether the parent of this child of fork had other threads. What only their stacks led to is nobody's now: they may
/// have been taken for new threads.
pub fn lost_threads() -> bool {
    LOST.load(Relaxed)
}
static LOST: AtomicBool = AtomicBool::new(false);

/// Holds the registry; the caller is in no critical section.
pub fn prepare() -> Critical {
    registry::hold(registry::lock())
}

/// # Safety
/// On the thread that ran [`prepare`], in the parent.
pub unsafe fn parent() {
    // SAFETY: held since `prepare`.
    unsafe { registry::lock().release() };
}

/// # Safety
/// On the thread that ran [`prepare`], in the child.
pub unsafe fn child() {
    // Where these calls may kill there are no stops: then the numbers stay the parent's.
    let asks = !sandbox::forbids(Need::Collect);
    if asks {
        registry::set_pid(process::pid());
    }
    guests::reset();
    passing::reset();
    visits::forget();
    start::reset();
    exec::reset();
    registry::nobody_waits();
    // SAFETY: held since `prepare`, and there is no other thread.
    let registry = unsafe { &mut *registry::lock().as_ptr() };
    let tid = if asks { process::tid() } else { current().map_or(0, |me| me.tid.load(Relaxed)) };
    LOST.store(lost_threads() || registry.live > 1, Relaxed);
    registry.keep_only(current(), tid);
    // What the parent's other threads held is no garbage of this process's making: their stacks
    // are ordinary memory here.
    registry.dead_stacks.clear();
    // SAFETY: as above.
    unsafe { registry::lock().reset() };
}

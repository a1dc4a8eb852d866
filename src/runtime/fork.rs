//! Fork: the layers' locks, in rank order, held across it.
//!
//! Registered with `__register_atfork` before any other handler: our prepare runs last and our
//! parent and child steps first, so other libraries' handlers may allocate.
//!
//! # Safety
//! glibc calls prepare, then parent or child, on the forking thread.
#![allow(unsafe_code)]
use super::{check, collect, copies, cycle};
use crate::ground::critical;
use crate::roots::{mappings, regions};
use crate::{adopted, heap, leak, threads};
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

unsafe extern "C" {
    fn __register_atfork(
        prepare: extern "C" fn(),
        parent: extern "C" fn(),
        child: extern "C" fn(),
        dso: *const c_void,
    ) -> c_int;
}

pub fn register() {
    // SAFETY: the functions live as long as the process (the library is never unloaded).
    unsafe { __register_atfork(prepare, parent, child, core::ptr::null()) };
}

/// The thread (its `fs:0`) that forks from a signal handler which came in the middle of a critical
/// section of ours: it holds locks already, and would wait for itself. What it interrupted is
/// finished in either process if the handler returns. The child's collector stays off, as the
/// registry keeps the parent's number.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// Whether this process is a child of fork that executed no program since.
pub fn is_child() -> bool {
    CHILD.load(Ordering::Relaxed)
}
static CHILD: AtomicBool = AtomicBool::new(false);

fn was_inside() -> bool {
    INSIDE.compare_exchange(threads::tcb(), 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

/// The forking thread stays in a critical section until the fork is done.
pub extern "C" fn prepare() {
    if critical::depth() != 0 {
        INSIDE.store(threads::tcb(), Ordering::Relaxed);
        return;
    }
    // The outer two may be waited for only outside of critical sections, where a stop is possible.
    core::mem::forget(threads::hold(&cycle::CYCLE));
    drop(critical::resume());
    let critical = threads::fork::prepare();
    mappings::fork_prepare(&critical);
    regions::lock().hold(&critical);
    adopted::fork_prepare(&critical);
    leak::fork_prepare(&critical);
    heap::fork::prepare(&critical);
    core::mem::forget(critical);
}

pub extern "C" fn parent() {
    if was_inside() {
        return;
    }
    // SAFETY: this thread ran `prepare`.
    unsafe {
        heap::fork::parent();
        leak::fork_parent();
        adopted::fork_parent();
        regions::lock().release();
        mappings::fork_parent();
        threads::fork::parent();
        cycle::CYCLE.release();
    }
    drop(critical::resume());
}

pub extern "C" fn child() {
    CHILD.store(true, Ordering::Relaxed);
    if was_inside() {
        return;
    }
    // SAFETY: the child of a fork before which this thread ran `prepare`.
    unsafe {
        heap::fork::child();
        leak::fork_child();
        regions::lock().reset();
        adopted::fork_child();
        mappings::fork_child();
        threads::fork::child();
        cycle::CYCLE.reset();
    }
    let critical = critical::resume();
    copies::forked(&critical);
    collect::forked();
    drop(critical);
    check::forked();
}

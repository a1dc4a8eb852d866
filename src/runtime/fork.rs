//! Fork: the layers' locks, in rank order, held across it.
//!
//! Registered with `__register_atfork` before any other handler: our prepare runs last and our
//! parent and child steps first, so other libraries' handlers may allocate.
//!
//! # Safety
//! glibc calls prepare, then parent or child, on the forking thread.
#![allow(unsafe_code)]
use super::cycle;
use crate::ground::critical;
use crate::roots::mappings;
use crate::{heap, leak, threads};
use core::ffi::{c_int, c_void};

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

/// The forking thread stays in a critical section until the fork is done.
pub extern "C" fn prepare() {
    // The outer two may be waited for only outside of critical sections, where a stop is possible.
    core::mem::forget(threads::hold(&cycle::CYCLE));
    drop(critical::resume());
    let critical = threads::fork::prepare();
    mappings::fork_prepare(&critical);
    leak::fork_prepare(&critical);
    heap::fork::prepare(&critical);
    core::mem::forget(critical);
}

pub extern "C" fn parent() {
    // SAFETY: this thread ran `prepare`.
    unsafe {
        heap::fork::parent();
        leak::fork_parent();
        mappings::fork_parent();
        threads::fork::parent();
        cycle::CYCLE.release();
    }
    drop(critical::resume());
}

pub extern "C" fn child() {
    // SAFETY: the child of a fork before which this thread ran `prepare`.
    unsafe {
        heap::fork::child();
        leak::fork_child();
        mappings::fork_child();
        threads::fork::child();
        cycle::CYCLE.reset();
    }
    drop(critical::resume());
}

//! Calls the cleanups that are due: on the thread that asks, or on one of their own.
//!
//! A cleanup is the program's code and may do anything: allocate, register, cancel, unmap, block, fork. So
//! it is called outside of critical sections, with no lock of ours held, and never from malloc or
//! free, whose caller may hold a lock that the cleanup wants.
//!
//! The thread exists only where the program asked for it ([`on_thread`]). All signals are blocked in it as far
//! as the program can see. A child of fork has none until it asks again.
//!
//! # Safety
//! The function's address came from the program, with the promise that it has this type. The thread's body is
//! a C function.
#![allow(unsafe_code)]
use super::{foreign, signals, threads as host};
use crate::cleanups::{self, Due};
use crate::ground::critical;
use crate::leak::unwind::find;
use crate::sys::path::Path;
use crate::sys::process;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

type Open = unsafe extern "C" fn(*const core::ffi::c_char, c_int) -> *mut c_void;
type Function = unsafe extern "C" fn(usize, usize, usize);

/// The function whose library was kept last: most programs have one.
static KEPT: AtomicUsize = AtomicUsize::new(0);
/// The process that has a thread for cleanups, or 0.
static THREAD_OF: AtomicI32 = AtomicI32::new(0);

/// Calls what is due, and what becomes due meanwhile; how many were called. 0 in a signal handler that
/// interrupted the allocator.
pub fn run() -> usize {
    if critical::depth() != 0 {
        return 0;
    }
    let mut count = 0;
    while let Some(due) = next() {
        call(&due);
        count += 1;
    }
    count
}

/// The library that holds `function` stays loaded from now on. Outside of critical sections: libc may allocate.
pub fn keep_library(function: usize) {
    if critical::depth() != 0 || KEPT.swap(function, Ordering::AcqRel) == function {
        return;
    }
    let mut path = Path::new();
    let Some(object) = find::object(function) else { return };
    find::path_of(&object, &mut path);
    let real = foreign::look_up(c"dlopen");
    if object.link_map != 0 && !path.as_bytes().is_empty() && real != 0 {
        let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
        // SAFETY: the symbol dlopen has this type. What is loaded already is only marked.
        unsafe { core::mem::transmute::<usize, Open>(real)(path.as_c_str().as_ptr(), flags) };
    }
}

fn next() -> Option<Due> {
    cleanups::pop(&critical::enter())
}

fn call(due: &Due) {
    // SAFETY: see the chapter above.
    unsafe { core::mem::transmute::<usize, Function>(due.function)(due.address, due.size, due.argument) };
    cleanups::done(&critical::enter(), due.id);
}

/// From now on a thread of their own calls the cleanups. 0, or an error number of pthread_create.
pub fn on_thread() -> c_int {
    let pid = process::pid();
    let before = THREAD_OF.load(Ordering::Acquire);
    let claim = || THREAD_OF.compare_exchange(before, pid, Ordering::AcqRel, Ordering::Acquire);
    if before == pid || claim().is_err() {
        return 0;
    }
    let status = create();
    if status != 0 {
        THREAD_OF.store(0, Ordering::Release);
    }
    status
}

fn create() -> c_int {
    let mut thread: libc::pthread_t = 0;
    // SAFETY: sets of our own; a thread without attributes, whose body is below.
    unsafe {
        let (mut all, mut old) = (core::mem::zeroed::<libc::sigset_t>(), core::mem::zeroed());
        libc::sigfillset(&mut all);
        signals::pthread_sigmask(libc::SIG_SETMASK, &all, &mut old);
        let body = thread_body as *const () as usize;
        let null = core::ptr::null_mut();
        let status = host::pthread_create((&raw mut thread).cast(), null, body, null);
        signals::pthread_sigmask(libc::SIG_SETMASK, &old, core::ptr::null_mut());
        if status == 0 {
            libc::pthread_detach(thread);
        }
        status
    }
}

extern "C" fn thread_body(_: *mut c_void) -> *mut c_void {
    loop {
        run();
        cleanups::wait(|| cleanups::counts(&critical::enter()).due != 0);
    }
}

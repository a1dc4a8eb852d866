//! The calls of LeakSanitizer's interface, for programs that are annotated for it.
//!
//! What they ask is done in leak mode, as LeakSanitizer does it. In the other modes nothing is reported, so there is
//! nothing to be left out; ignored objects and named roots count there too, for they must not be reclaimed.
//!
//! # Safety
//! `__lsan_is_turned_off` has the type that LeakSanitizer's header gives it.
#![allow(unsafe_code)]
use super::{api, leaks, pins, request, start};
use crate::ground::{critical, fatal};
use crate::pure::addr::Addr;
use crate::pure::options::Mode;
use crate::roots::regions;
use crate::sys::{errno, process, tls};
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The check that is made once was made.
static OVER: AtomicBool = AtomicBool::new(false);

/// How often this thread has disabled leak detection.
fn depth() -> &'static AtomicUsize {
    &tls::block().reserved[2]
}

/// Whether what this thread allocates is to be ignored.
pub fn is_disabled() -> bool {
    depth().load(Relaxed) != 0
}

pub fn disable() {
    depth().store(depth().load(Relaxed) + 1, Relaxed);
}

pub fn enable() {
    match depth().load(Relaxed).checked_sub(1) {
        Some(less) => depth().store(less, Relaxed),
        None if start::watched() => fatal::die(format_args!("__lsan_enable without __lsan_disable")),
        None => {}
    }
}

pub fn ignore(p: usize) {
    pins::ignore(p);
}

/// 0, EINVAL for an empty range or one that wraps, ENOMEM.
pub fn register_root(p: usize, n: usize) -> c_int {
    let Some(hi) = p.checked_add(n).filter(|_| n != 0) else { return libc::EINVAL };
    if critical::depth() != 0 {
        return libc::EBUSY;
    }
    if regions::add(&critical::enter(), Addr(p), Addr(hi)) { 0 } else { libc::ENOMEM }
}

/// 0, or ENOENT: it was not registered so.
pub fn unregister_root(p: usize, n: usize) -> c_int {
    if critical::depth() != 0 {
        return libc::EBUSY;
    }
    if regions::remove(&critical::enter(), Addr(p), Addr(p.wrapping_add(n))) { 0 } else { libc::ENOENT }
}

/// LeakSanitizer ends the program where a region is not registered.
pub fn unregister_root_region(p: usize, n: usize) {
    if unregister_root(p, n) == libc::ENOENT && start::watched() {
        fatal::die(format_args!("__lsan_unregister_root_region: {:?}, {n} bytes: not registered", Addr(p)));
    }
}

/// The one check, now instead of at exit. Ends the program if there are leaks, unless the status for that is 0.
pub fn leak_check() {
    if request::possible() != Ok(Mode::Leak) || OVER.swap(true, Relaxed) || is_turned_off() {
        return;
    }
    let _errno = errno::Saved::new();
    let status = start::options().exitcode as c_int;
    if leaks::now() == leaks::Outcome::Leaked && status != 0 {
        process::exit_group(status);
    }
}

/// 1 if leaks were found and reported. As often as the program likes.
pub fn recoverable_leak_check() -> c_int {
    (!is_turned_off() && api::check_leaks() == api::LEAKS) as c_int
}

/// Nothing is to be checked at exit.
pub fn is_over() -> bool {
    OVER.load(Relaxed) || is_turned_off()
}

/// A function of the program's may say so.
fn is_turned_off() -> bool {
    // SAFETY: a plain look-up.
    let f = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__lsan_is_turned_off".as_ptr()) };
    // SAFETY: see the chapter above.
    !f.is_null() && unsafe { core::mem::transmute::<*mut _, unsafe extern "C" fn() -> c_int>(f)() } != 0
}

//! The calls of LeakSanitizer's interface, for programs that are annotated for it.
//!
//! What they ask is done in leak mode, as LeakSanitizer does it. In the other modes nothing is reported, so there is
//! nothing to be left out; ignored objects and named roots count there too, for they must not be reclaimed.
//!
//! # Safety
//! What the program may define (`__lsan_is_turned_off` and the defaults) has the type that LeakSanitizer's header gives it;
//! texts stay for ever.
#![allow(unsafe_code)]
use super::{api, leaks, pins, request, start};
use crate::ground::fatal;
use crate::pure::addr::Addr;
use crate::pure::options::{Mode, Options};
use crate::roots::regions;
use crate::sys::{errno, process, tls};
use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::Relaxed};

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
        None if start::tells_leaks() => fatal::die(format_args!("__lsan_enable without __lsan_disable")),
        None => {}
    }
}

pub fn ignore(p: usize) {
    pins::ignore(p);
}

/// 0, EINVAL for an empty range or one that wraps, ENOMEM.
pub fn register_root(p: usize, n: usize) -> c_int {
    let Some(hi) = p.checked_add(n).filter(|_| n != 0) else { return libc::EINVAL };
    let Some(critical) = pins::enter() else { return libc::EBUSY };
    if regions::add(&critical, Addr(p), Addr(hi)) { 0 } else { libc::ENOMEM }
}

/// 0, or ENOENT: it was not registered so.
pub fn unregister_root(p: usize, n: usize) -> c_int {
    let Some(critical) = pins::enter() else { return libc::EBUSY };
    if regions::remove(&critical, Addr(p), Addr(p.wrapping_add(n))) { 0 } else { libc::ENOENT }
}

/// LeakSanitizer ends the program where a region is not registered.
pub fn unregister_root_region(p: usize, n: usize) {
    if unregister_root(p, n) == libc::ENOENT && start::tells_leaks() {
        fatal::die(format_args!("__lsan_unregister_root_region: {:?}, {n} bytes: not registered", Addr(p)));
    }
}

/// The one check, now instead of at exit. Ends the program if there are leaks, unless the status for that is 0.
pub fn leak_check() {
    if request::possible() != Ok(Mode::Leak) || OVER.swap(true, Relaxed) || is_turned_off() {
        return;
    }
    let _errno = errno::Saved::new();
    let status = exit_status();
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

/// A function that the program may define and export.
fn of_program(name: &CStr) -> Option<*mut core::ffi::c_void> {
    // SAFETY: a plain look-up.
    let f = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!f.is_null()).then_some(f)
}

/// A function of the program's may say so, or its options.
fn is_turned_off() -> bool {
    // SAFETY: see the chapter above.
    let told = of_program(c"__lsan_is_turned_off").is_some_and(
        |f| unsafe { core::mem::transmute::<*mut _, unsafe extern "C" fn() -> c_int>(f)() } != 0,
    );
    told || default_option(b"detect_leaks") == Some(0)
}

fn default_text(name: &CStr) -> *mut c_char {
    let Some(f) = of_program(name) else { return core::ptr::null_mut() };
    // SAFETY: see the chapter above.
    unsafe { core::mem::transmute::<*mut _, unsafe extern "C" fn() -> *mut c_char>(f)() }
}

fn text_of(text: *const c_char) -> &'static [u8] {
    // SAFETY: null, or a text of the program's that stays.
    if text.is_null() { b"" } else { unsafe { CStr::from_ptr(text) }.to_bytes() }
}

/// A number among the program's default options for LeakSanitizer.
fn default_option(name: &[u8]) -> Option<u8> {
    let text = text_of(default_text(c"__lsan_default_options"));
    let words = text.split(|b| matches!(b, b':' | b',' | b' ' | b'\t' | b'\n'));
    let values = words.filter_map(|word| word.strip_prefix(name)?.strip_prefix(b"="));
    // The last one counts.
    values.filter_map(|value| core::str::from_utf8(value).ok()?.parse().ok()).next_back()
}

/// The status of a program that leaked. The program's default is behind what the environment says.
pub fn exit_status() -> c_int {
    const DEFAULT: u8 = Options::DEFAULT.exitcode;
    match start::options().exitcode {
        DEFAULT => default_option(b"exitcode").unwrap_or(DEFAULT) as c_int,
        told => told as c_int,
    }
}

/// What `__lsan_default_suppressions` returned last, or null.
static RULES: AtomicPtr<c_char> = AtomicPtr::new(core::ptr::null_mut());

/// Asks the program which leaks it wants suppressed. Outside of critical sections: it is the program's code.
pub fn ask_rules() {
    RULES.store(default_text(c"__lsan_default_suppressions"), Relaxed);
}

/// Lines as of a suppression file.
pub fn rules() -> &'static [u8] {
    text_of(RULES.load(Relaxed))
}

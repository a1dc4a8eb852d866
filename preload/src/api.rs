//! The calls of `include/gleaner.h`: each by its name, and all of them in one table.
//!
//! The table only grows at its end; `size` tells a program how much of it this library has.
//!
//! # Safety
//! Each function has the contract that the header gives it.
#![allow(clippy::missing_safety_doc)]
use crate::malloc::family;
use core::arch::naked_asm;
use core::ffi::{c_int, c_uint, c_void};
use gleaner_core::runtime::{adopted, api, attached, cleanups, lsan, pins, request};

/// GLEANER_API_VERSION: changes when a program compiled with an older header would misunderstand us.
const VERSION: c_uint = 1;

family! {
    fn gleaner_collect() -> c_int = request::collect();
    fn gleaner_check_leaks() -> c_int = api::check_leaks();
    fn gleaner_stats(to: *mut u8, size: usize) -> c_int = api::figures(to, size);
    fn gleaner_run_cleanups() -> usize = cleanups::run();
    fn gleaner_cleanup_thread() -> c_int = cleanups::on_thread();
    fn gleaner_adopt(at: usize, size: usize, flags: c_uint, cleanup: usize, arg: usize, handle: *mut u64) -> c_int =
        adopted::adopt(at, size, flags, cleanup, arg, handle);
    fn gleaner_disown(handle: u64) -> c_int = adopted::disown(handle);
}

family! {
    fn gleaner_unpin(p: usize) -> c_int = pins::unpin(p);
    fn gleaner_unpin_range(p: usize, n: usize) -> c_int = pins::unpin_range(p, n);
    fn gleaner_scope_close(scope: *mut u64) -> c_int = pins::close(scope);
    fn gleaner_report_pins(fd: c_int) -> c_int = pins::report_to(fd);
    fn gleaner_ignore_object(p: usize) -> c_int = pins::ignore(p);
    fn gleaner_register_root(p: usize, n: usize) -> c_int = lsan::register_root(p, n);
    fn gleaner_unregister_root(p: usize, n: usize) -> c_int = lsan::unregister_root(p, n);
    fn gleaner_add_cleanup(p: usize, function: usize, argument: usize, flags: c_uint, handle: *mut u64) -> c_int =
        attached::add_cleanup(p, function, argument, flags, handle);
    fn gleaner_cancel(handle: u64) -> c_int = attached::cancel(handle);
    fn gleaner_weak_make(p: usize, handle: *mut u64) -> c_int = attached::make_weak(p, handle);
    fn gleaner_weak_get(handle: u64) -> usize = attached::get(handle);
    fn gleaner_weak_drop(handle: u64) -> c_int = attached::drop_weak(handle);
}

/// Functions that are told where they were called: the return address follows their arguments.
macro_rules! told {
    ($($name:ident($($arg:ident: $type:ty),*; $register:literal) -> $ret:ty = $with:ident $body:expr;)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name($($arg: $type),*) -> $ret {
            naked_asm!(concat!("mov ", $register, ", qword ptr [rsp]"), "jmp {with}", with = sym $with)
        }
        unsafe extern "C" fn $with($($arg: $type,)* site: usize) -> $ret {
            // SAFETY: the caller keeps the contract of the C function.
            #[allow(unused_unsafe)]
            unsafe { $body($($arg,)* site) }
        }
    )*};
}
told! {
    gleaner_pin(p: usize; "rsi") -> c_int = pin_from pins::pin;
    gleaner_pin_range(p: usize, n: usize; "rdx") -> c_int = pin_range_from pins::pin_range;
    gleaner_alloc_pinned(n: usize; "rsi") -> *mut c_void = alloc_pinned_from alloc_pinned;
    gleaner_scope_open(scope: *mut u64; "rsi") -> c_int = scope_open_from pins::open;
    gleaner_scope_pin(scope: *const u64, p: usize; "rdx") -> c_int = scope_pin_from pins::scope_pin;
    gleaner_scope_pin_range(scope: *const u64, p: usize, n: usize; "rcx") -> c_int =
        scope_pin_range_from pins::scope_pin_range;
}
fn alloc_pinned(n: usize, site: usize) -> *mut c_void {
    pins::alloc_pinned(n, site).cast()
}

/// `struct gleaner_functions`, field by field.
#[repr(C)]
pub struct Table {
    version: c_uint,
    size: c_uint,
    collect: unsafe extern "C" fn() -> c_int,
    check_leaks: unsafe extern "C" fn() -> c_int,
    stats: unsafe extern "C" fn(*mut u8, usize) -> c_int,
    run_cleanups: unsafe extern "C" fn() -> usize,
    cleanup_thread: unsafe extern "C" fn() -> c_int,
    pin: unsafe extern "C" fn(usize) -> c_int,
    unpin: unsafe extern "C" fn(usize) -> c_int,
    pin_range: unsafe extern "C" fn(usize, usize) -> c_int,
    unpin_range: unsafe extern "C" fn(usize, usize) -> c_int,
    alloc_pinned: unsafe extern "C" fn(usize) -> *mut c_void,
    scope_open: unsafe extern "C" fn(*mut u64) -> c_int,
    scope_pin: unsafe extern "C" fn(*const u64, usize) -> c_int,
    scope_pin_range: unsafe extern "C" fn(*const u64, usize, usize) -> c_int,
    scope_close: unsafe extern "C" fn(*mut u64) -> c_int,
    report_pins: unsafe extern "C" fn(c_int) -> c_int,
    ignore_object: unsafe extern "C" fn(usize) -> c_int,
    register_root: unsafe extern "C" fn(usize, usize) -> c_int,
    unregister_root: unsafe extern "C" fn(usize, usize) -> c_int,
    add_cleanup: unsafe extern "C" fn(usize, usize, usize, c_uint, *mut u64) -> c_int,
    cancel: unsafe extern "C" fn(u64) -> c_int,
    weak_make: unsafe extern "C" fn(usize, *mut u64) -> c_int,
    weak_get: unsafe extern "C" fn(u64) -> usize,
    weak_drop: unsafe extern "C" fn(u64) -> c_int,
    adopt: unsafe extern "C" fn(usize, usize, c_uint, usize, usize, *mut u64) -> c_int,
    disown: unsafe extern "C" fn(u64) -> c_int,
}

static TABLE: Table = Table {
    version: VERSION,
    size: size_of::<Table>() as c_uint,
    collect: gleaner_collect,
    check_leaks: gleaner_check_leaks,
    stats: gleaner_stats,
    run_cleanups: gleaner_run_cleanups,
    cleanup_thread: gleaner_cleanup_thread,
    pin: gleaner_pin,
    unpin: gleaner_unpin,
    pin_range: gleaner_pin_range,
    unpin_range: gleaner_unpin_range,
    alloc_pinned: gleaner_alloc_pinned,
    scope_open: gleaner_scope_open,
    scope_pin: gleaner_scope_pin,
    scope_pin_range: gleaner_scope_pin_range,
    scope_close: gleaner_scope_close,
    report_pins: gleaner_report_pins,
    ignore_object: gleaner_ignore_object,
    register_root: gleaner_register_root,
    unregister_root: gleaner_unregister_root,
    add_cleanup: gleaner_add_cleanup,
    cancel: gleaner_cancel,
    weak_make: gleaner_weak_make,
    weak_get: gleaner_weak_get,
    weak_drop: gleaner_weak_drop,
    adopt: gleaner_adopt,
    disown: gleaner_disown,
};

/// The table, if this library understands programs of that version.
#[unsafe(no_mangle)]
pub extern "C" fn gleaner_api(version: c_uint) -> *const Table {
    if version == VERSION { &raw const TABLE } else { core::ptr::null() }
}

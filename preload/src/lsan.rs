//! LeakSanitizer's interface (sanitizer/lsan_interface.h).
//!
//! # Safety
//! Each function has the contract of that header.
#![allow(clippy::missing_safety_doc)]
use crate::malloc::family;
use core::ffi::c_int;
use gleaner_core::runtime::lsan;

family! {
    fn __lsan_disable() -> () = lsan::disable();
    fn __lsan_enable() -> () = lsan::enable();
    fn __lsan_ignore_object(p: usize) -> () = lsan::ignore(p);
    fn __lsan_register_root_region(p: usize, n: usize) -> () = {
        lsan::register_root(p, n);
    };
    fn __lsan_unregister_root_region(p: usize, n: usize) -> () = lsan::unregister_root_region(p, n);
    fn __lsan_do_leak_check() -> () = lsan::leak_check();
    fn __lsan_do_recoverable_leak_check() -> c_int = lsan::recoverable_leak_check();
}

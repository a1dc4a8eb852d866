//! The calls of `include/gleaner.h`: each by its name, and all of them in one table.
//!
//! The table only grows at its end; `size` tells a program how much of it this library has.
//!
//! # Safety
//! Each function has the contract that the header gives it.
#![allow(clippy::missing_safety_doc)]
use crate::malloc::family;
use core::ffi::{c_int, c_uint};
use gleaner_core::runtime::{api, cleanups, request};

/// GLEANER_API_VERSION: changes when a program compiled with an older header would misunderstand us.
const VERSION: c_uint = 1;

family! {
    fn gleaner_collect() -> c_int = request::collect();
    fn gleaner_check_leaks() -> c_int = api::check_leaks();
    fn gleaner_stats(to: *mut u8, size: usize) -> c_int = api::figures(to, size);
    fn gleaner_run_cleanups() -> usize = cleanups::run();
    fn gleaner_cleanup_thread() -> c_int = cleanups::on_thread();
}

/// `struct gleaner_table`, field by field.
#[repr(C)]
pub struct Table {
    version: c_uint,
    size: c_uint,
    collect: unsafe extern "C" fn() -> c_int,
    check_leaks: unsafe extern "C" fn() -> c_int,
    stats: unsafe extern "C" fn(*mut u8, usize) -> c_int,
    run_cleanups: unsafe extern "C" fn() -> usize,
    cleanup_thread: unsafe extern "C" fn() -> c_int,
}

static TABLE: Table = Table {
    version: VERSION,
    size: size_of::<Table>() as c_uint,
    collect: gleaner_collect,
    check_leaks: gleaner_check_leaks,
    stats: gleaner_stats,
    run_cleanups: gleaner_run_cleanups,
    cleanup_thread: gleaner_cleanup_thread,
};

/// The table, if this library understands programs of that version.
#[unsafe(no_mangle)]
pub extern "C" fn gleaner_api(version: c_uint) -> *const Table {
    if version == VERSION { &raw const TABLE } else { core::ptr::null() }
}

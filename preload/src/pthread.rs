//! Threads: creation, and what frees one that has ended.
//!
//! # Safety
//! Each function has the contract of its C name.
#![allow(clippy::missing_safety_doc)]
use crate::malloc::family;
use core::ffi::{c_int, c_void};
use gleaner_core::runtime::threads;

family! {
    fn pthread_create(thread: *mut c_void, attributes: *const c_void, body: usize, argument: *mut c_void) -> c_int =
        threads::pthread_create(thread, attributes, body, argument);
    fn thrd_create(thread: *mut c_void, body: usize, argument: *mut c_void) -> c_int =
        threads::thrd_create(thread, body, argument);
    fn pthread_tryjoin_np(thread: usize, result: *mut *mut c_void) -> c_int =
        threads::pthread_tryjoin_np(thread, result);
    fn pthread_detach(thread: usize) -> c_int = threads::pthread_detach(thread);
    fn thrd_detach(thread: usize) -> c_int = threads::thrd_detach(thread);
}

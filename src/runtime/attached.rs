//! Cleanups of heap objects and weak handles, as the program asks for them: answers are the header's.
//!
//! # Safety
//! Handles are written to the caller's words.
#![allow(unsafe_code)]
use super::cleanups;
use super::pins::{self, enter};
use crate::cleanups::{Cancelled, Id, Scope};
use crate::heap::special::{self, Found};
use crate::heap::{attached, resize};
use crate::pure::addr::Addr;
use crate::sys::errno;
use core::ffi::c_int;

/// gleaner_cancel: the cleanup is due, or running.
pub const QUEUED: c_int = -4;
/// gleaner_cancel: it has run, was cancelled before, or never was.
pub const DONE: c_int = -5;
/// Flag: a child of fork does not inherit it.
const THIS_PROCESS: u32 = 1;

/// Of flags that the program gave.
pub fn scope(flags: u32) -> Scope {
    if flags & THIS_PROCESS != 0 { Scope::ThisProcess } else { Scope::EachProcess }
}

fn contains(object: Found, at: usize) -> bool {
    let base = object.addr().0;
    (base..=base + resize::usable(object.span)).contains(&at)
}

/// # Safety
/// `handle` is null or the caller's.
pub unsafe fn add_cleanup(p: usize, function: usize, argument: usize, flags: u32, handle: *mut u64) -> c_int {
    if function == 0 || flags & !THIS_PROCESS != 0 {
        return libc::EINVAL;
    }
    let _errno = errno::Saved::new();
    // Before the section: libc may allocate.
    cleanups::keep_library(function);
    let Some(critical) = enter() else { return libc::EBUSY };
    let object = match special::find(&critical, Addr(p)) {
        Ok(object) => object,
        Err(why) => return pins::number(why),
    };
    if contains(object, argument) {
        // The object would be gone when it is called.
        return libc::EINVAL;
    }
    match attached::add_cleanup(&critical, object, function, argument, scope(flags)) {
        Ok(id) => {
            if !handle.is_null() {
                // SAFETY: the caller's promise.
                unsafe { handle.write(id.to_word()) };
            }
            0
        }
        Err(why) => pins::number(why),
    }
}

pub fn cancel(handle: u64) -> c_int {
    let Some(critical) = enter() else { return libc::EBUSY };
    match Id::from_word(handle).map(|id| attached::cancel(&critical, id)) {
        Some(Cancelled::Cancelled { .. }) => 0,
        Some(Cancelled::QueuedOrRunning) => QUEUED,
        Some(Cancelled::Done) | None => DONE,
    }
}

/// # Safety
/// `handle` is the caller's, or null.
pub unsafe fn make_weak(p: usize, handle: *mut u64) -> c_int {
    if handle.is_null() {
        return libc::EINVAL;
    }
    let Some(critical) = enter() else { return libc::EBUSY };
    let made =
        special::find(&critical, Addr(p)).and_then(|object| attached::weak(&critical, object, Addr(p)));
    match made {
        Ok(word) => {
            // SAFETY: the caller's promise.
            unsafe { handle.write(word) };
            0
        }
        Err(why) => pins::number(why),
    }
}

/// The pointer, or null.
#[inline(never)]
pub fn get(handle: u64) -> usize {
    match enter() {
        Some(critical) => attached::get(&critical, handle),
        None => 0,
    }
}

pub fn drop_weak(handle: u64) -> c_int {
    let Some(critical) = enter() else { return libc::EBUSY };
    if attached::drop_weak(&critical, handle) { 0 } else { DONE }
}

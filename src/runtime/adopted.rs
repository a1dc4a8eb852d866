//! `gleaner_adopt` and `gleaner_disown`: foreign memory with a cleanup.
//!
//! The library that holds a cleanup is never unloaded from then on. In the modes that collect nothing a range is noted
//! all the same, so that a program learns the same about overlaps; its cleanup never runs.
//!
//! # Safety
//! A cleanup's address came from the program, with the promise that it has this type.
#![allow(unsafe_code)]
use super::attached::{DONE, QUEUED};
use super::pins::enter;
use super::{cleanups, start};
use crate::adopted::{self, Adopt, Cancelled, Refused};
use crate::ground::critical;
use crate::pure::addr::Addr;
use crate::roots::mappings::made;
use crate::sys::errno;
use core::ffi::c_int;

type Cleanup = unsafe extern "C" fn(usize, usize, usize);

/// 0 and a handle, or an error number. errno stays.
///
/// # Safety
/// `cleanup` is a function of that type; `handle` is null or has room.
pub unsafe fn adopt(
    at: usize,
    size: usize,
    flags: u32,
    cleanup: usize,
    arg: usize,
    handle: *mut u64,
) -> c_int {
    let _errno = errno::Saved::new();
    start::process();
    let Some(critical) = enter() else { return libc::EBUSY };
    let via = call as extern "C" fn(usize, usize, usize) as usize;
    let range = Adopt { at: Addr(at), size, flags, cleanup, arg, via };
    let result = adopted::adopt(&critical, &range);
    // libc may allocate.
    drop(critical);
    match result {
        Ok(new) => {
            cleanups::keep_library(cleanup);
            made::adopted(Addr(at), size);
            if !handle.is_null() {
                // SAFETY: the caller's promise.
                unsafe { handle.write(new) };
            }
            0
        }
        Err(Refused::Invalid) => libc::EINVAL,
        Err(Refused::Exists) => libc::EEXIST,
        Err(Refused::NoMemory) => libc::ENOMEM,
    }
}

/// 0: cancelled; else why not.
pub fn disown(handle: u64) -> c_int {
    let Some(critical) = enter() else { return libc::EBUSY };
    match adopted::cancel(&critical, handle) {
        Cancelled::Cancelled => 0,
        Cancelled::QueuedOrRunning => QUEUED,
        Cancelled::Done => DONE,
    }
}

/// What the queue calls: the range may have been unmapped since it was queued.
extern "C" fn call(_address: usize, _size: usize, handle: usize) {
    let handle = handle as u64;
    let Some(dead) = adopted::begin(&critical::enter(), handle) else { return };
    // SAFETY: see the chapter above; no lock is held, and this is no critical section.
    unsafe { core::mem::transmute::<usize, Cleanup>(dead.cleanup)(dead.at.0, dead.size, dead.arg) };
    adopted::done(&critical::enter(), handle);
}

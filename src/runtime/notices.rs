//! The two calls that give the kernel a pointer which it may not show again ([`crate::roots::kernel`]): mq_notify,
//! and timer_create where the kernel has no list of timers.
//!
//! # Safety
//! Arguments are those of the C functions of these names.
#![allow(unsafe_code)]
use super::next::{Next, behind};
use crate::roots::kernel::{self, NOTICES};
use crate::sys::errno;
use core::ffi::{c_int, c_void};
use libc::sigevent;

behind! {
    MQ_NOTIFY = c"mq_notify": unsafe extern "C" fn(c_int, *const sigevent) -> c_int;
    TIMER_CREATE = c"timer_create": unsafe extern "C" fn(c_int, *mut sigevent, *mut c_void) -> c_int;
}

/// The word of `struct sigevent` behind value, signal and sort, and the function of SIGEV_THREAD.
const ATTRIBUTES: usize = 3;

/// # Safety
/// As mq_notify(3).
pub unsafe fn mq_notify(queue: c_int, event: *const sigevent) -> c_int {
    let Some(real) = MQ_NOTIFY.get() else {
        errno::set(libc::ENOSYS);
        return -1;
    };
    // SAFETY: null, or the program's event, which libc reads now.
    let (value, attributes) = unsafe {
        match event.as_ref() {
            None => (0, 0),
            Some(given) if given.sigev_notify == libc::SIGEV_THREAD => {
                (given.sigev_value.sival_ptr.addr(), event.cast::<usize>().add(ATTRIBUTES).read())
            }
            Some(given) => (given.sigev_value.sival_ptr.addr(), 0),
        }
    };
    // Before the call, for the notification's handler may come here with the next value before it returns.
    let before = (!event.is_null()).then(|| NOTICES.set(queue, value));
    // SAFETY: forwarded.
    let result = unsafe { real(queue, event) };
    match before {
        None if result == 0 => drop(NOTICES.set(queue, 0)),
        // Somebody is registered already; it may be the program.
        Some(before) if result != 0 => drop(NOTICES.set(queue, before)),
        // Of those libc makes a copy that only the kernel knows.
        Some(_) if attributes != 0 => NOTICES.lost(),
        _ => {}
    }
    result
}

/// # Safety
/// As timer_create(2).
pub unsafe fn timer_create(clock: c_int, event: *mut sigevent, timer: *mut c_void) -> c_int {
    let Some(real) = TIMER_CREATE.get() else {
        errno::set(libc::ENOSYS);
        return -1;
    };
    kernel::timer_made();
    // SAFETY: forwarded.
    unsafe { real(clock, event, timer) }
}

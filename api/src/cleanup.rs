//! Functions to be called when a heap object is dead.
//!
//! # Safety
//! A closure's box is handed to the library as an address, and taken back once: by the call, or by a cancelling that
//! said that there will be none.
use super::calls::*;
use super::{Error, address};
use std::ffi::c_int;
use std::ptr;

/// What was registered. Dropping it leaves it registered.
#[derive(Debug)]
pub struct Cleanup {
    handle: u64,
    closure: *mut Closure,
}
// SAFETY: the closure is `Send`, and an address here.
unsafe impl Send for Cleanup {}

pub(crate) type Closure = Box<dyn FnOnce(usize, usize) + Send>;

/// What [`Cleanup::cancel`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cancelled {
    /// It will not be called.
    Cancelled,
    /// It is due, or being called.
    QueuedOrRunning,
    /// It was called.
    Done,
}

impl Cancelled {
    /// What the library's answer means; `cancelled` is for a promise that was taken back.
    pub(crate) fn told(answer: c_int, cancelled: impl FnOnce()) -> Cancelled {
        match answer {
            0 => {
                cancelled();
                Cancelled::Cancelled
            }
            QUEUED => Cancelled::QueuedOrRunning,
            _ => Cancelled::Done,
        }
    }
}

/// Calls `f` with the address and the size once the heap object that `value` lies in is dead: freed, or reclaimed. Only in
/// [`run_cleanups`], or on the thread of [`cleanup_thread`]. What `f` owns lives until then; if that leads to the object, it never
/// dies by itself.
pub fn on_death<T: ?Sized>(
    value: &T,
    f: impl FnOnce(usize, usize) + Send + 'static,
) -> Result<Cleanup, Error> {
    let (Some(add), Some(pin)) = (ADD_CLEANUP.get(), PIN.get()) else { return Err(Error::Absent) };
    let closure: *mut Closure = Box::into_raw(Box::new(Box::new(f)));
    // No collection looks where the library keeps the address.
    let _ = pin(closure as usize);
    let mut handle = 0;
    let added = Error::check(add(address(value), call, closure as usize, 0, &mut handle));
    match added {
        Ok(()) => Ok(Cleanup { handle, closure }),
        Err(why) => {
            drop(take(closure));
            Err(why)
        }
    }
}

fn take(closure: *mut Closure) -> Closure {
    if let Some(unpin) = UNPIN.get() {
        unpin(closure as usize);
    }
    // SAFETY: see the chapter above.
    *unsafe { Box::from_raw(closure) }
}

extern "C" fn call(address: usize, size: usize, closure: usize) {
    take(ptr::with_exposed_provenance_mut(closure))(address, size);
}

impl Cleanup {
    /// Takes the promise back.
    pub fn cancel(self) -> Cancelled {
        Cancelled::told(CANCEL.get().map_or(ABSENT, |f| f(self.handle)), || drop(take(self.closure)))
    }
}

/// Calls what is due, on this thread; how many were called.
pub fn run_cleanups() -> usize {
    RUN_CLEANUPS.get().map_or(0, |f| f())
}

/// From now on a thread of the library's calls cleanups as they become due.
pub fn cleanup_thread() -> Result<(), Error> {
    Error::check(CLEANUP_THREAD.get().map_or(ABSENT, |f| f()))
}

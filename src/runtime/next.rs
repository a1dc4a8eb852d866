//! The functions that ours stand in front of.
//!
//! # Safety
//! A `Next` holds 0 or what dlsym(RTLD_NEXT) gave for its name; the user gives it the type of
//! the C function of that name. dlsym of a symbol that exists does not allocate.
#![allow(unsafe_code)]
use super::foreign::look_up;
use core::ffi::CStr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The next definition of a C function behind ours, looked up once.
pub struct Next {
    name: &'static CStr,
    at: AtomicUsize,
}

impl Next {
    pub const fn new(name: &'static CStr) -> Next {
        Next { name, at: AtomicUsize::new(0) }
    }
    /// Looks it up, so that later calls need no dlsym.
    pub fn resolve(&self) -> usize {
        match self.at.load(Ordering::Acquire) {
            0 => {
                let found = look_up(self.name);
                self.at.store(found, Ordering::Release);
                found
            }
            known => known,
        }
    }
    /// The function as `F`, a C function pointer type; `None` if this libc has none.
    /// # Safety
    /// `F` must be the type of the C function of this name.
    #[inline]
    pub unsafe fn get<F: Copy>(&self) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<usize>()) };
        let at = self.resolve();
        // SAFETY: not 0, so it is the function, of type `F` by the caller's promise.
        (at != 0).then(|| unsafe { core::mem::transmute_copy(&at) })
    }
}

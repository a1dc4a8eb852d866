//! The functions that ours stand in front of.
//!
//! # Safety
//! A `Next` holds 0 or what dlsym(RTLD_NEXT) gave for its name, and whoever makes one vouches
//! that `F` is the type of that C function. dlsym of a symbol that exists does not allocate.
#![allow(unsafe_code)]
use super::foreign::look_up;
use core::ffi::CStr;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The next definition of a C function behind ours, of type `F`, looked up once.
pub struct Next<F> {
    name: &'static CStr,
    at: AtomicUsize,
    _type: PhantomData<F>,
}

impl<F: Copy> Next<F> {
    /// # Safety
    /// `F` must be a pointer to the C function called `name`.
    pub const unsafe fn new(name: &'static CStr) -> Next<F> {
        const { assert!(size_of::<F>() == size_of::<usize>()) };
        Next { name, at: AtomicUsize::new(0), _type: PhantomData }
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
    /// The function; `None` if this libc has none.
    #[inline]
    pub fn get(&self) -> Option<F> {
        let at = self.resolve();
        // SAFETY: not 0, so it is the function, of type `F` as `new` was promised.
        (at != 0).then(|| unsafe { core::mem::transmute_copy(&at) })
    }
}

/// Functions of libc that ours stand in front of, by name and type; `resolve` looks all of them up.
macro_rules! behind {
    ($($constant:ident = $name:literal: $type:ty;)*) => {
        $(
            // SAFETY: the type of the C function.
            static $constant: Next<$type> = unsafe { Next::new($name) };
        )*
        /// Looks all of them up.
        pub fn resolve() {
            $($constant.resolve();)*
        }
    };
}
pub(super) use behind;

//! The thread's `errno`, saved and put back wherever the host must not notice us.
//!
//! # Safety
//! `__errno_location` returns the calling thread's own cell, valid for the thread's life.
#![allow(unsafe_code)]

#[inline(always)]
pub fn get() -> i32 {
    // SAFETY: the thread's own cell.
    unsafe { *libc::__errno_location() }
}

#[inline(always)]
pub fn set(value: i32) {
    // SAFETY: the thread's own cell.
    unsafe { *libc::__errno_location() = value }
}

/// Puts `errno` back when dropped.
pub struct Saved(i32);

impl Saved {
    pub fn new() -> Saved {
        Saved(get())
    }
}
impl Default for Saved {
    fn default() -> Self {
        Self::new()
    }
}
impl Drop for Saved {
    fn drop(&mut self) {
        set(self.0);
    }
}

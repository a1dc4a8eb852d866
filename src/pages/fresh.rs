//! Fresh memory: the proof that some bytes are zero, aligned, and nobody else's for ever, and
//! the one place where it becomes a reference.
//!
//! # Safety
//! [`Fresh::new`] takes the promise; [`ZeroValid`] says which types may be made of zero bytes.
//! From both follows that the references made here are valid and unique.
#![allow(unsafe_code)]
use super::extents::Extent;
use crate::pure::addr::{Addr, PAGE_SIZE};

/// Zeroed, page-aligned memory that is never given back. Consumed by its use.
pub struct Fresh {
    at: Addr,
    bytes: usize,
}

/// # Safety
/// All-zero bytes must be a valid value.
pub unsafe trait ZeroValid {}

// SAFETY: two integers.
unsafe impl ZeroValid for Extent {}

impl Fresh {
    /// # Safety
    /// `bytes` bytes at `at` are mapped, readable, writable and zero, `at` is a multiple of the
    /// page size, they are never unmapped, and nothing else refers to them.
    pub unsafe fn new(at: Addr, bytes: usize) -> Fresh {
        Fresh { at, bytes }
    }
    /// As one value.
    pub fn into_ref<T: ZeroValid>(self) -> &'static mut T {
        assert!(size_of::<T>() <= self.bytes && align_of::<T>() <= PAGE_SIZE);
        // SAFETY: mapped, aligned, unique and for ever by `new`'s promise; large enough, as
        // just checked; zero is valid by `ZeroValid`.
        unsafe { &mut *self.at.ptr::<T>() }
    }
    /// As an array of as many values as fit.
    pub fn into_slice<T: ZeroValid>(self) -> &'static mut [T] {
        assert!(align_of::<T>() <= PAGE_SIZE);
        // SAFETY: as in `into_ref`; the length is what fits.
        unsafe { core::slice::from_raw_parts_mut(self.at.ptr::<T>(), self.bytes / size_of::<T>()) }
    }
}

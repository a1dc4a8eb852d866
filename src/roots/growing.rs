//! A growing array in a mapping of our own: lists whose length only the kernel knows.
//!
//! # Safety
//! `at` is a live region of `capacity * size_of::<T>()` bytes that this array alone refers to;
//! the first `len` elements were written. `T: Copy` needs no drop.
#![allow(unsafe_code)]
use crate::ground::critical::{self, Critical};
use crate::pages::metadata;
use crate::pure::addr::Addr;

pub struct Growing<T: Copy> {
    at: Addr,
    capacity: usize,
    len: usize,
    _of: core::marker::PhantomData<T>,
}

impl<T: Copy> Growing<T> {
    /// Room for `capacity` elements; pages are populated when written.
    pub fn new(critical: &Critical, capacity: usize) -> Option<Growing<T>> {
        let at = metadata::map_region(critical, capacity * size_of::<T>())?;
        Some(Growing { at, capacity, len: 0, _of: core::marker::PhantomData })
    }
    pub fn clear(&mut self) {
        self.len = 0;
    }
    /// Appends, or says no when full.
    #[must_use]
    pub fn push(&mut self, value: T) -> bool {
        if self.len == self.capacity {
            return false;
        }
        // SAFETY: within the region.
        unsafe { self.at.ptr::<T>().add(self.len).write(value) };
        self.len += 1;
        true
    }
    /// Makes room for `capacity` elements in all; what was in it is lost.
    #[must_use]
    pub fn reserve_cleared(&mut self, critical: &Critical, capacity: usize) -> bool {
        self.clear();
        if capacity > self.capacity {
            let Some(larger) = Growing::new(critical, capacity) else { return false };
            *self = larger;
        }
        true
    }
    pub fn as_slice(&self) -> &[T] {
        // SAFETY: `len` elements were written.
        unsafe { core::slice::from_raw_parts(self.at.ptr::<T>(), self.len) }
    }
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: as above, and `&mut self` is the only way to them.
        unsafe { core::slice::from_raw_parts_mut(self.at.ptr::<T>(), self.len) }
    }
    /// Keeps the first `len` elements.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl<T: Copy + Default> Growing<T> {
    /// All of the room, written with defaults.
    pub fn filled(mut self) -> Growing<T> {
        while self.push(T::default()) {}
        self
    }
}

impl<T: Copy> Drop for Growing<T> {
    fn drop(&mut self) {
        let critical = critical::enter();
        // SAFETY: the region of this array, which ends here.
        unsafe { metadata::unmap_region(&critical, self.at, self.capacity * size_of::<T>()) };
    }
}

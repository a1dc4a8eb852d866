//! A growing list outside the heap, for the time of one check.
//!
//! One mapping of its own, doubled by copying, given back when dropped. Without memory
//! [`List::push`] refuses, and the caller says in its report what is missing.
//!
//! # Safety
//! `at` is a region of `room` elements from `map_region`, reachable through this list alone; its
//! first `len` elements were written. Elements are `Copy`, so nothing needs dropping.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::pages::metadata;
use crate::pure::addr::{Addr, PAGE_SIZE};

pub struct List<'c, T: Copy> {
    critical: &'c Critical,
    at: Addr,
    room: usize,
    len: usize,
    _of: core::marker::PhantomData<T>,
}

/// There was no memory for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl<'c, T: Copy> List<'c, T> {
    pub fn new(critical: &'c Critical) -> List<'c, T> {
        List { critical, at: Addr::NULL, room: 0, len: 0, _of: core::marker::PhantomData }
    }
    /// A list of `count` copies of `value`.
    pub fn filled(critical: &'c Critical, value: T, count: usize) -> Result<List<'c, T>, Full> {
        let mut list = List::new(critical);
        list.reserve(count)?;
        (0..count).try_for_each(|_| list.push(value))?;
        Ok(list)
    }
    /// Makes room for `count` elements in all.
    pub fn reserve(&mut self, count: usize) -> Result<(), Full> {
        if count <= self.room {
            return Ok(());
        }
        let bytes = count.checked_mul(size_of::<T>()).ok_or(Full)?.max(16 * PAGE_SIZE);
        let at = metadata::map_region(self.critical, bytes).ok_or(Full)?;
        // SAFETY: both regions are ours, apart, and hold at least `len` elements.
        unsafe { core::ptr::copy_nonoverlapping(self.at.ptr::<T>(), at.ptr::<T>(), self.len) };
        self.give_back();
        (self.at, self.room) = (at, bytes / size_of::<T>());
        Ok(())
    }
    pub fn push(&mut self, value: T) -> Result<(), Full> {
        if self.len == self.room {
            self.reserve((self.room * 2).max(1))?;
        }
        // SAFETY: inside the region, as `len < room` now.
        unsafe { self.at.ptr::<T>().add(self.len).write(value) };
        self.len += 1;
        Ok(())
    }
    pub fn pop(&mut self) -> Option<T> {
        let last = self.last().copied()?;
        self.len -= 1;
        Some(last)
    }
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
    fn bytes(&self) -> usize {
        self.room * size_of::<T>()
    }
    fn give_back(&mut self) {
        if self.room != 0 {
            // SAFETY: the region of this list, which lets go of it. Its length in whole pages is
            // that of the request, since both round up to the same.
            unsafe { metadata::unmap_region(self.critical, self.at, self.bytes()) };
        }
    }
}

impl<T: Copy> core::ops::Deref for List<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the first `len` elements were written; shared borrow of the list.
        unsafe { core::slice::from_raw_parts(self.at.ptr::<T>(), self.len) }
    }
}
impl<T: Copy> core::ops::DerefMut for List<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: the first `len` elements were written; unique borrow of the list.
        unsafe { core::slice::from_raw_parts_mut(self.at.ptr::<T>(), self.len) }
    }
}
impl<T: Copy> Drop for List<'_, T> {
    fn drop(&mut self) {
        self.give_back();
    }
}

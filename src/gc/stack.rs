//! The mark stack of the simple marker ([`super::checkmark`]): ranges still to be scanned.
//!
//! A mapped region, sized for the worst case (every object on it once) if the address space
//! allows, and touched only as deep as it is used. A push that does not fit is refused.
//!
//! # Safety
//! `len <= capacity`, and the region holds `capacity` entries.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::pages::metadata;
use crate::pure::addr::{Addr, PAGE_SIZE};

/// A range of words to scan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Entry {
    pub lo: Addr,
    pub bytes: usize,
}
const ENTRY: usize = size_of::<Entry>();
/// A stack is not made smaller than this for want of memory, in entries.
const LEAST: usize = PAGE_SIZE / ENTRY;

pub struct Stack {
    entries: *mut Entry,
    len: usize,
    capacity: usize,
    mapped: usize,
}

impl Stack {
    /// A stack for `entries` entries, or for as many as there is address space for.
    pub fn new(critical: &Critical, entries: usize) -> Option<Stack> {
        let mut mapped = entries.max(1);
        loop {
            match mapped.checked_mul(ENTRY).and_then(|bytes| metadata::map_region(critical, bytes)) {
                Some(at) => {
                    let capacity = mapped.min(entries.max(1));
                    return Some(Stack { entries: at.ptr(), len: 0, capacity, mapped: mapped * ENTRY });
                }
                None if mapped > LEAST => mapped = (mapped / 2).max(LEAST),
                None => return None,
            }
        }
    }
    /// False if it is full.
    #[inline(always)]
    #[must_use]
    pub fn push(&mut self, entry: Entry) -> bool {
        if self.len == self.capacity {
            return false;
        }
        // SAFETY: len < capacity.
        unsafe { self.entries.add(self.len).write(entry) };
        self.len += 1;
        true
    }
    #[inline(always)]
    pub fn pop(&mut self) -> Option<Entry> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: the entry below the old length was written.
        Some(unsafe { self.entries.add(self.len).read() })
    }
    pub fn capacity(&self) -> usize {
        self.capacity
    }
    pub fn end(self, critical: &Critical) {
        // SAFETY: mapped in `new`, used by nobody else.
        unsafe { metadata::unmap_region(critical, Addr::of(self.entries), self.mapped) };
    }
}

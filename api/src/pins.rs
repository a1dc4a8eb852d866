//! Pins: memory that stays what it is for somebody whom no collector sees.
//!
//! # Safety
//! [`Buffer`] owns the block that it frees.
use super::calls::*;
use super::{Error, address};
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

unsafe extern "C" {
    fn malloc(n: usize) -> *mut u8;
    fn free(p: *mut u8);
}

/// A pin. The object's memory stays what it is until this is dropped, even if its owner frees it before.
#[derive(Debug)]
pub struct Pinned {
    address: usize,
}

/// Pins the heap object that `value` lies in.
pub fn pin<T: ?Sized>(value: &T) -> Result<Pinned, Error> {
    let address = address(value);
    Error::check(PIN.get().map_or(ABSENT, |f| f(address)))?;
    Ok(Pinned { address })
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(unpin) = UNPIN.get() {
            unpin(self.address);
        }
    }
}

/// Pins that end together.
#[derive(Debug)]
pub struct Scope {
    /// Where the library knows the scope to be: it does not move.
    word: Box<UnsafeCell<u64>>,
}
// SAFETY: the word is written when the scope is opened; the library's calls lock.
unsafe impl Send for Scope {}
// SAFETY: as above.
unsafe impl Sync for Scope {}

impl Scope {
    pub fn open() -> Result<Scope, Error> {
        let scope = Scope { word: Box::new(UnsafeCell::new(0)) };
        Error::check(SCOPE_OPEN.get().map_or(ABSENT, |f| f(scope.word.get())))?;
        Ok(scope)
    }
    pub fn pin<T: ?Sized>(&self, value: &T) -> Result<(), Error> {
        Error::check(SCOPE_PIN.get().map_or(ABSENT, |f| f(self.word.get(), address(value))))
    }
    /// Pins every object that has a byte in `n` bytes from `from` on: all or none.
    pub fn pin_range(&self, from: *const u8, n: usize) -> Result<(), Error> {
        Error::check(SCOPE_PIN_RANGE.get().map_or(ABSENT, |f| f(self.word.get(), from as usize, n)))
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if let Some(close) = SCOPE_CLOSE.get() {
            close(self.word.get());
        }
    }
}

/// A scope with every object that has a byte in the range.
pub fn pin_range(from: *const u8, n: usize) -> Result<Scope, Error> {
    let scope = Scope::open()?;
    scope.pin_range(from, n)?;
    Ok(scope)
}

/// Zeroed bytes, pinned until they are dropped; an ordinary block without the library.
#[derive(Debug)]
pub struct Buffer {
    at: NonNull<u8>,
    len: usize,
}
// SAFETY: plain memory with one owner.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

/// `n` zeroed bytes, pinned. `None`: no memory.
pub fn alloc_pinned(n: usize) -> Option<Buffer> {
    // SAFETY: malloc(3).
    let at = ALLOC_PINNED.get().map_or_else(|| unsafe { malloc(n) }, |f| f(n));
    let at = NonNull::new(at)?;
    // SAFETY: a new block of n bytes.
    unsafe { at.write_bytes(0, n) };
    Some(Buffer { at, len: n })
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: our block, which was written.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}
impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.at.as_ptr(), self.len) }
    }
}
impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: from malloc, freed once.
        unsafe { free(self.at.as_ptr()) }
    }
}

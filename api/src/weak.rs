//! Weak handles: they do not keep their object alive, and know when it is dead.
use super::calls::*;
use super::{Error, address};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// A weak handle for a value in a heap object. Equal for the same address of the same object.
#[derive(PartialEq, Eq, Hash, Debug)]
pub struct Weak<T> {
    handle: u64,
    _type: PhantomData<*const T>,
}

impl<T> Weak<T> {
    pub fn new(value: &T) -> Result<Weak<T>, Error> {
        Weak::at(address(value))
    }
    fn at(address: usize) -> Result<Weak<T>, Error> {
        let mut handle = 0;
        Error::check(WEAK_MAKE.get().map_or(ABSENT, |f| f(address, &mut handle)))?;
        Ok(Weak { handle, _type: PhantomData })
    }
    /// Where the value is, if its object's memory was neither freed nor reclaimed. That tells nothing of the value: it may have
    /// been moved out of there.
    pub fn get(&self) -> Option<NonNull<T>> {
        let at = WEAK_GET.get().map_or(ptr::null_mut(), |f| f(self.handle));
        NonNull::new(at.cast())
    }
    /// Another one of the same, while the object lives.
    pub fn again(&self) -> Option<Weak<T>> {
        Weak::at(self.get()?.as_ptr() as usize).ok()
    }
}

impl<T> Drop for Weak<T> {
    fn drop(&mut self) {
        if let Some(drop) = WEAK_DROP.get() {
            drop(self.handle);
        }
    }
}

//! Memory that is not the library's: ranges that are objects, and ranges that are roots.
//!
//! # Safety
//! A closure's box is handed to the library as an address, and taken back once: by the call, or by a disowning that
//! said that there will be none. What the argument of an adopted range leads to stays, so the box needs no pin.
use super::Error;
use super::calls::*;
use super::cleanup::{Cancelled, Closure};
use std::ptr;

/// What an adopted range may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contents {
    /// Pointers: it is read once something points to it.
    Pointers = 2,
    /// No pointers that count.
    Plain = 4,
}

/// A range that is an object of the graph. Dropping this leaves it one.
#[derive(Debug)]
pub struct Adopted {
    handle: u64,
    closure: *mut Closure,
}
// SAFETY: the closure is `Send`, and an address here.
unsafe impl Send for Adopted {}

/// Calls `f` with the address and the size once no word that the program can reach points into the range: in
/// [`run_cleanups`](super::run_cleanups), or on the thread of [`cleanup_thread`](super::cleanup_thread). In a child of fork, too, if
/// `children`.
///
/// # Safety
/// Whoever uses the range reaches it through pointers that a collector sees; and so are the objects to which only the range leads, unless
/// it holds [`Contents::Pointers`].
pub unsafe fn adopt(
    range: *mut [u8],
    contents: Contents,
    children: bool,
    f: impl FnOnce(usize, usize) + Send + 'static,
) -> Result<Adopted, Error> {
    let Some(adopt) = ADOPT.get() else { return Err(Error::Absent) };
    let closure: *mut Closure = Box::into_raw(Box::new(Box::new(f)));
    let flags = contents as u32 | !children as u32;
    let mut handle = 0;
    let at = range.cast::<u8>() as usize;
    match Error::check(adopt(at, range.len(), flags, call, closure.expose_provenance(), &mut handle)) {
        Ok(()) => Ok(Adopted { handle, closure }),
        Err(why) => {
            drop(take(closure));
            Err(why)
        }
    }
}

fn take(closure: *mut Closure) -> Closure {
    // SAFETY: see the chapter above.
    *unsafe { Box::from_raw(closure) }
}

extern "C" fn call(address: usize, size: usize, closure: usize) {
    take(ptr::with_exposed_provenance_mut(closure))(address, size);
}

impl Adopted {
    /// Takes the range back. [`Cancelled::Done`] is also what is said of a range that was unmapped; its closure is forgotten then.
    pub fn disown(self) -> Cancelled {
        Cancelled::told(DISOWN.get().map_or(ABSENT, |f| f(self.handle)), || drop(take(self.closure)))
    }
}

/// A range that is looked at for pointers until this is dropped.
#[derive(Debug)]
pub struct Root {
    at: usize,
    size: usize,
}

/// Words at aligned places of the range are looked at for pointers, whatever the memory is.
pub fn register_root(range: *const [u8]) -> Result<Root, Error> {
    let root = Root { at: range.cast::<u8>() as usize, size: range.len() };
    let answer = REGISTER_ROOT.get().map_or(ABSENT, |f| f(root.at, root.size));
    match Error::check(answer) {
        Ok(()) => Ok(root),
        Err(why) => {
            std::mem::forget(root);
            Err(why)
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Some(unregister) = UNREGISTER_ROOT.get() {
            unregister(self.at, self.size);
        }
    }
}

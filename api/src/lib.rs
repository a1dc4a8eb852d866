//! What a program may ask of `libgleaner.so`, if it runs under it.
//!
//! Every function is looked up when it is first called: a program runs the same without the library, and each call
//! then does nothing and says [`Error::Absent`]. The contracts are those of `gleaner.h` and its manual pages.
//!
//! ```
//! let buffer = vec![0u8; 4096];
//! // The kernel may write here until the guard is dropped, even if the vector is dropped before.
//! let pinned = gleaner_api::pin(buffer.as_slice());
//! assert!(pinned.is_ok() || !gleaner_api::is_present());
//! ```
//!
//! # Safety
//! The functions have the types that `gleaner.h` gives them. What is handed over are addresses of borrowed values; the
//! library reads and writes them only as memory that it owns, and answers for stale ones.
mod calls;
mod cleanup;
mod foreign;
mod pins;
mod weak;

pub use cleanup::{Cancelled, Cleanup, cleanup_thread, on_death, run_cleanups};
pub use foreign::{Adopted, Contents, Root, adopt, register_root};
pub use pins::{Buffer, Pinned, Scope, alloc_pinned, pin, pin_range};
pub use weak::Weak;

use calls::*;
use std::fmt;

/// Why nothing was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The program does not run under the library, or under one without this function.
    Absent,
    /// The address belongs to no object of the library's: a static, the stack, a mapping.
    NotOurs,
    /// An error number: see `gleaner.h`.
    Code(i32),
}

impl Error {
    fn check(answer: i32) -> Result<(), Error> {
        match answer {
            0 => Ok(()),
            ABSENT => Err(Error::Absent),
            NOT_OURS => Err(Error::NotOurs),
            other => Err(Error::Code(other)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Absent => f.write_str("not running under libgleaner.so"),
            Error::NotOurs => f.write_str("no object of libgleaner.so's"),
            Error::Code(number) => std::io::Error::from_raw_os_error(*number).fmt(f),
        }
    }
}
impl std::error::Error for Error {}

/// Whether the program runs under the library.
pub fn is_present() -> bool {
    COLLECT.get().is_some()
}

/// Collects now, and waits for the end of it.
pub fn collect() -> Result<(), Error> {
    Error::check(COLLECT.get().map_or(ABSENT, |f| f()))
}

/// In leak mode: reports what is lost now. Whether there was anything.
pub fn check_leaks() -> Result<bool, Error> {
    match CHECK_LEAKS.get().map_or(ABSENT, |f| f()) {
        LEAKS => Ok(true),
        other => Error::check(other).map(|()| false),
    }
}

/// Neither the value nor what only it leads to is a leak, or garbage, until it is freed.
pub fn ignore<T: ?Sized>(value: &T) -> Result<(), Error> {
    Error::check(IGNORE_OBJECT.get().map_or(ABSENT, |f| f(address(value))))
}

/// Writes a line to the descriptor for each pinned object and each open scope.
pub fn report_pins(fd: i32) -> Result<(), Error> {
    Error::check(REPORT_PINS.get().map_or(ABSENT, |f| f(fd)))
}

/// `struct gleaner_figures`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Figures {
    pub live_bytes: u64,
    pub mapped_bytes: u64,
    pub collections: u64,
    pub abandoned: u64,
    pub reachable_objects: u64,
    pub reachable_bytes: u64,
    pub limbo_objects: u64,
    pub limbo_bytes: u64,
    pub reclaimed_objects: u64,
    pub reclaimed_bytes: u64,
    pub resurrected: u64,
    pub longest_pause_ns: u64,
    pub cleanups_promised: u64,
    pub cleanups_due: u64,
    pub cleanups_run: u64,
}

/// What the library counted so far.
pub fn stats() -> Result<Figures, Error> {
    let mut figures = Figures::default();
    let answer = STATS.get().map_or(ABSENT, |f| f((&raw mut figures).cast(), size_of::<Figures>()));
    Error::check(answer).map(|()| figures)
}

fn address<T: ?Sized>(value: &T) -> usize {
    std::ptr::from_ref(value).cast::<u8>() as usize
}

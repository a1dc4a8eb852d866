//! L7: roots: every word outside the heap that may point into it.
//!
//! # What is a root
//! The host's memory is whatever the kernel lists, less what is ours ([`crate::pages::own`]).
//! Of that:
//!
//! ```text
//! private anonymous       pages that exist, whatever the protection says now
//! private, of a file      pages that were written (.data, .bss's first page, RELRO)
//! shared memory           pages that this process touched
//! shared file, writable   the same
//! a thread's stack        from SP − 128 up to its top: frames, static TLS, thread descriptor
//! registers               where the stop saved them
//! stack of a dead thread  its DTV pointer (and its result, if somebody may still join it)
//! vdso, vvar, devices     nothing
//! adopted by the program  nothing: an object of its own ([`crate::adopted`])
//! ld.so's stale words     nothing ([`stale`])
//! held by the kernel      epoll, timers, queues, rings ([`kernel`]), if something is unreachable without
//! ```
//!
//! Pages never touched, unmodified file pages and the zero page are passed over by asking the
//! page tables, so a terabyte reserved and not used costs nothing. `.data`, TLS of the main
//! thread, DTVs, `[heap]`, argv and environ need no code of their own: they are such memory.
//!
//! # Never a fault
//! A page that the tables call present, in a readable private anonymous mapping, is read in
//! place. Everything else (files, which anybody may truncate; swapped pages, which may be guard
//! or poisoned ones; PROT_NONE) is copied by the kernel, which reports instead of faulting.
//! Words in a page that nobody, not even the kernel, can read hold nothing; but if the host
//! could read it after an mprotect and we cannot now, the root set is partial and the cycle
//! must end ([`RootError`]): a partial root set never frees anything.
//!
//! # Limits
//! Pages of a shared mapping that the kernel evicted (swap, a file's page cache) leave no trace
//! in the page tables; [`Summary::shared_evictable`] says when that can matter. A coroutine
//! whose stack lies within its thread's own stack is covered if [`StackInput::frames`] says so.
//!
//! # Use
//! [`Snapshot::new`] before the stop, [`Snapshot::take`] and [`visit`] with the world stopped.
//! Everything here is raw system calls and memory of our own; no lock is held when the visitor
//! is called. Descriptors are opened and closed within a call: while the world is stopped,
//! nobody can close them by number.
//!
//! The list is read anew each time, because it changes past every interposed function
//! (pthread stacks, ld.so, raw system calls). What *was* intercepted is in [`mappings`].
use crate::pure::addr::Addr;
use crate::sys::maps::MapsError;
use crate::sys::raw::Errno;

mod classify;
mod growing;
pub mod guarded;
mod heap;
pub mod kernel;
pub mod mappings;
pub mod regions;
mod snapshot;
mod stacks;
pub mod stale;
mod visit;

pub use heap::{Pagewise, visit_heap, visit_region};
pub use kernel::{Unseen, visit_kernel};
pub use snapshot::{Access, Snapshot, Summary};
pub use stacks::RED_ZONE;
pub use visit::{Nearby, Visited, visit, visit_adopted, visit_shared};

/// Where words were found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RootKind {
    /// Saved registers, and the stack pointer itself.
    Registers,
    /// Frames, static TLS and thread descriptor of a live thread.
    Stack,
    /// What is alive in a dead thread's stack.
    DeadThread,
    /// Private anonymous memory.
    Anonymous,
    /// The program break's memory.
    Brk,
    /// Written pages of a private file mapping: `.data` and the like.
    Data,
    /// Shared memory and shared files.
    Shared,
    /// Executable memory that was written: pointers stand in instructions, at any byte.
    Code,
    /// Nowhere: the kernel holds them ([`kernel`]).
    Kernel,
}

/// Words to look at: aligned, readable until the visitor returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Words {
    /// First word.
    pub lo: Addr,
    /// After the last word.
    pub hi: Addr,
    /// Where the first word lives in the host: `lo`, unless this is a copy.
    pub home: Addr,
    pub kind: RootKind,
}

/// Takes root words. Called with the world stopped.
pub trait RootVisitor {
    fn words(&mut self, words: Words);
}

/// Where a thread's frames are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frames {
    /// From `sp` up.
    AboveSp,
    /// Anywhere in the stack's bounds: the thread runs on a signal or coroutine stack that may
    /// lie within them.
    Anywhere,
}

/// One live thread, the collecting one too.
#[derive(Clone, Copy, Debug)]
pub struct StackInput<'a> {
    /// The lowest live byte of its stack: where it was interrupted, less [`RED_ZONE`]; for a
    /// thread in a call of ours, the caller's stack pointer.
    pub sp: Addr,
    /// Its own stack up to the very top: for a pthread that includes static TLS and thread
    /// descriptor. `None`: unknown (main thread, raw clone).
    pub stack: Option<(Addr, Addr)>,
    pub frames: Frames,
    /// Memory that holds its registers and other words of its own, wherever that lies; it must
    /// be readable.
    pub areas: &'a [(Addr, Addr)],
}

/// Who may still want a dead thread's result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Joined or detached: nobody.
    Gone,
    /// `pthread_join` may still fetch it from the thread descriptor.
    Joinable,
    /// As `Joinable`, until glibc writes the thread id -1 at this offset of the descriptor:
    /// pthread_join does.
    JoinableUntil { tid: usize },
}

/// A stack that glibc may keep for the next thread.
#[derive(Clone, Copy, Debug)]
pub struct DeadStack {
    pub lo: Addr,
    pub hi: Addr,
    /// The thread pointer (`fs:0`) that the thread had.
    pub tcb: Addr,
    pub ending: Ending,
}

/// Why there is no complete root set. The cycle must be abandoned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RootError {
    /// The kernel's list of mappings: not to be had.
    NoList(Errno),
    /// The list does not read as such lists do.
    StrangeList,
    /// No memory for a list of our own.
    NoMemory,
    /// The host has contents here that cannot be read.
    Unreadable(Addr),
    /// A page would have to be asked of the host's userfaultfd handler, which is stopped.
    Userfault,
    /// Nothing can be read guardedly here.
    NoReader(Errno),
    /// The page tables cannot be read and there is too much to read without.
    TooMuch,
}

impl From<MapsError> for RootError {
    fn from(e: MapsError) -> RootError {
        match e {
            MapsError::Io(e) => RootError::NoList(e),
            MapsError::Malformed => RootError::StrangeList,
        }
    }
}

#[cfg(test)]
#[allow(unsafe_code)]
pub(crate) mod tests;

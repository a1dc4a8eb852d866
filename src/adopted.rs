//! Ranges of memory that are not ours and that the program adopted: objects of the graph, with a cleanup.
//!
//! An adopted range (a mapped file, shared memory, another allocator's block) is kept by any
//! word that points into it, or to the byte behind it (unless an object of the heap or what the program did not map begins just there:
//! then the word is theirs; but of two adjacent ranges it keeps both). While it is adopted it is no root: with
//! `SCAN` it is read when something reaches it, so that cycles through it and the heap can die, with
//! `NOSCAN` never. Once complete cycles have found it unreachable as often as limbo asks of heap objects, its
//! cleanup is queued.
//!
//! # States of an entry
//! ```text
//!  FREE ──adopt──► LIVE ──cycle──► QUEUED ──begin──► RUNNING ──done──► FREE
//!                   │                │
//!                   │                └─ unmapped, left behind by fork ─► FREE
//!                   └─ cancel, unmapped, left behind by fork ──────────► FREE
//! ```
//! An entry is in the tree until its cleanup begins: until then the same range cannot be adopted
//! again, and whoever unmaps it takes the cleanup with him. A handle is an
//! index and a generation; FREE ends a generation, so an old handle is answered with DONE.
//!
//! # Looking up
//! The tree is [`crate::pages::ranges`]: 256-byte nodes off the heap. In front of it stands a filter ([`granules`])
//! that is read without a lock, beside writers: it says no for nearly every address, to the marker and to each
//! munmap of a program. Everything else is read under the lock, or by the collector while the world is stopped
//! (a stopped thread holds no lock of ours), so the tree needs no versions of itself.
//!
//! # What is not known
//! A range unmapped by a raw system call keeps its entry. The program's word `arg` is not
//! looked at before it is decided who died; then what it leads to is kept, for the cleanup's sake.
//!
//! Lock: rank `Adopted`, taken inside. Memory: 72 bytes an entry, about 40 in the tree.
mod entry;
mod granules;
mod marking;
mod promise;
mod registry;
mod unmapping;

pub use marking::{Aged, View, after_marking, age, anything, each_argument, others_begin};
pub use registry::{
    Adopt, Cancelled, Counts, Dead, Refused, adopt, begin, cancel, counts, done, each_outside, each_range,
    fork_child, fork_parent, fork_prepare, is_near,
};
pub use unmapping::{Moving, dont_fork, moving, unmapping, unnoticed};

/// What [`adopt`] is told about a range.
pub mod flag {
    /// Not a child's: forks leave it behind.
    pub const THIS_PROCESS: u32 = 1;
    /// Its contents count once it is reached.
    pub const SCAN: u32 = 2;
    /// Its contents never count.
    pub const NOSCAN: u32 = 4;
    pub(super) const ALL: u32 = 7;
}

#[cfg(test)]
mod tests;

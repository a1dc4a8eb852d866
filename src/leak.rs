//! L9: who allocated what nobody can reach.
//!
//! In `leak` mode every allocation carries a 32-bit stack id. The way of one leak:
//!
//! ```text
//! malloc ─ unwind::capture ─ depot::intern ─► id, kept out of line by the heap
//! mmap   ─ the same ─► id, kept with the mapping (roots::mappings::made)
//! exit   ─ gc marks ─ group::run(unreachable objects) ─► groups by (stack, direct|indirect)
//!        ─ possible: which of them are held in disguise
//!        ─ tree: what the direct ones lead to, stack below stack
//!        ─ types: which of them are C++ objects of which class
//!        ─ mapped: mappings that no word leads to ─► groups by stack
//! free   ─ of what nothing led to (audit mode) ─ hidden::note ─► by (allocated, used)
//!        ─ record::write ─► text in a memfd ─ report::finish ─► the `gleaner` command names the
//!          frames; without it report::plain prints module+offset
//! ```
//!
//! The hot half (`unwind`, `depot`) takes no lock on its usual path, makes no system call and
//! never faults, whatever the stack holds. The cold half runs once, at the end, with the world
//! at rest. Names are never looked up in the process: that would cost it megabytes and a second.
//!
//! # Safety
//! Only the fork hooks are unsafe: they pass their caller's promise on to the locks.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;

pub mod depot;
pub mod elf;
pub mod group;
pub mod growth;
pub mod hidden;
pub mod history;
pub mod holders;
pub mod mapped;
pub mod modules;
pub mod possible;
pub mod record;
pub mod report;
pub mod scratch;
pub mod spawn;
pub mod suppress;
pub mod tree;
pub mod types;
pub mod unwind;

/// Fork's prepare step: takes the locks of this layer.
pub fn fork_prepare(critical: &Critical) {
    depot::lock().hold(critical);
    modules::lock().hold(critical);
    hidden::lock().hold(critical);
}

/// Fork's step in the parent.
/// # Safety
/// This thread must have called [`fork_prepare`].
pub unsafe fn fork_parent() {
    // SAFETY: held since `fork_prepare`, by the caller's promise.
    unsafe {
        hidden::lock().release();
        modules::lock().release();
        depot::lock().release();
    }
}

/// Fork's step in the child.
/// # Safety
/// Only in the child of a fork before which this thread called [`fork_prepare`].
pub unsafe fn fork_child() {
    // SAFETY: the child's only thread is the one that held them.
    unsafe {
        hidden::lock().reset();
        modules::lock().reset();
        depot::lock().reset();
        hidden::forget();
    }
    unwind::memo::fork_child();
}

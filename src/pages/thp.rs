//! The option `thp`: what the kernel is told about huge pages in the heap.
//!
//! A huge page is 2 MiB at once, be it for one byte. With `never` no memory of the heap becomes one. With `always` the heap
//! asks for them as soon as it is four chunks (a small program stays small), and each object with a mapping of its own that can
//! hold one; and free pages of a chunk that is mostly used are kept, because giving them back would break its huge page up: the
//! rest of it would cost 512 entries of the TLB again. Whoever must have memory (malloc_trim, `max_heap`, a lack of it) takes those, too.
//!
//! Our own tables are large and hardly touched: they are never huge, whatever the option says.
//!
//! Nothing of it is asked for under a filter that came since the program started: it may end the process.
//!
//! # Safety
//! Advice about huge pages changes no contents.
#![allow(unsafe_code)]
use super::geometry::CHUNK_PAGES;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::pure::options::Thp;
use crate::sys::{sandbox, vm};
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

static POLICY: AtomicU8 = AtomicU8::new(Thp::System as u8);

/// A huge page, in bytes.
const HUGE: usize = CHUNK_PAGES * PAGE_SIZE;

/// From now on. Before anything is mapped.
pub fn set(policy: Thp) {
    POLICY.store(policy as u8, Relaxed);
}

/// Free pages in the midst of used ones are to stay.
pub fn keeps_whole() -> bool {
    POLICY.load(Relaxed) == Thp::Always as u8
}

fn is_never() -> bool {
    POLICY.load(Relaxed) == Thp::Never as u8
}

fn tell(at: Addr, bytes: usize, advice: i32) {
    if !sandbox::is_filtered() {
        // SAFETY: changes no contents.
        let _ = unsafe { vm::advise(at, bytes, advice) };
    }
}

/// Memory was mapped for the heap.
pub(super) fn mapped(at: Addr, bytes: usize) {
    if is_never() {
        tell(at, bytes, libc::MADV_NOHUGEPAGE);
    }
}

/// Chunks of a heap that is large enough for it may be huge pages.
pub(super) fn grown(at: Addr, bytes: usize) {
    if keeps_whole() {
        tell(at, bytes, libc::MADV_HUGEPAGE);
    }
}

/// A mapping is an object's.
pub fn object(at: Addr, bytes: usize) {
    mapped(at, bytes);
    if bytes >= HUGE {
        grown(at, bytes);
    }
}

/// A mapping is for tables of ours.
pub(super) fn table(at: Addr, bytes: usize) {
    if bytes >= HUGE {
        tell(at, bytes, libc::MADV_NOHUGEPAGE);
    }
}

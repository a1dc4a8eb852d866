//! The option `thp`: what the kernel is told about huge pages in the heap.
//!
//! A huge page is 2 MiB at once, be it for one byte. With `auto` a smaller heap than 16 MiB has none, and of a larger one
//! the chunks that small objects are about to fill are made huge pages, each by its first page fault; whatever a program
//! may leave untouched (larger objects) stays as the system makes it.
//! With `never` no memory of the heap becomes one. With `always` the heap
//! asks for them as soon as it is four chunks (a small program stays small), and each object with a mapping of its own that can
//! hold one; and free pages of a chunk that is mostly used are kept, because giving them back would break its huge page up: the
//! rest of it would cost 512 entries of the TLB again. Whoever must have memory (malloc_trim, `max_heap`, a lack of it) takes those, too.
//!
//! Our own tables are large and hardly touched: they are never huge, whatever the option says.
//!
//! Nothing of it is asked for under a filter that came since the program started: it may end the process.
//!
//! # Safety
//! Advice about huge pages changes no contents. [`whole`] writes to memory that nobody has.
#![allow(unsafe_code)]
use super::geometry::CHUNK_PAGES;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::pure::options::Thp;
use crate::sys::{sandbox, vm};
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

static POLICY: AtomicU8 = AtomicU8::new(Thp::System as u8);
/// With `auto`: how many chunks to leave alone. After each refusal twice as many.
static PAUSE: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);
/// Refusals after which nothing is asked for any more.
const REFUSED_MAX: u32 = 10;

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

/// A heap that is small has no huge pages, though the system gives them to everybody: two megabytes at the first touch.
pub(super) fn small(at: Addr, bytes: usize) {
    if POLICY.load(Relaxed) == Thp::Auto as u8 {
        tell(at, bytes, libc::MADV_NOHUGEPAGE);
    }
}

/// Chunks of a heap that is large enough for it may be huge pages.
pub(super) fn grown(at: Addr, bytes: usize) {
    if keeps_whole() {
        tell(at, bytes, libc::MADV_HUGEPAGE);
    }
}

/// With `auto`: the chunk at `at` becomes one huge page now, if the system has one, by one page fault instead of 512.
///
/// The kernel's advice is taken back at once: as long as it stands, a thread of the kernel's (khugepaged) makes chunks whole again whose
/// free pages were given back, and a daemon would never get rid of its idle memory. Where there are no huge pages to be had,
/// the kernel may look for some a while each time: it is asked less and less often.
/// # Safety
/// The chunk is the heap's, all of it free and zero, and stays so during the call.
pub(super) unsafe fn whole(at: Addr) {
    if POLICY.load(Relaxed) != Thp::Auto as u8 || sandbox::is_filtered() {
        return;
    }
    let pause = PAUSE.load(Relaxed);
    if pause != 0 {
        PAUSE.store(pause - 1, Relaxed);
        return;
    }
    // SAFETY: advice changes no contents. A zero is written where there are zeros.
    let done = unsafe {
        let asked = vm::advise(at, HUGE, libc::MADV_HUGEPAGE).is_ok();
        if asked {
            at.ptr::<u8>().write_volatile(0);
            let _ = vm::advise(at, HUGE, libc::MADV_NOHUGEPAGE);
        }
        asked && vm::is_resident(at.add(HUGE - PAGE_SIZE))
    };
    let refused = if done { 0 } else { REFUSED.load(Relaxed) + 1 };
    REFUSED.store(refused, Relaxed);
    if refused >= REFUSED_MAX {
        POLICY.store(Thp::System as u8, Relaxed);
    }
    PAUSE.store(if refused == 0 { 0 } else { 1 << refused }, Relaxed);
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

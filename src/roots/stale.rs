//! Words of ld.so's that led nowhere when the program started.
//!
//! ld.so keeps the addresses of the cache of libraries, which it has unmapped, and of the end of its own first heap. The kernel gives the very
//! place to one of the program's first mappings, which such a word would keep for ever. A word that still is what it was then means nothing of the program's.
//!
//! # Safety
//! ld.so is never unloaded, so its data stay mapped: what [`note`] was promised to be such holds for each place in [`WORDS`]. Others
//! write there; a word is read at once, and as volatile.
#![allow(unsafe_code)]
use crate::pure::addr::{ADDR_BITS, Addr};
use crate::sys::vm;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// As many are remembered.
pub const MOST: usize = 16;
/// Nothing is mapped below.
const LOWEST: usize = 64 << 10;

struct Word {
    at: AtomicUsize,
    was: AtomicUsize,
}
static WORDS: [Word; MOST] = [const { Word { at: AtomicUsize::new(0), was: AtomicUsize::new(0) } }; MOST];

/// # Safety
/// A place in ld.so's data, at a multiple of a word.
unsafe fn read(at: usize) -> usize {
    // SAFETY: mapped for ever.
    unsafe { (at as *const usize).read_volatile() }
}

/// Takes note of the words in `lo..hi` that could be pointers and lead to nothing that can be read.
/// # Safety
/// These are ld.so's data, and the program's own code has not run yet.
pub unsafe fn note(lo: Addr, hi: Addr) {
    let mut free = WORDS.iter();
    for at in (lo.0..hi.0).step_by(size_of::<usize>()) {
        // SAFETY: the caller's promise; mappings begin at multiples of a page.
        let word = unsafe { read(at) };
        if (LOWEST..1 << ADDR_BITS).contains(&word) && !vm::is_mapped(Addr(word)) {
            let Some(noted) = free.next() else { return };
            noted.was.store(word, Relaxed);
            noted.at.store(at, Relaxed);
        }
    }
}

/// Calls `each` with the place of each such word that is what it was.
pub fn each(mut each: impl FnMut(Addr)) {
    for word in &WORDS {
        let at = word.at.load(Relaxed);
        // SAFETY: only `note` puts places there.
        if at != 0 && unsafe { read(at) } == word.was.load(Relaxed) {
            each(Addr(at));
        }
    }
}

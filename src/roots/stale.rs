//! Words of ld.so's that led nowhere when the program started.
//!
//! ld.so keeps the addresses of the cache of libraries, which it has unmapped, and of the end of its own first heap. The kernel gives the very
//! place to one of the program's first mappings, which such a word would keep for ever. A word that still is what it was then means nothing of the program's.
//!
//! # Safety
//! ld.so's data stay mapped as long as the process runs; they are read as volatile words.
#![allow(unsafe_code)]
use crate::pure::addr::{ADDR_BITS, Addr};
use crate::sys::vm;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// As many are known; glibc 2.36 has two.
pub const MOST: usize = 16;
/// Nothing is mapped below.
const LOWEST: usize = 64 << 10;

struct Word {
    at: AtomicUsize,
    was: AtomicUsize,
}
static WORDS: [Word; MOST] = [const { Word { at: AtomicUsize::new(0), was: AtomicUsize::new(0) } }; MOST];

fn read(at: usize) -> usize {
    // SAFETY: a word of ld.so's data.
    unsafe { (at as *const usize).read_volatile() }
}

/// Takes note of the words in `lo..hi` that could be pointers and lead to nothing that can be read.
/// # Safety
/// These are ld.so's data, and the program's own code has not run yet.
pub unsafe fn note(lo: Addr, hi: Addr) {
    let mut free = WORDS.iter();
    for at in (lo.0..hi.0).step_by(size_of::<usize>()) {
        let word = read(at);
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
        if at != 0 && read(at) == word.was.load(Relaxed) {
            each(Addr(at));
        }
    }
}

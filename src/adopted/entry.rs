//! Entries: 72 bytes each, in chunks that double, never moved, never unmapped, never scanned.
//!
//! # Safety
//! A chunk's address, once stored, is that of as many zeroed entries as the chunk has; zeros are a free entry.
//! Cells of an entry are touched under the registry's lock or while the world is stopped.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::pages::metadata;
use crate::pure::addr::Addr;
use core::cell::Cell;

/// See the picture in [`super`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    Free = 0,
    Live,
    Queued,
    Running,
}

/// Bits of [`Entry::marks`], beside those of [`super::flag`].
pub mod mark {
    /// The program told the kernel not to give it to children.
    pub const DONTFORK: u8 = 16;
    /// An unmapping went unnoticed while this was adopted: it never dies.
    pub const IMMORTAL: u8 = 32;
    /// The last complete cycle reached it.
    pub const REACHED: u8 = 64;
    /// A library's image or memory of ours begins just behind it.
    pub const CLOSED: u8 = 128;
}

#[repr(C)]
pub struct Entry {
    pub lo: Cell<usize>,
    pub last: Cell<usize>,
    pub cleanup: Cell<usize>,
    pub arg: Cell<usize>,
    pub generation: Cell<u32>,
    pub state: Cell<State>,
    pub marks: Cell<u8>,
    /// Complete cycles in a row that did not reach it.
    pub age: Cell<u8>,
    _room: u8,
    /// The marking that reached it, for the marker and for the checker.
    pub epochs: [Cell<u32>; 2],
    /// The next grey entry of either, as index + 1.
    pub links: [Cell<u32>; 2],
    /// The promise to call the cleanup, as a word.
    pub promise: Cell<u64>,
    /// The next free entry, as index + 1.
    pub next_free: Cell<u32>,
    _rest: u32,
}
const _: () = assert!(size_of::<Entry>() == 72);

impl Entry {
    pub fn has(&self, mark: u8) -> bool {
        self.marks.get() & mark != 0
    }
    pub fn set(&self, mark: u8) {
        self.marks.set(self.marks.get() | mark);
    }
    pub fn unset(&self, mark: u8) {
        self.marks.set(self.marks.get() & !mark);
    }
}

/// log2 of the first chunk's entries.
const FIRST: u32 = 6;
const CHUNKS: usize = 26;
/// Entries at most: as many as indices and their successors fit 32 bits.
const MOST: u32 = u32::MAX - (2 << FIRST);

/// Where index `i` is: chunk, place, and the chunk's length.
fn place(i: u32) -> (usize, usize, usize) {
    let i = i as usize + (1 << FIRST);
    let chunk = i.ilog2() - FIRST;
    (chunk as usize, i - (1 << (chunk + FIRST)), 1 << (chunk + FIRST))
}

/// All entries.
pub struct Table {
    chunks: [Addr; CHUNKS],
    /// Entries that were ever used.
    used: u32,
    /// Free ones among them, linked; index + 1.
    free: u32,
}

impl Table {
    pub const fn new() -> Table {
        Table { chunks: [Addr::NULL; CHUNKS], used: 0, free: 0 }
    }
    pub fn used(&self) -> u32 {
        self.used
    }
    /// Entry `i`, one that was used.
    pub fn get(&self, i: u32) -> &Entry {
        debug_assert!(i < self.used);
        let (chunk, at, _) = place(i);
        // SAFETY: see the module's chapter; an index below `used` has its chunk.
        unsafe { &*self.chunks[chunk].ptr::<Entry>().add(at) }
    }
    /// A free entry, taken. `None`: no memory.
    pub fn take(&mut self, critical: &Critical) -> Option<u32> {
        if let Some(i) = self.free.checked_sub(1) {
            self.free = self.get(i).next_free.get();
            return Some(i);
        }
        let (chunk, _, len) = place(self.used);
        if self.used >= MOST {
            return None;
        }
        if self.chunks[chunk] == Addr::NULL {
            self.chunks[chunk] = metadata::alloc(critical, len * size_of::<Entry>(), align_of::<Entry>())?;
        }
        self.used += 1;
        Some(self.used - 1)
    }
    /// Ends the entry's generation.
    pub fn give(&mut self, i: u32) {
        let free = self.free;
        let entry = self.get(i);
        entry.state.set(State::Free);
        entry.generation.set(entry.generation.get().wrapping_add(1));
        entry.next_free.set(free);
        self.free = i + 1;
    }
}

//! Records of one kind in metadata, reached by small numbers, used again, never moved.
//!
//! A record's *word* is its number and its generation, which rises each time that the record is given back: so a
//! word that the program kept for too long is known for what it is. Records lie in chunks of 256, 512, 1024 …;
//! number → chunk is one bit scan. The pool has no lock: it lies inside its user's.
//!
//! # Safety
//! A chunk is metadata and stays; a number below `made` is inside its chunk, and was written when it was made.
#![allow(unsafe_code)]
use super::metadata;
use crate::ground::critical::Critical;

struct Slot<T> {
    generation: u32,
    /// Next free one, plus 1; `TAKEN` while in use.
    next: u32,
    value: T,
}
const TAKEN: u32 = u32::MAX;

/// The first chunk has 2^8 records, each other one twice as many as the one before.
const FIRST: u32 = 8;
const CHUNKS: usize = 22;

pub struct Pool<T> {
    chunks: [*mut Slot<T>; CHUNKS],
    /// Numbers that were ever used.
    made: u32,
    /// First free number, plus 1.
    free: u32,
}
// SAFETY: the chunks belong to the pool's owner.
unsafe impl<T: Send> Send for Pool<T> {}

impl<T> Pool<T> {
    pub const fn new() -> Pool<T> {
        Pool { chunks: [core::ptr::null_mut(); CHUNKS], made: 0, free: 0 }
    }

    /// Chunk and place of a record.
    fn place(number: u32) -> (usize, usize) {
        let n = number + (1 << FIRST);
        let chunk = n.ilog2() - FIRST;
        (chunk as usize, (n - (1 << (chunk + FIRST))) as usize)
    }
    fn slot(&self, number: u32) -> Option<*mut Slot<T>> {
        if number >= self.made {
            return None;
        }
        let (chunk, place) = Self::place(number);
        // SAFETY: see the chapter above.
        Some(unsafe { self.chunks[chunk].add(place) })
    }

    /// A record with `value`. `None`: no memory.
    pub fn take(&mut self, critical: &Critical, value: T) -> Option<u32> {
        if let Some(number) = self.free.checked_sub(1) {
            let slot = self.slot(number)?;
            // SAFETY: a free record of ours.
            unsafe {
                self.free = (*slot).next;
                (*slot).next = TAKEN;
                (*slot).value = value;
            }
            return Some(number);
        }
        let (number, (chunk, place)) = (self.made, Self::place(self.made));
        if self.chunks.get(chunk)?.is_null() {
            let bytes = size_of::<Slot<T>>() << (chunk as u32 + FIRST);
            self.chunks[chunk] = metadata::alloc(critical, bytes, align_of::<Slot<T>>())?.ptr();
        }
        // SAFETY: inside the chunk, used for the first time.
        unsafe { self.chunks[chunk].add(place).write(Slot { generation: 0, next: TAKEN, value }) };
        self.made += 1;
        Some(number)
    }

    /// A record in use.
    pub fn get(&mut self, number: u32) -> Option<&mut T> {
        let slot = self.slot(number)?;
        // SAFETY: see the chapter above; the pool is borrowed.
        unsafe { ((*slot).next == TAKEN).then(|| &mut (*slot).value) }
    }

    /// A record that was used once; the caller knows whether it is.
    pub fn at(&self, number: u32) -> &T {
        assert!(number < self.made);
        let (chunk, place) = Self::place(number);
        // SAFETY: below `made`, so it was written, and a record that is given back keeps its value.
        unsafe { &(*self.chunks[chunk].add(place)).value }
    }

    pub fn is_taken(&self, number: u32) -> bool {
        // SAFETY: as in `get`.
        self.slot(number).is_some_and(|slot| unsafe { (*slot).next == TAKEN })
    }

    /// The record is nobody's any more, and its word means nothing.
    pub fn give(&mut self, number: u32) {
        let free = self.free;
        let Some(slot) = self.slot(number).filter(|_| self.is_taken(number)) else { return };
        // SAFETY: as in `get`.
        unsafe {
            (*slot).generation = (*slot).generation.wrapping_add(1);
            (*slot).next = free;
        }
        self.free = number + 1;
    }

    /// What stands for a record outside. Never 0.
    pub fn word(&self, number: u32) -> u64 {
        // SAFETY: as in `get`.
        let generation = self.slot(number).map_or(0, |slot| unsafe { (*slot).generation });
        (generation as u64) << 32 | (number as u64 + 1)
    }

    /// The record that a word stands for, if it still does. Any word may be asked for.
    pub fn number(&self, word: u64) -> Option<u32> {
        let number = (word as u32).checked_sub(1)?;
        let slot = self.slot(number)?;
        // SAFETY: as in `get`.
        unsafe { ((*slot).next == TAKEN && (*slot).generation == (word >> 32) as u32).then_some(number) }
    }

    /// Numbers that may be in use are below this.
    pub fn bound(&self) -> u32 {
        self.made
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool::new()
    }
}

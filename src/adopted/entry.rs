//! What is kept of an adopted range: 64 bytes, in a [`Pool`](crate::pages::pool::Pool) whose words are the handles.
//! Its cells are touched under the registry's lock or while the world is stopped.
use core::cell::Cell;

/// See the picture in [`super`]; FREE is no entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
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
    /// What the program did not map begins just behind it.
    pub const CLOSED: u8 = 128;
}

pub struct Entry {
    pub lo: Cell<usize>,
    pub last: Cell<usize>,
    pub cleanup: Cell<usize>,
    pub arg: Cell<usize>,
    pub state: Cell<State>,
    pub marks: Cell<u8>,
    /// Complete cycles in a row that did not reach it.
    pub age: Cell<u8>,
    /// The marking that reached it, for the marker and for the checker.
    pub epochs: [Cell<u32>; 2],
    /// The next grey entry of either, as index + 1.
    pub links: [Cell<u32>; 2],
    /// The promise to call the cleanup, as a word.
    pub promise: Cell<u64>,
}
const _: () = assert!(size_of::<Entry>() == 64);

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

//! The block that a thread grows by realloc, again and again: it gets room to grow in place.
//!
//! A buffer that grows by half or to the double would be copied at each step, where glibc extends the block at the end of
//! its heap. So the second growth of one block in a row moves it to a slot of [`ROOM`] bytes, in which it stays until it
//! has outgrown that, or another block grows. What is not touched of the slot costs addresses only. A block that stops growing keeps its slot: it cannot be moved.
//! So a thread has a credit of bytes, which growing earns and room costs, twice as many each time that it was not made use of: who makes
//! many strings by a few steps each soon gets no room for them, who fills one buffer after the other, for each.
use core::cell::Cell;
use core::ptr;

/// The largest request whose slot `spans::plain` knows the size of.
pub const ROOM: usize = 65535;
/// A larger one is copied once more at most.
const ROOM_FROM: usize = ROOM / 2;
/// Bytes of growth that room costs at least.
const COST: usize = 12 << 10;
/// It was of use to a block that came to that many bytes.
const USED: usize = 16 << 10;
/// The cost is not doubled more often.
const WARY_MOST: u32 = 10;

/// What a thread knows of the block that it grew last. All zero: nothing.
pub struct Growing {
    block: Cell<*mut u8>,
    /// What was asked for last; 0: it has no room.
    length: Cell<usize>,
    credit: Cell<usize>,
    /// How often the cost is doubled.
    wary: Cell<u32>,
}

impl Default for Growing {
    fn default() -> Self {
        Self::new()
    }
}
impl Growing {
    pub const fn new() -> Growing {
        Growing {
            block: Cell::new(ptr::null_mut()),
            length: Cell::new(0),
            credit: Cell::new(0),
            wary: Cell::new(0),
        }
    }

    /// Whether `block`, which has `usable` bytes, is the one with room, and grows to `n` bytes in it. A handler that grows a
    /// block between any two instructions here makes it waste memory at worst.
    #[inline(always)]
    pub fn in_place(&self, block: *mut u8, usable: usize, n: usize) -> bool {
        let length = self.length.get();
        if self.block.get() != block || length == 0 || n < length || n > usable {
            return false;
        }
        self.credit.set(self.credit.get() + (n - length));
        self.length.set(n);
        true
    }

    /// How much to ask for, of a block that grows from `old` bytes to `n` and has to move.
    #[inline(always)]
    pub fn wanted(&self, block: *mut u8, old: usize, n: usize) -> usize {
        let room = self.block.get() == block
            && n > old
            && n <= ROOM_FROM
            && self.credit.get() + (n - old) >= COST << self.wary.get();
        if room { ROOM } else { n }
    }

    /// Another block grows: was the room of this one of use?
    #[inline(always)]
    fn learn(&self) {
        let wary = self.wary.get();
        match self.length.take() {
            0 => {}
            1..USED => self.wary.set((wary + 1).min(WARY_MOST)),
            _ => self.wary.set(wary.saturating_sub(1)),
        }
    }

    /// `block` of `old` bytes moved to `new`; asked for were `n` bytes, and taken `wanted`.
    #[inline(always)]
    pub fn moved(&self, block: *mut u8, old: usize, new: *mut u8, n: usize, wanted: usize) {
        if self.block.replace(new) != block {
            self.learn();
        }
        let cost = COST << self.wary.get();
        let credit = (self.credit.get() + n.saturating_sub(old)).min(2 * cost);
        let room = wanted > n;
        self.credit.set(if room { credit - cost.min(credit) } else { credit });
        self.length.set(if room { n } else { 0 });
    }
}

//! The word of an object's cell, and how it changes: each time by one compare-and-exchange.
//!
//! `tests/loom_special.rs` runs this very file under a model checker, which is why the cell is a trait.
use core::sync::atomic::{AtomicU64, Ordering};

/// Bits of a cell's state. The pins are counted in the lower half.
pub mod state {
    pub const COUNT: u64 = u32::MAX as u64;
    /// Freed while pinned.
    pub const HELD: u64 = 1 << 32;
    /// One of the pins is that of `alloc_pinned`: free() takes it away.
    pub const IMPLICIT: u64 = 1 << 33;
    /// Something is attached: see `attached`.
    pub const ATTACHED: u64 = 1 << 34;
    /// The program wants no report of it, nor of what it leads to.
    pub const IGNORED: u64 = 1 << 35;
}
use state::{COUNT, HELD, IGNORED, IMPLICIT};

/// Why not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// No object of ours.
    NotOurs,
    /// Freed, or never handed out.
    Dead,
    /// 2^32 - 1 pins.
    Overflow,
    NotPinned,
    NoMemory,
}

/// What becomes of an object that the program frees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Goes,
    Held,
}

/// Where the word lies.
pub trait Cell64 {
    fn load(&self) -> u64;
    /// The word that stood there, if it was not `old` (or by chance). Acquire and release.
    fn exchange(&self, old: u64, new: u64) -> Result<u64, u64>;
}

impl Cell64 for AtomicU64 {
    #[inline(always)]
    fn load(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }
    #[inline(always)]
    fn exchange(&self, old: u64, new: u64) -> Result<u64, u64> {
        self.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed)
    }
}

/// One more pin, and the bits `extra`. The word before.
#[inline(always)]
pub fn pin(cell: &impl Cell64, extra: u64) -> Result<u64, Refused> {
    let mut old = cell.load();
    loop {
        if old & HELD != 0 {
            return Err(Refused::Dead);
        }
        if old & COUNT == COUNT {
            return Err(Refused::Overflow);
        }
        match cell.exchange(old, (old + 1) | extra) {
            Ok(_) => return Ok(old),
            Err(now) => old = now,
        }
    }
}

/// One pin less. `Goes`: it was the last one of a freed object, and the caller is the only one to be told so.
#[inline(always)]
pub fn unpin(cell: &impl Cell64) -> Result<Fate, Refused> {
    let mut old = cell.load();
    loop {
        if old & COUNT == 0 {
            return Err(Refused::NotPinned);
        }
        let last = old & COUNT == 1;
        let new = if last { (old - 1) & !(HELD | IMPLICIT) } else { old - 1 };
        match cell.exchange(old, new) {
            Ok(_) if last && old & HELD != 0 => return Ok(Fate::Goes),
            Ok(_) => return Ok(Fate::Held),
            Err(now) => old = now,
        }
    }
}

/// The program frees the object. The word before, too.
#[inline(always)]
pub fn free(cell: &impl Cell64) -> (u64, Fate) {
    let mut old = cell.load();
    loop {
        let implicit = (old & IMPLICIT != 0) as u64;
        let pins = (old & COUNT) - implicit.min(old & COUNT);
        let (new, fate) = if pins == 0 {
            (0, Fate::Goes)
        } else {
            (((old & !(COUNT | IMPLICIT | IGNORED)) + pins) | HELD, Fate::Held)
        };
        match cell.exchange(old, new) {
            Ok(_) => return (old, fate),
            Err(now) => old = now,
        }
    }
}

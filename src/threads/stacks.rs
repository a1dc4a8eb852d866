//! Stacks: where a thread's is, and those that dead threads left behind.
//!
//! libc keeps the stacks of ended threads for the next ones. Their words are stale and must not
//! be roots; the thread descriptor above them (`tcb` and up) still holds the thread's result
//! until it is joined, so only `lo..tcb` is dead. An entry is forgotten when a new thread takes
//! the stack. That libc unmapped it and something else lies there now is for the reader to
//! rule out: a descriptor begins with its own address, twice (at `tcb` and `tcb + 16`).
//! Forgetting too much is harmless, it only scans more.
use super::record::StackKind;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::sys::mapping::Mappings;

/// As many as fit; the oldest goes first. libc itself keeps 40 MB of stacks, five of the usual ones.
const MOST: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeadStack {
    /// Lowest address of the stack, above its guard.
    pub lo: usize,
    /// The descriptor above it: the end of what is dead.
    pub tcb: usize,
}

pub(super) struct DeadStacks {
    entries: [DeadStack; MOST],
    count: usize,
}

impl DeadStacks {
    pub const fn new() -> DeadStacks {
        DeadStacks { entries: [DeadStack { lo: 0, tcb: 0 }; MOST], count: 0 }
    }
    pub fn clear(&mut self) {
        self.count = 0;
    }
    pub fn add(&mut self, lo: usize, tcb: usize) {
        if lo == 0 || lo >= tcb {
            return;
        }
        self.forget(lo, tcb);
        if self.count == MOST {
            self.entries.copy_within(1.., 0);
            self.count -= 1;
        }
        self.entries[self.count] = DeadStack { lo, tcb };
        self.count += 1;
    }
    /// Drops what overlaps `lo..=hi`.
    pub fn forget(&mut self, lo: usize, hi: usize) {
        let mut kept = 0;
        for i in 0..self.count {
            let e = self.entries[i];
            if e.tcb < lo || hi < e.lo {
                self.entries[kept] = e;
                kept += 1;
            }
        }
        self.count = kept;
    }
    pub fn all(&self) -> &[DeadStack] {
        &self.entries[..self.count]
    }
}

/// Bounds and kind of the calling thread's stack. `given`: the program supplied it.
pub(super) fn find(sp: usize, tcb: usize, given: bool) -> ((usize, usize), StackKind) {
    let mappings = Mappings::open();
    let around = |at| mappings.as_ref().and_then(|m| m.around(at));
    let Some(m) = around(Addr(sp)) else { return ((0, 0), StackKind::Foreign) };
    let bounds = (m.lo.0, m.hi.0);
    if m.is_stack {
        return (bounds, StackKind::Main);
    }
    // libc lays the descriptor into the same mapping, above the stack, and a guard below it.
    let holds_tcb = m.lo.0 < tcb && tcb < m.hi.0;
    let guarded =
        holds_tcb && !given && mappings.is_some_and(|maps| maps.is_guard(Addr(m.lo.0 - PAGE_SIZE), m.lo));
    (bounds, if guarded { StackKind::Libc } else { StackKind::Foreign })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_taken_again_is_not_dead() {
        let mut dead = DeadStacks::new();
        dead.add(0x1000, 0x9000);
        dead.add(0x11000, 0x19000);
        assert_eq!(dead.all()[0], DeadStack { lo: 0x1000, tcb: 0x9000 });
        dead.forget(0x8000, 0xa000);
        assert_eq!(dead.all(), [DeadStack { lo: 0x11000, tcb: 0x19000 }]);
        dead.add(0x12000, 0x19000);
        assert_eq!(dead.all(), [DeadStack { lo: 0x12000, tcb: 0x19000 }]);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut dead = DeadStacks::new();
        for i in 1..=MOST + 3 {
            dead.add(i * 0x10000, i * 0x10000 + 0x8000);
        }
        assert_eq!(dead.all().len(), MOST);
        assert_eq!(dead.all()[0].lo, 4 * 0x10000);
    }
}

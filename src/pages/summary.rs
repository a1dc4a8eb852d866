//! A summary: how many neighbouring free pages a piece of the address space has at its low
//! edge, anywhere, and at its high edge, in one word.
//!
//! ```text
//! bit 63      62..42   41..21   20..0
//! all free    end      max      start
//! ```
//! A root entry covers 2^21 pages, and when all are free the counts need 22 bits. That case has
//! `start == max == end == 2^21`, so bit 63 alone says it. Hence the limit on the tree's
//! height: no entry may cover more than 2^21 pages.
//!
//! The word is 0 exactly when no page is free, so memory that was never touched is a valid
//! summary of address space that is not ours.
use super::geometry::{FAN, LEAF, LEVELS, log_pages};

const BITS: usize = 21;
const MASK: u64 = (1 << BITS) - 1;
const LARGEST: usize = 1 << BITS;
const ALL: u64 = 1 << 63;

const _: () = assert!(log_pages(0) <= BITS && log_pages(LEAF) < BITS && LEVELS == LEAF + 1);

#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Summary(u64);

impl Summary {
    /// No free page.
    pub const NONE: Summary = Summary(0);

    /// Requires `start <= max`, `end <= max <= 2^21`.
    #[inline(always)]
    pub const fn pack(start: usize, max: usize, end: usize) -> Summary {
        if max == LARGEST {
            return Summary(ALL);
        }
        Summary(start as u64 | (max as u64) << BITS | (end as u64) << (2 * BITS))
    }
    /// Everything free, for an entry of `level`.
    pub const fn all_free(level: usize) -> Summary {
        let pages = 1 << log_pages(level);
        Summary::pack(pages, pages, pages)
    }
    #[inline(always)]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
    // In the case of bit 63 all three fields are 0: or-ing 2^21 in saves a branch in `merge`,
    // which reads them 24 times.
    #[inline(always)]
    pub const fn start(self) -> usize {
        (self.0 & MASK | self.0 >> 63 << BITS) as usize
    }
    #[inline(always)]
    pub const fn max(self) -> usize {
        (self.0 >> BITS & MASK | self.0 >> 63 << BITS) as usize
    }
    #[inline(always)]
    pub const fn end(self) -> usize {
        (self.0 >> (2 * BITS) & MASK | self.0 >> 63 << BITS) as usize
    }
    /// The summary of eight neighbours that cover `2^log` pages each.
    pub fn merge(children: &[Summary; FAN], log: usize) -> Summary {
        let full = 1usize << log;
        let (mut start, mut max, mut end) = (0, 0, 0);
        for (i, child) in children.iter().enumerate() {
            // `start` grows only while everything so far is free.
            if start == i << log {
                start += child.start();
            }
            max = max.max(end + child.start()).max(child.max());
            end = if child.end() == full { end + full } else { child.end() };
        }
        Summary::pack(start, max, end)
    }
}

impl core::fmt::Debug for Summary {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "({}, {}, {})", self.start(), self.max(), self.end())
    }
}

#[cfg(test)]
pub(in crate::pages) mod tests;

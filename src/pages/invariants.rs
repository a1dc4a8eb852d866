//! The numbered invariants, checked.
//!
//! [`Tree::check`] looks at everything; a zeal build calls it after every 64th change, and
//! [`Tree::check_path`], which looks at the changed chunks and what is above them, after each.
//! A broken invariant is a bug of ours or a host that writes over our metadata: one line, abort.
use super::geometry::*;
use super::store::Checks;
use super::summary::Summary;
use super::tree::{Counts, Tree};
use crate::ground::fatal;

macro_rules! hold {
    ($true:expr, $($text:tt)*) => {
        if !$true {
            fatal::die(format_args!("internal error: {}", format_args!($($text)*)));
        }
    };
}

impl<C: Checks> Tree<C> {
    /// Called at the end of each change of `first .. first+n`.
    #[inline(always)]
    pub(super) fn after_change(&mut self, first: Page, n: usize) {
        if cfg!(feature = "zeal") {
            self.check_path(first, n);
            self.changes += 1;
            if self.changes.is_multiple_of(64) {
                self.check();
            }
        }
    }

    /// PA2 for the chunks of a range and for all that is above them; PA3's first half.
    pub fn check_path(&self, first: Page, n: usize) {
        let last = first.plus(n - 1);
        for chunk in first.chunk()..=last.chunk() {
            self.check_leaf(chunk);
        }
        for level in (0..LEAF).rev() {
            for index in first.entry(level)..=last.entry(level) {
                self.check_entry(level, index);
            }
        }
        self.check_search();
    }

    fn peek(&self, level: usize, index: usize) -> Summary {
        match level {
            0 => self.store.root()[index],
            _ => self.store.peek_block(level, index / FAN)[index % FAN],
        }
    }
    fn check_leaf(&self, chunk: usize) {
        let (is, should) = (self.peek(LEAF, chunk), self.store.peek_chunk(chunk).summary());
        hold!(is == should, "PA2: summary of chunk {chunk:#x} is {is:?}, should be {should:?}");
    }
    fn check_entry(&self, level: usize, index: usize) {
        let children = self.store.peek_block(level + 1, index);
        let (is, should) = (self.peek(level, index), Summary::merge(children, log_pages(level + 1)));
        hold!(is == should, "PA2: level {level} entry {index:#x} is {is:?}, should be {should:?}");
    }
    fn check_search(&self) {
        let at = self.search.get();
        let fine = at == Page::END || self.in_use.contains(at.0);
        hold!(fine, "PA3: the search address {:?} is not in use", at.addr());
    }

    /// Everything: PA2, PA3, PA7, PA9, PA15, PA16 and the range set's own.
    pub fn check(&self) {
        self.in_use.check();
        self.check_search();
        let mut counts = Counts::default();
        for range in self.in_use.as_slice() {
            hold!(
                Page(range.lo).index() == 0 && Page(range.hi).index() == 0,
                "PA15: in-use range {range:x?} is not whole chunks"
            );
            counts.mapped += range.hi - range.lo;
        }
        for (number, entry) in self.store.root().iter().enumerate() {
            if self.store.has_tract(number) {
                self.check_tract(number, &mut counts);
            } else {
                hold!(entry.is_none(), "PA2: entry of absent tract {number:#x} is {entry:?}");
            }
        }
        hold!(self.counts == counts, "PA7: {:?}, should be {counts:?}", self.counts);
    }

    fn check_tract(&self, number: usize, counts: &mut Counts) {
        for chunk in number * TRACT_CHUNKS..(number + 1) * TRACT_CHUNKS {
            self.check_leaf(chunk);
            if !self.peek(LEAF, chunk).is_none() {
                self.check_chunk(chunk, counts);
            }
        }
        for level in (0..LEAF).rev() {
            let entries = 1 << (LOG_FAN * level);
            for index in number * entries..(number + 1) * entries {
                self.check_entry(level, index);
            }
        }
    }

    /// A chunk with free pages.
    fn check_chunk(&self, chunk: usize, counts: &mut Counts) {
        let (bits, base) = (self.store.peek_chunk(chunk), Page::of_chunk(chunk));
        hold!(self.in_use.contains(base.0), "PA15: chunk {chunk:#x} is free and not in use");
        counts.free += bits.free_pages();
        counts.released += bits.released_pages();
        for index in 0..CHUNK_PAGES {
            let (free, released) = (bits.is_free(index), bits.is_released(index));
            let page = base.plus(index);
            hold!(free || !released, "PA9: page {:?} is released and not free", page.addr());
            hold!(
                !free || page >= self.search.get(),
                "PA3: free page {:?} is below the search address",
                page.addr()
            );
            hold!(
                !free || released || page < self.resident_end,
                "PA16: resident free page {:?} is above the scavenger's place",
                page.addr()
            );
        }
    }
}

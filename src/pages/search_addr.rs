//! The search address: below it no page of the heap is free.
//!
//! It is a hint that prunes. Too low is only slow; too high loses memory or leads a search
//! past what a summary promised; *not mapped* reads metadata that does not exist. The Go
//! runtime kept the last rule by reasoning at each place that wrote the address, and broke it
//! three times (allocation, cache fill, the candidate of a search). So here the address is
//! private to this file, and its **one setter** rounds every candidate up to the next page that
//! is really in the heap, by the set of in-use ranges, or to [`Page::END`]: "nothing is free".
//!
//! Rounding up skips address space without pages of ours, so it cannot skip a free page.
//!
//! Invariant PA3: it is in use or `END`, and no page below it is free.
use super::extents::Extents;
use super::geometry::Page;

/// How candidates are treated. There is a choice only so that a test can show what happens
/// without the rounding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounding {
    ToMapped,
    /// A bug: the candidate is taken as it is.
    #[cfg(test)]
    Trusting,
}

pub struct SearchAddr {
    at: Page,
    rounding: Rounding,
}

impl SearchAddr {
    pub const fn new(rounding: Rounding) -> SearchAddr {
        SearchAddr { at: Page::END, rounding }
    }
    #[inline(always)]
    pub fn get(&self) -> Page {
        self.at
    }

    /// The one writer.
    fn set<const N: usize>(&mut self, candidate: Page, in_use: &Extents<N>) {
        self.at = match self.rounding {
            Rounding::ToMapped => in_use.at_or_above(candidate.0).map_or(Page::END, Page),
            #[cfg(test)]
            Rounding::Trusting => candidate,
        };
    }
    /// Pages at `to` became free.
    pub fn lower<const N: usize>(&mut self, to: Page, in_use: &Extents<N>) {
        if to < self.at {
            self.set(to, in_use);
        }
    }
    /// No page below `to` is free.
    pub fn raise<const N: usize>(&mut self, to: Page, in_use: &Extents<N>) {
        if to > self.at {
            self.set(to, in_use);
        }
    }
    /// The in-use set shrank.
    pub fn revise<const N: usize>(&mut self, in_use: &Extents<N>) {
        self.set(self.at, in_use);
    }
}

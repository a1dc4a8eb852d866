//! Spans with marked objects that are still to be scanned, first come, first served.
//!
//! A ring with a place for every span of the heap: a span is in it at most once (its header in
//! `bits` says so), so it cannot overflow, however many objects wait. That the oldest goes first is the
//! point: while a span waits, more of its objects are marked, and then they are scanned in the
//! order of their addresses. When the ring runs empty it begins anew at its start, so a list of
//! objects, which never has more than one span waiting, stays in one cache line.
//!
//! # Safety
//! `first <= end`, `end - first <= mask + 1`, and the region holds `mask + 1` entries, of which those from
//! `first` to `end` (modulo) were written.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::pages::metadata;
use crate::pure::addr::Addr;
use crate::spans::Span;

pub struct Queue {
    entries: *mut &'static Span,
    first: usize,
    end: usize,
    mask: usize,
}

impl Queue {
    /// For at most `spans` spans. `None`: no memory.
    pub fn new(critical: &Critical, spans: usize) -> Option<Queue> {
        let capacity = spans.max(1).next_power_of_two();
        let at = metadata::map_region(critical, capacity * size_of::<&Span>())?;
        Some(Queue { entries: at.ptr(), first: 0, end: 0, mask: capacity - 1 })
    }
    #[inline(always)]
    pub fn push(&mut self, span: &'static Span) {
        debug_assert!(self.end - self.first <= self.mask, "each span is here once");
        // SAFETY: inside the ring.
        unsafe { self.entries.add(self.end & self.mask).write(span) };
        self.end += 1;
    }
    #[inline(always)]
    pub fn pop(&mut self) -> Option<&'static Span> {
        if self.first == self.end {
            (self.first, self.end) = (0, 0);
            return None;
        }
        // SAFETY: written by a push.
        let span = unsafe { *self.entries.add(self.first & self.mask) };
        self.first += 1;
        Some(span)
    }
    /// How many wait.
    #[inline(always)]
    pub fn waiting(&self) -> usize {
        self.end - self.first
    }
    /// The one that `ahead` pops will skip.
    #[inline(always)]
    pub fn peek(&self, ahead: usize) -> Option<&'static Span> {
        let at = self.first + ahead;
        // SAFETY: written by a push.
        (at < self.end).then(|| unsafe { *self.entries.add(at & self.mask) })
    }
    pub fn end(self, critical: &Critical) {
        let bytes = (self.mask + 1) * size_of::<&Span>();
        // SAFETY: mapped in `new`, used by nobody else.
        unsafe { metadata::unmap_region(critical, Addr::of(self.entries), bytes) };
    }
}

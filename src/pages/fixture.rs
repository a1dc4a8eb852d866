//! For tests: a system that does not exist, metadata that is watched, and a naive oracle.
//!
//! # Safety
//! Metadata comes from the test's allocator and goes when the [`Memory`] goes, which each
//! fixture declares after the tree that uses it.
#![allow(unsafe_code)]
use super::chunk::Content;
use super::fresh::Fresh;
use super::geometry::*;
use super::grow::{Backing, Refused};
use super::search_addr::Rounding;
use super::store::Checks;
use super::summary::Summary;
use super::tree::{Counts, Tree};
use crate::pure::addr::{Addr, PAGE_SHIFT};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};

/// Zeroed memory that a failing test can run out of. Outlive the trees that use it.
#[derive(Default)]
pub struct Memory {
    blocks: Vec<(*mut u8, Layout)>,
    /// Fails the call that counts this down to 0.
    pub fail_in: Option<usize>,
}

impl Memory {
    pub fn fails(&mut self) -> bool {
        let Some(left) = &mut self.fail_in else { return false };
        *left = left.saturating_sub(1);
        let now = *left == 0;
        if now {
            self.fail_in = None;
        }
        now
    }
    pub fn take(&mut self, bytes: usize) -> Option<Fresh> {
        if self.fails() {
            return None;
        }
        let layout = Layout::from_size_align(bytes, 4096).unwrap();
        // SAFETY: not of size 0; zeroed, page-aligned, told to nobody else; freed by `drop` only.
        unsafe {
            let at = alloc_zeroed(layout);
            self.blocks.push((at, layout));
            Some(Fresh::new(Addr::of(at), bytes))
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for &(at, layout) in &self.blocks {
            // SAFETY: from `alloc_zeroed` with this layout; each fixture declares its memory
            // after the tree that uses it, so the tree is gone.
            unsafe { dealloc(at, layout) };
        }
    }
}

/// PA6: reads of metadata that no growth has mapped fail the test. "Mapped" as strictly as in
/// a design where each block of eight is mapped by itself. `SOUND` = false takes the rounding
/// out of the search address's setter.
#[derive(Default)]
pub struct Watch<const SOUND: bool> {
    blocks: HashSet<(usize, usize)>,
    chunks: HashSet<usize>,
    pub reads: Cell<usize>,
}

impl<const SOUND: bool> Checks for Watch<SOUND> {
    const ROUNDING: Rounding = if SOUND { Rounding::ToMapped } else { Rounding::Trusting };

    fn reads_block(&self, level: usize, parent: usize) {
        self.reads.set(self.reads.get() + 1);
        assert!(self.blocks.contains(&(level, parent)), "PA6: level {level} parent {parent:#x}");
    }
    fn reads_chunk(&self, chunk: usize) {
        self.reads.set(self.reads.get() + 1);
        assert!(self.chunks.contains(&chunk), "PA6: chunk {chunk:#x}");
    }
    fn mapped(&mut self, lo: usize, hi: usize) {
        for chunk in lo..hi {
            self.chunks.insert(chunk);
            for level in 1..LEVELS {
                self.blocks.insert((level, Page::of_chunk(chunk).entry(level - 1)));
            }
        }
    }
}

/// An address space with the host's mappings in it.
#[derive(Default)]
pub struct Fake {
    pub memory: Memory,
    /// Pages that the host occupies: lo..hi.
    pub foreign: Vec<(usize, usize)>,
    /// Chunks mapped for the heap.
    pub mapped: HashSet<usize>,
    /// Chunks that may be mapped in all.
    pub limit: Option<usize>,
    /// Where `map_anywhere` goes next, downwards, as a kernel does.
    pub top: usize,
    pub hint: usize,
    pub calls: usize,
    /// Chunks that were made whole.
    pub whole: Vec<usize>,
}

impl Fake {
    pub fn new() -> Fake {
        Fake { top: 1 << 25, hint: 1 << 20, ..Fake::default() }
    }
    fn put(&mut self, at: Addr, bytes: usize) -> Result<(), Refused> {
        self.calls += 1;
        let (first, pages) = (Page::of(at), bytes >> PAGE_SHIFT);
        assert!(first.index() == 0 && pages.is_multiple_of(CHUNK_PAGES) && pages > 0);
        let chunks = first.chunk()..first.plus(pages).chunk();
        if self.memory.fails() || self.limit.is_some_and(|l| self.mapped.len() + chunks.len() > l) {
            return Err(Refused::NoMemory);
        }
        let end = first.0 + pages;
        if self.foreign.iter().any(|&(lo, hi)| lo < end && first.0 < hi)
            || chunks.clone().any(|c| self.mapped.contains(&c))
        {
            return Err(Refused::Occupied);
        }
        self.mapped.extend(chunks);
        Ok(())
    }
}

impl Backing for Fake {
    fn metadata(&mut self, bytes: usize) -> Option<Fresh> {
        self.memory.take(bytes)
    }
    fn map_at(&mut self, at: Addr, bytes: usize) -> Result<(), Refused> {
        self.put(at, bytes)
    }
    fn map_anywhere(&mut self, bytes: usize, _align: usize) -> Option<Addr> {
        let chunks = bytes >> (PAGE_SHIFT + LOG_CHUNK_PAGES);
        let at = Page::of_chunk(self.top - chunks - 1).addr();
        self.put(at, bytes).ok()?;
        self.top -= chunks + 1;
        Some(at)
    }
    fn unmap(&mut self, at: Addr, bytes: usize) -> bool {
        if self.memory.fails() {
            return false;
        }
        for chunk in Page::of(at).chunk()..Page::of(at.add(bytes)).chunk() {
            assert!(self.mapped.remove(&chunk), "unmapped twice");
        }
        true
    }
    fn first_hint(&mut self) -> Addr {
        Page::of_chunk(self.hint).addr()
    }
    fn whole(&mut self, at: Addr) {
        let chunk = Page::of(at);
        assert!(chunk.index() == 0 && self.mapped.contains(&chunk.chunk()));
        self.whole.push(chunk.chunk());
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Allocated,
    Resident,
    Released,
}

impl From<Content> for State {
    fn from(content: Content) -> State {
        match content {
            Content::Resident => State::Resident,
            Content::Released => State::Released,
        }
    }
}

/// One state per page; everything else is computed from scratch each time.
#[derive(Default)]
pub struct Oracle {
    pub chunks: BTreeMap<usize, Vec<State>>,
}

impl Oracle {
    pub fn grow(&mut self, first: Page, pages: usize) {
        for chunk in first.chunk()..first.plus(pages).chunk() {
            assert!(self.chunks.insert(chunk, vec![State::Released; CHUNK_PAGES]).is_none());
        }
    }
    pub fn state(&self, page: Page) -> Option<State> {
        self.chunks.get(&page.chunk()).map(|c| c[page.index()])
    }
    pub fn set(&mut self, first: Page, n: usize, to: State) {
        for (chunk, index, len) in pieces(first, n) {
            self.chunks.get_mut(&chunk).unwrap()[index..index + len].fill(to);
        }
    }
    /// Pages that were free become allocated; how many of them were released.
    pub fn take(&mut self, first: Page, n: usize) -> usize {
        let mut released = 0;
        for i in 0..n {
            let state = self.state(first.plus(i)).expect("a page outside the heap was handed out");
            assert_ne!(state, State::Allocated, "page {:?} has two owners", first.plus(i));
            released += (state == State::Released) as usize;
        }
        self.set(first, n, State::Allocated);
        released
    }
    pub fn pages(&self) -> impl Iterator<Item = (Page, State)> + '_ {
        self.chunks.iter().flat_map(|(&chunk, states)| {
            let base = Page::of_chunk(chunk);
            states.iter().enumerate().map(move |(i, &s)| (base.plus(i), s))
        })
    }
    /// All maximal runs of free pages: (first, pages).
    pub fn runs(&self) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = vec![];
        for (page, _) in self.pages().filter(|p| p.1 != State::Allocated) {
            match runs.last_mut() {
                Some((lo, n)) if *lo + *n == page.0 => *n += 1,
                _ => runs.push((page.0, 1)),
            }
        }
        runs
    }
    pub fn first_fit(&self, n: usize) -> Option<Page> {
        self.runs().into_iter().find(|r| r.1 >= n).map(|r| Page(r.0))
    }
    fn counts(&self) -> Counts {
        let count = |state| self.pages().filter(|p| p.1 == state).count();
        Counts {
            mapped: self.chunks.len() * CHUNK_PAGES,
            free: count(State::Resident) + count(State::Released),
            released: count(State::Released),
        }
    }
    /// What every non-zero summary of `level` should be, from the runs alone.
    fn summaries(&self, level: usize, runs: &[(usize, usize)]) -> BTreeMap<usize, (usize, usize, usize)> {
        let size = 1 << log_pages(level);
        let mut all = BTreeMap::new();
        for &(lo, n) in runs {
            let hi = lo + n;
            for entry in lo / size..=(hi - 1) / size {
                let (base, end) = (entry * size, (entry + 1) * size);
                let len = hi.min(end) - lo.max(base);
                let sum: &mut (usize, usize, usize) = all.entry(entry).or_default();
                sum.1 = sum.1.max(len);
                if lo <= base {
                    sum.0 = len;
                }
                if hi >= end {
                    sum.2 = len;
                }
            }
        }
        all
    }

    /// Compares everything: ranges, bitmaps, every summary, the search address, the counts.
    pub fn compare<C: Checks>(&self, tree: &Tree<C>) {
        let mut ranges: Vec<(usize, usize)> = vec![];
        for &chunk in self.chunks.keys() {
            let (lo, hi) = (Page::of_chunk(chunk).0, Page::of_chunk(chunk + 1).0);
            match ranges.last_mut() {
                Some(last) if last.1 == lo => last.1 = hi,
                _ => ranges.push((lo, hi)),
            }
        }
        let in_use: Vec<_> = tree.in_use.as_slice().iter().map(|e| (e.lo, e.hi)).collect();
        assert_eq!(in_use, ranges, "in-use ranges");
        for (&chunk, states) in &self.chunks {
            let bits = tree.store.peek_chunk(chunk);
            for (i, &state) in states.iter().enumerate() {
                let is = (bits.is_free(i), bits.is_released(i));
                let should = (state != State::Allocated, state == State::Released);
                assert_eq!(is, should, "chunk {chunk:#x} page {i} (free, released)");
            }
        }
        let runs = self.runs();
        for level in 0..LEVELS {
            self.compare_level(tree, level, &runs);
        }
        assert_eq!(tree.counts(), self.counts(), "PA7");
        let cut = runs.get(runs.len() / 2).map_or(Page::END, |run| Page(run.0 + 3));
        let below = self.pages().filter(|p| p.0 < cut && p.1 != State::Allocated).count();
        assert_eq!(tree.count_free(Page(0), cut), below, "free pages below {cut:?}");
        assert_eq!(tree.count_free(cut, Page::END), tree.counts().free - below, "free pages from {cut:?}");
        let at = tree.search.get();
        assert!(at == Page::END || self.state(at).is_some(), "PA3: {at:?} is not mapped");
        assert!(runs.first().is_none_or(|r| at.0 <= r.0), "PA3: free pages below {at:?}");
        let resident = self.pages().filter(|p| p.1 == State::Resident).last();
        assert!(resident.is_none_or(|(p, _)| p < tree.resident_end), "PA16");
    }

    fn compare_level<C: Checks>(&self, tree: &Tree<C>, level: usize, runs: &[(usize, usize)]) {
        let should = self.summaries(level, runs);
        let check = |index: usize, is: Summary| {
            let parts = (is.start(), is.max(), is.end());
            let should = should.get(&index).copied().unwrap_or_default();
            assert_eq!(parts, should, "PA2: level {level} entry {index:#x}");
        };
        let mut seen = 0;
        for (tract, &root) in tree.store.root().iter().enumerate() {
            if level == 0 {
                check(tract, root);
                seen += !root.is_none() as usize;
            } else if tree.store.has_tract(tract) {
                let parents = 1 << (LOG_FAN * (level - 1));
                for parent in tract * parents..(tract + 1) * parents {
                    for (i, &is) in tree.store.peek_block(level, parent).iter().enumerate() {
                        check(parent * FAN + i, is);
                        seen += !is.is_none() as usize;
                    }
                }
            }
        }
        assert_eq!(seen, should.len(), "PA2: level {level} lacks entries");
    }
}

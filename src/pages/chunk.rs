//! The leaves of the tree: 512 pages, two bits each.
//!
//! `free`: nobody has the page. `released`: the page is free *and* known to be without memory,
//! because it was never touched or was given back to the OS; it reads as zero when it is next
//! used. Both are 0 for address space that is not ours, so that a chunk which was never grown
//! agrees with its summary. (Go stores "allocated" instead, and so must never look at
//! bitmaps outside the heap.)
//!
//! Invariant C1: `released & !free == 0`.
use super::geometry::CHUNK_PAGES;
use super::summary::Summary;

const WORDS: usize = CHUNK_PAGES / 64;

/// What becomes of pages that are made free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// Backed by memory, with whatever was written last.
    Resident,
    /// Without memory; reads as zero.
    Released,
}

/// Where a search in one chunk found a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InChunk {
    pub run: usize,
    /// The first free page at or above the place where the search began.
    pub first_free: usize,
}

#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Chunk {
    free: [u64; WORDS],
    released: [u64; WORDS],
}

impl Default for Chunk {
    fn default() -> Self {
        Self::new()
    }
}

/// The words that `index .. index+n` touches, with the mask of its bits in each.
fn masks(index: usize, n: usize) -> impl Iterator<Item = (usize, u64)> {
    let end = index + n;
    (index / 64..end.div_ceil(64)).map(move |word| {
        let lo = index.max(word * 64) - word * 64;
        let hi = end.min(word * 64 + 64) - word * 64;
        (word, (u64::MAX >> (64 - (hi - lo))) << lo)
    })
}

/// Each bit of the result says that it and the `n - 1` bits above it are set in `word`.
#[inline]
pub fn runs_of(mut word: u64, n: usize) -> u64 {
    let (mut have, mut need) = (1, n - 1);
    while need > 0 {
        // `word` now marks runs of `have`: two of them side by side make one of twice that.
        let step = have.min(need);
        word &= word >> step;
        have += step;
        need -= step;
    }
    word
}

impl Chunk {
    pub const fn new() -> Chunk {
        Chunk { free: [0; WORDS], released: [0; WORDS] }
    }
    pub fn is_free(&self, index: usize) -> bool {
        self.free[index / 64] >> (index % 64) & 1 != 0
    }
    pub fn is_released(&self, index: usize) -> bool {
        self.released[index / 64] >> (index % 64) & 1 != 0
    }
    pub fn free_pages(&self) -> usize {
        self.free.iter().map(|w| w.count_ones() as usize).sum()
    }
    pub fn released_pages(&self) -> usize {
        self.released.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Makes the pages allocated. Returns how many of them were released ones.
    pub fn take(&mut self, index: usize, n: usize) -> usize {
        let mut released = 0;
        for (word, mask) in masks(index, n) {
            debug_assert!(self.free[word] & mask == mask);
            released += (self.released[word] & mask).count_ones() as usize;
            self.free[word] &= !mask;
            self.released[word] &= !mask;
        }
        released
    }
    /// Makes the pages free. Refuses, changing nothing, if one of them is free already.
    #[must_use]
    pub fn give(&mut self, index: usize, n: usize, content: Content) -> bool {
        if masks(index, n).any(|(word, mask)| self.free[word] & mask != 0) {
            return false;
        }
        for (word, mask) in masks(index, n) {
            self.free[word] |= mask;
            if content == Content::Released {
                self.released[word] |= mask;
            }
        }
        true
    }
    /// Takes all free pages of the aligned block of 64 that holds `index`: (free, released).
    pub fn take_block(&mut self, index: usize) -> (u64, u64) {
        let word = index / 64;
        (core::mem::take(&mut self.free[word]), core::mem::take(&mut self.released[word]))
    }
    /// Undoes [`Chunk::take_block`] for the pages that are left.
    #[must_use]
    pub fn give_block(&mut self, index: usize, free: u64, released: u64) -> bool {
        let word = index / 64;
        if self.free[word] & free != 0 || released & !free != 0 {
            return false;
        }
        self.free[word] |= free;
        self.released[word] |= released;
        true
    }

    /// The lowest run of `n` free pages that begins at or above `from`.
    pub fn find(&self, n: usize, from: usize) -> Option<InChunk> {
        let mut first_free = None;
        // Free pages that end at the border below the current word.
        let mut open = 0;
        for word in from / 64..WORDS {
            let mut bits = self.free[word];
            if word == from / 64 {
                bits &= u64::MAX << (from % 64);
            }
            if bits == 0 {
                open = 0;
                continue;
            }
            let at = word * 64;
            let first_free = *first_free.get_or_insert(at + bits.trailing_zeros() as usize);
            if open + bits.trailing_ones() as usize >= n {
                return Some(InChunk { run: at - open, first_free });
            }
            if bits == u64::MAX {
                open += 64;
                continue;
            }
            if n < 64 {
                let runs = runs_of(bits, n);
                if runs != 0 {
                    return Some(InChunk { run: at + runs.trailing_zeros() as usize, first_free });
                }
            }
            open = bits.leading_ones() as usize;
        }
        None
    }

    /// The highest run of pages below `below` that are free and backed by memory: (first, pages).
    pub fn last_resident(&self, below: usize) -> Option<(usize, usize)> {
        let resident = |word: usize| self.free[word] & !self.released[word];
        let mut end = None;
        for word in (0..below.div_ceil(64)).rev() {
            let mut bits = resident(word);
            if below < word * 64 + 64 {
                bits &= u64::MAX >> (word * 64 + 64 - below);
            }
            let end = match end {
                // The run goes on below the border only if it reaches it.
                Some(end) if bits >> 63 == 0 => return Some((word * 64 + 64, end - word * 64 - 64)),
                Some(end) => end,
                None if bits == 0 => continue,
                None => *end.insert(word * 64 + 64 - bits.leading_zeros() as usize),
            };
            let top = end.min(word * 64 + 64) - word * 64;
            let ones = (bits << (64 - top)).leading_ones() as usize;
            if ones < top {
                return Some((word * 64 + top - ones, end - (word * 64 + top - ones)));
            }
        }
        end.map(|end| (0, end))
    }

    /// How many released pages lie side by side right below `index`.
    pub fn released_before(&self, index: usize) -> usize {
        (0..index).rev().take_while(|&i| self.is_released(i)).count()
    }
    /// The same from `index` on.
    pub fn released_from(&self, index: usize) -> usize {
        (index..CHUNK_PAGES).take_while(|&i| self.is_released(i)).count()
    }

    /// What the leaf level says of this chunk.
    pub fn summary(&self) -> Summary {
        let Some(first) = self.free.iter().position(|&w| w != 0) else { return Summary::NONE };
        let mut start = 0;
        if first == 0 {
            let whole = self.free.iter().take_while(|&&w| w == u64::MAX).count();
            start = whole * 64 + self.free.get(whole).map_or(0, |w| w.trailing_ones() as usize);
        }
        // First the runs that touch a border of words; what is longer than 62 does.
        let (mut open, mut max) = (0, start);
        for &bits in &self.free[first..] {
            max = max.max(open + bits.trailing_ones() as usize);
            open = if bits == u64::MAX { open + 64 } else { bits.leading_ones() as usize };
        }
        max = max.max(open);
        // Then the runs inside words, where they can still beat that.
        for &bits in &self.free[first..] {
            if (bits.count_ones() as usize) <= max || max >= 62 {
                continue;
            }
            let mut longer = runs_of(bits, max + 1);
            while longer != 0 {
                max += 1;
                longer &= longer >> 1;
            }
        }
        Summary::pack(start, max, open)
    }
}

#[cfg(test)]
mod tests;

//! The shape of the page allocator's tree, and the page number that everything in it counts in.
//!
//! | level | entries | an entry covers | its children |
//! |---|---|---|---|
//! | 0 (root) | 2^14 | 2^21 pages, 8 GiB (a *tract*) | one block of 8 |
//! | 1 | 2^17 | 2^18 pages, 1 GiB | one block of 8 |
//! | 2 | 2^20 | 2^15 pages, 128 MiB | one block of 8 |
//! | 3 | 2^23 | 2^12 pages, 16 MiB | one block of 8 |
//! | 4 (leaf) | 2^26 | 2^9 pages, 2 MiB (a *chunk*) | one bitmap of 512 bits |
//!
//! A chunk is exactly one huge page of x86-64; eight summaries are exactly one cache line.
use crate::pure::addr::{ADDR_BITS, Addr, PAGE_SHIFT};

pub const LEVELS: usize = 5;
pub const LEAF: usize = LEVELS - 1;
pub const LOG_CHUNK_PAGES: usize = 9;
/// Pages of a chunk: 512, 2 MiB.
pub const CHUNK_PAGES: usize = 1 << LOG_CHUNK_PAGES;
/// Entries of the root level.
pub const ROOT_ENTRIES: usize = 1 << 14;
/// log2 of the children of an entry.
pub const LOG_FAN: usize = 3;
pub const FAN: usize = 1 << LOG_FAN;
pub const LOG_TRACT_CHUNKS: usize = LOG_FAN * LEAF;
/// Chunks below one root entry: 4096.
pub const TRACT_CHUNKS: usize = 1 << LOG_TRACT_CHUNKS;
/// Pages of the whole address space; as a page number, "beyond all memory".
pub const SPACE_PAGES: usize = ROOT_ENTRIES * TRACT_CHUNKS * CHUNK_PAGES;

const _: () = assert!(SPACE_PAGES << PAGE_SHIFT == 1 << ADDR_BITS);

/// log2 of the pages that an entry of `level` covers: 21, 18, 15, 12, 9.
#[inline(always)]
pub const fn log_pages(level: usize) -> usize {
    LOG_CHUNK_PAGES + LOG_FAN * (LEAF - level)
}

/// A page of the address space by number: its address is `n * 4096`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(transparent)]
pub struct Page(pub usize);

impl Page {
    /// The end of the address space: no page of ours has this number or a higher one.
    pub const END: Page = Page(SPACE_PAGES);

    #[inline(always)]
    pub const fn of(at: Addr) -> Page {
        Page(at.0 >> PAGE_SHIFT)
    }
    #[inline(always)]
    pub const fn addr(self) -> Addr {
        Addr(self.0 << PAGE_SHIFT)
    }
    #[inline(always)]
    pub const fn plus(self, pages: usize) -> Page {
        Page(self.0 + pages)
    }
    /// The number of the chunk that holds the page.
    #[inline(always)]
    pub const fn chunk(self) -> usize {
        self.0 >> LOG_CHUNK_PAGES
    }
    /// The page's place in its chunk.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self.0 & (CHUNK_PAGES - 1)
    }
    /// The entry of `level` that covers the page.
    #[inline(always)]
    pub const fn entry(self, level: usize) -> usize {
        self.0 >> log_pages(level)
    }
    #[inline(always)]
    pub const fn of_chunk(chunk: usize) -> Page {
        Page(chunk << LOG_CHUNK_PAGES)
    }
}

/// The pages `first .. first+n`, chunk by chunk: (chunk, first index in it, pages in it).
pub fn pieces(first: Page, n: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let end = first.0 + n;
    let mut at = first;
    core::iter::from_fn(move || {
        if at.0 >= end {
            return None;
        }
        let len = (CHUNK_PAGES - at.index()).min(end - at.0);
        let piece = (at.chunk(), at.index(), len);
        at = at.plus(len);
        Some(piece)
    })
}

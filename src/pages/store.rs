//! Where summaries and bitmaps live: a root of 2^14 entries, and one *tract* below each entry
//! that covers memory of ours.
//!
//! A tract holds all metadata of 8 GiB of address space: 1 + 8 + 64 + 512 blocks of eight
//! summaries (36.6 KiB) and 4096 chunks (512 KiB), in one lazily populated mapping. The kernel
//! gives it memory page by page as it is touched: a heap of 2 MiB costs six pages.
//!
//! Rejected: reserving flat arrays for the whole address space, as Go does (585 MiB of
//! PROT_NONE, counted by `ulimit -v`; see docs/adr/0002-page-metadata-in-tracts.md). The price of tracts is one dependent
//! load on the way to a summary.
//!
//! The memory-safety rule of the tree: *a non-zero entry's children are mapped*. Only
//! addresses that come from the search address reach a child without passing its parent, which
//! is why [`super::search_addr`] lets in mapped addresses only.
//!
//! # Safety
//! Two promises that a type may be made of zero bytes; the references are made by
//! [`super::fresh`].
#![allow(unsafe_code)]
use super::chunk::Chunk;
use super::fresh::{Fresh, ZeroValid};
use super::geometry::*;
use super::search_addr::Rounding;
use super::summary::Summary;
use crate::ground::fatal;

type Block = [Summary; FAN];

/// Blocks of the levels above `level` in a tract.
const BLOCKS_ABOVE: [usize; LEVELS] = [0, 0, 1, 1 + 8, 1 + 8 + 64];
const TRACT_BLOCKS: usize = 1 + 8 + 64 + 512;

/// Valid when all bytes are zero: nothing is free.
#[repr(C, align(64))]
struct Tract {
    blocks: [Block; TRACT_BLOCKS],
    chunks: [Chunk; TRACT_CHUNKS],
}

/// Valid when all bytes are zero: nothing is free, no tract is there.
struct Root {
    entries: [Summary; ROOT_ENTRIES],
    tracts: [Option<&'static mut Tract>; ROOT_ENTRIES],
}

/// What tests may want to know and to change: production uses [`Plain`], where all of it
/// compiles to nothing.
pub trait Checks {
    /// How the search address treats candidates. Anything but the default is a bug to be caught.
    const ROUNDING: Rounding = Rounding::ToMapped;
    /// The children of `parent` (an entry of `level - 1`) are about to be read.
    fn reads_block(&self, _level: usize, _parent: usize) {}
    /// A chunk's bitmaps are about to be read.
    fn reads_chunk(&self, _chunk: usize) {}
    /// The chunks `lo..hi` belong to the heap from now on.
    fn mapped(&mut self, _lo: usize, _hi: usize) {}
}

#[derive(Default)]
pub struct Plain;
impl Checks for Plain {}

pub struct Store<C> {
    root: Option<&'static mut Root>,
    pub checks: C,
}

// SAFETY: integers; `Option<&mut _>` is `None` when zero.
unsafe impl ZeroValid for Root {}
// SAFETY: integers.
unsafe impl ZeroValid for Tract {}

impl<C: Checks> Store<C> {
    pub const fn new(checks: C) -> Self {
        Store { root: None, checks }
    }

    /// Makes room for the summaries and bitmaps of the chunks `lo..hi`. `None` when `metadata`
    /// has no more; what was made till then stays and does no harm.
    pub fn prepare(
        &mut self,
        lo: usize,
        hi: usize,
        metadata: &mut dyn FnMut(usize) -> Option<Fresh>,
    ) -> Option<()> {
        let root = match &mut self.root {
            Some(root) => root,
            none => none.insert(metadata(size_of::<Root>())?.into_ref()),
        };
        for tract in &mut root.tracts[lo / TRACT_CHUNKS..=(hi - 1) / TRACT_CHUNKS] {
            if tract.is_none() {
                *tract = Some(metadata(size_of::<Tract>())?.into_ref());
            }
        }
        Some(())
    }

    fn tract(&self, number: usize) -> &Tract {
        match self.root.as_ref().and_then(|root| root.tracts.get(number)) {
            Some(Some(tract)) => tract,
            _ => absent(number),
        }
    }
    fn tract_mut(&mut self, number: usize) -> &mut Tract {
        match self.root.as_mut().and_then(|root| root.tracts.get_mut(number)) {
            Some(Some(tract)) => tract,
            _ => absent(number),
        }
    }
    /// Whether the chunks below a root entry have metadata.
    pub fn has_tract(&self, number: usize) -> bool {
        self.root.as_ref().is_some_and(|root| root.tracts[number].is_some())
    }

    /// The root level; empty before the first growth.
    pub fn root(&self) -> &[Summary] {
        self.root.as_ref().map_or(&[], |root| &root.entries)
    }
    /// The children, at `level`, of the entry `parent` of the level above.
    #[inline]
    pub fn block(&self, level: usize, parent: usize) -> &Block {
        self.checks.reads_block(level, parent);
        self.peek_block(level, parent)
    }
    /// [`Store::block`] for the checker, which may look everywhere.
    #[inline]
    pub fn peek_block(&self, level: usize, parent: usize) -> &Block {
        let bits = LOG_FAN * (level - 1);
        let inner = parent & ((1 << bits) - 1);
        &self.tract(parent >> bits).blocks[BLOCKS_ABOVE[level] + inner]
    }
    #[inline]
    pub fn entry(&self, level: usize, index: usize) -> Summary {
        match level {
            0 => self.root()[index],
            _ => self.block(level, index / FAN)[index % FAN],
        }
    }
    #[inline]
    pub fn set_entry(&mut self, level: usize, index: usize, to: Summary) {
        if level == 0 {
            if let Some(root) = &mut self.root {
                root.entries[index] = to;
            }
            return;
        }
        let (parent, bits) = (index / FAN, LOG_FAN * (level - 1));
        let inner = parent & ((1 << bits) - 1);
        self.tract_mut(parent >> bits).blocks[BLOCKS_ABOVE[level] + inner][index % FAN] = to;
    }
    #[inline]
    pub fn chunk(&self, chunk: usize) -> &Chunk {
        self.checks.reads_chunk(chunk);
        self.peek_chunk(chunk)
    }
    /// [`Store::chunk`] for the checker, which may look everywhere.
    #[inline]
    pub fn peek_chunk(&self, chunk: usize) -> &Chunk {
        &self.tract(chunk / TRACT_CHUNKS).chunks[chunk % TRACT_CHUNKS]
    }
    #[inline]
    pub fn chunk_mut(&mut self, chunk: usize) -> &mut Chunk {
        self.checks.reads_chunk(chunk);
        &mut self.tract_mut(chunk / TRACT_CHUNKS).chunks[chunk % TRACT_CHUNKS]
    }
}

#[cold]
fn absent(tract: usize) -> ! {
    fatal::die(format_args!("internal error: PA6: page metadata of tract {tract} is not mapped"))
}

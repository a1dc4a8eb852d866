//! Copies of memory that must not be read in place, page by page past what refuses.
use super::RootError;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::sys::memory::{Memory, Refused};

/// What happened to a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Copied {
    pub bytes: usize,
    /// Pages that nobody could read.
    pub refused: usize,
    /// The first of them.
    pub first_refused: Option<Addr>,
}

/// A guarded reader with its buffer.
pub struct Reader<'a> {
    memory: &'a Memory,
    buffer: &'a mut [usize],
}

impl<'a> Reader<'a> {
    pub fn new(memory: &'a Memory, buffer: &'a mut [usize]) -> Reader<'a> {
        Reader { memory, buffer }
    }

    /// Copies `lo..hi` (word-aligned) in pieces and gives each to `each` with its home.
    pub fn read(
        &mut self,
        lo: Addr,
        hi: Addr,
        each: &mut dyn FnMut(Addr, &[usize]),
    ) -> Result<Copied, RootError> {
        const WORD: usize = size_of::<usize>();
        let (mut at, mut copied) = (lo, Copied::default());
        while at < hi {
            let words = (hi.since(at) / WORD).min(self.buffer.len());
            if words == 0 {
                break;
            }
            let buffer = &mut self.buffer[..words];
            match self.memory.read_words(at, buffer) {
                Ok(n) => {
                    each(at, &self.buffer[..n]);
                    copied.bytes += n * WORD;
                    at = at.add(n * WORD);
                }
                Err(Refused::Page) => {
                    copied.refused += 1;
                    copied.first_refused.get_or_insert(at);
                    at = at.align_down(PAGE_SIZE).add(PAGE_SIZE);
                }
                Err(Refused::Everything(e)) => return Err(RootError::NoReader(e)),
            }
        }
        Ok(copied)
    }
}

//! The walk down the tree for the lowest run of `n` free pages.
//!
//! At each level the entries of one block (at the root: all that can matter) are scanned in
//! address order, with the free pages at the high edge of what was seen as the *open run*:
//! - open run + the entry's low edge is long enough: the run straddles entries. Done.
//! - the entry has such a run inside: descend into it.
//! - otherwise the open run becomes the entry's high edge (or grows by the whole entry).
//!
//! The order of the first two is what makes it *first* fit: a straddling run begins lower.
//!
//! While descending, the walk learns where the first free page of all can be. The *window*
//! begins as the whole address space and narrows to each entry with free pages inside it: it
//! follows the first such entry of each level, and freezes once the walk has to step past one.
//! When it froze high up, its lower end is the first address of a region of up to 8 GiB that
//! may begin with a hole: **not mapped**. That is how Go's issue 40191 came about; here only
//! the search address's setter uses the value, and it rounds up.
use super::geometry::*;
use super::store::Checks;
use super::tree::{Found, Tree, corrupt};

/// Inclusive range of pages that holds the first free page of all.
#[derive(Clone, Copy)]
struct Window {
    lo: usize,
    hi: usize,
}

impl Window {
    fn narrow(&mut self, lo: usize, hi: usize) {
        if self.lo <= lo && hi <= self.hi {
            *self = Window { lo, hi };
        } else if lo <= self.hi && self.lo <= hi {
            // Ranges of a tree are nested or apart.
            corrupt("windows overlap", Page(lo));
        }
    }
}

impl<C: Checks> Tree<C> {
    /// The lowest run of `n` free pages at or above the search address. Takes nothing.
    pub(super) fn find(&self, n: usize) -> Option<Found> {
        let mut window = Window { lo: 0, hi: SPACE_PAGES - 1 };
        let search = self.search.get();
        let root_end = self.in_use.as_slice().last().map_or(0, |e| Page(e.hi - 1).entry(0) + 1);
        let mut parent = 0;
        for level in 0..LEVELS {
            let entries = match level {
                0 => self.store.root().get(..root_end)?,
                _ => &self.store.block(level, parent)[..],
            };
            let log = log_pages(level);
            // Left of the search address nothing is free; that prunes where the path so far
            // has followed it.
            let pruned = search.entry(level);
            let first = parent * FAN;
            let begin = if level == 0 || pruned / FAN == parent { pruned - first } else { 0 };
            // The open run: where it begins and how many pages it has.
            let (mut base, mut size) = (0, 0);
            let mut inside = None;
            for (index, entry) in entries.iter().enumerate().skip(begin) {
                if entry.is_none() {
                    size = 0;
                    continue;
                }
                let at = (first + index) << log;
                window.narrow(at, at + (1 << log) - 1);
                let start = entry.start();
                if size + start >= n {
                    let run = Page(if size == 0 { at } else { base });
                    return Some(Found { run, first_free: Page(window.lo) });
                }
                if entry.max() >= n {
                    inside = Some(first + index);
                    break;
                }
                if size == 0 || start < 1 << log {
                    size = entry.end();
                    base = at + (1 << log) - size;
                } else {
                    size += 1 << log;
                }
            }
            match inside {
                Some(index) => parent = index,
                None if level == 0 => return None,
                None => corrupt("a summary promised a run inside", Page(parent << (log + LOG_FAN))),
            }
        }
        // `parent` is a chunk now.
        let base = Page::of_chunk(parent);
        let Some(hit) = self.store.chunk(parent).find(n, 0) else {
            corrupt("a summary promised a run in a chunk", base)
        };
        let first_free = base.0 + hit.first_free;
        window.narrow(first_free, first_free);
        Some(Found { run: base.plus(hit.run), first_free: Page(window.lo) })
    }
}

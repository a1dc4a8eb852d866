//! Large objects of the heap, page by page: only pages that exist, and guardedly where the host
//! took the permission to read away.
use super::guarded::Reader;
use super::snapshot::{Access, Work};
use super::{RootError, RootKind, RootVisitor, Snapshot, Words};
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::sys::memory::Memory;
use crate::sys::pagemap::{PageMap, Pages, Want};

/// What tells of this process's pages and reads them, opened once for many objects. Not to be taken along into a copy of the process.
pub struct Pagewise {
    map: PageMap,
    memory: Memory,
}
impl Pagewise {
    pub fn open() -> Pagewise {
        Pagewise { map: PageMap::open(), memory: Memory::open() }
    }
}

/// Shows what `lo..hi`, a range of whole pages of the heap, may hold.
pub fn visit_heap(
    by: &mut Pagewise,
    snapshot: &mut Snapshot,
    lo: Addr,
    hi: Addr,
    visitor: &mut dyn RootVisitor,
) -> Result<(), RootError> {
    let closed = snapshot.heap_access(lo, hi) == Access::Closed;
    visit_pages(by, snapshot, lo, hi, closed, visitor)
}

/// Shows what `lo..hi` may hold, whatever is mapped there, if anything is: by copies only. Words in pages that cannot be
/// read hold nothing.
pub fn visit_region(
    snapshot: &mut Snapshot,
    lo: Addr,
    hi: Addr,
    visitor: &mut dyn RootVisitor,
) -> Result<(), RootError> {
    const WORD: usize = size_of::<usize>();
    let (lo, hi) = (lo.align_up(WORD), hi.align_down(WORD));
    if lo >= hi {
        return Ok(());
    }
    match visit_pages(&mut Pagewise::open(), snapshot, lo, hi, true, visitor) {
        Err(RootError::Unreadable(_)) => Ok(()),
        other => other,
    }
}

fn visit_pages(
    by: &mut Pagewise,
    snapshot: &mut Snapshot,
    lo: Addr,
    hi: Addr,
    closed: bool,
    visitor: &mut dyn RootVisitor,
) -> Result<(), RootError> {
    let Work { regions, buffer, .. } = &mut snapshot.work;
    let Pagewise { map, memory } = by;
    let (regions, mut reader) = (regions.as_mut_slice(), Reader::new(memory, buffer.as_mut_slice()));
    let (mut at, end) = (lo.align_down(PAGE_SIZE), hi.align_up(PAGE_SIZE));
    while at < end {
        let (count, next) = map.scan(at, end, Want::Any, regions);
        for region in &regions[..count] {
            let (lo, hi) = (Addr(region.lo.max(lo.0)), Addr(region.hi.min(hi.0)));
            if !closed {
                visitor.words(Words { lo, hi, home: lo, kind: RootKind::Anonymous });
                continue;
            }
            let copied = reader.read(lo, hi, &mut |home, words| {
                let lo = Addr::of(words.as_ptr());
                let hi = lo.add(size_of_val(words));
                visitor.words(Words { lo, hi, home, kind: RootKind::Anonymous });
            })?;
            // Contents that exist and cannot be read: what they point to would look dead.
            match copied.first_refused {
                Some(at) if region.pages == Pages::PRESENT => return Err(RootError::Unreadable(at)),
                _ => {}
            }
        }
        at = next;
    }
    Ok(())
}

//! The walk: every root word is shown to the visitor.
use super::classify::Class;
use super::growing::Growing;
use super::guarded::Reader;
use super::snapshot::{Entry, Hole, List, Snapshot, Work};
use super::stacks::{self, Plan};
use super::stale;
use super::{DeadStack, RootError, RootKind, RootVisitor, StackInput, Words};
use crate::adopted;
use crate::ground::critical::Critical;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::sys::descriptors;
use crate::sys::maps::Perms;
use crate::sys::memory::Memory;
use crate::sys::pagemap::{PageMap, Pages, Region, Want, Way};
use crate::sys::pkeys::AllOpen;

/// Entries that are at most this far apart share one question to the page tables.
const NEAR: usize = 1 << 20;
/// Without page tables: address space that may be read page by page.
const BLIND_LIMIT: usize = 1 << 30;
const WORD: usize = size_of::<usize>();

/// What a visit read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Visited {
    /// Bytes read in place, and copied.
    pub in_place: usize,
    pub copied: usize,
    /// Pages that nobody can read.
    pub refused: usize,
    /// Cached stacks of dead threads, passed over.
    pub cached_stacks: usize,
}

/// Shows every root to `visitor`: registers and stacks first, then memory by address.
///
/// The world is stopped; `snapshot` was taken since. `stacks` names every live thread (the
/// caller's own, too), `dead` the stacks that glibc may hold.
pub fn visit(
    critical: &Critical,
    snapshot: &mut Snapshot,
    stacks: &[StackInput<'_>],
    dead: &[DeadStack],
    visitor: &mut dyn RootVisitor,
) -> Result<Visited, RootError> {
    visit_by(Way::ScanGuards, critical, snapshot, stacks, dead, visitor)
}

/// [`visit`], reading the page tables `way`.
pub(super) fn visit_by(
    way: Way,
    critical: &Critical,
    snapshot: &mut Snapshot,
    stacks: &[StackInput<'_>],
    dead: &[DeadStack],
    visitor: &mut dyn RootVisitor,
) -> Result<Visited, RootError> {
    let _open = AllOpen::new();
    let Snapshot { list, work: Work { holes, regions, buffer }, .. } = snapshot;
    if !holes.reserve_cleared(critical, stacks.len() + dead.len() + stale::MOST) {
        return Err(RootError::NoMemory);
    }
    let memory = Memory::open();
    let reader = Reader::new(&memory, buffer.as_mut_slice());
    let mut walk = Walk {
        list,
        reader,
        visitor,
        blind: None,
        faults_are_the_kernels: false,
        within: None,
        done: Visited::default(),
    };
    for stack in stacks {
        walk.live(stack, holes);
    }
    for stack in dead {
        walk.dead(stack, holes)?;
    }
    stale::each(|at| Walk::hole(holes, at, at.add(WORD)));
    stacks::settle(holes);
    let entries = walk.list.entries.as_slice();
    let which = if walk.list.gathered { Which::Private } else { Which::All };
    walk.memory(&mut PageMap::open_way(way), entries, holes.as_slice(), regions.as_mut_slice(), which)?;
    Ok(walk.done)
}

/// Shows what is in shared memory, the only memory that a copy of this process does not have as it is now; [`visit`]
/// then leaves it out until the list is taken again.
pub fn visit_shared(snapshot: &mut Snapshot, visitor: &mut dyn RootVisitor) -> Result<(), RootError> {
    let _open = AllOpen::new();
    let Snapshot { list, work: Work { regions, buffer, .. }, .. } = snapshot;
    list.gathered = true;
    let memory = Memory::open();
    let reader = Reader::new(&memory, buffer.as_mut_slice());
    let done = Visited::default();
    let mut walk =
        Walk { list, reader, visitor, blind: None, faults_are_the_kernels: false, within: None, done };
    let entries = walk.list.entries.as_slice();
    walk.memory(&mut PageMap::open(), entries, &[], regions.as_mut_slice(), Which::Shared)
}

/// What was learnt of the page tables for the adopted ranges that were read last: small ones lie side by
/// side, and a question to the kernel costs as much as reading a page.
pub struct Nearby {
    map: PageMap,
    memory: Memory,
    /// Asking the processor whether it has keys costs microseconds under a hypervisor: once.
    _open: AllOpen,
    seen: Seen,
}

/// The regions of `lo..hi` are in the snapshot's room, so many.
#[derive(Default)]
struct Seen {
    lo: usize,
    hi: usize,
    count: usize,
}

/// Bytes that are asked about at a time.
const WINDOW: usize = 256 << 10;

impl Nearby {
    pub fn new() -> Nearby {
        Nearby { map: PageMap::open(), memory: Memory::open(), _open: AllOpen::new(), seen: Seen::default() }
    }
    /// Somebody else used the room.
    pub fn forget(&mut self) {
        self.seen = Seen::default();
    }
}

impl Seen {
    /// Asks about the window of `lo` in `entry`, unless that was done.
    fn ask(&mut self, map: &mut PageMap, entry: &Entry, lo: usize, regions: &mut [Region]) {
        if self.lo <= lo && lo < self.hi {
            return;
        }
        let from = (lo & !(WINDOW - 1)).max(entry.lo);
        let to = ((lo & !(WINDOW - 1)) + WINDOW).min(entry.hi);
        let want = if entry.class.modified_only() { Want::Modified } else { Want::Any };
        let (count, next) = map.scan(Addr(from), Addr(to), want, regions);
        (self.lo, self.hi, self.count) = (from, next.0.min(to), count);
    }
}

impl Default for Nearby {
    fn default() -> Nearby {
        Nearby::new()
    }
}

/// Shows what the adopted range `lo..hi` holds, as far as it is mapped and may hold a pointer. The world is
/// stopped, and the list is of now.
pub fn visit_adopted(
    nearby: &mut Nearby,
    snapshot: &mut Snapshot,
    (lo, hi): (Addr, Addr),
    visitor: &mut dyn RootVisitor,
) -> Result<(), RootError> {
    let Snapshot { list, work: Work { regions, buffer, .. }, .. } = snapshot;
    let Nearby { map, memory, seen, .. } = nearby;
    let (regions, reader) = (regions.as_mut_slice(), Reader::new(memory, buffer.as_mut_slice()));
    let all = list.entries.as_slice();
    let from = all.partition_point(|e| e.hi <= lo.0);
    let within = Some((lo.0, hi.0));
    let done = Visited::default();
    let mut walk = Walk { list, reader, visitor, blind: None, faults_are_the_kernels: false, within, done };
    for entry in all[from..].iter().take_while(|e| e.lo < hi.0) {
        if entry.class == Class::Whole {
            walk.part(entry, entry.lo, entry.hi, Pages::PRESENT, &[])?;
            continue;
        }
        let (mut at, end) = (entry.lo.max(lo.align_down(PAGE_SIZE).0), entry.hi.min(hi.0));
        while at < end {
            seen.ask(map, entry, at, regions);
            if map.way() == Way::Blind {
                walk.blind.get_or_insert(0);
            }
            let known = &regions[..seen.count];
            let first = known.partition_point(|r| r.hi <= at);
            for region in known[first..].iter().take_while(|r| r.lo < end) {
                walk.part(entry, region.lo.max(at), region.hi.min(end), region.pages, &[])?;
            }
            at = seen.hi.max(at + PAGE_SIZE);
        }
    }
    Ok(())
}

/// Which entries are walked. No group of them has both sorts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Private,
    Shared,
}
impl Which {
    fn has(self, entry: &Entry) -> bool {
        self == Which::All || entry.perms.has(Perms::SHARED) == (self == Which::Shared)
    }
}

struct Walk<'a> {
    list: &'a List,
    reader: Reader<'a>,
    visitor: &'a mut dyn RootVisitor,
    /// Bytes read without knowing whether anything is there, if that is how we read.
    blind: Option<usize>,
    /// The question about userfaultfd was answered with no.
    faults_are_the_kernels: bool,
    /// The adopted range that is read; else all that is not adopted.
    within: Option<(usize, usize)>,
    done: Visited,
}

impl Walk<'_> {
    fn in_place(&mut self, lo: Addr, hi: Addr, kind: RootKind) {
        let (lo, hi) = (lo.align_up(WORD), hi.align_down(WORD));
        if lo < hi {
            self.done.in_place += hi.since(lo);
            self.visitor.words(Words { lo, hi, home: lo, kind });
        }
    }

    /// Shows a few values as if they were in memory.
    fn values(&mut self, values: &[usize], kind: RootKind) {
        let lo = Addr::of(values.as_ptr());
        self.visitor.words(Words { lo, hi: lo.add(size_of_val(values)), home: lo, kind });
    }

    /// Holes never run out of room: one a thread was reserved, and those of stale words.
    fn hole(holes: &mut Growing<Hole>, lo: Addr, hi: Addr) {
        let fitted = holes.push(Hole { lo: lo.0, hi: hi.0 });
        debug_assert!(fitted);
    }

    fn live(&mut self, stack: &StackInput<'_>, holes: &mut Growing<Hole>) {
        for &(lo, hi) in stack.areas {
            self.in_place(lo, hi, RootKind::Registers);
        }
        // A stack that the host took from our heap is alive as a whole.
        let sp = stack.sp.0;
        self.values(&[sp, sp.saturating_add(stacks::RED_ZONE)], RootKind::Registers);
        match stacks::plan(self.list, stack) {
            Plan::Within { lo, from, hi } => {
                Self::hole(holes, lo, hi);
                let list = self.list;
                stacks::readable_parts(list, from, hi, &mut |lo, hi| self.in_place(lo, hi, RootKind::Stack));
            }
            Plan::Main { lo, from } => Self::hole(holes, lo, from),
            Plan::Ordinary { base: Some(base) } => self.values(&[base.0], RootKind::Registers),
            Plan::Ordinary { base: None } => {}
        }
    }

    fn dead(&mut self, dead: &DeadStack, holes: &mut Growing<Hole>) -> Result<(), RootError> {
        let reader = &mut self.reader;
        let word = &mut |at: Addr| {
            let mut word = None;
            reader.read(at, at.add(WORD), &mut |_, words| word = words.first().copied())?;
            Ok(word)
        };
        if !stacks::is_cached(self.list, dead, word)? {
            return Ok(());
        }
        let (lo, hi) = stacks::live_part(dead, word)?;
        self.done.cached_stacks += 1;
        Self::hole(holes, dead.lo, dead.hi);
        self.copied(lo, hi, RootKind::DeadThread)?;
        Ok(())
    }

    /// Shows a copy of `lo..hi`; returns the first page that was refused.
    fn copied(&mut self, lo: Addr, hi: Addr, kind: RootKind) -> Result<Option<Addr>, RootError> {
        let visitor = &mut *self.visitor;
        let copied = self.reader.read(lo.align_up(WORD), hi.align_down(WORD), &mut |home, words| {
            let lo = Addr::of(words.as_ptr());
            visitor.words(Words { lo, hi: lo.add(size_of_val(words)), home, kind });
        })?;
        self.done.copied += copied.bytes;
        self.done.refused += copied.refused;
        Ok(copied.first_refused)
    }

    /// The memory of `entries`, but not the holes.
    fn memory(
        &mut self,
        map: &mut PageMap,
        entries: &[Entry],
        holes: &[Hole],
        regions: &mut [Region],
        which: Which,
    ) -> Result<(), RootError> {
        let mut rest = entries;
        while let Some((first, after)) = rest.split_first() {
            if !which.has(first) {
                rest = after;
                continue;
            }
            let alone = |class| class == Class::Whole;
            let ranges = matches!(map.way(), Way::ScanGuards | Way::Scan | Way::Entries);
            let together = |a: &Entry, b: &Entry| {
                ranges
                    && !alone(a.class)
                    && !alone(b.class)
                    && a.class.modified_only() == b.class.modified_only()
                    && b.lo - a.hi <= NEAR
            };
            let count = 1 + rest.windows(2).take_while(|w| together(&w[0], &w[1])).count();
            let (group, after) = rest.split_at(count);
            if alone(first.class) {
                self.part(first, first.lo, first.hi, Pages::PRESENT, holes)?;
            } else {
                self.group(map, group, holes, regions)?;
            }
            rest = after;
        }
        Ok(())
    }

    /// Entries of one sort, near to each other: their pages, by as few questions as possible.
    fn group(
        &mut self,
        map: &mut PageMap,
        group: &[Entry],
        holes: &[Hole],
        regions: &mut [Region],
    ) -> Result<(), RootError> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(()) };
        let want = if first.class.modified_only() { Want::Modified } else { Want::Any };
        let (mut at, end, mut entries) = (Addr(first.lo), Addr(last.hi), group);
        while at < end {
            let (n, next) = map.scan(at, end, want, regions);
            if map.way() == Way::Blind {
                self.blind.get_or_insert(0);
            }
            for region in &regions[..n] {
                while let [e, rest @ ..] = entries
                    && e.hi <= region.lo
                {
                    entries = rest;
                }
                for e in entries.iter().take_while(|e| e.lo < region.hi) {
                    self.part(e, e.lo.max(region.lo), e.hi.min(region.hi), region.pages, holes)?;
                }
            }
            at = next;
        }
        Ok(())
    }

    /// Pages of one entry, less the holes.
    fn part(
        &mut self,
        entry: &Entry,
        lo: usize,
        hi: usize,
        pages: Pages,
        holes: &[Hole],
    ) -> Result<(), RootError> {
        let (within, mut result) = (self.within, Ok(()));
        let mut show = |lo, hi| {
            if result.is_ok() {
                result = self.pages(entry, Addr(lo), Addr(hi), pages);
            }
        };
        match within {
            Some((from, to)) => show(lo.max(from), hi.min(to)),
            None => stacks::outside(holes, lo, hi, &mut |lo, hi| adopted::each_outside(lo, hi, &mut show)),
        }
        result
    }

    fn pages(&mut self, entry: &Entry, lo: Addr, hi: Addr, pages: Pages) -> Result<(), RootError> {
        let readable = entry.perms.has(Perms::READ);
        if readable && pages == Pages::PRESENT && entry.class.in_place() {
            self.in_place(lo, hi, entry.kind);
            return Ok(());
        }
        if pages != Pages::PRESENT {
            self.no_userfault()?;
        }
        if let Some(bytes) = &mut self.blind {
            *bytes += hi.since(lo);
            if *bytes > BLIND_LIMIT {
                return Err(RootError::TooMuch);
            }
        }
        let refused = self.copied(lo, hi, entry.kind)?;
        // Pages exist that the host could make readable again, and they are not.
        let hidden = !readable && pages.has(Pages::PRESENT) && entry.class == Class::Anonymous;
        match refused {
            Some(at) if hidden => Err(RootError::Unreadable(at)),
            _ => Ok(()),
        }
    }

    /// Reading a page that is not present may ask the host's own page fault handler, a thread
    /// that is stopped: for ever. Asked once a visit, if there are such pages at all.
    fn no_userfault(&mut self) -> Result<(), RootError> {
        if !self.faults_are_the_kernels {
            match descriptors::any(b"anon_inode:[userfaultfd]") {
                Ok(false) => self.faults_are_the_kernels = true,
                _ => return Err(RootError::Userfault),
            }
        }
        Ok(())
    }
}

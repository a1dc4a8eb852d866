//! The list of ranges to scan, as the kernel has it while the world is stopped.
use super::RootError;
use super::RootKind;
use super::classify::{Class, classify, is_plain};
use super::growing::Growing;
use super::kernel::Mapped;
use super::mappings::Reconcile;
use crate::adopted;
use crate::ground::critical::Critical;
use crate::pages::own;
use crate::pure::addr::Addr;
use crate::sys::maps::{self, Mapping, Perms};
use crate::sys::pagemap::{self, Region};

/// A range of the host's memory that may hold roots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub lo: usize,
    pub hi: usize,
    pub class: Class,
    pub kind: RootKind,
    pub perms: Perms,
    /// The kernel's `[stack]`: the main thread's.
    pub main_stack: bool,
}

/// What may be done with memory of the heap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Access {
    /// Nothing: read it through [`super::guarded::Reader`], or not at all.
    Closed,
    ReadOnly,
    ReadWrite,
}

/// Memory of ours that the host gave another protection, or mapped something over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Odd {
    lo: usize,
    hi: usize,
    access: Access,
}

/// A range of addresses that is not scanned as ordinary memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Hole {
    pub lo: usize,
    pub hi: usize,
}

/// What a snapshot found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Lines of the kernel's list.
    pub mappings: usize,
    /// Ranges to scan.
    pub ranges: usize,
    /// Their address space; most of it may hold no page.
    pub bytes: usize,
    /// New to the record of intercepted calls, and gone from it.
    pub escaped: usize,
    pub dropped: usize,
    /// There is shared memory, and pages of this machine are swapped out: pages of it may exist
    /// that nothing shows.
    pub shared_evictable: bool,
}

/// Lists and buffers of a cycle; about 3 MB of address space, populated as used. Kept from cycle
/// to cycle.
pub struct Snapshot {
    pub(super) list: List,
    pub(super) work: Work,
    text: Growing<u8>,
}

/// What [`Snapshot::take`] found.
pub(super) struct List {
    pub entries: Growing<Entry>,
    /// First what the kernel's list shows, then guard pages; each part sorted and disjoint.
    odd: Growing<Odd>,
    odd_listed: usize,
    /// What shared memory held was gathered: it is not shown again.
    pub gathered: bool,
    /// Some of our memory is shared, by the host's doing.
    heap_shared: bool,
    /// Rings of operations.
    mapped: Mapped,
}

/// Room for a visit.
pub(super) struct Work {
    pub holes: Growing<Hole>,
    pub regions: Growing<Region>,
    /// Copies of guarded pages.
    pub buffer: Growing<usize>,
}

/// Ranges at first: most processes have a few hundred mappings.
const ENTRIES: usize = 1 << 14;
const ODD: usize = 1 << 10;
const HOLES: usize = 1 << 10;
/// Runs of pages that are asked for at a time.
const REGIONS: usize = 512;
const TEXT: usize = 16 << 10;
const BUFFER: usize = (64 << 10) / size_of::<usize>();

impl Snapshot {
    /// The buffers, made before the stop.
    pub fn new(critical: &Critical) -> Option<Snapshot> {
        let list = List {
            entries: Growing::new(critical, ENTRIES)?,
            odd: Growing::new(critical, ODD)?,
            odd_listed: 0,
            gathered: false,
            heap_shared: false,
            mapped: Mapped::default(),
        };
        let work = Work {
            holes: Growing::new(critical, HOLES)?,
            regions: Growing::new(critical, REGIONS)?.filled(),
            buffer: Growing::new(critical, BUFFER)?.filled(),
        };
        Some(Snapshot { list, work, text: Growing::new(critical, TEXT)?.filled() })
    }

    /// Reads the kernel's list. The world must be stopped, or what is read may be stale.
    pub fn take(&mut self, critical: &Critical) -> Result<Summary, RootError> {
        let mut record = Reconcile::begin(critical);
        let list = &mut self.list;
        loop {
            let mut reading = Reading {
                record: &mut record,
                entries: &mut list.entries,
                odd: &mut list.odd,
                heap_shared: false,
                mapped: Mapped::default(),
                summary: Summary::default(),
                at: Addr::NULL,
                short: (0, 0),
            };
            list.odd_listed = reading.read(self.text.as_mut_slice())?;
            let (short, mut summary) = (reading.short, reading.summary);
            (list.gathered, list.heap_shared) = (false, reading.heap_shared);
            list.mapped = reading.mapped;
            if short == (0, 0) {
                (summary.escaped, summary.dropped) = record.finish();
                let evictable = list.entries.as_slice().iter().any(|e| e.perms.has(Perms::SHARED));
                summary.shared_evictable = evictable && pagemap::swap_in_use();
                return Ok(summary);
            }
            // Reading again is simpler than growing in the middle, which changes the list.
            let more = |len: usize, short: usize| (len + short) * 5 / 4;
            let (entries, odd) =
                (more(list.entries.as_slice().len(), short.0), more(list.odd.as_slice().len(), short.1));
            if !list.entries.reserve_cleared(critical, entries) || !list.odd.reserve_cleared(critical, odd) {
                return Err(RootError::NoMemory);
            }
            record.restart();
        }
    }

    /// For a look at what the kernel holds: the rings, and room for text.
    pub(super) fn for_kernel(&mut self) -> (Mapped, &mut [u8]) {
        (self.list.mapped, self.text.as_mut_slice())
    }

    /// Whether all of our memory is as we mapped it.
    pub fn heap_is_plain(&self) -> bool {
        self.list.odd.as_slice().is_empty()
    }

    /// Calls `each` with every range of the heap that the host made other than readable and
    /// writable, or took away.
    pub fn each_odd(&self, each: &mut dyn FnMut(Addr, Addr)) {
        self.list.odd.as_slice().iter().for_each(|o| each(Addr(o.lo), Addr(o.hi)));
    }

    /// Whether some of `lo..hi` is memory that other processes may write to.
    pub fn is_shared(&self, lo: Addr, hi: Addr) -> bool {
        let all = self.list.entries.as_slice();
        let from = all.partition_point(|e| e.hi <= lo.0);
        all[from..].iter().take_while(|e| e.lo < hi.0).any(|e| e.perms.has(Perms::SHARED))
    }

    /// Whether some of the heap is.
    pub fn heap_is_shared(&self) -> bool {
        self.list.heap_shared
    }

    /// Calls `each` with every range to scan.
    pub fn each_entry(&self, each: &mut dyn FnMut(usize, usize)) {
        self.list.entries.as_slice().iter().for_each(|e| each(e.lo, e.hi));
    }

    /// What may be done with `lo..hi`, a range of the heap: the least of its parts.
    pub fn heap_access(&self, lo: Addr, hi: Addr) -> Access {
        let least = |odd: &[Odd]| {
            let from = odd.partition_point(|o| o.hi <= lo.0);
            odd[from..].iter().take_while(|o| o.lo < hi.0).map(|o| o.access).min()
        };
        let (listed, guards) = self.list.odd.as_slice().split_at(self.list.odd_listed);
        least(listed).into_iter().chain(least(guards)).min().unwrap_or(Access::ReadWrite)
    }
}

impl List {
    /// The entry that holds `at`.
    pub(super) fn entry(&self, at: Addr) -> Option<Entry> {
        let all = self.entries.as_slice();
        let e = *all.get(all.partition_point(|e| e.lo <= at.0).checked_sub(1)?)?;
        (at.0 < e.hi).then_some(e)
    }
}

/// One reading of the list.
struct Reading<'s, 'r, 'c> {
    record: &'r mut Reconcile<'c>,
    entries: &'s mut Growing<Entry>,
    odd: &'s mut Growing<Odd>,
    heap_shared: bool,
    mapped: Mapped,
    summary: Summary,
    /// The end of the last line.
    at: Addr,
    /// Entries and odd ranges that found no room.
    short: (usize, usize),
}

impl Reading<'_, '_, '_> {
    /// Returns how many odd ranges the list itself showed.
    fn read(&mut self, text: &mut [u8]) -> Result<usize, RootError> {
        self.entries.clear();
        self.odd.clear();
        maps::for_each(text, &mut |m| self.line(m))?;
        self.unlisted(Addr(usize::MAX));
        if adopted::anything() {
            self.record.each_escaped(adopted::others_begin);
        }
        let listed = self.odd.as_slice().len();
        let (odd, short) = (&mut *self.odd, &mut self.short.1);
        self.record.guards(&mut |lo, hi| {
            *short += !odd.push(Odd { lo: lo.0, hi: hi.0, access: Access::Closed }) as usize;
        });
        self.summary.ranges = self.entries.as_slice().len();
        Ok(listed)
    }

    /// Splits a line into what is ours and what is the host's: the kernel merges neighbours.
    fn line(&mut self, m: &Mapping<'_>) {
        self.summary.mappings += 1;
        self.unlisted(m.lo);
        let mut at = m.lo;
        while at < m.hi {
            match own::next(at) {
                Some((lo, hi)) if lo <= at => {
                    let end = hi.min(m.hi);
                    if lo == at {
                        adopted::others_begin(at);
                    }
                    self.ours(at, end, m);
                    at = end;
                }
                next => {
                    let end = next.map_or(m.hi, |(lo, _)| lo.min(m.hi));
                    self.hosts(at, end, m);
                    at = end;
                }
            }
        }
        self.at = m.hi;
    }

    /// Nothing is mapped from the last line up to `end`: what is ours there, the host unmapped.
    fn unlisted(&mut self, end: Addr) {
        while self.at < end {
            let Some((lo, hi)) = own::next(self.at).filter(|&(lo, _)| lo < end) else { break };
            self.odd(lo.max(self.at), hi.min(end), Access::Closed);
            self.at = hi;
        }
    }

    fn odd(&mut self, lo: Addr, hi: Addr, access: Access) {
        if !self.odd.push(Odd { lo: lo.0, hi: hi.0, access }) {
            self.short.1 += 1;
        }
    }

    fn ours(&mut self, lo: Addr, hi: Addr, m: &Mapping<'_>) {
        if own::shared() == (lo, hi) {
            return;
        }
        self.heap_shared |= m.perms.has(Perms::SHARED);
        let read = m.perms.has(Perms::READ);
        let own_kind = m.inode == 0 && !m.perms.has(Perms::SHARED);
        let access = match (read && own_kind, m.perms.has(Perms::WRITE)) {
            (true, true) => return,
            (true, false) => Access::ReadOnly,
            (false, _) => Access::Closed,
        };
        self.odd(lo, hi, access);
    }

    fn hosts(&mut self, lo: Addr, hi: Addr, m: &Mapping<'_>) {
        let shared = m.perms.has(Perms::SHARED);
        self.record.seen(lo, hi, m.perms.bits() & 7, shared);
        if shared {
            self.mapped.note(m.name, m.inode);
        }
        if m.inode != 0 && m.perms.has(Perms::EXEC) {
            self.mapped.note_code(m.name);
        }
        if !is_plain(m) {
            self.record.strange(lo, hi);
        }
        let Some((class, kind)) = classify(m) else { return };
        let main_stack = m.name.starts_with(b"[stack]");
        let kind = match () {
            _ if main_stack => RootKind::Stack,
            // Made by a just-in-time compiler, or relocated.
            _ if m.perms.has(Perms::EXEC) => RootKind::Code,
            _ => kind,
        };
        let entry = Entry { lo: lo.0, hi: hi.0, class, kind, perms: m.perms, main_stack };
        self.summary.bytes += hi.since(lo);
        if !self.entries.push(entry) {
            self.short.0 += 1;
        }
    }
}

//! Which pages of a mapping hold anything: the page tables, asked through `/proc/thread-self/pagemap`.
//!
//! A mapping of a terabyte may hold three pages. Three ways to learn which, best first:
//! 1. the `PAGEMAP_SCAN` ioctl (kernel 6.7): runs of pages by category, holes skipped at the
//!    page tables' upper levels; 1 TiB of nothing takes some microseconds;
//! 2. reading the file: 8 bytes a page, holes too, so 2 GiB of zeroes for that terabyte; it is
//!    read in steps;
//! 3. `mincore`, where /proc is not ours to read (a process that changed its user id): tells
//!    pages in memory, so it will do as long as nothing is swapped out;
//! 4. nothing: every page must be taken for present, and read with care.
//!
//! A page that is *swapped* may also be a guard page, a poisoned page, or one under migration:
//! reading it directly might fault. Only *present* is a promise.
//!
//! # Safety
//! The ioctl's argument and its output array are live for the call.
#![allow(unsafe_code)]
use super::file::Fd;
use super::raw::{Errno, check, syscall1, syscall3};
use super::tasks;
use crate::pure::addr::{Addr, PAGE_SHIFT, PAGE_SIZE};

/// Categories of a run of pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct Pages(pub u64);

impl Pages {
    /// Belongs to a file or to shared memory (a private mapping: not modified).
    pub const FILE: Pages = Pages(1 << 2);
    /// In memory: reading it cannot fail.
    pub const PRESENT: Pages = Pages(1 << 3);
    /// Has an entry that is not a page in memory.
    pub const SWAPPED: Pages = Pages(1 << 4);
    /// The one zero page.
    pub const ZERO: Pages = Pages(1 << 5);
    /// Made unreadable by MADV_GUARD_INSTALL.
    pub const GUARD: Pages = Pages(1 << 8);

    pub const fn has(self, other: Pages) -> bool {
        self.0 & other.0 == other.0
    }
    const fn or(self, other: Pages) -> Pages {
        Pages(self.0 | other.0)
    }
}

/// A run of pages with the same categories. The kernel's `struct page_region`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Region {
    pub lo: usize,
    pub hi: usize,
    pub pages: Pages,
}

/// Which pages are wanted, of those present or swapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// Those that differ from a file's contents and from zero: private mappings.
    Modified,
    /// All: shared mappings.
    Any,
}

/// The kernel's `struct pm_scan_arg`.
#[repr(C)]
#[derive(Default)]
pub(super) struct ScanArg {
    pub size: u64,
    pub flags: u64,
    pub start: u64,
    pub end: u64,
    pub walk_end: u64,
    pub vec: u64,
    pub vec_len: u64,
    pub max_pages: u64,
    pub category_inverted: u64,
    pub category_mask: u64,
    pub category_anyof_mask: u64,
    pub return_mask: u64,
}
const _: () = assert!(size_of::<ScanArg>() == 96 && size_of::<Region>() == 24);
/// `_IOWR('f', 16, struct pm_scan_arg)`.
pub(super) const PAGEMAP_SCAN: usize = 0xC060_6610;

/// How the page tables are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// `PAGEMAP_SCAN` with the guard category (kernel 6.15).
    ScanGuards,
    /// `PAGEMAP_SCAN`.
    Scan,
    /// Entries of the file.
    Entries,
    /// `mincore`: one mapping at a time, no gaps. Regions say *present* and *swapped*: there is
    /// something, but it may be a guard page, and of a file it may be unmodified.
    Resident,
    /// Not at all.
    Blind,
}

/// An open page map. Descriptors are for the time while the world is stopped; see
/// [`super::maps::for_each`].
pub struct PageMap {
    fd: Option<Fd>,
    way: Way,
}

impl PageMap {
    /// Opens the best way there is.
    pub fn open() -> PageMap {
        Self::open_way(Way::ScanGuards)
    }

    /// Opens `way`, or a lesser one when the file cannot be opened.
    pub fn open_way(way: Way) -> PageMap {
        let fd = match way {
            Way::Resident | Way::Blind => None,
            _ => Fd::open(c"/proc/thread-self/pagemap", libc::O_RDONLY, 0).ok(),
        };
        let way = match (&fd, way) {
            (Some(_), _) | (None, Way::Blind) => way,
            (None, _) => without_file(),
        };
        PageMap { fd, way }
    }

    /// The way in use; may fall during the first [`PageMap::scan`].
    pub fn way(&self) -> Way {
        self.way
    }

    /// Finds wanted pages in `lo..hi` (whole pages), in rising order. Fills `out` from its start
    /// and returns how many regions it wrote, and the address up to which everything is told;
    /// the caller goes on from there until that is `hi`. Progress is certain: every call gets
    /// further than `lo`.
    pub fn scan(&mut self, lo: Addr, hi: Addr, want: Want, out: &mut [Region]) -> (usize, Addr) {
        debug_assert!(lo < hi && !out.is_empty());
        loop {
            let found = match (self.way, &self.fd) {
                (Way::ScanGuards, Some(fd)) => by_ioctl(fd, lo, hi, want, Pages::GUARD, out),
                (Way::Scan, Some(fd)) => by_ioctl(fd, lo, hi, want, Pages(0), out),
                (Way::Entries, Some(fd)) => by_entries(fd, lo, hi, want, out),
                (Way::Resident, _) => by_mincore(lo, hi, out),
                _ => return blind(lo, hi, out),
            };
            match found {
                Ok((n, end)) if end > lo => return (n, end),
                _ => self.fall(),
            }
        }
    }

    fn fall(&mut self) {
        self.way = match self.way {
            Way::ScanGuards => Way::Scan,
            Way::Scan => Way::Entries,
            Way::Entries => without_file(),
            Way::Resident | Way::Blind => Way::Blind,
        };
    }
}

/// Whether any page of this machine is swapped out. Then pages of shared memory may exist
/// without a trace in the page tables.
pub fn swap_in_use() -> bool {
    // SAFETY: all-zero is a valid sysinfo.
    let mut info: libc::sysinfo = unsafe { core::mem::zeroed() };
    // SAFETY: the kernel fills the struct.
    let asked = check(unsafe { syscall1(libc::SYS_sysinfo, &raw mut info as usize) });
    asked.is_err() || info.totalswap != info.freeswap
}

fn without_file() -> Way {
    // `mincore` is in no service manager's list of ordinary calls, and some lists kill.
    if swap_in_use() || tasks::filtered() { Way::Blind } else { Way::Resident }
}

/// Everything may hold anything, and may fault.
fn blind(lo: Addr, hi: Addr, out: &mut [Region]) -> (usize, Addr) {
    out[0] = Region { lo: lo.0, hi: hi.0, pages: Pages::SWAPPED };
    (1, hi)
}

fn by_ioctl(
    fd: &Fd,
    lo: Addr,
    hi: Addr,
    want: Want,
    guard: Pages,
    out: &mut [Region],
) -> Result<(usize, Addr), Errno> {
    // Wanted: all of `excluded` clear (mask with inversion), and any of present and swapped.
    let excluded = match want {
        Want::Modified => Pages::FILE.or(Pages::ZERO),
        Want::Any => Pages(0),
    };
    let mut arg = ScanArg {
        size: size_of::<ScanArg>() as u64,
        start: lo.0 as u64,
        end: hi.0 as u64,
        vec: out.as_mut_ptr() as u64,
        vec_len: out.len() as u64,
        category_inverted: excluded.0 | guard.0,
        category_mask: excluded.0 | guard.0,
        category_anyof_mask: Pages::PRESENT.or(Pages::SWAPPED).0,
        return_mask: Pages::PRESENT.or(Pages::SWAPPED).0,
        ..ScanArg::default()
    };
    // SAFETY: the kernel fills at most `vec_len` regions of the slice and the argument.
    let n =
        check(unsafe { syscall3(libc::SYS_ioctl, fd.raw() as usize, PAGEMAP_SCAN, &raw mut arg as usize) })?;
    Ok((n.min(out.len()), Addr((arg.walk_end as usize).min(hi.0))))
}

/// One batch of pages.
fn by_mincore(lo: Addr, hi: Addr, out: &mut [Region]) -> Result<(usize, Addr), Errno> {
    let (mut n, mut at, room) = (0, lo, out.len());
    let mut resident = [0u8; 1024];
    let pages = resident.len().min(hi.since(lo) >> PAGE_SHIFT);
    // SAFETY: the kernel writes one byte a page.
    check(unsafe { syscall3(libc::SYS_mincore, lo.0, pages << PAGE_SHIFT, resident.as_mut_ptr() as usize) })?;
    for byte in &resident[..pages] {
        let next = at.0 + PAGE_SIZE;
        if byte & 1 != 0 {
            match out[..n].last_mut().filter(|r| r.hi == at.0) {
                Some(last) => last.hi = next,
                None if n == room => break,
                None => {
                    out[n] = Region { lo: at.0, hi: next, pages: Pages::PRESENT.or(Pages::SWAPPED) };
                    n += 1;
                }
            }
        }
        at = Addr(next);
    }
    Ok((n, at))
}

/// Entries that are read at a time.
const ENTRIES: usize = 128;

/// One batch of entries, retold as regions.
fn by_entries(fd: &Fd, lo: Addr, hi: Addr, want: Want, out: &mut [Region]) -> Result<(usize, Addr), Errno> {
    let (mut n, mut at, room) = (0, lo, out.len());
    let mut bytes = [0u8; ENTRIES * 8];
    // Holes are passed over here, so that a caller gets something for every call.
    while at < hi && n < room {
        let pages = ENTRIES.min(hi.since(at) >> PAGE_SHIFT);
        let got = fd.read_at(&mut bytes[..pages * 8], (at.0 >> PAGE_SHIFT) as u64 * 8)? / 8;
        if got == 0 {
            return Err(Errno(libc::EIO));
        }
        for entry in bytes[..got * 8].chunks_exact(8) {
            let entry = u64::from_ne_bytes(entry.try_into().unwrap_or_default());
            if let Some(pages) = wanted(entry, want) {
                let next = at.0 + PAGE_SIZE;
                match out[..n].last_mut() {
                    Some(last) if last.hi == at.0 && last.pages == pages => last.hi = next,
                    _ if n == room => return Ok((n, at)),
                    _ => {
                        out[n] = Region { lo: at.0, hi: next, pages };
                        n += 1;
                    }
                }
            }
            at = at.add(PAGE_SIZE);
        }
    }
    Ok((n, at))
}

/// The categories of one entry of the file, if it is wanted. The zero page cannot be told from
/// others here (frame numbers are for the privileged), which costs time only.
fn wanted(entry: u64, want: Want) -> Option<Pages> {
    const PRESENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    const FILE: u64 = 1 << 61;
    const GUARD: u64 = 1 << 58;
    if entry & (PRESENT | SWAPPED) == 0 || entry & GUARD != 0 || (want == Want::Modified && entry & FILE != 0)
    {
        return None;
    }
    Some(if entry & PRESENT != 0 { Pages::PRESENT } else { Pages::SWAPPED })
}

#[cfg(test)]
mod tests;

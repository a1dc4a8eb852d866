//! One mapping of this process, by address: `PROCMAP_QUERY` (kernel 6.11), half a microsecond
//! beside the open. Older kernels have no cheap way; there the answer is "not known", and the
//! collector, which reads the whole list anyway, finds the mapping itself.
//!
//! # Safety
//! The kernel reads and fills one struct and, within its stated length, one name buffer.
#![allow(unsafe_code)]
use super::file::Fd;
use super::raw::{check, syscall3};
use crate::pure::addr::Addr;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    pub lo: Addr,
    pub hi: Addr,
    /// Readable, writable, executable, shared: bits 0 to 3.
    pub perms: u64,
    /// The kernel calls it `[stack]`.
    pub is_stack: bool,
}

/// `struct procmap_query`.
#[derive(Default)]
#[repr(C)]
struct Query {
    size: u64,
    flags: u64,
    addr: u64,
    start: u64,
    end: u64,
    perms: u64,
    page_size: u64,
    offset: u64,
    inode: u64,
    dev_major: u32,
    dev_minor: u32,
    name_size: u32,
    build_id_size: u32,
    name_addr: u64,
    build_id_addr: u64,
}
const _: () = assert!(size_of::<Query>() == 104);

/// `_IOWR('f', 17, struct procmap_query)`.
const PROCMAP_QUERY: usize = 3 << 30 | size_of::<Query>() << 16 | (b'f' as usize) << 8 | 17;

/// The kernel's list, open for questions.
pub struct Mappings(Fd);

impl Mappings {
    /// `/proc/self` is tried first: the kernel forgets the names below `thread-self` with each
    /// thread, which costs an ending thread half a millisecond. But it is the first thread's, and
    /// empty once that one has ended.
    pub fn open() -> Option<Mappings> {
        let own = Mappings(Fd::open(c"/proc/self/maps", libc::O_RDONLY, 0).ok()?);
        let here = 0u8;
        if own.around(Addr(&raw const here as usize)).is_some() {
            return Some(own);
        }
        Fd::open(c"/proc/thread-self/maps", libc::O_RDONLY, 0).ok().map(Mappings)
    }
    fn ask(&self, query: &mut Query) -> Option<()> {
        // SAFETY: both structs live; see the chapter above.
        check(unsafe {
            syscall3(libc::SYS_ioctl, self.0.raw() as usize, PROCMAP_QUERY, query as *mut Query as usize)
        })
        .ok()
        .map(|_| ())
    }
    /// The mapping that holds `at`, if there is one and the kernel can tell.
    pub fn around(&self, at: Addr) -> Option<Bounds> {
        let mut name = [0u8; 16];
        let mut query = Query {
            size: size_of::<Query>() as u64,
            addr: at.0 as u64,
            name_size: name.len() as u32,
            name_addr: name.as_mut_ptr() as u64,
            ..Query::default()
        };
        if self.ask(&mut query).is_none() {
            // A name longer than the buffer is an error too (ENAMETOOLONG).
            (query.name_size, query.name_addr) = (0, 0);
            self.ask(&mut query)?;
        }
        Some(Bounds {
            lo: Addr(query.start as usize),
            hi: Addr(query.end as usize),
            perms: query.perms & 15,
            is_stack: query.name_size > 0 && name.starts_with(b"[stack]\0"),
        })
    }
    /// Whether the byte below `edge` (at `below`) belongs to a mapping that nobody can access.
    pub fn is_guard(&self, below: Addr, edge: Addr) -> bool {
        self.around(below).is_some_and(|m| m.perms & 7 == 0 && m.hi == edge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_ours_is_found_or_nothing_is() {
        let local = 0u8;
        let Some(mappings) = Mappings::open() else { return };
        if let Some(m) = mappings.around(Addr(&raw const local as usize)) {
            assert!(m.lo.0 <= &raw const local as usize && (&raw const local as usize) < m.hi.0);
            assert_eq!(m.perms & 3, 3);
        }
        assert_eq!(mappings.around(Addr(0)), None);
    }
}

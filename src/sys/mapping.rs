//! One mapping of this process, by address: `PROCMAP_QUERY` (kernel 6.11), half a microsecond
//! beside the open. Older kernels have no cheap way; there [`Mappings::around`] says "not known",
//! and [`holding`] reads the text (0.4 µs a line).
//!
//! The text is not atomic, but a mapping that the caller is using does not vanish while it is read.
//!
//! # Safety
//! The kernel reads and fills one struct and, within its stated length, one name buffer.
#![allow(unsafe_code)]
use super::file::Fd;
use super::maps::{self, Perms};
use super::raw::{Errno, check, syscall3};
use crate::pure::addr::Addr;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    pub lo: Addr,
    pub hi: Addr,
    pub perms: Perms,
    pub offset: u64,
    /// 0 for anonymous memory.
    pub inode: u64,
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
pub(super) const PROCMAP_QUERY: usize = 3 << 30 | size_of::<Query>() << 16 | (b'f' as usize) << 8 | 17;

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
    /// The mapping that holds `at`, if there is one and the kernel can tell.
    pub fn around(&self, at: Addr) -> Option<Bounds> {
        self.ask(at).ok().flatten()
    }
    /// Whether the byte below `edge` (at `below`) belongs to a mapping that nobody can access.
    pub fn is_guard(&self, below: Addr, edge: Addr) -> bool {
        const ANY: u8 = Perms::READ.with(Perms::WRITE).with(Perms::EXEC).bits();
        self.around(below).is_some_and(|m| m.perms.bits() & ANY == 0 && m.hi == edge)
    }

    /// `Ok(None)`: the kernel knows that there is none. An error: it does not answer such questions.
    fn ask(&self, at: Addr) -> Result<Option<Bounds>, Errno> {
        let mut name = [0u8; 16];
        let mut query = Query {
            size: size_of::<Query>() as u64,
            addr: at.0 as u64,
            name_size: name.len() as u32,
            name_addr: name.as_mut_ptr() as u64,
            ..Query::default()
        };
        let mut answer = self.fill(&mut query);
        if answer == Err(Errno(libc::ENAMETOOLONG)) {
            (query.name_size, query.name_addr) = (0, 0);
            answer = self.fill(&mut query);
        }
        match answer {
            Ok(()) => Ok(Some(Bounds {
                lo: Addr(query.start as usize),
                hi: Addr(query.end as usize),
                perms: Perms::from_bits(query.perms as u8),
                offset: query.offset,
                inode: query.inode,
                is_stack: query.name_size > 0 && name.starts_with(b"[stack]\0"),
            })),
            Err(Errno(libc::ENOENT)) => Ok(None),
            Err(other) => Err(other),
        }
    }
    fn fill(&self, query: &mut Query) -> Result<(), Errno> {
        // SAFETY: both structs live; see the chapter above.
        check(unsafe {
            syscall3(libc::SYS_ioctl, self.0.raw() as usize, PROCMAP_QUERY, query as *mut Query as usize)
        })
        .map(|_| ())
    }
}

/// Whether the kernel answers questions about one mapping.
pub fn is_quick() -> bool {
    let here = 0u8;
    Mappings::open().is_some_and(|list| list.around(Addr(&raw const here as usize)).is_some())
}

/// The mapping that holds `at`, on any kernel. For slow paths: a thread's first stack, a module's
/// first sight.
pub fn holding(at: Addr) -> Option<Bounds> {
    match Mappings::open()?.ask(at) {
        Ok(found) => found,
        Err(_) => by_text(at),
    }
}

fn by_text(at: Addr) -> Option<Bounds> {
    let mut found = None;
    // A list that could be read in part only may still tell.
    let _: Result<(), maps::MapsError> = maps::for_each(&mut [0; 512], &mut |m| {
        if m.lo <= at && at < m.hi {
            let (lo, hi, perms, offset, inode) = (m.lo, m.hi, m.perms, m.offset, m.inode);
            found = Some(Bounds { lo, hi, perms, offset, inode, is_stack: m.name == b"[stack]" });
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_and_the_query_agree() {
        let local = 1u8;
        for addr in [&raw const local as usize, libc::malloc as *const () as usize] {
            let told = by_text(Addr(addr)).unwrap();
            let asked = holding(Addr(addr)).unwrap();
            assert!((told.lo.0..told.hi.0).contains(&addr) && told.perms.has(Perms::READ));
            // Between the two questions a test beside this one may change what lies around a stack.
            assert_eq!((told.offset, told.inode), (asked.offset, asked.inode));
            if let Some(quick) = Mappings::open().unwrap().around(Addr(addr)) {
                assert_eq!((quick.perms, quick.is_stack), (told.perms, told.is_stack));
            }
        }
        assert_eq!(holding(Addr(0x10)), None);
        assert_eq!(by_text(Addr(0x10)), None);
    }
}

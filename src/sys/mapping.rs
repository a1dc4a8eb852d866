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

/// The mapping that holds `at`, if there is one and the kernel can tell.
pub fn around(at: Addr) -> Option<Bounds> {
    let file = Fd::open(c"/proc/thread-self/maps", libc::O_RDONLY, 0).ok()?;
    let mut name = [0u8; 16];
    let mut query = Query {
        size: size_of::<Query>() as u64,
        addr: at.0 as u64,
        name_size: name.len() as u32,
        name_addr: name.as_mut_ptr() as u64,
        ..Query::default()
    };
    let ask = |query: &mut Query| {
        // SAFETY: both structs live; see the chapter above.
        check(unsafe {
            syscall3(libc::SYS_ioctl, file.raw() as usize, PROCMAP_QUERY, query as *mut Query as usize)
        })
    };
    if ask(&mut query).is_err() {
        // A name longer than the buffer is an error too (ENAMETOOLONG).
        (query.name_size, query.name_addr) = (0, 0);
        ask(&mut query).ok()?;
    }
    Some(Bounds {
        lo: Addr(query.start as usize),
        hi: Addr(query.end as usize),
        perms: query.perms & 15,
        is_stack: query.name_size > 0 && name.starts_with(b"[stack]\0"),
    })
}

/// Whether the byte below `edge` (at `below`) belongs to a mapping that nobody can access.
pub fn is_guard(below: Addr, edge: Addr) -> bool {
    around(below).is_some_and(|m| m.perms & 7 == 0 && m.hi == edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_ours_is_found_or_nothing_is() {
        let local = 0u8;
        if let Some(m) = around(Addr(&raw const local as usize)) {
            assert!(m.lo.0 <= &raw const local as usize && (&raw const local as usize) < m.hi.0);
            assert_eq!(m.perms & 3, 3);
        }
        assert_eq!(around(Addr(0)), None);
    }
}

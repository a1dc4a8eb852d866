//! The kernel's list of this process's mappings, for single questions: what holds this address?
//!
//! `PROCMAP_QUERY` where the kernel has it (6.11; 0.5 µs), else the text of `/proc/thread-self/maps`
//! (0.4 µs a line), read in pieces into a small buffer: callers may run on an 8 KiB signal
//! stack. Only slow paths ask: a thread's first capture, a module's first sight. The text is not
//! atomic, but a mapping that the caller is using does not vanish while it is read.
//!
//! # Safety
//! The ioctl's struct is laid out as the kernel defines it; the path buffer outlives the call.
#![allow(unsafe_code)]
use crate::sys::file::{self, Fd};
use crate::sys::raw::{check, syscall3};

/// The longest path that is kept; longer ones are cut.
pub const PATH_MAX: usize = 1024;

/// One mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub start: usize,
    pub end: usize,
    pub offset: usize,
    pub readable: bool,
    pub inode: u64,
}

/// A path in a fixed buffer.
#[derive(Clone, Copy)]
pub struct Path {
    bytes: [u8; PATH_MAX],
    len: usize,
}
impl Path {
    pub const fn new() -> Path {
        Path { bytes: [0; PATH_MAX], len: 0 }
    }
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
    pub fn set(&mut self, text: &[u8]) {
        self.len = 0;
        self.push(text);
    }
    pub fn push(&mut self, text: &[u8]) {
        let n = text.len().min(PATH_MAX - 1 - self.len);
        self.bytes[self.len..self.len + n].copy_from_slice(&text[..n]);
        self.len += n;
        self.bytes[self.len] = 0;
    }
    /// Becomes what the symbolic link `link` says, or empty.
    pub fn read_link(&mut self, link: &core::ffi::CStr) {
        self.len = 0;
        if let Ok(len) = file::read_link(link, &mut self.bytes[..PATH_MAX - 1]) {
            self.len = len;
        }
        self.bytes[self.len] = 0;
    }
    /// For system calls: ends in NUL (the buffer always keeps one).
    pub fn as_c_str(&self) -> &core::ffi::CStr {
        core::ffi::CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}
impl Default for Path {
    fn default() -> Self {
        Path::new()
    }
}

/// The kernel's `struct procmap_query`.
#[repr(C)]
#[derive(Default)]
struct Query {
    size: u64,
    flags: u64,
    addr: u64,
    start: u64,
    end: u64,
    vma_flags: u64,
    page_size: u64,
    offset: u64,
    inode: u64,
    dev: [u32; 2],
    name_size: u32,
    build_id_size: u32,
    name_addr: u64,
    build_id_addr: u64,
}
const _: () = assert!(size_of::<Query>() == 104);
/// `_IOWR('f', 17, struct procmap_query)`.
const PROCMAP_QUERY: usize = 0xc068_6611;

/// The mapping that holds `addr`.
pub fn holding(addr: usize) -> Option<Mapping> {
    let fd = Fd::open(c"/proc/thread-self/maps", libc::O_RDONLY, 0).ok()?;
    let mut query = Query { size: 104, addr: addr as u64, ..Query::default() };
    // SAFETY: the kernel reads and writes one Query.
    let asked = check(unsafe {
        syscall3(libc::SYS_ioctl, fd.raw() as usize, PROCMAP_QUERY, &raw mut query as usize)
    });
    match asked {
        Ok(_) => Some(Mapping {
            start: query.start as usize,
            end: query.end as usize,
            offset: query.offset as usize,
            readable: query.vma_flags & 1 != 0,
            inode: query.inode,
        }),
        Err(e) if e.0 == libc::ENOENT => None,
        Err(_) => {
            let mut found = None;
            each_in(&fd, &mut |mapping, _| {
                if mapping.start <= addr && addr < mapping.end {
                    found = Some(mapping);
                }
                found.is_none() && mapping.start <= addr
            });
            found
        }
    }
}

/// Shows every mapping with its path to `visit`, lowest first, until that returns false.
pub fn each(visit: &mut dyn FnMut(Mapping, &[u8]) -> bool) {
    if let Ok(fd) = Fd::open(c"/proc/thread-self/maps", libc::O_RDONLY, 0) {
        each_in(&fd, visit);
    }
}

fn each_in(fd: &Fd, visit: &mut dyn FnMut(Mapping, &[u8]) -> bool) {
    let mut buffer = [0u8; 1536];
    let mut held = 0;
    // The tail of a line longer than the buffer is dropped: its path is cut.
    let mut skipping = false;
    while let Ok(n @ 1..) = fd.read(&mut buffer[held..]) {
        held += n;
        let mut from = 0;
        while let Some(len) = buffer[from..held].iter().position(|&b| b == b'\n') {
            let line = &buffer[from..from + len];
            from += len + 1;
            if !core::mem::take(&mut skipping)
                && let Some((mapping, path)) = parse(line)
                && !visit(mapping, path)
            {
                return;
            }
        }
        if from == 0 && held == buffer.len() {
            if !skipping
                && let Some((mapping, path)) = parse(&buffer)
                && !visit(mapping, path)
            {
                return;
            }
            (skipping, from) = (true, held);
        }
        buffer.copy_within(from..held, 0);
        held -= from;
    }
}

/// `start-end perms offset dev inode path`.
fn parse(line: &[u8]) -> Option<(Mapping, &[u8])> {
    let (start, rest) = hex(line)?;
    let (end, rest) = hex(rest.strip_prefix(b"-")?)?;
    let rest = rest.strip_prefix(b" ")?;
    let readable = *rest.first()? == b'r';
    let (offset, rest) = hex(rest.get(5..)?)?;
    let mut fields = rest.get(1..)?.splitn(3, |&b| b == b' ');
    fields.next()?;
    let inode = fields.next()?.iter().fold(0u64, |n, &d| n.wrapping_mul(10).wrapping_add((d & 15) as u64));
    let path = fields.next().unwrap_or_default().trim_ascii_start();
    Some((Mapping { start, end, offset, readable, inode }, path))
}

fn hex(text: &[u8]) -> Option<(usize, &[u8])> {
    let len = text.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let value =
        text[..len].iter().fold(0usize, |n, &d| n << 4 | (d as char).to_digit(16).unwrap_or(0) as usize);
    (len > 0).then(|| (value, &text[len..]))
}

#[cfg(test)]
mod tests;

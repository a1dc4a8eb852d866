//! What this process's descriptors are: the links of `/proc/thread-self/fd`.
//!
//! # Safety
//! The kernel fills buffers of ours; directory records are read within what it filled.
#![allow(unsafe_code)]
use super::file::Fd;
use super::raw::{Errno, check, syscall3, syscall4};

/// Offset of the name in the kernel's `struct linux_dirent64`, and of the record's length.
const NAME: usize = 19;
const LENGTH: usize = 16;

/// Whether any open descriptor's link begins with `prefix` (at most 63 bytes): say
/// `anon_inode:[userfaultfd]`. About a microsecond a descriptor.
pub fn any(prefix: &[u8]) -> Result<bool, Errno> {
    let folder = Fd::open(c"/proc/thread-self/fd", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    let mut records = [0u8; 1024];
    loop {
        let fd = folder.raw() as usize;
        // SAFETY: the kernel writes within the buffer.
        let n = check(unsafe {
            syscall3(libc::SYS_getdents64, fd, records.as_mut_ptr() as usize, records.len())
        })?;
        if n == 0 {
            return Ok(false);
        }
        let mut rest = &records[..n];
        while rest.len() > NAME {
            let length = u16::from_ne_bytes([rest[LENGTH], rest[LENGTH + 1]]) as usize;
            let (record, after) = rest.split_at(length.clamp(NAME + 1, rest.len()));
            if link_begins(&folder, &record[NAME..], prefix) {
                return Ok(true);
            }
            rest = after;
        }
    }
}

/// `name` is NUL-terminated within its record.
fn link_begins(folder: &Fd, name: &[u8], prefix: &[u8]) -> bool {
    let mut link = [0u8; 64];
    if !name.contains(&0) {
        return false;
    }
    let (fd, name) = (folder.raw() as usize, name.as_ptr() as usize);
    // SAFETY: the name ends within its record; the kernel writes within the buffer.
    let n =
        check(unsafe { syscall4(libc::SYS_readlinkat, fd, name, link.as_mut_ptr() as usize, link.len()) });
    n.is_ok_and(|n| link[..n.min(link.len())].starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_open() {
        // SAFETY: plain calls.
        let fd = Fd::adopt(unsafe { libc::memfd_create(c"descriptors-test".as_ptr(), 0) });
        assert_eq!(any(b"/memfd:descriptors-test"), Ok(true));
        drop(fd);
        assert_eq!(any(b"/memfd:descriptors-test"), Ok(false));
        assert_eq!(any(b"no such thing"), Ok(false));
    }
}

//! What this process's descriptors are: the links of `/proc/thread-self/fd`.
//!
//! # Safety
//! The kernel fills buffers of ours; directory records are read within what it filled.
#![allow(unsafe_code)]
use super::file::Fd;
use super::lines;
use super::raw::{Errno, check, syscall3, syscall4, syscall5};
use super::sandbox::{self, Need};
use core::ffi::CStr;
use core::ops::ControlFlow;

/// Offset of the name in the kernel's `struct linux_dirent64`, and of the record's length.
const NAME: usize = 19;
const LENGTH: usize = 16;

/// Begins of links that are compared.
const LINK: usize = 64;
/// A table of up to this many places is walked by asking of each number; a larger one by the folder.
const PROBED: u64 = 1 << 15;

/// Whether any open descriptor's link begins with `prefix` (at most 63 bytes): say
/// `anon_inode:[userfaultfd]`. Up to three microseconds a descriptor.
pub fn any(prefix: &[u8]) -> Result<bool, Errno> {
    let (folder, mut found) = (folder()?, false);
    each_name(&folder, &mut |name| {
        let mut link = [0u8; LINK];
        found |= link_of(&folder, name, &mut link).starts_with(prefix);
        found
    })?;
    Ok(found)
}

/// Calls `each` with every descriptor that is neither a socket nor a pipe, folder or device, and the begin of its link.
/// Three times as fast as [`any`] where there are many.
pub fn each_other(each: &mut dyn FnMut(i32, &[u8])) -> Result<(), Errno> {
    each_other_by(PROBED, each)
}

/// A table of up to `most` places is probed.
fn each_other_by(most: u64, each: &mut dyn FnMut(i32, &[u8])) -> Result<(), Errno> {
    let folder = folder()?;
    let mut look = |fd: i32, name: &CStr| {
        let mut link = [0u8; LINK];
        match link_of(&folder, name, &mut link) {
            // It cannot have been closed.
            [] => Err(Errno(libc::EIO)),
            link => {
                each(fd, link);
                Ok(())
            }
        }
    };
    if let Some(places) = places()
        && places <= most
        && !sandbox::forbids(Need::Probe)
    {
        for fd in (0..places as i32).filter(|&fd| may_be_other(fd)) {
            let mut digits = Digits::default();
            look(fd, digits.of(fd))?;
        }
        return Ok(());
    }
    let mut result = Ok(());
    each_name(&folder, &mut |name| {
        // The folder begins with two names that are no numbers.
        if let Some(fd) = lines::number(name.to_bytes(), 10) {
            result = look(fd as i32, name);
        }
        result.is_err()
    })?;
    result
}

fn folder() -> Result<Fd, Errno> {
    Fd::open(c"/proc/thread-self/fd", libc::O_RDONLY | libc::O_DIRECTORY, 0)
}

/// Calls `each` with every name in the folder until it has enough.
fn each_name(folder: &Fd, each: &mut dyn FnMut(&CStr) -> bool) -> Result<(), Errno> {
    let mut records = [0u8; 1024];
    loop {
        let fd = folder.raw() as usize;
        // SAFETY: the kernel writes within the buffer.
        let n = check(unsafe {
            syscall3(libc::SYS_getdents64, fd, records.as_mut_ptr() as usize, records.len())
        })?;
        if n == 0 {
            return Ok(());
        }
        let mut rest = &records[..n];
        while rest.len() > NAME {
            let length = u16::from_ne_bytes([rest[LENGTH], rest[LENGTH + 1]]) as usize;
            let (record, after) = rest.split_at(length.clamp(NAME + 1, rest.len()));
            // A name is NUL-terminated within its record.
            if CStr::from_bytes_until_nul(&record[NAME..]).is_ok_and(&mut *each) {
                return Ok(());
            }
            rest = after;
        }
    }
}

/// The begin of a link; empty if there is none.
fn link_of<'a>(folder: &Fd, name: &CStr, link: &'a mut [u8; LINK]) -> &'a [u8] {
    let (fd, name) = (folder.raw() as usize, name.as_ptr() as usize);
    // SAFETY: the name is NUL-terminated; the kernel writes within the buffer.
    let n = check(unsafe { syscall4(libc::SYS_readlinkat, fd, name, link.as_mut_ptr() as usize, LINK) });
    &link[..n.unwrap_or(0).min(LINK)]
}

/// How many places the table of descriptors has.
fn places() -> Option<u64> {
    let (mut buffer, mut places) = ([0u8; 512], None);
    let status = Fd::open(c"/proc/thread-self/status", libc::O_RDONLY, 0).ok()?;
    let read = lines::for_each(&status, &mut buffer, &mut |line| {
        if line.starts_with(b"FDSize:") {
            places = lines::value(line, b"FDSize:").and_then(|text| lines::number(text, 10));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    places.filter(|_| read.is_ok())
}

/// Whether `fd` is open, and no socket, pipe, folder or device: those of the kernel's own sorts have no type at all. A server
/// of files is not asked: it may be gone, or this very program, which is stopped.
fn may_be_other(fd: i32) -> bool {
    let (how, wanted) = (libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC, libc::STATX_TYPE);
    // SAFETY: zeros are such a structure, which the kernel writes; the name is empty.
    let (status, asked) = unsafe {
        let mut status: libc::statx = core::mem::zeroed();
        let (name, out) = (c"".as_ptr() as usize, &raw mut status as usize);
        let asked = check(syscall5(libc::SYS_statx, fd as usize, name, how as usize, wanted as usize, out));
        (status, asked)
    };
    let plain = [libc::S_IFSOCK, libc::S_IFIFO, libc::S_IFDIR, libc::S_IFCHR, libc::S_IFBLK];
    match asked {
        Ok(_) => !plain.contains(&(u32::from(status.stx_mode) & libc::S_IFMT)),
        Err(Errno(error)) => error != libc::EBADF,
    }
}

/// Room for a number's text.
#[derive(Default)]
pub(super) struct Digits([u8; 12]);
impl Digits {
    pub fn of(&mut self, n: i32) -> &CStr {
        let (mut n, mut first) = (n.unsigned_abs(), self.0.len() - 1);
        loop {
            first -= 1;
            self.0[first] = b'0' + (n % 10) as u8;
            n /= 10;
            if n == 0 {
                return CStr::from_bytes_until_nul(&self.0[first..]).unwrap_or(c"");
            }
        }
    }
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

    #[test]
    fn sorts_of_the_kernels_own_are_told_and_sockets_are_not() {
        let try_all = |most| {
            let mut all = Vec::new();
            each_other_by(most, &mut |fd, link| all.push((fd, link.to_vec()))).map(|()| all)
        };
        // Other tests' threads close descriptors meanwhile; who asks in earnest has stopped them.
        let all = |most| (0..100).find_map(|_| try_all(most).ok()).unwrap();
        // SAFETY: plain calls.
        let (epoll, socket) = unsafe {
            (
                Fd::adopt(libc::epoll_create1(libc::EPOLL_CLOEXEC)),
                Fd::adopt(libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)),
            )
        };
        let wanted = (epoll.raw(), b"anon_inode:[eventpoll]".to_vec());
        // By the numbers, and by the folder.
        for most in [PROBED, 0] {
            assert!(all(most).contains(&wanted), "{most}");
        }
        assert!(all(PROBED).iter().all(|(fd, _)| *fd != socket.raw()));
        assert!(places().is_some_and(|places| places >= 64));
    }
}

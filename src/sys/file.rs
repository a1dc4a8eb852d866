//! Open, read, write, close, by raw system call.
//!
//! # Safety
//! Buffers are slices, paths are C strings: the kernel stays inside them.
#![allow(unsafe_code)]
use super::raw::{Errno, check, syscall1, syscall2, syscall3, syscall4, syscall5};
use super::sandbox::{self, Need};
use super::signal::{self, Set};
use core::ffi::CStr;

/// A file descriptor that is closed when dropped.
pub struct Fd(i32);

impl Fd {
    /// Refused where a sandbox may kill for it.
    pub fn open(path: &CStr, flags: i32, mode: u32) -> Result<Fd, Errno> {
        if sandbox::forbids(Need::Collect) {
            return Err(sandbox::REFUSED);
        }
        let flags = (flags | libc::O_CLOEXEC) as usize;
        let at = libc::AT_FDCWD as isize as usize;
        // SAFETY: the path is NUL-terminated.
        check(unsafe { syscall4(libc::SYS_openat, at, path.as_ptr() as usize, flags, mode as usize) })
            .map(|fd| Fd(fd as i32))
    }
    /// Takes over an open descriptor.
    pub fn adopt(fd: i32) -> Fd {
        Fd(fd)
    }
    pub fn raw(&self) -> i32 {
        self.0
    }
    /// One read; 0 at the end.
    pub fn read(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        read(self.0, buf)
    }
    /// Reads at `offset` without moving the file position.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, Errno> {
        // SAFETY: the kernel writes within the slice.
        check(unsafe {
            syscall4(
                libc::SYS_pread64,
                self.0 as usize,
                buf.as_mut_ptr() as usize,
                buf.len(),
                offset as usize,
            )
        })
    }
    /// How long it is; an error where that means nothing.
    pub fn size(&self) -> Result<usize, Errno> {
        // SAFETY: integers only.
        check(unsafe { syscall3(libc::SYS_lseek, self.0 as usize, 0, libc::SEEK_END as usize) })
    }
    pub fn cut(&self, size: usize) -> Result<(), Errno> {
        // SAFETY: integers only.
        check(unsafe { syscall2(libc::SYS_ftruncate, self.0 as usize, size) }).map(|_| ())
    }
    /// Keeps others who ask from it until it is closed. Never waits: an error if somebody has it.
    pub fn lock(&self) -> Result<(), Errno> {
        let how = libc::LOCK_EX | libc::LOCK_NB;
        // SAFETY: integers only.
        check(unsafe { syscall2(libc::SYS_flock, self.0 as usize, how as usize) }).map(|_| ())
    }
    pub fn write_all(&self, bytes: &[u8]) -> Result<(), Errno> {
        write_all(self.0, bytes)
    }
}
impl Drop for Fd {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours.
        unsafe { syscall1(libc::SYS_close, self.0 as usize) };
    }
}

/// One read, retried on EINTR.
pub fn read(fd: i32, buf: &mut [u8]) -> Result<usize, Errno> {
    loop {
        // SAFETY: the kernel writes within the slice.
        let r = check(unsafe { syscall3(libc::SYS_read, fd as usize, buf.as_mut_ptr() as usize, buf.len()) });
        if r != Err(Errno(libc::EINTR)) {
            return r;
        }
    }
}

/// Writes everything, retrying on EINTR and short writes. No signal comes of it: a program whose
/// file size limit is 0 (sshd's confined child) or whose stderr nobody reads has not asked for the
/// line, and must not die of it.
pub fn write_all(fd: i32, bytes: &[u8]) -> Result<(), Errno> {
    let deadly = Set(Set::of(libc::SIGXFSZ).0 | Set::of(libc::SIGPIPE).0);
    let before = signal::mask(libc::SIG_BLOCK, deadly);
    let result = write_on(fd, bytes);
    match result {
        // It waits now, and stays blocked: where such a limit is set the calls that would take it
        // back are likely to be forbidden too.
        Err(Errno(libc::EFBIG)) => return result,
        Err(Errno(libc::EPIPE)) if !before.has(libc::SIGPIPE) => signal::discard(libc::SIGPIPE),
        _ => {}
    }
    signal::mask(libc::SIG_SETMASK, before);
    result
}

fn write_on(fd: i32, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads within the slice.
        match check(unsafe { syscall3(libc::SYS_write, fd as usize, bytes.as_ptr() as usize, bytes.len()) }) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno(libc::EINTR)) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// An anonymous file in memory, empty; for showing in /proc it is called `name`.
pub fn memory(name: &CStr) -> Result<i32, Errno> {
    let flags = libc::MFD_CLOEXEC as usize;
    // SAFETY: the name is NUL-terminated.
    check(unsafe { syscall2(libc::SYS_memfd_create, name.as_ptr() as usize, flags) }).map(|fd| fd as i32)
}

/// A pipe: the end to read from, the end to write to.
pub fn pipe() -> Result<(Fd, Fd), Errno> {
    let mut ends = [0i32; 2];
    // SAFETY: the kernel writes two ints.
    check(unsafe { syscall2(libc::SYS_pipe2, ends.as_mut_ptr() as usize, libc::O_CLOEXEC as usize) })?;
    Ok((Fd(ends[0]), Fd(ends[1])))
}

/// Moves the file position to the begin.
pub fn rewind(fd: i32) -> Result<(), Errno> {
    // SAFETY: integers only.
    check(unsafe { syscall3(libc::SYS_lseek, fd as usize, 0, libc::SEEK_SET as usize) }).map(|_| ())
}

/// Whether this process may execute the file.
pub fn executable(path: &CStr) -> bool {
    let at = libc::AT_FDCWD as isize as usize;
    // SAFETY: the path is NUL-terminated.
    check(unsafe { syscall3(libc::SYS_faccessat, at, path.as_ptr() as usize, libc::X_OK as usize) }).is_ok()
}

/// What a symbolic link says; the length of it in `buf`.
pub fn read_link(path: &CStr, buf: &mut [u8]) -> Result<usize, Errno> {
    let at = libc::AT_FDCWD as isize as usize;
    let (text, room) = (buf.as_mut_ptr() as usize, buf.len());
    // SAFETY: the path is NUL-terminated, the kernel writes within the slice.
    check(unsafe { syscall4(libc::SYS_readlinkat, at, path.as_ptr() as usize, text, room) })
}

/// `to` is what `from` was, at once.
pub fn rename(from: &CStr, to: &CStr) -> Result<(), Errno> {
    // SAFETY: both are NUL-terminated.
    check(unsafe { syscall2(libc::SYS_rename, from.as_ptr() as usize, to.as_ptr() as usize) }).map(|_| ())
}

/// Whether the program has such a descriptor.
pub fn is_open(fd: i32) -> bool {
    // SAFETY: integers only.
    check(unsafe { syscall2(libc::SYS_fcntl, fd as usize, libc::F_GETFD as usize) }).is_ok()
}

pub fn remove(path: &CStr) {
    // SAFETY: the path is NUL-terminated.
    unsafe { syscall1(libc::SYS_unlink, path.as_ptr() as usize) };
}

/// The current directory; an error if it is not below the root, or longer than the buffer.
pub fn folder(buf: &mut [u8]) -> Result<&[u8], Errno> {
    // SAFETY: the kernel writes within the slice.
    let len = check(unsafe { syscall2(libc::SYS_getcwd, buf.as_mut_ptr() as usize, buf.len()) })?;
    let path = &buf[..len.saturating_sub(1)];
    if path.starts_with(b"/") { Ok(path) } else { Err(Errno(libc::ENOENT)) }
}

/// Whether there is nothing by that name or an ordinary file: no device, no directory, no link.
pub fn is_replaceable(path: &CStr) -> bool {
    let (at, how) = (libc::AT_FDCWD as isize as usize, libc::AT_SYMLINK_NOFOLLOW as usize);
    // SAFETY: a struct of integers, which the kernel fills; the path is NUL-terminated.
    let (asked, kind) = unsafe {
        let mut status: libc::statx = core::mem::zeroed();
        let (name, out) = (path.as_ptr() as usize, &raw mut status as usize);
        let asked = check(syscall5(libc::SYS_statx, at, name, how, libc::STATX_TYPE as usize, out));
        (asked, u32::from(status.stx_mode) & libc::S_IFMT)
    };
    match asked {
        Ok(_) => kind == libc::S_IFREG,
        Err(error) => error == Errno(libc::ENOENT),
    }
}

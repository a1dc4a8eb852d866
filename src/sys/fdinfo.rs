//! What the kernel tells of pointers that the program gave into its keeping.
//!
//! ```text
//! /proc/thread-self/fdinfo/N   of an epoll: "tfd: 5 events: 19 data: 7f12… pos:0 …", one a registered descriptor
//!                              of an io_uring: counts, and the completions that its ring has no room for
//! /proc/self/timers            "signal: 34/00007f12…", one a timer of timer_create's
//! ```
//! What is said is of all that can still come back, whoever made it and by whatever call, through dup, fork and
//! close. `/proc/thread-self` is of use also when the first thread has ended.
use super::descriptors::Digits;
use super::file::Fd;
use super::lines;
use super::path::Path;
use super::raw::Errno;
use core::ops::ControlFlow;

/// The text is not what is described above: this kernel does not tell, or another pretends to be Linux.
const STRANGE: Errno = Errno(libc::EIO);

fn open(fd: i32) -> Result<Fd, Errno> {
    let mut path = Path::new();
    path.set(b"/proc/thread-self/fdinfo/");
    path.push(Digits::default().of(fd).to_bytes());
    Fd::open(path.as_c_str(), libc::O_RDONLY, 0)
}

/// Calls `each` with what the program registered with each descriptor that the epoll `fd` watches.
pub fn of_epoll(fd: i32, buffer: &mut [u8], each: &mut dyn FnMut(usize)) -> Result<(), Errno> {
    let (mut known, mut strange) = (false, false);
    lines::for_each(&open(fd)?, buffer, &mut |line| {
        known |= line.starts_with(b"mnt_id:");
        if line.starts_with(b"tfd:") {
            match lines::value(line, b"data:").and_then(|text| lines::number(text, 16)) {
                Some(data) => each(data as usize),
                None => strange = true,
            }
        }
        ControlFlow::Continue(())
    })?;
    if known && !strange { Ok(()) } else { Err(STRANGE) }
}

/// What is known of an io_uring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ring {
    /// Its mappings have the same.
    pub inode: u64,
    /// Whether every entry that the kernel ever took is still in the ring, for the ring was not filled twice.
    pub is_whole: bool,
}

/// Calls `each` with the words of completions that wait in the kernel. What is in the rings is not told: they are memory of
/// the program's.
pub fn of_ring(fd: i32, buffer: &mut [u8], each: &mut dyn FnMut(usize)) -> Result<Ring, Errno> {
    let (mut inode, mut mask, mut taken) = (None, None, None);
    lines::for_each(&open(fd)?, buffer, &mut |line| {
        let number = |name: &[u8], radix| {
            let text = lines::value(line, name)?;
            let text = text.strip_prefix(b"0x").unwrap_or(text);
            let end = text.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(text.len());
            lines::number(&text[..end], radix)
        };
        if line.starts_with(b"ino:") {
            inode = number(b"ino:", 10);
        } else if line.starts_with(b"SqMask:") {
            mask = number(b"SqMask:", 16);
        } else if line.starts_with(b"CachedSqHead:") {
            taken = number(b"CachedSqHead:", 10);
        } else if let Some(data) = number(b"user_data=", 10) {
            each(data as usize);
        }
        ControlFlow::Continue(())
    })?;
    let is_whole = matches!((mask, taken), (Some(mask), Some(taken)) if taken <= mask + 1);
    Ok(Ring { inode: inode.ok_or(STRANGE)?, is_whole })
}

/// Calls `each` with the value of every timer of the process.
pub fn of_timers(buffer: &mut [u8], each: &mut dyn FnMut(usize)) -> Result<(), Errno> {
    let file = Fd::open(c"/proc/self/timers", libc::O_RDONLY, 0)?;
    let mut strange = false;
    lines::for_each(&file, buffer, &mut |line| {
        if let Some(value) = lines::value(line, b"signal:") {
            let mut parts = value.splitn(2, |&b| b == b'/');
            match parts.nth(1).and_then(|text| lines::number(text, 16)) {
                Some(value) => each(value as usize),
                None => strange = true,
            }
        }
        ControlFlow::Continue(())
    })?;
    if strange { Err(STRANGE) } else { Ok(()) }
}

#[cfg(test)]
#[allow(unsafe_code)]
mod tests;

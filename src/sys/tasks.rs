//! The kernel's list of this process's threads, and what it says of one.
//!
//! # Safety
//! `getdents64` writes whole records within the buffer; they are read back as bytes.
#![allow(unsafe_code)]
use super::file::Fd;
use super::raw::{Errno, check, syscall3, syscall4};
use super::signal::Set;

/// Calls `each` with every thread id of `/proc/self/task`. Threads that come or go meanwhile may
/// or may not be among them: call it until two passes agree.
pub fn for_each(each: &mut dyn FnMut(i32)) -> Result<(), Errno> {
    let folder = Fd::open(c"/proc/self/task", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    let mut buffer = Buffer([0; 2048]);
    loop {
        // SAFETY: the kernel writes within the buffer.
        let got = check(unsafe {
            syscall3(
                libc::SYS_getdents64,
                folder.raw() as usize,
                buffer.0.as_mut_ptr() as usize,
                buffer.0.len(),
            )
        })?;
        if got == 0 {
            return Ok(());
        }
        let mut rest = &buffer.0[..got];
        // ino 8, off 8, reclen 2, type 1, name: NUL-terminated.
        while rest.len() > 19 {
            let length = u16::from_ne_bytes([rest[16], rest[17]]) as usize;
            if let Some(tid) = rest.get(19..length).and_then(number) {
                each(tid);
            }
            rest = rest.get(length.max(19)..).unwrap_or(&[]);
        }
    }
}

/// How many threads the kernel counts in this process, in one step: the folder of `/proc/self/task` has one
/// link for each of them and two for itself. Exact at that moment.
pub fn count() -> Option<usize> {
    // SAFETY: plain integers.
    let mut stat: libc::stat = unsafe { core::mem::zeroed() };
    let path = c"/proc/self/task";
    // SAFETY: the kernel reads the path and writes one stat.
    let got = unsafe {
        syscall4(
            libc::SYS_newfstatat,
            libc::AT_FDCWD as usize,
            path.as_ptr() as usize,
            &raw mut stat as usize,
            0,
        )
    };
    check(got).ok()?;
    (stat.st_nlink as usize).checked_sub(2)
}

#[repr(align(8))]
struct Buffer([u8; 2048]);

/// A NUL-terminated decimal number, and nothing else.
fn number(text: &[u8]) -> Option<i32> {
    let end = text.iter().position(|&b| b == 0)?;
    if end == 0 {
        return None;
    }
    text[..end].iter().try_fold(0i32, |n, &b| {
        let digit = b.checked_sub(b'0').filter(|&d| d < 10)?;
        n.checked_mul(10)?.checked_add(digit as i32)
    })
}

/// What the kernel says of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// R, S, D, T, t, Z, X…
    pub state: u8,
    /// Its signal mask.
    pub blocked: Set,
}

/// Reads `/proc/self/task/<tid>/status`; `None` when there is no such thread (or no /proc).
pub fn status(tid: i32) -> Option<Status> {
    let file = open(tid, b"/status\0")?;
    let mut text = [0u8; 2048];
    let n = file.read(&mut text).ok()?;
    let state = field(&text[..n], b"State:")?.first().copied()?;
    let mask = field(&text[..n], b"SigBlk:")?;
    let blocked = mask.iter().map_while(|&b| (b as char).to_digit(16));
    let blocked = blocked.fold(0u64, |n, d| n << 4 | d as u64);
    Some(Status { state, blocked: Set(blocked) })
}

/// Whether `tid` is one of the kernel's own threads that it lists as ours: workers of io_uring and vhost.
/// They run no code of the program and take no signal.
pub fn is_kernels(tid: i32) -> bool {
    let mut text = [0u8; 512];
    let Some(n) = open(tid, b"/stat\0").and_then(|f| f.read(&mut text).ok()) else { return false };
    is_worker(&text[..n]).unwrap_or(false)
}

/// `pid (name) state ppid pgrp session tty tpgid flags …`
fn is_worker(stat: &[u8]) -> Option<bool> {
    /// PF_IO_WORKER and PF_USER_WORKER. Older kernels had other meanings for these bits, hence the name, too.
    const WORKER: u64 = 0x4010;
    let name = stat.iter().position(|&b| b == b'(')? + 1;
    let end = stat.iter().rposition(|&b| b == b')')?;
    let flags = stat[end..].split(|&b| b == b' ').nth(7)?;
    let flags = core::str::from_utf8(flags).ok()?.parse::<u64>().ok()?;
    let name = stat.get(name..end)?;
    Some(flags & WORKER != 0 && (name.starts_with(b"iou-") || name.starts_with(b"vhost-")))
}

/// Opens a file of `/proc/self/task/<tid>`.
fn open(tid: i32, name: &[u8]) -> Option<Fd> {
    let mut path = [0u8; 48];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        path[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(b"/proc/self/task/");
    let mut digits = [0u8; 10];
    let (mut n, mut first) = (tid.unsigned_abs(), digits.len());
    while first == digits.len() || n != 0 {
        first -= 1;
        digits[first] = b'0' + (n % 10) as u8;
        n /= 10;
    }
    put(&digits[first..]);
    put(name);
    let path = core::ffi::CStr::from_bytes_until_nul(&path).ok()?;
    Fd::open(path, libc::O_RDONLY, 0).ok()
}

/// Whether this thread lives under a seccomp filter, be it one that it was born with.
pub fn filtered() -> bool {
    let Ok(file) = Fd::open(c"/proc/thread-self/status", libc::O_RDONLY, 0) else { return false };
    let mut text = [0u8; 4096];
    let n = file.read(&mut text).unwrap_or(0);
    field(&text[..n], b"Seccomp:").is_some_and(|value| value.first() != Some(&b'0'))
}

/// The text after `name` and its blanks, to the end of the line.
fn field<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let line = text.split(|&b| b == b'\n').find(|l| l.starts_with(name))?;
    let value = &line[name.len()..];
    let start = value.iter().position(|b| !b.is_ascii_whitespace())?;
    Some(&value[start..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process;

    #[test]
    fn this_thread_is_in_the_list_and_runs() {
        let (me, mut found) = (process::tid(), false);
        for_each(&mut |tid| found |= tid == me).unwrap();
        assert!(found);
        assert_eq!(status(me).unwrap().state, b'R');
        assert_eq!(status(0), None);
    }

    #[test]
    fn the_count_is_that_of_the_list() {
        // Other tests' threads come and go.
        let agree = (0..1000).any(|_| {
            let mut listed = 0;
            for_each(&mut |_| listed += 1).unwrap();
            count() == Some(listed)
        });
        assert!(agree);
    }

    #[test]
    fn workers_of_the_kernel_are_known_by_flag_and_name() {
        let stat = |name: &str, flags: &str| format!("12 ({name}) S 1 12 1 0 -1 {flags} 0 0");
        assert_eq!(is_worker(stat("iou-wrk-8738", "4210768").as_bytes()), Some(true));
        assert_eq!(is_worker(stat("iou-wrk-8738", "4194560").as_bytes()), Some(false));
        assert_eq!(is_worker(stat("a) S (b", "4210768").as_bytes()), Some(false));
        assert_eq!(is_worker(b"12 (a"), None);
        assert!(!is_kernels(process::tid()));
    }

    #[test]
    fn numbers_are_all_digits() {
        assert_eq!(number(b"123\0zz"), Some(123));
        assert_eq!(number(b".\0"), None);
        assert_eq!(number(b"\0"), None);
        assert_eq!(number(b"99999999999\0"), None);
    }
}

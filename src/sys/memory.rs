//! Reading memory that may not be readable, without a fault.
//!
//! The kernel copies for us and reports what it could not read. Two doors:
//! 1. `/proc/thread-self/mem`: also opens PROT_NONE and write-only memory (`FOLL_FORCE`), and memory
//!    that a protection key closes; one open(2), ordinary pread(2)s afterwards;
//! 2. `process_vm_readv` on ourselves, where that file is not ours to open (a process that
//!    changed its user id): readable memory only.
//!
//! Both refuse device memory (`VM_IO`, `VM_PFNMAP`), so no register of a device is ever read.
//! A SIGSEGV handler with a jump was rejected: the handlers belong to the host. About 0.3 µs a
//! call and 8 GB/s.
//!
//! # Safety
//! The destination is a slice; the source is only an integer to the kernel.
#![allow(unsafe_code)]
use super::file::Fd;
use super::process;
use super::raw::{Errno, check, syscall6};
use crate::pure::addr::Addr;
use core::cell::OnceCell;

/// A door to this process's memory, opened when something is read. Made and dropped while the world is stopped.
pub struct Memory {
    doors: OnceCell<Doors>,
}

struct Doors {
    file: Option<Fd>,
    pid: i32,
}

/// Why nothing was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// This page cannot be read.
    Page,
    /// No door works here at all.
    Everything(Errno),
}

impl Memory {
    pub fn open() -> Memory {
        Memory { doors: OnceCell::new() }
    }

    fn doors(&self) -> &Doors {
        self.doors.get_or_init(|| Doors {
            file: Fd::open(c"/proc/thread-self/mem", libc::O_RDONLY, 0).ok(),
            pid: process::pid(),
        })
    }

    /// For tests: without the first door.
    #[cfg(test)]
    pub fn without_file() -> Memory {
        Memory { doors: OnceCell::from(Doors { file: None, pid: process::pid() }) }
    }

    /// Copies memory from `at` into `to`; returns how many bytes, at least 1. A short count
    /// means that the page after them was refused.
    pub fn read(&self, at: Addr, to: &mut [u8]) -> Result<usize, Refused> {
        if to.is_empty() {
            return Err(Refused::Page);
        }
        let Doors { file, pid } = self.doors();
        if let Some(file) = file {
            match file.read_at(to, at.0 as u64) {
                Ok(n) if n > 0 => return Ok(n),
                // A kernel can be told not to force: readable pages come by the other door.
                Ok(_) | Err(_) => {}
            }
        }
        match read_own(*pid, at, to) {
            Ok(0) | Err(Errno(libc::EFAULT)) => Err(Refused::Page),
            Ok(n) => Ok(n),
            Err(_) if file.is_some() => Err(Refused::Page),
            Err(e) => Err(Refused::Everything(e)),
        }
    }

    /// Copies whole words from `at`, which is word-aligned; returns how many, at least 1.
    pub fn read_words(&self, at: Addr, to: &mut [usize]) -> Result<usize, Refused> {
        // SAFETY: the same memory as bytes: smaller alignment, length in bytes, every pattern
        // valid for both, and the borrow of `to` lasts through the call.
        let bytes = unsafe { core::slice::from_raw_parts_mut(to.as_mut_ptr().cast(), size_of_val(to)) };
        match self.read(at, bytes)? / size_of::<usize>() {
            0 => Err(Refused::Page),
            n => Ok(n),
        }
    }
}

fn read_own(pid: i32, at: Addr, to: &mut [u8]) -> Result<usize, Errno> {
    let local = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
    let remote = libc::iovec { iov_base: at.ptr(), iov_len: to.len() };
    // SAFETY: the kernel writes within the slice and checks the source.
    check(unsafe {
        syscall6(
            libc::SYS_process_vm_readv,
            pid as usize,
            &raw const local as usize,
            1,
            &raw const remote as usize,
            1,
            0,
        )
    })
}

#[cfg(test)]
mod tests;

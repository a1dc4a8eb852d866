//! The mapping calls that the *host* asked for, passed on to the kernel as they are.
//!
//! [`super::vm`] is for mappings of our own; these may do anything to any address, just as the
//! host could without us.
//!
//! # Safety
//! Every function is `unsafe`: its caller is the host's own call of the C function of that
//! name, and carries the host's responsibility for it.
#![allow(unsafe_code)]
use super::raw::{Errno, check, syscall1, syscall2, syscall3, syscall4, syscall5, syscall6};
use crate::pure::addr::Addr;

/// # Safety
/// The host's call.
pub unsafe fn mmap(at: Addr, len: usize, prot: i32, flags: i32, fd: i32, offset: i64) -> Result<Addr, Errno> {
    let (prot, flags, fd, offset) = (prot as usize, flags as usize, fd as isize as usize, offset as usize);
    // SAFETY: forwarded.
    check(unsafe { syscall6(libc::SYS_mmap, at.0, len, prot, flags, fd, offset) }).map(Addr)
}
/// # Safety
/// The host's call.
pub unsafe fn munmap(at: Addr, len: usize) -> Result<(), Errno> {
    // SAFETY: forwarded.
    check(unsafe { syscall2(libc::SYS_munmap, at.0, len) }).map(|_| ())
}
/// # Safety
/// The host's call.
pub unsafe fn mremap(at: Addr, old: usize, new: usize, flags: i32, to: Addr) -> Result<Addr, Errno> {
    // SAFETY: forwarded.
    check(unsafe { syscall5(libc::SYS_mremap, at.0, old, new, flags as usize, to.0) }).map(Addr)
}
/// # Safety
/// The host's call.
pub unsafe fn mprotect(at: Addr, len: usize, prot: i32) -> Result<(), Errno> {
    // SAFETY: forwarded.
    check(unsafe { syscall3(libc::SYS_mprotect, at.0, len, prot as usize) }).map(|_| ())
}
/// # Safety
/// The host's call.
pub unsafe fn pkey_mprotect(at: Addr, len: usize, prot: i32, key: i32) -> Result<(), Errno> {
    let (prot, key) = (prot as usize, key as isize as usize);
    // SAFETY: forwarded.
    check(unsafe { syscall4(libc::SYS_pkey_mprotect, at.0, len, prot, key) }).map(|_| ())
}
/// # Safety
/// The host's call.
pub unsafe fn madvise(at: Addr, len: usize, advice: i32) -> Result<(), Errno> {
    // SAFETY: forwarded.
    check(unsafe { syscall3(libc::SYS_madvise, at.0, len, advice as usize) }).map(|_| ())
}
/// The kernel's brk: returns where the break is now, moved or not.
/// # Safety
/// The host's call.
pub unsafe fn brk(to: Addr) -> Addr {
    // SAFETY: forwarded.
    Addr(unsafe { syscall1(libc::SYS_brk, to.0) } as usize)
}

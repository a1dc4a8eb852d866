//! Processes of our own making: clone, the end, whose child an orphan becomes.
//!
//! # Safety
//! The asm declares what the system call and the way into `entry` clobber; everything else is the promise of
//! the caller of [`clone`].
#![allow(unsafe_code)]
use super::file;
use super::process;
use super::raw::{Errno, check, syscall2, syscall3, syscall4};
use crate::pure::addr::Addr;
use core::arch::asm;

/// A process that begins with `entry` on the stack below `top`; the answer is the kernel's. No handlers of fork run.
/// # Safety
/// `top` must be the 16-byte aligned end of an unused stack. With CLONE_VM both stay, and `argument` too, until the
/// child is gone or has executed something; the child makes raw system calls only and does not touch its
/// thread-local storage, which is this thread's.
pub unsafe fn clone<T>(flags: i32, top: Addr, entry: unsafe extern "C" fn(&T) -> !, argument: &T) -> isize {
    let result: isize;
    // SAFETY: in the parent as any system call; the child, on its own stack, calls `entry` with
    // the argument and never comes back.
    unsafe {
        asm!("syscall",
             "test rax, rax",
             "jnz 2f",
             "xor ebp, ebp",
             "mov rdi, r9",
             "call r12",
             "ud2",
             "2:",
             inlateout("rax") libc::SYS_clone as isize => result,
             in("rdi") flags, in("rsi") top.0, in("rdx") 0, in("r10") 0, in("r8") 0,
             in("r9") argument, in("r12") entry,
             lateout("rcx") _, lateout("r11") _);
    }
    result
}

/// Waits for a child, and reaps it; `false`: not now (with WNOHANG), or it is no child of ours.
pub fn reap(pid: i32, options: i32) -> bool {
    loop {
        // SAFETY: integers only; no status is asked for.
        let waited = check(unsafe {
            syscall4(libc::SYS_wait4, pid as usize, 0, (options | libc::__WALL) as usize, 0)
        });
        match waited {
            Err(Errno(libc::EINTR)) => {}
            waited => return waited == Ok(pid as usize),
        }
    }
}

/// Whether this process would become the parent of its children's orphans.
pub fn inherits_orphans() -> bool {
    let mut is = 0i32;
    // SAFETY: the kernel writes one int.
    let asked =
        unsafe { syscall2(libc::SYS_prctl, libc::PR_GET_CHILD_SUBREAPER as usize, &raw mut is as usize) };
    process::pid() == 1 || check(asked).is_err() || is != 0
}

/// Whether a child would live in the namespaces that this process lives in: it would be the first of a new one
/// otherwise, which the program has other plans with.
pub fn stays_in_namespaces() -> bool {
    let link = |path| {
        let mut text = [0u8; 64];
        file::read_link(path, &mut text).map(|n| (text, n))
    };
    link(c"/proc/thread-self/ns/pid") == link(c"/proc/thread-self/ns/pid_for_children")
        && link(c"/proc/thread-self/ns/time") == link(c"/proc/thread-self/ns/time_for_children")
}

/// Closes all descriptors but `keep` (or all, if that is negative), in a table of the caller's own from then on:
/// whoever shared it keeps them.
/// # Safety
/// The descriptors must not be needed any more.
pub unsafe fn leave_descriptors(keep: i32) -> Result<(), Errno> {
    /// Not in libc's list for every target.
    const UNSHARE: usize = 2;
    let above = (keep + 1).max(0) as usize;
    // SAFETY: integers only. The first call copies no more of the table than what lies below.
    check(unsafe { syscall3(libc::SYS_close_range, above, u32::MAX as usize, UNSHARE) })?;
    if keep > 0 {
        // SAFETY: as above.
        check(unsafe { syscall3(libc::SYS_close_range, 0, keep as usize - 1, 0) })?;
    }
    Ok(())
}

//! Processes and threads of our own making: clone, the end, whose child an orphan becomes.
//!
//! # Safety
//! The asm declares what the system call and the way into `entry` clobber; everything else is the promise of
//! the caller of [`clone`].
#![allow(unsafe_code)]
use super::file;
use super::process;
use super::raw::{Errno, check, syscall1, syscall2, syscall3, syscall4};
use super::signal;
use crate::pure::addr::Addr;
use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering::*};

/// A process that begins with `entry` on the stack below `top`; the answer is the kernel's. No handlers of fork run.
/// # Safety
/// `top` must be the 16-byte aligned end of an unused stack. With CLONE_VM both stay, and `argument` too, until the
/// child is gone or has executed something; the child makes raw system calls only and does not touch its
/// thread-local storage, which is this thread's.
pub unsafe fn clone<T>(flags: i32, top: Addr, entry: unsafe extern "C" fn(&T) -> !, argument: &T) -> isize {
    // SAFETY: the caller's promise.
    unsafe { clone_telling(flags, top, entry, argument, core::ptr::null_mut()) }
}

/// `word`: for the flags that have the kernel write the new thread's number, or clear it.
unsafe fn clone_telling<T>(
    flags: i32,
    top: Addr,
    entry: unsafe extern "C" fn(&T) -> !,
    argument: &T,
    word: *mut u32,
) -> isize {
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
             in("rdi") flags, in("rsi") top.0, in("rdx") word, in("r10") word, in("r8") 0,
             in("r9") argument, in("r12") entry,
             lateout("rcx") _, lateout("r11") _);
    }
    result
}

/// A thread of ours: not traced, the end is told by a word.
pub const THREAD: i32 = libc::CLONE_UNTRACED
    | libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID;

/// Whether a thread of [`begin_thread`] is still there. Not moved while it is.
#[derive(Default)]
pub struct Gone {
    /// Its number, which the kernel clears when the thread uses its memory no more.
    word: AtomicU32,
    tid: AtomicU32,
}
impl Gone {
    /// Waits until the kernel does not know the thread any more. At once if it never began.
    pub fn wait(&self) {
        const YIELDS: u32 = 1000;
        const NAP_NS: i64 = 20_000;
        let (pid, tid) = (process::pid(), self.tid.load(Relaxed) as i32);
        let mut rounds = 0;
        while self.word.load(Acquire) != 0 || tid != 0 && signal::exists(pid, tid) {
            rounds += 1;
            if rounds < YIELDS { process::yield_now() } else { process::sleep_ns(NAP_NS) }
        }
    }
}

/// A thread that begins with `entry` on the stack below `top`, all signals blocked.
/// # Safety
/// As for [`clone`] with CLONE_VM, until [`Gone::wait`] came back. It ends by [`end_thread`].
pub unsafe fn begin_thread<T>(
    top: Addr,
    entry: unsafe extern "C" fn(&T) -> !,
    argument: &T,
    gone: &Gone,
) -> Result<(), Errno> {
    let before = signal::mask(libc::SIG_SETMASK, signal::Set(u64::MAX));
    // SAFETY: the caller's promise; the word stays as long.
    let made = check(unsafe { clone_telling(THREAD, top, entry, argument, gone.word.as_ptr()) });
    signal::mask(libc::SIG_SETMASK, before);
    made.map(|tid| gone.tid.store(tid as u32, Relaxed))
}

/// The end of such a thread.
pub fn end_thread() -> ! {
    loop {
        // SAFETY: does not return.
        unsafe { syscall1(libc::SYS_exit, 0) };
    }
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

/// Another process, watched from one that shares its memory.
pub struct Watched {
    pid: i32,
    fd: file::Fd,
}
impl Watched {
    /// `Err`: the kernel, or who else has a say in it, does not let us watch.
    pub fn new(pid: i32) -> Result<Watched, Errno> {
        // SAFETY: integers only.
        let fd = check(unsafe { syscall2(libc::SYS_pidfd_open, pid as usize, 0) })?;
        let watched = Watched { pid, fd: file::Fd::adopt(fd as i32) };
        if watched.shares() { Ok(watched) } else { Err(Errno(libc::EPERM)) }
    }
    /// Whether it has ended.
    pub fn is_gone(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.fd.raw(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd.
        check(unsafe { syscall3(libc::SYS_poll, &raw mut poll as usize, 1, 0) }) != Ok(0)
    }
    /// Whether it has the same memory still: it has not, once it executed another program.
    pub fn shares(&self) -> bool {
        const KCMP_VM: usize = 1;
        let me = process::pid() as usize;
        // SAFETY: integers only.
        check(unsafe { syscall4(libc::SYS_kcmp, me, self.pid as usize, KCMP_VM, 0) }) == Ok(0)
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

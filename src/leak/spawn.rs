//! Runs another program from inside the host without the host noticing.
//!
//! Two processes. The *keeper* is made by clone(CLONE_VM) with exit signal 0: no atfork handlers
//! run, nothing is copied, the host gets no SIGCHLD and its wait() never returns it (only
//! `__WALL` waits see such a child). The keeper never executes anything, for exec turns the exit
//! signal back into SIGCHLD; it vforks the *program*, whose SIGCHLD it gets itself, waits, and
//! passes the status on. If the keeper is killed, the program dies with it.
//!
//! fork would copy the page tables of a large host, and posix_spawn sends SIGCHLD to it; both are rejected.
//!
//! # Safety
//! Keeper and program run on stacks of their own in our memory. This thread keeps both stacks
//! and the `Plan` until it has reaped the keeper, and the program leaves our memory before the keeper
//! goes on. Both make raw system calls only and touch no thread-local (they share this
//! thread's). Their tables of signal handlers and of descriptors are copies, so what they reset
//! there is their own. All signals are blocked from before the first clone; only the program
//! unblocks them, once it has reset its handlers.
#![allow(unsafe_code)]
use super::scratch::{Full, List};
use crate::ground::critical::Critical;
use crate::pure::addr::Addr;
use crate::sys::child::{clone, inherits_orphans};
use crate::sys::file::Fd;
use crate::sys::process;
use crate::sys::raw::{Errno, check, syscall1, syscall2, syscall3, syscall4};
use core::ffi::{CStr, c_char};

/// The status of a child that could not execute the program.
const NO_PROGRAM: usize = 127;
/// The keeper's status when the program was ended by a signal.
const BROKEN: usize = 126;
const CHILD_STACK: usize = 16 << 10;

/// What to run. `argv` begins with the program's name and has at most [`MAX_ARGUMENTS`].
pub struct Program<'a> {
    pub path: &'a CStr,
    pub argv: &'a [&'a CStr],
    pub stdin: i32,
    pub stdout: i32,
    pub deadline_ms: u64,
    pub until: Until,
}

/// When [`run`] comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// The program has ended; it ends with the host at the latest.
    End,
    /// It has begun. Then the system's first process inherits it, unless that is the host.
    Begin,
}
pub const MAX_ARGUMENTS: usize = 8;

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Status(u8),
    /// By a signal, or not in time (then it was killed).
    Broken,
    /// It did not even start.
    NotRun,
}

/// What the two processes need, all made before they exist.
struct Plan {
    path: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
    stdin: i32,
    stdout: i32,
    /// The end of the program's stack.
    top: Addr,
    until: Until,
}

/// Runs `program` to its end, without our variables in its environment.
pub fn run(critical: &Critical, program: &Program<'_>) -> End {
    try_run(critical, program).unwrap_or(End::NotRun)
}

fn try_run(critical: &Critical, program: &Program<'_>) -> Option<End> {
    let mut argv = [core::ptr::null(); MAX_ARGUMENTS + 1];
    for (slot, argument) in argv[..MAX_ARGUMENTS].iter_mut().zip(program.argv) {
        *slot = argument.as_ptr();
    }
    let envp = environment(critical).ok()?;
    let stacks: List<[u64; 2]> = List::filled(critical, [0; 2], 2 * CHILD_STACK / 16).ok()?;
    let middle = Addr::of(stacks.as_ptr()).add(CHILD_STACK);
    // Copies above the standard three: dup2 onto 0 and 1 must not overwrite the other one.
    let stdin = Fd::adopt(above_standard(program.stdin)?);
    let stdout = Fd::adopt(above_standard(program.stdout)?);
    let plan = Plan {
        path: program.path.as_ptr(),
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
        stdin: stdin.raw(),
        stdout: stdout.raw(),
        top: middle,
        until: if inherits_orphans() { Until::End } else { program.until },
    };
    let before = set_mask(u64::MAX);
    // SAFETY: see the chapter on safety; each half of `stacks` serves one process.
    let keeper = unsafe { clone(libc::CLONE_VM, middle.add(CHILD_STACK), keep, &plan) };
    set_mask(before);
    let keeper = check(keeper).ok()? as i32;
    Some(wait(keeper, program.deadline_ms))
}

/// The host's variables but those that load libraries or steer us.
fn environment(critical: &Critical) -> Result<List<'_, *const c_char>, Full> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    let mut kept = List::new(critical);
    // SAFETY: environ is null or a null-terminated array of C strings.
    unsafe {
        let mut at = environ;
        while !at.is_null() && !(*at).is_null() {
            let entry = CStr::from_ptr(*at).to_bytes();
            if !entry.starts_with(b"LD_") && !entry.starts_with(b"GLEANER=") {
                kept.push(*at)?;
            }
            at = at.add(1);
        }
    }
    kept.push(core::ptr::null())?;
    Ok(kept)
}

fn above_standard(fd: i32) -> Option<i32> {
    // SAFETY: makes a new descriptor.
    let copy = unsafe { syscall3(libc::SYS_fcntl, fd as usize, libc::F_DUPFD_CLOEXEC as usize, 10) };
    check(copy).ok().map(|fd| fd as i32)
}

/// Sets this thread's signal mask; gives the one before.
fn set_mask(mask: u64) -> u64 {
    let mut before = 0u64;
    // SAFETY: two words of 8 bytes, the kernel's sigset size.
    unsafe {
        let (new, old) = (&raw const mask as usize, &raw mut before as usize);
        syscall4(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK as usize, new, old, 8);
    }
    before
}

/// The keeper's whole life.
unsafe extern "C" fn keep(plan: &Plan) -> ! {
    // SAFETY: raw calls on the keeper's own tables; see the chapter on safety for the clone.
    unsafe {
        syscall2(libc::SYS_dup2, plan.stdin as usize, 0);
        syscall2(libc::SYS_dup2, plan.stdout as usize, 1);
        syscall3(libc::SYS_close_range, 3, u32::MAX as usize, 0);
        reset_handlers();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let options = if plan.until == Until::End { 0 } else { libc::WNOHANG };
        let program = check(clone(flags, plan.top, execute, plan));
        exit(program.map_or(NO_PROGRAM, |program| status_of(program as i32, options)))
    }
}

/// The program's life in our memory.
unsafe extern "C" fn execute(plan: &Plan) -> ! {
    // SAFETY: raw calls on its own tables; the plan's pointers are NUL-terminated.
    unsafe {
        if plan.until == Until::End {
            syscall2(libc::SYS_prctl, libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize);
        }
        set_mask(0);
        syscall3(libc::SYS_execve, plan.path as usize, plan.argv as usize, plan.envp as usize);
        exit(NO_PROGRAM)
    }
}

unsafe fn exit(status: usize) -> ! {
    loop {
        // SAFETY: ends the calling child only, which is a process of its own.
        unsafe { syscall1(libc::SYS_exit_group, status) };
    }
}

/// The status to pass on; what a signal ended counts as [`BROKEN`]. 0 if it runs, and `options` say not to wait.
fn status_of(program: i32, options: i32) -> usize {
    let mut status = 0i32;
    loop {
        // SAFETY: the kernel writes one status word.
        let waited = check(unsafe {
            syscall4(libc::SYS_wait4, program as usize, &raw mut status as usize, options as usize, 0)
        });
        match waited {
            Ok(0) => return 0,
            Err(Errno(libc::EINTR)) => {}
            Ok(_) if libc::WIFEXITED(status) => return libc::WEXITSTATUS(status) as usize,
            _ => return BROKEN,
        }
    }
}

/// The host's handlers must not run in a child; SIGCHLD, ignored, would make the program's status
/// vanish. What else the host ignores stays ignored, as exec has it.
fn reset_handlers() {
    for signal in 1..=64usize {
        // The kernel's struct: handler, flags, restorer, mask.
        let mut action = [0usize; 4];
        // SAFETY: reads, then perhaps sets, one entry of the child's own table.
        unsafe {
            syscall4(libc::SYS_rt_sigaction, signal, 0, action.as_mut_ptr() as usize, 8);
            if action[0] > libc::SIG_IGN || signal == libc::SIGCHLD as usize {
                let default = [0usize; 4];
                syscall4(libc::SYS_rt_sigaction, signal, default.as_ptr() as usize, 0, 8);
            }
        }
    }
}

/// Waits for the keeper, with growing naps. Past the deadline it is killed.
fn wait(keeper: i32, deadline_ms: u64) -> End {
    let give_up = process::now_ns() + deadline_ms * 1_000_000;
    let mut nap_ns = 200_000;
    let mut options = libc::__WALL | libc::WNOHANG;
    loop {
        let mut status = 0i32;
        // SAFETY: the kernel writes one status word.
        let waited = check(unsafe {
            let at = &raw mut status as usize;
            syscall4(libc::SYS_wait4, keeper as usize, at, options as usize, 0)
        });
        match waited {
            Ok(0) if process::now_ns() < give_up => nap(nap_ns),
            Ok(0) => {
                // SAFETY: the keeper is ours and not reaped, so the number is still its own.
                unsafe { syscall2(libc::SYS_kill, keeper as usize, libc::SIGKILL as usize) };
                options = libc::__WALL;
            }
            Ok(_) if libc::WIFEXITED(status) => {
                return match libc::WEXITSTATUS(status) as usize {
                    NO_PROGRAM => End::NotRun,
                    BROKEN => End::Broken,
                    status => End::Status(status as u8),
                };
            }
            Err(Errno(libc::EINTR)) => {}
            // Killed; or somebody waited for it before us (the host, with __WALL).
            Ok(_) | Err(_) => return End::Broken,
        }
        nap_ns = (nap_ns * 5 / 4).min(10_000_000);
    }
}

fn nap(ns: u64) {
    let ts = libc::timespec { tv_sec: 0, tv_nsec: ns as i64 };
    // SAFETY: the kernel reads one timespec.
    unsafe { syscall2(libc::SYS_nanosleep, &raw const ts as usize, 0) };
}

#[cfg(test)]
mod tests;

//! Calls that our signal interrupted are begun again, so that the program sees no EINTR.
//!
//! SA_RESTART covers read, wait and their like; poll, nanosleep, sem_timedwait and twenty
//! others return EINTR in spite of it. Where the interrupted code stands right after a `syscall`
//! instruction with −EINTR in rax, the kernel has given up the call because of *this* signal (had
//! a handler of the program run as well, its entry would be the interrupted code). So the handler
//! sets rip back onto the instruction and rax to the call's number.
//!
//! - The number is gone from the registers; it is read back from the instructions before:
//!   `mov eax, imm32` (436 of libc's 520 calls, all of those that matter), `xor eax, eax`,
//!   `mov eax, r32`. libc's `syscall()` shifts its number out of every register: not repaired.
//! - A signal of the program that waits already would have interrupted the call too: then the
//!   EINTR is true and stays. One that comes between that look and the call's second begin finds
//!   a mark in the thread's record when its handler is entered (`handlers`), and the call fails then.
//! - Relative time-outs: see [`Way`].
//!
//! # Safety
//! Code bytes are read from the page that is being executed, or by a system call that fails
//! softly. A `timespec` is read where the kernel has just read it.
#![allow(unsafe_code)]
use super::record::Thread;
use crate::sys::process;
use crate::sys::raw::{check, syscall5, syscall6};
use crate::sys::signal::{self, Frame, Regs, Set};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Calls that the program saw fail with EINTR because of us.
pub static UNREWOUND: AtomicU64 = AtomicU64::new(0);
/// Calls that were begun again.
pub static REWOUND: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Register {
    Rdi,
    Rsi,
    Rdx,
    R10,
    R8,
}

/// How a call's time-out survives being begun again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// It has none, it is absolute, or the kernel wrote back what is left.
    Plain,
    /// Must not be begun again: the kernel has done the work before it slept.
    Never,
    /// Milliseconds in the low half of a register: reduced; the upper half holds a tag.
    Millis(Register),
    /// Address of a relative `timespec`: replaced by one of ours.
    Relative(Register),
    /// nanosleep: the kernel writes what is left to the second; the first is set to that.
    Sleep(Register, Register),
    /// A socket's own time-out (SO_RCVTIMEO or SO_SNDTIMEO); the descriptor is tagged, and when
    /// the time is over the call ends as the kernel would have ended it.
    Socket(i32),
}

/// Not in libc's list for this target.
const IO_PGETEVENTS: i64 = 333;

fn way(nr: i64, regs: &Regs) -> Way {
    use Register::*;
    match nr {
        libc::SYS_poll => Way::Millis(Rdx),
        libc::SYS_epoll_wait | libc::SYS_epoll_pwait => Way::Millis(R10),
        libc::SYS_nanosleep => Way::Sleep(Rdi, Rsi),
        libc::SYS_clock_nanosleep if regs.rsi & libc::TIMER_ABSTIME as u64 != 0 => Way::Plain,
        libc::SYS_clock_nanosleep => Way::Sleep(Rdx, R10),
        libc::SYS_epoll_pwait2 | libc::SYS_semtimedop => Way::Relative(R10),
        libc::SYS_rt_sigtimedwait => Way::Relative(Rdx),
        libc::SYS_io_getevents | IO_PGETEVENTS => Way::Relative(R8),
        libc::SYS_futex if regs.rsi & 127 == libc::FUTEX_WAIT as u64 => Way::Relative(R10),
        libc::SYS_recvfrom | libc::SYS_recvmsg | libc::SYS_accept | libc::SYS_accept4 | libc::SYS_read => {
            Way::Socket(libc::SO_RCVTIMEO)
        }
        libc::SYS_sendto | libc::SYS_sendmsg | libc::SYS_write => Way::Socket(libc::SO_SNDTIMEO),
        libc::SYS_close | libc::SYS_close_range | libc::SYS_dup2 | libc::SYS_dup3 => Way::Never,
        _ => Way::Plain,
    }
}

/// Repairs the frame if our signal made a call fail, or hid from it that it should. `me`: the
/// thread's record; without one, calls with relative time-outs are left alone.
pub(super) fn repair(frame: &mut Frame, me: Option<&Thread>) {
    let waiting = Set(signal::pending().without(super::signal_number()).0 & !frame.mask.0);
    if waiting != Set::EMPTY && interrupts(waiting) {
        refuse_restart(frame);
        return;
    }
    if frame.regs.rax as i64 != -(libc::EINTR as i64) {
        mark(frame, me, Again::ByKernel);
        return;
    }
    let code = code_before(frame.regs.rip as usize);
    if code[CODE - 2..] != SYSCALL || waiting != Set::EMPTY {
        return;
    }
    let nr = number(&code[..CODE - 2], &frame.regs);
    let done = nr.is_some_and(|nr| begin_again(nr, frame, me));
    let counter = if done { &REWOUND } else { &UNREWOUND };
    counter.fetch_add(1, Relaxed);
    if done {
        mark(frame, me, Again::ByUs);
    }
}

/// Who makes a call begin again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// The kernel, because our handler has SA_RESTART.
    ByKernel = 0,
    /// This file: no handler's SA_RESTART saves it.
    ByUs = 1,
}

/// Remembers that the call at rip begins again, until a handler of the program's asks.
fn mark(frame: &Frame, me: Option<&Thread>, again: Again) {
    let Some(me) = me else { return };
    if again == Again::ByKernel && restarting(frame).is_none() {
        return;
    }
    me.rewound[1].store(frame.regs.rsp as usize, Relaxed);
    me.rewound[2].store(again as usize, Relaxed);
    me.rewound[0].store(frame.regs.rip as usize, Relaxed);
}

/// A handler of the program's is about to run. If it interrupts a call between our signal and the
/// call's second begin, the call fails as it would have without our signal.
pub(super) fn interrupted(restarts: bool, frame: &mut Frame, me: &Thread) {
    let at = me.rewound[0].load(Relaxed);
    if at == 0 {
        return;
    }
    me.rewound[0].store(0, Relaxed);
    let here = frame.regs.rip as usize == at && frame.regs.rsp as usize == me.rewound[1].load(Relaxed);
    let by_us = me.rewound[2].load(Relaxed) == Again::ByUs as usize;
    if here && (by_us || !restarts) {
        frame.regs.rip += SYSCALL.len() as u64;
        frame.regs.rax = -(libc::EINTR as i64) as u64;
    }
}

/// Whether one of these signals has a handler of the program's without SA_RESTART.
fn interrupts(waiting: Set) -> bool {
    (1..=64).filter(|&n| waiting.has(n)).any(|n| {
        let action = signal::installed(n);
        action.handler > libc::SIG_IGN && action.flags & libc::SA_RESTART as u64 == 0
    })
}

/// A handler of the program's without SA_RESTART is about to run: a call that the kernel would
/// begin again on return fails with EINTR instead. (A call that had not begun yet looks the same
/// and fails so too, as if the signal had come a moment later; so only those that may.)
pub(super) fn refuse_restart(frame: &mut Frame) {
    if restarting(frame).is_some() {
        frame.regs.rip += SYSCALL.len() as u64;
        frame.regs.rax = -(libc::EINTR as i64) as u64;
    }
}

/// The restartable call whose instruction is the next one, if that is what comes next.
fn restarting(frame: &Frame) -> Option<i64> {
    let nr = frame.regs.rax as i64;
    if !is_restartable(nr) {
        return None;
    }
    let code = code_before((frame.regs.rip as usize).wrapping_add(SYSCALL.len()));
    (code[CODE - 2..] == SYSCALL && number(&code[..CODE - 2], &frame.regs) == Some(nr)).then_some(nr)
}

/// Whether the interrupted code waits for another thread, in a futex's wait, or is about to.
pub(super) fn waits_for_another(frame: &Frame) -> bool {
    let regs = &frame.regs;
    let wait = matches!(regs.rsi as i32 & 127, libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET);
    let given_up = || {
        let code = code_before(regs.rip as usize);
        code[CODE - 2..] == SYSCALL && number(&code[..CODE - 2], regs) == Some(libc::SYS_futex)
    };
    match regs.rax as i64 {
        libc::SYS_futex => wait && restarting(frame).is_some(),
        rax => rax == -(libc::EINTR as i64) && wait && given_up(),
    }
}

/// Calls that a handler with SA_RESTART lets begin again and one without makes fail.
fn is_restartable(nr: i64) -> bool {
    matches!(
        nr,
        libc::SYS_read
            | libc::SYS_write
            | libc::SYS_readv
            | libc::SYS_writev
            | libc::SYS_recvfrom
            | libc::SYS_recvmsg
            | libc::SYS_recvmmsg
            | libc::SYS_sendto
            | libc::SYS_sendmsg
            | libc::SYS_accept
            | libc::SYS_accept4
            | libc::SYS_connect
            | libc::SYS_wait4
            | libc::SYS_waitid
            | libc::SYS_flock
            | libc::SYS_fcntl
            | libc::SYS_futex
            | libc::SYS_open
            | libc::SYS_openat
            | libc::SYS_splice
            | libc::SYS_mq_timedsend
            | libc::SYS_mq_timedreceive
    )
}

fn begin_again(nr: i64, frame: &mut Frame, me: Option<&Thread>) -> bool {
    let regs = &mut frame.regs;
    match (way(nr, regs), me) {
        (Way::Never, _) => return false,
        (Way::Plain, _) => {}
        (Way::Millis(r), Some(me)) => millis(register(regs, r), me),
        (Way::Relative(r), Some(me)) => relative(register(regs, r), me),
        (Way::Sleep(request, rest), Some(me)) => sleep(regs, request, rest, me),
        (Way::Socket(option), Some(me)) => {
            if socket(&mut regs.rdi, option, me) {
                regs.rax = -(libc::EAGAIN as i64) as u64;
                return true;
            }
        }
        (_, None) => return false,
    }
    regs.rip -= SYSCALL.len() as u64;
    regs.rax = nr as u64;
    true
}

fn register(regs: &mut Regs, which: Register) -> &mut u64 {
    match which {
        Register::Rdi => &mut regs.rdi,
        Register::Rsi => &mut regs.rsi,
        Register::Rdx => &mut regs.rdx,
        Register::R10 => &mut regs.r10,
        Register::R8 => &mut regs.r8,
    }
}

const MS: u64 = 1_000_000;

fn millis(argument: &mut u64, me: &Thread) {
    let left = *argument as i32;
    if left <= 0 {
        return;
    }
    let now = process::now_ns();
    let fresh = || me.timing.noted().unwrap_or(now + left as u64 * MS);
    let (tag, deadline) = match me.timing.of_tag(*argument) {
        Some(instance) => instance,
        None => {
            let deadline = fresh();
            (me.timing.begin(deadline), deadline)
        }
    };
    let left = deadline.saturating_sub(now).div_ceil(MS).min(left as u64);
    *argument = (tag as u64) << 32 | left;
}

fn relative(argument: &mut u64, me: &Thread) {
    if *argument == 0 {
        return;
    }
    let now = process::now_ns();
    if *argument != me.timing.scratch() {
        // SAFETY: the kernel has just read a timespec there.
        let ts = unsafe { (*argument as *const libc::timespec).read_unaligned() };
        let ns = (ts.tv_sec.max(0) as u64).saturating_mul(1_000_000_000).saturating_add(ts.tv_nsec as u64);
        me.timing.begin(me.timing.noted().unwrap_or(now.saturating_add(ns)));
        *argument = me.timing.scratch();
    }
    me.timing.set_scratch(me.timing.deadline().saturating_sub(now));
}

fn sleep(regs: &mut Regs, request: Register, rest: Register, me: &Thread) {
    let scratch = me.timing.scratch();
    let to = *register(regs, rest);
    if let (0, Some(deadline)) = (to, me.timing.noted()) {
        me.timing.set_scratch(deadline.saturating_sub(process::now_ns()));
        *register(regs, request) = scratch;
        *register(regs, rest) = scratch;
    } else if to == 0 {
        // From now on the kernel says what is left.
        *register(regs, rest) = scratch;
    } else {
        *register(regs, request) = to;
    }
}

/// True: the socket's time is over.
fn socket(fd: &mut u64, option: i32, me: &Thread) -> bool {
    let now = process::now_ns();
    if let Some((_, deadline)) = me.timing.of_tag(*fd) {
        return now >= deadline;
    }
    let mut time = [0u64; 2];
    let mut length = size_of_val(&time) as u32;
    // SAFETY: the kernel writes at most `length` bytes of a timeval.
    let got = check(unsafe {
        syscall5(
            libc::SYS_getsockopt,
            *fd as u32 as usize,
            libc::SOL_SOCKET as usize,
            option as usize,
            &raw mut time as usize,
            &raw mut length as usize,
        )
    });
    let ns = time[0].saturating_mul(1_000_000_000).saturating_add(time[1] * 1000);
    if got.is_ok() && ns != 0 {
        let tag = me.timing.begin(now.saturating_add(ns));
        *fd = (tag as u64) << 32 | *fd as u32 as u64;
    }
    false
}

const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// Bytes looked at before rip.
const CODE: usize = 12;

/// The bytes before `rip`; zeros if they cannot be read.
fn code_before(rip: usize) -> [u8; CODE] {
    let mut code = [0u8; CODE];
    let from = rip.wrapping_sub(CODE);
    if rip & 4095 >= CODE {
        // SAFETY: the same page as the instruction that was executed last or is next.
        return unsafe { (from as *const [u8; CODE]).read_unaligned() };
    }
    let local = libc::iovec { iov_base: code.as_mut_ptr().cast(), iov_len: CODE };
    let remote = libc::iovec { iov_base: from as *mut core::ffi::c_void, iov_len: CODE };
    // SAFETY: writes within `code`; an unreadable source is an error.
    unsafe {
        syscall6(
            libc::SYS_process_vm_readv,
            process::pid() as usize,
            &raw const local as usize,
            1,
            &raw const remote as usize,
            1,
            0,
        );
    }
    code
}

/// The number that the instructions before `syscall` put into eax.
fn number(code: &[u8], regs: &Regs) -> Option<i64> {
    // `mov r32, [rsp + disp8]` of an argument, in between (msgrcv).
    if let [head @ .., 0x8b, modrm, 0x24, _] = code
        && modrm & 0xc7 == 0x44
        && *modrm != 0x44
        && head.len() >= 5
        && head[head.len() - 5] == 0xb8
    {
        return number(head, regs);
    }
    let n = code.len();
    if code[n - 5] == 0xb8 {
        let nr = i32::from_le_bytes([code[n - 4], code[n - 3], code[n - 2], code[n - 1]]);
        return (0..1024).contains(&nr).then_some(nr as i64);
    }
    if matches!(code[n - 2..], [0x31 | 0x33, 0xc0]) {
        return Some(0);
    }
    // `mov eax, r32`: 89 /r, mod 11, rm 000; REX.R for r8 to r15.
    let [rex, 0x89, modrm] = code[n - 3..] else { return None };
    if modrm & 0xc7 != 0xc0 {
        return None;
    }
    let high = if rex == 0x44 || rex == 0x4c { 8 } else { 0 };
    let value = match (modrm >> 3 & 7) + high {
        2 => regs.rdx,
        3 => regs.rbx,
        5 => regs.rbp,
        6 => regs.rsi,
        7 => regs.rdi,
        8 => regs.r8,
        9 => regs.r9,
        10 => regs.r10,
        12 => regs.r12,
        13 => regs.r13,
        14 => regs.r14,
        15 => regs.r15,
        // rcx and r11 are the kernel's, rax is the result.
        _ => return None,
    };
    (value < 1024).then_some(value as i64)
}

#[cfg(test)]
#[path = "rewind/tests.rs"]
mod tests;

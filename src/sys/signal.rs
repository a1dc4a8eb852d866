//! Signals: masks, actions, the frame that the kernel leaves on the stack.
//!
//! Actions are installed by raw system call, because libc's `sigaction` is one of the functions
//! that `preload/` replaces. The kernel then wants a restorer, the two instructions that a
//! handler returns to; debuggers and unwinders know a signal frame by exactly these bytes.
//!
//! # Safety
//! `install` makes the kernel call a function at any moment: its caller vouches that the
//! function is fit for that. Masks concern the calling thread only.
#![allow(unsafe_code)]
use super::raw::{Errno, check, syscall2, syscall3, syscall4};
use core::arch::global_asm;

/// A kernel signal set: bit `n - 1` is signal `n`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct Set(pub u64);

impl Set {
    pub const EMPTY: Set = Set(0);
    pub const FULL: Set = Set(!0);

    pub const fn of(signal: i32) -> Set {
        Set(1 << (signal - 1))
    }
    pub const fn has(self, signal: i32) -> bool {
        self.0 & Set::of(signal).0 != 0
    }
    pub const fn with(self, signal: i32) -> Set {
        Set(self.0 | Set::of(signal).0)
    }
    pub const fn without(self, signal: i32) -> Set {
        Set(self.0 & !Set::of(signal).0)
    }
}

/// What the kernel calls `struct sigaction` on x86-64.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Action {
    pub handler: usize,
    pub flags: u64,
    pub restorer: usize,
    pub mask: Set,
}

pub const SA_RESTORER: u64 = 0x0400_0000;

global_asm!(
    ".text",
    ".globl gleaner_restore_rt",
    ".hidden gleaner_restore_rt",
    ".type gleaner_restore_rt, @function",
    ".p2align 4",
    "nop",
    "gleaner_restore_rt:",
    "mov rax, 15",
    "syscall",
    ".size gleaner_restore_rt, . - gleaner_restore_rt",
);
unsafe extern "C" {
    fn gleaner_restore_rt();
}

/// A handler with three arguments: number, `siginfo_t`, `ucontext_t`.
pub type Handler = unsafe extern "C" fn(i32, *mut Info, *mut Frame);

/// Installs `handler` for `signal`; returns what was there.
/// # Safety
/// `handler` must be fit to run at any instruction of any thread.
pub unsafe fn install(signal: i32, handler: Handler, flags: i32, mask: Set) -> Result<Action, Errno> {
    let new = Action {
        handler: handler as *const () as usize,
        flags: flags as u64 | SA_RESTORER,
        restorer: gleaner_restore_rt as *const () as usize,
        mask,
    };
    let mut old = Action::default();
    // SAFETY: both structs are the kernel's layout and live; the handler is the caller's promise.
    check(unsafe {
        syscall4(libc::SYS_rt_sigaction, signal as usize, &raw const new as usize, &raw mut old as usize, 8)
    })
    .map(|_| old)
}

/// Installs an action as the program has it; without a restorer it gets ours.
/// # Safety
/// The handler must be one that the program installed for this signal.
pub unsafe fn put(signal: i32, action: &Action) {
    let restorer = match action.restorer {
        0 => gleaner_restore_rt as *const () as usize,
        given => given,
    };
    let new = Action { flags: action.flags | SA_RESTORER, restorer, ..*action };
    // SAFETY: the struct is the kernel's layout; the handler is the caller's promise.
    unsafe { syscall4(libc::SYS_rt_sigaction, signal as usize, &raw const new as usize, 0, 8) };
}

/// Puts the default action back.
pub fn reset(signal: i32) {
    let new = Action::default();
    // SAFETY: the struct is the kernel's layout; the default action is always fit.
    unsafe { syscall4(libc::SYS_rt_sigaction, signal as usize, &raw const new as usize, 0, 8) };
}

/// Changes the calling thread's mask (`how`: SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK).
pub fn mask(how: i32, set: Set) -> Set {
    let mut old = Set::EMPTY;
    // SAFETY: two live sets of eight bytes.
    unsafe {
        syscall4(libc::SYS_rt_sigprocmask, how as usize, &raw const set as usize, &raw mut old as usize, 8);
    }
    old
}

/// Signals that wait because they are blocked, for this thread or the process.
pub fn pending() -> Set {
    let mut set = Set::EMPTY;
    // SAFETY: the kernel writes eight bytes.
    unsafe { syscall2(libc::SYS_rt_sigpending, &raw mut set as usize, 8) };
    set
}

/// Takes a signal that waits, if it does.
pub fn discard(signal: i32) {
    let (set, now) = (Set::of(signal), [0u64; 2]);
    // SAFETY: a live set of eight bytes and a timespec of zero.
    unsafe {
        syscall4(libc::SYS_rt_sigtimedwait, &raw const set as usize, 0, &raw const now as usize, 8);
    }
}

/// What is installed for `signal`, as the kernel has it.
pub fn installed(signal: i32) -> Action {
    let mut now = Action::default();
    // SAFETY: the kernel fills one struct.
    unsafe { syscall4(libc::SYS_rt_sigaction, signal as usize, 0, &raw mut now as usize, 8) };
    now
}

/// Sends a signal to one thread of this process that carries `code`, which must be negative.
pub fn send_marked(pid: i32, tid: i32, signal: i32, code: i32) -> Result<(), Errno> {
    let info = Info { signo: signal, errno: 0, code, _pad: 0, pid, uid: 0, rest: [0; 13] };
    // SAFETY: the kernel reads one siginfo_t.
    check(unsafe {
        syscall4(
            libc::SYS_rt_tgsigqueueinfo,
            pid as usize,
            tid as usize,
            signal as usize,
            &raw const info as usize,
        )
    })
    .map(|_| ())
}

/// Whether thread `tid` of process `pid` exists (as a zombie too).
pub fn exists(pid: i32, tid: i32) -> bool {
    // SAFETY: signal 0 sends nothing.
    check(unsafe { syscall3(libc::SYS_tgkill, pid as usize, tid as usize, 0) }) != Err(Errno(libc::ESRCH))
}

/// Whether there is a process of that number (as a zombie too).
pub fn exists_process(pid: i32) -> bool {
    // SAFETY: signal 0 sends nothing.
    check(unsafe { syscall2(libc::SYS_kill, pid as usize, 0) }) != Err(Errno(libc::ESRCH))
}

/// `siginfo_t`: the head that every kind has, and the rest.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Info {
    pub signo: i32,
    pub errno: i32,
    pub code: i32,
    _pad: i32,
    /// For kill, tgkill and sigqueue: the sender.
    pub pid: i32,
    pub uid: u32,
    rest: [u64; 13],
}
const _: () = assert!(size_of::<Info>() == 128);

impl Info {
    /// What a timer's signal carries.
    pub fn value(&self) -> usize {
        self.rest[0] as usize
    }
}

/// `ucontext_t`, as the kernel lays it down on x86-64: the general registers at +40, the pointer
/// to the vector registers at +224, the mask of the interrupted code at +296.
#[repr(C)]
pub struct Frame {
    pub flags: u64,
    pub link: usize,
    pub stack_base: usize,
    pub stack_flags: i32,
    _pad: i32,
    pub stack_size: usize,
    pub regs: Regs,
    pub fpregs: usize,
    _reserved: [u64; 8],
    pub mask: Set,
}
const _: () = assert!(core::mem::offset_of!(Frame, regs) == 40);
const _: () = assert!(core::mem::offset_of!(Frame, fpregs) == 224);
const _: () = assert!(core::mem::offset_of!(Frame, mask) == 296);

/// `gregset_t`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Regs {
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub rdx: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rsp: u64,
    pub rip: u64,
    pub eflags: u64,
    pub csgsfs: u64,
    pub err: u64,
    pub trapno: u64,
    pub oldmask: u64,
    pub cr2: u64,
}
const _: () = assert!(size_of::<Regs>() == 23 * 8);

/// Offset of `fpx_sw_bytes` in the legacy FXSAVE area.
const SW_BYTES: usize = 464;
const MAGIC1: u32 = 0x4650_5853;
/// Without the magic there are the 512 bytes of FXSAVE and no more.
const LEGACY: usize = 512;
/// No XSAVE area is larger (AMX: 11 KiB).
const LARGEST: usize = 64 << 10;

impl Frame {
    /// Bounds of the saved vector registers: all of XSAVE where the magic word says that the
    /// extended part is there (AVX and AVX-512 halves live only in it).
    pub fn vectors(&self) -> Option<(usize, usize)> {
        let at = self.fpregs;
        if at == 0 || at & 15 != 0 {
            return None;
        }
        // SAFETY: the kernel wrote at least the legacy area there, in this very frame.
        let (magic, extended, xstate) = unsafe {
            let sw = (at + SW_BYTES) as *const u32;
            (sw.read(), sw.add(1).read(), sw.add(4).read())
        };
        let size = if magic == MAGIC1 { extended.max(xstate) as usize } else { LEGACY };
        Some((at, at + size.clamp(LEGACY, LARGEST)))
    }
    /// Bounds of the general registers.
    pub fn general(&self) -> (usize, usize) {
        let at = &raw const self.regs as usize;
        (at, at + size_of::<Regs>())
    }
    /// Where the frame says which alternate stack the kernel keeps for the thread: one word.
    pub fn alternate_word(&self) -> (usize, usize) {
        let at = &raw const self.stack_base as usize;
        (at, at + size_of::<usize>())
    }
    /// Whether the thread has an alternate stack: then handlers run there.
    pub fn has_alternate(&self) -> bool {
        self.stack_flags & libc::SS_DISABLE == 0 && self.stack_base != 0
    }
    /// Whether the interrupted code ran on the alternate stack, and where that is.
    pub fn alternate(&self) -> Option<(usize, usize)> {
        let (lo, hi) = (self.stack_base, self.stack_base.checked_add(self.stack_size)?);
        let sp = self.regs.rsp as usize;
        (self.stack_flags & libc::SS_DISABLE == 0 && lo < sp && sp <= hi).then_some((lo, hi))
    }
}

/// Base address of the calling thread's alternate signal stack; 0 if it has none.
pub fn alternate_stack() -> usize {
    let mut old = [0usize; 3];
    // SAFETY: the kernel writes one stack_t: base, flags, size.
    let asked = check(unsafe { syscall2(libc::SYS_sigaltstack, 0, old.as_mut_ptr() as usize) });
    if asked.is_err() || old[1] as i32 & libc::SS_DISABLE != 0 { 0 } else { old[0] }
}

//! Gates: the program's signal handlers are entered through code of ours.
//!
//! What sigaction and its like give to the kernel is the address of a *gate*, a few instructions
//! that belong to one handler for ever, so the kernel changes from one handler to the next in one
//! step as ever, and what it reports is translated back by the gate's number. A gate jumps to
//! the handler with the registers and the stack that the kernel gave it, after two rare things:
//! - a thread in a blocking call is running again (`blocking`), and waits for the end of a stop first;
//! - a call that the stop's handler has just made begin again, and that this signal interrupts
//!   before it did, fails with EINTR as it would have without the stop (`rewind`).
//!
//! 128 handlers have a gate. Further ones, and those that a raw system call installs, are the kernel's
//! directly; the collector sees them ([`has_strangers`]) and then stops threads in blocking
//! calls by its signal too.
//!
//! # Safety
//! The asm keeps the ABI. The kernel passes a ucontext that lives while the handler runs.
#![allow(unsafe_code)]
use super::{blocking, current, rewind};
use crate::sys::signal::{self, Frame};
use crate::sys::{process, tls};
use core::arch::global_asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicUsize, Ordering::*};

const GATES: usize = 128;
/// Bytes of a gate.
const STEP: usize = 16;

/// The handler of each gate; 0: the gate is unused. Written once.
static HANDLERS: [AtomicUsize; GATES] = [const { AtomicUsize::new(0) }; GATES];

global_asm!(
    ".text",
    ".p2align 4",
    ".globl gleaner_gates",
    ".hidden gleaner_gates",
    ".type gleaner_gates, @function",
    "gleaner_gates:",
    ".cfi_startproc",
    ".set gleaner_gate, 0",
    ".rept {gates}",
    ".p2align 4",
    // mov eax, the gate's number
    ".byte 0xb8",
    ".long gleaner_gate",
    "jmp 2f",
    ".set gleaner_gate, gleaner_gate + 1",
    ".endr",
    "2: mov r10, qword ptr fs:[0]",
    "add r10, qword ptr [rip + gleaner_tls_block@GOTTPOFF]",
    "mov r10, qword ptr [r10 + {thread}]",
    "test r10, r10",
    "jz 3f",
    "mov ecx, dword ptr [r10 + {word}]",
    "and ecx, 3",
    "cmp ecx, {safe}",
    "je 4f",
    "cmp qword ptr [r10 + {rewound}], 0",
    "jne 4f",
    "3: lea r11, [rip + {handlers}]",
    "jmp qword ptr [r11 + rax * 8]",
    "4: push rax",
    ".cfi_adjust_cfa_offset 8",
    "push rdi",
    ".cfi_adjust_cfa_offset 8",
    "push rsi",
    ".cfi_adjust_cfa_offset 8",
    "push rdx",
    ".cfi_adjust_cfa_offset 8",
    "sub rsp, 8",
    ".cfi_adjust_cfa_offset 8",
    "mov rsi, rdx",
    "call {pass}",
    "add rsp, 8",
    ".cfi_adjust_cfa_offset -8",
    "pop rdx",
    ".cfi_adjust_cfa_offset -8",
    "pop rsi",
    ".cfi_adjust_cfa_offset -8",
    "pop rdi",
    ".cfi_adjust_cfa_offset -8",
    "pop rax",
    ".cfi_adjust_cfa_offset -8",
    "jmp 3b",
    ".cfi_endproc",
    ".size gleaner_gates, . - gleaner_gates",
    gates = const GATES,
    thread = const offset_of!(tls::Block, thread),
    word = const offset_of!(super::record::Thread, word),
    rewound = const offset_of!(super::record::Thread, rewound),
    safe = const super::state::State::Safe as u32,
    handlers = sym HANDLERS,
    pass = sym pass,
);
unsafe extern "C" {
    fn gleaner_gates();
}
fn first() -> usize {
    gleaner_gates as *const () as usize
}

/// What the kernel shall have for the program's `handler`: its gate; the handler itself where it
/// is none (SIG_DFL, SIG_IGN, SIG_ERR, SIG_HOLD) or no gate is left.
pub fn gate_of(handler: usize) -> usize {
    if handler < 4096 || handler == usize::MAX || number_of(handler).is_some() {
        return handler;
    }
    for (i, slot) in HANDLERS.iter().enumerate() {
        let taken = slot.compare_exchange(0, handler, AcqRel, Acquire);
        if taken.is_ok() || taken == Err(handler) {
            return first() + i * STEP;
        }
    }
    handler
}

/// The program's handler for what the kernel has.
pub fn behind(action: usize) -> usize {
    number_of(action).map_or(action, |i| HANDLERS[i].load(Acquire))
}

fn number_of(at: usize) -> Option<usize> {
    let offset = at.wrapping_sub(first());
    (offset < GATES * STEP && offset.is_multiple_of(STEP)).then_some(offset / STEP)
}

/// glibc's own two: cancellation, and setuid in all threads. They run no code of the program.
const LIBC_OWN: [i32; 2] = [32, 33];

/// Whether a signal has a handler that no gate leads to. The stop signal's is ours.
pub(super) fn has_strangers() -> bool {
    let own = super::signal_number();
    (1..=64).filter(|n| *n != own && *n != 9 && *n != 19 && !LIBC_OWN.contains(n)).any(|n| {
        let handler = signal::installed(n).handler;
        handler > libc::SIG_IGN && number_of(handler).is_none() && !super::watched::is_ours(handler)
    })
}

/// In a gate: the program's handler for `signal` is next.
unsafe extern "C" fn pass(signal: i32, frame: *mut Frame) {
    // A thread made by a raw clone may share its maker's thread-local storage.
    let Some(me) = current().filter(|t| t.tid.load(Relaxed) == process::tid()) else { return };
    blocking::run_again(me);
    if me.rewound[0].load(Relaxed) != 0 {
        let restarts = signal::installed(signal).flags & libc::SA_RESTART as u64 != 0;
        // SAFETY: the kernel's, while the handler runs.
        rewind::interrupted(restarts, unsafe { &mut *frame }, me);
    }
}

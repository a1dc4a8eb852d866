//! makecontext: a coroutine's stack may be an array in a frame of its maker's.
//!
//! # Safety
//! The real function is entered by a jump with all argument registers as they came: it takes any number of them.
use core::arch::naked_asm;
use core::sync::atomic::{AtomicUsize, Ordering};
use gleaner_core::runtime::{foreign, signals};

static REAL: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn note(context: *const libc::ucontext_t) -> usize {
    // SAFETY: the program's context, by the contract of makecontext(3).
    unsafe { signals::note_stack((*context).uc_stack.ss_sp as usize) };
    if REAL.load(Ordering::Acquire) == 0 {
        REAL.store(foreign::look_up(c"makecontext"), Ordering::Release);
    }
    REAL.load(Ordering::Acquire)
}

/// # Safety
/// As makecontext(3).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn makecontext() {
    naked_asm!(
        ".cfi_startproc",
        "push rdi",
        "push rsi",
        "push rdx",
        "push rcx",
        "push r8",
        "push r9",
        "push rax",
        ".cfi_adjust_cfa_offset 56",
        "call {note}",
        "mov r11, rax",
        "pop rax",
        "pop r9",
        "pop r8",
        "pop rcx",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        ".cfi_adjust_cfa_offset -56",
        "jmp r11",
        ".cfi_endproc",
        note = sym note,
    )
}

//! makecontext: a coroutine's stack may be an array in a frame of its maker's.
//!
//! # Safety
//! The real function is entered by a jump with all argument registers as they came: it takes any number of
//! them.
use core::arch::naked_asm;
use gleaner_core::runtime::signals;

unsafe extern "C" fn before(context: *const libc::ucontext_t) -> usize {
    // SAFETY: the program's context, by the contract of makecontext(3).
    unsafe { signals::before_makecontext(context) }
}

/// # Safety
/// As makecontext(3).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn makecontext() {
    naked_asm!(
        ".cfi_startproc",
        gleaner_core::arguments!(push),
        "push rax",
        ".cfi_adjust_cfa_offset 56",
        "call {before}",
        "mov r11, rax",
        "pop rax",
        gleaner_core::arguments!(pop),
        ".cfi_adjust_cfa_offset -56",
        "jmp r11",
        ".cfi_endproc",
        before = sym before,
    )
}

//! dlopen without RTLD_DEEPBIND.
//!
//! A plugin opened with that flag binds malloc and free to glibc's before ours, and then hands
//! blocks of one to the other (Debian's PHP does). Without the flag it finds ours.
//!
//! # Safety
//! dlopen looks at its return address to learn who called (namespace, DT_RUNPATH), so the real
//! one is entered by a jump with the caller's frame as it was. All argument registers are kept
//! over the one call that may come before it.
use core::arch::naked_asm;
use core::sync::atomic::{AtomicUsize, Ordering};
use gleaner_core::runtime::foreign;

static REAL: AtomicUsize = AtomicUsize::new(0);

extern "C" fn resolve() {
    REAL.store(foreign::look_up(c"dlopen"), Ordering::Release);
}

/// # Safety
/// As dlopen(3).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn dlopen() {
    naked_asm!(
        "and esi, {keep}",
        "mov rax, qword ptr [rip + {real}]",
        "test rax, rax",
        "jnz 2f",
        "push rdi",
        "push rsi",
        "sub rsp, 8",
        "call {resolve}",
        "add rsp, 8",
        "pop rsi",
        "pop rdi",
        "mov rax, qword ptr [rip + {real}]",
        "2: jmp rax",
        keep = const !libc::RTLD_DEEPBIND,
        real = sym REAL,
        resolve = sym resolve,
    )
}

//! prctl and syscall: seccomp filters are looked at on their way into the kernel.
//!
//! # Safety
//! Each entry goes on to the function behind it with all registers as they came, but where a
//! filter is installed. Both are variadic in C; at most five words follow the first one there.
use core::arch::naked_asm;
use core::ffi::{c_int, c_long};
use core::sync::atomic::{AtomicUsize, Ordering};
use gleaner_core::runtime::{exec, sandbox};

static REAL_PRCTL: AtomicUsize = AtomicUsize::new(0);

extern "C" fn resolve() {
    REAL_PRCTL.store(sandbox::resolve(), Ordering::Release);
}

unsafe extern "C" fn prctl_seccomp(option: c_int, mode: usize, filter: usize, d: usize, e: usize) -> c_int {
    // SAFETY: the caller's.
    unsafe { sandbox::prctl(option, mode, filter, d, e) }
}
unsafe extern "C" fn syscall_seccomp(n: c_long, a: usize, b: usize, c: usize, d: usize, e: usize) -> c_long {
    // SAFETY: the caller's.
    unsafe { sandbox::syscall(n, a, b, c, d, e) }
}

unsafe extern "C" fn syscall_exec(n: c_long, a: usize, b: usize, c: usize, d: usize, e: usize) -> c_long {
    // SAFETY: the caller's.
    unsafe { exec::syscall(n, [a, b, c, d, e]) }
}

/// # Safety
/// As prctl(2).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn prctl() {
    naked_asm!(
        "cmp edi, {set_seccomp}",
        "je {seccomp}",
        "2: mov r11, qword ptr [rip + {real}]",
        "test r11, r11",
        "jz 3f",
        "jmp r11",
        "3: push rax",
        gleaner_core::arguments!(push),
        "call {resolve}",
        gleaner_core::arguments!(pop),
        "pop rax",
        "jmp 2b",
        set_seccomp = const libc::PR_SET_SECCOMP,
        seccomp = sym prctl_seccomp,
        real = sym REAL_PRCTL,
        resolve = sym resolve,
    )
}

/// # Safety
/// As syscall(2).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn syscall() {
    naked_asm!(
        "cmp rdi, {nr_seccomp}",
        "je {seccomp}",
        "cmp rdi, {nr_prctl}",
        "je {seccomp}",
        "cmp rdi, {nr_execve}",
        "je {execute}",
        "cmp rdi, {nr_execveat}",
        "je {execute}",
        "jmp {waiting}",
        nr_execve = const libc::SYS_execve,
        nr_execveat = const libc::SYS_execveat,
        execute = sym syscall_exec,
        nr_seccomp = const libc::SYS_seccomp,
        nr_prctl = const libc::SYS_prctl,
        seccomp = sym syscall_seccomp,
        waiting = sym crate::blocking::waiting_syscall,
    )
}

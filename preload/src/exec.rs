//! The exec family of C, and what makes a child that executes another program.
//!
//! # Safety
//! Each function has the contract of its C name; see exec(3). In the variadic ones the caller's registers are
//! laid down below its words on the stack, where the return address was, so that both are one list. The
//! return address waits in between for the call to fail.
#![allow(clippy::missing_safety_doc)]
use crate::malloc::family;
use core::arch::naked_asm;
use core::ffi::{c_int, c_void};
use gleaner_core::runtime::exec;

type Path = *const i8;
type List = *const *const i8;

family! {
    fn execve(path: Path, argv: List, envp: List) -> c_int = exec::execve(path, argv, envp);
    fn execv(path: Path, argv: List) -> c_int = exec::execv(path, argv);
    fn execvp(file: Path, argv: List) -> c_int = exec::execvp(file, argv);
    fn execvpe(file: Path, argv: List, envp: List) -> c_int = exec::execvpe(file, argv, envp);
    fn fexecve(fd: c_int, argv: List, envp: List) -> c_int = exec::fexecve(fd, argv, envp);
    fn execveat(fd: c_int, path: Path, argv: List, envp: List, flags: c_int) -> c_int =
        exec::execveat(fd, path, argv, envp, flags);
    fn posix_spawn(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> c_int =
        exec::posix_spawn([a, b, c, d, e, f]);
    fn posix_spawnp(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> c_int =
        exec::posix_spawnp([a, b, c, d, e, f]);
    fn system(command: Path) -> c_int = exec::system(command);
    fn popen(command: Path, kind: Path) -> *mut c_void = exec::popen(command, kind);
}

unsafe extern "C" fn list(path: Path, argv: List) -> c_int {
    // SAFETY: as execv(3).
    unsafe { exec::execv(path, argv) }
}
unsafe extern "C" fn list_in_path(file: Path, argv: List) -> c_int {
    // SAFETY: as execvp(3).
    unsafe { exec::execvp(file, argv) }
}
unsafe extern "C" fn list_with_environment(path: Path, argv: List) -> c_int {
    // SAFETY: as execle(3).
    unsafe { exec::execle(path, argv) }
}

macro_rules! variadic {
    ($($name:ident = $body:path;)*) => {$(
        /// # Safety
        /// As the C function.
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            naked_asm!(
                ".cfi_startproc",
                "pop r10",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_register rip, r10",
                "push r9",
                ".cfi_adjust_cfa_offset 8",
                "push r8",
                ".cfi_adjust_cfa_offset 8",
                "push rcx",
                ".cfi_adjust_cfa_offset 8",
                "push rdx",
                ".cfi_adjust_cfa_offset 8",
                "push rsi",
                ".cfi_adjust_cfa_offset 8",
                "mov rsi, rsp",
                "push r10",
                ".cfi_adjust_cfa_offset 8",
                ".cfi_offset rip, -48",
                "call {body}",
                "pop r10",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_register rip, r10",
                "add rsp, 40",
                ".cfi_adjust_cfa_offset -40",
                "jmp r10",
                ".cfi_endproc",
                body = sym $body,
            )
        }
    )*};
}
variadic! {
    execl = list;
    execlp = list_in_path;
    execle = list_with_environment;
}

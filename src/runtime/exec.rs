//! The exec family.
//!
//! # Safety
//! Arguments are those of the C functions. The list of a variadic one lies in memory as `argv` does: the
//! entry in
//! preload/ lays it down so.
#![allow(unsafe_code)]
use super::next::{Next, behind};
use crate::threads::exec;
use core::ffi::c_int;

type List = *const *const i8;
type Path = *const i8;
// Looked up at start: a child of vfork must not.
behind! {
    EXECVE = c"execve": unsafe extern "C" fn(Path, List, List) -> c_int;
    EXECV = c"execv": unsafe extern "C" fn(Path, List) -> c_int;
    EXECVP = c"execvp": unsafe extern "C" fn(Path, List) -> c_int;
    EXECVPE = c"execvpe": unsafe extern "C" fn(Path, List, List) -> c_int;
    FEXECVE = c"fexecve": unsafe extern "C" fn(c_int, List, List) -> c_int;
    EXECVEAT = c"execveat": unsafe extern "C" fn(c_int, Path, List, List, c_int) -> c_int;
}

fn failing<F: Copy>(real: &Next<F>, call: impl FnOnce(F) -> c_int) -> c_int {
    let Some(real) = real.get() else {
        crate::sys::errno::set(libc::ENOSYS);
        return -1;
    };
    let settings = exec::hand_on();
    let result = call(real);
    settings.take_back();
    result
}

/// # Safety
/// As execve(2).
pub unsafe fn execve(path: Path, argv: List, envp: List) -> c_int {
    // SAFETY: forwarded.
    failing(&EXECVE, |real| unsafe { real(path, argv, envp) })
}
/// # Safety
/// As execv(3).
pub unsafe fn execv(path: Path, argv: List) -> c_int {
    // SAFETY: forwarded.
    failing(&EXECV, |real| unsafe { real(path, argv) })
}
/// # Safety
/// As execvp(3).
pub unsafe fn execvp(file: Path, argv: List) -> c_int {
    // SAFETY: forwarded.
    failing(&EXECVP, |real| unsafe { real(file, argv) })
}
/// # Safety
/// As execvpe(3).
pub unsafe fn execvpe(file: Path, argv: List, envp: List) -> c_int {
    // SAFETY: forwarded.
    failing(&EXECVPE, |real| unsafe { real(file, argv, envp) })
}
/// # Safety
/// As fexecve(3).
pub unsafe fn fexecve(fd: c_int, argv: List, envp: List) -> c_int {
    // SAFETY: forwarded.
    failing(&FEXECVE, |real| unsafe { real(fd, argv, envp) })
}
/// # Safety
/// As execveat(2).
pub unsafe fn execveat(fd: c_int, path: Path, argv: List, envp: List, flags: c_int) -> c_int {
    // SAFETY: forwarded.
    failing(&EXECVEAT, |real| unsafe { real(fd, path, argv, envp, flags) })
}
/// execle: the environment stands behind the list's end.
///
/// # Safety
/// As execle(3), its list laid down as `argv`.
pub unsafe fn execle(path: Path, argv: List) -> c_int {
    let mut end = argv;
    // SAFETY: the list ends with NULL, and one more word follows.
    unsafe {
        while !(*end).is_null() {
            end = end.add(1);
        }
        execve(path, argv, end.add(1).read().cast())
    }
}

//! The exec family, and what makes a child that executes another program.
//!
//! # Safety
//! Arguments are those of the C functions. The list of a variadic one lies in memory as `argv` does: the
//! entry in preload/ lays it down so.
#![allow(unsafe_code)]
use super::blocking::{block, wrapped};
use super::collect;
use super::next::{Next, behind};
use crate::pure::addr::Addr;
use crate::threads::exec::{self, Heir};
use core::ffi::{c_int, c_void};

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
    POPEN = c"popen": unsafe extern "C" fn(Path, Path) -> *mut c_void;
}
wrapped! {
    fn blocking_spawn = "posix_spawn";
    fn blocking_spawnp = "posix_spawnp";
    fn blocking_system = "system";
}

/// With the program's settings of our signal for a child.
fn handing_on<R>(heir: Heir, call: impl FnOnce() -> R) -> R {
    let settings = exec::hand_on(heir);
    let result = call();
    settings.take_back();
    result
}

fn failing<F: Copy>(real: &Next<F>, call: impl FnOnce(F) -> c_int) -> c_int {
    let Some(real) = real.get() else {
        crate::sys::errno::set(libc::ENOSYS);
        return -1;
    };
    collect::tracked::leave();
    handing_on(Heir::Itself, || call(real))
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

/// # Safety
/// The six words of posix_spawn(3).
pub unsafe fn posix_spawn([a, b, c, d, e, f]: [usize; 6]) -> c_int {
    handing_on(Heir::Child, || block!(blocking_spawn(a, b, c, d, e, f)))
}
/// # Safety
/// The six words of posix_spawnp(3).
pub unsafe fn posix_spawnp([a, b, c, d, e, f]: [usize; 6]) -> c_int {
    handing_on(Heir::Child, || block!(blocking_spawnp(a, b, c, d, e, f)))
}
/// # Safety
/// As system(3).
pub unsafe fn system(command: Path) -> c_int {
    handing_on(Heir::Awaited, || block!(blocking_system(command)))
}
/// # Safety
/// As popen(3).
pub unsafe fn popen(command: Path, kind: Path) -> *mut c_void {
    let Some(real) = POPEN.get() else {
        crate::sys::errno::set(libc::ENOSYS);
        return core::ptr::null_mut();
    };
    // SAFETY: forwarded.
    handing_on(Heir::Child, || unsafe { real(command, kind) })
}
/// # Safety
/// syscall(2) with the number of execve or execveat.
pub unsafe fn syscall(number: i64, [a, b, c, d, e]: [usize; 5]) -> i64 {
    let path = |at: usize| Addr(at).ptr::<i8>().cast_const();
    let list = |at: usize| Addr(at).ptr::<*const i8>().cast_const();
    // SAFETY: forwarded.
    let result = unsafe {
        match number {
            libc::SYS_execveat => execveat(a as c_int, path(b), list(c), list(d), e as c_int),
            _ => execve(path(a), list(b), list(c)),
        }
    };
    result.into()
}

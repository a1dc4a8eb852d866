//! The program puts itself into a sandbox: prctl and syscall, where they install a seccomp filter.
//!
//! The filter is tried out on what we do ([`sandbox`]). What it would end the process for ends here:
//! collections and leak checks first of all, which then are never begun again. The
//! cycle's lock is held over the installation, so that no thread is stopped across it.
//!
//! # Safety
//! The calls are the program's. Its filter is read after the kernel took it, so it was readable.
#![allow(unsafe_code)]
use super::next::Next;
use super::{check, collect, cycle};
use crate::ground::critical;
use crate::heap::purge;
use crate::pages;
use crate::pure::bpf::Instruction;
use crate::sys::process;
use crate::sys::sandbox::{self, Need};
use crate::threads;
use core::ffi::{c_int, c_long};

type Prctl = unsafe extern "C" fn(c_int, usize, usize, usize, usize) -> c_int;
type Syscall = unsafe extern "C" fn(c_long, usize, usize, usize, usize, usize, usize) -> c_long;
// SAFETY: the types of these C functions, but that they are variadic; all words are in registers.
static PRCTL: Next<Prctl> = unsafe { Next::new(c"prctl") };
// SAFETY: as above; the seventh is on the stack.
static SYSCALL: Next<Syscall> = unsafe { Next::new(c"syscall") };

/// The prctl behind ours, for the entry in preload/.
pub fn resolve() -> usize {
    SYSCALL.resolve();
    PRCTL.resolve()
}

/// # Safety
/// prctl(2) with PR_SET_SECCOMP: `filter` counts if `mode` says so.
pub unsafe fn prctl(option: c_int, mode: usize, filter: usize, fourth: usize, fifth: usize) -> c_int {
    let Some(real) = PRCTL.get() else { return -1 };
    let strict = mode == libc::SECCOMP_MODE_STRICT as usize;
    // SAFETY: forwarded.
    install(strict, filter, || unsafe { real(option, mode, filter, fourth, fifth) } as c_long) as c_int
}

/// # Safety
/// syscall(2) with the number of seccomp or prctl, which have five arguments at most.
pub unsafe fn syscall(number: c_long, a: usize, b: usize, c: usize, d: usize, e: usize) -> c_long {
    let Some(real) = SYSCALL.get() else { return -1 };
    // SAFETY: forwarded.
    let call = || unsafe { real(number, a, b, c, d, e, 0) };
    match number {
        libc::SYS_seccomp if a == libc::SECCOMP_SET_MODE_STRICT as usize => install(true, 0, call),
        libc::SYS_seccomp if a == libc::SECCOMP_SET_MODE_FILTER as usize => install(false, c, call),
        libc::SYS_prctl if a == libc::PR_SET_SECCOMP as usize => {
            install(b == libc::SECCOMP_MODE_STRICT as usize, c, call)
        }
        _ => call(),
    }
}

fn install(strict: bool, filter: usize, call: impl FnOnce() -> c_long) -> c_long {
    // A handler of the program's that interrupted us waits for no lock, nor does a child that is
    // not the process that the locks belong to, nor who may make no ordinary call any more.
    let waits =
        critical::depth() == 0 && !sandbox::forbids(Need::Collect) && process::pid() == threads::pid();
    let _held = waits.then(|| {
        // A thread that was created enters itself by calls that may be forbidden in a moment.
        threads::start::wait_for_all();
        cycle::enter()
    });
    purge::pause();
    check::pause();
    if waits {
        pages::open(&critical::enter());
    }
    let result = call();
    // Negative: refused. A thread's id, where all threads were meant: refused, too. A descriptor: done.
    if result >= 0 {
        // SAFETY: the kernel has just read it.
        sandbox::installed(if strict { None } else { unsafe { read(filter) } });
        if sandbox::forbids(Need::Collect) {
            collect::never_again();
            threads::blocking::never_again();
        }
    }
    result
}

/// The instructions of a `struct sock_fprog`.
///
/// # Safety
/// 0 or the address of one that the kernel could read.
unsafe fn read<'a>(filter: usize) -> Option<&'a [Instruction]> {
    #[repr(C)]
    struct Program {
        count: u16,
        first: *const Instruction,
    }
    let program = crate::pure::addr::Addr(filter).ptr::<Program>();
    // SAFETY: the caller's promise; the layout is the kernel's.
    unsafe {
        let Program { count, first } = program.as_ref()?;
        (!first.is_null()).then(|| core::slice::from_raw_parts(*first, *count as usize))
    }
}

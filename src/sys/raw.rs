//! Raw x86-64 system calls.
//!
//! # Safety
//! A system call is as unsafe as what it asks for. The callers in `sys` wrap each one that the
//! core needs; the asm itself declares exactly what the `syscall` instruction clobbers
//! (rcx, r11, rax) and nothing else.
#![allow(unsafe_code)]
use core::arch::asm;

/// A kernel error number, positive (`libc::ENOMEM`, …).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub i32);

/// Splits the kernel's return convention: −4095..−1 is an error.
#[inline(always)]
pub fn check(ret: isize) -> Result<usize, Errno> {
    if (-4095..0).contains(&ret) { Err(Errno(-ret as i32)) } else { Ok(ret as usize) }
}

/// # Safety
/// The call must be sound for these arguments.
#[inline(always)]
pub unsafe fn syscall6(nr: i64, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> isize {
    let ret: isize;
    // SAFETY: the kernel preserves all registers but rax, rcx and r11; memory is clobbered.
    unsafe {
        asm!("syscall", inlateout("rax") nr as isize => ret, in("rdi") a, in("rsi") b, in("rdx") c,
             in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _,
             options(nostack));
    }
    ret
}

macro_rules! fewer {
    ($($name:ident($($arg:ident),*) $($zero:literal),*;)*) => {$(
        /// # Safety
        /// The call must be sound for these arguments.
        #[inline(always)]
        pub unsafe fn $name(nr: i64, $($arg: usize),*) -> isize {
            // SAFETY: forwarded to the caller.
            unsafe { syscall6(nr, $($arg,)* $($zero),*) }
        }
    )*};
}
fewer! {
    syscall0() 0, 0, 0, 0, 0, 0;
    syscall1(a) 0, 0, 0, 0, 0;
    syscall2(a, b) 0, 0, 0, 0;
    syscall3(a, b, c) 0, 0, 0;
    syscall4(a, b, c, d) 0, 0;
    syscall5(a, b, c, d, e) 0;
}

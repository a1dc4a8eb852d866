//! A random number, where the host's address space is random.
//!
//! # Safety
//! Two system calls that read settings and write one local word.
#![allow(unsafe_code)]
use super::raw;
use super::sandbox::{self, Need};

/// 64 random bits for the placement of mappings; 0 in a process that runs without address
/// space randomisation, as under a debugger, so that its addresses repeat.
pub fn placement() -> u64 {
    const QUERY: usize = 0xffff_ffff;
    const ADDR_NO_RANDOMIZE: isize = 0x004_0000;
    const GRND_NONBLOCK: usize = 1;
    let mut random = 0u64;
    let at = &raw mut random as usize;
    // The kernel's choice of where this stack lies.
    let stack = (at as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    if sandbox::forbids(Need::Begin) {
        return stack;
    }
    // SAFETY: asks for the personality without changing it.
    let persona = unsafe { raw::syscall1(libc::SYS_personality, QUERY) };
    if persona > 0 && persona & ADDR_NO_RANDOMIZE != 0 {
        return 0;
    }
    // SAFETY: writes at most eight bytes to `random`.
    if unsafe { raw::syscall3(libc::SYS_getrandom, at, 8, GRND_NONBLOCK) } != 8 {
        random = stack;
    }
    random
}

//! Whether the calling thread stands in a signal handler.
//!
//! A handler may have come between two instructions of a fast path of malloc's, which has read the newest slot of a bin and
//! not yet taken it out. To sleep is allowed there, and so nothing that a sleeper does may change the bins. Between the stack
//! pointer and the stack's end lies, in a handler, the kernel's frame, and in it the selectors of the code and the
//! stack in one word, which hardly anything else has. Such a word that is left over is a handler that there is not: nothing is lost but an
//! opportunity. On another stack than the thread's own (an alternate one, a coroutine's) it cannot be known.
//!
//! # Safety
//! What lies between a thread's stack pointer and its stack's end can be read by it.
#![allow(unsafe_code)]
use crate::pure::addr::Addr;
use core::arch::asm;
use core::sync::atomic::Ordering::Relaxed;

/// A stack with more in use is not looked through.
const DEEP: usize = 256 << 10;

/// The calling thread's frames are all calls, on its own stack. `here` is a variable of the caller's; `main_end`: where the first
/// thread's stack ends, the only one that is known in mode malloc.
#[inline(never)]
pub fn by_nobody(here: &u32, main_end: usize) -> bool {
    let here = Addr::of(here).0;
    let (low, end) = match super::current() {
        Some(me) if me.is_whole() => return false,
        Some(me) => (me.safe_lo.load(Relaxed), me.stack().1),
        None => (0, main_end),
    };
    let known = low <= here && here < end && end - here <= DEEP;
    // SAFETY: this thread's stack, from its frames upwards.
    known && !unsafe { has_frame(here, end) }
}

/// # Safety
/// `from..to` lies above the stack pointer in the calling thread's stack.
unsafe fn has_frame(from: usize, to: usize) -> bool {
    let (code, stack) = selectors();
    // In parts: a variable with the whole word would be found itself.
    (from & !7..to & !7).step_by(8).any(|at| {
        // SAFETY: the caller's promise. Volatile: others' frames.
        let word = unsafe { Addr(at).ptr::<u64>().read_volatile() };
        word as u16 == code && (word >> 16) as u32 == 0 && (word >> 48) as u16 == stack
    })
}

/// Of the code and of the stack: the first and the last part of the kernel's word, with 0 between them. Asked: a guest of Xen's has others.
fn selectors() -> (u16, u16) {
    let (code, stack): (u16, u16);
    // SAFETY: registers are read.
    unsafe {
        asm!("mov {0:x}, cs", "mov {1:x}, ss", out(reg) code, out(reg) stack, options(nomem, nostack, preserves_flags));
    }
    (code, stack)
}

#[cfg(test)]
mod tests;

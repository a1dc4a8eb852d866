//! Initial-exec thread-local words.
//!
//! `thread_local!` would call `__tls_get_addr`, which may call malloc. These symbols live in
//! the static TLS block instead and are reached with two instructions. (The word of the malloc
//! fast path is `heap::cache`'s own.)
//!
//! # Safety
//! The asm computes the address of this thread's copy of a hidden symbol; the address is valid
//! until the thread is gone, after its TSD destructors too.
#![allow(unsafe_code)]
use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU32, AtomicUsize};

global_asm!(
    ".section .tbss.gleaner,\"awT\",@nobits",
    ".globl gleaner_tls_block",
    ".hidden gleaner_tls_block",
    ".type gleaner_tls_block, @object",
    ".size gleaner_tls_block, 64",
    ".p2align 3",
    "gleaner_tls_block:",
    ".zero 64",
    ".text",
);

/// The slow thread-locals, all zero in a new thread.
#[repr(C)]
pub struct Block {
    /// Depth of critical sections; see `ground::critical`.
    pub depth: AtomicU32,
    /// A stop arrived while `depth` was not 0.
    pub pending: AtomicU32,
    /// The thread's record (`threads::Thread`), or 0.
    pub thread: AtomicUsize,
    /// 1 once the thread's TSD destructor ran: no cache of its own any more.
    pub late: AtomicU32,
    pub spare: AtomicU32,
    /// The stack of the last allocation (`leak::unwind::memo`), or 0.
    pub memo: AtomicUsize,
    /// What the program believes of the stop signal; see `threads::host`.
    pub signal: AtomicU32,
    /// The depth at which libc runs inside a critical section; see `ground::critical`.
    pub open: AtomicU32,
    pub reserved: [AtomicUsize; 3],
}
const _: () = assert!(size_of::<Block>() == 64);

/// This thread's block.
#[inline(always)]
pub fn block() -> &'static Block {
    let p: *const Block;
    // SAFETY: fs:0 holds the thread pointer; the offset is the symbol's. 'static is the
    // thread's life: the reference is not Send in practice because callers do not store it.
    unsafe {
        asm!("mov {p}, qword ptr fs:[0]",
             "add {p}, qword ptr [rip + gleaner_tls_block@GOTTPOFF]",
             p = out(reg) p, options(nostack, pure, readonly));
        &*p
    }
}

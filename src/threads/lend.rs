//! vfork: a thread that sleeps until its child has executed another program, or ended.
//!
//! No signal reaches it, so it must be SAFE; but its child runs on its stack, with its thread-local
//! storage, and may do what it must not: allocate. So before the call the thread's cache is put aside,
//! as for a thread that has none, and every malloc and free takes the slow path, which asks first
//! ([`take_back`]): it waits for the end of a stop, makes the thread RUN and gives the cache back.
//! Collections that come while such a child lives are then abandoned at their deadline. The callee-saved
//! registers, which the kernel holds for the parent, are copied to its record.
//!
//! # Safety
//! The asm does what vfork(2) of libc does: the return address survives in a register, because the
//! child's frames overwrite the stack. It describes that to the unwinder.
#![allow(unsafe_code)]
use super::blocking::{self, ACTIVE, ENTERED, guard};
use super::record::Thread;
use crate::heap::cache::{self, Cache};
use crate::sys::{errno, tls};
use core::arch::naked_asm;
use core::mem::offset_of;
use core::sync::atomic::Ordering::*;

/// `Thread::lent`: the cache is put aside.
const LENT: u32 = 1;
/// It was wanted back, by the child.
const TAKEN: u32 = 2;
/// It is put aside by a thread of its own accord.
const ASIDE: u32 = 3;

/// The rest of the exported vfork: r11 holds its [`Call`](blocking::Call)'s address.
/// # Safety
/// Jumped to only by that function.
#[unsafe(naked)]
pub unsafe extern "C" fn vfork() {
    naked_asm!(
        ".cfi_startproc",
        guard!(),
        "mov qword ptr [r10 + {spilled}], rbx",
        "mov qword ptr [r10 + {spilled} + 8], rbp",
        "mov qword ptr [r10 + {spilled} + 16], r12",
        "mov qword ptr [r10 + {spilled} + 24], r13",
        "mov qword ptr [r10 + {spilled} + 32], r14",
        "mov qword ptr [r10 + {spilled} + 40], r15",
        "mov rsi, rsp",
        "push r10",
        ".cfi_adjust_cfa_offset 8",
        "push r11",
        ".cfi_adjust_cfa_offset 8",
        "sub rsp, 8",
        ".cfi_adjust_cfa_offset 8",
        "mov rdi, r10",
        "call {lend}",
        "add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        "pop r11",
        ".cfi_adjust_cfa_offset -8",
        "pop r10",
        ".cfi_adjust_cfa_offset -8",
        "test eax, eax",
        "jz 9f",
        "pop rdi",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_register rip, rdi",
        "mov eax, 58",
        "syscall",
        "push rdi",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_offset rip, -8",
        "test eax, eax",
        "jz 2f",
        "mov rdi, r10",
        "mov rsi, rax",
        "jmp {unlend}",
        "2: ret",
        "9: jmp qword ptr [r11]",
        ".cfi_endproc",
        active = sym ACTIVE,
        lend = sym lend,
        unlend = sym unlend,
        depth = const offset_of!(tls::Block, depth),
        thread = const offset_of!(tls::Block, thread),
        low = const offset_of!(Thread, safe_lo),
        high = const offset_of!(Thread, stack_hi),
        spilled = const offset_of!(Thread, spilled),
    )
}

/// Puts the cache aside and makes the thread SAFE. 0: neither.
unsafe extern "C" fn lend(me: &Thread, sp: usize) -> u32 {
    if me.lent.load(Relaxed) != 0 {
        return 0;
    }
    me.parked.store(cache::current() as *const Cache as usize, Relaxed);
    me.lent.store(LENT, Relaxed);
    cache::set_current(&cache::EMPTY);
    me.publish(sp, 0);
    // SAFETY: the calling thread's own record.
    let entered = unsafe { blocking::enter(me) };
    if entered != ENTERED {
        give_back(me);
        me.lent.store(0, Relaxed);
    }
    entered
}

/// In the parent, after the child: the call's result.
unsafe extern "C" fn unlend(me: &Thread, result: isize) -> isize {
    // SAFETY: the calling thread's own record.
    unsafe { blocking::leave(me) };
    if me.lent.swap(0, Relaxed) == LENT {
        give_back(me);
    }
    if result < 0 {
        errno::set(-result as i32);
        return -1;
    }
    result
}

fn give_back(me: &Thread) {
    let parked = me.parked.load(Relaxed) as *const Cache;
    // SAFETY: a cache is never unmapped; this one was this thread's, or EMPTY.
    cache::set_current(unsafe { &*parked });
}

/// Whether the thread's callee-saved registers are in its record, for a child of vfork.
pub(super) fn to_child(thread: &Thread) -> bool {
    matches!(thread.lent.load(Acquire), LENT | TAKEN)
}

/// The thread is about to be SAFE in a function of libc's that may free in the end.
pub(super) fn put_aside(me: &Thread) {
    if me.lent.load(Relaxed) == 0 {
        me.parked.store(cache::current() as *const Cache as usize, Relaxed);
        me.lent.store(ASIDE, Relaxed);
        cache::set_current(&cache::EMPTY);
    }
}

/// That function is over.
pub(super) fn fetch_back(me: &Thread) {
    if me.lent.load(Relaxed) == ASIDE {
        give_back(me);
        me.lent.store(0, Relaxed);
    }
}

/// The allocator's slow path: the child allocates, or what was not to free before a stop is over.
pub(super) fn take_back(me: &Thread) {
    let lent = me.lent.load(Relaxed);
    if lent == LENT || lent == ASIDE {
        // SAFETY: the record of the thread whose storage this is; it sleeps, or calls.
        unsafe { blocking::leave(me) };
        give_back(me);
        me.lent.store(if lent == LENT { TAKEN } else { 0 }, Relaxed);
    }
}

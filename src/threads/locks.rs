//! Locks: SAFE only for a thread that will wait.
//!
//! A lock that nobody holds takes a few nanoseconds, less than a frame of [`blocking`](super::blocking). So
//! the exported functions look at the lock first, at a word that says whether it is held, and jump straight
//! to libc if it is not: 0.5 ns for a mutex, 2 for a semaphore or rwlock. The look decides only whether the
//! frame is laid down: whatever becomes of the lock in between, the worst is a wait that gets a signal, or a
//! frame for nothing. libc begins such a wait again by itself.
//!
//! # Safety
//! Offsets are those of glibc's pthread_mutex_t, which static initialisers and robust lists fix: lock word 0,
//! owner 8, kind 16; and those of its rwlock: readers 0, writer 24, kind 48. Any such lock has these bytes.
#![allow(unsafe_code)]
use super::blocking::call;
use super::record::Thread;
use crate::sys::tls;
use core::arch::naked_asm;
use core::mem::offset_of;

const OWNER: usize = 8;
const KIND: usize = 16;
/// PTHREAD_MUTEX_PRIO_PROTECT_NP: libc allocates when a thread takes its first one.
const PROTECT: i32 = 64;

/// The rest of an exported function that locks a mutex: it is held, perhaps by this very thread, which
/// then will not wait (a recursive one), or for ever.
/// # Safety
/// Jumped to only by such a function, with r11 its [`Call`](super::blocking::Call), all else as it came.
#[unsafe(naked)]
pub unsafe extern "C" fn held_mutex() {
    naked_asm!(
        "test dword ptr [rdi + {kind}], {protect}",
        "jnz 2f",
        "mov r10, qword ptr fs:[0]",
        "add r10, qword ptr [rip + gleaner_tls_block@GOTTPOFF]",
        "mov r10, qword ptr [r10 + {thread}]",
        "test r10, r10",
        "jz 2f",
        "mov eax, dword ptr [r10 + {tid}]",
        "cmp dword ptr [rdi + {owner}], eax",
        "jne {call}",
        "2: jmp qword ptr [r11]",
        kind = const KIND,
        protect = const PROTECT,
        owner = const OWNER,
        thread = const offset_of!(tls::Block, thread),
        tid = const offset_of!(Thread, tid),
        call = sym call,
    )
}

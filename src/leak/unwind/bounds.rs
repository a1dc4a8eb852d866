//! How far up may a stack be read?
//!
//! The mapping that holds the stack pointer, from there up to its end. A thread asks the kernel
//! once and remembers the answer in its TLS block; it asks again when its stack pointer leaves
//! the remembered range (a deeper main stack, a coroutine, an alternate signal stack). Only the
//! upper end bounds the reading, and what lies between a live stack pointer and the end of its
//! mapping is readable for as long as the stack exists, if it is the thread's own. In one mapping with a coroutine's
//! stack may be that of another, which is unmapped while this one lives: from the first nothing but a walk's
//! own frames may be read. So the bounds say which it is ([`Bounds::is_own`]).
//!
//! Rejected: pthread_getattr_np (calls malloc, reads the maps through stdio on the main thread)
//! and the limits in the TCB (no public layout; wrong for coroutines).
use super::{Bounds, remembered};
use crate::pure::addr::Addr;
use crate::sys::mapping;
use crate::sys::maps::Perms;
use crate::threads;
use core::sync::atomic::Ordering;

/// The ABI's red zone below the stack pointer, which may hold saved registers.
const RED_ZONE: usize = 128;

/// In the remembered upper end: the stack is the thread's own.
const OWN: usize = 1;

/// The bounds for this thread at stack pointer `sp`.
#[inline(always)]
pub fn current(sp: usize) -> Option<Bounds> {
    let (lo, end) = remembered();
    let (mut lo, mut end) = (lo.load(Ordering::Relaxed), end.load(Ordering::Relaxed));
    if sp.wrapping_sub(lo) >= (end & !OWN).wrapping_sub(lo) {
        (lo, end) = ask(sp);
    }
    (end != 0).then(|| Bounds { lo: floor(sp, lo), hi: end & !OWN, is_own: end & OWN != 0 })
}

#[inline(always)]
fn floor(sp: usize, lo: usize) -> usize {
    (sp.saturating_sub(RED_ZONE) & !7).max(lo)
}

/// What is remembered from now on; 0 and 0: nothing. In two registers: through memory, in words that are loaded as one, they cost
/// more than the rest.
#[cold]
#[inline(never)]
fn ask(sp: usize) -> (usize, usize) {
    let Some(mapping) = mapping::holding(Addr(sp)).filter(|m| m.perms.has(Perms::READ)) else {
        return (0, 0);
    };
    // libc has the thread's block at the upper end of the stack that it made or was given for it.
    let is_own = mapping.is_stack || (sp..mapping.hi.0).contains(&threads::tcb());
    let (lo, hi) = remembered();
    // A handler that interrupts these stores sees a range that is empty or true: lo is moved
    // out of the way first.
    lo.store(usize::MAX, Ordering::Relaxed);
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
    let end = mapping.hi.0 | if is_own { OWN } else { 0 };
    hi.store(end, Ordering::Relaxed);
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
    lo.store(mapping.lo.0, Ordering::Relaxed);
    (mapping.lo.0, end)
}

/// The bounds of any stack of this process, by the kernel; nothing is remembered.
pub fn asked(sp: usize) -> Option<Bounds> {
    let mapping = mapping::holding(Addr(sp)).filter(|m| m.perms.has(Perms::READ))?;
    Some(Bounds { lo: floor(sp, mapping.lo.0), hi: mapping.hi.0, is_own: false })
}

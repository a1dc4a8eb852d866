//! The signal functions of BSD and System V, and masks in the attributes of threads.
//!
//! libc's own use its system calls directly, so they would put our signal into the kernel's mask,
//! or install a handler without a gate.
//!
//! # Safety
//! Arguments are those of the C functions of these names.
#![allow(unsafe_code)]
use super::next::Next;
use super::signals;
use crate::sys::errno;
use crate::sys::signal::Set;
use crate::threads;
use core::ffi::{c_int, c_void};
use libc::sigset_t;

/// # Safety
/// As sighold(3).
pub unsafe fn sighold(signal: c_int) -> c_int {
    change(libc::SIG_BLOCK, signal)
}
/// # Safety
/// As sigrelse(3).
pub unsafe fn sigrelse(signal: c_int) -> c_int {
    change(libc::SIG_UNBLOCK, signal)
}
fn change(how: c_int, signal: c_int) -> c_int {
    if !(1..=64).contains(&signal) {
        errno::set(libc::EINVAL);
        return -1;
    }
    // libc leaves its own two alone; so does its sigprocmask.
    // SAFETY: one set, of this frame's.
    unsafe { signals::sigprocmask(how, &c_set(Set::of(signal)), core::ptr::null_mut()) }
}

/// # Safety
/// As sigignore(3).
pub unsafe fn sigignore(signal: c_int) -> c_int {
    // SAFETY: a struct of zeros is a sigaction; its handler is SIG_IGN.
    unsafe {
        let mut new: libc::sigaction = core::mem::zeroed();
        new.sa_sigaction = libc::SIG_IGN;
        signals::sigaction(signal, &new, core::ptr::null_mut())
    }
}

fn c_set(set: Set) -> sigset_t {
    // SAFETY: a set of zeros is a set; its first eight bytes are the kernel's.
    unsafe {
        let mut all: sigset_t = core::mem::zeroed();
        (&raw mut all).cast::<u64>().write(set.0);
        all
    }
}
fn kernel_set(set: &sigset_t) -> Set {
    // SAFETY: the first eight bytes of a set.
    Set(unsafe { (&raw const *set).cast::<u64>().read() })
}

/// BSD's masks: an int, signal 1 in bit 0. The mask before.
fn change_old(how: c_int, mask: c_int) -> c_int {
    let mut before = c_set(Set::EMPTY);
    // SAFETY: two sets of this frame's.
    let status = unsafe { signals::sigprocmask(how, &c_set(Set(mask as u32 as u64)), &mut before) };
    if status < 0 { -1 } else { kernel_set(&before).0 as c_int }
}
/// # Safety
/// As sigblock(3).
pub unsafe fn sigblock(mask: c_int) -> c_int {
    change_old(libc::SIG_BLOCK, mask)
}
/// # Safety
/// As sigsetmask(3).
pub unsafe fn sigsetmask(mask: c_int) -> c_int {
    change_old(libc::SIG_SETMASK, mask)
}
/// # Safety
/// As siggetmask(3).
pub unsafe fn siggetmask() -> c_int {
    change_old(libc::SIG_BLOCK, 0)
}

/// BSD's: waits with this mask.
/// # Safety
/// As sigpause(3).
pub unsafe fn sigpause(mask: c_int) -> c_int {
    // SAFETY: a set of this frame's.
    unsafe { signals::sigsuspend(&c_set(Set(mask as u32 as u64))) }
}
/// System V's: waits with the present mask without this signal.
/// # Safety
/// As sigpause(3).
pub unsafe fn xpg_sigpause(signal: c_int) -> c_int {
    if !(1..=64).contains(&signal) {
        errno::set(libc::EINVAL);
        return -1;
    }
    let mut now = c_set(Set::EMPTY);
    // SAFETY: sets of this frame's.
    unsafe {
        signals::sigprocmask(libc::SIG_BLOCK, core::ptr::null(), &mut now);
        signals::sigsuspend(&c_set(kernel_set(&now).without(signal)))
    }
}
/// # Safety
/// As libc's `__sigpause`.
pub unsafe fn either_sigpause(signal_or_mask: c_int, is_signal: c_int) -> c_int {
    // SAFETY: forwarded.
    unsafe {
        match is_signal {
            0 => sigpause(signal_or_mask),
            _ => xpg_sigpause(signal_or_mask),
        }
    }
}

type GetMask = unsafe extern "C" fn(*const c_void, *mut sigset_t) -> c_int;
// SAFETY: the type of the C function.
static GET_MASK: Next<GetMask> = unsafe { Next::new(c"pthread_attr_getsigmask_np") };

pub(super) fn resolve() {
    GET_MASK.resolve();
}

/// Whether a thread made with these attributes begins with our signal blocked, if they say.
/// # Safety
/// Null or initialised attributes.
pub(super) unsafe fn blocked_by(attributes: *const c_void) -> Option<bool> {
    let get = GET_MASK.get().filter(|_| !attributes.is_null())?;
    let mut set = c_set(Set::EMPTY);
    // SAFETY: initialised attributes, and a set of this frame's.
    let status = unsafe { get(attributes, &mut set) };
    (status == 0).then(|| kernel_set(&set).has(threads::signal_number()))
}

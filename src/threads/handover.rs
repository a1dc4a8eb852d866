//! Our signal changes: the program gets the old one back, whole.
//!
//! [`host`] can imitate handlers, masks and waits, but not a signalfd: that takes what the kernel
//! holds back, and ours is never held back. A server that wakes its processes by SIGURG through a
//! signalfd (PostgreSQL does) would sleep for ever. So before such a descriptor is made we take another
//! signal, one that does nothing by default, for a late request may meet the next program after an
//! exec. The kernel then holds the old one exactly as the program has asked for it.
//!
//! Only while there is one thread: requests may be under way to others, and their masks cannot be
//! changed from here. In a process with more the descriptor stays without our signal. It was
//! rejected to imitate the descriptor: read, poll and epoll would all have to be ours.
//!
//! # Safety
//! With every signal blocked and one thread, no handler and nobody else sees a state between.
#![allow(unsafe_code)]
use super::host::{self, View};
use super::{SIGNAL, handler, handlers, registry, signal_number};
use crate::sys::signal::{self, Action, Set};
use crate::sys::{process, tasks};
use core::sync::atomic::{AtomicU64, Ordering::*};

/// What ours may become, in this order.
const CANDIDATES: [i32; 2] = [libc::SIGWINCH, libc::SIGURG];
/// Given back once: never ours again.
static GIVEN: AtomicU64 = AtomicU64::new(0);

/// The program is about to make a signalfd for `set`: gives our signal back if it is in there and
/// that is possible.
pub fn before_signalfd(set: Set) {
    let own = signal_number();
    if own == 0 || !set.has(own) {
        return;
    }
    let taken = Set(set.0 | GIVEN.load(Relaxed)).with(own);
    let Some(new) = CANDIDATES.into_iter().find(|&c| !taken.has(c)) else { return };
    let critical = registry::hold(registry::lock());
    // SAFETY: held by the line above, released below.
    let registry = unsafe { &*registry::lock().as_ptr() };
    if process::pid() == registry::pid() && registry.live <= 1 && registry.starts.is_none() && is_alone() {
        let before = signal::mask(libc::SIG_SETMASK, Set::FULL);
        let mask = change(own, new, before);
        signal::mask(libc::SIG_SETMASK, mask);
    }
    // SAFETY: held since `hold`.
    unsafe { registry::lock().release() };
    drop(critical);
}

/// Whether the kernel, too, knows of one thread. Where it cannot be asked nobody is ever stopped.
fn is_alone() -> bool {
    let mut threads = 0;
    tasks::for_each(&mut |_| threads += 1).is_err() || threads == 1
}

/// With every signal blocked; the thread's mask from now on.
fn change(old: i32, new: i32, before: Set) -> Set {
    // SAFETY: the handler is fit for any instruction, as it was for the other signal.
    let Ok(found) = (unsafe { signal::install(new, handler::on_signal, handler::flags(), Set::FULL) }) else {
        return before;
    };
    GIVEN.fetch_or(Set::of(old).0, Relaxed);
    let asked = if host::in_mask_of(new).is_set() { found.mask.with(old) } else { found.mask };
    let (view, was) = (host::view(), host::start_over(before.has(new)));
    SIGNAL.store(new, Release);
    host::set_view(View { handler: handlers::behind(found.handler), flags: found.flags as i32, mask: asked });
    (1..=64).filter(|&n| n != new && n != old).for_each(|n| change_mask_of(n, old));
    let mask = host::strip_handler_mask(old, view.mask);
    // SAFETY: what the program installed by sigaction, which lets it run at any instruction.
    unsafe {
        signal::put(
            old,
            &Action { handler: handlers::gate_of(view.handler), flags: view.flags as u64, restorer: 0, mask },
        )
    };
    if was.held {
        let _ = process::tgkill(process::pid(), process::tid(), old);
    }
    let mask = before.without(new);
    if was.blocked { mask.with(old) } else { mask }
}

/// The mask of another signal's handler: the old one is the kernel's from now on, the new one ours.
fn change_mask_of(n: i32, old: i32) {
    let action = signal::installed(n);
    let asked = if host::in_mask_of(n).is_set() { action.mask.with(old) } else { action.mask };
    let mask = host::strip_handler_mask(n, asked);
    if mask != action.mask {
        // SAFETY: the program's own handler again, with the mask that it asked for.
        unsafe { signal::put(n, &Action { mask, ..action }) };
    }
}

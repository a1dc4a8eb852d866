//! exec, posix_spawn, popen, system: the new program inherits what the old one did with our signal, not what we did.
//!
//! The kernel hands on which signals are ignored, which are blocked and which are pending. So for the length of
//! the call it holds ours as the program asked for it. A request that comes meanwhile is lost without harm: the
//! collector asks again, or the exec has ended it.
//!
//! In a child of fork or vfork these are settings of the child alone.
//!
//! # Safety
//! The handler put back is the one that stood there.
#![allow(unsafe_code)]
use super::record::Thread;
use super::{current, handler, host, registry, signal_number};
use crate::sys::process;
use crate::sys::signal::{self, Action, Set};
use core::sync::atomic::{AtomicU32, Ordering::*};

/// What is to be undone if the call returns.
pub struct Settings {
    signal: i32,
    ignored: bool,
    blocked: bool,
    pending: bool,
}

/// What the call makes, and so what it hands on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Heir {
    /// This process goes on as another program: also what is pending.
    Itself,
    /// A child of posix_spawn or popen.
    Child,
    /// One of system(3), which lasts as long as the child: for so long no signal of ours could be ignored.
    Awaited,
}

/// Calls under way for which the kernel ignores our signal, in this process. No lock: exec may be called in a
/// handler.
static IGNORING: AtomicU32 = AtomicU32::new(0);

/// Before exec and its like: the kernel gets the program's settings of our signal.
pub fn hand_on(heir: Heir) -> Settings {
    let signal = signal_number();
    if signal == 0 {
        return Settings { signal, ignored: false, blocked: false, pending: false };
    }
    let ignored = heir != Heir::Awaited && host::view().handler == libc::SIG_IGN;
    if ignored {
        count(signal, 1);
    }
    let blocked = host::is_blocked();
    let pending = blocked && heir == Heir::Itself && host::is_held();
    if blocked {
        signal::mask(libc::SIG_BLOCK, Set::of(signal));
        if pending {
            let _ = process::tgkill(process::pid(), process::tid(), signal);
        }
        if let (Heir::Awaited, Some(me)) = (heir, current()) {
            me.masked.store(1, Relaxed);
        }
    }
    Settings { signal, ignored, blocked, pending }
}

impl Settings {
    /// The call has failed, or made its child.
    pub fn take_back(&self) {
        if self.ignored {
            count(self.signal, -1);
        }
        if self.blocked {
            if self.pending {
                signal::discard(self.signal);
            }
            unmask(self.signal);
        }
    }
}

/// The thread is cancelled in system(3).
pub(super) fn forget(me: &Thread) {
    if me.masked.load(Relaxed) != 0 {
        unmask(signal_number());
    }
}
fn unmask(signal: i32) {
    signal::mask(libc::SIG_UNBLOCK, Set::of(signal));
    if let Some(me) = current() {
        me.masked.store(0, Relaxed);
    }
}

/// One more or one less that wants our signal ignored.
fn count(signal: i32, by: i32) {
    // A child of vfork has settings of its own, and its parent's memory.
    if process::pid() != registry::pid() {
        put(signal, by > 0);
        return;
    }
    let mut wanted = IGNORING.fetch_add(by as u32, SeqCst).wrapping_add(by as u32) != 0;
    loop {
        put(signal, wanted);
        let now = IGNORING.load(SeqCst) != 0;
        if now == wanted {
            return;
        }
        wanted = now;
    }
}

fn put(signal: i32, ignored: bool) {
    // SAFETY: no handler runs for an ignored signal; ours is written for any instruction of any thread.
    unsafe {
        match ignored {
            true => signal::put(signal, &Action { handler: libc::SIG_IGN, ..Action::default() }),
            false => _ = signal::install(signal, handler::on_signal, handler::flags(), Set::FULL),
        }
    }
}

/// In the child of a fork: those calls are not its own.
pub(super) fn reset() {
    if IGNORING.swap(0, SeqCst) != 0 {
        put(signal_number(), false);
    }
}

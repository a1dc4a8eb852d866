//! exec: the new program inherits what the old one did with our signal, not what we did.
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
use super::{handler, host, signal_number};
use crate::sys::process;
use crate::sys::signal::{self, Action, Set};

/// What is to be undone if the call returns.
pub struct Settings {
    signal: i32,
    ignored: bool,
    blocked: bool,
}

/// Before exec: the kernel gets the program's settings of our signal.
pub fn hand_on() -> Settings {
    let signal = signal_number();
    if signal == 0 {
        return Settings { signal, ignored: false, blocked: false };
    }
    let ignored = host::view().handler == libc::SIG_IGN;
    if ignored {
        // SAFETY: no handler runs for an ignored signal; exec forgets its flags and mask.
        unsafe { signal::put(signal, &Action { handler: libc::SIG_IGN, ..Action::default() }) };
    }
    let blocked = host::is_blocked();
    if blocked {
        signal::mask(libc::SIG_BLOCK, Set::of(signal));
        if host::is_held() {
            let _ = process::tgkill(process::pid(), process::tid(), signal);
        }
    }
    Settings { signal, ignored, blocked }
}

impl Settings {
    /// The call has failed.
    pub fn take_back(&self) {
        if self.ignored {
            // SAFETY: the handler is written for any instruction of any thread.
            let _ = unsafe { signal::install(self.signal, handler::on_signal, handler::flags(), Set::FULL) };
        }
        if self.blocked {
            if host::is_held() {
                signal::discard(self.signal);
            }
            signal::mask(libc::SIG_UNBLOCK, Set::of(self.signal));
        }
    }
}

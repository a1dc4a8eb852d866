//! Visits: whoever may signal this process asks it for something by our signal, and a thread of it does that in the handler.
//!
//! A visit is a queued signal (rt_tgsigqueueinfo) whose `si_code` is [`MARK`]; its value names it. It is done
//! in the handler, on whatever thread got it, if that is a moment and a stack for it; otherwise nothing
//! happens, and the visitor sends another one. So nothing has to be put off here, and nobody waits for a
//! visitor that is gone. What a visit brings is the business of the layer above ([`receive_by`]). Rejected: a
//! socket that a thread of ours listens at (visible, and `unshare` refuses), and ptrace, which containers forbid.
//!
//! The signal of a timer of ours with the value [`TIMER`] is a visit too.
//!
//! # Safety
//! One transmute, of a word that only ever holds a [`Receiver`].
#![allow(unsafe_code)]
use super::blocking;
use super::record::{StackKind, Thread};
use crate::sys::signal::{Frame, Info};
use crate::sys::tls;
use core::sync::atomic::{AtomicUsize, Ordering::*};

/// `si_code` of a visit. Part of what the command and the library agree on.
pub const MARK: i32 = -0x6763;
/// What the timer's signals carry.
pub const TIMER: usize = 0x676c_6e76;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visit {
    /// By another process; the number names the visit.
    Request(u64),
    Timer,
}

/// Called outside of critical sections, with all signals blocked. Whether the visit was at the right moment.
pub type Receiver = fn(Visit) -> bool;
static RECEIVER: AtomicUsize = AtomicUsize::new(0);

/// Visits go to `receiver` from now on.
pub fn receive_by(receiver: Receiver) {
    RECEIVER.store(receiver as usize, Release);
}

pub(super) fn of(info: &Info) -> Option<Visit> {
    match info.code {
        MARK => Some(Visit::Request(info.value() as u64)),
        libc::SI_TIMER if info.value() == TIMER => Some(Visit::Timer),
        _ => None,
    }
}

/// In the handler: a visit has come. Whether it was at the right moment.
pub(super) fn come(visit: Visit, me: Option<&'static Thread>, frame: &Frame) -> bool {
    let Some(me) = me.filter(|me| is_moment(me, frame)) else { return false };
    // Not while the collector counts a thread in a blocking call as stopped.
    blocking::run_again(me);
    receive(visit)
}

/// Whether this thread may do more than wait, here where a signal interrupted it: it holds no lock of ours,
/// has its cache, and there is stack left.
pub(super) fn is_moment(me: &Thread, frame: &Frame) -> bool {
    tls::block().depth.load(Relaxed) == 0 && !me.is_exiting() && has_room(me, frame)
}

fn receive(visit: Visit) -> bool {
    match RECEIVER.load(Acquire) {
        0 => true,
        // SAFETY: only `receive_by` stores here.
        receiver => unsafe { core::mem::transmute::<usize, Receiver>(receiver)(visit) },
    }
}

/// What receivers may use of the stack that the handler runs on: the way to a stack of their own.
const ROOM: usize = 2 << 10;

/// The kernel has found room for the signal's frame, the handler's own frames are small: this asks for the
/// rest, on stacks whose end is known. On others (of coroutines) nobody can tell.
fn has_room(me: &Thread, frame: &Frame) -> bool {
    let here = &raw const *frame as usize;
    let (alternate, size) = (frame.stack_base, frame.stack_size);
    if frame.has_alternate() && alternate < here && here - alternate < size {
        return here - alternate > 2 * ROOM;
    }
    let (lo, hi) = me.stack();
    match me.stack_kind() {
        StackKind::Main => here < hi && hi - here < MAIN,
        _ => lo < here && here < hi && here - lo > 2 * ROOM,
    }
}
/// The first stack's usual limit: what lies deeper is no frame of it, but another mapping.
const MAIN: usize = 8 << 20;

//! Visits: whoever may signal this process asks it for something by our signal, and a thread of it does that in the handler.
//!
//! A visit is a queued signal (rt_tgsigqueueinfo) whose `si_code` is [`MARK`]; its value names it. It is done
//! in the handler, on whatever thread got it, if that is a moment and a stack for it; otherwise nothing
//! happens, and the visitor sends another one. So nothing has to be put off here, and nobody waits for a
//! visitor that is gone. What a visit brings is the business of the layer above ([`receive_by`]). Rejected: a
//! socket that a thread of ours listens at (visible, and `unshare` refuses), and ptrace, which containers forbid.
//!
//! The signal of a timer of ours with the value [`TIMER`] is a visit too, and so are the signals of
//! [`watched`](super::watched): nobody repeats these, so where a critical section is in the way they come at its end.
//!
//! # Safety
//! One transmute, of a word that only ever holds a [`Receiver`].
#![allow(unsafe_code)]
use super::record::{StackKind, Thread};
use super::{blocking, watched};
use crate::sys::signal::{Frame, Info};
use crate::sys::tls;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

/// `si_code` of a visit. Part of what the command and the library agree on.
pub const MARK: i32 = -0x6763;
/// What the timer's signals carry.
pub const TIMER: usize = 0x676c_6e76;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visit {
    /// By another process; the number names the visit.
    Request(u64),
    Timer,
    /// A signal at which something is wanted came. See [`watched`](super::watched).
    Wanted,
    /// This signal will end the process.
    Death(i32),
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

/// What became of a visit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Received,
    /// It will be, at the end of a critical section.
    PutOff,
    /// This was not the moment for it.
    Lost,
}

/// In the handler: a visit has come.
pub(super) fn come(visit: Visit, me: Option<&'static Thread>, frame: &Frame) -> Fate {
    let Some(me) = me.filter(|me| !me.is_exiting()) else { return Fate::Lost };
    let here = &raw const *frame as usize;
    let alternate = frame.has_alternate().then_some((frame.stack_base, frame.stack_size));
    if tls::block().depth.load(Relaxed) != 0 {
        return put_off(visit);
    }
    if !has_room(me, here, alternate) {
        return Fate::Lost;
    }
    // Not while the collector counts a thread in a blocking call as stopped.
    blocking::run_again(me);
    // To the collector the thread is what the visit interrupted, not our frames below it.
    let before = me.published();
    me.publish(frame.regs.rsp as usize, here);
    let received = receive(visit);
    me.publish(before.0, before.1);
    if received { Fate::Received } else { Fate::Lost }
}

/// Visits that wait for the end of a critical section: a bit for each signal that ends the process, and the
/// highest one for all others.
static WAITING: AtomicU64 = AtomicU64::new(0);
const CHECK: u64 = 1 << 63;

fn put_off(visit: Visit) -> Fate {
    let bit = match visit {
        Visit::Request(_) => return Fate::Lost,
        Visit::Timer | Visit::Wanted => CHECK,
        Visit::Death(signal @ 1..=63) => 1 << (signal - 1),
        Visit::Death(_) => return Fate::Lost,
    };
    WAITING.fetch_or(bit, Relaxed);
    tls::block().pending.store(1, Relaxed);
    Fate::PutOff
}

/// In the child of a fork: they were for the parent.
pub(super) fn forget() {
    WAITING.store(0, Relaxed);
}

/// At the end of a critical section.
pub(super) fn receive_waiting(me: &Thread) {
    let waiting = WAITING.swap(0, Relaxed);
    if waiting == 0 {
        return;
    }
    let fit = tls::block().late.load(Relaxed) == 0 && has_room(me, &raw const waiting as usize, None);
    for signal in (1..=63).filter(|signal| waiting >> (signal - 1) & 1 != 0) {
        if fit {
            receive(Visit::Death(signal));
        }
        watched::die_of(signal);
    }
    if waiting & CHECK != 0 && fit {
        receive(Visit::Wanted);
    }
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
fn has_room(me: &Thread, here: usize, alternate: Option<(usize, usize)>) -> bool {
    if let Some((lo, size)) = alternate
        && lo < here
        && here - lo < size
    {
        return here - lo > 2 * ROOM;
    }
    let (lo, hi) = me.stack();
    match me.stack_kind() {
        StackKind::Main => here < hi && hi - here < MAIN,
        _ => lo < here && here < hi && here - lo > 2 * ROOM,
    }
}
/// The first stack's usual limit: what lies deeper is no frame of it, but another mapping.
const MAIN: usize = 8 << 20;

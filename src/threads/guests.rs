//! Threads without a record, stopped: made by a raw `clone`, by a libc that our wrapper does not
//! stand in front of, or on their way into the registry.
//!
//! Such a thread claims one of 64 records for the length of the stop: in the handler, or where
//! it waits for the registry's lock. When all are taken it waits all the same, but the collector
//! does not know it as stopped, and abandons the cycle.
use super::record::Thread;
use super::state::{self, State};
use super::{WORLD, ack, park};
use crate::sys::process;
use core::sync::atomic::Ordering;

const SLOTS: usize = 64;
static GUESTS: [Thread; SLOTS] = [const { Thread::new() }; SLOTS];

/// If a stop is on, waits for its end with the registers at `sp` (spilled above it, or in
/// `frame`) open to the collector.
pub(super) fn park_current(sp: usize, frame: usize) {
    let epoch = WORLD.load(Ordering::Acquire);
    if !state::is_stop(epoch) {
        return;
    }
    let tid = process::tid();
    let claim = |t: &&Thread| t.tid.compare_exchange(0, tid, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    let Some(slot) = GUESTS.iter().find(claim) else {
        let _ = crate::sys::futex::wait(&WORLD, epoch, None);
        return;
    };
    slot.publish(sp, frame);
    slot.word.revive_stopped(epoch);
    ack();
    park(slot);
    slot.word.kill();
    slot.tid.store(0, Ordering::Release);
}

/// Whether `tid` is frozen as a guest.
pub(super) fn is_frozen(tid: i32, epoch: u32) -> bool {
    GUESTS.iter().any(|t| t.tid.load(Ordering::Acquire) == tid && holds(t, epoch))
}

fn holds(t: &Thread, epoch: u32) -> bool {
    if t.word.state() != State::Stopped {
        return false;
    }
    // A guest of the last stop that has not woken yet stays for this one.
    t.word.request(epoch);
    t.word.state() == State::Stopped && t.word.is_frozen(epoch)
}

/// The guests that are frozen in `epoch`.
pub(super) fn for_each(epoch: u32, f: &mut dyn FnMut(&'static Thread)) {
    GUESTS.iter().filter(|t| t.tid.load(Ordering::Acquire) != 0 && holds(t, epoch)).for_each(f);
}

/// In the child of a fork there are none.
pub(super) fn reset() {
    for t in &GUESTS {
        t.word.kill();
        t.tid.store(0, Ordering::Release);
    }
}

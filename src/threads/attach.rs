//! How a thread enters the registry and leaves it.
use super::record::Thread;
use super::registry::{self, Registry};
use super::{WORLD, current, guests, host, lend, signal_number, spill, stacks};
use crate::ground::critical::Critical;
use crate::sys::sandbox::{self, Need};
use crate::sys::signal::{self, Set};
use crate::sys::{futex, process, tls};
use core::sync::atomic::Ordering::*;

/// The calling thread's record; makes one if there is none. `None`: no memory for it. The thread
/// is then held as a guest in every stop, which is slower and as safe.
pub fn attach_current(critical: &Critical) -> Option<&'static Thread> {
    match current() {
        Some(me) => Some(me),
        // There is no stop any more for which it would have to be known.
        None if sandbox::forbids(Need::Collect) => None,
        None => enlist_current(critical, false, &mut |_| {}),
    }
}

/// Registers the calling thread; `also` runs under the registry's lock.
pub(super) fn enlist_current(
    critical: &Critical,
    stack_given: bool,
    also: &mut dyn FnMut(&mut Registry),
) -> Option<&'static Thread> {
    let (tid, tcb) = (process::tid(), spill::tcb());
    let sp = spill::with_spilled(|sp| sp);
    let (bounds, kind) = stacks::find(sp, tcb, stack_given);
    let (mut tries, mut waiting) = (0, None);
    let record = loop {
        if let Some(mut registry) = registry::lock().try_lock(critical) {
            registry.sweep();
            registry.dead_stacks.forget(bounds.0, bounds.1);
            let record = registry.enlist(critical, tid);
            if let Some(record) = record {
                record.tcb.store(tcb, Relaxed);
                record.set_stack(bounds, kind);
                tls::block().thread.store(record as *const Thread as usize, Relaxed);
                record.word.revive();
            }
            also(&mut registry);
            break record;
        }
        waiting.get_or_insert_with(registry::Waiting::begin);
        spill::with_spilled(|sp| guests::park_current(sp, 0));
        registry::pause(&mut tries);
    };
    open_signal();
    record
}

/// Our signal must reach this thread. What was blocked stays so in the program's eyes.
pub(super) fn open_signal() {
    let own = signal_number();
    if own != 0 && signal::mask(libc::SIG_UNBLOCK, Set::of(own)).has(own) {
        host::set_blocked(true);
    }
}

/// The calling thread's last destructor runs. It may still call the allocator, through
/// [`late_gate`]; its record stays until the kernel says that the thread is gone.
pub fn detach_current(critical: &Critical) {
    let _ = critical;
    let Some(me) = current() else { return };
    me.publish(0, 0);
    me.exiting.store(1, Relaxed);
    me.word.enter_safe();
    super::ack();
}

/// While it lives, a thread past its last destructor is in the allocator and not frozen.
pub struct LateGate(Option<&'static Thread>);

/// Opens the allocator for a thread past its last destructor; waits while the world is stopped.
/// Does nothing for other threads, but that vfork's child gets its parent's cache. Call it before any lock of ours is taken.
pub fn late_gate() -> LateGate {
    let Some(me) = current() else { return LateGate(None) };
    lend::take_back(me);
    if !me.is_exiting() {
        return LateGate(None);
    }
    if me.word.state() == super::state::State::Run {
        // A call inside a call.
        return LateGate(None);
    }
    while let Err(epoch) = me.word.leave(&WORLD) {
        let _ = futex::wait(&WORLD, epoch, None);
    }
    LateGate(Some(me))
}
impl Drop for LateGate {
    fn drop(&mut self) {
        if let Some(me) = self.0 {
            me.word.enter_safe();
            super::ack();
        }
    }
}

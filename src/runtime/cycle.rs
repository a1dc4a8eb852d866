//! One collection or leak check at a time, and the buffers that it uses.
//!
//! # Safety
//! What the lock guards belongs to its holder, which is what [`Held`] stands for.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::roots::Snapshot;
use crate::threads;
use core::cell::UnsafeCell;

/// Public for fork, which holds it across: no fork happens inside a cycle.
pub static CYCLE: Lock<()> = Lock::new(Rank::Cycle, ());

struct Buffers(UnsafeCell<Option<Snapshot>>);
// SAFETY: used by the holder of CYCLE only.
unsafe impl Sync for Buffers {}
static BUFFERS: Buffers = Buffers(UnsafeCell::new(None));

/// The lock, in a critical section.
pub struct Held {
    critical: Critical,
}

/// Waits until no cycle runs (outside of critical sections, so that one can), then holds the lock.
pub fn enter() -> Held {
    Held { critical: threads::hold(&CYCLE) }
}

/// The lock, if no cycle runs.
pub fn try_enter() -> Option<Held> {
    let critical = crate::ground::critical::enter();
    CYCLE.try_lock(&critical).map(core::mem::forget)?;
    Some(Held { critical })
}

impl Held {
    pub fn critical(&self) -> &Critical {
        &self.critical
    }
    /// The buffers for a list of the process's memory, kept from cycle to cycle. `None`: no memory.
    pub fn snapshot(&mut self) -> Option<(&Critical, &mut Snapshot)> {
        // SAFETY: the lock is held and `self` is borrowed.
        let buffers = unsafe { &mut *BUFFERS.0.get() };
        if buffers.is_none() {
            *buffers = Snapshot::new(&self.critical);
        }
        Some((&self.critical, buffers.as_mut()?))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: this thread holds the lock since it was made.
        unsafe { CYCLE.release() }
    }
}

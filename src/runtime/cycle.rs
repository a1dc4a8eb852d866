//! One collection or leak check at a time, the buffers that it uses, and its stack.
//!
//! The thread that collects is any one of the program's: its stack may be PTHREAD_STACK_MIN, or an
//! alternate one of a few KiB. So it leaves its registers there, and works on a stack of ours.
//!
//! # Safety
//! What the lock guards belongs to its holder, which is what [`Held`] stands for.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::metadata;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::roots::Snapshot;
use crate::sys::{process, vm};
use crate::threads;
use core::cell::UnsafeCell;

/// Public for fork, which holds it across: no fork happens inside a cycle.
pub static CYCLE: Lock<()> = Lock::new(Rank::Cycle, ());

struct Buffers(UnsafeCell<Option<Snapshot>>, UnsafeCell<Option<Stack>>);
// SAFETY: used by the holder of CYCLE only.
unsafe impl Sync for Buffers {}
static BUFFERS: Buffers = Buffers(UnsafeCell::new(None), UnsafeCell::new(None));

/// A cycle takes 20 KiB; a handler of the host's may interrupt it, on the same stack.
const STACK: usize = 256 << 10;

/// The stack of cycles. No other thread stops us there: whoever would needs the lock that we hold.
#[derive(Clone, Copy)]
pub struct Stack {
    top: Addr,
}

impl Stack {
    fn new(critical: &Critical) -> Option<Stack> {
        let lo = metadata::map_region(critical, STACK)?;
        // SAFETY: a region of ours that nothing uses. Without a guard page it serves all the same.
        let _ = unsafe { vm::protect(lo, PAGE_SIZE, libc::PROT_NONE) };
        // The address just behind the region may be adopted memory's: it must not stand in our frames.
        Some(Stack { top: lo.add(STACK - 64) })
    }
    /// Calls `f` there.
    fn run<R>(self, f: impl FnOnce() -> R) -> R {
        // SAFETY: see [`Held::run`]: one call at a time.
        unsafe { threads::on_stack(self.top, f) }
    }
}

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

/// The lock, if whoever holds it gives it back within some seconds. In a handler, too, that interrupted him.
pub fn enter_soon() -> Option<Held> {
    const TRIES: u32 = 3000;
    (0..TRIES).find_map(|round| {
        if round > 0 {
            process::sleep_ns(1_000_000);
        }
        try_enter()
    })
}

impl Held {
    pub fn critical(&self) -> &Critical {
        &self.critical
    }
    /// Calls `f` on the stack of cycles, with the stack pointer above which the calling thread's
    /// registers and frames lie. `None`: no memory.
    pub fn run<R>(&mut self, f: impl FnOnce(&mut Held, usize) -> R) -> Option<R> {
        // SAFETY: the lock is held, and `self` is borrowed: no other run is on.
        let stack = unsafe { &mut *BUFFERS.1.get() };
        if stack.is_none() {
            *stack = Stack::new(&self.critical);
        }
        let stack = (*stack)?;
        // Here, where its own stack can be seen.
        threads::attach_current(&self.critical)?;
        Some(threads::with_spilled(|sp| stack.run(|| f(self, sp))))
    }
    /// The buffers for a list of the process's memory, kept from cycle to cycle (`None`: no memory).
    pub fn snapshot(&mut self) -> Option<(&Critical, &mut Snapshot)> {
        // SAFETY: the lock is held and `self` is borrowed.
        let buffers = unsafe { &mut *BUFFERS.0.get() };
        if buffers.is_none() {
            *buffers = Snapshot::new(&self.critical);
        }
        Some((&self.critical, buffers.as_mut()?))
    }
}

/// What belongs to the holder of the lock.
pub struct Guarded<T>(UnsafeCell<T>);
// SAFETY: whoever comes by a reference has the one `Held` that there is, for as long as he has it.
unsafe impl<T: Send> Sync for Guarded<T> {}
impl<T> Guarded<T> {
    pub const fn new(value: T) -> Guarded<T> {
        Guarded(UnsafeCell::new(value))
    }
    pub fn of<'a>(&'a self, _held: &'a mut Held) -> &'a mut T {
        // SAFETY: the lock is held, and the proof of that is borrowed.
        unsafe { &mut *self.0.get() }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: this thread holds the lock since it was made.
        unsafe { CYCLE.release() }
    }
}

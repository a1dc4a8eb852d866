//! L6: threads, and how they are stopped.
//!
//! - [`Thread`]: the record of one; [`state`]: the word in it and the protocol, drawn there.
//! - [`attach_current`], [`detach_current`], [`start`]: how a thread comes into the registry and
//!   leaves it. A thread made by `pthread_create` is registered before any code of the program
//!   runs in it; every other one by its first malloc, or, if it never calls us, it is found in
//!   the kernel's list at each stop and held as a guest.
//! - [`stop_world`] gives a [`WorldStopped`]: proof that no other thread of this process runs the
//!   program's code until it is dropped, and the way to every thread's registers and stack.
//! - [`blocking`], [`locks`], [`joins`]: calls in which a thread gets no signal. [`handlers`]: how the
//!   program's handlers are entered, in and out of such calls. [`host`]: the program's own use of our signal.
//!   [`rewind`]: system calls that the signal interrupted begin again.
//!
//! Two kinds of safe point. *Blocked*: the thread is SAFE and cannot leave while the collector's
//! bit is on its word; it is never signalled. *Asynchronous*: a signal, whose handler parks until
//! the stop is over, or, inside a critical section of ours, only leaves a note; the thread then
//! stops itself where the section ends. Either way a stopped thread holds no lock of ours.
//!
//! Whoever stops the world holds the cycle's lock (one collector at a time), is in one critical
//! section and waits for nothing meanwhile. Whoever waits for a collector waits **outside**
//! critical sections ([`registry::hold`]), where he can be stopped. What cannot be proved to
//! be stopped by the deadline gives [`Abandon`], never a partial stop.
//!
//! # Safety
//! `tls::Block::thread` holds 0 or the address of a record, and records are never unmapped. The
//! signal handler installed here is fit for any instruction (see `handler`).
#![allow(unsafe_code)]
use crate::ground::critical;
use crate::pure::addr::Addr;
use crate::sys::raw::Errno;
use crate::sys::signal::{self, Set};
use crate::sys::{errno, futex, process, tls};
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering::*};

mod attach;
pub mod blocking;
mod descriptor;
pub mod exec;
pub mod fork;
mod guests;
mod handler;
pub mod handlers;
pub mod handover;
pub mod host;
pub mod interrupted;
pub mod joins;
pub mod lend;
pub mod locks;
mod passing;
mod record;
mod registry;
pub mod rewind;
pub mod shared_stack;
mod spill;
mod stacks;
pub mod start;
pub mod state;
mod stop;
mod timing;
pub mod visits;
pub mod watched;
mod world;

pub use attach::{LateGate, attach_current, detach_current, late_gate};
pub use descriptor::tid_offset;
pub use record::{StackKind, Thread};
pub use registry::{hold, pid};
pub use spill::{on_stack, tcb, with_spilled};
pub use stacks::DeadStack;
pub use stop::{Abandon, counters, stop_world};
pub use timing::Timing;
pub use world::{Stopped, WorldStopped};

/// The world's word: odd while a stop is on. See [`state`].
static WORLD: AtomicU32 = AtomicU32::new(0);
/// Counts threads that have just frozen; the collector sleeps on it.
static ACKS: AtomicU32 = AtomicU32::new(0);
/// The collector sleeps on [`ACKS`].
static COLLECTOR_SLEEPS: AtomicU32 = AtomicU32::new(0);
/// 0 until [`start`](install) ran.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// The signal that stops threads; 0 while nothing is installed.
#[inline]
pub fn signal_number() -> i32 {
    SIGNAL.load(Relaxed)
}

/// Installs the stop signal's handler, once, on the first thread. From then on threads can be
/// stopped.
pub fn install(signal: i32) -> Result<(), Errno> {
    registry::pid();
    // Asked now, as glibc's malloc asks it early: a filter may forbid it later.
    process::processors();
    critical::set_on_pending(stop_self);
    // SAFETY: the handler is written for any instruction of any thread.
    let old = unsafe { signal::install(signal, handler::on_signal, handler::flags(), Set::FULL) }?;
    host::set_view(host::View { handler: old.handler, flags: old.flags as i32, mask: old.mask });
    SIGNAL.store(signal, Release);
    registry::count_again();
    attach::open_signal();
    Ok(())
}

/// The calling thread's record, if it has one.
#[inline]
pub fn current() -> Option<&'static Thread> {
    let at = tls::block().thread.load(Relaxed);
    // SAFETY: 0 or a record, never unmapped.
    unsafe { Addr(at).ptr::<Thread>().cast_const().as_ref() }
}

/// Whether a stop is on, seen from a thread that is not part of it (a test, a late free).
pub fn is_stopping() -> bool {
    state::is_stop(WORLD.load(Acquire))
}

/// The count of [`ACKS`] with which it has something to look at; it wakes by itself in time if that is not
/// reached.
static AWAITED: AtomicU32 = AtomicU32::new(0);

/// Tells the collector that one more thread is frozen.
fn ack() {
    let acks = ACKS.fetch_add(1, SeqCst).wrapping_add(1);
    let enough = || acks.wrapping_sub(AWAITED.load(Relaxed)) as i32 >= 0;
    if COLLECTOR_SLEEPS.load(SeqCst) != 0 && enough() {
        futex::wake(&ACKS, 1);
    }
}

/// A frozen thread waits here for the end of the stop.
fn park(me: &Thread) {
    while let Err(epoch) = me.word.leave(&WORLD) {
        let _ = futex::wait(&WORLD, epoch, None);
    }
}

fn wait_for_end_of(epoch: u32) {
    while WORLD.load(Acquire) == epoch {
        let _ = futex::wait(&WORLD, epoch, None);
    }
}

/// At the end of a critical section in which the signal came.
fn stop_self() {
    let _errno = errno::Saved::new();
    tls::block().pending.store(0, Relaxed);
    let Some(me) = current() else {
        spill::with_spilled(|sp| guests::park_current(sp, 0));
        return;
    };
    while let Some(epoch) = me.word.asked(&WORLD) {
        spill::with_spilled(|sp| {
            me.publish(sp, 0);
            // Fails if the handler came in between and has answered this request already.
            if me.word.arrive(epoch) {
                ack();
                park(me);
            }
        });
    }
    visits::receive_waiting(me);
}

//! The stopped world.
//!
//! # Safety
//! A frame is read while its thread stays in the handler that the kernel laid it down for: from
//! the stop to the resume, which is this token's life.
#![allow(unsafe_code)]
use super::record::{StackKind, Thread};
use super::registry::Held;
use super::stacks::DeadStack;
use super::start;
use super::{WORLD, state};
use super::{guests, lend};
use crate::pure::addr::Addr;
use crate::sys::signal::Frame;
use crate::sys::{futex, process};
use core::sync::atomic::Ordering::*;

/// Proof that every other thread of this process is frozen. Dropping it resumes them.
///
/// Its holder takes no lock that the program could hold, calls nothing of libc, and keeps the
/// critical section that it was made in.
pub struct WorldStopped<'a> {
    pub(super) registry: Held<'a>,
    pub(super) epoch: u32,
    pub(super) me: &'static Thread,
}

/// The signal frame pushes nothing above this: the red zone of x86-64.
const RED_ZONE: usize = 128;

/// A frozen thread, as the roots want it.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    pub tid: i32,
    /// Where the thread's live stack begins, red zone included. 0: it runs no code of the
    /// program any more, and nothing below `tcb` is live.
    pub sp: usize,
    /// The thread's own stack, as a mapping: `lo..hi`; (0, 0) when unknown: then the mapping that
    /// holds `sp` is the stack. `sp` lies elsewhere when a coroutine or the alternate stack was
    /// running: then all of `lo..hi` is live, and so is the mapping of `sp`.
    pub stack: (usize, usize),
    pub kind: StackKind,
    /// The thread's descriptor (`fs:0`): with its static TLS below it, in the stack's mapping
    /// for all threads but the first.
    pub tcb: usize,
    areas: [(usize, usize); 3],
    count: usize,
    /// All of `stack` is live although `sp` is in it.
    pub whole: bool,
    /// The alternate stack, if `sp` is on it.
    pub alternate: Option<(usize, usize)>,
}

impl Stopped {
    /// Memory that holds registers: general, the alternate stack's base, vector. Empty when they are on the
    /// stack.
    pub fn areas(&self) -> &[(usize, usize)] {
        &self.areas[..self.count]
    }
    /// Whether the thread runs on its own stack.
    pub fn on_own_stack(&self) -> bool {
        self.stack.0 <= self.sp && self.sp < self.stack.1
    }
}

/// What the thread, frozen in `epoch`, left for us.
fn of(thread: &Thread, epoch: u32) -> Stopped {
    let presumed = thread.presumed.load(Relaxed) == epoch && thread.caught.load(Acquire) != epoch;
    let (sp, frame) = match presumed {
        // The whole of its stack, on which its registers are if it is in the handler.
        true => (thread.stack().0.max(1) + RED_ZONE, 0),
        false => (thread.sp.load(Acquire), thread.frame.load(Acquire)),
    };
    let mut stopped = Stopped {
        tid: thread.tid.load(Relaxed),
        sp: sp.saturating_sub(RED_ZONE),
        stack: thread.stack(),
        kind: thread.stack_kind(),
        tcb: thread.tcb.load(Relaxed),
        areas: [(0, 0); 3],
        count: 0,
        whole: thread.is_whole(),
        alternate: None,
    };
    if lend::to_child(thread) {
        let at = thread.spilled.as_ptr() as usize;
        stopped.areas[0] = (at, at + size_of_val(&thread.spilled));
        stopped.count = 1;
    }
    if frame != 0 {
        let frame = frame_at(frame);
        stopped.areas[0] = frame.general();
        stopped.areas[1] = frame.alternate_word();
        stopped.count = 2;
        if let Some(vectors) = frame.vectors() {
            stopped.areas[2] = vectors;
            stopped.count = 3;
        }
        stopped.alternate = frame.alternate();
        stopped.whole |= stopped.alternate.is_some();
    } else if thread.alternate.load(Relaxed) != 0 {
        // No frame tells of it: the thread is in a blocking call, and the kernel alone may hold it.
        let at = &raw const thread.alternate as usize;
        stopped.areas[stopped.count] = (at, at + size_of::<usize>());
        stopped.count += 1;
    }
    stopped
}

fn frame_at(frame: usize) -> &'static Frame {
    // SAFETY: see the chapter above; only called between the stop and the resume.
    unsafe { &*Addr(frame).ptr::<Frame>() }
}

impl WorldStopped<'_> {
    /// Every thread but the calling one.
    pub fn for_each_thread(&self, f: &mut dyn FnMut(&Stopped)) {
        self.registry.for_each(&mut |thread| {
            if !core::ptr::eq(thread, self.me) {
                f(&of(thread, self.epoch));
            }
        });
        guests::for_each(self.epoch, &mut |thread| f(&of(thread, self.epoch)));
    }
    /// The calling thread as a handler of ours interrupted it, if that is where it is.
    pub fn visited(&self) -> Option<Stopped> {
        (self.me.frame.load(Relaxed) != 0).then(|| of(self.me, self.epoch))
    }
    /// The calling thread's record: its stack's bounds and descriptor.
    pub fn me(&self) -> &'static Thread {
        self.me
    }
    /// Arguments of threads that have not begun yet: roots.
    pub fn for_each_argument(&self, f: &mut dyn FnMut(usize)) {
        start::for_each(self.registry.starts, &mut |s| f(s.argument()));
    }
    /// Stacks of ended threads. Verify each before use, see [`DeadStack`].
    pub fn dead_stacks(&self) -> &[DeadStack] {
        self.registry.dead_stacks.all()
    }
    pub fn epoch(&self) -> u32 {
        self.epoch
    }
    /// Lets everybody go; when that was. Those that are woken may run before the caller does.
    pub fn resume(self) -> u64 {
        process::now_ns()
    }
}

impl Drop for WorldStopped<'_> {
    fn drop(&mut self) {
        state::end(&WORLD, self.epoch);
        futex::wake(&WORLD, i32::MAX as u32);
    }
}

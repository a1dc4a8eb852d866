//! Leak and audit mode: who calls malloc.
use super::mains::Maker;
use super::{mains, start};
use crate::ground::critical;
use crate::heap::resize::Trace;
use crate::heap::secure::How;
use crate::heap::stacks;
use crate::leak::{depot, unwind};
use crate::sys::sandbox::{self, Need};
use core::sync::atomic::Ordering;

/// Depth for which the smaller array is enough: the default of the option `stacks`.
const USUAL: usize = 64;

/// What the slow path must know of the caller: in leak and audit mode the id of its call stack.
#[inline]
pub fn take() -> Trace {
    let stack = if start::watched() { stack() } else { 0 };
    Trace { stack, watched: start::slow(), how: How::Malloc }
}

/// The stack of a call that maps memory, and who makes it; `None`: no report is to tell of it.
pub fn of_mapping() -> Option<(u32, Maker)> {
    let mut maker = Maker::Main;
    match without().unwrap_or_else(|| walked(&mut |frames| maker = mains::maker(frames))) {
        stacks::IGNORED => None,
        0 if sandbox::forbids(Need::Collect) => None,
        stack => Some((stack, maker)),
    }
}

/// The depot's number of the caller's stack; 0 = not taken.
pub fn stack() -> u32 {
    if let Some(id) = without() {
        return id;
    }
    let Some(id) = unwind::memo::number(start::options().stacks as usize) else { return walked(&mut |_| ()) };
    if critical::depth() == 0 {
        mains::passing();
    }
    id
}

/// What stands for the stack where none is wanted.
fn without() -> Option<u32> {
    // Nothing will be reported any more, and what a stack is asked of may be forbidden.
    if sandbox::forbids(Need::Collect) {
        return Some(0);
    }
    if super::lsan::is_disabled() {
        stacks::ANY_IGNORED.store(true, Ordering::Relaxed);
        return Some(stacks::IGNORED);
    }
    (start::options().stacks == 0).then_some(0)
}

/// The stack, frame by frame; it is shown to `see`.
fn walked(see: &mut dyn FnMut(&[usize])) -> u32 {
    match start::options().stacks as usize {
        depth @ 0..=USUAL => take_into(&mut [0; USUAL][..depth], see),
        depth => take_into(&mut [0; depot::MAX_FRAMES][..depth.min(depot::MAX_FRAMES)], see),
    }
}

#[inline(never)]
fn take_into(frames: &mut [usize], see: &mut dyn FnMut(&[usize])) -> u32 {
    let count = unwind::capture(frames);
    let frames = &mut frames[..count];
    if critical::depth() == 0 {
        mains::passing();
        see(frames);
    }
    // Where main, a thread or a wrapped call was entered through us, we are in the middle, too.
    let mut kept = 0;
    for at in 0..frames.len() {
        if !unwind::is_own(frames[at]) {
            frames[kept] = frames[at];
            kept += 1;
        }
    }
    depot::intern(&frames[..kept])
}

//! Alternate signal stacks that several threads share.
//!
//! A program whose only handlers on the alternate stack are those for its own crash may give all
//! its threads one and the same (Varnish does). The kernel would lay two stopped threads' frames
//! on top of each other. So each call of sigaltstack claims the address for its thread, and where a
//! living other thread holds it already our handler is from then on run on the ordinary stack.
//! Rejected: never using the alternate stack; Go's stacks have no room for a frame.
//!
//! One slot per hash, the newest claim wins: a lost claim costs nothing but the knowledge. Raw
//! system calls are not seen. No lock, since a handler of the program may call sigaltstack.
//!
//! # Safety
//! The handler is installed anew for the signal that it serves already.
#![allow(unsafe_code)]
use super::{handler, registry, signal_number};
use crate::sys::process;
use crate::sys::signal::{self, Set};
use core::sync::atomic::{AtomicU64, Ordering::*};

const SLOTS: usize = 1024;
/// Hash of the address, upper half; thread id, lower half.
static CLAIMS: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];

fn place(base: usize) -> (&'static AtomicU64, u64) {
    let hash = (base as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (&CLAIMS[(hash >> 54) as usize % SLOTS], hash >> 20 & 0xffff_ffff)
}

/// The calling thread is about to make `base` its alternate stack.
pub fn claim(base: usize) {
    let ((slot, tag), tid) = (place(base), process::tid());
    let before = slot.swap(tag << 32 | tid as u64, AcqRel);
    let holder = before as u32 as i32;
    if before >> 32 == tag && holder != tid && holder != 0 && signal::exists(registry::pid(), holder) {
        handler::leave_alternate_stack();
        // SAFETY: the handler is fit for any instruction, on either stack.
        let _ = unsafe { signal::install(signal_number(), handler::on_signal, handler::flags(), Set::FULL) };
    }
}

/// The calling thread's alternate stack is `base` no more.
pub fn give_up(base: usize) {
    let (slot, tag) = place(base);
    let _ = slot.compare_exchange(tag << 32 | process::tid() as u64, 0, AcqRel, Relaxed);
}

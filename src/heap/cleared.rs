//! How calloc clears a large object that had another user before.
//!
//! Two ways: to write zeroes (34 us a MiB), or to give the memory back to the kernel, which gives zeroes when
//! the program touches it (1 us if it had touched nothing since the last time; else 55 us, and the page faults
//! that follow). Which one is better depends on what the program does with the object, and that is told by
//! the time that giving back takes. So it is tried, and as long as it is quick it stays. When it was slow, that may be
//! our own doing, who wrote the zeroes, or the machine's: it is tried once more. When that was slow, too, zeroes
//! are written the next time, then three times, seven, fifteen, thirty and about 250, before it is
//! tried again. Rejected: to ask which pages there are (mincore, page tables): calls that a filter may not allow; the
//! processor's time stamp: a process may have forbidden itself to read it, and the strict mode of seccomp does.
//!
//! # Safety
//! The object is the caller's, and new: whole pages of ours.
#![allow(unsafe_code)]
use super::secure;
use crate::pure::addr::{PAGE_SIZE, round_up};
use crate::spans::Span;
use crate::sys::sandbox::{self, Need};
use crate::sys::{process, vm};

/// [`Span::clearing`]: memory is given back the next time; a new span has that. Else the low bits are the times for which
/// zeroes are written, the others how often giving back was slow.
const GIVE: u8 = 0;
/// Zeroes are written the first time.
pub const WRITE_FIRST: u8 = 1;
const LEVEL: u32 = 5;
const TIMES: u8 = (1 << LEVEL) - 1;
const LEVELS: u8 = 6;
/// In the place of the times: memory was given back the last time, which was slow.
const AGAIN: u8 = TIMES;

/// Giving back is slow from so many nanoseconds on: a third of the pages were there.
fn slow(pages: usize) -> u64 {
    1000 + 50 * pages as u64
}

/// The first `n` bytes of the span's object become zero.
/// # Safety
/// Nobody else knows the object, which has `n` bytes.
pub unsafe fn clear(span: &Span, n: usize) {
    // Where the rest of the last page is filled, it is looked at when the object is freed.
    let last = if secure::level() == 0 { round_up(n, PAGE_SIZE) } else { n & !(PAGE_SIZE - 1) };
    // SAFETY: the caller's promise.
    unsafe {
        let done = if give(span, last) { last.min(n) } else { 0 };
        span.base().add(done).ptr::<u8>().write_bytes(0, n - done);
    }
}

/// Gives the first `bytes` back, if that is worth trying now. Whether they are zero.
/// # Safety
/// As [`clear`]; whole pages.
unsafe fn give(span: &Span, bytes: usize) -> bool {
    // The clock is among the calls that a collection needs.
    if sandbox::forbids(Need::Release) || sandbox::forbids(Need::Collect) {
        return false;
    }
    let (level, times) = (span.clearing.get() >> LEVEL, span.clearing.get() & TIMES);
    if times != 0 && times != AGAIN {
        if level < LEVELS || process::now_ns() >> 5 & 7 == 0 {
            span.clearing.set(level << LEVEL | (times - 1));
        }
        return false;
    }
    let before = process::now_ns();
    // SAFETY: the caller's promise.
    let given = unsafe { vm::advise(span.base(), bytes, libc::MADV_DONTNEED) }.is_ok();
    let quick = given && process::now_ns().wrapping_sub(before) < slow(bytes / PAGE_SIZE);
    let next = (level + 1).min(LEVELS);
    span.clearing.set(match times {
        _ if quick => GIVE,
        AGAIN => next << LEVEL | ((1u8 << next.min(5)) - 1).min(AGAIN - 1),
        _ => level << LEVEL | AGAIN,
    });
    given
}

//! Freed large objects whose memory is taken away at once and whose place nobody gets for a while: whoever still uses one faults.
//!
//! Without a `secure` level these are samples, and the first ones of a process: glibc unmaps such blocks, too, before it has learnt that
//! the program wants more of them. A buried object is KEPT: a second free of it is noticed. It costs address space and an entry in
//! the kernel's list of mappings, no memory.
//!
//! # Safety
//! A buried span belongs to the holder of the lock; nobody has its memory.
#![allow(unsafe_code)]
use super::{large, secure};
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages;
use crate::pure::addr::PAGE_SIZE;
use crate::spans::Span;
use crate::spans::span::{flag, kind};
use crate::sys::vm;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Room, and how much of it is used without a `secure` level.
const MOST: usize = 64;
const FEW: usize = 4;
/// Bytes of a sampled object: glibc's threshold for mappings, and what four of may lie idle.
const SAMPLED: core::ops::Range<usize> = 128 << 10..4 << 20;
/// The first ones are samples, and then one of so many.
const FIRST: usize = 2;
const ONE_OF: usize = 1024;
/// Bytes of all that a level keeps.
const BYTES: usize = 1 << 30;

/// Oldest first, from `at` on.
pub struct Buried {
    entries: [Option<&'static Span>; MOST],
    at: usize,
    count: usize,
    bytes: usize,
}

/// Public for fork, which holds it across.
pub static BURIED: Lock<Buried> =
    Lock::new(Rank::Buried, Buried { entries: [None; MOST], at: 0, count: 0, bytes: 0 });
/// Large objects that were freed, roughly.
static SEEN: AtomicUsize = AtomicUsize::new(0);

impl Buried {
    fn take_oldest(&mut self) -> Option<&'static Span> {
        let span = self.entries[self.at].take()?;
        self.at = (self.at + 1) % MOST;
        self.count -= 1;
        self.bytes -= extent(span);
        Some(span)
    }
    fn put(&mut self, span: &'static Span) {
        self.entries[(self.at + self.count) % MOST] = Some(span);
        self.count += 1;
        self.bytes += extent(span);
    }
}

fn extent(span: &Span) -> usize {
    span.pages.get() as usize * PAGE_SIZE
}

/// Whether an object that its user gave up is to be buried.
fn is_wanted(span: &Span) -> bool {
    if secure::level() >= 2 {
        return extent(span) <= BYTES / 4;
    }
    if !SAMPLED.contains(&span.size.get()) {
        return false;
    }
    let seen = SEEN.load(Relaxed);
    SEEN.store(seen.wrapping_add(1), Relaxed);
    seen < FIRST || seen % ONE_OF == ONE_OF - 1
}

/// Buries an object, if it is wanted. False: its memory is there still.
pub fn put(critical: &Critical, span: &'static Span) -> bool {
    // SAFETY: nobody has the object any more.
    if !is_wanted(span) || unsafe { vm::take_away(span.page_base(), extent(span)) }.is_err() {
        return false;
    }
    span.extended.set(0);
    span.publish(kind::KEPT);
    let (most, bytes) = if secure::level() >= 2 { (MOST, BYTES) } else { (FEW, BYTES) };
    let mut buried = BURIED.lock(critical);
    while buried.count >= most || buried.bytes + extent(span) > bytes {
        let Some(old) = buried.take_oldest() else { break };
        drop(buried);
        give_up(critical, old);
        buried = BURIED.lock(critical);
    }
    buried.put(span);
    true
}

/// Their places may be had again: address space is short, or the program asks for it. Pages given up.
pub fn give_all(critical: &Critical) -> usize {
    let mut given = 0;
    loop {
        let old = BURIED.lock(critical).take_oldest();
        let Some(span) = old else { return given };
        given += span.pages.get() as usize;
        give_up(critical, span);
    }
}

fn give_up(critical: &Critical, span: &'static Span) {
    let own = span.flags.load(Relaxed) & flag::OWN_MAPPING != 0;
    // SAFETY: the span's pages, which nobody has.
    if own || unsafe { vm::give_again(span.page_base(), extent(span)) }.is_ok() {
        large::give_up(critical, span, pages::free_released);
    }
}

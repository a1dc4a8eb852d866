//! Freed blocks that wait before they can be had again (`secure` levels 2 and 3): first in, first out.
//!
//! A block that waits is cleared, and must be zero still when it leaves: who wrote to it used it after its free. To its span it is in
//! use, to the collector it is free, as what is in a bin. One ring for all threads, under one lock: the levels are not for speed.
//!
//! # Safety
//! The ring's region is ours for ever and has [`MOST`] words. A block in it is a slot of a span.
#![allow(unsafe_code)]
use super::secure;
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::metadata;
use crate::pure::addr::Addr;
use crate::spans::map;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Blocks, and bytes of blocks, that wait at most.
const MOST: usize = 1 << 16;
const BYTES: [usize; 4] = [0, 0, 4 << 20, 16 << 20];

/// Oldest first, from `at` on.
pub struct Waiting {
    ring: Addr,
    at: usize,
    count: usize,
    bytes: usize,
}

/// Public for fork, which holds it across.
pub static WAITING: Lock<Waiting> =
    Lock::new(Rank::Quarantine, Waiting { ring: Addr(0), at: 0, count: 0, bytes: 0 });

impl Waiting {
    fn place(&self, number: usize) -> *mut Addr {
        self.ring.add((self.at + number) % MOST * size_of::<Addr>()).ptr()
    }
    fn take_oldest(&mut self) -> Option<Addr> {
        if self.count == 0 {
            return None;
        }
        // SAFETY: a place of the ring that was written.
        let block = unsafe { *self.place(0) };
        self.at = (self.at + 1) % MOST;
        self.count -= 1;
        self.bytes -= size_of_slot(block);
        BYTES_NOW.store(self.bytes, Ordering::Relaxed);
        Some(block)
    }
}

fn size_of_slot(block: Addr) -> usize {
    map::lookup(block).map_or(0, |span| span.size.get())
}

/// `block`, which is cleared, waits. False: it cannot.
pub fn put(critical: &Critical, block: Addr) -> bool {
    let size = size_of_slot(block);
    let most = BYTES[secure::level() as usize & 3];
    loop {
        let old = {
            let mut waiting = WAITING.lock(critical);
            if waiting.ring == Addr(0) {
                let Some(ring) = metadata::map_region(critical, MOST * size_of::<Addr>()) else {
                    return false;
                };
                waiting.ring = ring;
            }
            if waiting.count < MOST && (waiting.bytes + size <= most || waiting.count == 0) {
                // SAFETY: a place of the ring.
                unsafe { *waiting.place(waiting.count) = block };
                waiting.count += 1;
                waiting.bytes += size;
                BYTES_NOW.store(waiting.bytes, Ordering::Relaxed);
                return true;
            }
            waiting.take_oldest()
        };
        if let Some(block) = old
            && let Some(span) = map::lookup(block)
        {
            secure::waited(critical, span, span.index(block));
        }
    }
}

/// Nothing waits any longer: memory is short.
pub fn give_all(critical: &Critical) {
    loop {
        let old = WAITING.lock(critical).take_oldest();
        let Some(block) = old else { return };
        if let Some(span) = map::lookup(block) {
            secure::waited(critical, span, span.index(block));
        }
    }
}

/// Bytes that wait, read beside everybody.
pub fn bytes() -> usize {
    BYTES_NOW.load(Ordering::Relaxed)
}
static BYTES_NOW: AtomicUsize = AtomicUsize::new(0);

/// Calls `f` with every block that waits.
/// # Safety
/// While the world is stopped.
pub unsafe fn for_each_slot(mut f: impl FnMut(Addr)) {
    // SAFETY: stopped threads hold no lock of ours, so nobody writes.
    let waiting = unsafe { &*WAITING.as_ptr() };
    for number in 0..waiting.count {
        // SAFETY: a place that was written.
        f(unsafe { *waiting.place(number) });
    }
}

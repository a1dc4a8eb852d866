//! Markers that work at once: who has too much gives some away, who has nothing waits for some.
//!
//! Each has a queue of its own. Given away is only if somebody waits, into one pool, under a lock that is met as rarely as that.
//! Work is over when all wait and the pool is empty: both are seen under the lock, by the last who comes to wait. A marker that is not
//! waiting may still give; one that waits cannot.
//!
//! # Safety
//! The pool belongs to the holder of the lock. A span is in one queue at most (`gc::grey`), so each queue, and the pool, has a place for all.
//!
//! The model checker runs this file (`loom_marking`).
#![allow(unsafe_code)]
use crate::gc::queue::Queue;
use crate::ground::atomic::{AtomicBool, AtomicU32, MODEL, Ordering::*};
use crate::sys::process;
use core::cell::UnsafeCell;

/// Spans that are given away at once, at most; with fewer than twice `FEWEST` nobody gives.
const MOST: usize = 4096;
const FEWEST: usize = if MODEL { 1 } else { 8 };

/// Waits a moment for another: a loop's `rounds`-th time. A list keeps one busy for long, and there is nothing for others to do.
fn rest(rounds: &mut u32) {
    const SPINS: u32 = if MODEL { 0 } else { 2000 };
    const YIELDS: u32 = 200;
    const NAP_NS: i64 = 50_000;
    *rounds += 1;
    match *rounds {
        n if n < SPINS => core::hint::spin_loop(),
        n if n < SPINS + YIELDS => process::yield_now(),
        _ => process::sleep_ns(NAP_NS),
    }
}

#[repr(align(128))]
pub struct Team {
    /// Members that have nothing to do.
    waiting: AtomicU32,
    /// The pool holds something.
    any: AtomicBool,
    done: AtomicBool,
    locked: AtomicBool,
    members: AtomicU32,
    pool: UnsafeCell<Queue>,
}
// SAFETY: see the chapter above.
unsafe impl Sync for Team {}

impl Team {
    /// One member, and nothing given away.
    pub fn new(pool: Queue) -> Team {
        Team {
            waiting: AtomicU32::new(0),
            any: AtomicBool::new(false),
            done: AtomicBool::new(false),
            locked: AtomicBool::new(false),
            members: AtomicU32::new(1),
            pool: UnsafeCell::new(pool),
        }
    }
    /// Another member; only by one that is at work.
    pub fn join(&self) {
        self.members.fetch_add(1, Relaxed);
    }
    /// It could not come.
    pub fn leave(&self) {
        self.members.fetch_sub(1, Relaxed);
    }
    pub fn into_pool(self) -> Queue {
        self.pool.into_inner()
    }

    fn with_pool<R>(&self, f: impl FnOnce(&mut Queue) -> R) -> R {
        let mut rounds = 0;
        while self.locked.compare_exchange(false, true, Acquire, Relaxed).is_err() {
            rest(&mut rounds);
        }
        // SAFETY: the lock is held.
        let pool = unsafe { &mut *self.pool.get() };
        let result = f(pool);
        self.any.store(pool.waiting() != 0, Relaxed);
        self.locked.store(false, Release);
        result
    }

    /// Whether it is time to [`Team::give`].
    #[inline(always)]
    pub fn wants(&self) -> bool {
        self.waiting.load(Relaxed) != 0
    }
    /// Gives half of `queue` away, if somebody waits and there is enough.
    #[cold]
    #[inline(never)]
    pub fn give(&self, queue: &mut Queue) {
        if queue.waiting() < 2 * FEWEST || self.any.load(Relaxed) {
            return;
        }
        self.with_pool(|pool| {
            let count = (queue.waiting() / 2).min(MOST);
            (0..count).filter_map(|_| queue.pop()).for_each(|span| pool.push(span));
        });
    }

    /// For a member whose queue is empty: waits for work. False: there is none, nobody has any.
    #[cold]
    #[inline(never)]
    pub fn take(&self, queue: &mut Queue) -> bool {
        let mut waits = false;
        loop {
            let over = self.with_pool(|pool| {
                let count = pool.waiting().div_ceil(2);
                (0..count).filter_map(|_| pool.pop()).for_each(|span| queue.push(span));
                if waits && count != 0 {
                    self.waiting.fetch_sub(1, Relaxed);
                }
                if !waits && count == 0 {
                    waits = true;
                    let waiting = self.waiting.fetch_add(1, Relaxed) + 1;
                    self.done.store(waiting == self.members.load(Relaxed), Relaxed);
                }
                self.done.load(Relaxed)
            });
            if queue.waiting() != 0 {
                return true;
            }
            if over {
                return false;
            }
            self.wait();
        }
    }

    /// Waits until there may be work, or it is over.
    fn wait(&self) {
        let mut rounds = 0;
        while !self.any.load(Relaxed) && !self.done.load(Relaxed) {
            rest(&mut rounds);
            // Its loads may give old values for ever; the caller looks again, under the lock.
            if MODEL {
                return;
            }
        }
    }
}

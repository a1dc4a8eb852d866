//! Futex locks with ranks.
//!
//! A lock is taken only inside a critical section (so no stopped thread owns one) and only in
//! rising rank order; `zeal` and debug builds check the order per thread. Fork takes them all
//! in rank order and, in the child, [`Lock::reset`]s them.
//!
//! # Safety
//! The guard gives `&mut T` to the one holder; `reset` is for the child of a fork, where no
//! other thread exists.
#![allow(unsafe_code)]
use super::critical::Critical;
use crate::sys::futex;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

/// Every lock there is, outermost first. A thread that holds one takes only later ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Rank {
    /// Start-up happens once.
    Init,
    /// One collection or leak check at a time.
    Cycle,
    /// The thread registry; held while the world is stopped.
    Threads,
    /// The tree of the program's mappings.
    Ranges,
    /// Roots that the program named.
    Regions,
    /// Adopted ranges.
    Adopted,
    /// Distinct call stacks.
    Depot,
    /// Unwind rule caches that are not per thread.
    Unwind,
    /// What audit mode noted.
    Hidden,
    /// The cache of threads that are past their destructors.
    Late,
    /// Shared heap state: abandoned spans, large objects.
    Heap,
    /// Freed large objects kept for reuse.
    Kept,
    /// Freed large objects whose memory is gone.
    Buried,
    /// Blocks that wait after their free.
    Quarantine,
    /// Objects with pages of their own.
    Cells,
    /// The table of huge objects.
    Huge,
    /// Unused caches.
    Caches,
    /// Pins' scopes.
    Scopes,
    /// Cleanups and weak handles of objects.
    Attached,
    /// The making of what special objects need.
    Special,
    /// Promises to call a function of the program's when memory is dead.
    Cleanups,
    /// Side arrays.
    Sides,
    /// Span descriptors and the address map.
    Spans,
    /// The page allocator.
    Pages,
    /// Metadata arenas.
    Metadata,
    /// The set of mappings that gleaner made.
    Own,
    /// Lines of output.
    Output,
}

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;

pub struct Lock<T> {
    word: AtomicU32,
    rank: Rank,
    value: UnsafeCell<T>,
}

// SAFETY: the guard hands the value to one thread at a time.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    pub const fn new(rank: Rank, value: T) -> Self {
        Lock { word: AtomicU32::new(FREE), rank, value: UnsafeCell::new(value) }
    }
    #[inline]
    pub fn lock<'a>(&'a self, critical: &'a Critical) -> Guard<'a, T> {
        if self.word.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.lock_slow();
        }
        held::take(self.rank);
        Guard { lock: self, _critical: critical }
    }
    /// The lock if nobody has it: for signal handlers and other places that must not wait.
    #[inline]
    pub fn try_lock<'a>(&'a self, critical: &'a Critical) -> Option<Guard<'a, T>> {
        self.word.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).ok()?;
        held::take(self.rank);
        Some(Guard { lock: self, _critical: critical })
    }
    #[cold]
    fn lock_slow(&self) {
        for _ in 0..100 {
            if self.word.load(Ordering::Relaxed) == FREE
                && self.word.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok()
            {
                return;
            }
            core::hint::spin_loop();
        }
        while self.word.swap(CONTENDED, Ordering::Acquire) != FREE {
            let _ = futex::wait(&self.word, CONTENDED, None);
        }
    }
    #[inline]
    fn unlock(&self) {
        held::give(self.rank);
        if self.word.swap(FREE, Ordering::Release) == CONTENDED {
            futex::wake(&self.word, 1);
        }
    }
    /// Takes the lock without a guard: fork's prepare step.
    pub fn hold(&self, critical: &Critical) {
        core::mem::forget(self.lock(critical));
    }
    /// Gives back what [`Lock::hold`] took: fork's parent step.
    /// # Safety
    /// This thread must have called `hold`.
    pub unsafe fn release(&self) {
        self.unlock();
    }
    /// Makes the lock free again in the child of a fork that held it across.
    /// # Safety
    /// Only in a child of fork, whose only thread this is.
    pub unsafe fn reset(&self) {
        held::give(self.rank);
        self.word.store(FREE, Ordering::Release);
    }
    /// The value without the lock: while the world is stopped, or before there are threads.
    pub fn as_ptr(&self) -> *mut T {
        self.value.get()
    }
}

pub struct Guard<'a, T> {
    lock: &'a Lock<T>,
    _critical: &'a Critical,
}
impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: this guard is the one holder.
        unsafe { &*self.lock.value.get() }
    }
}
impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the one holder.
        unsafe { &mut *self.lock.value.get() }
    }
}
impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.lock.unlock();
    }
}

/// Ranks that this thread holds, one bit each; checked in debug and zeal builds.
mod held {
    use super::Rank;
    use crate::sys::tls;
    use core::sync::atomic::Ordering;

    const CHECK: bool = cfg!(any(debug_assertions, feature = "zeal"));

    #[inline(always)]
    pub fn take(rank: Rank) {
        if CHECK {
            let cell = &tls::block().spare;
            let held = cell.load(Ordering::Relaxed);
            if held >> (rank as u32) != 0 {
                crate::ground::fatal::die(format_args!(
                    "internal error: lock {rank:?} taken while holding ranks {held:#b}"
                ));
            }
            cell.store(held | 1 << rank as u32, Ordering::Relaxed);
        }
    }
    #[inline(always)]
    pub fn give(rank: Rank) {
        if CHECK {
            let cell = &tls::block().spare;
            cell.store(cell.load(Ordering::Relaxed) & !(1 << rank as u32), Ordering::Relaxed);
        }
    }
}

//! The stack of the call before: most of it is still there.
//!
//! # Shape
//! A walk is a chain of states (pc, rsp, and where it matters rbp), and each step depends on the state and on one to
//! three words of the stack alone. So a thread keeps the states of its last walk and the words that it went by
//! (`walked`). The next walk compares the words, none of which waits for another, until one differs; the states before
//! that are those that *any* walk goes through which comes to one of them. Then
//! it goes up from its own start, by the rules, until it meets one: two or three frames, in most programs. No
//! guess is made: what is equal by this is equal.
//!
//! Our own frames, between the program's call and this code, are not among them (`chains`).
//!
//! With each state stands the sum of the depot's weights from the outermost frame to it, so that a known stack costs
//! no pass over its frames, and once it was looked up its number. Where a thread was before, the comparison is all that it costs (`leaves`).
//!
//! A memo has room for [`FRAMES`] frames; it is not used for deeper stacks, nor for those with a signal's frame or one
//! that needs all registers, nor for coroutines (see `bounds`). A thread takes one, from a list of all that only grows, with its first stack and
//! gives it back with its end; about 4 KB of it are touched at a depth of thirty. A handler that
//! interrupts its use finds it busy and goes without.
//!
//! # Safety
//! A memo is its owner's alone: the thread whose TLS block names it, while `busy`. It stays for ever. It is used on the
//! thread's own stack only ([`super::Bounds::is_own`]), which is mapped from this walk's stack pointer up to its end for as long as the thread
//! lives: any word between the two can be read, whichever walk found it. Of coroutines' stacks that is not so.
#![allow(unsafe_code)]
use super::{Start, bounds, here, here_into};
use crate::ground::critical;
use crate::pages::metadata;
use crate::pure::addr::Addr;
use crate::sys::tls;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, compiler_fence};
use walked::Walked;

mod chains;
mod leaves;
mod walked;

const FRAMES: usize = 160;

struct Memo {
    next: usize,
    taken: AtomicBool,
    busy: AtomicBool,
    walked: UnsafeCell<Walked>,
}

/// All of them.
static ALL: AtomicUsize = AtomicUsize::new(0);
/// Stacks that no memo could be used for.
static WITHOUT: AtomicU64 = AtomicU64::new(0);

/// A word that other code owns.
///
/// # Safety
/// It lies between the walk's own stack pointer and the end of the thread's own stack, or in the walk's [`super::Start`].
#[inline(always)]
unsafe fn read(at: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { Addr(at).ptr::<usize>().read_volatile() }
}

/// The depot's number of the calling thread's stack, cut to `depth` frames; `None`: it must be walked. Keeps errno.
#[inline(never)]
pub fn number(depth: usize) -> Option<u32> {
    let mut start = Start::default();
    here_into(&mut start);
    let bounds = bounds::current(start.rsp)?;
    if !bounds.is_own {
        return None;
    }
    let memo = of_thread()?;
    if memo.busy.load(Ordering::Relaxed) {
        return None;
    }
    memo.busy.store(true, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
    // SAFETY: this thread's, and nobody else of this thread is in it.
    let walked = unsafe { &mut *memo.walked.get() };
    let id = walked.number(&start, &bounds, depth).ok();
    if id.is_none() {
        walked.forget();
        WITHOUT.fetch_add(1, Ordering::Relaxed);
    }
    compiler_fence(Ordering::SeqCst);
    memo.busy.store(false, Ordering::Relaxed);
    id
}

/// The calling thread's.
#[inline(always)]
fn of_thread() -> Option<&'static Memo> {
    let at = tls::block().memo.load(Ordering::Relaxed);
    // SAFETY: a memo stays for ever.
    if at != 0 { Some(unsafe { &*Addr(at).ptr::<Memo>() }) } else { take() }
}

/// One that nobody has, or a new one.
#[cold]
#[inline(never)]
fn take() -> Option<&'static Memo> {
    if tls::block().late.load(Ordering::Relaxed) != 0 {
        return None;
    }
    // A handler that comes in between must not take a second one.
    let critical = critical::enter();
    let free = all().find(|memo| !memo.taken.swap(true, Ordering::Acquire));
    let memo = match free {
        Some(memo) => memo,
        None => {
            let at = metadata::alloc(&critical, size_of::<Memo>(), align_of::<Memo>())?;
            // SAFETY: fresh zeroed memory of that size; all zero is an empty memo.
            let memo = unsafe { &mut *at.ptr::<Memo>() };
            memo.taken.store(true, Ordering::Relaxed);
            memo.next = ALL.load(Ordering::Acquire);
            while let Err(now) = ALL.compare_exchange(memo.next, at.0, Ordering::AcqRel, Ordering::Acquire) {
                memo.next = now;
            }
            memo
        }
    };
    tls::block().memo.store(Addr::of(memo).0, Ordering::Relaxed);
    Some(memo)
}

fn all() -> impl Iterator<Item = &'static Memo> {
    // SAFETY: a published memo is complete and stays.
    let get = |at: usize| (at != 0).then(|| unsafe { &*Addr(at).ptr::<Memo>() });
    core::iter::successors(get(ALL.load(Ordering::Acquire)), move |memo| get(memo.next))
}

/// The calling thread ends, and is late already: another one may have its memo.
pub fn give_back() {
    let at = tls::block().memo.swap(0, Ordering::Relaxed);
    if at != 0 {
        // SAFETY: a memo stays for ever; this thread does not use it any more.
        let memo = unsafe { &*Addr(at).ptr::<Memo>() };
        memo.busy.store(false, Ordering::Relaxed);
        memo.taken.store(false, Ordering::Release);
    }
}

/// Only in the child of a fork: the other threads' are free.
pub fn fork_child() {
    let own = tls::block().memo.load(Ordering::Relaxed);
    for memo in all().filter(|memo| Addr::of(*memo).0 != own) {
        memo.busy.store(false, Ordering::Relaxed);
        memo.taken.store(false, Ordering::Relaxed);
    }
}

/// Stacks, their frames, and those that were walked; stacks without a memo. Of other threads as they are just now.
pub fn counts() -> [u64; 4] {
    let mut sums = [0, 0, 0, WITHOUT.load(Ordering::Relaxed)];
    for memo in all() {
        // SAFETY: numbers that their owner may be changing; read once each.
        let counts = unsafe { (&raw const (*memo.walked.get()).counts).read_volatile() };
        sums.iter_mut().zip(counts).for_each(|(sum, one)| *sum += one);
    }
    sums
}

/// The frames of the stack, by way of the memo, as [`super::capture`] gives them; for tests and measurements.
#[inline(never)]
pub fn frames(out: &mut [usize]) -> Option<usize> {
    let start = here();
    let bounds = bounds::current(start.rsp).filter(|bounds| bounds.is_own)?;
    let memo = of_thread()?;
    // SAFETY: this thread's, and nobody else of this thread is in it: callers are no handlers.
    let walked = unsafe { &mut *memo.walked.get() };
    walked.walk(&start, &bounds).ok()?;
    Some(walked.copy(out))
}

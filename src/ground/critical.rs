//! # Safety chapter: one transmute, of a word that only ever holds a `fn()`.
//!
//! Critical sections: code during which the thread must not be stopped.
//!
//! Every lock of ours is taken, and every structure changed in more than one store, inside a
//! critical section. The stop signal's handler, finding `depth > 0`, sets `pending` and
//! returns; the thread stops itself when it leaves the outermost section. The exit's order is
//! *store depth = 0; compiler fence; load pending* — the handler does the reverse on the same
//! thread, so no request is lost (ST3).
//!
//! Consequence, relied upon everywhere: **a stopped thread holds no lock of ours.**
use crate::sys::tls;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicUsize, Ordering, compiler_fence};

/// Proof that this thread is inside a critical section. Not `Send`.
pub struct Critical {
    _thread: PhantomData<*const ()>,
}

/// What a thread with a pending stop does on leaving: set once by `threads`. 0 = nothing.
static ON_PENDING: AtomicUsize = AtomicUsize::new(0);

/// Installs the function that stops the calling thread (`threads` calls this once).
pub fn set_on_pending(f: fn()) {
    ON_PENDING.store(f as usize, Ordering::Release);
}

#[inline(always)]
pub fn enter() -> Critical {
    let b = tls::block();
    // Only this thread and its own signal handler write `depth`: plain load and store suffice.
    b.depth.store(b.depth.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
    Critical { _thread: PhantomData }
}

/// The token of a section that was entered and forgotten (fork holds one across): dropping it
/// leaves that section.
pub fn resume() -> Critical {
    Critical { _thread: PhantomData }
}

/// Depth of critical sections of this thread.
#[inline(always)]
pub fn depth() -> u32 {
    tls::block().depth.load(Ordering::Relaxed)
}

/// Whether this code interrupts a critical section of its thread's: it is a handler of the program's.
#[inline]
pub fn is_interrupted() -> bool {
    let b = tls::block();
    b.depth.load(Ordering::Relaxed) > b.open.load(Ordering::Relaxed)
}

/// libc runs from here on, in the section that the caller is in, and may allocate: that is no handler's
/// doing. The value is for [`shut`].
pub fn open() -> u32 {
    let b = tls::block();
    let before = b.open.load(Ordering::Relaxed);
    b.open.store(b.depth.load(Ordering::Relaxed), Ordering::Relaxed);
    before
}
/// libc is done.
pub fn shut(before: u32) {
    tls::block().open.store(before, Ordering::Relaxed);
}
/// Whether libc runs in a section of this thread's.
pub fn is_open() -> bool {
    tls::block().open.load(Ordering::Relaxed) != 0
}

impl Drop for Critical {
    #[inline(always)]
    fn drop(&mut self) {
        let b = tls::block();
        compiler_fence(Ordering::SeqCst);
        let depth = b.depth.load(Ordering::Relaxed) - 1;
        b.depth.store(depth, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        if depth == 0 && b.pending.load(Ordering::Relaxed) != 0 {
            run_pending();
        }
    }
}

#[cold]
#[inline(never)]
#[allow(unsafe_code)]
fn run_pending() {
    let f = ON_PENDING.load(Ordering::Acquire);
    if f != 0 {
        // SAFETY: only `set_on_pending` stores here, and it stores a `fn()`.
        let f: fn() = unsafe { core::mem::transmute(f) };
        f();
    }
}

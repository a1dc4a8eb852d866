//! malloc and free in a signal handler that interrupted one of our slow paths.
//!
//! No function of the standard allows that, and many programs do it: a handler that prints, or forks a child
//! that allocates. The thread holds locks of ours then and would wait for itself for ever; its cache may be
//! half changed. What the fast paths cannot do is left to the allocator that we stand in front of, whose heap
//! nobody else uses: its blocks come back through [`foreign`](super::foreign) as any stranger's. A block that
//! is freed waits in a list, linked through its first word, for the next slow path that interrupts nothing.
//!
//! # Safety
//! The functions have the types of their C names. A block on the list was freed by the program: its first
//! word is free.
#![allow(unsafe_code)]
use super::foreign;
use super::next::{Next, behind};
use crate::ground::fatal;
use crate::heap::resize;
use core::ffi::c_int;
use core::sync::atomic::{AtomicPtr, Ordering::*};

type Memalign = unsafe extern "C" fn(*mut *mut u8, usize, usize) -> c_int;
behind! {
    MEMALIGN = c"posix_memalign": Memalign;
}

/// What every block is aligned to.
pub const MIN_ALIGN: usize = 16;

static PUT_OFF: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());

/// A block of libc's; null without a word in errno.
pub fn alloc(align: usize, n: usize) -> *mut u8 {
    let mut p = core::ptr::null_mut();
    // SAFETY: as posix_memalign(3); on failure it does not write.
    MEMALIGN.get().inspect(|f| unsafe { _ = f(&mut p, align, n) });
    p
}

/// Frees a block later, whosever it is.
///
/// # Safety
/// The program has freed it.
pub unsafe fn put_off(p: *mut u8) {
    let mut first = PUT_OFF.load(Relaxed);
    loop {
        if first == p {
            fatal::die(format_args!("free: double free of the block at {p:?}, in a signal handler"));
        }
        // SAFETY: a block has room for one word.
        unsafe { p.cast::<*mut u8>().write(first) };
        match PUT_OFF.compare_exchange(first, p, Release, Relaxed) {
            Ok(_) => return,
            Err(now) => first = now,
        }
    }
}

/// The first block that was put off: a root, and with it all of them.
pub fn first() -> usize {
    PUT_OFF.load(Relaxed) as usize
}

/// What was put off, one by one. Not nested.
#[inline]
pub fn catch_up(free: impl Fn(*mut u8)) {
    if PUT_OFF.load(Relaxed).is_null() {
        return;
    }
    let mut at = PUT_OFF.swap(core::ptr::null_mut(), Acquire);
    while !at.is_null() {
        // SAFETY: a block on the list holds the next one.
        let next = unsafe { at.cast::<*mut u8>().read() };
        free(at);
        at = next;
    }
}

/// Null where there is no memory; errno is for the caller.
///
/// # Safety
/// As realloc(3), `p` not null and `n` not 0.
pub unsafe fn realloc(p: *mut u8, n: usize) -> *mut u8 {
    // SAFETY: the program's block, which stays until it was copied.
    unsafe {
        let old = resize::usable_at_once(p).unwrap_or_else(|| foreign::usable_size(p));
        let new = alloc(MIN_ALIGN, n);
        if !new.is_null() {
            core::ptr::copy_nonoverlapping(p, new, old.min(n));
            put_off(p);
        }
        new
    }
}

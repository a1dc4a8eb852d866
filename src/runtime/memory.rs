//! The malloc family, with the semantics of glibc's manual.
//!
//! Blocks are 16-byte aligned; a size of 0 gives a unique block; failure is null with ENOMEM;
//! free keeps errno. Fast paths are inlined into the C functions of preload/; what is here and
//! cold runs in critical sections.
//!
//! # Safety
//! As the C functions: pointers come from this family and are not used after they were freed.
#![allow(unsafe_code)]
use super::nested::{self, MIN_ALIGN};
use super::{collect, foreign, shortage, start, trace};
use crate::ground::critical;
use crate::heap::large::{self, OBJECT_MAX};
use crate::heap::release::{self, Freed};
use crate::heap::resize::{self, Got, Resized, Trace};
use crate::heap::secure::How;
use crate::heap::{at_hand, cache, fast};
use crate::pure::addr::PAGE_SIZE;
use crate::spans::class::{MEDIUM_MAX, SMALL_MAX};
use crate::sys::errno;
use crate::threads;
use core::ptr::NonNull;

#[inline(always)]
pub fn malloc(n: usize) -> *mut u8 {
    if n > SMALL_MAX {
        return malloc_medium(n);
    }
    match fast::small(n) {
        Some(p) => p.as_ptr(),
        None => new_slow(n, How::Malloc),
    }
}

#[inline(never)]
fn malloc_medium(n: usize) -> *mut u8 {
    match fast::medium(n) {
        Some(p) => p.as_ptr(),
        None => new_slow(n, How::Malloc),
    }
}

/// [`malloc`] for an operator new.
#[inline(always)]
pub fn new(n: usize, how: How) -> *mut u8 {
    let p = if n > SMALL_MAX { fast::medium(n) } else { fast::small(n) };
    match p {
        Some(p) => p.as_ptr(),
        None => new_slow(n, how),
    }
}

#[cold]
#[inline(never)]
fn new_slow(n: usize, how: How) -> *mut u8 {
    if n > MEDIUM_MAX
        && !critical::is_interrupted()
        && !collect::is_due()
        && let Some(p) = large::quick(n)
    {
        return p;
    }
    let p = slow(n, MIN_ALIGN, |critical, trace| resize::alloc(critical, n, Trace { how, ..trace })).at;
    forget_scratch();
    p
}

/// Clears the registers that a callee may leave anything in: a block's address that stays in one is pushed
/// by the next lazily bound call or signal, and kept a leaked block for the checks.
#[inline(always)]
fn forget_scratch() {
    // SAFETY: every register that is written is an output, and no memory or stack is used.
    unsafe {
        core::arch::asm!(
            "xor ecx, ecx", "xor edx, edx", "xor esi, esi", "xor edi, edi",
            "xor r8d, r8d", "xor r9d, r9d", "xor r10d, r10d", "xor r11d, r11d",
            "pxor xmm0, xmm0", "pxor xmm1, xmm1", "pxor xmm2, xmm2", "pxor xmm3, xmm3",
            out("rcx") _, out("rdx") _, out("rsi") _, out("rdi") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            options(nomem, nostack),
        );
    }
}

/// One attempt to allocate about `n` bytes at a multiple of `align`; another after memory was found; else
/// ENOMEM.
fn slow(n: usize, align: usize, attempt: impl Fn(&critical::Critical, Trace) -> Got) -> Got {
    let got =
        if critical::is_interrupted() { Got::foreign(nested::alloc(align, n)) } else { ours(n, attempt) };
    if got.at.is_null() {
        errno::set(libc::ENOMEM);
    }
    got
}

fn ours(n: usize, attempt: impl Fn(&critical::Critical, Trace) -> Got) -> Got {
    // SAFETY: the program freed it, in a handler.
    nested::catch_up(|p| unsafe { free(p) });
    let _late = threads::late_gate();
    collect::poll(n);
    let trace = ready();
    let got = attempt(&critical::enter(), trace);
    if got.at.is_null() && n <= OBJECT_MAX {
        let again = || Some(attempt(&critical::enter(), trace)).filter(|got| !got.at.is_null());
        return shortage::again(n, again).unwrap_or(got);
    }
    got
}

/// Makes sure that this thread can allocate, and takes its call stack if that is wanted.
fn ready() -> Trace {
    if cache::current().is_empty() {
        start::thread(&critical::enter());
        super::threads::arm();
    }
    trace::take()
}

#[inline(always)]
pub fn calloc(count: usize, size: usize) -> *mut u8 {
    let Some(n) = count.checked_mul(size) else {
        errno::set(libc::ENOMEM);
        return core::ptr::null_mut();
    };
    if n >= 80 {
        return calloc_larger(n);
    }
    let Some(p) = fast::small_marked(n) else { return calloc_slow(n) };
    let p = p.as_ptr();
    // A slot is a multiple of 16 bytes that is larger than n: so is what is cleared, some of it twice.
    let last = n & !15;
    // SAFETY: see above.
    unsafe {
        let clear = |at: usize| p.add(at).cast::<u128>().write(0);
        clear(0);
        if n >= 32 {
            clear(16);
            clear(32);
            clear(last - 16);
        }
        clear(last);
    }
    p
}

#[inline(never)]
fn calloc_larger(n: usize) -> *mut u8 {
    let p = fast::malloc(n);
    if p.is_null() {
        return calloc_slow(n);
    }
    // SAFETY: the block has at least n bytes.
    unsafe { core::ptr::write_bytes(p, 0, n) };
    p
}

#[cold]
#[inline(never)]
fn calloc_slow(n: usize) -> *mut u8 {
    let got = slow(n, MIN_ALIGN, |critical, trace| resize::alloc(critical, n, trace));
    resize::clear(got, n);
    forget_scratch();
    got.at
}

/// # Safety
/// As free(3).
#[inline(always)]
pub unsafe fn free(p: *mut u8) {
    // SAFETY: forwarded.
    unsafe { delete(p, How::Malloc, None) }
}

/// [`free`], or an operator delete; of a block of `size` bytes, if the compiler tells.
/// # Safety
/// As free(3).
#[inline(always)]
pub unsafe fn delete(p: *mut u8, how: How, size: Option<usize>) {
    // SAFETY: forwarded; the fast path wants a pointer that is not null.
    unsafe {
        match fast::free(p) {
            fast::Freed::Done => {}
            fast::Freed::Full => bin_full(p),
            fast::Freed::Special => delete_slow(p, how, size),
        }
    }
}

#[cold]
#[inline(never)]
fn bin_full(p: *mut u8) {
    if critical::is_interrupted() {
        // It is to be freed once more. The caller has one that is not null.
        if let Some(slot) = NonNull::new(p) {
            // SAFETY: the program frees it.
            unsafe { nested::put_off(fast::unmarked(slot).as_ptr()) };
        }
        return;
    }
    let _errno = errno::Saved::new();
    release::bin_full(&critical::enter(), p);
}

/// # Safety
/// As free(3).
#[cold]
#[inline(never)]
unsafe fn delete_slow(p: *mut u8, how: How, size: Option<usize>) {
    if p.is_null() {
        return;
    }
    if critical::is_interrupted() {
        // SAFETY: the caller frees it.
        return unsafe { nested::put_off(p) };
    }
    // SAFETY: forwarded.
    if unsafe { at_hand::free(cache::current(), p) } {
        return;
    }
    let _errno = errno::Saved::new();
    let _late = threads::late_gate();
    // SAFETY: forwarded.
    unsafe {
        let freed = release::free_as(&critical::enter(), p, how, size);
        if freed == Freed::Foreign {
            foreign::free(p);
        }
    }
}

/// # Safety
/// As realloc(3).
#[inline(always)]
pub unsafe fn realloc(p: *mut u8, n: usize) -> *mut u8 {
    // SAFETY: forwarded.
    unsafe {
        if let Some(old) = fast::plain(p) {
            if resize::stays(old.get(), n) || cache::current().growing.in_place(p, old.get(), n) {
                return p;
            }
            return realloc_plain(p, old.get(), n);
        }
        realloc_slow(p, n)
    }
}

/// # Safety
/// As realloc(3), of a slot of `old` usable bytes with nothing special about it.
#[inline(never)]
unsafe fn realloc_plain(p: *mut u8, old: usize, n: usize) -> *mut u8 {
    // SAFETY: forwarded.
    unsafe { resize::move_plain(p, old, n).unwrap_or_else(|| realloc_slow(p, n)) }
}

/// # Safety
/// As realloc(3).
#[cold]
#[inline(never)]
unsafe fn realloc_slow(p: *mut u8, n: usize) -> *mut u8 {
    if p.is_null() {
        return malloc(n);
    }
    if n == 0 {
        // glibc: frees and returns null.
        // SAFETY: forwarded.
        unsafe { free(p) };
        return core::ptr::null_mut();
    }
    if critical::is_interrupted() {
        // SAFETY: forwarded.
        let new = unsafe { nested::realloc(p, n) };
        if new.is_null() {
            errno::set(libc::ENOMEM);
        }
        return new;
    }
    let _late = threads::late_gate();
    // A collection would see the pointer here, on our stack: only after it was looked at where the object stands.
    let poll = || collect::poll(n);
    // SAFETY: forwarded.
    match unsafe { resize::realloc(p, n, poll, ready) } {
        Resized::Done(p) => {
            forget_scratch();
            p
        }
        Resized::NoMemory => {
            // SAFETY: forwarded; the block is as it was.
            let again = || match unsafe { resize::realloc(p, n, || {}, ready) } {
                Resized::Done(p) => Some(p),
                _ => None,
            };
            let new = if n <= OBJECT_MAX { shortage::again(n, again) } else { None };
            new.unwrap_or_else(|| {
                errno::set(libc::ENOMEM);
                core::ptr::null_mut()
            })
        }
        // SAFETY: forwarded.
        Resized::Foreign => unsafe { foreign::realloc(p, n) },
    }
}

/// # Safety
/// As reallocarray(3).
pub unsafe fn reallocarray(p: *mut u8, count: usize, size: usize) -> *mut u8 {
    match count.checked_mul(size) {
        // SAFETY: forwarded.
        Some(n) => unsafe { realloc(p, n) },
        None => {
            errno::set(libc::ENOMEM);
            core::ptr::null_mut()
        }
    }
}

/// memalign: glibc rounds an alignment that is no power of two up to one.
pub fn memalign(align: usize, n: usize) -> *mut u8 {
    let Some(align) = align.max(16).checked_next_power_of_two().filter(|&a| a <= OBJECT_MAX) else {
        errno::set(libc::EINVAL);
        return core::ptr::null_mut();
    };
    aligned(align, n)
}

/// `n` bytes at a multiple of `align`, a power of two.
pub fn aligned(align: usize, n: usize) -> *mut u8 {
    new_aligned(align, n, How::Malloc)
}

/// [`aligned`], or an operator new; one whose alignment is no power of two promises nothing.
pub fn new_aligned(align: usize, n: usize, how: How) -> *mut u8 {
    if align <= MIN_ALIGN || !align.is_power_of_two() {
        return new(n, how);
    }
    let attempt = |critical: &critical::Critical, trace: Trace| {
        resize::alloc_aligned(critical, n, align, Trace { how, ..trace })
    };
    let p = slow(n, align, attempt).at;
    forget_scratch();
    p
}

/// aligned_alloc: glibc 2.36 takes any power of two, and like memalign what is none.
pub fn aligned_alloc(align: usize, n: usize) -> *mut u8 {
    memalign(align, n)
}

/// posix_memalign's status and block; errno is not touched.
pub fn posix_memalign(align: usize, n: usize) -> Result<*mut u8, i32> {
    if !align.is_power_of_two() || !align.is_multiple_of(size_of::<usize>()) {
        return Err(libc::EINVAL);
    }
    let _errno = errno::Saved::new();
    let p = aligned(align, n);
    if p.is_null() { Err(libc::ENOMEM) } else { Ok(p) }
}

pub fn valloc(n: usize) -> *mut u8 {
    aligned(PAGE_SIZE, n)
}

pub fn pvalloc(n: usize) -> *mut u8 {
    match n.checked_next_multiple_of(PAGE_SIZE) {
        Some(n) => aligned(PAGE_SIZE, n),
        None => {
            errno::set(libc::ENOMEM);
            core::ptr::null_mut()
        }
    }
}

/// # Safety
/// As malloc_usable_size(3).
#[inline(always)]
pub unsafe fn usable_size(p: *mut u8) -> usize {
    // SAFETY: forwarded.
    unsafe {
        match fast::plain(p) {
            Some(size) => size.get(),
            None => usable_size_slow(p),
        }
    }
}

/// # Safety
/// As malloc_usable_size(3).
#[cold]
#[inline(never)]
unsafe fn usable_size_slow(p: *mut u8) -> usize {
    if p.is_null() {
        return 0;
    }
    // SAFETY: forwarded.
    unsafe { resize::usable_size(p, "malloc_usable_size").unwrap_or_else(|| foreign::usable_size(p)) }
}

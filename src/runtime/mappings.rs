//! The mmap family as the host calls it: passed on to the kernel, and noted.
//!
//! Semantics are glibc's, which are the kernel's: what the kernel refuses is refused with its
//! errno, and errno is touched only then. The record is forgotten before a range goes and made
//! after it came (see [`crate::roots::mappings`]); a failed call leaves at worst a gap that the
//! next cycle mends from the kernel's list.
//!
//! Adopted ranges ([`crate::adopted`]) are cancelled before their memory goes, and move with it.
//!
//! `brk` and `sbrk` keep glibc's own `__curbrk`, because libc's internal users of the break read it.
//!
//! # Safety
//! Every function has the contract of its C name; the host answers for the ranges it names.
#![allow(unsafe_code)]
use super::mains::{self, Maker};
use super::{log, start, trace};
use crate::adopted;
use crate::ground::{critical, out};
use crate::pages::ranges::{Kind, Record};
use crate::pure::addr::{Addr, PAGE_SIZE, round_up};
use crate::pure::options::Mappings;
use crate::roots::mappings::made::{self, By};
use crate::roots::mappings::{self, GuardCall};
use crate::sys::raw::Errno;
use crate::sys::{errno, host};
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};

const MADV_GUARD_INSTALL: c_int = 102;
const MADV_GUARD_REMOVE: c_int = 103;

/// `at..at + len` is about to be unmapped or mapped over: adopted ranges there are cancelled.
fn leaving(at: usize, len: usize) {
    if let Some(last) = last_of(at, len) {
        told(adopted::unmapping(Addr(at), last), at, len);
    }
}

/// The last byte of the pages that a call is about.
fn last_of(at: usize, len: usize) -> Option<Addr> {
    at.checked_add(len)?
        .checked_add(PAGE_SIZE - 1)
        .filter(|_| len != 0)
        .map(|end| Addr((end & !(PAGE_SIZE - 1)) - 1))
}

fn told(lost: usize, at: usize, len: usize) {
    if lost != 0 {
        cancelled_by_unmapping(lost, at, len);
    }
}

#[cold]
fn cancelled_by_unmapping(lost: usize, at: usize, len: usize) {
    if start::options().verbose >= 1 {
        let _errno = errno::Saved::new();
        let text =
            format_args!("{lost} adopted range(s) unmapped at {at:#x}, {len} bytes: no cleanup will run");
        log::with(&mut |fd| out::say(fd, text));
    }
}

fn pointer(result: Result<Addr, Errno>) -> *mut c_void {
    match result {
        Ok(at) => at.ptr(),
        Err(Errno(e)) => {
            errno::set(e);
            libc::MAP_FAILED
        }
    }
}

fn status(result: Result<(), Errno>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(Errno(e)) => {
            errno::set(e);
            -1
        }
    }
}

/// # Safety
/// mmap(2).
pub unsafe fn mmap(at: usize, len: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void {
    // NOREPLACE takes precedence in the kernel: it replaces nothing.
    let replaces =
        flags & libc::MAP_FIXED != 0 && flags & libc::MAP_FIXED_NOREPLACE != libc::MAP_FIXED_NOREPLACE;
    if replaces {
        leaving(at, len);
        mappings::unmapping(Addr(at), len);
    }
    // SAFETY: the host's call.
    let result = unsafe { host::mmap(Addr(at), len, prot, flags, fd, offset) };
    if let Ok(at) = result {
        // MAP_SHARED and MAP_SHARED_VALIDATE have this bit, MAP_PRIVATE has not.
        mappings::mapped(at, len, prot, flags & libc::MAP_SHARED != 0, Kind::Mapped);
        // What lies over something else is a part of that: how reservations are filled.
        if start::tells_leaks() && !replaces {
            note_object(at, len, prot, flags);
        }
    }
    pointer(result)
}

/// Notes a mapping that is an object: told when nothing points to it any more (leak mode).
#[cold]
fn note_object(at: Addr, len: usize, prot: c_int, flags: c_int) {
    let stack = libc::MAP_STACK | libc::MAP_GROWSDOWN;
    let wanted = start::options().mappings != Mappings::No;
    let told = wanted && flags & stack == 0 && prot & libc::PROT_EXEC == 0;
    // In a handler that interrupted us our locks are not to be had.
    let by = if told && critical::depth() == 0 { trace::of_mapping() } else { None };
    let mains = by.is_some_and(|(_, maker)| maker != Maker::Thread);
    let noted = made::made(at, len, by.map(|(stack, _)| By { stack, mains }));
    // A file's contents are not lost with the address: one mapping of it is never a leak of main's.
    if let (Some(range), Some((_, maker)), true) = (noted, by, flags & libc::MAP_ANONYMOUS != 0) {
        mains::born(&range, maker);
    }
}

/// # Safety
/// munmap(2).
pub unsafe fn munmap(at: usize, len: usize) -> c_int {
    // A misaligned address is refused as a whole: then nothing is forgotten.
    if at.is_multiple_of(PAGE_SIZE) {
        leaving(at, len);
        mappings::unmapping(Addr(at), len);
        made::unmade(Addr(at), len);
    }
    // SAFETY: the host's call.
    status(unsafe { host::munmap(Addr(at), len) })
}

/// # Safety
/// mremap(2). `to` is read only with MREMAP_FIXED or MREMAP_DONTUNMAP: callers without them pass
/// four arguments, and whatever is in the fifth's register comes here.
pub unsafe fn mremap(at: usize, old: usize, new: usize, flags: c_int, to: usize) -> *mut c_void {
    let to = if flags & (libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP) != 0 { to } else { 0 };
    let record = mappings::record(Addr(at));
    let object = made::at(Addr(at));
    if old != 0 {
        mappings::unmapping(Addr(at), old);
        made::unmade(Addr(at), old);
    }
    if flags & libc::MREMAP_FIXED != 0 {
        leaving(to, new);
        mappings::unmapping(Addr(to), new);
    }
    // SAFETY: the host's call.
    let result =
        with_adopted(at, old, new, flags, || unsafe { host::mremap(Addr(at), old, new, flags, Addr(to)) });
    let note = |at: Addr, len: usize, r: Record| {
        mappings::mapped(at, len, r.prot as c_int, r.flags & mappings::SHARED != 0, r.kind)
    };
    if let Some(record) = record {
        match result {
            Ok(moved) => {
                if flags & libc::MREMAP_DONTUNMAP != 0 {
                    note(Addr(at), old, record);
                }
                note(moved, new, record);
            }
            Err(_) => note(Addr(at), old, record),
        }
    }
    if let Some(object) = object {
        match result {
            // A second view of shared memory, or laid over something else: nobody's object.
            Ok(moved) if old != 0 && flags & libc::MREMAP_FIXED == 0 => {
                made::moved(moved, new, object);
                if flags & libc::MREMAP_DONTUNMAP != 0 {
                    made::moved(Addr(at), old, object);
                }
            }
            Ok(_) => {}
            Err(_) => made::moved(Addr(at), old, object),
        }
    }
    pointer(result)
}

/// Makes the call; adopted ranges move with their memory, and no cycle comes between.
fn with_adopted(
    at: usize,
    old: usize,
    new: usize,
    flags: c_int,
    call: impl FnOnce() -> Result<Addr, Errno>,
) -> Result<Addr, Errno> {
    let Some(last) = last_of(at, old).filter(|&last| adopted::is_near(Addr(at), last)) else { return call() };
    if critical::depth() > 0 {
        adopted::unnoticed();
        return call();
    }
    let critical = critical::enter();
    let moving = adopted::moving(&critical, Addr(at), last);
    let result = call();
    let lost = match result {
        Ok(_) if flags & libc::MREMAP_DONTUNMAP != 0 => moving.doubled(),
        Ok(to) => moving.moved(to, round_up(new, PAGE_SIZE)),
        Err(_) => {
            drop(moving);
            0
        }
    };
    drop(critical);
    told(lost, at, old);
    result
}

/// # Safety
/// mprotect(2).
pub unsafe fn mprotect(at: usize, len: usize, prot: c_int) -> c_int {
    // SAFETY: the host's call.
    let result = unsafe { host::mprotect(Addr(at), len, prot) };
    if result.is_ok() {
        mappings::protected(Addr(at), len, prot);
    }
    status(result)
}

/// # Safety
/// pkey_mprotect(2); a key of −1 is mprotect, also where the kernel has no keys.
pub unsafe fn pkey_mprotect(at: usize, len: usize, prot: c_int, key: c_int) -> c_int {
    if key == -1 {
        // SAFETY: the host's call.
        return unsafe { mprotect(at, len, prot) };
    }
    // SAFETY: the host's call.
    let result = unsafe { host::pkey_mprotect(Addr(at), len, prot, key) };
    if result.is_ok() {
        mappings::protected(Addr(at), len, prot);
    }
    status(result)
}

/// # Safety
/// madvise(2).
pub unsafe fn madvise(at: usize, len: usize, advice: c_int) -> c_int {
    // Known before it is true, and until it no longer is: a cycle between errs to caution.
    if advice == MADV_GUARD_INSTALL {
        mappings::guarded(Addr(at), len, GuardCall::Install);
    }
    // SAFETY: the host's call.
    let result = unsafe { host::madvise(Addr(at), len, advice) };
    if let (Ok(()), libc::MADV_DONTFORK | libc::MADV_DOFORK, Some(last)) = (&result, advice, last_of(at, len))
    {
        adopted::dont_fork(Addr(at), last, advice == libc::MADV_DONTFORK);
    }
    if advice == MADV_GUARD_REMOVE && result.is_ok() {
        mappings::guarded(Addr(at), len, GuardCall::Removed);
    }
    status(result)
}

unsafe extern "C" {
    /// glibc's idea of the program break; exported for just this purpose.
    #[link_name = "__curbrk"]
    static CURRENT_BREAK: AtomicUsize;
}

fn current_break() -> &'static AtomicUsize {
    // SAFETY: a pointer-sized variable of libc, alive as long as the process; glibc reads and
    // writes it with plain single instructions.
    unsafe { &CURRENT_BREAK }
}

/// # Safety
/// brk(2).
pub unsafe fn brk(to: usize) -> c_int {
    let page = |at: usize| Addr(at).align_up(PAGE_SIZE);
    let old = current_break().load(Ordering::Relaxed);
    if old != 0 && to != 0 && page(to) < page(old) {
        leaving(page(to).0, page(old).since(page(to)));
        mappings::unmapping(page(to), page(old).since(page(to)));
    }
    // SAFETY: the host's call.
    let new = unsafe { host::brk(Addr(to)) }.0;
    current_break().store(new, Ordering::Relaxed);
    if old != 0 && page(new) > page(old) {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        mappings::mapped(page(old), page(new).since(page(old)), prot, false, Kind::Brk);
    }
    if new < to { status(Err(Errno(libc::ENOMEM))) } else { 0 }
}

/// # Safety
/// sbrk(2).
pub unsafe fn sbrk(increment: isize) -> *mut c_void {
    // SAFETY: asks where the break is, and moves nothing.
    if current_break().load(Ordering::Relaxed) == 0 && unsafe { brk(0) } < 0 {
        return libc::MAP_FAILED;
    }
    let old = current_break().load(Ordering::Relaxed);
    if increment == 0 {
        return Addr(old).ptr();
    }
    let Some(new) = old.checked_add_signed(increment) else {
        return pointer(Err(Errno(libc::ENOMEM)));
    };
    // SAFETY: the host's call.
    if unsafe { brk(new) } < 0 { libc::MAP_FAILED } else { Addr(old).ptr() }
}

#[cfg(test)]
mod tests;

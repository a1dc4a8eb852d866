//! The calls of `include/gleaner.h` that are not about one object: leak checks on demand, figures.
//!
//! # Safety
//! `figures` writes to the caller's struct, as many bytes as it says.
#![allow(unsafe_code)]
use super::{info, leaks, request};
use crate::cleanups;
use crate::gc::stats::STATS;
use crate::ground::critical;
use crate::heap::live;
use crate::pure::options::Mode;
use crate::sys::errno;
use core::ffi::c_int;
use core::sync::atomic::Ordering::Relaxed;

/// A negative answer of the header's: leaks were reported.
pub const LEAKS: c_int = -3;

/// 0: no leaks; [`LEAKS`]; else an error number. errno stays.
pub fn check_leaks() -> c_int {
    let _errno = errno::Saved::new();
    match request::possible() {
        Ok(Mode::Leak) => match leaks::now() {
            leaks::Outcome::Clean => 0,
            leaks::Outcome::Leaked => LEAKS,
            leaks::Outcome::Abandoned => libc::ETIMEDOUT,
        },
        Ok(_) => libc::ENOSYS,
        Err(why) => why,
    }
}

/// `struct gleaner_figures`. It only ever grows at its end.
#[repr(C)]
#[derive(Default)]
pub struct Figures {
    live_bytes: u64,
    mapped_bytes: u64,
    collections: u64,
    abandoned: u64,
    reachable_objects: u64,
    reachable_bytes: u64,
    limbo_objects: u64,
    limbo_bytes: u64,
    reclaimed_objects: u64,
    reclaimed_bytes: u64,
    resurrected: u64,
    longest_pause_ns: u64,
    cleanups_promised: u64,
    cleanups_due: u64,
    cleanups_run: u64,
}

fn all() -> Figures {
    let heap = info::figures();
    let cleanups = cleanups::counts(&critical::enter());
    Figures {
        live_bytes: heap.live as u64,
        mapped_bytes: heap.mapped as u64,
        collections: STATS.cycles.get(),
        abandoned: STATS.abandoned_total(),
        reachable_objects: STATS.reachable.objects.get(),
        reachable_bytes: STATS.reachable.bytes.get(),
        limbo_objects: STATS.limbo.objects.get(),
        limbo_bytes: STATS.limbo.bytes.get(),
        reclaimed_objects: STATS.reclaimed.objects.get(),
        reclaimed_bytes: STATS.reclaimed.bytes.get(),
        resurrected: live::RESURRECTED.load(Relaxed),
        longest_pause_ns: STATS.pause_longest.get(),
        cleanups_promised: cleanups.promised,
        cleanups_due: cleanups.due,
        cleanups_run: cleanups.run,
    }
}

/// Fills the first `size` bytes at `to`; what we do not know of is zero.
///
/// # Safety
/// `to` has room for `size` bytes.
pub unsafe fn figures(to: *mut u8, size: usize) -> c_int {
    if to.is_null() {
        return libc::EINVAL;
    }
    if critical::depth() != 0 {
        return libc::EBUSY;
    }
    let all = all();
    let known = size.min(size_of::<Figures>());
    // SAFETY: the caller's promise; the struct is plain words.
    unsafe {
        core::ptr::copy_nonoverlapping((&raw const all).cast::<u8>(), to, known);
        core::ptr::write_bytes(to.add(known), 0, size - known);
    }
    0
}

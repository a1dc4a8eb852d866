//! Pointers that are not ours: handed to the allocator that we stand in front of.
//!
//! A plugin opened with RTLD_DEEPBIND, or a library that binds `__libc_malloc`, brings blocks
//! of glibc's own heap to our free. They go to glibc's free. An address on the calling thread's stack
//! or in a module's image cannot be any allocator's block: that is an invalid free.
//!
//! # Safety
//! The functions come from dlsym(RTLD_NEXT) under their own names, so their types are known.
//! dlsym of a symbol that exists does not allocate.
#![allow(unsafe_code)]
use crate::ground::{critical, fatal};
use crate::heap::large;
use crate::pages::own;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::sys::vm;
use core::ffi::{CStr, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};

type Free = unsafe extern "C" fn(*mut c_void);
type Realloc = unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void;
type UsableSize = unsafe extern "C" fn(*mut c_void) -> usize;

static FREE: AtomicUsize = AtomicUsize::new(0);
static REALLOC: AtomicUsize = AtomicUsize::new(0);
static USABLE: AtomicUsize = AtomicUsize::new(0);

/// Looks the next allocator's functions up, once.
pub fn resolve() {
    next(&FREE, c"free");
    next(&REALLOC, c"realloc");
    next(&USABLE, c"malloc_usable_size");
}

/// The next definition of `name` behind ours, or 0.
pub fn look_up(name: &CStr) -> usize {
    // SAFETY: a plain look-up.
    unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) as usize }
}

fn next(slot: &AtomicUsize, name: &CStr) -> usize {
    let known = slot.load(Ordering::Acquire);
    if known != 0 {
        return known;
    }
    let found = look_up(name);
    slot.store(found, Ordering::Release);
    found
}

/// Ends the process if `p` cannot be a block of any allocator.
fn vet(call: &str, p: *mut u8) {
    let addr = Addr(p as usize);
    if let Some((base, bytes)) = large::huge_block(&critical::enter(), addr) {
        fatal::die(format_args!(
            "{call}: invalid pointer {addr:?}: {} bytes inside the {bytes}-byte block at {base:?}",
            addr.since(base)
        ));
    }
    if own::contains(addr) {
        fatal::die(format_args!(
            "{call}: invalid pointer {addr:?}: its block was freed already, or never was one"
        ));
    }
    if !vm::is_mapped(addr) {
        fatal::die(format_args!(
            "{call}: invalid pointer {addr:?}: its block was freed already, or nothing is there"
        ));
    }
    // glibc keeps a block's length in front of it, and reads it.
    if addr.is_aligned(PAGE_SIZE) && !vm::is_mapped(Addr(addr.0 - PAGE_SIZE)) {
        fatal::die(format_args!("{call}: invalid pointer {addr:?}: where a mapping begins, no block does"));
    }
    let here = 0u8;
    let sp = &raw const here as usize;
    if (p as usize) >= sp && (p as usize) - sp < 64 << 10 {
        fatal::die(format_args!("{call}: invalid pointer {:?}: on the stack", Addr(p as usize)));
    }
    let mut info = core::mem::MaybeUninit::<[usize; 16]>::zeroed();
    // SAFETY: _dl_find_object fills one dl_find_object struct (under 128 bytes) and allocates
    // nothing.
    if unsafe { _dl_find_object(p as *mut c_void, info.as_mut_ptr() as *mut c_void) } == 0 {
        fatal::die(format_args!(
            "{call}: invalid pointer {:?}: in a program's or library's image",
            Addr(p as usize)
        ));
    }
}

unsafe extern "C" {
    fn _dl_find_object(address: *mut c_void, result: *mut c_void) -> i32;
}

/// # Safety
/// As free(3), for a pointer that is not in our heap.
#[cold]
pub unsafe fn free(p: *mut u8) {
    vet("free", p);
    let f = next(&FREE, c"free");
    if f != 0 {
        // SAFETY: the symbol free has this type.
        unsafe { core::mem::transmute::<usize, Free>(f)(p as *mut c_void) }
    }
}

/// # Safety
/// As realloc(3), for a pointer that is not in our heap.
#[cold]
pub unsafe fn realloc(p: *mut u8, n: usize) -> *mut u8 {
    vet("realloc", p);
    let f = next(&REALLOC, c"realloc");
    if f == 0 {
        return core::ptr::null_mut();
    }
    // SAFETY: the symbol realloc has this type.
    unsafe { core::mem::transmute::<usize, Realloc>(f)(p as *mut c_void, n) as *mut u8 }
}

/// # Safety
/// As malloc_usable_size(3), for a pointer that is not in our heap.
#[cold]
pub unsafe fn usable_size(p: *mut u8) -> usize {
    vet("malloc_usable_size", p);
    let f = next(&USABLE, c"malloc_usable_size");
    if f == 0 {
        return 0;
    }
    // SAFETY: the symbol malloc_usable_size has this type.
    unsafe { core::mem::transmute::<usize, UsableSize>(f)(p as *mut c_void) }
}

//! malloc's inspection functions.
//!
//! # Safety
//! `fwrite` is libc's, on the stream that the caller gave.
#![allow(clippy::missing_safety_doc)]
use core::ffi::{c_int, c_void};
use gleaner_core::runtime::info;

#[repr(C)]
pub struct Mallinfo<T> {
    arena: T,
    ordblks: T,
    smblks: T,
    hblks: T,
    hblkhd: T,
    usmblks: T,
    fsmblks: T,
    uordblks: T,
    fordblks: T,
    keepcost: T,
}

fn fill<T: Default>(cut: impl Fn(usize) -> T) -> Mallinfo<T> {
    let f = info::figures();
    Mallinfo {
        arena: cut(f.mapped),
        ordblks: cut(f.spans),
        smblks: T::default(),
        hblks: cut(f.huge),
        hblkhd: cut(f.huge_bytes),
        usmblks: T::default(),
        fsmblks: T::default(),
        uordblks: cut(f.live - f.huge_bytes.min(f.live)),
        fordblks: cut(f.free),
        keepcost: cut(f.free_pages),
    }
}

/// The old form: its ints wrap, as glibc's do.
#[unsafe(no_mangle)]
pub extern "C" fn mallinfo() -> Mallinfo<c_int> {
    fill(|n| n as c_int)
}
#[unsafe(no_mangle)]
pub extern "C" fn mallinfo2() -> Mallinfo<usize> {
    fill(|n| n)
}
#[unsafe(no_mangle)]
pub extern "C" fn malloc_trim(_pad: usize) -> c_int {
    info::trim() as c_int
}
#[unsafe(no_mangle)]
pub extern "C" fn malloc_stats() {
    info::print();
}
/// Every parameter of glibc's is accepted and none has a meaning here.
#[unsafe(no_mangle)]
pub extern "C" fn mallopt(_parameter: c_int, _value: c_int) -> c_int {
    1
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_info(options: c_int, stream: *mut libc::FILE) -> c_int {
    if options != 0 {
        return libc::EINVAL;
    }
    info::xml(&mut |bytes| {
        // SAFETY: the caller gave an open stream.
        unsafe { libc::fwrite(bytes.as_ptr() as *const c_void, 1, bytes.len(), stream) };
    });
    0
}

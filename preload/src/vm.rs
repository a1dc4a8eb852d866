//! The mmap family of C.
//!
//! # Safety
//! Each function has the contract of its C name; see mmap(2), mremap(2), mprotect(2), madvise(2),
//! brk(2). The bodies are the core's. `mremap` is variadic in C: the fifth argument is in its
//! register all the same, and is used only if the flags say that it was passed.
#![allow(clippy::missing_safety_doc)]
use crate::malloc::family;
use core::ffi::{c_int, c_void};
use gleaner_core::runtime::mappings;

family! {
    fn mmap(at: usize, len: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void =
        mappings::mmap(at, len, prot, flags, fd, offset);
    fn mmap64(at: usize, len: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void =
        mappings::mmap(at, len, prot, flags, fd, offset);
    fn munmap(at: usize, len: usize) -> c_int = mappings::munmap(at, len);
    fn mremap(at: usize, old: usize, new: usize, flags: c_int, to: usize) -> *mut c_void =
        mappings::mremap(at, old, new, flags, to);
    fn mprotect(at: usize, len: usize, prot: c_int) -> c_int = mappings::mprotect(at, len, prot);
    fn pkey_mprotect(at: usize, len: usize, prot: c_int, key: c_int) -> c_int =
        mappings::pkey_mprotect(at, len, prot, key);
    fn madvise(at: usize, len: usize, advice: c_int) -> c_int = mappings::madvise(at, len, advice);
    fn brk(to: usize) -> c_int = mappings::brk(to);
    fn sbrk(increment: isize) -> *mut c_void = mappings::sbrk(increment);
}

//! The malloc family of C.
//!
//! # Safety
//! Each function has the contract of its C name; see malloc(3), posix_memalign(3),
//! malloc_usable_size(3). The bodies are the core's.
#![allow(clippy::missing_safety_doc)]
use core::ffi::c_void;
use gleaner_core::heap::secure::How::Malloc;
use gleaner_core::runtime::memory;

macro_rules! family {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) -> $ret:ty = $body:expr;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $type),*) -> $ret {
            // SAFETY: the caller keeps the contract of the C function.
            #[allow(unused_unsafe)]
            unsafe { $body }
        }
    )*};
}
pub(crate) use family;

family! {
    fn malloc(n: usize) -> *mut c_void = memory::malloc(n).cast();
    fn calloc(count: usize, size: usize) -> *mut c_void = memory::calloc(count, size).cast();
    fn realloc(p: *mut c_void, n: usize) -> *mut c_void = memory::realloc(p.cast(), n).cast();
    fn free(p: *mut c_void) -> () = memory::free(p.cast());
    fn cfree(p: *mut c_void) -> () = memory::free(p.cast());
    fn free_sized(p: *mut c_void, n: usize) -> () = memory::delete(p.cast(), Malloc, Some(n));
    fn free_aligned_sized(p: *mut c_void, _align: usize, n: usize) -> () =
        memory::delete(p.cast(), Malloc, Some(n));
    fn reallocarray(p: *mut c_void, count: usize, size: usize) -> *mut c_void =
        memory::reallocarray(p.cast(), count, size).cast();
    fn memalign(align: usize, n: usize) -> *mut c_void = memory::memalign(align, n).cast();
    fn aligned_alloc(align: usize, n: usize) -> *mut c_void = memory::aligned_alloc(align, n).cast();
    fn valloc(n: usize) -> *mut c_void = memory::valloc(n).cast();
    fn pvalloc(n: usize) -> *mut c_void = memory::pvalloc(n).cast();
    fn posix_memalign(out: *mut *mut c_void, align: usize, n: usize) -> i32 =
        match memory::posix_memalign(align, n) {
            Ok(p) => {
                *out = p.cast();
                0
            }
            Err(e) => e,
        };
    fn malloc_usable_size(p: *mut c_void) -> usize = memory::usable_size(p.cast());
    fn __libc_malloc(n: usize) -> *mut c_void = memory::malloc(n).cast();
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void = memory::calloc(count, size).cast();
    fn __libc_realloc(p: *mut c_void, n: usize) -> *mut c_void = memory::realloc(p.cast(), n).cast();
    fn __libc_free(p: *mut c_void) -> () = memory::free(p.cast());
    fn __libc_cfree(p: *mut c_void) -> () = memory::free(p.cast());
    fn __libc_memalign(align: usize, n: usize) -> *mut c_void = memory::memalign(align, n).cast();
    fn __libc_valloc(n: usize) -> *mut c_void = memory::valloc(n).cast();
    fn __libc_pvalloc(n: usize) -> *mut c_void = memory::pvalloc(n).cast();
    fn __posix_memalign(out: *mut *mut c_void, align: usize, n: usize) -> i32 =
        posix_memalign(out, align, n);
}

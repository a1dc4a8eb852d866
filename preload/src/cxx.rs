//! C++'s operators new and delete, in all their forms.
//!
//! A failing `new` must run the new-handler, and throw or return null: that is libstdc++'s (or libc++'s)
//! business, so the failed request goes to the next `operator new`, which tries malloc again
//! and goes on from there. The exception passes through a frame of ours that has nothing to clean up.
//!
//! # Safety
//! Each function has the contract of its C++ name.
#![allow(clippy::missing_safety_doc)]
use core::ffi::{CStr, c_void};
use gleaner_core::heap::secure::How::{New, NewArray};
use gleaner_core::runtime::{foreign, memory};

use crate::malloc::family;

type Operator = unsafe extern "C" fn(usize, usize, usize) -> *mut c_void;

/// The next allocator's operator of this name, given what the failed call was given.
#[cold]
#[inline(never)]
/// # Safety
/// `name` is an operator new that takes the first one, two or three of these words.
unsafe fn fail(name: &CStr, n: usize, second: usize, third: usize) -> *mut c_void {
    let next = foreign::look_up(name);
    if next == 0 {
        return core::ptr::null_mut();
    }
    // SAFETY: all forms take integer registers in this order; surplus ones are ignored.
    unsafe { core::mem::transmute::<usize, Operator>(next)(n, second, third) }
}

macro_rules! or_fail {
    ($p:expr, $name:literal, $n:expr, $second:expr, $third:expr) => {{
        let p: *mut c_void = $p.cast();
        if p.is_null() { fail($name, $n, $second, $third) } else { p }
    }};
}

family! {
    fn _Znwm(n: usize) -> *mut c_void = or_fail!(memory::new(n, New), c"_Znwm", n, 0, 0);
    fn _Znam(n: usize) -> *mut c_void = or_fail!(memory::new(n, NewArray), c"_Znam", n, 0, 0);
    fn _ZnwmRKSt9nothrow_t(n: usize, t: *const c_void) -> *mut c_void =
        or_fail!(memory::new(n, New), c"_ZnwmRKSt9nothrow_t", n, t as usize, 0);
    fn _ZnamRKSt9nothrow_t(n: usize, t: *const c_void) -> *mut c_void =
        or_fail!(memory::new(n, NewArray), c"_ZnamRKSt9nothrow_t", n, t as usize, 0);
    fn _ZnwmSt11align_val_t(n: usize, align: usize) -> *mut c_void =
        or_fail!(memory::new_aligned(align, n, New), c"_ZnwmSt11align_val_t", n, align, 0);
    fn _ZnamSt11align_val_t(n: usize, align: usize) -> *mut c_void =
        or_fail!(memory::new_aligned(align, n, NewArray), c"_ZnamSt11align_val_t", n, align, 0);
    fn _ZnwmSt11align_val_tRKSt9nothrow_t(n: usize, align: usize, t: *const c_void) -> *mut c_void =
        or_fail!(memory::new_aligned(align, n, New), c"_ZnwmSt11align_val_tRKSt9nothrow_t", n, align, t as usize);
    fn _ZnamSt11align_val_tRKSt9nothrow_t(n: usize, align: usize, t: *const c_void) -> *mut c_void =
        or_fail!(memory::new_aligned(align, n, NewArray), c"_ZnamSt11align_val_tRKSt9nothrow_t", n, align, t as usize);
    fn _ZdlPv(p: *mut c_void) -> () = memory::delete(p.cast(), New, None);
    fn _ZdaPv(p: *mut c_void) -> () = memory::delete(p.cast(), NewArray, None);
    fn _ZdlPvm(p: *mut c_void, n: usize) -> () = memory::delete(p.cast(), New, Some(n));
    fn _ZdaPvm(p: *mut c_void, n: usize) -> () = memory::delete(p.cast(), NewArray, Some(n));
    fn _ZdlPvRKSt9nothrow_t(p: *mut c_void, _t: *const c_void) -> () = memory::delete(p.cast(), New, None);
    fn _ZdaPvRKSt9nothrow_t(p: *mut c_void, _t: *const c_void) -> () = memory::delete(p.cast(), NewArray, None);
    fn _ZdlPvSt11align_val_t(p: *mut c_void, _align: usize) -> () = memory::delete(p.cast(), New, None);
    fn _ZdaPvSt11align_val_t(p: *mut c_void, _align: usize) -> () = memory::delete(p.cast(), NewArray, None);
    fn _ZdlPvmSt11align_val_t(p: *mut c_void, n: usize, _align: usize) -> () = memory::delete(p.cast(), New, Some(n));
    fn _ZdaPvmSt11align_val_t(p: *mut c_void, n: usize, _align: usize) -> () = memory::delete(p.cast(), NewArray, Some(n));
    fn _ZdlPvSt11align_val_tRKSt9nothrow_t(p: *mut c_void, _align: usize, _t: *const c_void) -> () =
        memory::delete(p.cast(), New, None);
    fn _ZdaPvSt11align_val_tRKSt9nothrow_t(p: *mut c_void, _align: usize, _t: *const c_void) -> () =
        memory::delete(p.cast(), NewArray, None);
}

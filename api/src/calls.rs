//! The library's functions, found at run time.
//!
//! # Safety
//! Each symbol has the type that `gleaner.h` gives it. Those that are safe to call with any values have safe types here.
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

pub const ABSENT: c_int = -1;
pub const NOT_OURS: c_int = -2;
pub const LEAKS: c_int = -3;
pub const QUEUED: c_int = -4;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// One function, looked up once.
pub struct Call<F> {
    name: &'static CStr,
    /// 0 = not looked for yet, 1 = there is none, else its address.
    found: AtomicUsize,
    _type: PhantomData<F>,
}

impl<F: Copy> Call<F> {
    /// # Safety
    /// A symbol of that name has the type `F`, a function pointer.
    const unsafe fn new(name: &'static CStr) -> Call<F> {
        Call { name, found: AtomicUsize::new(0), _type: PhantomData }
    }
    pub fn get(&self) -> Option<F> {
        let mut found = self.found.load(Ordering::Relaxed);
        if found == 0 {
            // SAFETY: a plain look-up; RTLD_DEFAULT is a null pointer.
            found = unsafe { dlsym(std::ptr::null_mut(), self.name.as_ptr()) } as usize;
            found = found.max(1);
            self.found.store(found, Ordering::Relaxed);
        }
        // SAFETY: the promise of `new`; a function pointer is as large as an address.
        (found != 1).then(|| unsafe { std::mem::transmute_copy::<usize, F>(&found) })
    }
}

macro_rules! calls {
    ($($name:ident = $symbol:literal: $type:ty;)*) => {$(
        // SAFETY: as `gleaner.h` declares it.
        pub static $name: Call<$type> = unsafe { Call::new($symbol) };
    )*};
}

/// `gleaner_cleanup_function`.
pub type Function = extern "C" fn(usize, usize, usize);

calls! {
    COLLECT = c"gleaner_collect": extern "C" fn() -> c_int;
    CHECK_LEAKS = c"gleaner_check_leaks": extern "C" fn() -> c_int;
    STATS = c"gleaner_stats": extern "C" fn(*mut u8, usize) -> c_int;
    RUN_CLEANUPS = c"gleaner_run_cleanups": extern "C" fn() -> usize;
    CLEANUP_THREAD = c"gleaner_cleanup_thread": extern "C" fn() -> c_int;
    PIN = c"gleaner_pin": extern "C" fn(usize) -> c_int;
    UNPIN = c"gleaner_unpin": extern "C" fn(usize) -> c_int;
    ALLOC_PINNED = c"gleaner_alloc_pinned": extern "C" fn(usize) -> *mut u8;
    SCOPE_OPEN = c"gleaner_scope_open": extern "C" fn(*mut u64) -> c_int;
    SCOPE_PIN = c"gleaner_scope_pin": extern "C" fn(*const u64, usize) -> c_int;
    SCOPE_PIN_RANGE = c"gleaner_scope_pin_range": extern "C" fn(*const u64, usize, usize) -> c_int;
    SCOPE_CLOSE = c"gleaner_scope_close": extern "C" fn(*mut u64) -> c_int;
    REPORT_PINS = c"gleaner_report_pins": extern "C" fn(c_int) -> c_int;
    IGNORE_OBJECT = c"gleaner_ignore_object": extern "C" fn(usize) -> c_int;
    ADD_CLEANUP = c"gleaner_add_cleanup": extern "C" fn(usize, Function, usize, c_uint, *mut u64) -> c_int;
    CANCEL = c"gleaner_cancel": extern "C" fn(u64) -> c_int;
    REGISTER_ROOT = c"gleaner_register_root": extern "C" fn(usize, usize) -> c_int;
    UNREGISTER_ROOT = c"gleaner_unregister_root": extern "C" fn(usize, usize) -> c_int;
    ADOPT = c"gleaner_adopt": extern "C" fn(usize, usize, c_uint, Function, usize, *mut u64) -> c_int;
    DISOWN = c"gleaner_disown": extern "C" fn(u64) -> c_int;
    WEAK_MAKE = c"gleaner_weak_make": extern "C" fn(usize, *mut u64) -> c_int;
    WEAK_GET = c"gleaner_weak_get": extern "C" fn(u64) -> *mut u8;
    WEAK_DROP = c"gleaner_weak_drop": extern "C" fn(u64) -> c_int;
}

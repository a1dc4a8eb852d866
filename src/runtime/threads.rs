//! Creation and end of threads, as the program asks for them.
//!
//! A new thread runs [`run`] first, which registers it and then calls the program's function by
//! an ordinary call: its value, `pthread_exit` and cancellation pass through as if we were not
//! there. Its end is told by the destructor of a thread-specific key, which puts itself off to
//! the last of libc's rounds, so that destructors of the program that allocate find a whole heap.
//!
//! # Safety
//! Arguments are those of the C functions; libc calls `run` with the record it was given.
#![allow(unsafe_code)]
use super::nested;
use super::next::{Next, behind};
use super::old_signals;
use super::start;
use crate::ground::critical;
use crate::heap::purge;
use crate::roots::mappings::made;
use crate::sys::raw::Errno;
use crate::sys::sandbox::{self, Need};
use crate::threads::{self, host, joins};
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

type Create = unsafe extern "C" fn(*mut c_void, *const c_void, Body, *mut c_void) -> c_int;
type Body = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
type CreateC11 = unsafe extern "C" fn(*mut c_void, BodyC11, *mut c_void) -> c_int;
type BodyC11 = unsafe extern "C" fn(*mut c_void) -> c_int;

behind! {
    PTHREAD_CREATE = c"pthread_create": Create;
    THRD_CREATE = c"thrd_create": CreateC11;
    TRYJOIN = c"pthread_tryjoin_np": unsafe extern "C" fn(usize, *mut *mut c_void) -> c_int;
    DETACH = c"pthread_detach": unsafe extern "C" fn(usize) -> c_int;
    DETACH_C11 = c"thrd_detach": unsafe extern "C" fn(usize) -> c_int;
}
const THRD_ERROR: c_int = 2;
const THRD_NOMEM: c_int = 3;

/// PTHREAD_DESTRUCTOR_ITERATIONS.
const ROUNDS: usize = 4;
static BEGUN: AtomicBool = AtomicBool::new(false);
/// The key, plus one.
static KEY: AtomicU32 = AtomicU32::new(0);

/// Start-up's part, once, on the first thread: the key for thread ends, the functions behind ours,
/// and, where there are collections, the stop signal.
pub fn begin(signal: Option<i32>) -> Result<(), Errno> {
    if BEGUN.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    let mut key = 0;
    // SAFETY: the destructor lives as long as the process.
    if unsafe { libc::pthread_key_create(&mut key, Some(last_destructor)) } == 0 {
        KEY.store(key + 1, Ordering::Release);
    }
    resolve();
    super::blocking::resolve();
    super::exec::resolve();
    nested::resolve();
    arm();
    let Some(signal) = signal else { return Ok(()) };
    threads::attach_current(&critical::enter());
    super::signals::resolve();
    old_signals::resolve();
    threads::install(signal)?;
    if super::start::options().idle_timer {
        purge::begin(signal);
    }
    Ok(())
}

/// The calling thread's end will be told; nothing for one whose last destructor ran. Outside critical
/// sections: libc may allocate.
pub fn arm() {
    let key = KEY.load(Ordering::Acquire);
    if key != 0 && crate::sys::tls::block().late.load(Ordering::Relaxed) == 0 {
        // SAFETY: our key; the value is a count, never followed.
        unsafe { libc::pthread_setspecific(key - 1, core::ptr::without_provenance(1)) };
    }
}

unsafe extern "C" fn last_destructor(round: *mut c_void) {
    let round = round as usize;
    let key = KEY.load(Ordering::Relaxed) - 1;
    if round < ROUNDS {
        // SAFETY: as in `arm`.
        unsafe { libc::pthread_setspecific(key, core::ptr::without_provenance(round + 1)) };
        return;
    }
    super::asleep::give_up();
    start::thread_ends();
}

/// # Safety
/// As pthread_create(3).
pub unsafe fn pthread_create(
    thread: *mut c_void,
    attributes: *const c_void,
    body: usize,
    argument: *mut c_void,
) -> c_int {
    start::process();
    let Some(real) = PTHREAD_CREATE.get() else { return libc::EAGAIN };
    if threads::signal_number() == 0 || sandbox::forbids(Need::Collect) {
        // SAFETY: forwarded; `body` is the program's function.
        return unsafe { real(thread, attributes, core::mem::transmute::<usize, Body>(body), argument) };
    }
    // SAFETY: the caller's attributes.
    let given = unsafe { brings_stack(attributes) };
    // SAFETY: as above.
    let blocked = unsafe { old_signals::blocked_by(attributes) }.unwrap_or_else(host::is_blocked);
    let announced = threads::start::announce(body, argument as usize, given, blocked);
    let Some((record, critical)) = announced else { return libc::EAGAIN };
    // SAFETY: the caller's attributes.
    let roomy = if given { None } else { unsafe { with_room(attributes) } };
    let attributes = roomy.as_ref().map_or(attributes, |a| (&raw const *a).cast());
    let before = critical::open();
    // SAFETY: forwarded, with our body and its record in place of the program's.
    let status = unsafe { real(thread, attributes, run, (&raw const *record).cast_mut().cast()) };
    critical::shut(before);
    match status {
        0 => drop(critical),
        _ => threads::start::withdraw(record, critical),
    }
    status
}

/// # Safety
/// As thrd_create(3).
pub unsafe fn thrd_create(thread: *mut c_void, body: usize, argument: *mut c_void) -> c_int {
    start::process();
    let Some(real) = THRD_CREATE.get() else { return THRD_ERROR };
    if threads::signal_number() == 0 || sandbox::forbids(Need::Collect) {
        // SAFETY: forwarded; `body` is the program's function.
        return unsafe { real(thread, core::mem::transmute::<usize, BodyC11>(body), argument) };
    }
    let announced = threads::start::announce(body, argument as usize, false, host::is_blocked());
    let Some((record, critical)) = announced else { return THRD_NOMEM };
    let before = critical::open();
    // SAFETY: forwarded, with our body and its record in place of the program's.
    let status = unsafe { real(thread, run_c11, (&raw const *record).cast_mut().cast()) };
    critical::shut(before);
    match status {
        0 => drop(critical),
        _ => threads::start::withdraw(record, critical),
    }
    status
}

/// # Safety
/// As pthread_tryjoin_np(3).
pub unsafe fn pthread_tryjoin_np(thread: usize, result: *mut *mut c_void) -> c_int {
    // SAFETY: forwarded.
    TRYJOIN.get().map_or(libc::ENOSYS, |real| joins::in_section(|| unsafe { real(thread, result) }))
}
/// # Safety
/// As pthread_detach(3).
pub unsafe fn pthread_detach(thread: usize) -> c_int {
    // SAFETY: forwarded.
    DETACH.get().map_or(libc::ENOSYS, |real| joins::in_section(|| unsafe { real(thread) }))
}
/// # Safety
/// As thrd_detach(3).
pub unsafe fn thrd_detach(thread: usize) -> c_int {
    // SAFETY: forwarded.
    DETACH_C11.get().map_or(THRD_ERROR, |real| joins::in_section(|| unsafe { real(thread) }))
}

/// Whether the stack will be one that the program made, or one without a guard: after the
/// thread's end its memory may be anything.
unsafe fn brings_stack(attributes: *const c_void) -> bool {
    unsafe extern "C" {
        fn pthread_attr_getstack(a: *const c_void, base: *mut usize, size: *mut usize) -> c_int;
    }
    if attributes.is_null() {
        return false;
    }
    let (mut base, mut size) = (0usize, 0usize);
    // SAFETY: initialised attributes by the contract of pthread_create.
    let got = unsafe { pthread_attr_getstack(attributes, &mut base, &mut size) };
    // Without one libc computes 0 - size.
    got == 0 && (base as isize) > 0
}

/// Stacks below this size get more than the program asked for.
const SMALL: usize = 256 << 10;
/// Our handler's and the slow paths' share of it; the kernel's comes on top.
const ROOM: usize = 16 << 10;

/// The attributes of a thread that asks libc for a small stack, with room for a stop signal below what it
/// asked for: the signal's frame takes 3 KiB with AVX-512 and 11 with AMX, and a thread that has not got that
/// dies. Its pages are touched only by a thread that would have died. The copy is not to be destroyed: it
/// shares what the program's owns.
///
/// # Safety
/// NULL or initialised attributes.
unsafe fn with_room(attributes: *const c_void) -> Option<libc::pthread_attr_t> {
    let attributes = attributes.cast::<libc::pthread_attr_t>();
    let mut size = 0;
    // SAFETY: the caller's promise. NULL means the default, which is large, or as the program set it for all.
    unsafe {
        if attributes.is_null()
            || libc::pthread_attr_getstacksize(attributes, &mut size) != 0
            || size >= SMALL
        {
            return None;
        }
        let frame = (libc::getauxval(libc::AT_MINSIGSTKSZ) as usize).next_multiple_of(4096);
        let mut roomy = *attributes;
        let set = libc::pthread_attr_setstacksize(&mut roomy, size + frame + ROOM);
        (set == 0).then_some(roomy)
    }
}

/// The first code of a new thread that is not libc's.
unsafe fn enter(record: *mut c_void) -> threads::start::Begun {
    // SAFETY: the record that `pthread_create` handed to libc; records are never unmapped.
    let begun = threads::start::begin(unsafe { &*record.cast_const().cast() });
    arm();
    begun
}

unsafe extern "C" fn run(record: *mut c_void) -> *mut c_void {
    // SAFETY: libc passes what we gave it; the function is the program's, of this type.
    unsafe {
        let begun = enter(record);
        let result = core::mem::transmute::<usize, Body>(begun.function)(begun.argument as *mut c_void);
        // Who joins the thread gets it, main perhaps.
        made::maybe_mains(result as usize);
        result
    }
}

unsafe extern "C" fn run_c11(record: *mut c_void) -> c_int {
    // SAFETY: as in `run`.
    unsafe {
        let begun = enter(record);
        core::mem::transmute::<usize, BodyC11>(begun.function)(begun.argument as *mut c_void)
    }
}

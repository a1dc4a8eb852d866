//! libc's signal functions, for a program that must not notice that one signal is ours.
//!
//! On every other signal, and in a process that is never stopped, these are the functions behind
//! them. What they add: our signal never gets into a kernel mask, and the program reads back
//! what it wrote ([`host`]). Cancellation passes through: nothing here needs undoing.
//!
//! # Safety
//! Arguments are those of the C functions of these names; sets are at least eight bytes, of
//! which the kernel looks at eight.
#![allow(unsafe_code)]
use super::blocking::{block, wrapped};
use super::next::{Next, behind};
use crate::sys::signal::{SA_RESTORER, Set};
use crate::sys::{errno, process};
use crate::threads::{self, handlers, handover, host, shared_stack, watched};
use core::ffi::{c_int, c_void};
use libc::{sigaction as Action, siginfo_t, sigset_t, stack_t, timespec};

behind! {
    SIGACTION = c"sigaction": unsafe extern "C" fn(c_int, *const Action, *mut Action) -> c_int;
    SIGNAL = c"signal": unsafe extern "C" fn(c_int, usize) -> usize;
    SYSV_SIGNAL = c"__sysv_signal": unsafe extern "C" fn(c_int, usize) -> usize;
    SIGSET = c"sigset": unsafe extern "C" fn(c_int, usize) -> usize;
    SIGINTERRUPT = c"siginterrupt": unsafe extern "C" fn(c_int, c_int) -> c_int;
    SIGPROCMASK = c"sigprocmask": unsafe extern "C" fn(c_int, *const sigset_t, *mut sigset_t) -> c_int;
    PTHREAD_SIGMASK = c"pthread_sigmask": unsafe extern "C" fn(c_int, *const sigset_t, *mut sigset_t) -> c_int;
    SIGPENDING = c"sigpending": unsafe extern "C" fn(*mut sigset_t) -> c_int;
    SIGNALFD = c"signalfd": unsafe extern "C" fn(c_int, *const sigset_t, c_int) -> c_int;
    MAKECONTEXT = c"makecontext": unsafe extern "C" fn();
    SIGALTSTACK = c"sigaltstack": unsafe extern "C" fn(*const stack_t, *mut stack_t) -> c_int;
}

wrapped! {
    fn blocking_sigsuspend = "sigsuspend";
    fn blocking_sigtimedwait = "sigtimedwait";
    fn blocking_sigwait = "sigwait";
    pub(super) fn blocking_ppoll = "ppoll";
    fn blocking_ppoll_chk = "__ppoll_chk";
    pub(super) fn blocking_pselect = "pselect";
    pub(super) fn blocking_epoll_pwait = "epoll_pwait";
    fn blocking_epoll_pwait2 = "epoll_pwait2";
}

macro_rules! call {
    ($which:ident($($argument:expr),*)) => {{
        // SAFETY: the arguments are the program's, or stand in for them.
        #[allow(unused_unsafe)]
        let result = unsafe {
            match $which.get() {
                Some(real) => real($($argument),*),
                None => {
                    errno::set(libc::ENOSYS);
                    -1 as _
                }
            }
        };
        result
    }};
}

unsafe fn read(set: *const sigset_t) -> Set {
    // SAFETY: a set of the program's.
    Set(unsafe { set.cast::<u64>().read() })
}
unsafe fn write(set: *mut sigset_t, value: Set) {
    // SAFETY: a set of the program's.
    unsafe { set.cast::<u64>().write(value.0) }
}

/// A copy of a set without our signal, or null for null.
struct Stripped(sigset_t, bool);
impl Stripped {
    unsafe fn of(set: *const sigset_t) -> Stripped {
        // SAFETY: an all-zero set is a set; `set` is null or the program's.
        unsafe {
            let mut copy: sigset_t = core::mem::zeroed();
            if !set.is_null() {
                write(&mut copy, host::strip(read(set)));
            }
            Stripped(copy, !set.is_null())
        }
    }
    fn pointer(&self) -> *const sigset_t {
        if self.1 { &self.0 } else { core::ptr::null() }
    }
}

pub(super) fn own() -> Option<c_int> {
    Some(threads::signal_number()).filter(|&n| n != 0)
}

/// # Safety
/// As sigaction(2).
pub unsafe fn sigaction(signal: c_int, new: *const Action, old: *mut Action) -> c_int {
    if own() == Some(signal) {
        // SAFETY: forwarded.
        unsafe { own_action(new, old) };
        return 0;
    }
    if own().is_none() || !(1..=64).contains(&signal) {
        return call!(SIGACTION(signal, new, old));
    }
    let in_mask = host::in_mask_of(signal);
    // SAFETY: null or the program's structs.
    unsafe {
        let mut copy: Action = core::mem::zeroed();
        let mut mask = Set::EMPTY;
        if !new.is_null() {
            copy = *new;
            mask = read(&copy.sa_mask);
            write(&mut copy.sa_mask, host::strip(mask));
            copy.sa_sigaction = handlers::gate_of(copy.sa_sigaction);
        }
        let default = !new.is_null() && copy.sa_sigaction == libc::SIG_DFL;
        let status = call!(SIGACTION(signal, if new.is_null() { new } else { &copy }, old));
        if default && status == 0 && watched::is_watched(signal) {
            let _ = watched::stand_in(signal);
        }
        if status == 0 && !new.is_null() {
            host::strip_handler_mask(signal, mask);
        }
        if status == 0 && !old.is_null() {
            if watched::is_ours((*old).sa_sigaction) {
                *old = core::mem::zeroed();
            }
            let mask = host::restore_handler_mask(in_mask, read(&(*old).sa_mask));
            write(&mut (*old).sa_mask, mask);
            (*old).sa_sigaction = handlers::behind((*old).sa_sigaction);
        }
        status
    }
}

unsafe fn own_action(new: *const Action, old: *mut Action) {
    let before = host::view();
    // SAFETY: null or the program's structs; `new` may be the same as `old`, so it is read first.
    unsafe {
        if !new.is_null() {
            let new = *new;
            host::set_view(host::View {
                handler: new.sa_sigaction,
                // libc adds this to what the kernel keeps, and reads it back.
                flags: new.sa_flags | SA_RESTORER as c_int,
                mask: read(&new.sa_mask),
            });
        }
        if !old.is_null() {
            *old = core::mem::zeroed();
            (*old).sa_sigaction = before.handler;
            (*old).sa_flags = before.flags;
            write(&mut (*old).sa_mask, before.mask);
        }
    }
}

/// The program's `signal`-like functions on our signal; the handler before.
fn own_signal(handler: usize, flags: c_int) -> usize {
    let before = host::view().handler;
    host::set_view(host::View { handler, flags: flags | SA_RESTORER as c_int, mask: Set::EMPTY });
    before
}

/// Installs `handler` for `signal` by its gate, and reads the one before back.
fn gated(signal: c_int, handler: usize, install: impl FnOnce(usize) -> usize) -> usize {
    if own().is_none() {
        return install(handler);
    }
    let before = install(handlers::gate_of(handler));
    if handler == libc::SIG_DFL && before != libc::SIG_ERR && watched::is_watched(signal) {
        let _ = watched::stand_in(signal);
    }
    if watched::is_ours(before) { libc::SIG_DFL } else { handlers::behind(before) }
}

/// # Safety
/// As signal(2), with BSD's semantics.
pub unsafe fn signal(signal: c_int, handler: usize) -> usize {
    if own() == Some(signal) {
        return own_signal(handler, libc::SA_RESTART);
    }
    gated(signal, handler, |handler| call!(SIGNAL(signal, handler)))
}
/// # Safety
/// As sysv_signal(3).
pub unsafe fn sysv_signal(signal: c_int, handler: usize) -> usize {
    if own() == Some(signal) {
        return own_signal(handler, libc::SA_RESETHAND | libc::SA_NODEFER);
    }
    gated(signal, handler, |handler| call!(SYSV_SIGNAL(signal, handler)))
}

/// `SIG_HOLD` of sigset(3).
const SIG_HOLD: usize = 2;
/// # Safety
/// As sigset(3).
pub unsafe fn sigset(signal: c_int, disposition: usize) -> usize {
    if own() != Some(signal) {
        return gated(signal, disposition, |disposition| call!(SIGSET(signal, disposition)));
    }
    let held = host::is_blocked();
    let before = match disposition {
        SIG_HOLD => host::view().handler,
        handler => own_signal(handler, 0),
    };
    host::set_blocked(disposition == SIG_HOLD);
    if held { SIG_HOLD } else { before }
}
/// # Safety
/// As siginterrupt(3).
pub unsafe fn siginterrupt(signal: c_int, interrupt: c_int) -> c_int {
    if own() != Some(signal) {
        return call!(SIGINTERRUPT(signal, interrupt));
    }
    let view = host::view();
    let restart = if interrupt != 0 { 0 } else { libc::SA_RESTART };
    host::set_view(host::View { flags: view.flags & !libc::SA_RESTART | restart, ..view });
    0
}

/// # Safety
/// As sigprocmask(2).
pub unsafe fn sigprocmask(how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int {
    // SAFETY: forwarded.
    unsafe { change_mask(how, set, old, |how, set, old| call!(SIGPROCMASK(how, set, old))) }
}
/// # Safety
/// As pthread_sigmask(3).
pub unsafe fn pthread_sigmask(how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int {
    // SAFETY: forwarded.
    unsafe { change_mask(how, set, old, |how, set, old| call!(PTHREAD_SIGMASK(how, set, old))) }
}

unsafe fn change_mask(
    how: c_int,
    set: *const sigset_t,
    old: *mut sigset_t,
    real: impl Fn(c_int, *const sigset_t, *mut sigset_t) -> c_int,
) -> c_int {
    if own().is_none() {
        return real(how, set, old);
    }
    // SAFETY: null or the program's sets; both may be the same, so `set` is read first.
    unsafe {
        let asked = if set.is_null() { Set::EMPTY } else { read(set) };
        let status = real(how, Stripped::of(set).pointer(), old);
        if status == 0 && !old.is_null() {
            write(old, host::with_block(read(old)));
        }
        if status == 0 && !set.is_null() {
            host::change_block(how, asked);
        }
        status
    }
}

/// # Safety
/// As sigpending(2).
pub unsafe fn sigpending(set: *mut sigset_t) -> c_int {
    let status = call!(SIGPENDING(set));
    if let (0, Some(own), true) = (status, own(), host::is_held()) {
        // SAFETY: the program's set.
        unsafe { write(set, read(set).with(own)) };
    }
    status
}

/// Calls `f` with our signal blocked or not, in the program's eyes, as `set` says.
unsafe fn with_mask(set: *const sigset_t, f: impl FnOnce(*const sigset_t) -> c_int) -> c_int {
    let (Some(own), false) = (own(), set.is_null()) else { return f(set) };
    // SAFETY: the program's set.
    let (asked, stripped) = unsafe { (read(set), Stripped::of(set)) };
    let before = host::is_blocked();
    if before == asked.has(own) {
        return f(stripped.pointer());
    }
    host::forget_runs();
    host::set_blocked(!before);
    // One that was held back has run now: the kernel would not have begun to wait.
    let result = if host::has_run() { None } else { Some(f(stripped.pointer())) };
    let saved = if result.is_some() { errno::get() } else { libc::EINTR };
    host::set_blocked(before);
    errno::set(saved);
    result.unwrap_or(-1)
}

/// # Safety
/// As sigsuspend(2).
pub unsafe fn sigsuspend(set: *const sigset_t) -> c_int {
    // SAFETY: forwarded.
    unsafe { with_mask(set, |set| block!(blocking_sigsuspend(set))) }
}
/// # Safety
/// As ppoll(2).
pub unsafe fn ppoll(fds: *mut c_void, n: u64, time: *const timespec, set: *const sigset_t) -> c_int {
    // SAFETY: forwarded.
    unsafe { with_mask(set, |set| block!(blocking_ppoll(fds, n, time, set))) }
}
/// # Safety
/// As the ppoll of programs compiled with _FORTIFY_SOURCE; `room`: bytes behind `fds`.
pub unsafe fn ppoll_chk(
    fds: *mut c_void,
    n: u64,
    time: *const timespec,
    set: *const sigset_t,
    room: usize,
) -> c_int {
    // SAFETY: forwarded.
    unsafe { with_mask(set, |set| block!(blocking_ppoll_chk(fds, n, time, set, room))) }
}
/// # Safety
/// As pselect(2).
pub unsafe fn pselect(
    n: c_int,
    sets: [*mut c_void; 3],
    time: *const timespec,
    set: *const sigset_t,
) -> c_int {
    // SAFETY: forwarded.
    unsafe { with_mask(set, |set| block!(blocking_pselect(n, sets[0], sets[1], sets[2], time, set))) }
}
/// # Safety
/// As epoll_pwait(2).
pub unsafe fn epoll_pwait(
    epoll: c_int,
    events: *mut c_void,
    n: c_int,
    ms: c_int,
    set: *const sigset_t,
) -> c_int {
    // SAFETY: forwarded.
    unsafe { with_mask(set, |set| block!(blocking_epoll_pwait(epoll, events, n, ms, set))) }
}
/// # Safety
/// As epoll_pwait2(2).
pub unsafe fn epoll_pwait2(
    epoll: c_int,
    events: *mut c_void,
    n: c_int,
    time: *const timespec,
    set: *const sigset_t,
) -> c_int {
    // SAFETY: forwarded.
    unsafe { with_mask(set, |set| block!(blocking_epoll_pwait2(epoll, events, n, time, set))) }
}
/// # Safety
/// As signalfd(2). A process with several threads does not get our signal through it.
pub unsafe fn signalfd(fd: c_int, set: *const sigset_t, flags: c_int) -> c_int {
    if own().is_some() && !set.is_null() {
        // SAFETY: the program's set.
        handover::before_signalfd(unsafe { read(set) });
    }
    // SAFETY: the program's set.
    let stripped = unsafe { Stripped::of(set) };
    call!(SIGNALFD(fd, stripped.pointer(), flags))
}

/// Before makecontext(3): a coroutine's stack may be an array in a frame of its maker's. Where the real
/// function is.
///
/// # Safety
/// A context of the program's, whose stack is set.
pub unsafe fn before_makecontext(context: *const libc::ucontext_t) -> usize {
    // SAFETY: the caller's promise.
    note_stack(unsafe { (*context).uc_stack.ss_sp } as usize);
    MAKECONTEXT.resolve()
}

/// Code may run on a stack that begins at `lo`.
fn note_stack(lo: usize) {
    if let Some(me) = threads::current() {
        me.note_stack(lo);
    }
}

/// # Safety
/// As sigaltstack(2).
pub unsafe fn sigaltstack(new: *const stack_t, old: *mut stack_t) -> c_int {
    if own().is_none() {
        return call!(SIGALTSTACK(new, old));
    }
    // SAFETY: null or the program's structs; both may be the same, so `new` is read first.
    unsafe {
        let mut before: stack_t = core::mem::zeroed();
        // Its base; 0: none any more.
        let base =
            |asked: &stack_t| if asked.ss_flags & libc::SS_DISABLE == 0 { asked.ss_sp as usize } else { 0 };
        let asked = new.as_ref().map(base);
        if let Some(base @ 1..) = asked {
            shared_stack::claim(base);
            note_stack(base);
        }
        let status = call!(SIGALTSTACK(new, &mut before));
        if let (0, Some(base)) = (status, asked) {
            if before.ss_sp as usize != base {
                shared_stack::give_up(before.ss_sp as usize);
            }
            if let Some(me) = threads::current() {
                me.set_alternate(base);
            }
        }
        if status == 0 && !old.is_null() {
            *old = before;
        }
        status
    }
}

/// # Safety
/// As sigwait(3).
pub unsafe fn sigwait(set: *const sigset_t, signal: *mut c_int) -> c_int {
    // SAFETY: the program's set and cell.
    unsafe {
        if !own().is_some_and(|own| read(set).has(own)) {
            return block!(blocking_sigwait(set, signal));
        }
        let saved = errno::get();
        let got = loop {
            let got = sigtimedwait(set, core::ptr::null_mut(), core::ptr::null());
            if got >= 0 || errno::get() != libc::EINTR {
                break got;
            }
        };
        let status = if got < 0 { errno::get() } else { 0 };
        errno::set(saved);
        if got >= 0 {
            signal.write(got);
        }
        status
    }
}

/// How long a wait for our signal sleeps at most before it looks whether one came in the moment
/// between the last look and the sleep.
const SLICE_NS: u64 = 500_000_000;

/// # Safety
/// As sigtimedwait(2); `time` may be null (sigwaitinfo).
pub unsafe fn sigtimedwait(set: *const sigset_t, info: *mut siginfo_t, time: *const timespec) -> c_int {
    // SAFETY: the program's set, info and time.
    unsafe {
        let Some(own) = own().filter(|own| read(set).has(*own)) else {
            return block!(blocking_sigtimedwait(set, info, time));
        };
        let limit = match time.as_ref() {
            None => u64::MAX,
            Some(t) => {
                let ns = (t.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(t.tv_nsec as u64);
                process::now_ns().saturating_add(ns)
            }
        };
        let waited = host::Waited::begin();
        let stripped = Stripped::of(set);
        loop {
            if waited.take() {
                if !info.is_null() {
                    *info = core::mem::zeroed();
                    (*info).si_signo = own;
                }
                return own;
            }
            let ns = limit.saturating_sub(process::now_ns()).min(SLICE_NS);
            let slice = timespec { tv_sec: 0, tv_nsec: ns as i64 };
            let got = block!(blocking_sigtimedwait(stripped.pointer(), info, &raw const slice));
            let over = process::now_ns() >= limit;
            match errno::get() {
                _ if got >= 0 => return got,
                libc::EAGAIN if !over => {}
                libc::EINTR if host::is_held() => {}
                _ => return -1,
            }
        }
    }
}

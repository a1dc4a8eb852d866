//! Signals: actions, masks, waits.
//!
//! # Safety
//! Each function has the contract of its C name.
#![allow(clippy::missing_safety_doc)]
use crate::malloc::family;
use core::ffi::{c_int, c_void};
use gleaner_core::runtime::{notices, old_signals, signals};
use libc::{sigaction as Action, sigevent, siginfo_t, sigset_t, stack_t, timespec};

family! {
    fn sigaction(signal: c_int, new: *const Action, old: *mut Action) -> c_int =
        signals::sigaction(signal, new, old);
    fn __sigaction(signal: c_int, new: *const Action, old: *mut Action) -> c_int =
        signals::sigaction(signal, new, old);
    fn signal(signal: c_int, handler: usize) -> usize = signals::signal(signal, handler);
    fn bsd_signal(signal: c_int, handler: usize) -> usize = signals::signal(signal, handler);
    fn ssignal(signal: c_int, handler: usize) -> usize = signals::signal(signal, handler);
    fn sysv_signal(signal: c_int, handler: usize) -> usize = signals::sysv_signal(signal, handler);
    fn __sysv_signal(signal: c_int, handler: usize) -> usize = signals::sysv_signal(signal, handler);
    fn sigset(signal: c_int, disposition: usize) -> usize = signals::sigset(signal, disposition);
    fn sighold(signal: c_int) -> c_int = old_signals::sighold(signal);
    fn sigrelse(signal: c_int) -> c_int = old_signals::sigrelse(signal);
    fn sigignore(signal: c_int) -> c_int = old_signals::sigignore(signal);
    fn sigblock(mask: c_int) -> c_int = old_signals::sigblock(mask);
    fn sigsetmask(mask: c_int) -> c_int = old_signals::sigsetmask(mask);
    fn siggetmask() -> c_int = old_signals::siggetmask();
    fn sigpause(mask: c_int) -> c_int = old_signals::sigpause(mask);
    fn __xpg_sigpause(signal: c_int) -> c_int = old_signals::xpg_sigpause(signal);
    fn __sigpause(signal_or_mask: c_int, is_signal: c_int) -> c_int =
        old_signals::either_sigpause(signal_or_mask, is_signal);
    fn siginterrupt(signal: c_int, interrupt: c_int) -> c_int = signals::siginterrupt(signal, interrupt);
    fn sigprocmask(how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int =
        signals::sigprocmask(how, set, old);
    fn pthread_sigmask(how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int =
        signals::pthread_sigmask(how, set, old);
    fn sigpending(set: *mut sigset_t) -> c_int = signals::sigpending(set);
    fn sigsuspend(set: *const sigset_t) -> c_int = signals::sigsuspend(set);
    fn __sigsuspend(set: *const sigset_t) -> c_int = signals::sigsuspend(set);
    fn sigwait(set: *const sigset_t, signal: *mut c_int) -> c_int = signals::sigwait(set, signal);
    fn sigwaitinfo(set: *const sigset_t, info: *mut siginfo_t) -> c_int =
        signals::sigtimedwait(set, info, core::ptr::null());
    fn sigtimedwait(set: *const sigset_t, info: *mut siginfo_t, time: *const timespec) -> c_int =
        signals::sigtimedwait(set, info, time);
    fn signalfd(fd: c_int, set: *const sigset_t, flags: c_int) -> c_int = signals::signalfd(fd, set, flags);
    fn sigaltstack(new: *const stack_t, old: *mut stack_t) -> c_int = signals::sigaltstack(new, old);
    fn ppoll(fds: *mut c_void, n: u64, time: *const timespec, set: *const sigset_t) -> c_int =
        signals::ppoll(fds, n, time, set);
    fn __ppoll_chk(fds: *mut c_void, n: u64, time: *const timespec, set: *const sigset_t, room: usize) -> c_int =
        signals::ppoll_chk(fds, n, time, set, room);
    fn pselect(n: c_int, r: *mut c_void, w: *mut c_void, e: *mut c_void, time: *const timespec,
               set: *const sigset_t) -> c_int =
        signals::pselect(n, [r, w, e], time, set);
    fn epoll_pwait(epoll: c_int, events: *mut c_void, n: c_int, ms: c_int, set: *const sigset_t) -> c_int =
        signals::epoll_pwait(epoll, events, n, ms, set);
    fn epoll_pwait2(epoll: c_int, events: *mut c_void, n: c_int, time: *const timespec,
                    set: *const sigset_t) -> c_int =
        signals::epoll_pwait2(epoll, events, n, time, set);
    fn mq_notify(queue: c_int, event: *const sigevent) -> c_int = notices::mq_notify(queue, event);
    fn timer_create(clock: c_int, event: *mut sigevent, timer: *mut c_void) -> c_int =
        notices::timer_create(clock, event, timer);
}

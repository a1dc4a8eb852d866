//! The signal's handler.
//!
//! It takes no lock, allocates nothing, keeps errno, and its frame is small: a thread may be in
//! the last page of its stack. It runs with every signal blocked, on the alternate stack if the
//! program set one up and threads do not share it ([`shared_stack`](super::shared_stack)).
//!
//! A signal is a request of ours if it carries [`MARK`] and our process id: late and doubled ones
//! then are never taken for the program's. Where rt_tgsigqueueinfo is forbidden (a seccomp
//! filter), plain tgkill serves; then, and where the limit of queued signals made the kernel drop
//! the siginfo, what decides is whether a request is outstanding for this thread. Everything else
//! is the program's ([`host`](super::host)).
//!
//! A thread may block our signal where no wrapper sees it: glibc's own threads for timers,
//! asynchronous I/O and message queues run with all signals blocked but one, which no function of libc
//! can block: the one by which setuid reaches every thread. Once such a thread is met, we stand
//! before libc's handler of that signal. Ours carry the mark; all others go on to libc's.
//!
//! # Safety
//! The kernel passes a siginfo and a ucontext that live for the handler's run.
#![allow(unsafe_code)]
use super::record::{StackKind, Thread};
use super::state::{State, Word};
use super::stop::DISTRUSTED;
use super::{WORLD, ack, blocking, current, guests, host, park, passing, registry, rewind, state, visits};
use crate::ground::critical;
use crate::heap::purge;
use crate::sys::raw::Errno;
use crate::sys::signal::{self, Frame, Info, Set};
use crate::sys::{errno, process, tls};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering::*};

/// libc's SIGSETXID.
const BACKUP: i32 = 33;
/// What stood there before us.
static BEHIND_BACKUP: AtomicUsize = AtomicUsize::new(0);
/// `si_code` of our requests: negative, as the kernel demands, and nobody else's.
const MARK: i32 = -0x676c;
/// How it is installed.
pub(super) fn flags() -> i32 {
    FLAGS.load(Relaxed)
}
static FLAGS: AtomicI32 = AtomicI32::new(libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK);
/// It is to be run on the ordinary stack.
pub(super) fn leave_alternate_stack() {
    FLAGS.fetch_and(!libc::SA_ONSTACK, Relaxed);
}
/// Marked signals are forbidden here.
static PLAIN: AtomicBool = AtomicBool::new(false);
/// Plain signals sent to threads without a record that have not been seen yet.
pub(super) static GUEST_SIGNALS: AtomicI32 = AtomicI32::new(0);

/// Sends a request to a thread.
pub(super) fn send(tid: i32) -> Result<(), Errno> {
    let (pid, signal) = (registry::pid(), super::signal_number());
    if !PLAIN.load(Relaxed) {
        match signal::send_marked(pid, tid, signal, MARK) {
            Err(Errno(libc::EPERM | libc::ENOSYS | libc::EACCES)) => PLAIN.store(true, Relaxed),
            sent => return sent,
        }
    }
    process::tgkill(pid, tid, signal)
}

/// Sends a request that passes the mask of a thread with `blocked` signals, if its mask holds off
/// the usual one. The holder of the registry calls this: one at a time.
pub(super) fn send_past(tid: i32, blocked: Set) {
    if blocked.has(super::signal_number()) && !blocked.has(BACKUP) && stand_before_backup() {
        let _ = signal::send_marked(registry::pid(), tid, BACKUP, MARK);
    }
}

/// Whether no request can reach a thread with `blocked` signals.
pub(super) fn is_past_reach(blocked: Set) -> bool {
    blocked.has(super::signal_number()) && blocked.has(BACKUP)
}

/// Whether the backup's handler is ours. Only where libc has installed its own, at the first thread
/// that it made: until then the signal would kill.
fn stand_before_backup() -> bool {
    let now = signal::installed(BACKUP);
    if now.handler == on_backup as *const () as usize {
        return true;
    }
    if matches!(now.handler, libc::SIG_DFL | libc::SIG_IGN) {
        return false;
    }
    BEHIND_BACKUP.store(now.handler, Release);
    let flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the handler is written for any instruction of any thread.
    unsafe { signal::install(BACKUP, on_backup, flags, Set::FULL) }.is_ok()
}

unsafe extern "C" fn on_backup(signal: i32, info: *mut Info, frame: *mut Frame) {
    let _errno = errno::Saved::new();
    // SAFETY: the kernel's, for the length of this call.
    let sender = unsafe { &*info };
    if sender.code != MARK || sender.pid != registry::pid() {
        let behind = BEHIND_BACKUP.load(Acquire);
        // SAFETY: libc's handler, which takes the three arguments, as installed there.
        unsafe { core::mem::transmute::<usize, signal::Handler>(behind)(signal, info, frame) };
        return;
    }
    let me = current().filter(|t| t.tid.load(Relaxed) == process::tid());
    if let Some(me) = me {
        // The usual one waits behind the mask: it will not come.
        me.signalled.store(0, Release);
    }
    // SAFETY: as above.
    let frame = unsafe { &mut *frame };
    stop(me, frame);
    rewind::repair(frame, me);
}

pub(super) unsafe extern "C" fn on_signal(signal: i32, info: *mut Info, frame: *mut Frame) {
    let _errno = errno::Saved::new();
    // SAFETY: the kernel's, for the length of this call.
    let (sender, frame) = unsafe { (&*info, &mut *frame) };
    // A thread made by a raw clone may share its maker's thread-local storage.
    let me = current().filter(|t| t.tid.load(Relaxed) == process::tid());
    if is_tick(sender) {
        tick(me, frame);
        rewind::repair(frame, me);
        return;
    }
    if let Some(visit) = visits::of(sender) {
        visits::come(visit, me, frame);
        // One pending signal stands for two: a request of a stop may have been swallowed by this one.
        stop(me, frame);
        rewind::repair(frame, me);
        return;
    }
    if passing::is_offer(sender) {
        host::offered(me, signal, info, frame);
        return;
    }
    if !is_request(sender, me) {
        host::deliver(me, signal, info, frame);
        return;
    }
    stop(me, frame);
    rewind::repair(frame, me);
}

/// The timer of `heap::purge`.
fn is_tick(info: &Info) -> bool {
    info.code == libc::SI_TIMER && info.value() == purge::VALUE
}

/// Gives idle memory back, if this is a moment and a stack for it: outside of critical sections, hence
/// holding no lock, on a stack of which enough is left.
fn tick(me: Option<&'static Thread>, frame: &Frame) {
    let good = tls::block().depth.load(Relaxed) == 0
        && me.is_some_and(|me| !me.is_exiting() && room_below(me, frame) >= ROOM);
    if good {
        // Not while the collector counts a thread in a blocking call as stopped.
        me.inspect(|me| blocking::run_again(me));
        purge::tick(&critical::enter());
    } else {
        purge::later();
    }
}

/// Stack that a tick may need: twenty times what it was seen to take.
const ROOM: usize = 32 << 10;

/// Bytes below the interrupted code on its own stack; 0 for stacks that are not known.
fn room_below(me: &Thread, frame: &Frame) -> usize {
    let (sp, (lo, hi)) = (frame.regs.rsp as usize, me.stack());
    match me.stack_kind() {
        _ if frame.has_alternate() => 0,
        StackKind::Main if sp < hi => usize::MAX,
        _ if lo <= sp && sp < hi => sp - lo,
        _ => 0,
    }
}

fn is_request(info: &Info, me: Option<&Thread>) -> bool {
    let ours = info.code == MARK && info.pid == registry::pid();
    let plain = PLAIN.load(Relaxed) && info.code == libc::SI_TKILL && info.pid == registry::pid();
    let nameless = info.code == libc::SI_USER && info.pid == 0;
    let outstanding = match me {
        Some(me) => me.signalled.swap(0, AcqRel) != 0,
        None if ours => false,
        None => GUEST_SIGNALS.fetch_update(AcqRel, Relaxed, |n| n.checked_sub(1).filter(|n| *n >= 0)).is_ok(),
    };
    ours || (plain || nameless) && outstanding
}

/// For a handler of ours that waits with all signals blocked.
pub(super) fn give_way(me: Option<&'static Thread>, frame: &mut Frame) {
    stop(me, frame);
}

fn stop(me: Option<&'static Thread>, frame: &mut Frame) {
    let block = tls::block();
    let sp = frame.regs.rsp as usize;
    let at = frame as *mut Frame as usize;
    let Some(me) = me else {
        // The depth may be that of another thread with the same storage: it does not count here
        // unless the storage is ours alone, that is, nobody registered it.
        if current().is_none() && block.depth.load(Relaxed) > 0 {
            block.pending.store(1, Relaxed);
        } else {
            guests::park_current(sp, at);
        }
        return;
    };
    // Where libc runs in a section, nothing of ours is held. A thread that is SAFE there may be distrusted by the
    // collector, and one that waits for another would wait beyond the section's end if that one is stopped.
    let waits = critical::is_open()
        && critical::depth() == 1
        && (me.word.state() == State::Safe || rewind::waits_for_another(frame));
    if block.depth.load(Relaxed) > 0 && !waits {
        block.pending.store(1, Relaxed);
        return;
    }
    let Some(epoch) = me.word.asked(&WORLD) else {
        if me.is_exiting() {
            catch_exiting(me, sp, at);
        } else {
            let distrusted = DISTRUSTED.load(Acquire);
            if distrusted == WORLD.load(Acquire) {
                freeze(me, sp, at, |word| word.arrive_from_safe(distrusted));
            } else if me.word.state() == State::Safe {
                // The request was lost on the way into a blocking call: let the collector look again.
                ack();
            }
        }
        return;
    };
    freeze(me, sp, at, |word| word.arrive(epoch));
}

/// What the interrupted code published is put back before it goes on: it may be about to enter a blocking
/// call. (`arrive` fails for a thread that is SAFE, whose published stack the collector may be reading: so
/// `arrive_from_safe` comes only where the collector does not.)
fn freeze(me: &Thread, sp: usize, frame: usize, arrive: impl FnOnce(&Word<AtomicU32>) -> bool) {
    let before = me.published();
    me.publish(sp, frame);
    if arrive(&me.word) {
        ack();
        park(me);
    }
    me.publish(before.0, before.1);
}

/// A thread past its last destructor is SAFE all the time, but destructors of the program that
/// run even later are its code all the same: the handler holds it until the stop is over.
fn catch_exiting(me: &'static Thread, sp: usize, frame: usize) {
    let epoch = WORLD.load(Acquire);
    if !state::is_stop(epoch) {
        return;
    }
    me.publish(sp, frame);
    me.caught.store(epoch, Release);
    ack();
    super::wait_for_end_of(epoch);
}

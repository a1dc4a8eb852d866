//! Stopping everybody, or giving up.
//!
//! Ask every registered thread (one store each, SAFE ones are frozen by it), signal those that run, then
//! wait: a few hundred looks without sleeping, after that on a futex with a time-out that doubles from 100 µs
//! to 10 ms, each time signalling again those that have not come (a signal may be lost in a `sigwait`, or
//! consumed as one with the program's own). When all registered threads are frozen and the kernel counts no
//! more than these, that is all; otherwise read the kernel's list until two passes agree and hold no
//! stranger. A counting semaphore posted by the handlers was rejected: one lost or doubled post and it never
//! fits again; here every look re-derives who is frozen.
use super::handler::{self, GUEST_SIGNALS};
use super::record::{StackKind, Thread};
use super::registry::{self, Held};
use super::state::{self, Asked, State};
use super::world::WorldStopped;
use super::{ACKS, AWAITED, COLLECTOR_SLEEPS, WORLD, attach_current, guests, handlers, signal_number, start};
use crate::ground::critical::Critical;
use crate::sys::raw::Errno;
use crate::sys::sandbox::{self, Need};
use crate::sys::{futex, process, tasks};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// Why the world was not stopped. Nothing may be freed then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Abandon {
    /// No handler is installed.
    NotInstalled,
    /// A filter that the program installed ends it for a call of a stop's, or refuses our signals.
    Forbidden,
    /// This process is not the one that started: a vfork child, or one made behind fork's back.
    OtherProcess,
    /// Another stop is on.
    Busy,
    /// No memory for the caller's own record.
    NoMemory,
    /// The kernel's list of threads could not be read.
    NoTaskList(Errno),
    /// Time was up: so many registered threads still ran, so many unknown ones did.
    Deadline { running: u32, unknown: u32 },
}

/// Figures for the statistics.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counters {
    pub stops: u64,
    pub abandoned: u64,
    pub signals: u64,
    /// Nanoseconds from the request to the last thread's freezing: all, and the longest.
    pub wait_ns: u64,
    pub longest_ns: u64,
    pub rewound: u64,
    pub eintr_unrewound: u64,
}
static STOPS: AtomicU64 = AtomicU64::new(0);
static ABANDONED: AtomicU64 = AtomicU64::new(0);
static SIGNALS: AtomicU64 = AtomicU64::new(0);
static WAIT_NS: AtomicU64 = AtomicU64::new(0);
static LONGEST_NS: AtomicU64 = AtomicU64::new(0);

pub fn counters() -> Counters {
    Counters {
        stops: STOPS.load(Relaxed),
        abandoned: ABANDONED.load(Relaxed),
        signals: SIGNALS.load(Relaxed),
        wait_ns: WAIT_NS.load(Relaxed),
        longest_ns: LONGEST_NS.load(Relaxed),
        rewound: super::rewind::REWOUND.load(Relaxed),
        eintr_unrewound: super::rewind::UNREWOUND.load(Relaxed),
    }
}

/// The stop in which threads in blocking calls are signalled like others, because a handler of the
/// program's could run in them that no gate leads to.
pub(super) static DISTRUSTED: AtomicU32 = AtomicU32::new(0);

const FIRST_SLEEP_NS: u64 = 100_000;
const LAST_SLEEP_NS: u64 = 10_000_000;
const LOOKS: u32 = 300;
/// Some hundred nanoseconds, in pauses: longer than a store takes to be seen by everybody.
const MOMENT: u32 = 10;

/// Stops every other thread of the process by `deadline_ns` (monotonic time), or nobody.
///
/// The caller holds the cycle's lock, is in the critical section `critical` and no other one,
/// and has its own registers spilled ([`super::with_spilled`]) if its stack is to be scanned.
pub fn stop_world(critical: &Critical, deadline_ns: u64) -> Result<WorldStopped<'_>, Abandon> {
    let begun = process::now_ns();
    let result = stop(critical, deadline_ns);
    if result.is_ok() {
        let ns = process::now_ns() - begun;
        STOPS.fetch_add(1, Relaxed);
        WAIT_NS.fetch_add(ns, Relaxed);
        LONGEST_NS.fetch_max(ns, Relaxed);
    } else {
        ABANDONED.fetch_add(1, Relaxed);
    }
    result
}

fn stop(critical: &Critical, deadline_ns: u64) -> Result<WorldStopped<'_>, Abandon> {
    if signal_number() == 0 {
        return Err(Abandon::NotInstalled);
    }
    if sandbox::forbids(Need::Collect) {
        return Err(Abandon::Forbidden);
    }
    if process::pid() != registry::pid() {
        return Err(Abandon::OtherProcess);
    }
    let me = attach_current(critical).ok_or(Abandon::NoMemory)?;
    let mut registry = lock(critical, deadline_ns)?;
    registry.sweep();
    GUEST_SIGNALS.store(0, Relaxed);
    let epoch = state::begin(&WORLD);
    // From here on dropping `world` resumes whoever has stopped.
    let world = WorldStopped { registry, epoch, me };
    let mut patience = Patience { deadline_ns, sleep_ns: FIRST_SLEEP_NS, looks: 0, round: 0 };
    let mut passes = Passes { total: 0, agree: 0 };
    ask_first(&world)?;
    let (mut send, mut looked) = (true, false);
    loop {
        let seen = ACKS.load(SeqCst);
        let mut left = Left { running: registered(&world, send, patience.round)?, unknown: 0 };
        if left.running == 0 && !looked {
            // Only now: no thread can install a handler any more.
            look_for_strangers(&world);
            (looked, send) = (true, true);
            continue;
        }
        if left.running == 0 {
            if passes.total == 0 && is_everybody(&world) {
                return Ok(world);
            }
            left.unknown = passes.one_more(&world, send, patience.round)?;
            if passes.agree == 2 {
                return Ok(world);
            }
            if left.unknown == 0 {
                continue;
            }
        }
        send = patience.wait(seen, left)?;
    }
}

/// Whether the kernel counts just the threads that are frozen, and none of these can have ended: then there
/// is no other. A stopped one waits for us, and one in a blocking call comes back to its wrapper; but threads
/// past their last destructor end without a word, and a filter ends one in any call. The list would be read
/// twice otherwise, 0.3 µs a thread each time.
fn is_everybody(world: &WorldStopped<'_>) -> bool {
    let mut last = true;
    world.registry.for_each(&mut |t| last &= !t.is_exiting());
    last && !sandbox::is_filtered() && tasks::count() == Some(world.registry.live)
}

/// A thread on its way into a blocking call may be past its last look for a request, and lose
/// the one that is made now (`Word::enter_repeatable`). It is there in a moment, and then needs no signal.
fn ask_first(world: &WorldStopped<'_>) -> Result<(), Abandon> {
    if registered(world, false, 0)? != 0 {
        (0..MOMENT).for_each(|_| core::hint::spin_loop());
    }
    Ok(())
}

/// Notes it where a thread in a blocking call cannot be counted as stopped.
fn look_for_strangers(world: &WorldStopped<'_>) {
    let mut blocked = false;
    world.registry.for_each(&mut |t| blocked |= t.word.state() == State::Safe && !t.is_exiting());
    if blocked && handlers::has_strangers() {
        DISTRUSTED.store(world.epoch, Release);
    }
}

fn lock(critical: &Critical, deadline_ns: u64) -> Result<Held<'_>, Abandon> {
    let mut tries = 0;
    registry::let_pass();
    loop {
        if let Some(held) = registry::lock().try_lock(critical) {
            return Ok(held);
        }
        if super::is_stopping() || process::now_ns() > deadline_ns {
            return Err(Abandon::Busy);
        }
        registry::pause(&mut tries);
    }
}

/// Who is not frozen yet.
struct Left {
    running: u32,
    unknown: u32,
}

/// Asks, signals (with `send`) and counts the registered threads that are not frozen.
fn registered(world: &WorldStopped<'_>, send: bool, round: u32) -> Result<u32, Abandon> {
    let (mut running, mut refused) = (0, false);
    world.registry.for_each(&mut |thread| {
        if core::ptr::eq(thread, world.me) {
            return;
        }
        let asked = thread.word.request(world.epoch);
        let frozen = match asked {
            Asked::Gone => true,
            Asked::Signal => reach(thread, send, round, &mut refused),
            Asked::Frozen if thread.is_exiting() => is_harmless(thread, world.epoch, send, round),
            Asked::Frozen if is_distrusted(thread, world.epoch) => reach(thread, send, round, &mut refused),
            Asked::Frozen => true,
        };
        running += u32::from(!frozen);
    });
    // Nobody comes who is not called: no use in waiting for the deadline.
    if refused { Err(Abandon::Forbidden) } else { Ok(running) }
}

/// Signals a thread that runs, or that may. Whether it is gone.
fn reach(thread: &Thread, send: bool, round: u32, refused: &mut bool) -> bool {
    let sent = if send { signal(thread) } else { Sent::Yes };
    *refused |= sent == Sent::Refused;
    send && (sent == Sent::Gone || round > 0 && look_closer(thread))
}

fn is_distrusted(thread: &Thread, epoch: u32) -> bool {
    DISTRUSTED.load(Relaxed) == epoch && thread.word.state() == State::Safe
}

#[derive(PartialEq, Eq)]
enum Sent {
    Yes,
    /// The kernel knows the thread no more.
    Gone,
    /// Signals are not ours to send.
    Refused,
}

fn signal(thread: &Thread) -> Sent {
    thread.signalled.store(1, Release);
    SIGNALS.fetch_add(1, Relaxed);
    let tid = thread.tid.load(Relaxed);
    match handler::send(tid) {
        Err(Errno(libc::ESRCH)) => {}
        Err(Errno(libc::EPERM | libc::ENOSYS | libc::EACCES)) => return Sent::Refused,
        _ => return Sent::Yes,
    }
    // It ended without its destructors: by a raw exit.
    thread.publish(0, 0);
    thread.exiting.store(1, Relaxed);
    thread.word.kill();
    Sent::Gone
}

/// The thread has not answered. It blocks our signal; or it is the process's first and left by a raw
/// exit: the kernel keeps it, and takes signals for it, and it runs no more code. Its record
/// stays as that of an exiting thread, for its number is in the kernel's list.
fn look_closer(thread: &Thread) -> bool {
    let tid = thread.tid.load(Relaxed);
    match tasks::status(tid) {
        Some(status) if status.state == b'Z' => {
            thread.publish(0, 0);
            thread.exiting.store(1, Relaxed);
            thread.word.enter_safe();
        }
        Some(status) => handler::send_past(tid, status.blocked),
        None => {}
    }
    // The next look tells.
    false
}

/// Whether a thread past its last destructor is held by the handler, or can run no code of the program
/// any more. It is frozen as to the allocator already.
fn is_harmless(thread: &Thread, epoch: u32, send: bool, round: u32) -> bool {
    if thread.caught.load(Acquire) == epoch
        || thread.presumed.load(Relaxed) == epoch
        || thread.word.state() == State::Stopped
    {
        return true;
    }
    if !send {
        return false;
    }
    let status = if round > 0 { tasks::status(thread.tid.load(Relaxed)) } else { None };
    // A first thread that has ended stays as a zombie.
    if signal(thread) == Sent::Gone || status.is_some_and(|s| matches!(s.state, b'Z' | b'X')) {
        thread.publish(0, 0);
        thread.caught.store(epoch, Release);
        return true;
    }
    // libc blocks every signal for a thread's last steps. So does the kernel while our handler runs, which may
    // have been entered in a destructor of the program's and not have come to say so: the request that we just
    // sent will hold it there, but what it knows can only be presumed to be anywhere on its stack.
    let last_steps = status.is_some_and(|s| handler::is_past_reach(s.blocked));
    if last_steps && thread.stack_kind() != StackKind::Main {
        thread.presumed.store(epoch, Relaxed);
    }
    if let Some(status) = status {
        handler::send_past(thread.tid.load(Relaxed), status.blocked);
    }
    thread.presumed.load(Relaxed) == epoch
}

/// Readings of the kernel's list.
struct Passes {
    total: u32,
    agree: u32,
}

impl Passes {
    /// Reads the list once; how many threads in it are neither registered nor stopped.
    fn one_more(&mut self, world: &WorldStopped<'_>, send: bool, round: u32) -> Result<u32, Abandon> {
        let me = world.me.tid.load(Relaxed);
        let (mut total, mut unknown, mut own) = (0, 0, false);
        tasks::for_each(&mut |tid| {
            total += 1;
            own |= tid == me;
            if tid == me || is_known(world, tid) || tasks::is_kernels(tid) {
                return;
            }
            unknown += 1;
            if send {
                GUEST_SIGNALS.fetch_add(1, AcqRel);
                SIGNALS.fetch_add(1, Relaxed);
                let _ = handler::send(tid);
                if round > 0
                    && let Some(status) = tasks::status(tid)
                {
                    handler::send_past(tid, status.blocked);
                }
            }
        })
        .map_err(Abandon::NoTaskList)?;
        // A /proc of another PID namespace, whose numbers are other ones.
        if !own {
            return Err(Abandon::NoTaskList(Errno(libc::ESRCH)));
        }
        self.agree = match () {
            _ if unknown != 0 => 0,
            _ if total == self.total => self.agree + 1,
            _ => 1,
        };
        self.total = total;
        Ok(unknown)
    }
}

fn is_known(world: &WorldStopped<'_>, tid: i32) -> bool {
    if world.registry.find(tid).is_some() || guests::is_frozen(tid, world.epoch) {
        return true;
    }
    let mut starting = false;
    start::for_each(world.registry.starts, &mut |s| starting |= s.tid.load(Acquire) == tid);
    starting
}

/// How long to wait, and when to signal again.
struct Patience {
    deadline_ns: u64,
    sleep_ns: u64,
    looks: u32,
    round: u32,
}

impl Patience {
    /// Waits for an acknowledgement after `seen`; true: time to signal again.
    fn wait(&mut self, seen: u32, left: Left) -> Result<bool, Abandon> {
        // With more of them than processors, each look keeps one from coming.
        let looks = if left.running < process::processors() { LOOKS } else { 0 };
        if self.looks < looks && left.running != 0 {
            self.looks += 1;
            core::hint::spin_loop();
            return Ok(false);
        }
        let now = process::now_ns();
        if now >= self.deadline_ns {
            return Err(Abandon::Deadline { running: left.running, unknown: left.unknown });
        }
        AWAITED.store(seen.wrapping_add(left.running + left.unknown), Relaxed);
        COLLECTOR_SLEEPS.store(1, SeqCst);
        let ns = self.sleep_ns.min(self.deadline_ns - now);
        let slept = futex::wait(&ACKS, seen, Some(ns));
        COLLECTOR_SLEEPS.store(0, Relaxed);
        if slept != Err(Errno(libc::ETIMEDOUT)) {
            return Ok(false);
        }
        self.sleep_ns = (self.sleep_ns * 2).min(LAST_SLEEP_NS);
        self.round += 1;
        Ok(true)
    }
}

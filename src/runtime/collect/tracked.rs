//! Collections that are marked beside the program, by a process that shares its memory (`marking=tracked`).
//!
//! ```text
//!  stop ── roots ── resume ─────── the program goes on ─────── stop ── roots, written pages ── resume ── limbo, as after a copy
//!             └──► the other one: protect, mark, rounds until little is written ─► waits        └─► tells, unprotects, ends
//! ```
//! The last stop is made by the next thread that comes by the allocator's slow paths and finds the other one ready; until then that
//! one goes on with a round now and then. From the telling on all is as if a copy of the process had marked ([`super::copied`]), and it looks like one
//! to [`copies`], too.
//!
//! The other one has no descriptor of the program's, none of its signals, and is nobody's child. It ends soon when the program
//! does, or executes another one. A fault of its own (memory that was unmapped while it was read) ends it, and this collection.
//!
//! # Safety
//! [`ENGINE`] belongs to the other process, but in the state FINAL, when it waits, to the holder of the cycle's lock. That process
//! runs [`work`] on a stack of its own, with the thread-local storage of a thread that runs meanwhile: it touches none, takes no lock and makes
//! raw system calls.
#![allow(unsafe_code)]
use super::{Held, copied};
use crate::gc::stats::STATS;
use crate::gc::tracked::{self, Failed, Tracked};
use crate::gc::{self, Found, Settings, Sum};
use crate::ground::critical::Critical;
use crate::heap::{live, secure};
use crate::pages::{metadata, own, thp};
use crate::pure::addr::Addr;
use crate::pure::options::Marking;
use crate::runtime::copies::{self, Why};
use crate::runtime::cycle;
use crate::runtime::world::{Gaps, OwnStack, Process};
use crate::runtime::{start, telemetry};
use crate::sys::child::Watched;
use crate::sys::process::{self, now_ns, thread_ns};
use crate::sys::sandbox::{self, Need};
use crate::sys::signal::{self, Frame, Info, Set};
use crate::sys::{futex, vm};
use crate::threads::{self, WorldStopped};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};

/// Roots are read twice while the program is stopped: bytes at most.
const ROOTS_MOST: usize = 64 << 20;
/// So few written pages are read while the program is stopped; or as many as there are once a round leaves hardly fewer than the one before.
const FEW_PAGES: usize = 256;
/// Stops that did not come to pass.
const TRIES: u32 = 3;

/// What the other process is about.
static STATE: AtomicU32 = AtomicU32::new(NONE);
const NONE: u32 = 0;
const WORKING: u32 = 1;
/// It waits for the last stop, and may go on with another round.
const READY: u32 = 2;
/// A thread of the program's is making that, or has begun to.
const FINAL: u32 = 3;
/// It came to an end: well,
const MARKED: u32 = 4;
/// or not.
const FAILED: u32 = 5;

static ENGINE: AtomicUsize = AtomicUsize::new(0);
static ROOM: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
/// The program, for the other process.
static PROGRAM: AtomicI32 = AtomicI32::new(0);
/// It is to end.
static END: AtomicBool = AtomicBool::new(false);
/// The next collection is made by a copy: this one came to nothing.
static SKIP: AtomicBool = AtomicBool::new(false);
/// How many came to nothing in a row.
static HOPELESS: AtomicU32 = AtomicU32::new(0);
static TRIED: AtomicU32 = AtomicU32::new(0);
/// Live bytes at the last stop.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// When the stop was over.
static FINAL_AT: AtomicU64 = AtomicU64::new(0);
static PLANNED: AtomicBool = AtomicBool::new(false);

fn why(failed: Failed) -> Why {
    match failed {
        Failed::NoMemory => Why::NoMemory,
        Failed::Protected => Why::Protected,
        Failed::Refused => Why::Untold,
        Failed::Roots => Why::Roots,
        Failed::Abandoned(_) => Why::Kernel,
    }
}

/// Before the stop, where a copy might mark: whether that is to be done this way.
pub(super) fn plan(critical: &Critical) {
    PLANNED.store(false, Relaxed);
    let hopeless = HOPELESS.load(Relaxed) >= TRIES;
    if start::options().marking != Marking::Tracked || hopeless || SKIP.swap(false, Relaxed) {
        return;
    }
    match prepare(critical) {
        Ok(()) => PLANNED.store(true, Relaxed),
        Err(why) => {
            ended(Some(why));
            SKIP.store(false, Relaxed);
        }
    }
}

fn prepare(critical: &Critical) -> Result<(), Why> {
    if sandbox::forbids(Need::Tracked) {
        return Err(Why::Forbidden);
    }
    if secure::level() != 0 || thp::keeps_whole() {
        return Err(Why::Option);
    }
    tracked::forget();
    let need = tracked::room_for(live::exact());
    let [at, bytes] = [ROOM[0].load(Relaxed), ROOM[1].load(Relaxed)];
    if bytes >= need {
        // Of one that came to a bad end, and in the child of a fork; else there is nothing left.
        // SAFETY: ours, and nobody is at work.
        return unsafe { vm::advise(Addr(at), bytes, libc::MADV_DONTNEED) }.map_err(|_| Why::NoMemory);
    }
    if bytes != 0 {
        ROOM[1].store(0, Relaxed);
        // SAFETY: as above.
        unsafe { metadata::unmap_region(critical, Addr(at), bytes) };
    }
    let need = need + need / 2;
    let at = metadata::map_region(critical, need).ok_or(Why::NoMemory)?;
    ROOM[0].store(at.0, Relaxed);
    ROOM[1].store(need, Relaxed);
    Ok(())
}

/// Begins, if that was planned. `false`: a copy is to be made. The world is stopped.
pub(super) fn make(
    critical: &Critical,
    stopped: &WorldStopped<'_>,
    process: &mut Process<'_>,
    settings: &Settings,
) -> bool {
    if !PLANNED.swap(false, Relaxed) {
        return false;
    }
    let made = begin(critical, stopped, process, settings);
    if let Err(why) = made {
        settled();
        ended(Some(why));
        SKIP.store(false, Relaxed);
    }
    made.is_ok()
}

fn begin(
    critical: &Critical,
    stopped: &WorldStopped<'_>,
    process: &mut Process<'_>,
    settings: &Settings,
) -> Result<(), Why> {
    let tops = copies::stacks(critical).ok_or(Why::NoMemory)?;
    if process.snapshot().heap_is_shared() {
        return Err(Why::Shared);
    }
    let room = (Addr(ROOM[0].load(Relaxed)), ROOM[1].load(Relaxed));
    // SAFETY: the room was cleared; what was there before is forgotten (`prepare`).
    let engine = unsafe { tracked::begin(room, process, settings.disguised, ROOTS_MOST) }.map_err(why)?;
    ENGINE.store(engine as *mut Tracked as usize, Relaxed);
    PROGRAM.store(process::pid(), Relaxed);
    END.store(false, Relaxed);
    TRIED.store(0, Relaxed);
    copied::told_nothing();
    STATE.store(WORKING, Release);
    copies::make_beside(stopped, tops, work).inspect_err(|_| STATE.store(NONE, Relaxed))
}

/// Nothing is tracked any more. Nobody is at work.
pub(super) fn settled() {
    STATE.store(NONE, Relaxed);
    own::want_news(false);
    tracked::stop();
}

/// A collection of this sort came to nothing, or was complete. After some in a row that came to nothing for a reason that stays no more
/// are begun.
pub(super) fn ended(why: Option<Why>) {
    match why {
        None => HOPELESS.store(0, Relaxed),
        Some(why) => {
            copies::not_tracked(why);
            SKIP.store(true, Relaxed);
            HOPELESS.fetch_add(!matches!(why, Why::Ended | Why::Busy) as u32, Relaxed);
        }
    }
}

/// Whether the collection that is out is one of this sort.
pub fn is_out() -> bool {
    STATE.load(Acquire) != NONE
}

/// In the child of a fork: the other process is its parent's.
pub fn forked() {
    if is_out() {
        settled();
    }
}

/// The program is about to execute another one, or makes a collection that cannot wait: the other one is to end. It does soon.
pub fn leave() {
    if is_out() && PROGRAM.load(Relaxed) == process::pid() {
        END.store(true, Release);
        futex::wake(&STATE, 1);
    }
}

/// The same, and waits for it. The cycle's lock is held.
pub(super) fn end() {
    const NAP_NS: i64 = 100_000;
    const NAPS: u32 = 100_000;
    leave();
    for _ in 0..NAPS {
        if !is_out() || !copies::is_busy() {
            return;
        }
        process::sleep_ns(NAP_NS);
    }
}

/// A thread comes by, without locks and outside of critical sections: makes the last stop, if it is time.
pub(super) fn attend() {
    if STATE.load(Acquire) == READY
        && let Some(mut held) = cycle::try_enter()
    {
        attend_with(&mut held);
    }
}

pub(super) fn attend_with(held: &mut Held) {
    if STATE.compare_exchange(READY, FINAL, AcqRel, Relaxed).is_err() {
        return;
    }
    let done = held.run(last_stop).unwrap_or(Err(Why::NoMemory));
    let next = match done {
        Ok(()) => MARKED,
        // Somebody could not be stopped just now.
        Err(Why::Busy) if TRIED.fetch_add(1, Relaxed) < TRIES => WORKING,
        Err(why) => {
            if let Some(shared) = copies::known() {
                shared.will_give_up(why);
            }
            FAILED
        }
    };
    STATE.store(next, Release);
    futex::wake(&STATE, 1);
}

fn last_stop(held: &mut Held, sp: usize) -> Result<(), Why> {
    let (asked, asked_cpu) = (now_ns(), thread_ns());
    let (critical, snapshot) = held.snapshot().ok_or(Why::NoMemory)?;
    let deadline = asked + start::options().deadline as u64 * 1_000_000;
    let stopped = threads::stop_world(critical, deadline).map_err(|_| Why::Busy)?;
    let frozen = now_ns();
    let done = Process::new(critical, &stopped, snapshot, OwnStack { sp }, Gaps::Abandon)
        .map_err(|_| Why::Kernel)
        .and_then(|mut process| {
            if gc::has_more_than_objects() {
                return Err(Why::More);
            }
            // SAFETY: the state is FINAL.
            let engine = unsafe { &mut *Addr(ENGINE.load(Relaxed)).ptr::<Tracked>() };
            engine.finish(&mut process).map_err(why)?;
            if start::options().checkmark {
                check(critical, engine, &mut process)?;
            }
            Ok(())
        });
    LIVE.store(live::exact(), Relaxed);
    let now = stopped.resume();
    FINAL_AT.store(now, Relaxed);
    STATS.pause(now - asked);
    telemetry::stopped(asked, now);
    super::tell(
        3,
        format_args!(
            "gc: last stop in us: stop {}, mark and resume {}, {} of processor",
            (frozen - asked) / 1000,
            (now - frozen) / 1000,
            (thread_ns() - asked_cpu) / 1000
        ),
    );
    done
}

/// For tests: marks once more, with the program stopped, and compares.
fn check(critical: &Critical, engine: &mut Tracked, process: &mut Process<'_>) -> Result<(), Why> {
    let marked = gc::mark(critical, process, &Settings::DEFAULT).map_err(|_| Why::Kernel)?;
    engine.check(&marked);
    marked.end(critical);
    Ok(())
}

/// In the other process.
fn work() {
    let Some(shared) = copies::known() else { return };
    // SAFETY: a table of its own; the handler ends this process.
    unsafe {
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE] {
            let _ = signal::install(signal, fault, 0, Set::FULL);
        }
    }
    let faults = Set::EMPTY.with(libc::SIGSEGV).with(libc::SIGBUS).with(libc::SIGILL).with(libc::SIGFPE);
    signal::mask(libc::SIG_UNBLOCK, faults);
    // SAFETY: this process's, until it says that it is ready.
    let engine = unsafe { &mut *Addr(ENGINE.load(Relaxed)).ptr::<Tracked>() };
    let done = Watched::new(PROGRAM.load(Relaxed)).map_err(|_| Why::Untold).and_then(|program| {
        let mut pulse = Pulse { program, count: 0, looked: now_ns() };
        let done = mark(engine, &mut pulse);
        engine.end(&mut || pulse.beats());
        done?;
        let (room, words) = shared.room();
        // SAFETY: what a copy has while it is at work.
        let room = unsafe { core::slice::from_raw_parts_mut(room, words) };
        let (words, unreachable) = engine.tell(room).ok_or(Why::NoMemory)?;
        copied::told(found(engine, unreachable), words, FINAL_AT.load(Relaxed), thread_ns());
        Ok(())
    });
    let [at, bytes] = [ROOM[0].load(Relaxed), ROOM[1].load(Relaxed)];
    // SAFETY: nobody looks at it any more, this process neither.
    let _ = unsafe { vm::advise(Addr(at), bytes, libc::MADV_DONTNEED) };
    if let Err(why) = done {
        shared.will_give_up(why);
    }
}

fn found(engine: &Tracked, unreachable: Sum) -> Found {
    let mut found = Found { unreachable, root_bytes: engine.root_bytes, ..Found::default() };
    found.allocated.objects = engine.black() + unreachable.objects;
    found.allocated.bytes = LIVE.load(Relaxed).max(unreachable.bytes);
    found.disguised.objects = engine.guessed();
    found
}

/// Memory that was unmapped while it was read: the collection is given up. With that bit the kernel itself tells the program.
unsafe extern "C" fn fault(_signal: i32, _info: *mut Info, _frame: *mut Frame) {
    process::exit_group(0)
}

/// Whether there is still somebody to work for.
struct Pulse {
    program: Watched,
    count: u32,
    looked: u64,
}
impl Pulse {
    fn beats(&mut self) -> bool {
        const BETWEEN: u32 = 32;
        self.count += 1;
        if self.count.is_multiple_of(BETWEEN) { self.is_felt() } else { !END.load(Acquire) }
    }
    /// The same, with a look at the kernel's lists each time.
    fn is_felt(&mut self) -> bool {
        const LONG_NS: u64 = 100_000_000;
        let now = now_ns();
        let long = now - self.looked > LONG_NS;
        if self.program.is_gone() || (long && !self.program.shares()) {
            // Nothing of what follows is of use to anybody.
            process::exit_group(0);
        }
        if long {
            self.looked = now;
        }
        !END.load(Acquire)
    }
}

fn mark(engine: &mut Tracked, pulse: &mut Pulse) -> Result<(), Why> {
    const SHORT_NS: u64 = 2_000_000;
    const MOST_NS: u64 = 5_000_000_000;
    const ALL_NS: u64 = 60_000_000_000;
    let ended = |failed| if END.load(Acquire) { Why::Ended } else { why(failed) };
    engine.mark(&mut || pulse.beats()).map_err(ended)?;
    let (mut last, mut patience, mut waited) = (usize::MAX, SHORT_NS, 0);
    loop {
        let pages = engine.round(&mut || pulse.beats()).map_err(ended)?;
        let before = core::mem::replace(&mut last, pages);
        if pages > FEW_PAGES && pages < before / 4 * 3 {
            continue;
        }
        STATE.store(READY, Release);
        wait(patience, pulse);
        waited += patience;
        patience = (2 * patience).min(MOST_NS);
        if STATE.compare_exchange(READY, WORKING, AcqRel, Acquire).is_err() && is_over(pulse)? {
            return Ok(());
        }
        // The program has fallen asleep.
        if waited > ALL_NS || !pulse.beats() {
            return Err(Why::Ended);
        }
    }
}

/// Waits so long for somebody who makes the last stop, as long as there is a program.
fn wait(ns: u64, pulse: &mut Pulse) {
    const NAP_NS: u64 = 50_000_000;
    let until = now_ns() + ns;
    loop {
        let now = now_ns();
        if now >= until || STATE.load(Acquire) != READY || !pulse.is_felt() {
            return;
        }
        let _ = futex::wait(&STATE, READY, Some(NAP_NS.min(until - now)));
    }
}

/// Waits while the world is stopped, or about to be. Whether all is marked; or it could not be.
fn is_over(pulse: &mut Pulse) -> Result<bool, Why> {
    const NAP_NS: u64 = 20_000_000;
    loop {
        match STATE.load(Acquire) {
            MARKED => return Ok(true),
            WORKING => return Ok(false),
            FINAL => {
                let _ = futex::wait(&STATE, FINAL, Some(NAP_NS));
                pulse.is_felt();
            }
            // Whoever made the last stop said why.
            _ => return Err(copies::verdict().unwrap_or(Why::Ended)),
        }
    }
}

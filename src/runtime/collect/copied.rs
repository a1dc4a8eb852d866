//! Collections that a copy of the process marks for: the program is stopped for as long as the copy takes to be
//! made, and a second time, shortly, when what it found comes to limbo.
//!
//! ```text
//!  stop ── copy ── resume ─────────── the program goes on ─────────── stop ── limbo ── resume ── … ── reclaim
//!             └──► the copy: mark, write what is white ([`findings`]), end
//! ```
//! The second part is done by the next thread that comes by the allocator's slow paths and finds the copy done; in a large heap in
//! many short stops ([`parts`](super::parts)).
//! Where the heap grows faster than the copy marks, whoever makes it grow waits.
//!
//! If the copy came to nothing, the collection is made again with the program stopped, at once.
//!
//! # Safety
//! [`Told`] belongs to the copy while it is at work, else to the holder of the cycle's lock.
#![allow(unsafe_code)]
use super::{Ended, Held, PACER, Phases, parts, tracked};
use crate::gc::cause::Cause;
use crate::gc::findings::Aging;
use crate::gc::limbo::{Doom, Moved};
use crate::gc::{self, Abandon, Found, Settings, Sum};
use crate::ground::{critical::Critical, fatal};
use crate::heap::live;
use crate::pure::addr::Addr;
use crate::pure::options::Mode;
use crate::runtime::copies::{self, Shared, Why};
use crate::runtime::cycle::{self, Guarded};
use crate::runtime::start;
use crate::runtime::world::Process;
use crate::sys::process::{self, now_ns, thread_ns};
use crate::sys::vm;
use crate::threads::WorldStopped;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::*};

/// By itself a copy is made where marking would take as long as making it, or longer, bytes of heap.
const WORTH_IT: usize = 64 << 20;
/// After so many copies in a row that came to nothing no more are made.
const TRIES: u32 = 3;

/// What the copy tells. All zero: nothing yet.
pub struct Told {
    /// 0; [`COMPLETE`]; or why the cycle was given up, + 1.
    state: AtomicU32,
    told: UnsafeCell<Marked>,
}
const COMPLETE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Marked {
    found: Found,
    /// Of the shared room.
    words: usize,
    /// When it was done, and its processor time.
    marked: u64,
    cost: u64,
}

/// The part before the copy.
pub(super) struct Begun {
    pub cause: Cause,
    pub phases: Phases,
    /// Bytes of the heap.
    pub before: usize,
    /// Nanoseconds of processor time.
    pub cost: u64,
}
static BEGUN: Guarded<Option<Begun>> = Guarded::new(None);

/// A copy marks, or has marked, for this collection.
static STATE: AtomicU32 = AtomicU32::new(NONE);
const NONE: u32 = 0;
const OUT: u32 = 1;
/// Another collection came in between: what the copy finds is of no use.
const STALE: u32 = 2;
/// The copy is waited for so long, on the coarse clock.
static UNTIL_MS: AtomicU64 = AtomicU64::new(0);
/// Above this size of the heap whoever allocates waits for the copy.
static LIMIT: AtomicUsize = AtomicUsize::new(0);
static FAILED: AtomicU32 = AtomicU32::new(0);

/// Whether what a copy found has not been taken up.
pub fn is_outstanding() -> bool {
    STATE.load(Acquire) != NONE
}

/// Whether it keeps others from collecting. One that takes too long (somebody stopped it) does not.
pub fn is_waited_for() -> bool {
    STATE.load(Acquire) == OUT && process::coarse_ms() < UNTIL_MS.load(Relaxed)
}

/// In the child of a fork: the copy is its parent's.
pub fn forked() {
    STATE.store(NONE, Relaxed);
}

/// Before the stop: whether a copy is to mark; `Err`: it was wanted, and why not.
pub(super) fn wanted(critical: &Critical, cause: Cause) -> Result<bool, Why> {
    let options = start::options();
    // Each object is to be in limbo when the copy is made that dooms it. A copy needs memory.
    let has_memory = matches!(cause, Cause::Growth | Cause::Stress | Cause::Request);
    let fits = options.mode == Mode::Gc && options.limbo >= 2 && has_memory;
    if !fits || FAILED.load(Relaxed) >= TRIES || !copies::is_worth_it(WORTH_IT) {
        return Ok(false);
    }
    copies::prepare(critical);
    copies::may_try()?;
    if gc::has_more_than_objects() {
        return Err(Why::More);
    }
    tracked::plan(critical);
    Ok(true)
}

/// Makes the copy. The world is stopped.
pub(super) fn make(
    critical: &Critical,
    stopped: &WorldStopped<'_>,
    process: &mut Process<'_>,
    settings: &Settings,
) -> Result<(), Why> {
    if tracked::make(critical, stopped, process, settings) {
        return Ok(());
    }
    let tops = copies::ready(critical, process)?;
    told_nothing();
    // What a failed check of the marks says is worth a descriptor.
    let keep = if settings.checkmark { libc::STDERR_FILENO } else { -1 };
    copies::make(stopped, tops, keep, &mut |shared| {
        if let Err(why) = copies::is_whole(process.snapshot()) {
            return shared.give_up(why);
        }
        match mark(critical, process, settings, shared) {
            Ok(()) => shared.cycle.state.store(COMPLETE, Release),
            Err(Tried::Abandoned(why)) => shared.cycle.state.store(why as u32 + 1, Release),
            Err(Tried::NoRoom) => shared.give_up(Why::NoMemory),
        }
    })
}

enum Tried {
    Abandoned(Abandon),
    NoRoom,
}

/// In the copy.
fn mark(
    critical: &Critical,
    process: &mut Process<'_>,
    settings: &Settings,
    shared: &Shared,
) -> Result<(), Tried> {
    let settings = Settings { markers: super::settings().markers, ..*settings };
    let marked = gc::mark(critical, process, &settings).map_err(Tried::Abandoned)?;
    let (room, words) = shared.room();
    // SAFETY: the copy's while it is at work; zeros or what an earlier copy wrote.
    let room = unsafe { core::slice::from_raw_parts_mut(room, words) };
    let words = marked.write_findings(room).ok_or(Tried::NoRoom)?;
    let told =
        Marked { found: marked.found, words, marked: now_ns(), cost: thread_ns() + marked.found.helpers_ns };
    // SAFETY: as above.
    unsafe { *shared.cycle.told.get() = told };
    Ok(())
}

/// Nothing is told yet, by a copy or by who marks beside the program.
pub(super) fn told_nothing() {
    if let Some(shared) = copies::known() {
        shared.cycle.state.store(0, Relaxed);
    }
}

/// He tells: what he found, in so many words of the shared room, when that was decided, and his processor time.
pub(super) fn told(found: Found, words: usize, marked: u64, cost: u64) {
    let Some(shared) = copies::known() else { return };
    // SAFETY: as for a copy that is at work.
    unsafe { *shared.cycle.told.get() = Marked { found, words, marked, cost } };
    shared.cycle.state.store(COMPLETE, Release);
}

/// The copy is at work, and the world runs again.
pub(super) fn begin(held: &mut Held, begun: Begun) {
    const LEAST: usize = 4 << 20;
    const LEAST_SPEED: usize = 50 << 10;
    let patience = 100 * start::options().deadline as u64 + (begun.before / LEAST_SPEED) as u64;
    UNTIL_MS.store(process::coarse_ms() + patience, Relaxed);
    LIMIT.store(live::estimate().saturating_add(PACER.of(held).goal().max(LEAST)), Relaxed);
    *BEGUN.of(held) = Some(begun);
    STATE.store(OUT, Release);
}

/// A collection was complete while a copy marked for another.
pub(super) fn outdated() {
    let _ = STATE.compare_exchange(OUT, STALE, AcqRel, Relaxed);
}

/// Whether it is worth while to look closer: the copy is done, or the kernel has not been asked after it for a while.
fn is_worth_a_look() -> bool {
    const PATIENCE_MS: u64 = 1000;
    static ASKED: AtomicU64 = AtomicU64::new(0);
    if copies::known().is_none_or(Shared::is_idle) {
        return true;
    }
    let (now, asked) = (process::coarse_ms(), ASKED.load(Relaxed));
    now.saturating_sub(asked) >= PATIENCE_MS && ASKED.swap(now, Relaxed) == asked && asked != 0
}

/// A thread comes by, without locks and outside of critical sections: ends the collection if the copy is done.
pub fn attend() {
    const NAP_NS: i64 = 500_000;
    const NAPS: u32 = 400;
    let mut naps = 0;
    while !is_worth_a_look() {
        tracked::attend();
        if naps == NAPS || !is_waited_for() || live::estimate() < LIMIT.load(Relaxed) {
            return;
        }
        naps += 1;
        process::sleep_ns(NAP_NS);
    }
    if let Some(mut held) = cycle::try_enter() {
        let _: Option<Result<Sum, Abandon>> = finish(&mut held);
    }
}

/// Waits until the collection that a copy marks for is over, if there is one: what came of it. Outside of critical sections.
pub fn settle() -> Option<Result<Sum, Abandon>> {
    const NAP_NS: i64 = 200_000;
    while is_outstanding() {
        tracked::attend();
        if is_worth_a_look()
            && let Some(result) = finish(&mut cycle::enter())
        {
            return Some(result);
        }
        if is_outstanding() && !is_waited_for() {
            return Some(Err(Abandon::Stop));
        }
        process::sleep_ns(NAP_NS);
    }
    None
}

/// The second half of a collection, if the copy has done its part.
fn finish(held: &mut Held) -> Option<Result<Sum, Abandon>> {
    let state = STATE.load(Acquire);
    // It clears up after one that died, too.
    if state == NONE || copies::is_busy() {
        return None;
    }
    STATE.store(NONE, Relaxed);
    let was_tracked = tracked::is_out();
    tracked::settled();
    super::each_look();
    let mut begun = BEGUN.of(held).take()?;
    begun.phases.tracked = was_tracked;
    let shared = copies::known()?;
    let verdict = copies::verdict();
    if state == STALE {
        return None;
    }
    let told = shared.cycle.state.swap(0, AcqRel);
    if told == COMPLETE && verdict.is_none() {
        FAILED.store(0, Relaxed);
        if was_tracked {
            copies::tracked();
            tracked::ended(None);
        }
        return Some(apply(held, shared, begun));
    }
    let abandoned = Abandon::ALL.into_iter().find(|&why| why as u32 + 1 == told);
    if let (Some(why), None) = (abandoned, verdict) {
        super::given_up(held, begun.cause, why, begun.before, &begun.phases);
        return Some(Err(why));
    }
    let why = verdict.unwrap_or(Why::Died);
    if why == Why::Died && !was_tracked && start::options().checkmark {
        fatal::die(format_args!("gc: the copy that marks came to a bad end"));
    }
    if was_tracked {
        // A copy may do.
        tracked::ended(Some(why));
        return Some(super::cycle_by(held, begun.cause, super::Way::Any));
    }
    copies::fell_back(why);
    FAILED.fetch_add(1, Relaxed);
    Some(super::cycle_by(held, begun.cause, super::Way::Stopped))
}

/// The pages of what was found go back: all of it is in limbo. The lock is held.
pub(super) fn give_back() {
    let Some(shared) = copies::known() else { return };
    // SAFETY: the copy is done, as long as the lock is held.
    let words = unsafe { (*shared.cycle.told.get()).words };
    // SAFETY: ours, and nothing in there is of use any more.
    let _ = unsafe { vm::advise(Addr::of(shared.room().0), words * size_of::<u64>(), libc::MADV_REMOVE) };
}

/// Moves to limbo what the copy found, or the first part of that.
fn apply(held: &mut Held, shared: &'static Shared, begun: Begun) -> Result<Sum, Abandon> {
    // SAFETY: the copy is done; the lock is held.
    let told = unsafe { *shared.cycle.told.get() };
    let Begun { cause, mut phases, before, cost } = begun;
    let began_cpu = thread_ns();
    phases.again = now_ns();
    phases.marked = told.marked;
    let hides = live::RESURRECTED.load(Relaxed) != 0 || told.found.disguised.unsettled;
    let doom = if hides { Doom::Off } else { Doom::Allowed };
    // SAFETY: the copy wrote so many words, which nobody writes to before the last part is done (`give_back`); who completes another
    // cycle says so (`outdated`), or ends this one first.
    let mut aging = unsafe {
        let list = core::slice::from_raw_parts(shared.room().0.cast_const(), told.words);
        Aging::begin(list, start::options().limbo, doom)
    };
    match parts::age(held, &mut aging) {
        Ok(aged) => {
            phases.settled = now_ns();
            let cost = cost + told.cost + (thread_ns() - began_cpu);
            let ended = Ended { cause, found: told.found, moved: Moved::default(), before, phases, cost };
            Ok(parts::begin_with(held, ended, aging, aged))
        }
        Err(why) => {
            give_back();
            super::given_up(held, cause, why, before, &phases);
            Err(why)
        }
    }
}

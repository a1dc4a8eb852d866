//! gc and audit mode: when a collection starts, and its way from the stop to the last reclaimed object.
//!
//! The slow paths of the allocator call [`poll`] before they allocate, outside of critical
//! sections: two comparisons of the heap's [`live::estimate`] with words that the pacer set. Above the
//! upper one, [`live::exact`] decides; below the lower one, the pacer learns that the heap
//! shrank. One collection at a time; whoever finds one under way goes on without.
//!
//! The collecting thread is one of the program's: its registers are spilled and its stack is
//! scanned from there up, so what the program passed to malloc or realloc is a root.
//!
//! # Safety
//! The pacer belongs to the holder of the cycle's lock.
#![allow(unsafe_code)]
use super::cycle::{self, Held};
use super::telemetry::{self, Done, Phases};
use super::world::{Gaps, OwnStack, Process};
use super::{audit, early, log, start};
use crate::adopted::{self, Aged};
use crate::gc::cause::Cause;
use crate::gc::limbo::{Doom, Moved};
use crate::gc::pacer::{Knobs, Pacer, Report};
use crate::gc::stats::STATS;
use crate::gc::{self, Abandon, Found, Settings, Sum, reclaim};
use crate::ground::critical::Critical;
use crate::ground::out;
use crate::heap::live;
use crate::pure::options::{Mode, Options};
use crate::roots::Snapshot;
use crate::sys::process::{now_ns, thread_ns};
use crate::sys::{errno, tls};
use crate::threads;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

struct Shared(UnsafeCell<Pacer>);
// SAFETY: used by the holder of the cycle's lock only (and by `begin`, before there are others).
unsafe impl Sync for Shared {}
static PACER: Shared = Shared(UnsafeCell::new(Pacer::new(Knobs { min_growth: usize::MAX, growth: 100 })));

/// An estimate above this is worth a look; MAX until [`begin`] ran, and when nothing can be reclaimed.
static HIGH: AtomicUsize = AtomicUsize::new(usize::MAX);
/// An estimate below this too.
static LOW: AtomicUsize = AtomicUsize::new(0);
/// The option `collect_every`; 0 is off.
static EVERY: AtomicUsize = AtomicUsize::new(0);
/// Each slow path is worth a look: for [`EVERY`], or because figures are written now and then.
static EACH: AtomicBool = AtomicBool::new(false);

/// From now on the heap's growth starts collections, in gc and audit mode. Called once, when threads can
/// be stopped.
pub fn begin(options: &Options) {
    EACH.store(telemetry::is_wanted_often(), Relaxed);
    if !matches!(options.mode, Mode::Gc | Mode::Audit) {
        return;
    }
    let knobs = Knobs { min_growth: options.min_growth, growth: options.growth as usize };
    // SAFETY: no collection can have begun: HIGH and EVERY say never.
    unsafe { *PACER.0.get() = Pacer::new(knobs) };
    let every = match options.collect_every {
        0 if options.mode == Mode::Audit => audit::EVERY,
        every => every,
    };
    if every != 0 {
        live::count_handed();
    }
    EVERY.store(every, Relaxed);
    EACH.fetch_or(every != 0, Relaxed);
    HIGH.store(early::first(), Relaxed);
}

/// No collection starts any more: a sandbox may kill for the calls that one makes.
pub fn never_again() {
    EACH.store(false, Relaxed);
    EVERY.store(0, Relaxed);
    LOW.store(0, Relaxed);
    HIGH.store(usize::MAX, Relaxed);
}

/// A slow path is about to allocate `n` bytes. Collects if it is time. Outside of critical sections; no
/// lock is held.
#[inline]
pub fn poll(n: usize) {
    if is_due() {
        look(n);
    }
}

/// Whether it may be time to collect.
#[inline]
pub fn is_due() -> bool {
    let estimate = live::estimate();
    estimate > HIGH.load(Relaxed) || estimate < LOW.load(Relaxed) || EACH.load(Relaxed)
}

#[cold]
#[inline(never)]
fn look(n: usize) {
    // A thread past its last destructor leaves it to others.
    if tls::block().late.load(Relaxed) != 0 {
        return;
    }
    let _errno = errno::Saved::new();
    let every = EVERY.load(Relaxed);
    if telemetry::is_wanted_often()
        && telemetry::is_time()
        && let Some(mut held) = cycle::try_enter()
    {
        held.run(|_, _| telemetry::write());
    }
    if every != 0 {
        live::hand(n);
        if live::HANDED.load(Relaxed) >= every
            && let Some(mut held) = cycle::try_enter()
        {
            live::HANDED.store(0, Relaxed);
            if start::options().collect_every != 0 {
                let _ = cycle(&mut held, Cause::Stress);
            } else if held.pacer().wait(now_ns()) == 0 {
                let _ = cycle(&mut held, Cause::Audit);
            }
        }
        return;
    }
    if HIGH.load(Relaxed) == usize::MAX {
        return;
    }
    let Some(mut held) = cycle::try_enter() else { return };
    let (exact, now) = (live::exact(), now_ns());
    let pacer = held.pacer();
    if exact < pacer.base() {
        pacer.shrunk(exact);
    }
    let (base, may) = (pacer.base(), pacer.wait(now) == 0);
    let grown = (exact >= pacer.trigger()).then_some(Cause::Growth);
    match grown.or_else(|| early::wanted(&mut held, exact, base, now)).filter(|_| may) {
        Some(cause) => drop(cycle(&mut held, cause)),
        None => watch(&mut held, exact),
    }
}

/// Sets the words that [`poll`] compares with: the next look comes after as much more by the
/// estimate as is missing to the trigger (or a little, if only the time forbids a cycle), or when
/// the heap has become much smaller.
fn watch(held: &mut Held, exact: usize) {
    let (pacer, estimate) = (held.pacer(), live::estimate());
    let goal = pacer.goal();
    let more = pacer.trigger().saturating_sub(exact).max(goal / 16);
    HIGH.store(estimate.saturating_add(more.min(early::stride(held, goal, exact))), Relaxed);
    LOW.store(estimate.saturating_sub(goal / 4), Relaxed);
}

impl Held {
    fn pacer(&mut self) -> &mut Pacer {
        // SAFETY: the lock is held and `self` is borrowed.
        unsafe { &mut *PACER.0.get() }
    }
}

/// Memory is short: collects until something was freed, at most as often as limbo asks for.
/// Whether it is worth trying again. Outside of critical sections.
pub fn for_memory() -> bool {
    let _errno = errno::Saved::new();
    let enabled = HIGH.load(Relaxed) != usize::MAX && start::options().mode == Mode::Gc;
    enabled
        && (0..start::options().limbo).any(|_| {
            let Some(mut held) = cycle::try_enter() else { return false };
            cycle(&mut held, Cause::Pressure).is_ok_and(|freed| freed.objects != 0)
        })
}

/// One for `gleaner_collect`.
pub fn requested(held: &mut Held) -> Result<(), Abandon> {
    cycle(held, Cause::Request).map(|_| ())
}

/// A whole collection; what it freed.
fn cycle(held: &mut Held, cause: Cause) -> Result<Sum, Abandon> {
    match held.run(|held, sp| cycle_from(held, cause, sp)) {
        Some(result) => result,
        None => {
            let now = now_ns();
            let why = abandoned(held, cause, Abandon::NoMemory, live::exact(), (now, now));
            let phases = Phases { began: now, resumed: now, ended: now, ..Phases::default() };
            telemetry::collected(cause.word(), &phases, Err(why));
            Err(why)
        }
    }
}

/// `sp`: the calling thread's registers and frames lie there and above.
fn cycle_from(held: &mut Held, cause: Cause, sp: usize) -> Result<Sum, Abandon> {
    let (began, began_cpu) = (now_ns(), thread_ns());
    let before = live::exact();
    let mut phases = Phases { began, ..Phases::default() };
    let result = match held.snapshot() {
        Some((critical, snapshot)) => stopped_part(critical, snapshot, sp, &mut phases),
        None => Err(Abandon::NoMemory),
    };
    let resumed = now_ns();
    STATS.pause(resumed - began);
    let (found, moved) = match result {
        Ok(found) => found,
        Err(why) => {
            let why = abandoned(held, cause, why, before, (began, resumed));
            telemetry::collected(cause.word(), &Phases { resumed, ended: resumed, ..phases }, Err(why));
            return Err(why);
        }
    };
    let freed = reclaim::run(held.critical(), start::options().fill);
    let ended = now_ns();
    STATS.complete(cause, &found);
    STATS.moved(&moved);
    STATS.reclaimed(freed, ended - resumed);
    let done = Done { found: &found, moved: &moved, freed };
    telemetry::collected(cause.word(), &Phases { resumed, ended, ..phases }, Ok(done));
    let report = Report {
        before,
        after: live::exact(),
        reachable: found.reachable().bytes,
        roots: found.root_bytes,
        fresh: moved.fresh.bytes,
        reclaimed: freed.bytes,
        began,
        ended,
        cost: thread_ns() - began_cpu,
    };
    let base = held.pacer().base();
    early::complete(held, cause, base, &report);
    held.pacer().complete(&report);
    watch(held, report.after);
    tell(
        2,
        format_args!(
            "gc: collection ({}): {} bytes reachable, {} roots, {} new in limbo, {} freed; stopped {} us, {} us in all",
            cause.word(),
            report.reachable,
            report.roots,
            report.fresh,
            report.reclaimed,
            (resumed - began) / 1000,
            (ended - began) / 1000
        ),
    );
    if adopted::anything() {
        let Aged { unreachable, died } = moved.adopted;
        tell(2, format_args!("gc: adopted ranges: {unreachable} unreachable, {died} cleanups due"));
    }
    note_resurrections();
    Ok(freed)
}

/// Nothing was freed; `time` is when the cycle began and ended.
fn abandoned(held: &mut Held, cause: Cause, why: Abandon, before: usize, time: (u64, u64)) -> Abandon {
    STATS.abandon(why);
    early::abandoned(held, cause, time.0, time.1);
    held.pacer().abandoned(before, time.0, time.1);
    watch(held, before);
    tell(1, format_args!("gc: collection abandoned: {}", why.reason()));
    why
}

/// Stops the world, marks, moves to limbo.
fn stopped_part(
    critical: &Critical,
    snapshot: &mut Snapshot,
    sp: usize,
    phases: &mut Phases,
) -> Result<(Found, Moved), Abandon> {
    let options = start::options();
    let deadline = now_ns() + options.deadline as u64 * 1_000_000;
    let asked = now_ns();
    let stopped = threads::stop_world(critical, deadline)?;
    let frozen = now_ns();
    phases.frozen = frozen;
    let mut process = Process::new(critical, &stopped, snapshot, OwnStack { sp }, Gaps::Abandon)?;
    let listed = now_ns();
    phases.listed = listed;
    let settings = Settings { checkmark: options.checkmark, disguised: options.disguised };
    let marked = gc::mark(critical, &mut process, &settings)?;
    let hides = live::RESURRECTED.load(Relaxed) != 0 || marked.found.disguised.unsettled;
    let audit = options.mode == Mode::Audit;
    let doom = if hides || audit { Doom::Off } else { Doom::Allowed };
    let needed = if audit { audit::AGES } else { options.limbo };
    let marking_ended = now_ns();
    phases.marked = marking_ended;
    let moved = marked.to_limbo(critical, needed, doom);
    let aged = now_ns();
    drop(process);
    drop(stopped);
    let resumed = now_ns();
    let found = marked.found;
    marked.end(critical);
    tell(
        3,
        format_args!(
            "gc: phases in us: stop {}, list mappings {}, derive {}, mark {}, limbo {}, resume {}",
            (frozen - asked) / 1000,
            (listed - frozen) / 1000,
            found.derive_ns / 1000,
            found.mark_ns / 1000,
            (aged - marking_ended) / 1000,
            (resumed - aged) / 1000,
        ),
    );
    Ok((found, moved))
}

/// Once the program showed that it hides pointers, nothing will be reclaimed any more, and
/// there is no use in collecting.
fn note_resurrections() {
    if live::RESURRECTED.load(Relaxed) == 0 || start::options().mode == Mode::Audit {
        return;
    }
    if HIGH.swap(usize::MAX, Relaxed) != usize::MAX {
        let at = live::RESURRECTED_AT.load(Relaxed);
        LOW.store(0, Relaxed);
        tell(
            1,
            format_args!(
                "gc: the program used {at:#x} after no pointer led to it: it hides pointers; nothing more is reclaimed"
            ),
        );
    }
}

fn tell(verbosity: u8, text: core::fmt::Arguments<'_>) {
    if start::options().verbose >= verbosity {
        log::with(&mut |fd| out::say(fd, text));
    }
}

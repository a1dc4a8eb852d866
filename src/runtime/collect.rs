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
pub mod copied;
mod parts;
pub mod tracked;

use self::copied::Begun;
use self::parts::Pending;
use super::copies::{self, Why};
use super::cycle::{self, Guarded, Held};
use super::telemetry::{self, Done, Phases};
use super::world::{Gaps, OwnStack, Process};
use super::{audit, early, log, start};
use crate::adopted::{self, Aged};
use crate::gc::cause::Cause;
use crate::gc::limbo::{Doom, Moved};
use crate::gc::pacer::{Knobs, Pacer, Report};
use crate::gc::stats::STATS;
use crate::gc::{self, Abandon, Found, Settings, Sum};
use crate::ground::critical::Critical;
use crate::ground::out;
use crate::heap::live;
use crate::pure::options::{Mode, Options};
use crate::roots::Snapshot;
use crate::sys::process::{self, now_ns, thread_ns};
use crate::sys::{copy, errno, tls};
use crate::threads;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

static PACER: Guarded<Pacer> = Guarded::new(Pacer::new(Knobs { min_growth: usize::MAX, growth: 100 }));

/// An estimate above this is worth a look; MAX until [`begin`] ran, and when nothing can be reclaimed.
static HIGH: AtomicUsize = AtomicUsize::new(usize::MAX);
/// An estimate below this too.
static LOW: AtomicUsize = AtomicUsize::new(0);
/// The option `collect_every`; 0 is off.
static EVERY: AtomicUsize = AtomicUsize::new(0);
/// Each slow path is worth a look: for [`EVERY`], because figures are written now and then, or a collection is not over.
static EACH: AtomicBool = AtomicBool::new(false);
/// See [`never_again`].
static NEVER: AtomicBool = AtomicBool::new(false);

/// From now on the heap's growth starts collections, in gc and audit mode. Called once, when threads can
/// be stopped.
pub fn begin(options: &Options) {
    EACH.store(telemetry::is_wanted_often(), Relaxed);
    if !matches!(options.mode, Mode::Gc | Mode::Audit) {
        return;
    }
    let knobs = Knobs { min_growth: options.min_growth, growth: options.growth as usize };
    // Nobody else asks for the lock yet: HIGH and EVERY say never.
    let Some(mut held) = cycle::try_enter() else { return };
    *PACER.of(&mut held) = Pacer::new(knobs);
    drop(held);
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
    NEVER.store(true, Relaxed);
    EACH.store(false, Relaxed);
    EVERY.store(0, Relaxed);
    LOW.store(0, Relaxed);
    HIGH.store(usize::MAX, Relaxed);
}

/// In the child of a fork: what a copy marks, or has found, is its parent's.
pub fn forked() {
    copied::forked();
    parts::forked();
    tracked::forked();
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
    if copied::is_outstanding() {
        copied::attend();
        if copied::is_waited_for() {
            return;
        }
    }
    if parts::is_pending() {
        return parts::attend();
    }
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
            } else if PACER.of(&mut held).wait(now_ns()) == 0 {
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
    let pacer = PACER.of(&mut held);
    if exact < pacer.base() {
        pacer.shrunk(exact);
    }
    let (base, may) = (pacer.base(), pacer.wait(now) == 0);
    let grown = (exact >= pacer.trigger(now)).then_some(Cause::Growth);
    match grown.or_else(|| early::wanted(&mut held, exact, base, now)).filter(|_| may) {
        Some(cause) => drop(cycle(&mut held, cause)),
        None => watch(&mut held, exact),
    }
}

/// Sets the words that [`poll`] compares with: the next look comes after as much more by the
/// estimate as is missing to the trigger (or a little, if only the time forbids a cycle), or when
/// the heap has become much smaller.
fn watch(held: &mut Held, exact: usize) {
    let (pacer, estimate) = (PACER.of(held), live::estimate());
    let goal = pacer.goal();
    let more = pacer.earliest().saturating_sub(exact).max(goal / 16);
    HIGH.store(estimate.saturating_add(more.min(early::stride(held, goal, exact))), Relaxed);
    LOW.store(estimate.saturating_sub(goal / 4), Relaxed);
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

/// One for `gleaner_collect`, after the one that is under way. Outside of critical sections.
pub fn requested() -> Result<(), Abandon> {
    copied::settle();
    let result = cycle(&mut cycle::enter(), Cause::Request);
    let copied = if copied::is_waited_for() { copied::settle() } else { None };
    copied.unwrap_or(result).map(|_| ())
}

/// How to mark, here (a copy leaves the program its processors), and for those who look for nothing in disguise.
pub fn settings() -> Settings {
    const MOST: u32 = 4;
    let options = start::options();
    let processors = process::processors();
    let markers = match options.markers {
        0 if copy::is_copy() => (processors / 2).clamp(1, MOST),
        0 => processors.min(MOST),
        markers => markers.into(),
    };
    Settings { checkmark: options.checkmark, markers, ..Settings::DEFAULT }
}

/// Who marks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Any,
    /// We, while the program is stopped.
    Stopped,
}

/// A whole collection; what it freed. Or its first half, and a copy marks.
fn cycle(held: &mut Held, cause: Cause) -> Result<Sum, Abandon> {
    cycle_by(held, cause, Way::Any)
}

fn cycle_by(held: &mut Held, cause: Cause, way: Way) -> Result<Sum, Abandon> {
    parts::finish(held);
    // What becomes of limbo is not for two to look at.
    tracked::end();
    match held.run(|held, sp| cycle_from(held, cause, way, sp)) {
        Some(result) => result,
        None => {
            let now = now_ns();
            let phases = Phases { began: now, resumed: now, ..Phases::default() };
            given_up(held, cause, Abandon::NoMemory, live::exact(), &phases);
            Err(Abandon::NoMemory)
        }
    }
}

/// `sp`: the calling thread's registers and frames lie there and above.
fn cycle_from(held: &mut Held, cause: Cause, way: Way, sp: usize) -> Result<Sum, Abandon> {
    let (began, began_cpu) = (now_ns(), thread_ns());
    let before = live::exact();
    let mut phases = Phases { began, ..Phases::default() };
    let wish = match way {
        Way::Any => copied::wanted(held.critical(), cause),
        Way::Stopped => Ok(false),
    };
    let result = match held.snapshot() {
        Some((critical, snapshot)) => stopped_part(critical, snapshot, sp, wish, &mut phases),
        None => Err(Abandon::NoMemory),
    };
    if phases.resumed == 0 {
        phases.resumed = now_ns();
    }
    let cost = thread_ns() - began_cpu;
    match result {
        Ok(Some((found, moved))) => {
            copied::outdated();
            let cost = cost + found.helpers_ns;
            Ok(parts::begin(held, Ended { cause, found, moved, before, phases, cost }))
        }
        Ok(None) => {
            copied::begin(held, Begun { cause, phases, before, cost });
            each_look();
            Ok(Sum::default())
        }
        Err(why) => {
            given_up(held, cause, why, before, &phases);
            Err(why)
        }
    }
}

/// Whether every slow path is to come by from now on.
fn each_look() {
    let pending = copied::is_outstanding() || parts::is_pending();
    let wanted = pending || telemetry::is_wanted_often() || EVERY.load(Relaxed) != 0;
    EACH.store(wanted && !NEVER.load(Relaxed), Relaxed);
}

/// A collection that marked, up to limbo.
struct Ended {
    cause: Cause,
    found: Found,
    moved: Moved,
    /// Bytes of the heap when it began.
    before: usize,
    phases: Phases,
    /// Nanoseconds of processor time.
    cost: u64,
}

/// All is freed: how much that was. For the figures, and the next collection.
fn conclude(held: &mut Held, pending: Pending) -> Sum {
    let Pending { ended, freed, ns, stopped, .. } = pending;
    let Ended { cause, found, moved, before, mut phases, cost } = ended;
    let began = phases.began;
    phases.ended = now_ns();
    STATS.pause(phases.resumed - began);
    STATS.complete(cause, &found);
    STATS.copied.add(phases.is_copied() as u64);
    STATS.moved(&moved);
    STATS.reclaimed(freed, ns);
    let done = Done { found: &found, moved: &moved, freed };
    telemetry::collected(cause.word(), &phases, Ok(done));
    let report = Report {
        before,
        after: live::exact(),
        reachable: found.reachable().bytes,
        roots: found.root_bytes,
        fresh: moved.fresh.bytes,
        reclaimed: freed.bytes,
        began,
        ended: phases.ended,
        cost,
        copied: phases.is_copied(),
    };
    let base = PACER.of(held).base();
    early::complete(held, cause, base, &report);
    PACER.of(held).complete(&report);
    watch(held, report.after);
    tell(
        2,
        format_args!(
            "gc: collection ({}{}): {} bytes reachable, {} roots, {} new in limbo, {} freed; stopped {} us, {} us in all",
            cause.word(),
            match () {
                _ if phases.tracked => ", tracked",
                _ if phases.is_copied() => ", by a copy",
                _ => "",
            },
            report.reachable,
            report.roots,
            report.fresh,
            report.reclaimed,
            (phases.resumed - began + stopped) / 1000,
            (phases.ended - began) / 1000
        ),
    );
    if adopted::anything() {
        let Aged { unreachable, died } = moved.adopted;
        tell(2, format_args!("gc: adopted ranges: {unreachable} unreachable, {died} cleanups due"));
    }
    note_resurrections();
    freed
}

/// Nothing was freed. The heap had `before` bytes when the collection began.
fn given_up(held: &mut Held, cause: Cause, why: Abandon, before: usize, phases: &Phases) {
    let (began, resumed) = (phases.began, phases.resumed);
    STATS.pause(resumed - began);
    STATS.abandon(why);
    early::abandoned(held, cause, began, resumed);
    PACER.of(held).abandoned(before, began, resumed);
    watch(held, before);
    tell(1, format_args!("gc: collection abandoned: {}", why.reason()));
    telemetry::collected(cause.word(), &Phases { ended: resumed, ..*phases }, Err(why));
}

/// Stops the world, marks, moves to limbo. `None`: a copy marks.
fn stopped_part(
    critical: &Critical,
    snapshot: &mut Snapshot,
    sp: usize,
    wish: Result<bool, Why>,
    phases: &mut Phases,
) -> Result<Option<(Found, Moved)>, Abandon> {
    let options = start::options();
    let deadline = now_ns() + options.deadline as u64 * 1_000_000;
    let asked = now_ns();
    let stopped = threads::stop_world(critical, deadline)?;
    let frozen = now_ns();
    phases.frozen = frozen;
    let mut process = Process::new(critical, &stopped, snapshot, OwnStack { sp }, Gaps::Abandon)?;
    let listed = now_ns();
    phases.listed = listed;
    let settings = Settings { disguised: options.disguised, ..settings() };
    let copied = match wish {
        Ok(true) => copied::make(critical, &stopped, &mut process, &settings).map(|()| true),
        other => other,
    };
    match copied {
        Ok(true) => {
            drop(process);
            phases.resumed = stopped.resume();
            return Ok(None);
        }
        Ok(false) => {}
        Err(why) => copies::fell_back(why),
    }
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
    let resumed = stopped.resume();
    phases.resumed = resumed;
    let found = marked.found;
    marked.end(critical);
    tell(
        3,
        format_args!(
            "gc: phases in us: stop {}, list mappings {}, derive {}, mark {} (by {}), limbo {}, resume {}",
            (frozen - asked) / 1000,
            (listed - frozen) / 1000,
            found.derive_ns / 1000,
            found.mark_ns / 1000,
            1 + found.helpers,
            (aged - marking_ended) / 1000,
            (resumed - aged) / 1000,
        ),
    );
    Ok(Some((found, moved)))
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

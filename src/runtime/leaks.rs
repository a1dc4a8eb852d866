//! The leak check: stop, mark, group what is unreachable, resume, report.
//!
//! # Safety
//! Unreachable objects are read while the world is stopped, where they are readable.
#![allow(unsafe_code)]
use super::cycle::{self, Held};
use super::world::{OwnStack, Process, SPARSE};
use super::{exit, log, lost_mappings, lsan, pins, start};
use crate::gc::{self, Abandon, Marked, Settings, Sum, World};
use crate::ground::critical::Critical;
use crate::ground::out;
use crate::heap::{scopes, stacks};
use crate::leak::group::{self, Edges, Group, Kind, Object, Words};
use crate::leak::growth::{self, Growth};
use crate::leak::modules;
use crate::leak::record::{About, Found};
use crate::leak::report::{self, Order, Verdict};
use crate::leak::scratch::List;
use crate::leak::spawn::Until;
use crate::pure::addr::Addr;
use crate::pure::options::Format;
use crate::roots::Snapshot;
use crate::sys::memory::Memory;
use crate::sys::process;
use crate::sys::sandbox::{self, Need};
use crate::threads;
use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, Ordering};

#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub enum Outcome {
    Clean,
    /// Leaks were found and reported, not all of them suppressed.
    Leaked,
    /// The check could not be made.
    Abandoned,
}

/// How long to wait for the lock of cycles.
#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub enum Patience {
    Any,
    /// Whoever holds it may be the code that a signal interrupted.
    Little,
}

/// The check of a process that ends.
pub fn at_exit(patience: Patience) -> Outcome {
    if sandbox::forbids(Need::Collect) {
        // Said before a lock or a clock is touched: any call may be the one that is forbidden.
        return not_made(Abandon::Forbidden);
    }
    if process::pid() != threads::pid() {
        // A child made behind the registry's back: its locks may be held by nobody.
        return Outcome::Abandoned;
    }
    let held = match patience {
        Patience::Any => {
            lsan::ask_rules();
            Some(cycle::enter())
        }
        Patience::Little => cycle::enter_soon(),
    };
    let Some(mut held) = held else { return not_made(Abandon::Stop) };
    held.run(check).unwrap_or(Outcome::Abandoned)
}

/// A check while the program runs. Outside of critical sections.
pub fn now() -> Outcome {
    lsan::ask_rules();
    cycle::enter().run(check).unwrap_or(Outcome::Abandoned)
}

fn check(held: &mut Held, sp: usize) -> Outcome {
    look(held, sp, Growing::Ignored, |critical, seen| match seen {
        Ok(seen) => {
            tell_pins(critical, seen.pinned, &seen.lost);
            tell(critical, "leak", &Found::from(&seen.groups[..]))
        }
        Err(why) => not_made(why),
    })
}

/// Whether a check counts what is live by call stack, and compares it with the one before.
#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub(super) enum Growing {
    Ignored,
    Counted,
}

/// What a check found.
pub(super) struct Seen<'c> {
    /// Reachable memory that there is more of at each check.
    pub growth: List<'c, growth::Growing>,
    /// Of unreachable objects and mappings.
    pub groups: List<'c, Group>,
    /// What only pins lead to.
    pub pinned: Sum,
    pub reachable: Sum,
    /// Pin scopes that nobody can close any more.
    lost: List<'c, u64>,
    /// How long the program was stopped.
    pub stopped_ns: u64,
}

/// Looks for leaks, and calls `then` when the program runs again. On the stack of cycles.
pub(super) fn look<R>(
    held: &mut Held,
    sp: usize,
    growing: Growing,
    then: impl FnOnce(&Critical, Result<Seen<'_>, Abandon>) -> R,
) -> R {
    let Some((critical, snapshot, growth)) = held.snapshot_and_growth() else {
        return then(held.critical(), Err(Abandon::NoMemory));
    };
    modules::refresh(critical);
    let begun = process::now_ns();
    let mut growth = (growing == Growing::Counted && start::watched()).then_some(growth);
    let found = find(critical, snapshot, sp, growth.as_deref_mut());
    let found = found.map(|seen| {
        let now = process::now_ns();
        let growth =
            growth.map_or_else(|| List::new(critical), |growth| growth.end(critical, now / 1_000_000));
        Seen { stopped_ns: now - begun, growth, ..seen }
    });
    then(critical, found)
}

/// What is pinned still, and what nothing but pins leads to. No leaks, and yet forgotten, perhaps.
fn tell_pins(critical: &Critical, pinned: Sum, lost: &[u64]) {
    if !pins::any(critical) {
        return;
    }
    log::with(&mut |fd| {
        if pinned.objects != 0 {
            let Sum { objects, bytes } = pinned;
            out::say(fd, format_args!("only pins lead to {bytes} bytes in {objects} objects"));
        }
        pins::report(critical, fd, lost);
    });
}

/// Scopes that nobody can close any more. The world is stopped.
fn lost_scopes(critical: &Critical, marked: &Marked, lost: &mut List<'_, u64>) {
    let mut memory = None;
    scopes::each(critical, |scope| {
        let (memory, mut word) = (memory.get_or_insert_with(Memory::open), [0]);
        let intact = memory.read_words(Addr(scope.home), &mut word) == Ok(1) && word[0] as u64 == scope.word;
        if !intact || marked.resolve(scope.home).is_some() {
            // Without memory for the list it is reported as an open one.
            let _ = lost.push(scope.word);
        }
    });
}

/// A child of fork ends by `_exit`, as most do that live for a moment: what could not be looked for there is not told.
pub(super) static MINOR: AtomicBool = AtomicBool::new(false);

pub(super) fn not_made(why: Abandon) -> Outcome {
    if MINOR.load(Ordering::Relaxed) && start::options().verbose == 0 {
        return Outcome::Abandoned;
    }
    log::with(&mut |fd| out::say(fd, format_args!("no leak check: {}", why.reason())));
    Outcome::Abandoned
}

/// The world is stopped meanwhile. `sp`: the calling thread's registers and frames lie there and above.
fn find<'c>(
    critical: &'c Critical,
    snapshot: &mut Snapshot,
    sp: usize,
    growth: Option<&mut Growth>,
) -> Result<Seen<'c>, Abandon> {
    let deadline = process::now_ns() + start::options().deadline as u64 * 1_000_000;
    let stopped = threads::stop_world(critical, deadline)?;
    let (_, hi) = stopped.me().stack();
    let own = OwnStack { sp: exit::live_from(sp, if hi == 0 { usize::MAX } else { hi }) };
    let mut host = Process::new(critical, &stopped, snapshot, own)?;
    let settings = Settings { checkmark: start::options().checkmark, disguised: false };
    let marked = gc::mark(critical, &mut host, &settings)?;
    let mut lost = List::new(critical);
    lost_scopes(critical, &marked, &mut lost);
    let mut groups = group_all(critical, &marked, &mut host);
    if let Ok(groups) = &mut groups {
        // The leaks of the heap are told even so.
        let _: Result<(), Abandon> = lost_mappings::find(critical, &marked, &mut host, groups);
    }
    if let Some(growth) = growth {
        count(critical, &marked, growth);
    }
    let (pinned, reachable) = (marked.found.pinned, marked.found.reachable());
    marked.end(critical);
    Ok(Seen { groups: groups?, growth: List::new(critical), pinned, reachable, lost, stopped_ns: 0 })
}

/// What is live, by the stacks that allocated it.
fn count(critical: &Critical, marked: &Marked, growth: &mut Growth) {
    growth.begin(critical);
    marked.each_reachable(|o| {
        let origin = o.origin();
        if !matches!(origin.stack, 0 | stacks::IGNORED) {
            growth.add(critical, origin.stack, o.size() - origin.slack as usize);
        }
    });
}

fn group_all<'c>(
    critical: &'c Critical,
    marked: &Marked,
    host: &mut Process<'_>,
) -> Result<List<'c, Group>, Abandon> {
    let mut objects: List<'c, Object> = List::new(critical);
    let mut full = false;
    marked.each_unreachable(|o| {
        let origin = o.origin();
        let size = o.size() - origin.slack as usize;
        let object = Object { addr: o.addr().0, size, stack: origin.stack, kind: Kind::Direct };
        full |= objects.push(object).is_err();
    });
    if full {
        return Err(Abandon::NoMemory);
    }
    // SAFETY: the marker saw each object in a live span; the closure leaves out what the host
    // made unreadable.
    let words = unsafe { Words::new() };
    let host = RefCell::new(host);
    let edges = |o: &Object, each: &mut dyn FnMut(usize)| {
        let (lo, hi) = (Addr(o.addr), Addr(o.addr).add(o.size));
        if o.size < SPARSE && marked.is_readable(lo, o.size) {
            return words.each(o, each);
        }
        // Gigabytes may be leaked of which nothing was ever touched.
        let read = host.borrow_mut().large(lo, hi, &mut |lo, hi| words.each_of(lo, hi, each));
        // What cannot be read leads nowhere: then more objects are called direct.
        let _: Result<(), Abandon> = read;
    };
    group::run(critical, &mut objects, &edges).map_err(|_| Abandon::NoMemory)
}

/// Reports what was found in this mode, if anything was.
pub(super) fn tell(critical: &Critical, mode: &str, found: &Found<'_>) -> Outcome {
    tell_until(critical, mode, found, Until::End)
}

/// Reports without waiting for the names.
pub(super) fn tell_while_running(critical: &Critical, seen: &Seen<'_>) {
    tell_pins(critical, seen.pinned, &seen.lost);
    let found = Found { growth: &seen.growth, ..Found::from(&seen.groups[..]) };
    tell_until(critical, "leak", &found, Until::Begin);
    if seen.groups.is_empty() && start::options().verbose > 0 {
        let Sum { objects, bytes } = seen.reachable;
        log::with(&mut |fd| {
            out::say(fd, format_args!("no leaks; {bytes} bytes in {objects} objects are reachable"));
        });
    }
}

fn tell_until(critical: &Critical, mode: &str, found: &Found<'_>, until: Until) -> Outcome {
    let options = start::options();
    let mut outcome = Outcome::Clean;
    // A program that goes on is not told at each check that there is nothing.
    if found.is_empty() && (options.format == Format::Text || until == Until::Begin) {
        return outcome;
    }
    log::with(&mut |fd| {
        let order = Order {
            out: fd,
            symbolizer: options.symbolizer.as_bytes(),
            suppressions: options.suppressions.as_bytes(),
            until,
            format: options.format,
        };
        let about = About { mode, notes: &[], rules: lsan::rules() };
        if report::finish(critical, &order, &about, found) == Verdict::Leaks {
            outcome = Outcome::Leaked;
        }
    });
    outcome
}

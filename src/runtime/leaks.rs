//! The leak check: stop, mark, group what is unreachable, resume, report.
//!
//! # Safety
//! Unreachable objects are read while the world is stopped, where they are readable.
#![allow(unsafe_code)]
use super::copies::{self, Shared, Why};
use super::cycle::{self, Held};
use super::world::{Gaps, OwnStack, Process, SPARSE};
use super::{check, collect, exit, holders, log, lost_mappings, lsan, pins, possible, start};
use crate::gc::{self, Abandon, Marked, Sum};
use crate::ground::critical::Critical;
use crate::ground::out;
use crate::heap::stacks;
use crate::leak::group::{self, Group, Grouped, Kind, Object, Typed, Words};
use crate::leak::growth::{self, Growth};
use crate::leak::history::{History, Row};
use crate::leak::holders::Way;
use crate::leak::modules;
use crate::leak::record::{About, Found};
use crate::leak::report::{self, Order, Verdict};
use crate::leak::scratch::{Full, List};
use crate::leak::spawn::Until;
use crate::leak::tree::Node;
use crate::leak::types::{self, Types};
use crate::pure::addr::Addr;
use crate::pure::options::Format;
use crate::roots::Snapshot;
use crate::sys::process;
use crate::sys::sandbox::{self, Need};
use crate::threads::{self, WorldStopped};
use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Less than this is marked before a copy would have been made, bytes.
const WORTH_IT: usize = 4 << 20;

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
            let held = cycle::enter();
            // What it tells comes before.
            copies::wait();
            Some(held)
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
    let told = look(held, sp, Sort::Last, |critical, seen| match seen {
        Ok(seen) => {
            pins::tell(critical, seen.pinned, &seen.lost);
            tell(critical, "leak", &seen.found(), seen.unseen.as_slice())
        }
        Err(why) => not_made(why),
    });
    told.unwrap_or(Outcome::Abandoned)
}

/// What the program does afterwards.
#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub(super) enum Sort {
    /// It ends, or waits for what is found.
    Last,
    /// It goes on. What is live is counted by call stack, and compared with the check before. A copy of the process may
    /// do it.
    Live(Work),
    /// It goes on, and a copy could not do it.
    Again,
}

/// For a copy of the process.
#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub(super) struct Work {
    /// The descriptor that it keeps; negative: none.
    pub keep: i32,
    /// Whether it asks for another check if it cannot do its work. Else somebody waits who will.
    pub again: bool,
}

/// How the marking went, for the reader of the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Marking {
    /// With the program stopped; against the wish, for this reason.
    Stopped(Option<Why>),
    /// In a copy of it, in so many nanoseconds.
    Copied(u64),
}

/// What a check found.
pub(super) struct Seen<'c> {
    /// Reachable memory that there is more of at each check.
    pub growth: List<'c, growth::Growing>,
    /// What holds it.
    ways: List<'c, Way>,
    /// The largest stacks, whether they grow or not.
    sites: List<'c, growth::Live>,
    /// Of unreachable objects and mappings.
    pub groups: List<'c, Group>,
    /// What is known of their types.
    pub typed: List<'c, Typed>,
    pub types: Types<'c>,
    pub tree: List<'c, Node>,
    /// The checks so far, with this one.
    pub history: List<'c, Row>,
    /// What only pins lead to.
    pub pinned: Sum,
    pub reachable: Sum,
    /// Why some of what is told may be held by the kernel.
    pub unseen: Option<&'static str>,
    /// Pin scopes that nobody can close any more.
    lost: List<'c, u64>,
    /// How long the program was stopped.
    pub stopped_ns: u64,
    pub marking: Marking,
}

/// Looks for leaks, and calls `then` when the program runs again. On the stack of cycles. `None`: a copy of the process
/// looks, and calls it.
pub(super) fn look<R>(
    held: &mut Held,
    sp: usize,
    sort: Sort,
    then: impl FnOnce(&Critical, Result<Seen<'_>, Abandon>) -> R,
) -> Option<R> {
    let Some((critical, snapshot)) = held.snapshot() else {
        return Some(then(held.critical(), Err(Abandon::NoMemory)));
    };
    modules::refresh(critical);
    let shared = if sort == Sort::Last { None } else { copies::prepare(critical) };
    let wish = match sort {
        Sort::Last => Err(None),
        Sort::Again => Err(copies::verdict()),
        Sort::Live(_) if !copies::is_worth_it(WORTH_IT) => Err(None),
        Sort::Live(work) => copies::may_try().map(|()| work).map_err(Some),
    };
    let begun = process::now_ns();
    let mut then = Some(then);
    let mut tell = |found: Result<Seen<'_>, Abandon>| drop(then.take().map(|then| then(critical, found)));
    let found = match while_stopped(critical, snapshot, sp, (wish, shared), &mut tell) {
        Ok(None) => return None,
        Ok(Some((mut seen, why))) => {
            seen.end(process::now_ns() - begun, Marking::Stopped(why));
            Ok(seen)
        }
        Err(why) => Err(why),
    };
    then.map(|then| then(critical, found))
}

/// A copy to be made, for this work, or why not.
type Wish = Result<Work, Option<Why>>;

/// What is found, and why not by a copy if one was wanted; `None`: a copy will `tell`. `sp`: the calling thread's
/// registers and frames lie there and above.
fn while_stopped<'c>(
    critical: &'c Critical,
    snapshot: &mut Snapshot,
    sp: usize,
    (wish, shared): (Wish, Option<&'static Shared>),
    tell: &mut dyn FnMut(Result<Seen<'_>, Abandon>),
) -> Result<Option<(Seen<'c>, Option<Why>)>, Abandon> {
    let asked = process::now_ns();
    let deadline = asked + start::options().deadline as u64 * 1_000_000;
    let stopped = threads::stop_world(critical, deadline)?;
    let (_, hi) = stopped.me().stack();
    let own = OwnStack { sp: exit::live_from(sp, if hi == 0 { usize::MAX } else { hi }) };
    let mut host = Process::new(critical, &stopped, snapshot, own, Gaps::Told)?;
    let copied = wish.and_then(|work| in_copy(critical, &stopped, &mut host, work, tell).map_err(Some));
    let Err(why) = copied else {
        drop(host);
        copies::resumed(stopped.resume() - asked);
        return Ok(None);
    };
    if let Some(why) = why {
        copies::fell_back(why);
    }
    find(critical, &mut host, shared).map(|seen| Some((seen, why)))
}

/// Makes a copy of the process that looks for leaks. The world is stopped.
fn in_copy(
    critical: &Critical,
    stopped: &WorldStopped<'_>,
    host: &mut Process<'_>,
    work: Work,
    tell: &mut dyn FnMut(Result<Seen<'_>, Abandon>),
) -> Result<(), Why> {
    let tops = copies::ready(critical, host)?;
    let tid = stopped.me().tid.load(Ordering::Relaxed);
    copies::make(stopped, tops, work.keep, &mut |shared| {
        let begun = process::now_ns();
        if let Err(why) = copies::is_whole(host.snapshot()) {
            shared.give_up(why);
            if work.again {
                check::ask_again(shared, tid);
            }
            return;
        }
        let mut found = find(critical, host, Some(shared));
        if let Ok(seen) = &mut found {
            let marking = Marking::Copied(process::now_ns() - begun);
            seen.end(shared.stopped_ns(), marking);
        }
        tell(found);
    })
}

impl<'c> Seen<'c> {
    /// What is known when the world runs again.
    fn end(&mut self, stopped_ns: u64, marking: Marking) {
        (self.stopped_ns, self.marking) = (stopped_ns, marking);
    }
    /// What the record is made of.
    pub fn found(&self) -> Found<'_> {
        let (growth, typed, tree) = (&self.growth, &self.typed, &self.tree);
        let (history, ways) = (&self.history, &self.ways);
        Found {
            growth,
            ways,
            typed,
            tree,
            history,
            sites: &self.sites,
            types: self.types.names(),
            ..Found::from(&self.groups[..])
        }
    }
}

/// What is kept of checks, if anything is and no copy works on it.
fn with_kept<R>(shared: Option<&Shared>, f: impl FnOnce(&mut Growth, &mut History) -> R) -> Option<R> {
    // SAFETY: the cycle's lock is held, and neither user of this comes here again.
    unsafe { copies::with_kept(shared.filter(|_| start::watched())?, f) }
}

/// The checks so far. One of a program that goes on is kept, with what grew; at the program's end only its sums are known.
fn kept<'c>(
    critical: &'c Critical,
    marked: &Marked,
    shared: Option<&'static Shared>,
) -> (List<'c, growth::Growing>, List<'c, Row>, List<'c, growth::Live>) {
    let (mut growing, mut history) = (List::new(critical), List::new(critical));
    let mut sites = List::new(critical);
    let reachable = marked.found.reachable();
    let (bytes, objects) = (reachable.bytes as u64, reachable.objects as u64);
    let (ms, lost) = (process::now_ns() / 1_000_000, marked.found.unreachable.bytes as u64);
    let row = Row { ms, bytes, objects, lost, ..Row::default() };
    // Without memory for it there is no timeline.
    let mut copy = |rows: &[Row]| rows.iter().try_for_each(|row| history.push(*row));
    let done = match shared {
        Some(_) => with_kept(shared, |growth, history| {
            growing = count(critical, marked, growth);
            sites = growth.largest(critical);
            history.push(Row { top: growth.top(), ..row });
            copy(history.rows())
        }),
        None => with_kept(copies::known(), |_, history| match history.rows() {
            [] => Ok(()),
            rows => copy(rows).and_then(|()| copy(&[row])),
        }),
    };
    let _: Option<Result<(), Full>> = done;
    (growing, history, sites)
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

/// The world is stopped meanwhile, or this is a copy of it.
fn find<'c>(
    critical: &'c Critical,
    host: &mut Process<'_>,
    shared: Option<&'static Shared>,
) -> Result<Seen<'c>, Abandon> {
    let marked = gc::mark(critical, host, &collect::settings())?;
    let mut lost = List::new(critical);
    pins::lost_scopes(critical, &marked, &mut lost);
    let mut types = Types::new(critical);
    let mut grouped = group_all(critical, &marked, host, &mut types);
    if let Ok(grouped) = &mut grouped {
        // The leaks of the heap are told even so.
        let _: Result<(), Abandon> = lost_mappings::find(critical, &marked, host, &mut grouped.groups);
    }
    let (mut growth, history, sites) = kept(critical, &marked, shared);
    for site in growth.iter_mut() {
        site.of = marked.object(site.sample).map_or(types::NONE, |o| type_of(&marked, &o, &mut types));
    }
    // Without it what grows is told all the same.
    let ways = holders::find(critical, &marked, host, &growth).unwrap_or(List::new(critical));
    let (pinned, reachable) = (marked.found.pinned, marked.found.reachable());
    marked.end(critical);
    let marking = Marking::Stopped(None);
    let Grouped { groups, typed, tree } = grouped?;
    Ok(Seen {
        groups,
        ways,
        typed,
        tree,
        history,
        types,
        growth,
        sites,
        pinned,
        reachable,
        unseen: host.unseen(),
        lost,
        stopped_ns: 0,
        marking,
    })
}

/// The type of an object, if it has a vtable. The world is stopped.
fn type_of(marked: &Marked, o: &gc::Object, types: &mut Types<'_>) -> u16 {
    let (at, size) = (o.addr(), o.size() - o.origin().slack as usize);
    let word = |at: Addr| {
        // SAFETY: a whole word of an object that the marker saw in a live span, which the host left readable.
        unsafe { at.ptr::<usize>().read_volatile() }
    };
    if size < size_of::<usize>() || size >= SPARSE || !marked.is_readable(at, size) {
        return types::NONE;
    }
    let second = if size >= 2 * size_of::<usize>() { word(at.add(size_of::<usize>())) } else { 0 };
    types.of(word(at), second, size)
}

/// Counts what is live by the stacks that allocated it. What there is more of than before.
fn count<'c>(critical: &'c Critical, marked: &Marked, growth: &mut Growth) -> List<'c, growth::Growing> {
    growth.begin(critical);
    marked.each_reachable(|o| {
        let origin = o.origin();
        if !matches!(origin.stack, 0 | stacks::IGNORED) {
            growth.add(critical, origin.stack, o.addr(), o.size() - origin.slack as usize);
        }
    });
    growth.end(critical, process::now_ns() / 1_000_000)
}

fn group_all<'c>(
    critical: &'c Critical,
    marked: &Marked,
    host: &mut Process<'_>,
    types: &mut Types<'_>,
) -> Result<Grouped<'c>, Abandon> {
    let mut objects: List<'c, Object> = List::new(critical);
    let mut full = false;
    marked.each_unreachable(|o| {
        let origin = o.origin();
        let size = o.size() - origin.slack as usize;
        let of = type_of(marked, &o, types);
        let object = Object { addr: o.addr().0, size, stack: origin.stack, of, kind: Kind::Direct };
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
        possible::parts(marked, &host, o, &mut |lo, hi| words.each_of(lo, hi, each));
    };
    objects.sort_unstable_by_key(|object| object.addr);
    // If not all can be read, what was found is told as lost: as it was without this.
    let _: Result<(), Abandon> = possible::find(critical, marked, &host, &mut objects, &edges);
    group::run(critical, &mut objects, &edges).map_err(|_| Abandon::NoMemory)
}

/// Reports what was found in this mode, if anything was.
pub(super) fn tell(critical: &Critical, mode: &str, found: &Found<'_>, notes: &[&str]) -> Outcome {
    tell_until(critical, mode, found, notes, Until::End)
}

/// Reports without waiting for the names.
pub(super) fn tell_while_running(critical: &Critical, seen: &Seen<'_>) {
    pins::tell(critical, seen.pinned, &seen.lost);
    tell_until(critical, "leak", &seen.found(), seen.unseen.as_slice(), Until::Begin);
    if seen.groups.is_empty() && start::options().verbose > 0 {
        let Sum { objects, bytes } = seen.reachable;
        log::with(&mut |fd| {
            out::say(fd, format_args!("no leaks; {bytes} bytes in {objects} objects are reachable"));
        });
    }
}

fn tell_until(critical: &Critical, mode: &str, found: &Found<'_>, notes: &[&str], until: Until) -> Outcome {
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
        let about = About { mode, notes, rules: lsan::rules() };
        if report::finish(critical, &order, &about, found) == Verdict::Leaks {
            outcome = Outcome::Leaked;
        }
    });
    outcome
}

//! Leak checks of a program that goes on: somebody else asks (`gleaner check PID`), a signal of the user's choice
//! comes (`check_signal`), or it is time again (`check_every`).
//!
//! The command sends a *visit* (`threads::visits`), a signal with a number, and listens at a datagram socket whose
//! name has that number in it: an abstract one, or one in a directory that both can see. The thread that
//! gets the signal finds a socket that somebody listens at (a visitor that is gone is nobody), says *begun*, checks
//! and sends *done* with a file in memory that holds the record. So nothing is written to a disk, no thread
//! of ours is needed and nothing stays open; and whoever may signal the process can have its answer, across
//! mount, network and user namespaces. A visit at a wrong moment goes unanswered, and the command repeats it.
//!
//! ```text
//! gleaner-check 1 begun
//! gleaner-check 1 done                 with a descriptor of the record
//! gleaner-check 1 copied               with a pipe's: a copy of the process writes the record into it
//! gleaner-check 1 refused <reason>
//! ```
//! Whoever wants figures only (`gleaner stat`) listens at a name with `stat` for `check`: nobody is stopped, and
//! what is enclosed is a line of JSON ([`metrics`]).
use super::copies::{self, Shared};
use super::cycle::{self, Held};
use super::leaks::{self, Marking, Seen, Sort, Work};
use super::{exit, fork, lsan, metrics, pins, start};
use crate::gc::Abandon;
use crate::ground::critical::Critical;
use crate::ground::out::Line;
use crate::leak::record::{self, About};
use crate::pure::options::{Mode, Options};
use crate::sys::file::{self, Fd};
use crate::sys::letter::{self, Address};
use crate::sys::sandbox::{self, Need};
use crate::sys::{copy, process, signal, timer};
use crate::threads;
use crate::threads::visits::{self, Visit};
use crate::threads::watched::{self, At};
use core::fmt::Write;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

/// Where the visitor may listen: in the network namespace, or as a file.
const PLACES: &[&[u8]] =
    &[b"\0gleaner-", b"/tmp/.gleaner-", b"/dev/shm/.gleaner-", b"/run/.gleaner-", b"/var/tmp/.gleaner-"];

/// What a visitor wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    Check,
    Figures,
}
impl Wish {
    /// In the name of its socket.
    fn word(self) -> &'static [u8] {
        match self {
            Wish::Check => b"check-",
            Wish::Figures => b"stat-",
        }
    }
}

/// The visit that was taken up last. Written under the cycle's lock.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Called once, at start-up.
pub fn begin(options: &Options) {
    visits::receive_by(visited);
    if start::tells_leaks() {
        options.check_signal.each().for_each(|signal| watched::watch(signal, At::Check));
        start_timer();
    }
    if start::watched() {
        let chosen = options.on_signal.each().filter(|&signal| !options.check_signal.has(signal));
        chosen.for_each(|signal| watched::watch(signal, At::Death));
    }
}

/// The kernel's timer of the option `check_every`, or -1.
static TIMER: AtomicI32 = AtomicI32::new(-1);

fn start_timer() {
    let seconds = start::options().check_every;
    if seconds != 0
        && let Ok(id) = timer::create(threads::signal_number(), visits::TIMER)
    {
        TIMER.store(id, Relaxed);
        let _ = timer::every(id, seconds.into());
    }
}

/// In the child of a fork: timers stay with the parent.
pub fn forked() {
    let had = TIMER.swap(-1, Relaxed) >= 0;
    if had && start::options().follow {
        start_timer();
    }
}

/// A sandbox is about to be entered that may forbid what the timer's signal leads to.
pub fn pause() {
    let id = TIMER.load(Relaxed);
    if id >= 0 {
        let _ = timer::set(id, 0);
    }
}

fn visited(visit: Visit) -> bool {
    if sandbox::forbids(Need::Collect) {
        return true;
    }
    match visit {
        Visit::Request(AGAIN) => logged(visit),
        Visit::Request(number) => sandbox::forbids(Need::Answer) || requested(number),
        Visit::Timer | Visit::Wanted => logged(visit),
        Visit::Death(_) => {
            exit::by_signal();
            true
        }
    }
}

/// The number of a visit by a copy of the process that could not do its work. No command's.
const AGAIN: u64 = 0;

/// In the copy: the process shall check for itself.
pub fn ask_again(shared: &Shared, tid: i32) {
    const TRIES: u32 = 200;
    const NAP_NS: i64 = 20_000_000;
    let pid = threads::pid();
    for round in 0..TRIES {
        if shared.was_taken_up() {
            return;
        }
        // A thread at a bad moment does nothing; it may have ended, too.
        let whom = if round % 2 == 0 { tid } else { pid };
        let _ = signal::send_marked(pid, whom, threads::signal_number(), visits::MARK);
        process::sleep_ns(NAP_NS);
    }
}

/// A check whose report goes to the log.
fn logged(visit: Visit) -> bool {
    if process::pid() != threads::pid() || fork::is_child() && !start::options().follow {
        return true;
    }
    let Some(mut held) = cycle::try_enter() else { return false };
    let again = visit == Visit::Request(AGAIN);
    if again && !copies::is_rejected() {
        return true;
    }
    // Where the log is a file it is opened by name.
    let keep = if start::options().log.is_empty() { 2 } else { -1 };
    let sort = if again { Sort::Again } else { Sort::Live(Work { keep, again: true }) };
    held.run(|held, sp| {
        leaks::look(held, sp, sort, |critical, seen| match seen {
            Ok(seen) => {
                if copies::is_news(sum_of(&seen)) || !matches!(visit, Visit::Timer) {
                    leaks::tell_while_running(critical, &seen);
                }
            }
            Err(why) => drop(leaks::not_made(why)),
        });
    });
    true
}

fn sum_of(seen: &Seen<'_>) -> u64 {
    let words = seen.groups.iter().flat_map(|g| [g.kind as u64, u64::from(g.stack), g.bytes, g.objects]);
    words.fold(1, |sum: u64, word| (sum.rotate_left(23) ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25))
}

/// Whether the visit was answered, or needs no answer.
fn requested(number: u64) -> bool {
    // A child made behind the registry's back has locks that may be held by nobody.
    if process::pid() != threads::pid() {
        return true;
    }
    let Some(mut held) = cycle::try_enter() else { return false };
    if TAKEN.load(Relaxed) == number {
        return true;
    }
    // Who wants a check repeats it.
    let wishes: &[Wish] =
        if copies::is_worth_waiting_for() { &[Wish::Figures] } else { &[Wish::Check, Wish::Figures] };
    let done = held.run(|held, sp| {
        match find_visitor(number, wishes) {
            Some((visitor, Wish::Check)) => answer(held, sp, &visitor),
            Some((visitor, Wish::Figures)) => figures(&visitor),
            None if !wishes.contains(&Wish::Check) => return false,
            None => {}
        }
        TAKEN.store(number, Relaxed);
        true
    });
    done == Some(true)
}

/// The first place where somebody listens; he is told.
#[inline(never)]
fn find_visitor(number: u64, wishes: &[Wish]) -> Option<(Address, Wish)> {
    let mut name = Line::new();
    let _ = write!(name, "{number:016x}");
    let places = PLACES.iter().flat_map(|place| wishes.iter().map(move |wish| (place, *wish)));
    let mut all = places
        .filter_map(|(place, wish)| Some((Address::new(&[place, wish.word(), name.as_bytes()])?, wish)));
    all.find(|(place, _)| say(place, format_args!("begun"), None))
}

#[inline(never)]
fn figures(visitor: &Address) {
    let written = letter::paper(c"gleaner-stat").ok().filter(|paper| {
        let mut done = true;
        metrics::json(&mut |text| done &= paper.write_all(text).is_ok());
        done && file::rewind(paper.raw()).is_ok()
    });
    match written {
        Some(paper) => drop(say(visitor, format_args!("done"), Some(&paper))),
        None => drop(say(visitor, format_args!("refused {}", Abandon::NoMemory.reason()), None)),
    }
}

/// Whether it arrived.
fn say(visitor: &Address, what: core::fmt::Arguments<'_>, enclosed: Option<&Fd>) -> bool {
    let mut text = Line::new();
    let _ = write!(text, "gleaner-check 1 {what}");
    letter::send(visitor, text.as_bytes(), enclosed).is_ok()
}

/// By a letter, or through a pipe whose end is in a letter: then a copy of the process writes into it what would have
/// been enclosed, and nothing if the visitor is to ask again.
#[inline(never)]
fn answer(held: &mut Held, sp: usize, visitor: &Address) {
    let out_of_the_way = |(reads, writes)| (letter::out_of_the_way(reads), letter::out_of_the_way(writes));
    let pipe = if sandbox::forbids(Need::Copy) { None } else { file::pipe().ok().map(out_of_the_way) };
    let sort = match &pipe {
        Some((_, writes)) => Sort::Live(Work { keep: writes.raw(), again: false }),
        None => Sort::Again,
    };
    let answered = leaks::look(held, sp, sort, |critical, seen| match (seen, &pipe) {
        (Err(why), Some((_, writes))) if copy::is_copy() => {
            let mut text = Line::new();
            let _ = write!(text, "refused {}", why.reason());
            let _ = writes.write_all(text.as_bytes());
        }
        (Ok(seen), Some((_, writes))) if copy::is_copy() => drop(written(critical, &seen, writes)),
        (Err(why), _) => drop(say(visitor, format_args!("refused {}", why.reason()), None)),
        (Ok(seen), _) => match paper(critical, &seen) {
            Some(record) => drop(say(visitor, format_args!("done"), Some(&record))),
            None => drop(say(visitor, format_args!("refused {}", Abandon::NoMemory.reason()), None)),
        },
    });
    if let (None, Some((reads, _))) = (answered, &pipe) {
        say(visitor, format_args!("copied"), Some(reads));
    }
}

fn paper(critical: &Critical, seen: &Seen<'_>) -> Option<Fd> {
    let record = letter::paper(c"gleaner-check").ok()?;
    written(critical, seen, &record)?;
    file::rewind(record.raw()).ok()?;
    Some(record)
}

/// How the program fared meanwhile.
fn marking(seen: &Seen<'_>) -> Line {
    let mut text = Line::new();
    let _ = match seen.marking {
        Marking::Copied(ns) => {
            write!(text, "a copy of the program was marked in {} ms, while it ran", ns / 1_000_000)
        }
        Marking::Stopped(Some(why)) => write!(
            text,
            "the program was stopped while its memory was marked, for no copy could be made: {}",
            why.reason()
        ),
        Marking::Stopped(None) => Ok(()),
    };
    text
}

/// Writes the record.
fn written(critical: &Critical, seen: &Seen<'_>, record: &Fd) -> Option<()> {
    let mut sizes = Line::new();
    let (reachable, us) = (seen.reachable, seen.stopped_ns / 1000);
    let _ = write!(
        sizes,
        "{} bytes in {} objects are reachable; the program was stopped for {}.{:03} ms",
        reachable.bytes,
        reachable.objects,
        us / 1000,
        us % 1000
    );
    let mut pinned = Line::new();
    if seen.pinned.objects != 0 && pins::any(critical) {
        let _ = write!(
            pinned,
            "only pins lead to {} bytes in {} objects",
            seen.pinned.bytes, seen.pinned.objects
        );
    }
    let stackless = match start::options().mode {
        Mode::Gc => "mode gc keeps no call stacks; run the program in mode leak to have them",
        _ => "",
    };
    let marking = marking(seen);
    let unseen = seen.unseen.unwrap_or_default();
    let notes =
        [sizes.as_bytes(), marking.as_bytes(), pinned.as_bytes(), stackless.as_bytes(), unseen.as_bytes()];
    // All of them are ASCII.
    let mut notes = notes.map(|note| core::str::from_utf8(note).unwrap_or_default());
    notes.sort_unstable_by_key(|note| note.is_empty());
    let told = notes.iter().filter(|note| !note.is_empty()).count();
    let about = About { mode: "leak", notes: &notes[..told], rules: lsan::rules() };
    record::write(record.raw(), &about, &seen.found()).ok()
}

//! What the library tells of itself in figures: one table, written as a line of JSON (`stats=json`, `gleaner stat`)
//! and as Prometheus' text (`prometheus=`).
//!
//! Nobody is stopped for it and no lock is held but while pages are counted: figures of one line may be of different moments.
//! docs/stat.schema.json has the names; a name is never used for something else again.
use super::copies;
use super::{early, info, start};
use crate::gc::Abandon;
use crate::gc::cause::Cause;
use crate::gc::stats::STATS;
use crate::ground::out::Line;
use crate::heap::live;
use crate::leak::unwind::memo;
use crate::pure::options::{Mode, Value};
use crate::sys::copy;
use crate::threads;
use core::fmt::Write;
use core::sync::atomic::Ordering::Relaxed;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    /// It may fall.
    Gauge,
    Counter,
}

/// One figure, or several of one name.
pub struct Metric<'a> {
    pub name: &'static str,
    pub sort: Sort,
    /// As docs/stat.schema.json has it.
    pub help: &'static str,
    pub values: Values<'a>,
}
pub enum Values<'a> {
    One(u64),
    /// A value for each word; what the words are.
    By(&'static str, &'a [(&'static str, u64)]),
}

/// Calls `tell` with all of them.
pub fn each(tell: &mut dyn FnMut(&Metric<'_>)) {
    let mut gauge = |name, help, value: u64| {
        tell(&Metric { name, sort: Sort::Gauge, help, values: Values::One(value) });
    };
    let f = info::figures();
    gauge("heap_live_bytes", "Bytes in objects", f.live as u64);
    gauge("heap_free_bytes", "Bytes that are free and resident", f.free as u64);
    gauge("heap_mapped_bytes", "Address space of the page allocator", f.mapped as u64);
    gauge("heap_spans", "Runs of pages with objects", f.spans as u64);
    gauge("heap_huge_objects", "Objects with mappings of their own", f.huge as u64);
    gauge("heap_huge_bytes", "Their bytes", f.huge_bytes as u64);
    gauge("reachable_objects", "Reachable at the last collection", STATS.reachable.objects.get());
    gauge("reachable_bytes", "Their bytes", STATS.reachable.bytes.get());
    gauge("root_bytes", "Bytes of roots read by the last collection", STATS.root_bytes.get());
    gauge("root_heap_words", "Words of roots that point into the heap, estimated", STATS.root_words.get());
    gauge("root_integers", "Those of them that are plain integers, estimated", STATS.root_integers.get());
    gauge("chance_bytes", "Bytes of objects that those point to, estimated", STATS.held.get());
    gauge("limbo_objects", "Found unreachable and not yet reclaimed", STATS.limbo.objects.get());
    gauge("limbo_bytes", "Their bytes", STATS.limbo.bytes.get());
    gauge(
        "pause_last_microseconds",
        "How long the last collection stopped the program",
        us(&STATS.pause_last),
    );
    gauge("pause_longest_microseconds", "The longest such stop", us(&STATS.pause_longest));
    gauge("memory_limit_bytes", "The control group's tightest limit of memory, 0: none", early::LIMIT.get());
    gauge("memory_used_bytes", "What is used of it", early::USED.get());
    gauge("reclaims", "1 if unreachable objects are reclaimed", u64::from(reclaims()));
    let mut count = |name, help, value: u64| {
        tell(&Metric { name, sort: Sort::Counter, help, values: Values::One(value) });
    };
    count("cycles", "Complete collections", STATS.cycles.get());
    count("cycles_copied", "Of them marked by a copy of the process", STATS.copied.get());
    count("pause_microseconds", "All stops for collections together", us(&STATS.pause_total));
    count("reclaim_microseconds", "Time of freeing, beside the program", us(&STATS.reclaim_total));
    count("reclaimed_objects", "Reclaimed", STATS.reclaimed.objects.get());
    count("reclaimed_bytes", "Their bytes", STATS.reclaimed.bytes.get());
    count("revived_objects", "Found reachable again in limbo", STATS.revived.objects.get());
    count(
        "resurrected_objects",
        "Used by the program in limbo: it hides pointers",
        live::RESURRECTED.load(Relaxed),
    );
    count("disguised_objects", "Kept for a pointer in disguise", STATS.disguised.get());
    let c = threads::counters();
    count("stops", "Stops of all threads, for collections and checks", c.stops);
    count("stops_given_up", "Of them given up", c.abandoned);
    count("stop_signals", "Signals that were sent for them", c.signals);
    count("calls_begun_again", "System calls that a stop interrupted and that were begun again", c.rewound);
    count("calls_not_begun_again", "Others, which ended with EINTR", c.eintr_unrewound);
    let checks = if start::options().mode == Mode::Gc { 0 } else { copies::made() };
    count("checks_copied", "Leak checks made by a copy of the process", checks);
    let [stacks, _, _, without] = memo::counts();
    count("stacks", "Call stacks that were taken", stacks + without);
    by_word(tell);
}

/// Figures of several values.
fn by_word(tell: &mut dyn FnMut(&Metric<'_>)) {
    let mut count = |name, help, values| tell(&Metric { name, sort: Sort::Counter, help, values });
    let reasons = Abandon::ALL.map(|why| (why.reason(), STATS.abandoned[why as usize].get()));
    count("cycles_abandoned", "Collections given up, by reason", Values::By("reason", &reasons));
    let causes = Cause::ALL.map(|cause| (cause.word(), STATS.causes[cause as usize].get()));
    count("cycles_by_cause", "Complete collections, by what began them", Values::By("cause", &causes));
}

fn us(count: &crate::gc::stats::Count) -> u64 {
    count.get() / 1000
}

fn reclaims() -> bool {
    start::options().mode == Mode::Gc && live::RESURRECTED.load(Relaxed) == 0
}

/// Gathers what is written to a buffer's length.
struct Gather<'a> {
    line: Line,
    write: &'a mut dyn FnMut(&[u8]),
}
impl<'a> Gather<'a> {
    fn new(write: &'a mut dyn FnMut(&[u8])) -> Gather<'a> {
        Gather { line: Line::new(), write }
    }
    /// No piece is longer than half of a line.
    fn put(&mut self, text: core::fmt::Arguments<'_>) {
        let _ = self.line.write_fmt(text);
        if self.line.as_bytes().len() >= 512 {
            self.end();
        }
    }
    fn end(&mut self) {
        (self.write)(self.line.as_bytes());
        self.line.clear();
    }
}

/// One line: an object.
pub fn json(write: &mut dyn FnMut(&[u8])) {
    let mut out = Gather::new(write);
    let mut mode = Line::new();
    let kind = crate::pure::options::Kind::Mode;
    start::options().mode.emit(&kind, &mut |text| {
        let _ = mode.write_str(core::str::from_utf8(text).unwrap_or_default());
    });
    let mode = core::str::from_utf8(mode.as_bytes()).unwrap_or_default();
    out.put(format_args!("{{\"version\":1,\"pid\":{},\"mode\":\"{mode}\",\"metrics\":{{", copy::told_pid()));
    let mut comma = "";
    each(&mut |metric| {
        match metric.values {
            Values::One(value) => out.put(format_args!("{comma}\"{}\":{value}", metric.name)),
            Values::By(_, all) => {
                out.put(format_args!("{comma}\"{}\":{{", metric.name));
                let mut comma = "";
                // Words are ours, and need no escapes.
                for (reason, value) in all.iter().filter(|(_, value)| *value != 0) {
                    out.put(format_args!("{comma}\"{reason}\":{value}"));
                    comma = ",";
                }
                out.put(format_args!("}}"));
            }
        }
        comma = ",";
    });
    out.put(format_args!("}}}}\n"));
    out.end();
}

/// Prometheus' text format, version 0.0.4. The label keeps processes apart whose files one exporter reads.
pub fn prometheus(write: &mut dyn FnMut(&[u8])) {
    let mut out = Gather::new(write);
    let pid = copy::told_pid();
    each(&mut |metric| {
        let (name, help) = (metric.name, metric.help);
        let (total, sort) = match metric.sort {
            Sort::Gauge => ("", "gauge"),
            Sort::Counter => ("_total", "counter"),
        };
        out.put(format_args!("# HELP gleaner_{name}{total} {help}\n# TYPE gleaner_{name}{total} {sort}\n"));
        match metric.values {
            Values::One(value) => out.put(format_args!("gleaner_{name}{total}{{pid=\"{pid}\"}} {value}\n")),
            Values::By(what, all) => all.iter().for_each(|(word, value)| {
                out.put(format_args!("gleaner_{name}{total}{{pid=\"{pid}\",{what}=\"{word}\"}} {value}\n"));
            }),
        }
    });
    out.end();
}

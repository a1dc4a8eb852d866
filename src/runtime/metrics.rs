//! What the library tells of itself in figures: one table, written as a line of JSON (`stats=json`, `gleaner stat`).
//!
//! Nobody is stopped for it and no lock is held but while pages are counted: figures of one line may be of different moments.
//! docs/stat.schema.json has the names; a name is never used for something else again.
use super::copies;
use super::{info, start};
use crate::gc::Abandon;
use crate::gc::stats::STATS;
use crate::ground::out::Line;
use crate::heap::live;
use crate::leak::unwind::memo;
use crate::pure::options::{Mode, Value};
use crate::sys::copy;
use crate::threads;
use core::fmt::Write;
use core::sync::atomic::Ordering::Relaxed;

/// One figure, or several of one name by reason.
pub struct Metric<'a> {
    pub name: &'static str,
    pub values: Values<'a>,
}
pub enum Values<'a> {
    One(u64),
    ByReason(&'a [(&'static str, u64)]),
}

/// Calls `tell` with all of them.
pub fn each(tell: &mut dyn FnMut(&Metric<'_>)) {
    let mut one = |name, value: u64| tell(&Metric { name, values: Values::One(value) });
    let f = info::figures();
    one("heap_live_bytes", f.live as u64);
    one("heap_free_bytes", f.free as u64);
    one("heap_mapped_bytes", f.mapped as u64);
    one("heap_spans", f.spans as u64);
    one("heap_huge_objects", f.huge as u64);
    one("heap_huge_bytes", f.huge_bytes as u64);
    one("reachable_objects", STATS.reachable.objects.get());
    one("reachable_bytes", STATS.reachable.bytes.get());
    one("root_bytes", STATS.root_bytes.get());
    one("limbo_objects", STATS.limbo.objects.get());
    one("limbo_bytes", STATS.limbo.bytes.get());
    one("pause_last_microseconds", us(&STATS.pause_last));
    one("pause_longest_microseconds", us(&STATS.pause_longest));
    one("reclaims", u64::from(reclaims()));
    one("cycles", STATS.cycles.get());
    one("pause_microseconds", us(&STATS.pause_total));
    one("reclaim_microseconds", us(&STATS.reclaim_total));
    one("reclaimed_objects", STATS.reclaimed.objects.get());
    one("reclaimed_bytes", STATS.reclaimed.bytes.get());
    one("revived_objects", STATS.revived.objects.get());
    one("resurrected_objects", live::RESURRECTED.load(Relaxed));
    one("disguised_objects", STATS.disguised.get());
    let c = threads::counters();
    one("stops", c.stops);
    one("stops_given_up", c.abandoned);
    one("stop_signals", c.signals);
    one("calls_begun_again", c.rewound);
    one("calls_not_begun_again", c.eintr_unrewound);
    one("checks_copied", copies::made());
    let [stacks, _, _, without] = memo::counts();
    one("stacks", stacks + without);
    let reasons = Abandon::ALL.map(|why| (why.reason(), STATS.abandoned[why as usize].get()));
    let values = Values::ByReason(&reasons);
    tell(&Metric { name: "cycles_abandoned", values });
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
            Values::ByReason(all) => {
                out.put(format_args!("{comma}\"{}\":{{", metric.name));
                let mut comma = "";
                // Reasons are ours, and need no escapes.
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

//! Live bytes over the checks, by the places that most of it came from.
//!
//! Each record of a process has the checks before it, thinned out; several records of one process give one timeline, in
//! which each check is once. A place is what the reader's own frame is called, so that stacks of one place are one line.
use super::site::{self, Sum};
use super::{Findings, flat};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// The checks of one process.
pub struct Timeline<'a> {
    pub pid: u64,
    pub exe: &'a str,
    /// What places are called.
    pub places: Vec<String>,
    /// By time.
    pub checks: BTreeMap<u64, Check>,
}
pub struct Check {
    pub live: Sum,
    pub lost: u64,
    /// Places by number, and their bytes. Empty: not known.
    pub top: Vec<(usize, u64)>,
}

/// Of each process that tells more than one check.
pub fn all<'a>(all: impl IntoIterator<Item = &'a Findings<'a>>) -> Vec<Timeline<'a>> {
    let mut lines: Vec<Timeline<'a>> = Vec::new();
    for found in all {
        let record = found.record;
        let at = lines.iter().position(|line| (line.pid, line.exe) == (record.pid, record.exe.as_str()));
        let at = at.unwrap_or_else(|| {
            let (places, checks) = (Vec::new(), BTreeMap::new());
            lines.push(Timeline { pid: record.pid, exe: &record.exe, places, checks });
            lines.len() - 1
        });
        lines[at].take(found);
    }
    lines.retain(|line| line.checks.len() > 1);
    lines
}

impl Timeline<'_> {
    fn take(&mut self, found: &Findings<'_>) {
        let mut known: HashMap<u64, usize> = HashMap::new();
        for live in &found.record.live {
            let mut top: BTreeMap<usize, u64> = BTreeMap::new();
            for (stack, bytes) in &live.top {
                let place = *known.entry(*stack).or_insert_with(|| self.place(found, *stack));
                let sum = top.entry(place).or_default();
                *sum = sum.saturating_add(*bytes);
            }
            let check = Check { live: live.size, lost: live.lost, top: top.into_iter().collect() };
            self.checks.entry(live.ms).or_insert(check);
        }
    }

    fn place(&mut self, found: &Findings<'_>, stack: u64) -> usize {
        let frames: Vec<_> = found.live.get(&stack).map(|stack| flat(stack).collect()).unwrap_or_default();
        let name = site::own(found.record, &frames)
            .map_or("an unknown place".to_owned(), |at| site::label(found.record, frames[at]));
        self.places.iter().position(|place| *place == name).unwrap_or_else(|| {
            self.places.push(name);
            self.places.len() - 1
        })
    }

    pub fn json(&self) -> Value {
        let checks = self.checks.iter().map(|(ms, check)| {
            json!({
                "at_ms": ms,
                "bytes": check.live.bytes,
                "objects": check.live.objects,
                "lost": check.lost,
                "top": check.top,
            })
        });
        json!({"pid": self.pid, "exe": self.exe, "places": self.places, "checks": checks.collect::<Vec<_>>()})
    }
}

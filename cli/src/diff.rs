//! `gleaner diff A B`: what leaks now and did not, what leaks no more, what grew.
//!
//! A place is its kind and its stack by names: function, file and line, or module and offset where there
//! are none; so addresses may differ. What found no partner that way is matched by functions and files
//! alone, in the order of the records: then lines may have moved, too.
use crate::Failure;
use crate::failure::USAGE;
use crate::names::Frame;
use crate::record::Record;
use crate::report::site::{self, Sum};
use crate::report::{Class, Findings, Format, Order, html, kind_name, output, tree, with_findings};
use std::collections::HashMap;
use std::io::{self, Write};

/// The status if something is new or grew, as cmp(1) and diff(1) have it.
pub const WORSE: u8 = 1;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum State {
    New,
    Grown,
    Shrunk,
    Gone,
    Same,
}
impl State {
    pub const ALL: [State; 5] = [State::New, State::Grown, State::Shrunk, State::Gone, State::Same];
    pub fn name(self) -> &'static str {
        match self {
            State::New => "new",
            State::Grown => "grown",
            State::Shrunk => "shrunk",
            State::Gone => "gone",
            State::Same => "same",
        }
    }
}

/// A place, and what became of it.
pub struct Change<'a> {
    pub state: State,
    pub before: Sum,
    pub after: Sum,
    pub place: Place<'a>,
}
#[derive(Clone)]
pub struct Place<'a> {
    pub record: &'a Record,
    pub kind: &'static str,
    pub frames: Vec<&'a Frame>,
    pub classes: &'a [Class],
}

/// Compares and prints.
pub fn diff(order: &Order, before: &Order) -> Result<u8, Failure> {
    if !matches!(order.format, Format::Text | Format::Json | Format::Html) {
        return Err(Failure::new(
            USAGE,
            "a difference is written as text, json or html; see `gleaner diff --help`",
        ));
    }
    with_findings(before, |old| {
        with_findings(order, |new| {
            let changes = compare(old, new);
            let mut output = output::open(&order.output, order.format, order.purpose, 0)?;
            output.fill(|out| match order.format {
                Format::Json => json(out, old, new, &changes),
                Format::Html => page(out, old, new, &changes),
                _ => text(out, old, new, &changes),
            })?;
            let worse = changes.iter().any(|change| matches!(change.state, State::New | State::Grown));
            Ok(if worse { WORSE } else { 0 })
        })
    })
}

/// Places by key, in the order of the record.
struct Side<'a> {
    keys: HashMap<String, usize>,
    all: Vec<(Place<'a>, Sum)>,
}

impl<'a> Side<'a> {
    fn new(all: &'a [Findings<'_>]) -> Side<'a> {
        let mut side = Side { keys: HashMap::new(), all: Vec::new() };
        for found in all {
            for leak in found.leaks.iter().filter(|leak| leak.kind.is_sure()) {
                let (record, kind) = (found.record, kind_name(leak.kind));
                let (frames, classes) = (leak.frames().collect(), &leak.classes[..]);
                side.add(Place { record, kind, frames, classes }, leak.bytes, leak.objects);
            }
            for one in &found.hidden {
                let frames = crate::report::flat(&one.used).collect();
                side.add(
                    Place { record: found.record, kind: "hidden", frames, classes: &[] },
                    one.of.bytes,
                    one.of.objects,
                );
            }
        }
        side
    }
    fn add(&mut self, place: Place<'a>, bytes: u64, objects: u64) {
        let at = *self.keys.entry(key(&place, Lines::Count)).or_insert_with(|| {
            self.all.push((place, Sum::default()));
            self.all.len() - 1
        });
        let sum = &mut self.all[at].1;
        sum.bytes = sum.bytes.saturating_add(bytes);
        sum.objects = sum.objects.saturating_add(objects);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    Count,
    MayMove,
}

fn key(place: &Place<'_>, lines: Lines) -> String {
    let mut key = place.kind.to_owned();
    for frame in &place.frames {
        key.push('\u{1}');
        match (&frame.function, &frame.source) {
            (None, None) => key.push_str(&site::label(place.record, frame)),
            (function, source) => {
                key.push_str(function.as_deref().unwrap_or(""));
                if let Some(source) = source {
                    key.push('\u{2}');
                    key.push_str(site::base(&source.file));
                    if lines == Lines::Count {
                        key.push_str(&format!(":{}:{}", source.line, source.column));
                    }
                }
            }
        }
    }
    key
}

/// New ones first, then what grew; most bytes first.
pub fn compare<'a>(old: &'a [Findings<'_>], new: &'a [Findings<'_>]) -> Vec<Change<'a>> {
    let (before, after) = (Side::new(old), Side::new(new));
    let mut partner: Vec<Option<usize>> = vec![None; after.all.len()];
    let mut free: Vec<bool> = vec![true; before.all.len()];
    for (key, &at) in &after.keys {
        if let Some(&old) = before.keys.get(key) {
            (partner[at], free[old]) = (Some(old), false);
        }
    }
    let mut moved: HashMap<String, Vec<usize>> = HashMap::new();
    for at in (0..before.all.len()).rev().filter(|&at| free[at]) {
        moved.entry(key(&before.all[at].0, Lines::MayMove)).or_default().push(at);
    }
    for ((place, _), partner) in after.all.iter().zip(&mut partner).filter(|(_, partner)| partner.is_none()) {
        if let Some(old) = moved.get_mut(&key(place, Lines::MayMove)).and_then(Vec::pop) {
            free[old] = false;
            *partner = Some(old);
        }
    }
    let mut changes: Vec<Change<'a>> = Vec::new();
    for ((place, sum), partner) in after.all.into_iter().zip(partner) {
        let was = partner.map(|old| before.all[old].1);
        let state = match was {
            None => State::New,
            Some(was) if (sum.bytes, sum.objects) == (was.bytes, was.objects) => State::Same,
            Some(was) if (sum.bytes, sum.objects) > (was.bytes, was.objects) => State::Grown,
            Some(_) => State::Shrunk,
        };
        changes.push(Change { state, before: was.unwrap_or_default(), after: sum, place });
    }
    for ((place, sum), _) in before.all.into_iter().zip(free).filter(|(_, free)| *free) {
        changes.push(Change { state: State::Gone, before: sum, after: Sum::default(), place });
    }
    changes.sort_by_key(|c| (c.state, std::cmp::Reverse(c.after.bytes.abs_diff(c.before.bytes))));
    changes
}

fn text(
    out: &mut dyn Write,
    old: &[Findings<'_>],
    new: &[Findings<'_>],
    changes: &[Change<'_>],
) -> io::Result<()> {
    let (before, after) = (html::sum(old), html::sum(new));
    let count = |state| changes.iter().filter(|change| change.state == state).count();
    let words: Vec<String> = State::ALL
        .into_iter()
        .filter(|&state| count(state) > 0)
        .map(|state| format!("{} {}", count(state), state.name()))
        .collect();
    let words = if words.is_empty() { "nothing leaked in either".to_owned() } else { words.join(", ") };
    writeln!(
        out,
        "{words}: {} byte(s) in {} object(s) before, {} in {} after",
        before.bytes, before.objects, after.bytes, after.objects
    )?;
    for change in changes.iter().filter(|change| change.state != State::Same) {
        let Place { record, kind, frames, .. } = &change.place;
        let own = site::own(record, frames);
        let place = own.map_or("an unknown place".to_owned(), |at| site::label(record, frames[at]));
        let (was, is) = (change.before, change.after);
        writeln!(
            out,
            "\n{:6} {} byte(s) in {} object(s), {kind} (was {} in {}): {}",
            change.state.name(),
            is.bytes,
            is.objects,
            was.bytes,
            was.objects,
            shown(&place)
        )?;
        for (number, frame) in frames.iter().enumerate() {
            writeln!(out, "    #{number} {}", shown(&site::label(record, frame)))?;
        }
    }
    Ok(())
}

fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn json(
    out: &mut dyn Write,
    old: &[Findings<'_>],
    new: &[Findings<'_>],
    changes: &[Change<'_>],
) -> io::Result<()> {
    use serde_json::{Value, json};
    let size = |sum: Sum| json!({"bytes": sum.bytes, "objects": sum.objects});
    let row = |change: &Change<'_>| -> Value {
        let Place { record, kind, frames, .. } = &change.place;
        let own = site::own(record, frames);
        let fingerprint = format!("{:016x}", site::fingerprint(record, kind, frames));
        json!({
            "state": change.state.name(),
            "kind": kind,
            "before": size(change.before),
            "after": size(change.after),
            "fingerprint": fingerprint,
            "own": own,
            "stack": frames.iter().map(|frame| frame_of(record, frame)).collect::<Vec<_>>(),
        })
    };
    let document = json!({
        "format": "gleaner-diff",
        "version": 1,
        "before": size(html::sum(old)),
        "after": size(html::sum(new)),
        "changes": changes.iter().map(row).collect::<Vec<_>>(),
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn frame_of(record: &Record, frame: &Frame) -> serde_json::Value {
    serde_json::from_str(&crate::report::json::shown(record, frame)).unwrap_or_default()
}

fn page(
    out: &mut dyn Write,
    old: &[Findings<'_>],
    new: &[Findings<'_>],
    changes: &[Change<'_>],
) -> io::Result<()> {
    let sites = changes.iter().map(|change| html::Site {
        record: change.place.record,
        kind: change.place.kind,
        size: change.after,
        stack: change.place.frames.clone(),
        classes: change.place.classes,
        keeps: tree::Keeps::default(),
        used: None,
        change: Some((change.state.name(), change.before)),
    });
    let runs: Vec<&Findings<'_>> = old.iter().chain(new).collect();
    html::page(out, &runs, html::sum(new), Some(html::sum(old)), sites.collect(), Vec::new())
}

#[cfg(test)]
mod tests;

//! Stacks in one line each, outermost frame first, and the flame graph that is drawn of them.
use super::{Finding, Findings, flat};
use crate::names::Frame;
use crate::record::Record;
use inferno::flamegraph::{self, Options, color::BasicPalette, color::Palette};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// `program;main;f 24`: equal stacks together, in the order of their names.
pub fn write(out: &mut dyn Write, all: &[Findings<'_>]) -> io::Result<()> {
    lines(all, |bytes, _| bytes).iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// The flame graph of bytes; of objects where no leak has a byte.
pub fn svg(out: &mut dyn Write, all: &[Findings<'_>]) -> io::Result<()> {
    let (bytes, objects) = all.iter().fold((0u64, 0u64), |sum, found| {
        (sum.0.saturating_add(found.bytes()), sum.1.saturating_add(found.objects()))
    });
    let (lines, unit) = match (bytes, objects) {
        (0, 0) => (vec!["nothing;nothing leaked 1".to_owned()], "leaks"),
        (0, _) => (lines(all, |_, objects| objects), "objects"),
        _ => (lines(all, |bytes, _| bytes), "bytes"),
    };
    let lines = tamed(lines);
    let mut options = Options::default();
    options.title = match all {
        [one] if !one.record.exe.is_empty() => {
            format!("{} leaked {bytes} bytes in {objects} objects", one.record.exe)
        }
        _ => format!("{bytes} bytes leaked in {objects} objects"),
    };
    options.count_name = unit.to_owned();
    options.name_type = "Function:".to_owned();
    options.colors = Palette::Basic(BasicPalette::Mem);
    options.deterministic = true;
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), out)
}

/// A damaged record may hold sizes whose sum is none: then all are made smaller alike.
fn tamed(lines: Vec<String>) -> Vec<String> {
    let cut = |line: &String| line.rsplit_once(' ').and_then(|(_, n)| n.parse::<u64>().ok()).unwrap_or(0);
    let total: u128 = lines.iter().map(|line| u128::from(cut(line))).sum();
    // What a double holds exactly, and sums of which stay far from 64 bits.
    let shift = (128 - total.leading_zeros()).saturating_sub(52);
    if shift == 0 {
        return lines;
    }
    let smaller = |line: &String| {
        let (stack, _) = line.rsplit_once(' ').unwrap_or((line, ""));
        format!("{stack} {}", cut(line) >> shift)
    };
    lines.iter().map(smaller).collect()
}

fn lines(all: &[Findings<'_>], size: impl Fn(u64, u64) -> u64) -> Vec<String> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for found in all {
        let leaks = found
            .leaks
            .iter()
            .filter(|leak| leak.kind.is_sure())
            .map(|Finding { stack, bytes, objects, .. }| (stack, *bytes, *objects));
        let hidden = found.hidden.iter().map(|one| (&one.allocated, one.of.bytes, one.of.objects));
        for (stack, bytes, objects) in leaks.chain(hidden) {
            let frames: Vec<&Frame> = flat(stack).collect();
            let sum = sums.entry(line(found.record, &frames)).or_default();
            *sum = sum.saturating_add(size(bytes, objects));
        }
    }
    sums.into_iter().map(|(line, sum)| format!("{line} {sum}")).collect()
}

fn line(record: &Record, frames: &[&Frame]) -> String {
    let program = super::site::base(&record.exe);
    let program = if program.is_empty() { "program" } else { program };
    let stack = frames.iter().rev().map(|frame| named(record, frame));
    std::iter::once(plain(program)).chain(stack).collect::<Vec<_>>().join(";")
}

fn named(record: &Record, frame: &Frame) -> String {
    match (&frame.function, frame.place) {
        (Some(function), _) => plain(function),
        (None, Some((index, offset))) => {
            let path = record.modules[index].path.to_string_lossy();
            plain(&format!("{}+{offset:#x}", super::site::base(&path)))
        }
        (None, None) => format!("{:#x}", frame.pc),
    }
}

/// A name without what parts frames and lines.
fn plain(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| {
            if c == ';' {
                ':'
            } else if c.is_control() {
                '?'
            } else {
                c
            }
        })
        .collect();
    if name.trim().is_empty() { "?".to_owned() } else { name.trim().to_owned() }
}

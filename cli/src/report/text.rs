//! The report as LeakSanitizer's text: what reads its reports reads ours.
//!
//! Added to it are only `==PID==gleaner: …` lines, under the headline, which such readers skip.
use super::{Findings, Purpose, flat};
use crate::names::Frame;
use crate::names::hex;
use crate::record::{Growth, Hidden, Kind, Record};
use std::io::{self, Write};

const RULE: &str = "=================================================================";
const THIN_RULE: &str = "-----------------------------------------------------";

pub fn write(out: &mut dyn Write, found: &Findings<'_>, purpose: Purpose, painted: bool) -> io::Result<()> {
    let pid = found.record.pid;
    let paint = |code: &'static str| if painted { code } else { "" };
    let (red, blue, plain) = (paint("\x1b[1m\x1b[31m"), paint("\x1b[1m\x1b[34m"), paint("\x1b[1m\x1b[0m"));
    let leaked = !found.is_empty();
    let audit = found.record.mode == "audit";
    if leaked {
        let what = if audit {
            "gleaner: the program hides pointers"
        } else {
            "LeakSanitizer: detected memory leaks"
        };
        writeln!(out, "\n{RULE}\n{red}=={pid}==ERROR: {what}{plain}\n")?;
    }
    notes(out, found, purpose, leaked)?;
    for leak in &found.leaks {
        let (bytes, objects) = (leak.bytes, leak.objects);
        let (kind, what) = match leak.kind {
            Kind::Direct => ("Direct leak", "object(s) allocated"),
            Kind::Indirect => ("Indirect leak", "object(s) allocated"),
            Kind::Mapping => ("Leaked mapping", "mapping(s) mapped"),
        };
        writeln!(out, "{blue}{kind} of {bytes} byte(s) in {objects} {what} from:{plain}")?;
        stack(out, found.record, leak.frames())?;
        writeln!(out)?;
    }
    for one in &found.hidden {
        let Hidden { call, bytes, objects, cycles, .. } = one.of;
        let text = format_args!(
            "{call} of {bytes} byte(s) in {objects} object(s) that no pointer led to in {cycles} collection(s), called from:"
        );
        writeln!(out, "{blue}{text}{plain}")?;
        stack(out, found.record, flat(&one.used))?;
        writeln!(out, "\n  allocated from:")?;
        stack(out, found.record, flat(&one.allocated))?;
        writeln!(out)?;
    }
    for one in &found.growth {
        let Growth { bytes, objects, more_bytes, more_objects, rate, age_ms, checks, rises, .. } = one.of;
        let seconds = *age_ms as f64 / 1000.0;
        let text = format_args!(
            "Growing, reachable: {bytes} byte(s) in {objects} object(s), {more_bytes} byte(s) and {more_objects:+} \
             object(s) more than at the last check; {rate} byte(s) a second in {seconds:.1} s, more at {rises} of \
             {} check(s), allocated from:",
            checks - 1.min(*checks)
        );
        writeln!(out, "{blue}{text}{plain}")?;
        stack(out, found.record, flat(&one.stack))?;
        writeln!(out)?;
    }
    used(out, found)?;
    let (bytes, objects) = (found.bytes(), found.objects());
    match (leaked, purpose) {
        (true, _) if audit => {
            writeln!(
                out,
                "SUMMARY: gleaner: {bytes} byte(s) in {objects} object(s) were used by hidden pointers."
            )
        }
        (true, _) => {
            writeln!(out, "SUMMARY: LeakSanitizer: {bytes} byte(s) leaked in {objects} allocation(s).")
        }
        (false, Purpose::Person) => {
            writeln!(out, "=={pid}==gleaner: no {}{}", nothing(found.record), of(found.record))
        }
        (false, Purpose::Process) => Ok(()),
    }
}

/// What is not there.
fn nothing(record: &Record) -> &'static str {
    if record.mode == "audit" { "hidden pointers" } else { "leaks" }
}

fn of(record: &Record) -> String {
    if record.exe.is_empty() { String::new() } else { format!(" in {}", record.exe) }
}

/// Remarks; when the library runs us and nothing leaked, there is nothing to remark.
fn notes(out: &mut dyn Write, found: &Findings<'_>, purpose: Purpose, leaked: bool) -> io::Result<()> {
    if found.notes.is_empty() || (!leaked && purpose == Purpose::Process) {
        return Ok(());
    }
    for note in &found.notes {
        writeln!(out, "=={}==gleaner: {note}", found.record.pid)?;
    }
    writeln!(out)
}

fn stack<'a>(
    out: &mut dyn Write,
    record: &Record,
    frames: impl Iterator<Item = &'a Frame>,
) -> io::Result<()> {
    let mut number = 0;
    for frame in frames {
        writeln!(out, "    #{number} {:#014x}{}", frame.pc, place(record, frame))?;
        number += 1;
    }
    if number == 0 { writeln!(out, "    <empty stack>") } else { Ok(()) }
}

/// ` in function file:line:column`, or as much of it as is known.
fn place(record: &Record, frame: &Frame) -> String {
    let function = frame.function.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
    if let Some(source) = &frame.source {
        let number = |n: u32| if n > 0 { format!(":{n}") } else { String::new() };
        let column = if source.line > 0 { number(source.column) } else { String::new() };
        return format!("{function} {}{}{column}", source.file, number(source.line));
    }
    let Some((index, offset)) = frame.place else { return format!("{function} (<unknown module>)") };
    let module = &record.modules[index];
    let id = module.build_id.as_ref().map(|id| format!(" (BuildId: {})", hex(id))).unwrap_or_default();
    format!("{function} ({}+{offset:#x}){id}", module.path.display())
}

fn used(out: &mut dyn Write, found: &Findings<'_>) -> io::Result<()> {
    let mut rules = found.suppressions.used().peekable();
    if rules.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "{THIN_RULE}\nSuppressions used:\n  count      bytes template")?;
    for rule in rules {
        writeln!(out, "{:7} {:10} {}", rule.objects, rule.bytes, rule.pattern)?;
    }
    writeln!(out, "{THIN_RULE}\n")
}

//! The report as LeakSanitizer's text: what reads its reports reads ours.
//!
//! Added to it are lines that such readers skip: under the headline the verdict, how much was lost in which
//! places of the reader's own, and remarks; before the summary the rules that would silence it all.
//! On a terminal the reader's own frame of each stack stands out.
use super::site::{self, Sum};
use super::{Findings, Purpose, Style, classes, flat, tree};
use crate::names::Frame;
use crate::names::hex;
use crate::record::{Growth, Hidden, Kind, Record};
use crate::suppress::ready;
use std::io::{self, Write};

const RULE: &str = "=================================================================";
const THIN_RULE: &str = "-----------------------------------------------------";

/// So many places are named in the verdict, so many rules are offered.
const PLACES: usize = 3;

pub fn write(out: &mut dyn Write, found: &Findings<'_>, style: &Style) -> io::Result<()> {
    let (purpose, painted) = (style.purpose, style.painted);
    let pid = found.record.pid;
    let paint = |code: &'static str| if painted { code } else { "" };
    let (blue, plain) = (paint("\x1b[1m\x1b[34m"), paint("\x1b[1m\x1b[0m"));
    let leaked = !found.is_empty();
    let audit = found.record.mode == "audit";
    headline(out, found, painted)?;
    notes(out, found, purpose, leaked)?;
    for leak in &found.leaks {
        let (bytes, objects) = (leak.bytes, leak.objects);
        let (kind, what) = match leak.kind {
            Kind::Direct => ("Direct leak", "object(s) allocated"),
            Kind::Indirect => ("Indirect leak", "object(s) allocated"),
            Kind::Mapping => ("Leaked mapping", "mapping(s) mapped"),
            Kind::Possible => ("Possible leak", "object(s) allocated"),
        };
        writeln!(out, "{blue}{kind} of {bytes} byte(s) in {objects} {what} from:{plain}")?;
        stack(out, found.record, leak.frames(), painted)?;
        leak.classes.iter().try_for_each(|class| writeln!(out, "  {}", classes::told(class)))?;
        tree::told(&leak.keeps).iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        writeln!(out)?;
    }
    for one in &found.hidden {
        let Hidden { call, bytes, objects, cycles, .. } = one.of;
        let text = format_args!(
            "{} of {bytes} byte(s) in {objects} object(s) that no pointer led to in {cycles} collection(s), called from:",
            shown(call)
        );
        writeln!(out, "{blue}{text}{plain}")?;
        stack(out, found.record, flat(&one.used), painted)?;
        writeln!(out, "\n  allocated from:")?;
        stack(out, found.record, flat(&one.allocated), painted)?;
        writeln!(out)?;
    }
    grown(out, found, painted)?;
    offer(out, found)?;
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

/// What is the matter, if anything is.
fn headline(out: &mut dyn Write, found: &Findings<'_>, painted: bool) -> io::Result<()> {
    let (red, plain) = if painted { ("\x1b[1m\x1b[31m", "\x1b[1m\x1b[0m") } else { ("", "") };
    let (pid, Sum { bytes, objects }) = (found.record.pid, found.possible());
    if found.is_empty() && objects > 0 {
        return writeln!(
            out,
            "\n=={pid}==gleaner: nothing is lost for sure; {bytes} byte(s) in {objects} object(s) may be: only words in \
             disguise lead there\n"
        );
    } else if found.is_empty() {
        return Ok(());
    }
    let what = match found.record.mode.as_str() {
        "audit" => "gleaner: the program hides pointers",
        _ => "LeakSanitizer: detected memory leaks",
    };
    writeln!(out, "\n{RULE}\n{red}=={pid}==ERROR: {what}{plain}\n")?;
    verdict(out, found, painted)
}

/// What is reachable and more at each check.
fn grown(out: &mut dyn Write, found: &Findings<'_>, painted: bool) -> io::Result<()> {
    let (blue, plain) = if painted { ("\x1b[1m\x1b[34m", "\x1b[1m\x1b[0m") } else { ("", "") };
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
        stack(out, found.record, flat(&one.stack), painted)?;
        if let Some(class) = &one.class {
            writeln!(out, "  one of them is a {}", shown(class))?;
        }
        if !one.held.is_empty() {
            writeln!(out, "  held by {}", shown(&one.held.join(" -> ")))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// How much was lost, and where most of it.
fn verdict(out: &mut dyn Write, found: &Findings<'_>, painted: bool) -> io::Result<()> {
    let (pid, bytes, objects) = (found.record.pid, found.bytes(), found.objects());
    let leaks = found
        .leaks
        .iter()
        .filter(|leak| leak.kind.is_sure())
        .map(|leak| (leak.frames().collect(), Sum { bytes: leak.bytes, objects: leak.objects }));
    let hidden = found
        .hidden
        .iter()
        .map(|one| (flat(&one.used).collect(), Sum { bytes: one.of.bytes, objects: one.of.objects }));
    let places = site::places(found.record, leaks.chain(hidden));
    let count = |n: u64, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let from = count(places.len() as u64, "place");
    let (bold, plain) = if painted { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let size = match found.leaks.is_empty() {
        false => format!("{}, {} lost from {from}", count(objects, "leak"), count(bytes, "byte")),
        true => format!(
            "{}, {} used by hidden pointers in {from}",
            count(objects, "object"),
            count(bytes, "byte")
        ),
    };
    if let [(place, _)] = &places[..] {
        return writeln!(out, "{bold}=={pid}==gleaner: {size}: {}{plain}\n", shown(place));
    }
    writeln!(out, "{bold}=={pid}==gleaner: {size}, most in{plain}")?;
    for (place, sum) in places.iter().take(PLACES) {
        writeln!(
            out,
            "=={pid}==gleaner:   {} bytes in {}: {}",
            sum.bytes,
            count(sum.objects, "object"),
            shown(place)
        )?;
    }
    writeln!(out)
}

/// Rules to paste.
fn offer(out: &mut dyn Write, found: &Findings<'_>) -> io::Result<()> {
    let (rules, more) = ready::lines(found, PLACES);
    if rules.is_empty() {
        return Ok(());
    }
    let rest = if more { " (gleaner suppress writes the others)" } else { "" };
    let pid = found.record.pid;
    writeln!(out, "=={pid}==gleaner: known and meant? Put into a file for --suppressions{rest}:")?;
    rules.iter().try_for_each(|rule| writeln!(out, "{rule}"))?;
    writeln!(out)
}

/// A name may hold anything; a line of ours, and a terminal, may not.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// What is not there.
fn nothing(record: &Record) -> &'static str {
    if record.mode == "audit" { "hidden pointers" } else { "leaks" }
}

fn of(record: &Record) -> String {
    if record.exe.is_empty() { String::new() } else { format!(" in {}", shown(&record.exe)) }
}

/// Remarks; when the library runs us and nothing leaked, there is nothing to remark.
fn notes(out: &mut dyn Write, found: &Findings<'_>, purpose: Purpose, leaked: bool) -> io::Result<()> {
    if found.notes.is_empty() || (!leaked && purpose == Purpose::Process) {
        return Ok(());
    }
    for note in &found.notes {
        writeln!(out, "=={}==gleaner: {}", found.record.pid, shown(note))?;
    }
    writeln!(out)
}

fn stack<'a>(
    out: &mut dyn Write,
    record: &Record,
    frames: impl Iterator<Item = &'a Frame>,
    painted: bool,
) -> io::Result<()> {
    let frames: Vec<&Frame> = frames.collect();
    let own = if painted { site::own(record, &frames) } else { None };
    for (number, frame) in frames.iter().enumerate() {
        let (bold, plain) = if own == Some(number) { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        writeln!(out, "    {bold}#{number} {:#014x}{}{plain}", frame.pc, shown(&place(record, frame)))?;
    }
    if frames.is_empty() { writeln!(out, "    <empty stack>") } else { Ok(()) }
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
    let unused: Vec<String> =
        found.suppressions.unused().map(|r| format!("{} ({})", shown(&r.name), r.origin)).collect();
    let mut rules = found.suppressions.used().peekable();
    if rules.peek().is_some() {
        writeln!(out, "{THIN_RULE}\nSuppressions used:\n  count      bytes template")?;
        for rule in rules {
            writeln!(out, "{:7} {:10} {}", rule.objects, rule.bytes, shown(&rule.name))?;
        }
        writeln!(out, "{THIN_RULE}\n")?;
    }
    if !unused.is_empty() {
        writeln!(out, "=={}==gleaner: suppressions not used: {}\n", found.record.pid, unused.join(", "))?;
    }
    Ok(())
}

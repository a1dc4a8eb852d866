//! The report as Valgrind's XML, protocol 4: what CI plug-ins for Memcheck read.
//!
//! Direct leaks and mappings are Leak_DefinitelyLost, indirect ones Leak_IndirectlyLost, possible ones Leak_PossiblyLost. Several records give
//! one document, since it has one root. An audit's finding is an error of the kind InvalidFree, with the
//! stack of its allocation as the second one.
use super::{Finding, Findings, classes, flat, tree};
use crate::names::Frame;
use crate::record::{Kind, Record};
use std::fmt::{self, Display};
use std::io::{self, Write};

/// Text between tags. What XML 1.0 cannot hold becomes `?`.
struct Text<'a>(&'a str);
impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\t' | '\n' => f.write_char(c),
            '\u{fffe}' | '\u{ffff}' => f.write_char('?'),
            c if c.is_control() => f.write_char('?'),
            c => f.write_char(c),
        })
    }
}

pub fn write(out: &mut dyn Write, all: &[Findings<'_>]) -> io::Result<()> {
    head(out, all)?;
    let mut unique = 0;
    let mut number = || {
        unique += 1;
        unique - 1
    };
    for found in all {
        for one in &found.hidden {
            let (call, bytes, objects) = (Text(&one.of.call), one.of.bytes, one.of.objects);
            let what = format!("{call} of {bytes} bytes in {objects} blocks that no pointer led to");
            writeln!(out, "<error>\n  <unique>{:#x}</unique>\n  <tid>1</tid>", number())?;
            writeln!(out, "  <kind>InvalidFree</kind>\n  <what>{what}</what>")?;
            stack(out, found.record, flat(&one.used))?;
            writeln!(out, "  <auxwhat>Block was alloc'd at</auxwhat>")?;
            stack(out, found.record, flat(&one.allocated))?;
            writeln!(out, "</error>\n")?;
        }
    }
    writeln!(out, "<status>\n  <state>FINISHED</state>\n  <time>00:00:00:00.000 </time>\n</status>\n")?;
    let total: usize = all.iter().map(|found| found.leaks.len()).sum();
    let mut at = 0;
    for found in all {
        for leak in &found.leaks {
            at += 1;
            error(out, found.record, leak, number(), (at, total))?;
        }
    }
    writeln!(out, "<errorcounts>\n</errorcounts>\n\n<suppcounts>")?;
    for rule in all.iter().flat_map(|found| found.suppressions.used()) {
        let (count, name) = (rule.objects, Text(&rule.name));
        writeln!(out, "  <pair>\n    <count>{count}</count>\n    <name>{name}</name>\n  </pair>")?;
    }
    writeln!(out, "</suppcounts>\n\n</valgrindoutput>")
}

fn head(out: &mut dyn Write, all: &[Findings<'_>]) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    writeln!(out, "<?xml version=\"1.0\"?>\n\n<valgrindoutput>\n")?;
    writeln!(out, "<protocolversion>4</protocolversion>\n<protocoltool>memcheck</protocoltool>\n")?;
    writeln!(out, "<preamble>\n  <line>gleaner {version}, leaks as Memcheck tells them</line>")?;
    for found in all {
        writeln!(out, "  <line>process {}: {}</line>", found.record.pid, Text(&found.record.exe))?;
        for note in &found.notes {
            writeln!(out, "  <line>{}</line>", Text(note))?;
        }
    }
    writeln!(out, "</preamble>\n")?;
    let first = all.first().map(|found| found.record);
    let (pid, exe) = (first.map_or(0, |record| record.pid), first.map_or("", |record| &record.exe));
    writeln!(out, "<pid>{pid}</pid>\n<ppid>0</ppid>\n<tool>memcheck</tool>\n")?;
    writeln!(out, "<args>\n  <vargv>\n    <exe>gleaner</exe>\n  </vargv>")?;
    writeln!(out, "  <argv>\n    <exe>{}</exe>\n  </argv>\n</args>\n", Text(exe))?;
    writeln!(out, "<status>\n  <state>RUNNING</state>\n  <time>00:00:00:00.000 </time>\n</status>\n")
}

fn error(
    out: &mut dyn Write,
    record: &Record,
    leak: &Finding,
    unique: u64,
    (at, total): (usize, usize),
) -> io::Result<()> {
    let (kind, how) = match leak.kind {
        Kind::Direct | Kind::Mapping => ("Leak_DefinitelyLost", "definitely"),
        Kind::Indirect => ("Leak_IndirectlyLost", "indirectly"),
        Kind::Possible => ("Leak_PossiblyLost", "possibly"),
    };
    let (bytes, blocks) = (leak.bytes, leak.objects);
    let what = if leak.kind == Kind::Mapping { "mappings" } else { "blocks" };
    writeln!(
        out,
        "<error>\n  <unique>{unique:#x}</unique>\n  <tid>1</tid>\n  <kind>{kind}</kind>\n  <xwhat>"
    )?;
    writeln!(
        out,
        "    <text>{bytes} bytes in {blocks} {what} are {how} lost in loss record {at} of {total}</text>"
    )?;
    writeln!(
        out,
        "    <leakedbytes>{bytes}</leakedbytes>\n    <leakedblocks>{blocks}</leakedblocks>\n  </xwhat>"
    )?;
    stack(out, record, leak.frames())?;
    for class in &leak.classes {
        writeln!(out, "  <auxwhat>{}</auxwhat>", Text(&classes::told(class)))?;
    }
    for line in tree::told(&leak.keeps) {
        writeln!(out, "  <auxwhat>{line}</auxwhat>")?;
    }
    writeln!(out, "</error>\n")
}

/// A stack has at least one frame there.
fn stack<'a>(
    out: &mut dyn Write,
    record: &Record,
    frames: impl Iterator<Item = &'a Frame>,
) -> io::Result<()> {
    writeln!(out, "  <stack>")?;
    let mut frames = frames.peekable();
    if frames.peek().is_none() {
        writeln!(out, "    <frame>\n      <ip>0x0</ip>\n    </frame>")?;
    }
    for frame in frames {
        writeln!(out, "    <frame>\n      <ip>{:#X}</ip>", Ip(frame.pc))?;
        let mut tag = |name: &str, text: &str| writeln!(out, "      <{name}>{}</{name}>", Text(text));
        if let Some((index, _)) = frame.place {
            tag("obj", &record.modules[index].path.to_string_lossy())?;
        }
        if let Some(function) = &frame.function {
            tag("fn", function)?;
        }
        if let Some(source) = &frame.source {
            let (dir, file) = source.file.rsplit_once('/').unwrap_or(("", &source.file));
            if !dir.is_empty() {
                tag("dir", dir)?;
            }
            tag("file", file)?;
            if source.line > 0 {
                tag("line", &source.line.to_string())?;
            }
        }
        writeln!(out, "    </frame>")?;
    }
    writeln!(out, "  </stack>")
}

/// `0x1A`: a small x before large digits, as there.
struct Ip(u64);
impl fmt::UpperHex for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:X}", self.0)
    }
}

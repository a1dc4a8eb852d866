//! The report as JSON: one object, `reports` holds one entry a record.
//!
//! ```text
//! { "format": "gleaner-report", "version": 1, "reports": [ {
//!     "pid", "exe", "mode", "complete": bool,
//!     "summary": { "bytes", "objects" },
//!     "leaks": [ { "kind": "direct"|"indirect"|"mapping"|"possible", "bytes", "objects", "fingerprint", "own"?: index, "rule"?,
//!         "classes"?: [ { "name", "bytes", "objects" } ],
//!         "keeps"?: { "bytes", "objects" }, "shares"?: { "bytes", "objects" }, "cycles"?,
//!         "stack": [ { "pc", "function"?, "linkage"?, "file"?, "line"?, "column"?,
//!                      "module"?, "offset"?, "build_id"?, "inlined": bool } ] } ],
//!     "tree": [ { "parent"?: index, "leak": index, "bytes", "objects", "shared": { "bytes", "objects" } } ],
//!     "timeline": [ { "pid", "exe", "places": [ text ], "checks": [ { "at_ms", "bytes", "objects", "lost", "top": [ [ place, bytes ] ] } ] } ],   beside "reports"
//!     "hidden": [ { "call", "bytes", "objects", "collections", "used": [ as "stack" ], "allocated": [ as "stack" ] } ],
//!     "suppressed": [ { "pattern", "objects", "bytes" } ], "unused": [ { "pattern", "origin" } ], "notes": [ text ] } ] }
//! ```
//! `docs/report.schema.json` is the schema. `own` is the frame of the stack that is the reader's, `rule` a
//! suppression for it.
//! Addresses are texts in hex (JSON numbers end at 2^53); what is not known is left out.
use super::site::Sum;
use super::{Class, Finding, Findings, Grown, Use, flat, kind_name, site, timeline, tree};
use crate::names::{Frame, hex};
use crate::record::{Growth, Hidden, Record};
use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};

/// A text, quoted.
struct Text<'a>(&'a str);
impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                c if c.is_control() => write!(f, "\\u{:04x}", c as u32)?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// `[a,b]` over lines of their own.
fn list<T>(
    out: &mut dyn Write,
    items: &[T],
    mut each: impl FnMut(&mut dyn Write, &T) -> io::Result<()>,
) -> io::Result<()> {
    write!(out, "[")?;
    for (number, item) in items.iter().enumerate() {
        write!(out, "{}", if number == 0 { "\n" } else { ",\n" })?;
        each(out, item)?;
    }
    write!(out, "]")
}

pub fn write(out: &mut dyn Write, all: &[Findings<'_>]) -> io::Result<()> {
    write!(out, "{{\"format\":\"gleaner-report\",\"version\":1,\"reports\":")?;
    list(out, all, one)?;
    write!(out, ",\"timeline\":")?;
    list(out, &timeline::all(all), |out, line| write!(out, "{}", line.json()))?;
    writeln!(out, "}}")
}

fn one(out: &mut dyn Write, found: &Findings<'_>) -> io::Result<()> {
    let record = found.record;
    let (pid, exe, mode) = (record.pid, Text(&record.exe), Text(&record.mode));
    let complete = record.end.is_some() && record.troubles.is_empty();
    write!(out, "{{\"pid\":{pid},\"exe\":{exe},\"mode\":{mode},\"complete\":{complete},")?;
    write!(out, "\"summary\":{{\"bytes\":{},\"objects\":{}}},\"leaks\":", found.bytes(), found.objects())?;
    list(out, &found.leaks, |out, finding| leak(out, record, finding))?;
    write!(out, ",\"tree\":")?;
    list(out, &found.tree, |out, node| {
        let (Sum { bytes, objects }, leak, shared) = (node.size, node.leak, sum(node.shared));
        let parent = node.parent.map_or(String::new(), |parent| format!("\"parent\":{parent},"));
        write!(out, "{{{parent}\"leak\":{leak},\"bytes\":{bytes},\"objects\":{objects},\"shared\":{shared}}}")
    })?;
    write!(out, ",\"hidden\":")?;
    list(out, &found.hidden, |out, one| hidden(out, record, one))?;
    write!(out, ",\"growth\":")?;
    list(out, &found.growth, |out, one| grown(out, record, one))?;
    write!(out, ",\"suppressed\":")?;
    let used: Vec<_> = found.suppressions.used().collect();
    list(out, &used, |out, rule| {
        let pattern = Text(&rule.name);
        write!(out, "{{\"pattern\":{pattern},\"objects\":{},\"bytes\":{}}}", rule.objects, rule.bytes)
    })?;
    write!(out, ",\"unused\":")?;
    let unused: Vec<_> = found.suppressions.unused().collect();
    list(out, &unused, |out, rule| {
        write!(out, "{{\"pattern\":{},\"origin\":{}}}", Text(&rule.name), Text(&rule.origin))
    })?;
    write!(out, ",\"notes\":")?;
    list(out, &found.notes, |out, note| write!(out, "{}", Text(note)))?;
    write!(out, "}}")
}

fn sum(size: Sum) -> String {
    format!("{{\"bytes\":{},\"objects\":{}}}", size.bytes, size.objects)
}

fn leak(out: &mut dyn Write, record: &Record, finding: &Finding) -> io::Result<()> {
    let kind = kind_name(finding.kind);
    let (bytes, objects) = (finding.bytes, finding.objects);
    let frames: Vec<&Frame> = finding.frames().collect();
    let print = site::fingerprint(record, kind, &frames);
    write!(
        out,
        "{{\"kind\":\"{kind}\",\"bytes\":{bytes},\"objects\":{objects},\"fingerprint\":\"{print:016x}\","
    )?;
    if let Some(own) = site::own(record, &frames) {
        write!(out, "\"own\":{own},")?;
        if let Some(rule) = site::rule(record, frames[own]) {
            write!(out, "\"rule\":{},", Text(&format!("leak:{rule}")))?;
        }
    }
    if !finding.classes.is_empty() {
        write!(out, "\"classes\":")?;
        list(out, &finding.classes, |out, class| {
            let Class { name, bytes, objects } = class;
            write!(out, "{{\"name\":{},\"bytes\":{bytes},\"objects\":{objects}}}", Text(name))
        })?;
        write!(out, ",")?;
    }
    let tree::Keeps { alone, shared, cycles } = finding.keeps;
    for (name, size) in [("keeps", alone), ("shares", shared)].iter().filter(|(_, size)| size.objects > 0) {
        write!(out, "\"{name}\":{},", sum(*size))?;
    }
    if cycles > 0 {
        write!(out, "\"cycles\":{cycles},")?;
    }
    write!(out, "\"stack\":")?;
    stack(out, record, finding.frames())?;
    write!(out, "}}")
}

fn grown(out: &mut dyn Write, record: &Record, one: &Grown<'_>) -> io::Result<()> {
    let Growth { bytes, objects, more_bytes, more_objects, rate, age_ms, checks, rises, .. } = one.of;
    write!(
        out,
        "{{\"bytes\":{bytes},\"objects\":{objects},\"more_bytes\":{more_bytes},\"more_objects\":{more_objects},"
    )?;
    write!(out, "\"bytes_per_second\":{rate},\"age_ms\":{age_ms},\"checks\":{checks},\"rises\":{rises},")?;
    if let Some(class) = &one.class {
        write!(out, "\"class\":{},", Text(class))?;
    }
    if !one.held.is_empty() {
        write!(out, "\"held_by\":")?;
        list(out, &one.held, |out, by| write!(out, "{}", Text(by)))?;
        write!(out, ",")?;
    }
    write!(out, "\"stack\":")?;
    stack(out, record, flat(&one.stack))?;
    write!(out, "}}")
}

fn hidden(out: &mut dyn Write, record: &Record, one: &Use<'_>) -> io::Result<()> {
    let Hidden { call, bytes, objects, cycles, .. } = one.of;
    let call = Text(call);
    write!(
        out,
        "{{\"call\":{call},\"bytes\":{bytes},\"objects\":{objects},\"collections\":{cycles},\"used\":"
    )?;
    stack(out, record, flat(&one.used))?;
    write!(out, ",\"allocated\":")?;
    stack(out, record, flat(&one.allocated))?;
    write!(out, "}}")
}

fn stack<'a>(
    out: &mut dyn Write,
    record: &Record,
    frames: impl Iterator<Item = &'a Frame>,
) -> io::Result<()> {
    let frames: Vec<&Frame> = frames.collect();
    list(out, &frames, |out, frame| write!(out, "{}", shown(record, frame)))
}

/// One frame.
pub fn shown(record: &Record, frame: &Frame) -> String {
    let text = |value: &str| Text(value).to_string();
    let positive = |n: u32| (n > 0).then(|| n.to_string());
    let module = frame.place.map(|(index, offset)| (&record.modules[index], offset));
    let source = frame.source.as_ref();
    let fields = [
        ("pc", Some(text(&format!("{:#x}", frame.pc)))),
        ("function", frame.function.as_deref().map(text)),
        ("linkage", frame.linkage.as_deref().map(text)),
        ("file", source.map(|source| text(&source.file))),
        ("line", source.and_then(|source| positive(source.line))),
        ("column", source.and_then(|source| positive(source.column))),
        ("module", module.map(|(module, _)| text(&module.path.to_string_lossy()))),
        ("offset", module.map(|(_, offset)| text(&format!("{offset:#x}")))),
        ("build_id", module.and_then(|(module, _)| module.build_id.as_deref()).map(|id| text(&hex(id)))),
        ("inlined", Some(frame.inlined.to_string())),
    ];
    let known = fields.into_iter().filter_map(|(name, value)| Some(format!("\"{name}\":{}", value?)));
    format!("{{{}}}", known.collect::<Vec<_>>().join(","))
}

//! The report as SARIF 2.1.0, for code scanning: one run, one result a leak, one rule a kind.
//!
//! A result's place is the reader's own frame, as a path from the source root, for such services
//! show only what lies in the repository; the whole stack is there as a stack and as a code flow. The
//! fingerprint leaves out lines and addresses, so that an alert stays the same one while code moves.
use super::{Findings, Style, classes, flat, kind_name, site};
use crate::names::Frame;
use crate::record::Record;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// (id, name, short, full)
const RULES: [(&str, &str, &str, &str); 5] = [
    (
        "leak/direct",
        "DirectLeak",
        "Memory was lost",
        "Nothing in the program points to this memory any more, so it can never be freed.",
    ),
    (
        "leak/indirect",
        "IndirectLeak",
        "Memory was lost with what pointed to it",
        "Only memory that is lost itself points here: freeing that properly would free this, too.",
    ),
    (
        "leak/mapping",
        "LeakedMapping",
        "A mapping was lost",
        "The program mapped this memory, and no word of it points there any more.",
    ),
    (
        "leak/possible",
        "PossibleLeak",
        "Memory may be lost",
        "Only words in disguise (unaligned, or with something above the address) lead to this memory: it may be in use.",
    ),
    (
        "hidden/pointer",
        "HiddenPointer",
        "A pointer was hidden",
        "The program used memory that no pointer led to: a collector would have reclaimed it.",
    ),
];

pub fn write(out: &mut dyn Write, all: &[Findings<'_>], style: &Style) -> io::Result<()> {
    let root = Root::new(&style.source_root);
    let mut seen: HashMap<String, u32> = HashMap::new();
    let results: Vec<Value> = all.iter().flat_map(|found| results(found, &root, &mut seen)).collect();
    let notes = all.iter().flat_map(|found| &found.notes);
    let notes: Vec<Value> = notes.map(|note| json!({"level": "note", "message": {"text": note}})).collect();
    let run = json!({
        "tool": {"driver": {
            "name": "gleaner",
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": RULES.map(|(id, name, short, full)| rule(id, name, short, full)),
        }},
        "invocations": [{"executionSuccessful": true, "toolExecutionNotifications": notes}],
        "originalUriBaseIds": {"SRCROOT": {"uri": format!("file://{}", encoded(&root.slashed()))}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    });
    let document = json!({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]});
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn rule(id: &str, name: &str, short: &str, full: &str) -> Value {
    json!({
        "id": id,
        "name": name,
        "shortDescription": {"text": short},
        "fullDescription": {"text": full},
        "help": {"text": format!("{full} The first frame that is yours is where to look.")},
        "defaultConfiguration": {"level": level(id)},
        "properties": {"tags": ["memory", "leak"], "precision": "very-high", "problem.severity": level(id)},
    })
}

fn level(rule: &str) -> &'static str {
    match rule {
        "leak/indirect" => "warning",
        "leak/possible" => "note",
        _ => "error",
    }
}

/// Stacks by what they are of.
type Stacks<'a> = Vec<(&'a str, Vec<&'a Frame>)>;

fn results(found: &Findings<'_>, root: &Root, seen: &mut HashMap<String, u32>) -> Vec<Value> {
    let leaks = found.leaks.iter().map(|leak| {
        let rule = format!("leak/{}", kind_name(leak.kind));
        let how = if leak.kind.is_sure() { "were lost" } else { "may be lost" };
        let mut what = format!("{} byte(s) in {} object(s) {how}", leak.bytes, leak.objects);
        let mut size = json!({"bytes": leak.bytes, "objects": leak.objects, "pid": found.record.pid});
        if !leak.classes.is_empty() {
            let told: Vec<String> = leak.classes.iter().take(3).map(classes::told).collect();
            what += &format!(" ({})", told.join(", "));
            size["classes"] = json!(leak.classes);
        }
        let keeps = leak.keeps.alone;
        if keeps.objects > 0 {
            what +=
                &format!(", and {} byte(s) in {} more that only they lead to", keeps.bytes, keeps.objects);
            size["keeps"] = json!({"bytes": keeps.bytes, "objects": keeps.objects});
        }
        (rule, what, size, vec![("allocated", leak.frames().collect::<Vec<_>>())])
    });
    let hidden = found.hidden.iter().map(|one| {
        let what = format!(
            "{} of {} byte(s) in {} object(s) that no pointer led to",
            one.of.call, one.of.bytes, one.of.objects
        );
        let size = json!({"bytes": one.of.bytes, "objects": one.of.objects, "pid": found.record.pid});
        let stacks = vec![("used", flat(&one.used).collect()), ("allocated", flat(&one.allocated).collect())];
        ("hidden/pointer".to_owned(), what, size, stacks)
    });
    let result = |(rule, what, size, stacks): (String, String, Value, Stacks<'_>)| {
        result(found.record, root, seen, &rule, &what, size, &stacks)
    };
    leaks.chain(hidden).map(result).collect()
}

fn result(
    record: &Record,
    root: &Root,
    seen: &mut HashMap<String, u32>,
    rule: &str,
    what: &str,
    size: Value,
    stacks: &[(&str, Vec<&Frame>)],
) -> Value {
    let frames = &stacks[0].1;
    let own = main_frame(record, root, frames);
    let place = own.map_or("an unknown place".to_owned(), |frame| site::label(record, frame));
    let print = format!("{:016x}", site::fingerprint(record, rule, frames));
    // Two leaks of one shape: told apart by their order, as such services do it.
    let number = seen.entry(print.clone()).and_modify(|n| *n += 1).or_insert(1);
    let locations = |frames: &[&Frame]| frames.iter().map(|frame| location(record, root, frame)).collect();
    let outermost_first = |frames: &[&Frame]| {
        let steps = frames.iter().rev().map(|frame| json!({"location": location(record, root, frame)}));
        json!({"threadFlows": [{"locations": steps.collect::<Vec<_>>()}]})
    };
    let known = || stacks.iter().filter(|(_, frames)| !frames.is_empty());
    let shown = |(name, frames): &(&str, Vec<&Frame>)| {
        let locations: Vec<Value> = locations(frames);
        let frames: Vec<Value> = locations
            .into_iter()
            .zip(frames)
            .map(|(location, frame)| json!({"location": location, "module": module(record, frame)}))
            .collect();
        json!({"message": {"text": name}, "frames": frames})
    };
    json!({
        "ruleId": rule,
        "ruleIndex": RULES.iter().position(|(id, ..)| *id == rule),
        "level": level(rule),
        "message": {"text": format!("{what}, from {place}")},
        "locations": own.map(|frame| location(record, root, frame)).into_iter().collect::<Vec<_>>(),
        "stacks": known().map(shown).collect::<Vec<_>>(),
        "codeFlows": known().map(|(_, frames)| outermost_first(frames)).collect::<Vec<_>>(),
        "partialFingerprints": {"gleanerLeak/v1": format!("{print}:{number}")},
        "properties": size,
    })
}

/// The frame that a service shows the leak at: the reader's own if it has a line, else the first in
/// the source root, else the first with a line.
fn main_frame<'a>(record: &Record, root: &Root, frames: &[&'a Frame]) -> Option<&'a Frame> {
    let own = site::own(record, frames)?;
    let file = |frame: &&&Frame| frame.source.is_some();
    let inside = |frame: &&&Frame| {
        let file = frame.source.as_ref().map(|source| &source.file);
        file.is_some_and(|file| root.inside(file, !site::is_of_the_system(record, frame)).is_some())
    };
    let rest = &frames[own..];
    rest.iter().find(inside).or_else(|| rest.iter().find(file)).or(frames.get(own)).copied()
}

fn module(record: &Record, frame: &Frame) -> String {
    frame.place.map_or(String::new(), |(index, _)| record.modules[index].path.to_string_lossy().into_owned())
}

fn location(record: &Record, root: &Root, frame: &Frame) -> Value {
    let (file, line, column) = match &frame.source {
        Some(source) => (source.file.clone(), source.line, source.column),
        None => (module(record, frame), 0, 0),
    };
    let mut region = json!({"startLine": line.max(1)});
    if line > 0 && column > 0 {
        region["startColumn"] = column.into();
    }
    let mut location = json!({"message": {"text": site::label(record, frame)}});
    if !file.is_empty() {
        location["physicalLocation"] = json!({
            "artifactLocation": root.artifact(&file, !site::is_of_the_system(record, frame)),
            "region": region,
        });
    }
    if let Some(function) = &frame.function {
        let mut logical = json!({"fullyQualifiedName": function, "kind": "function"});
        if let Some(linkage) = &frame.linkage {
            logical["decoratedName"] = linkage.as_str().into();
        }
        location["logicalLocations"] = json!([logical]);
    }
    location
}

/// Where the sources lie.
struct Root(PathBuf);

impl Root {
    fn new(dir: &Path) -> Root {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        Root(tidy(&dir))
    }
    fn slashed(&self) -> String {
        format!("{}/", self.0.to_string_lossy().trim_end_matches('/'))
    }
    /// The path from the root; a relative one begins there, unless it is of somebody else's build.
    fn inside(&self, file: &str, ours: bool) -> Option<String> {
        let path = tidy(Path::new(file));
        let inner = match path.is_absolute() {
            true => path.strip_prefix(&self.0).ok()?,
            false if ours => &path,
            false => return None,
        };
        let fits = !inner.as_os_str().is_empty() && !inner.starts_with("..");
        fits.then(|| inner.to_string_lossy().into_owned())
    }
    fn artifact(&self, file: &str, ours: bool) -> Value {
        match self.inside(file, ours) {
            Some(inner) => json!({"uri": encoded(&inner), "uriBaseId": "SRCROOT"}),
            None if file.starts_with('/') => json!({"uri": format!("file://{}", encoded(file))}),
            None => json!({"uri": encoded(&tidy(Path::new(file)).to_string_lossy())}),
        }
    }
}

/// Without `.` and, as far as possible, `..`.
fn tidy(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some_and(|name| name != "..") => drop(plain.pop()),
            Component::ParentDir if plain.has_root() => {}
            part => plain.push(part),
        }
    }
    plain
}

/// A path as part of a URI.
fn encoded(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&b);
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

//! `gleaner suppress`: rules that hold for what a record has, ready to be put into a file.
use crate::names::Frame;
use crate::record::{Kind, Record};
use crate::report::site::Sum;
use crate::report::{Findings, flat, site};
use std::collections::HashSet;
use std::io::{self, Write};

/// Whose rules.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Lsan,
    Valgrind,
}

pub fn write(out: &mut dyn Write, all: &[Findings<'_>], dialect: Dialect) -> io::Result<()> {
    let mut seen = HashSet::new();
    for found in all {
        for (kind, frames, size) in stacks(found) {
            let place = site::own(found.record, &frames);
            let label =
                place.map_or("an unknown place".to_owned(), |at| site::label(found.record, frames[at]));
            let about = format!("{} byte(s) in {} object(s): {}", size.bytes, size.objects, plain(&label));
            let rule = match dialect {
                Dialect::Lsan => place
                    .and_then(|at| site::rule(found.record, frames[at]))
                    .map(|rule| format!("leak:{rule}\n")),
                Dialect::Valgrind => {
                    Some(braces(found.record, kind, &frames, &label)).filter(|_| !frames.is_empty())
                }
            };
            match rule {
                Some(rule) if seen.insert(rule.clone()) => write!(out, "# {about}\n{rule}")?,
                Some(_) => {}
                None => writeln!(out, "# {about}: there is no name to write a rule with")?,
            }
        }
    }
    Ok(())
}

fn stacks<'a>(found: &'a Findings<'_>) -> Vec<(Kind, Vec<&'a Frame>, Sum)> {
    let leaks = found
        .leaks
        .iter()
        .map(|leak| (leak.kind, leak.frames().collect(), Sum { bytes: leak.bytes, objects: leak.objects }));
    let hidden = found.hidden.iter().map(|one| {
        (Kind::Direct, flat(&one.used).collect(), Sum { bytes: one.of.bytes, objects: one.of.objects })
    });
    leaks.chain(hidden).collect()
}

/// The first few rules, a line each, for the end of a report: those of the places where most is lost.
pub fn lines(found: &Findings<'_>, most: usize) -> (Vec<String>, bool) {
    let mut all: Vec<(String, u64)> = Vec::new();
    for (_, frames, size) in stacks(found) {
        let Some(at) = site::own(found.record, &frames) else { continue };
        let Some(rule) = site::rule(found.record, frames[at]) else { continue };
        match all.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, bytes)) => *bytes = bytes.saturating_add(size.bytes),
            None => all.push((rule, size.bytes)),
        }
    }
    all.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let more = all.len() > most;
    (all.into_iter().take(most).map(|(rule, _)| format!("leak:{rule}")).collect(), more)
}

/// Valgrind takes up to so many frames in a rule.
const FRAMES: usize = 24;

fn braces(record: &Record, kind: Kind, frames: &[&Frame], label: &str) -> String {
    let kinds = match kind {
        Kind::Indirect => "indirect",
        Kind::Possible => "possible",
        Kind::Direct | Kind::Mapping => "definite",
    };
    let mut text = format!("{{\n   {}\n   Memcheck:Leak\n   match-leak-kinds: {kinds}\n", plain(label));
    // There a stack begins in malloc itself, or in operator new, which calls malloc here.
    let new = |frame: &&Frame| frame.linkage.as_deref().is_some_and(|name| name.starts_with("_Zn"));
    if !frames.first().is_some_and(new) {
        text.push_str("   fun:*\n");
    }
    for frame in frames.iter().take(FRAMES - 1) {
        let name =
            frame.linkage.as_deref().or(frame.function.as_deref()).filter(|name| !name.trim().is_empty());
        let line = match (name, frame.place) {
            // glibc's inner names are not those that Valgrind shows.
            (Some(name), _) if name.starts_with("__GI_") => {
                format!("fun:*{}", glob(name.trim_start_matches("__GI_").trim_start_matches('_')))
            }
            (Some(name), _) => format!("fun:{}", glob(name)),
            (None, Some((index, _))) => {
                format!("obj:{}", glob(&record.modules[index].path.to_string_lossy()))
            }
            (None, None) => "obj:*".to_owned(),
        };
        text.push_str(&format!("   {line}\n"));
        if frame.function.as_deref() == Some("main") {
            break;
        }
    }
    text.push_str("}\n");
    text
}

/// Blanks at the ends would be trimmed, a line's end would end it.
fn glob(name: &str) -> String {
    let bytes = name.trim().len() < name.len();
    let name: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    if bytes { format!("*{}*", name.trim()) } else { name }
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

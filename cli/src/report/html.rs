//! The report as one page that needs nothing else: no network, no file beside it, no program but a browser.
//!
//! The findings stand in it as JSON in a script element that is no program, with `<`, `>` and `&` as
//! escapes, so that no name can end the element. The page's own script puts texts into it as text only,
//! and a policy in its head allows this script and this style sheet, by their hashes, and nothing else.
use super::site::{self, Sum};
use super::tree::Keeps;
use super::{Class, Findings, flat, kind_name, timeline};
use crate::names::Frame;
use crate::record::Record;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{self, Write};

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// One row of the page.
pub struct Site<'a> {
    pub record: &'a Record,
    pub kind: &'a str,
    pub size: Sum,
    pub stack: Vec<&'a Frame>,
    pub classes: &'a [Class],
    /// What a direct leak leads to.
    pub keeps: Keeps,
    /// Audit mode: the call, and where it was.
    pub used: Option<(&'a str, Vec<&'a Frame>)>,
    /// Of two records: what became of it, and what it was.
    pub change: Option<(&'static str, Sum)>,
}

pub fn write(out: &mut dyn Write, all: &[Findings<'_>]) -> io::Result<()> {
    let runs: Vec<&Findings<'_>> = all.iter().collect();
    let total = sum(all);
    page(out, &runs, total, None, sites(all), trees(all))
}

/// What holds what, of all runs, for [`sites`]: site, node above (-1: none), bytes, objects, and those of others, too.
fn trees(all: &[Findings<'_>]) -> Vec<Value> {
    let (mut rows, mut first) = (Vec::new(), 0);
    for found in all {
        let base = rows.len();
        rows.extend(found.tree.iter().map(|node| {
            let above = node.parent.map_or(-1, |parent| (base + parent) as i64);
            let (size, shared) = (node.size, node.shared);
            json!([first + node.leak, above, size.bytes, size.objects, shared.bytes, shared.objects])
        }));
        first += found.leaks.len() + found.hidden.len();
    }
    rows
}

pub fn sum(all: &[Findings<'_>]) -> Sum {
    all.iter().fold(Sum::default(), |sum, found| Sum {
        bytes: sum.bytes.saturating_add(found.bytes()),
        objects: sum.objects.saturating_add(found.objects()),
    })
}

fn sites<'a>(all: &'a [Findings<'_>]) -> Vec<Site<'a>> {
    let mut sites = Vec::new();
    for found in all {
        sites.extend(found.leaks.iter().map(|leak| Site {
            record: found.record,
            kind: kind_name(leak.kind),
            size: Sum { bytes: leak.bytes, objects: leak.objects },
            stack: leak.frames().collect(),
            classes: &leak.classes,
            keeps: leak.keeps,
            used: None,
            change: None,
        }));
        sites.extend(found.hidden.iter().map(|one| Site {
            record: found.record,
            kind: "hidden",
            size: Sum { bytes: one.of.bytes, objects: one.of.objects },
            stack: flat(&one.allocated).collect(),
            classes: &[],
            keeps: Keeps::default(),
            used: Some((&one.of.call, flat(&one.used).collect())),
            change: None,
        }));
    }
    sites
}

/// The page of these rows; `before` is the sum of the other record, of two.
pub fn page(
    out: &mut dyn Write,
    runs: &[&Findings<'_>],
    total: Sum,
    before: Option<Sum>,
    sites: Vec<Site<'_>>,
    tree: Vec<Value>,
) -> io::Result<()> {
    let mut making = Making::default();
    let rows: Vec<Value> = sites.iter().map(|site| making.site(site)).collect();
    let timelines: Vec<Value> =
        timeline::all(runs.iter().copied()).iter().map(timeline::Timeline::json).collect();
    let growing: Vec<Value> = runs.iter().flat_map(|found| making.growing(found)).collect();
    let data = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "audit": !runs.is_empty() && runs.iter().all(|found| found.record.mode == "audit"),
        "total": size(total),
        "before": before.map(size),
        "runs": runs.iter().map(|found| run(found)).collect::<Vec<_>>(),
        "texts": making.texts,
        "frames": making.frames,
        "sites": rows,
        "tree": tree,
        "timeline": timelines,
        "growing": growing,
    });
    let program = runs.first().map_or("", |found| site::base(&found.record.exe));
    let title = format!("{} of {}", if before.is_some() { "Changes" } else { "Leaks" }, program);
    let style = squeezed(STYLE);
    let filled = [
        ("SCRIPT_HASH", hash(SCRIPT)),
        ("STYLE_HASH", hash(&style)),
        ("TITLE", markup(&title)),
        ("STYLE", style),
        ("DATA", plain(&data.to_string())),
        ("SCRIPT", SCRIPT.to_owned()),
    ];
    let mut rest = PAGE;
    for (name, value) in &filled {
        let (head, tail) = rest.split_once(&format!("@{name}@")).unwrap_or((rest, ""));
        out.write_all(head.as_bytes())?;
        out.write_all(value.as_bytes())?;
        rest = tail;
    }
    out.write_all(rest.as_bytes())
}

fn size(sum: Sum) -> Value {
    json!({"bytes": sum.bytes, "objects": sum.objects})
}

fn run(found: &Findings<'_>) -> Value {
    let record = found.record;
    let used = found.suppressions.used();
    let used = used.map(|r| json!({"pattern": r.name, "objects": r.objects, "bytes": r.bytes}));
    let unused = found.suppressions.unused().map(|r| json!({"pattern": r.name, "origin": r.origin}));
    json!({
        "pid": record.pid,
        "exe": record.exe,
        "mode": record.mode,
        "notes": found.notes,
        "suppressed": used.collect::<Vec<_>>(),
        "unused": unused.collect::<Vec<_>>(),
    })
}

/// Texts and frames, each once.
#[derive(Default)]
struct Making {
    texts: Vec<String>,
    known: HashMap<String, usize>,
    frames: Vec<Value>,
    placed: HashMap<Value, usize>,
}

impl Making {
    fn text(&mut self, text: Option<&str>) -> i64 {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return -1 };
        let at = self.known.get(text).copied().unwrap_or_else(|| {
            self.texts.push(text.to_owned());
            self.known.insert(text.to_owned(), self.texts.len() - 1);
            self.texts.len() - 1
        });
        at as i64
    }
    fn frame(&mut self, record: &Record, frame: &Frame) -> usize {
        let place = frame.place.map(|(index, offset)| (record.modules[index].path.to_string_lossy(), offset));
        let source = frame.source.as_ref();
        let value = json!([
            self.text(frame.function.as_deref()),
            self.text(source.map(|source| source.file.as_str())),
            source.map_or(0, |source| source.line),
            self.text(place.as_ref().map(|(path, _)| &**path)),
            format!("{:#x}", place.as_ref().map_or(frame.pc, |(_, offset)| *offset)),
            u8::from(frame.inlined),
        ]);
        *self.placed.entry(value.clone()).or_insert_with(|| {
            self.frames.push(value);
            self.frames.len() - 1
        })
    }
    fn stack(&mut self, record: &Record, frames: &[&Frame]) -> Vec<usize> {
        frames.iter().map(|frame| self.frame(record, frame)).collect()
    }
    /// What grows, as the newest check of each run has it.
    fn growing(&mut self, found: &Findings<'_>) -> Vec<Value> {
        let row = |one: &super::Grown<'_>| {
            let stack: Vec<&Frame> = flat(&one.stack).collect();
            let own = site::own(found.record, &stack);
            json!({
                "bytes": one.of.bytes,
                "objects": one.of.objects,
                "more": one.of.more_bytes,
                "rate": one.of.rate,
                "age": one.of.age_ms,
                "class": one.class,
                "held": one.held,
                "stack": self.stack(found.record, &stack),
                "own": own.map_or(-1, |own| own as i64),
            })
        };
        found.growth.iter().map(row).collect()
    }
    fn site(&mut self, site: &Site<'_>) -> Value {
        let own = site::own(site.record, &site.stack);
        let rule = own.and_then(|own| site::rule(site.record, site.stack[own]));
        let mut value = json!({
            "kind": site.kind,
            "bytes": site.size.bytes,
            "objects": site.size.objects,
            "stack": self.stack(site.record, &site.stack),
            "own": own.map_or(-1, |own| own as i64),
            "rule": rule.map(|rule| format!("leak:{rule}")),
        });
        if !site.classes.is_empty() {
            value["classes"] = json!(site.classes);
        }
        for (name, sum) in [("keeps", site.keeps.alone), ("shares", site.keeps.shared)] {
            if sum.objects > 0 {
                value[name] = size(sum);
            }
        }
        if site.keeps.cycles > 0 {
            value["cycles"] = site.keeps.cycles.into();
        }
        if let Some((call, used)) = &site.used {
            (value["call"], value["used"]) = ((*call).into(), self.stack(site.record, used).into());
        }
        if let Some((state, before)) = site.change {
            (value["state"], value["before"]) = (state.into(), size(before));
        }
        value
    }
}

/// JSON that no parser of HTML can take for markup.
fn plain(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            c => text.push(c),
        }
    }
    text
}

fn markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn squeezed(style: &str) -> String {
    style.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

/// SHA-256 in base 64.
fn hash(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digest = Sha256::digest(text.as_bytes());
    let mut all = String::new();
    for group in digest.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let kept = digit <= group.len();
            all.push(if kept { char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]) } else { '=' });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hash_is_the_usual_one() {
        // printf '' | openssl dgst -sha256 -binary | base64
        assert_eq!(super::hash(""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
    #[test]
    fn json_holds_no_markup() {
        assert_eq!(super::plain("</script>&\u{2028}"), "\\u003c/script\\u003e\\u0026\\u2028");
    }
}

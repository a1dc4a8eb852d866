//! `gleaner report`: a record becomes findings with names, sorted and suppressed, and is printed.
use crate::Failure;
use crate::failure::{TROUBLE, plain, unwritable};
use crate::names::{Frame, Names};
use crate::record::{self, Kind, Pc, Record};
use crate::suppress::Suppressions;
use std::collections::HashMap;
use std::io::{BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

mod json;
mod text;

/// What was asked.
pub struct Order {
    pub format: Format,
    pub suppressions: Vec<PathBuf>,
    pub debug_dirs: Vec<PathBuf>,
    pub colour: Colour,
    pub purpose: Purpose,
    /// `-` is standard input.
    pub file: PathBuf,
}
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Auto,
    Always,
    Never,
}
/// Who runs us.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Person,
    /// The library, at the program's end: a bad suppression file must not cost the report, and
    /// [`NOTHING_LEFT`] tells it to keep the program's own status.
    Process,
}

/// With [`Purpose::Process`]: there was no leak, or each one was suppressed.
pub const NOTHING_LEFT: u8 = 3;

/// One record, ready to print.
pub struct Findings<'a> {
    pub record: &'a Record,
    pub leaks: Vec<Finding>,
    pub suppressions: &'a Suppressions,
    /// Remarks of the library, then ours.
    pub notes: Vec<String>,
}

/// The leaked objects of one stack.
pub struct Finding {
    pub kind: Kind,
    pub bytes: u64,
    pub objects: u64,
    /// One slice an address: the frames inlined there, innermost first.
    pub stack: Vec<Rc<[Frame]>>,
}

impl Finding {
    pub fn frames(&self) -> impl Iterator<Item = &Frame> + Clone {
        self.stack.iter().flat_map(|frames| frames.iter())
    }
}

impl Findings<'_> {
    pub fn bytes(&self) -> u64 {
        self.leaks.iter().fold(0, |sum, leak| sum.saturating_add(leak.bytes))
    }
    pub fn objects(&self) -> u64 {
        self.leaks.iter().fold(0, |sum, leak| sum.saturating_add(leak.objects))
    }
}

/// Reads, names, prints.
pub fn report(order: &Order) -> Result<u8, Failure> {
    let (text, name) = read(&order.file)?;
    let records = record::parse(&text).map_err(|why| Failure::new(TROUBLE, format_args!("{name} {why}")))?;
    let (rules, trouble) = suppressions(order)?;
    let mut left = false;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut print = |out: &mut dyn Write| -> std::io::Result<()> {
        let mut all = Vec::new();
        let mut sets: Vec<Suppressions> = records.iter().map(|_| rules.clone()).collect();
        for (record, rules) in records.iter().zip(&mut sets) {
            let own = rules.add_own(&record.rules, &record.exe);
            let mut findings = find(record, rules, &order.debug_dirs);
            findings.notes.extend(trouble.clone().into_iter().chain(own));
            left |= !findings.leaks.is_empty();
            match order.format {
                Format::Text => text::write(out, &findings, order.purpose, painted(order.colour))?,
                Format::Json => all.push(findings),
            }
        }
        if order.format == Format::Json {
            json::write(out, &all)?;
        }
        out.flush()
    };
    print(&mut out).map_err(unwritable)?;
    Ok(if order.purpose == Purpose::Process && !left { NOTHING_LEFT } else { 0 })
}

fn suppressions(order: &Order) -> Result<(Suppressions, Option<String>), Failure> {
    match (Suppressions::read(&order.suppressions), order.purpose) {
        (Ok(rules), _) => Ok((rules, None)),
        (Err(failure), Purpose::Person) => Err(failure),
        (Err(failure), Purpose::Process) => Ok((Suppressions::default(), Some(failure.text))),
    }
}

fn painted(colour: Colour) -> bool {
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        }
    }
}

/// The record's bytes, and what to call it.
fn read(file: &Path) -> Result<(Vec<u8>, String), Failure> {
    let mut bytes = Vec::new();
    let (result, name) = if file == Path::new("-") {
        (std::io::stdin().lock().read_to_end(&mut bytes).map(drop), "standard input".to_owned())
    } else {
        (std::fs::read(file).map(|content| bytes = content), file.display().to_string())
    };
    result.map_err(|error| Failure::new(TROUBLE, format_args!("cannot read {name}: {}", plain(&error))))?;
    Ok((bytes, name))
}

/// Merges equal stacks, names them, drops what is suppressed, sorts: direct before indirect, more
/// bytes first.
fn find<'a>(record: &'a Record, rules: &'a mut Suppressions, debug_dirs: &[PathBuf]) -> Findings<'a> {
    let mut names = Names::new(record, debug_dirs);
    let mut leaks = Vec::new();
    for (kind, pcs, bytes, objects) in merged(record) {
        let stack: Vec<Rc<[Frame]>> = pcs.iter().map(|pc| names.frames(record, *pc)).collect();
        let finding = Finding { kind, bytes, objects, stack };
        if rules.is_empty() || !rules.take(all_names(record, &finding), objects, bytes) {
            leaks.push(finding);
        }
    }
    let mut notes = record.notes.clone();
    notes.extend(names.troubles());
    notes.extend(record.troubles.iter().cloned());
    notes.extend(cut_short(record));
    // Equal sizes: by address, so that two runs over one record print the same.
    leaks.sort_by_key(|leak| (leak.kind, std::cmp::Reverse(leak.bytes)));
    Findings { record, leaks, suppressions: rules, notes }
}

/// Leaks by kind and stack, in the order of the record.
fn merged(record: &Record) -> Vec<(Kind, &[Pc], u64, u64)> {
    let mut places: HashMap<(Kind, &[Pc]), usize> = HashMap::new();
    let mut all: Vec<(Kind, &[Pc], u64, u64)> = Vec::new();
    for leak in &record.leaks {
        let pcs = record.stacks.get(&leak.stack).map_or(&[][..], Vec::as_slice);
        let at = *places.entry((leak.kind, pcs)).or_insert_with(|| {
            all.push((leak.kind, pcs, 0, 0));
            all.len() - 1
        });
        all[at].2 = all[at].2.saturating_add(leak.bytes);
        all[at].3 = all[at].3.saturating_add(leak.objects);
    }
    all
}

/// What a suppression may match: modules, functions (plain and as linked), files.
fn all_names<'a>(record: &'a Record, finding: &'a Finding) -> impl Iterator<Item = &'a str> + Clone {
    finding.frames().flat_map(|frame| {
        let module = frame.place.and_then(|(index, _)| record.modules[index].path.to_str());
        let file = frame.source.as_ref().map(|source| source.file.as_str());
        [module, frame.function.as_deref(), frame.linkage.as_deref(), file].into_iter().flatten()
    })
}

fn cut_short(record: &Record) -> Option<String> {
    let sum = |f: fn(&record::Leak) -> u64| record.leaks.iter().map(f).fold(0, u64::saturating_add);
    let (bytes, objects) = (sum(|leak| leak.bytes), sum(|leak| leak.objects));
    match record.end {
        None => Some("the record has no last line: it was cut short, leaks may be missing".into()),
        Some(end) if end != (bytes, objects) => Some(format!(
            "the program counted {} byte(s) in {} object(s), the record holds {bytes} in {objects}",
            end.0, end.1
        )),
        Some(_) => None,
    }
}

//! `gleaner report`: a record becomes findings with names, sorted and suppressed, and is printed.
use crate::Failure;
use crate::failure::{TROUBLE, plain};
use crate::names::{Frame, Names, Places};
use crate::record::{self, Growth, Hidden, Kind, Pc, Record};
use crate::suppress::ready::{self, Dialect};
use crate::suppress::{Shown, Suppressions};
use site::Sum;
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

mod classes;
mod folded;
mod held;
pub mod html;
pub mod json;
pub mod output;
mod pprof;
mod sarif;
pub mod site;
mod text;
mod timeline;
pub mod tree;
mod valgrind;
pub use classes::Class;
pub use gleaner_core::pure::options::Format;

/// What was asked.
pub struct Order {
    pub format: Format,
    pub suppressions: Vec<PathBuf>,
    pub places: Places,
    pub colour: Colour,
    pub purpose: Purpose,
    /// `-` is standard input.
    pub file: PathBuf,
    /// `-` is standard output.
    pub output: PathBuf,
    pub source_root: PathBuf,
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

/// What a format needs to know besides the findings.
pub struct Style {
    pub purpose: Purpose,
    pub painted: bool,
    /// Where a code-scanning service has its sources.
    pub source_root: PathBuf,
}

/// With [`Purpose::Process`]: there was no leak, or each one was suppressed.
pub const NOTHING_LEFT: u8 = 3;

/// One record, ready to print.
pub struct Findings<'a> {
    pub record: &'a Record,
    pub leaks: Vec<Finding>,
    /// What holds what of the leaks.
    pub tree: Vec<tree::Node>,
    pub hidden: Vec<Use<'a>>,
    /// The most first. Suppressions are for leaks.
    pub growth: Vec<Grown<'a>>,
    /// The stacks of what was live at the checks so far, by number.
    pub live: HashMap<u64, Vec<Rc<[Frame]>>>,
    pub suppressions: &'a Suppressions,
    /// Remarks of the library, then ours.
    pub notes: Vec<String>,
}

/// The leaked objects of one stack.
#[derive(Debug)]
pub struct Finding {
    pub kind: Kind,
    pub bytes: u64,
    pub objects: u64,
    /// One slice an address: the frames inlined there, innermost first.
    pub stack: Vec<Rc<[Frame]>>,
    /// Of which C++ classes, most bytes first; not of those that have no vtable.
    pub classes: Vec<Class>,
    /// What a direct leak leads to.
    pub keeps: tree::Keeps,
}

/// Reachable memory that grows from check to check.
pub struct Grown<'a> {
    pub of: &'a Growth,
    pub stack: Vec<Rc<[Frame]>>,
    /// The C++ class of one of the objects, if it has a vtable.
    pub class: Option<String>,
    /// From a root down: what leads there, each by what it is called.
    pub held: Vec<String>,
}

/// Objects that were used in one place although no pointer had led to them.
pub struct Use<'a> {
    pub of: &'a Hidden,
    pub allocated: Vec<Rc<[Frame]>>,
    pub used: Vec<Rc<[Frame]>>,
}

/// The word for a kind, in every machine's format.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Direct => "direct",
        Kind::Indirect => "indirect",
        Kind::Mapping => "mapping",
        Kind::Possible => "possible",
    }
}

impl Finding {
    pub fn frames(&self) -> impl Iterator<Item = &Frame> + Clone {
        flat(&self.stack)
    }
}

/// All frames of a stack.
pub fn flat(stack: &[Rc<[Frame]>]) -> impl Iterator<Item = &Frame> + Clone {
    stack.iter().flat_map(|frames| frames.iter())
}

impl Findings<'_> {
    pub fn bytes(&self) -> u64 {
        self.sizes().fold(0, |sum, size| sum.saturating_add(size.0))
    }
    pub fn objects(&self) -> u64 {
        self.sizes().fold(0, |sum, size| sum.saturating_add(size.1))
    }
    fn sizes(&self) -> impl Iterator<Item = (u64, u64)> {
        let leaks =
            self.leaks.iter().filter(|leak| leak.kind.is_sure()).map(|leak| (leak.bytes, leak.objects));
        leaks.chain(self.hidden.iter().map(|one| (one.of.bytes, one.of.objects)))
    }
    /// Whether nothing was lost for sure.
    pub fn is_empty(&self) -> bool {
        self.hidden.is_empty() && !self.leaks.iter().any(|leak| leak.kind.is_sure())
    }
    /// Bytes and objects that may be in use.
    pub fn possible(&self) -> Sum {
        let mut sum = Sum::default();
        let possible = self.leaks.iter().filter(|leak| !leak.kind.is_sure());
        possible.for_each(|leak| tree::add(&mut sum, Sum { bytes: leak.bytes, objects: leak.objects }));
        sum
    }
}

/// Writes reports, whatever found them.
pub fn write(
    all: &[Findings<'_>],
    format: Format,
    style: &Style,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    match format {
        Format::Text => all.iter().try_for_each(|found| text::write(out, found, style)),
        Format::Json => json::write(out, all),
        Format::Sarif => sarif::write(out, all, style),
        Format::ValgrindXml => valgrind::write(out, all),
        Format::Pprof => pprof::write(out, all),
        Format::Folded => folded::write(out, all),
        Format::Svg => folded::svg(out, all),
        Format::Html => html::write(out, all),
    }
}

/// `gleaner report`.
pub fn report(order: &Order) -> Result<u8, Failure> {
    let left = print(order)?;
    Ok(if order.purpose == Purpose::Process && !left { NOTHING_LEFT } else { 0 })
}

/// Reads, names, prints. Whether anything was left to report.
pub fn print(order: &Order) -> Result<bool, Failure> {
    with_findings(order, |all| {
        let pid = all.first().map_or(0, |found| found.record.pid);
        let mut output = output::open(&order.output, order.format, order.purpose, pid)?;
        let style = Style {
            purpose: order.purpose,
            painted: order.format == Format::Text && painted(order.colour, &output),
            source_root: order.source_root.clone(),
        };
        output.fill(|out| write(all, order.format, &style, out))?;
        Ok(all.iter().any(|findings| !findings.is_empty()))
    })
}

/// Rules for what the record has.
pub fn suppress(order: &Order, dialect: Dialect) -> Result<u8, Failure> {
    with_findings(order, |all| {
        let mut output = output::open(&order.output, order.format, order.purpose, 0)?;
        output.fill(|out| ready::write(out, all, dialect))
    })?;
    Ok(0)
}

/// Hands on what the file of an order holds.
pub fn with_findings<T>(
    order: &Order,
    then: impl FnOnce(&[Findings<'_>]) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (text, name) = read(&order.file)?;
    let records = record::parse(&text).map_err(|why| Failure::new(TROUBLE, format_args!("{name} {why}")))?;
    let (rules, trouble) = suppressions(order)?;
    let mut sets: Vec<Suppressions> = records.iter().map(|_| rules.clone()).collect();
    let mut all = Vec::new();
    for (record, rules) in records.iter().zip(&mut sets) {
        let own = rules.add_own(&record.rules, &record.exe);
        let mut findings = find(record, rules, &order.places);
        findings.notes.extend(trouble.clone().into_iter().chain(own));
        all.push(findings);
    }
    then(&all)
}

fn suppressions(order: &Order) -> Result<(Suppressions, Option<String>), Failure> {
    match (Suppressions::read(&order.suppressions), order.purpose) {
        (Ok(rules), _) => Ok((rules, None)),
        (Err(failure), Purpose::Person) => Err(failure),
        (Err(failure), Purpose::Process) => Ok((Suppressions::default(), Some(failure.text))),
    }
}

fn painted(colour: Colour, output: &output::Output) -> bool {
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => output.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
    }
}

/// The record's bytes, and what to call it.
pub fn read(file: &Path) -> Result<(Vec<u8>, String), Failure> {
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
pub fn find<'a>(record: &'a Record, rules: &'a mut Suppressions, places: &Places) -> Findings<'a> {
    let mut names = Names::new(record, places);
    names.wait_for(record);
    let mut classes = classes::all(record, &mut names);
    let (leaks, tree, left_out) = leaks(record, &mut names, &mut classes, rules);
    let mut hidden = Vec::new();
    for of in &record.hidden {
        let mut named = |id| stack(record, id).iter().map(|pc| names.frames(record, *pc)).collect();
        let one = Use { of, allocated: named(of.allocated), used: named(of.used) };
        let suppressed = {
            let (used, allocated) = (shown(record, flat(&one.used)), shown(record, flat(&one.allocated)));
            rules.take(&used, Kind::Direct, of.objects, of.bytes)
                || rules.take(&allocated, Kind::Direct, of.objects, of.bytes)
        };
        if !suppressed {
            hidden.push(one);
        }
    }
    let grown = record.growth.iter().map(|of| {
        let stack = stack(record, of.stack).iter().map(|pc| names.frames(record, *pc)).collect();
        let way = record.ways.iter().find(|way| way.to == of.stack);
        let held = way.map(|way| held::by(record, &mut names, way)).unwrap_or_default();
        Grown { of, stack, held, class: classes.live.remove(&of.stack) }
    });
    let growth = grown.collect();
    let mut live = HashMap::new();
    for (id, _) in record.live.iter().flat_map(|live| &live.top) {
        live.entry(*id)
            .or_insert_with(|| stack(record, *id).iter().map(|pc| names.frames(record, *pc)).collect());
    }
    names.waited();
    let mut notes = record.notes.clone();
    notes.extend(left_out);
    notes.extend(names.troubles());
    notes.extend(record.troubles.iter().cloned());
    notes.extend(cut_short(record));
    hidden.sort_by_key(|one| std::cmp::Reverse(one.of.bytes));
    Findings { record, leaks, tree, hidden, growth, live, suppressions: rules, notes }
}

/// Leaks that no rule holds for, nor for all that leads to them, and a remark on the latter; their tree.
fn leaks<'a>(
    record: &'a Record,
    names: &mut Names<'a>,
    classes: &mut classes::Classes<'a>,
    rules: &mut Suppressions,
) -> (Vec<Finding>, Vec<tree::Node>, Option<String>) {
    let mut leaks: Vec<(tree::Key<'a>, Finding)> = Vec::new();
    let mut suppressed = HashSet::new();
    for (kind, pcs, bytes, objects) in merged(record) {
        let stack: Vec<Rc<[Frame]>> = pcs.iter().map(|pc| names.frames(record, *pc)).collect();
        let classes = classes.leaks.remove(&(kind, pcs)).unwrap_or_default();
        let finding = Finding { kind, bytes, objects, stack, classes, keeps: tree::Keeps::default() };
        if rules.take(&shown(record, finding.frames()), kind, objects, bytes) {
            suppressed.insert((kind, pcs));
        } else {
            leaks.push(((kind, pcs), finding));
        }
    }
    let trees = tree::Trees::of(record);
    let gone = trees.gone(&suppressed);
    let mut left_out = Sum::default();
    for ((kind, pcs), leak) in &mut leaks {
        let all = Sum { bytes: leak.bytes, objects: leak.objects };
        let gone = gone.get(pcs).filter(|_| *kind == Kind::Indirect).copied().unwrap_or_default();
        let left = tree::less(all, gone);
        (leak.bytes, leak.objects) = (left.bytes, left.objects);
        tree::add(&mut left_out, tree::less(all, left));
    }
    leaks.retain(|((kind, _), leak)| *kind != Kind::Indirect || leak.objects > 0);
    // Equal sizes: by address, so that two runs over one record print the same.
    leaks.sort_by_key(|(_, leak)| (leak.kind, std::cmp::Reverse(leak.bytes)));
    let places = leaks.iter().enumerate().map(|(at, (key, _))| (*key, at)).collect();
    let tree = trees.shown(&places);
    let keeps = trees.keeps(&places, &tree);
    let mut leaks: Vec<Finding> = leaks.into_iter().map(|(_, leak)| leak).collect();
    keeps.into_iter().for_each(|(at, keeps)| leaks[at].keeps = keeps);
    let told = (left_out.objects > 0).then(|| {
        let Sum { bytes, objects } = left_out;
        format!("{bytes} byte(s) in {objects} object(s) that only suppressed leaks lead to are left out")
    });
    (leaks, tree, told)
}

/// The addresses of a stack by its number; none of one that is unknown.
fn stack(record: &Record, id: u64) -> &[Pc] {
    record.stacks.get(&id).map_or(&[][..], Vec::as_slice)
}

/// Leaks by kind and stack, in the order of the record.
fn merged(record: &Record) -> Vec<(Kind, &[Pc], u64, u64)> {
    let mut places: HashMap<(Kind, &[Pc]), usize> = HashMap::new();
    let mut all: Vec<(Kind, &[Pc], u64, u64)> = Vec::new();
    for leak in &record.leaks {
        let pcs = stack(record, leak.stack);
        let at = *places.entry((leak.kind, pcs)).or_insert_with(|| {
            all.push((leak.kind, pcs, 0, 0));
            all.len() - 1
        });
        all[at].2 = all[at].2.saturating_add(leak.bytes);
        all[at].3 = all[at].3.saturating_add(leak.objects);
    }
    all
}

/// What a suppression may match.
fn shown<'a>(record: &'a Record, frames: impl Iterator<Item = &'a Frame>) -> Vec<Shown<'a>> {
    let one = |frame: &'a Frame| Shown {
        module: frame.place.and_then(|(index, _)| record.modules[index].path.to_str()),
        function: frame.function.as_deref(),
        linkage: frame.linkage.as_deref(),
        file: frame.source.as_ref().map(|source| source.file.as_str()),
        line: frame.source.as_ref().map_or(0, |source| source.line),
        inlined: frame.inlined,
    };
    frames.map(one).collect()
}

fn cut_short(record: &Record) -> Option<String> {
    let leaks = record.leaks.iter().filter(|leak| leak.kind.is_sure()).map(|leak| (leak.bytes, leak.objects));
    let sizes = leaks.chain(record.hidden.iter().map(|hidden| (hidden.bytes, hidden.objects)));
    let (bytes, objects) =
        sizes.fold((0u64, 0u64), |sum, one| (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1)));
    match record.end {
        None => Some("the record has no last line: it was cut short, leaks may be missing".into()),
        Some(end) if end != (bytes, objects) => Some(format!(
            "the program counted {} byte(s) in {} object(s), the record holds {bytes} in {objects}",
            end.0, end.1
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;

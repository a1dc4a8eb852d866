//! The end of a check: somebody reads what leaked.
//!
//! [`finish`] hands the record to the `gleaner` command, which names the frames and applies
//! suppressions, and prints to where the report goes. It stands beside the library, or where
//! `symbolizer=` says. Without it, or when it fails, [`plain`] prints the same report with modules,
//! offsets and build-ids, which a later `addr2line` can name.
//!
//! The text is LeakSanitizer's, its name included: editors, CI plug-ins and scripts look for
//! exactly these lines.
use super::depot::{self, MAX_FRAMES};
use super::group::{Group, Kind};
use super::hidden::Hidden;
use super::modules;
use super::record::{self, About, Found, Out, Unwritten};
use super::spawn::{self, End, Program, Until};
use super::suppress::Suppressions;
use super::tree;
use super::unwind::{EXACT, capture, find};
use crate::ground::critical::Critical;
use crate::pure::options::Format;
use crate::sys::file::{self, Fd};
use crate::sys::path::Path;
use crate::sys::sandbox::{self, Need};
use crate::sys::{copy, errno};
use core::fmt::Write;

/// The command's status when each leak was suppressed.
const NOTHING_LEFT: u8 = 3;
/// The headline of an audit that found something.
const HIDES: &str = "ERROR: gleaner: the program hides pointers";
/// The headline of a check that found nothing for sure.
const POSSIBLE: &str = "gleaner: nothing is lost for sure; only words in disguise lead to what follows";
/// A cold disk and a large program: names may take seconds. Then the plain report must do.
const DEADLINE_MS: u64 = 60_000;

/// Where a report goes, and who names its frames.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    pub out: i32,
    /// The option `symbolizer`: empty = the command beside the library, `none`, `record` or a path.
    pub symbolizer: &'a [u8],
    /// The option `suppressions`: a path or empty.
    pub suppressions: &'a [u8],
    /// Whether to wait for the command: a program that goes on has no time, and its status is not asked for.
    pub until: Until,
    pub format: Format,
}

/// What the process should make of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Leaks were reported.
    Leaks,
    /// There was none, or each one was suppressed.
    Clean,
}

/// Prints what was found. Called at the end, with no other lock than the cycle's; errno is kept. Silent
/// if there is nothing, unless a program is to read it.
pub fn finish(critical: &Critical, order: &Order<'_>, about: &About<'_>, found: &Found<'_>) -> Verdict {
    // A document without leaks is what an upload waits for, and takes old alarms back.
    let document = order.format != Format::Text && order.symbolizer != b"record";
    if found.is_empty() && !document {
        return Verdict::Clean;
    }
    let _errno = errno::Saved::new();
    // Names and suppressions come later, perhaps on another machine: `gleaner report`.
    if order.symbolizer == b"record" && record::write(order.out, about, found).is_ok() {
        return if found.totals().1 > 0 { Verdict::Leaks } else { Verdict::Clean };
    }
    match named(critical, order, about, found) {
        Some(verdict) => verdict,
        None => plain(critical, order, about, found),
    }
}

/// By the command; `None` if it did not do it.
fn named(critical: &Critical, order: &Order<'_>, about: &About<'_>, found: &Found<'_>) -> Option<Verdict> {
    if sandbox::forbids(Need::Spawn) {
        return None;
    }
    let mut command = Path::new();
    find_command(order.symbolizer, &mut command)?;
    let record = Fd::adopt(file::memory(c"gleaner-record").ok()?);
    record::write(record.raw(), about, found).ok()?;
    file::rewind(record.raw()).ok()?;
    let mut rules = Path::new();
    rules.set(order.suppressions);
    let format = order.format.name();
    let argv = [
        c"gleaner",
        c"report",
        c"--from-process",
        c"--format",
        format,
        c"-",
        c"--suppressions",
        rules.as_c_str(),
    ];
    let argv = if order.suppressions.is_empty() { &argv[..6] } else { &argv[..] };
    let path = command.as_c_str();
    let program = Program {
        path,
        argv,
        stdin: record.raw(),
        stdout: order.out,
        deadline_ms: DEADLINE_MS,
        until: order.until,
    };
    match spawn::run(critical, &program) {
        End::Status(0) => Some(Verdict::Leaks),
        End::Status(NOTHING_LEFT) => Some(Verdict::Clean),
        _ => None,
    }
}

/// The command's path, if there is one to execute.
fn find_command(symbolizer: &[u8], path: &mut Path) -> Option<()> {
    if matches!(symbolizer, b"none" | b"record") {
        return None;
    }
    if !symbolizer.is_empty() {
        path.set(symbolizer);
        return file::executable(path.as_c_str()).then_some(());
    }
    let mut library = Path::new();
    let here = capture as fn(&mut [usize]) -> usize as usize;
    find::path_of(&find::object(here)?, &mut library);
    let slash = library.as_bytes().iter().rposition(|&b| b == b'/')?;
    // Beside it in a build, in lib/ and bin/ once installed, or in lib/<triple or name>/.
    [&b"/gleaner"[..], b"/../bin/gleaner", b"/../../bin/gleaner"].into_iter().find_map(|place| {
        path.set(&library.as_bytes()[..slash]);
        path.push(place);
        file::executable(path.as_c_str()).then_some(())
    })
}

/// The report without names.
pub fn plain(critical: &Critical, order: &Order<'_>, about: &About<'_>, found: &Found<'_>) -> Verdict {
    let mut rules_path = Path::new();
    rules_path.set(order.suppressions);
    let given = (!order.suppressions.is_empty()).then(|| rules_path.as_c_str());
    let rules = Suppressions::read(critical, given, about.rules);
    let leaks = || found.leaks.iter().filter(|group| !suppressed(group.stack, &rules));
    let hidden = || {
        found.hidden.iter().filter(|row| ![row.allocated, row.used].iter().any(|&id| suppressed(id, &rules)))
    };
    let below = |group: &Group| match group.kind {
        Kind::Indirect => tree::suppressed(found.tree, group.stack, &|stack| suppressed(stack, &rules)),
        _ => (0, 0),
    };
    // What only suppressed leaks lead to is not told either.
    let leaks = || {
        let left = leaks().map(|group| {
            let (bytes, objects) = below(group);
            Group { bytes: group.bytes - bytes, objects: group.objects - objects, ..*group }
        });
        left.filter(|group| group.objects != 0)
    };
    if leaks().next().is_none() && hidden().next().is_none() {
        return Verdict::Clean;
    }
    let (mut out, pid) = (Out::new(order.out), copy::told_pid());
    let audit = about.mode == "audit";
    let lost = || leaks().filter(|group| group.kind != Kind::Possible);
    let sure = lost().next().is_some() || hidden().next().is_some();
    let head = match (audit, sure) {
        (true, _) => HIDES,
        (false, true) => "ERROR: LeakSanitizer: detected memory leaks",
        (false, false) => POSSIBLE,
    };
    out.bytes(b"\n=================================================================\n");
    out.line(format_args!("=={pid}=={head}\n"));
    for note in about.notes {
        out.line(format_args!("=={pid}==gleaner: {note}"));
    }
    leaks().for_each(|group| leak(&mut out, &group));
    hidden().for_each(|row| used(&mut out, row));
    if !sure {
        let _: Result<(), Unwritten> = out.finish();
        return Verdict::Clean;
    }
    let (bytes, objects) = lost().fold((0, 0), |(b, o), g| (b + g.bytes, o + g.objects));
    let (bytes, objects) = hidden().fold((bytes, objects), |(b, o), row| (b + row.bytes, o + row.objects));
    match audit {
        false => out
            .line(format_args!("SUMMARY: LeakSanitizer: {bytes} byte(s) leaked in {objects} allocation(s).")),
        true => out.line(format_args!(
            "SUMMARY: gleaner: {bytes} byte(s) in {objects} object(s) were used by hidden pointers."
        )),
    }
    // Nobody is left to be told that the report could not be written.
    let _: Result<(), Unwritten> = out.finish();
    Verdict::Leaks
}

fn suppressed(stack: u32, rules: &Suppressions<'_>) -> bool {
    let mut frames = [0; MAX_FRAMES];
    let (frames, overlay) = depot::get(stack, &mut frames);
    let module = |frame: &usize| modules::resolve(*frame, overlay).map(|(_, module)| module.path());
    frames.iter().filter_map(module).any(|path| rules.hold(path))
}

fn leak(out: &mut Out, group: &Group) {
    let (bytes, objects) = (group.bytes, group.objects);
    let (kind, what) = match group.kind {
        Kind::Direct => ("Direct leak", "object(s) allocated"),
        Kind::Indirect => ("Indirect leak", "object(s) allocated"),
        Kind::Mapping => ("Leaked mapping", "mapping(s) mapped"),
        Kind::Possible => ("Possible leak", "object(s) allocated"),
    };
    out.line(format_args!("{kind} of {bytes} byte(s) in {objects} {what} from:"));
    stack_of(out, group.stack);
}

/// What a program used by a pointer that nobody could see, and where it came from.
fn used(out: &mut Out, row: &Hidden) {
    let Hidden { call, bytes, objects, cycles, .. } = row;
    out.line(format_args!(
        "{call} of {bytes} byte(s) in {objects} object(s) that no pointer led to in {cycles} collection(s), called from:"
    ));
    stack_of(out, row.used);
    out.bytes(b"  allocated from:\n");
    stack_of(out, row.allocated);
}

fn stack_of(out: &mut Out, id: u32) {
    let mut frames = [0; MAX_FRAMES];
    let (frames, overlay) = depot::get(id, &mut frames);
    for (number, &frame) in frames.iter().enumerate() {
        line_of(out, number, frame, overlay);
    }
    out.bytes(if frames.is_empty() { b"    <empty stack>\n\n" } else { b"\n" });
}

/// `    #0 0x… (path+0x…) (BuildId: …)`, the address being that of the call.
fn line_of(out: &mut Out, number: usize, frame: usize, overlay: u32) {
    let pc = if frame & EXACT != 0 { frame & !EXACT } else { frame.wrapping_sub(1) };
    let _ = write!(out, "    #{number} {pc:#014x} ");
    match modules::resolve(frame, overlay) {
        None => out.bytes(b"(<unknown module>)"),
        Some((_, module)) => {
            out.bytes(b"(");
            out.path(module.path());
            let _ = write!(out, "+{:#x})", pc.wrapping_sub(module.bias));
            if module.build_id.len > 0 {
                let _ = write!(out, " (BuildId: {})", module.build_id);
            }
        }
    }
    out.bytes(b"\n");
}

#[cfg(test)]
mod tests;

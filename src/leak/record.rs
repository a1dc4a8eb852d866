//! The record: what a check found, as text that the `gleaner` command reads. Version 1.
//!
//! ```text
//! gleaner-record 1
//! pid <n>
//! exe <path>
//! mode <mode>
//! module <start> <end> <load-bias> <build-id|-> <path>      numbers in hex
//! stack <id> <pc> <pc> ...         innermost first; return addresses, or exact with a '!' before
//! leak <direct|indirect|mapping|possible> <bytes> <objects> <stack-id>
//! type <direct|indirect|possible|live> <bytes> <objects> <stack-id> <vtable, hex> <mangled name|->
//! root <node> <family> <cycles> <bytes> <objects> <stack-id>
//! held <node> <node above> <bytes> <objects> <shared bytes> <shared objects> <stack-id>
//! hidden <bytes> <objects> <collections> <stack-id of allocation> <stack-id of use> <call>
//! growth <bytes> <objects> <more bytes> <more objects> <bytes a second> <age, ms> <checks> <rises> <stack-id>
//! way <stack-id of what grows> <sort of root|-> <its address, hex> <stack-id> ...    from the root down
//! live <when, ms> <bytes> <objects> <unreachable bytes> <stack-id>:<bytes> ...    of the checks so far, the last being this one
//! site <bytes> <objects> <stack-id>                        the largest stacks of a program that goes on
//! note <text>
//! suppress leak:<pattern>                                   the program's own rules
//! end <bytes> <objects>                                    of all leaks and hidden ones, without possible ones
//! ```
//! Text, because a record may be read on another machine, years later, by eye. Written through a
//! 4 KiB buffer by write(2); about 200 bytes a distinct stack. A line end inside a path becomes `?`.
use super::depot::{self, MAX_FRAMES};
use super::group::{Group, Kind, Typed};
use super::growth::{Growing, Live};
use super::hidden::Hidden;
use super::history::{Row, Top};
use super::holders::Way;
use super::modules;
use super::tree::Node;
use super::types::Names;
use super::unwind::EXACT;
use crate::roots::RootKind;
use crate::sys::path::Path;
use crate::sys::{copy, file};
use core::fmt::{self, Write};

/// Buffered text to a descriptor. The first failed write stops the rest.
pub struct Out {
    fd: i32,
    buffer: [u8; 4096],
    len: usize,
    failed: bool,
}

/// A write failed, or the text is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unwritten;

impl Out {
    pub fn new(fd: i32) -> Out {
        Out { fd, buffer: [0; 4096], len: 0, failed: false }
    }
    pub fn bytes(&mut self, mut text: &[u8]) {
        while !text.is_empty() && !self.failed {
            if self.len == self.buffer.len() {
                self.flush();
            }
            let n = text.len().min(self.buffer.len() - self.len);
            self.buffer[self.len..self.len + n].copy_from_slice(&text[..n]);
            (self.len, text) = (self.len + n, &text[n..]);
        }
    }
    /// A path in a line of its own or at a line's end.
    pub fn path(&mut self, path: &[u8]) {
        for piece in path.split_inclusive(|&b| b == b'\n' || b == b'\r') {
            match piece.split_last() {
                Some((b'\n' | b'\r', rest)) => {
                    self.bytes(rest);
                    self.bytes(b"?");
                }
                _ => self.bytes(piece),
            }
        }
    }
    pub fn line(&mut self, text: fmt::Arguments<'_>) {
        let _ = self.write_fmt(text);
        self.bytes(b"\n");
    }
    fn flush(&mut self) {
        self.failed |= file::write_all(self.fd, &self.buffer[..self.len]).is_err();
        self.len = 0;
    }
    pub fn finish(mut self) -> Result<(), Unwritten> {
        self.flush();
        if self.failed { Err(Unwritten) } else { Ok(()) }
    }
}
impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

/// What is said about the process and the check.
#[derive(Clone, Copy)]
pub struct About<'a> {
    pub mode: &'a str,
    /// Remarks for the reader of the report, a line each.
    pub notes: &'a [&'a str],
    /// What the program itself wants suppressed: lines as of a suppression file.
    pub rules: &'a [u8],
}

/// What a check has to tell.
#[derive(Clone, Copy, Default)]
pub struct Found<'a> {
    pub leaks: &'a [Group],
    /// Of which types they are, where that is known.
    pub typed: &'a [Typed],
    pub types: Names<'a>,
    /// What the direct ones lead to.
    pub tree: &'a [Node],
    /// Audit mode.
    pub hidden: &'a [Hidden],
    /// How much was live at the checks so far.
    pub history: &'a [Row],
    /// Live memory that a check found more of than the one before.
    pub growth: &'a [Growing],
    /// What holds that.
    pub ways: &'a [Way],
    /// What most of the live memory is, in a program that goes on.
    pub sites: &'a [Live],
}
impl<'a> From<&'a [Group]> for Found<'a> {
    fn from(leaks: &'a [Group]) -> Found<'a> {
        Found { leaks, ..Found::default() }
    }
}
impl Found<'_> {
    pub fn is_empty(&self) -> bool {
        self.leaks.is_empty() && self.hidden.is_empty()
    }
    /// Bytes and objects of all that is lost, or was used by hidden pointers.
    pub fn totals(&self) -> (u64, u64) {
        let leaks = self
            .leaks
            .iter()
            .filter(|leak| leak.kind != Kind::Possible)
            .map(|leak| (leak.bytes, leak.objects));
        let hidden = self.hidden.iter().map(|row| (row.bytes, row.objects));
        leaks.chain(hidden).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

/// Writes the record of `found` to `fd`.
pub fn write(fd: i32, about: &About<'_>, found: &Found<'_>) -> Result<(), Unwritten> {
    let mut out = Out::new(fd);
    let mut exe = Path::new();
    exe.read_link(c"/proc/thread-self/exe");
    out.line(format_args!("gleaner-record 1\npid {}", copy::told_pid()));
    out.bytes(b"exe ");
    out.path(exe.as_bytes());
    out.line(format_args!("\nmode {}", about.mode));
    modules(&mut out);
    // A stack with leaks of both kinds is told twice: cheaper than remembering.
    let leaks = found.leaks.iter().map(|group| group.stack);
    let hidden = found.hidden.iter().flat_map(|row| [row.allocated, row.used]);
    let growth = found.growth.iter().map(|site| site.stack);
    let live = found.sites.iter().map(|site| site.stack);
    let ways = found.ways.iter().flat_map(|way| &way.through[..way.len]).copied();
    let all = leaks.chain(hidden).chain(growth).chain(live).chain(ways);
    all.filter(|&id| id != 0).for_each(|id| stack(&mut out, id));
    for group in found.leaks {
        let Group { bytes, objects, stack, .. } = group;
        out.line(format_args!("leak {} {bytes} {objects} {stack}", kind_name(group.kind)));
    }
    for Typed { kind, stack, of, bytes, objects } in found.typed {
        typed(&mut out, found.types, *of, format_args!("{} {bytes} {objects} {stack}", kind_name(*kind)));
    }
    for (at, node) in found.tree.iter().enumerate() {
        let (number, Node { parent, stack, bytes, objects, shared_bytes, shared_objects, .. }) =
            (at + 1, node);
        match parent {
            0 => out.line(format_args!(
                "root {number} {} {} {bytes} {objects} {stack}",
                node.family, node.cycles
            )),
            _ => out.line(format_args!(
                "held {number} {parent} {bytes} {objects} {shared_bytes} {shared_objects} {stack}"
            )),
        }
    }
    for row in found.hidden {
        let Hidden { call, allocated, used, bytes, objects, cycles } = row;
        out.line(format_args!("hidden {bytes} {objects} {cycles} {allocated} {used} {call}"));
    }
    for site in found.growth {
        let Growing {
            stack, bytes, objects, more_bytes, more_objects, rate, age_ms, checks, rises, of, ..
        } = site;
        out.line(format_args!(
            "growth {bytes} {objects} {more_bytes} {more_objects} {rate} {age_ms} {checks} {rises} {stack}"
        ));
        typed(&mut out, found.types, *of, format_args!("live 0 1 {stack}"));
    }
    for Live { stack, bytes, objects } in found.sites {
        out.line(format_args!("site {bytes} {objects} {stack}"));
    }
    found.ways.iter().for_each(|one| way(&mut out, one));
    history(&mut out, found.history);
    for note in about.notes {
        out.bytes(b"note ");
        out.path(note.as_bytes());
        out.bytes(b"\n");
    }
    for rule in about.rules.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).filter(|rule| !rule.is_empty()) {
        out.bytes(b"suppress ");
        out.path(rule);
        out.bytes(b"\n");
    }
    let (bytes, objects) = found.totals();
    out.line(format_args!("end {bytes} {objects}"));
    out.finish()
}

fn way(out: &mut Out, way: &Way) {
    let home = |at: usize| modules::report_address(at | EXACT, modules::overlay().0);
    let (kind, at) = way.root.map_or(("-", 0), |(kind, at)| (root_name(kind), home(at)));
    let _ = write!(out, "way {} {kind} {at:x}", way.to);
    way.through[..way.len].iter().rev().for_each(|stack| {
        let _ = write!(out, " {stack}");
    });
    out.bytes(b"\n");
}

fn root_name(kind: RootKind) -> &'static str {
    match kind {
        RootKind::Registers => "registers",
        RootKind::Stack => "stack",
        RootKind::DeadThread => "ended-thread",
        RootKind::Anonymous | RootKind::Brk => "mapped",
        RootKind::Data => "data",
        RootKind::Shared => "shared",
        RootKind::Code => "code",
        RootKind::Kernel => "kernel",
    }
}

/// Each check, after the stacks that the one before had not told.
fn history(out: &mut Out, rows: &[Row]) {
    let mut before = [Top::default(); super::history::TOP];
    for Row { ms, bytes, objects, lost, top } in rows {
        let top = || top.iter().filter(|one| one.stack != 0);
        let told = |id: u32| before.iter().any(|one| one.stack == id);
        top().filter(|one| !told(one.stack)).for_each(|one| stack(out, one.stack));
        let _ = write!(out, "live {ms} {bytes} {objects} {lost}");
        top().for_each(|one| {
            let _ = write!(out, " {}:{}", one.stack, one.bytes);
        });
        out.bytes(b"\n");
        before.iter_mut().for_each(|one| *one = Top::default());
        top().zip(&mut before).for_each(|(one, place)| *place = *one);
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Direct => "direct",
        Kind::Indirect => "indirect",
        Kind::Mapping => "mapping",
        Kind::Possible => "possible",
    }
}

/// A line on objects of one type, if it is known.
fn typed(out: &mut Out, types: Names<'_>, of: u16, which: fmt::Arguments<'_>) {
    let Some((vtable, array, name)) = types.get(of) else { return };
    let _ = write!(out, "type {which} {vtable:x} {array}");
    out.bytes(if name.is_empty() { b"-" } else { name });
    out.bytes(b"\n");
}

fn modules(out: &mut Out) {
    for index in 0..modules::count() {
        let Some(module) = modules::get(index) else { continue };
        let start = modules::report_start(index, module);
        let moved = start.wrapping_sub(module.start);
        let (end, bias) = (module.end.wrapping_add(moved), module.bias.wrapping_add(moved));
        let _ = write!(out, "module {start:x} {end:x} {bias:x} ");
        match module.build_id.len {
            0 => out.bytes(b"-"),
            _ => drop(write!(out, "{}", module.build_id)),
        }
        out.bytes(b" ");
        out.path(module.path());
        out.bytes(b"\n");
    }
}

fn stack(out: &mut Out, id: u32) {
    let mut frames = [0; MAX_FRAMES];
    let (frames, overlay) = depot::get(id, &mut frames);
    let _ = write!(out, "stack {id}");
    for &frame in frames {
        let mark = if frame & EXACT != 0 { "!" } else { "" };
        let _ = write!(out, " {mark}{:x}", modules::report_address(frame, overlay));
    }
    out.bytes(b"\n");
}

//! The types of values: how each is read, checked, shown.
use super::signals::{self, Faults, signal_name};
use core::fmt;

/// What becomes of unreachable memory; see the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Malloc,
    Leak,
    Gc,
    Audit,
}

/// Which forgotten mappings leak mode tells; see the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mappings {
    No,
    /// But those that main may have kept for good.
    Lost,
    Yes,
}

/// Whether the program goes on while its memory is marked; see the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Marking {
    Auto,
    Stopped,
    Snapshot,
    Tracked,
}
impl Marking {
    pub const ALL: [Marking; 4] = [Marking::Auto, Marking::Stopped, Marking::Snapshot, Marking::Tracked];
    pub const fn name(self) -> &'static str {
        match self {
            Marking::Auto => "auto",
            Marking::Stopped => "stopped",
            Marking::Snapshot => "snapshot",
            Marking::Tracked => "tracked",
        }
    }
}

/// Huge pages in the heap; see the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Thp {
    Auto,
    System,
    Never,
    Always,
}
impl Thp {
    pub const ALL: [Thp; 4] = [Thp::Auto, Thp::System, Thp::Never, Thp::Always];
    pub const fn name(self) -> &'static str {
        match self {
            Thp::Auto => "auto",
            Thp::System => "system",
            Thp::Never => "never",
            Thp::Always => "always",
        }
    }
}

/// Whether and how statistics are printed at the end; see the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stats {
    No,
    Yes,
    Json,
}
impl Value for Stats {
    fn read(text: &[u8], kind: &Kind) -> Result<Stats, Fault> {
        match text {
            b"json" => Ok(Stats::Json),
            _ => bool::read(text, kind).map(|yes| if yes { Stats::Yes } else { Stats::No }),
        }
    }
    fn emit(&self, _: &Kind, out: &mut dyn FnMut(&[u8])) {
        out(match self {
            Stats::No => b"no",
            Stats::Yes => b"yes",
            Stats::Json => b"json",
        });
    }
}

/// What a report is written as; see the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Text,
    Json,
    Sarif,
    ValgrindXml,
    Pprof,
    Folded,
    Svg,
    Html,
}
impl Format {
    pub const ALL: [Format; 8] = [
        Format::Text,
        Format::Json,
        Format::Sarif,
        Format::ValgrindXml,
        Format::Pprof,
        Format::Folded,
        Format::Svg,
        Format::Html,
    ];
    pub const fn name(self) -> &'static core::ffi::CStr {
        match self {
            Format::Text => c"text",
            Format::Json => c"json",
            Format::Sarif => c"sarif",
            Format::ValgrindXml => c"valgrind-xml",
            Format::Pprof => c"pprof",
            Format::Folded => c"folded",
            Format::Svg => c"svg",
            Format::Html => c"html",
        }
    }
}

/// A short byte string of fixed capacity: a path, or empty for the option's own default.
#[derive(Clone, Copy)]
pub struct Path {
    len: u16,
    bytes: [u8; Path::CAPACITY],
}

impl Path {
    pub const CAPACITY: usize = 510;
    pub const EMPTY: Path = Path { len: 0, bytes: [0; Path::CAPACITY] };

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Whether the value is this very word, such as `none`.
    pub fn is(&self, word: &str) -> bool {
        self.as_bytes() == word.as_bytes()
    }
    /// Appends a byte; a NUL or one too many is a fault.
    pub fn push(&mut self, byte: u8) -> Result<(), Fault> {
        if byte == 0 {
            return Err(Fault::Nul);
        }
        *self.bytes.get_mut(usize::from(self.len)).ok_or(Fault::Long)? = byte;
        self.len += 1;
        Ok(())
    }
    pub fn is_relative(&self) -> bool {
        !matches!(self.as_bytes().first(), None | Some(b'/'))
    }
    /// A relative path as one from `folder`; others as they are.
    pub fn within(&self, folder: &[u8]) -> Result<Path, Fault> {
        if !self.is_relative() {
            return Ok(*self);
        }
        let mut path = Path::EMPTY;
        for &byte in folder {
            path.push(byte)?;
            if byte == b'%' {
                path.push(byte)?;
            }
        }
        path.push(b'/')?;
        self.as_bytes().iter().try_for_each(|&byte| path.push(byte))?;
        Ok(path)
    }
    /// The value with `%p` as the process id and `%%` as a percent sign, NUL-terminated, for open(2).
    /// None when it does not fit into `room`.
    pub fn expand<'a>(&self, pid: u32, room: &'a mut [u8]) -> Option<&'a core::ffi::CStr> {
        let mut sink = Sink { room, len: 0 };
        let mut bytes = self.as_bytes().iter();
        while let Some(&byte) = bytes.next() {
            let escaped = if byte == b'%' { bytes.as_slice().first() } else { None };
            match escaped {
                Some(b'p') => fmt::write(&mut sink, format_args!("{pid}")).ok()?,
                Some(b'%') => sink.put(b"%")?,
                _ => {
                    sink.put(&[byte])?;
                    continue;
                }
            }
            bytes.next();
        }
        sink.put(&[0])?;
        let Sink { room, len } = sink;
        core::ffi::CStr::from_bytes_with_nul(room.get(..len)?).ok()
    }
}
impl PartialEq for Path {
    fn eq(&self, other: &Path) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}
impl Eq for Path {}
impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", super::Shown(self.as_bytes()))
    }
}

struct Sink<'a> {
    room: &'a mut [u8],
    len: usize,
}
impl Sink<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        self.room.get_mut(self.len..self.len + bytes.len())?.copy_from_slice(bytes);
        self.len += bytes.len();
        Some(())
    }
}
impl fmt::Write for Sink<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.put(s.as_bytes()).ok_or(fmt::Error)
    }
}

/// The type and range of an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Mode,
    Mappings,
    Marking,
    Thp,
    Stats,
    Format,
    Switch,
    Count { low: u64, high: u64, unit: &'static str },
    Bytes { low: u64, high: u64 },
    Path { empty: &'static str },
    Signal,
    Signals { faults: Faults },
}

impl Kind {
    /// What stands for the value in a synopsis: `name=BYTES`.
    pub fn placeholder(&self) -> &'static str {
        match self {
            Kind::Mode => "MODE",
            Kind::Mappings => "yes|lost|no",
            Kind::Marking => "WAY",
            Kind::Thp => "auto|system|never|always",
            Kind::Stats => "yes|json|no",
            Kind::Format => "FORMAT",
            Kind::Switch => "yes|no",
            Kind::Count { .. } => "N",
            Kind::Bytes { .. } => "BYTES",
            Kind::Path { .. } => "PATH",
            Kind::Signal => "SIGNAL",
            Kind::Signals { .. } => "SIGNAL,...",
        }
    }
}

/// Why a value was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Not of the kind, or outside the range.
    Value,
    /// A mode that the design knows and this version does not have.
    Unbuilt,
    Long,
    Nul,
    Quote,
    Backslash,
}

impl Fault {
    pub(super) fn said(self, kind: &Kind) -> impl fmt::Display + '_ {
        Said { fault: self, kind }
    }
}
struct Said<'a> {
    fault: Fault,
    kind: &'a Kind,
}
impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::Value => write!(f, "is not {}", Allowed(self.kind)),
            Fault::Unbuilt => write!(f, "is not built yet"),
            Fault::Long => write!(f, "is longer than {} bytes", Path::CAPACITY),
            Fault::Nul => write!(f, "has a NUL byte"),
            Fault::Quote => write!(f, "has a quote that is not closed"),
            Fault::Backslash => write!(f, "ends with a lone backslash"),
        }
    }
}

/// The allowed values, in words.
pub(super) struct Allowed<'a>(pub &'a Kind);
impl fmt::Display for Allowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self.0 {
            Kind::Mode => f.write_str("malloc, leak, gc or audit"),
            Kind::Mappings => f.write_str("yes, lost or no"),
            Kind::Marking => f.write_str("auto, stopped, snapshot or tracked"),
            Kind::Thp => f.write_str("auto, system, never or always"),
            Kind::Stats => f.write_str("yes, json or no"),
            Kind::Format => f.write_str("text, json, sarif, valgrind-xml, pprof, folded, svg or html"),
            Kind::Switch => f.write_str("yes or no"),
            Kind::Count { low, high, unit: "" } => write!(f, "a number from {low} to {high}"),
            Kind::Count { low, high, unit } => write!(f, "a number from {low} to {high} ({unit})"),
            Kind::Bytes { low, high } => {
                write!(f, "a size from {} to {} (4096, 64k, 16m, 1g)", Size(low), Size(high))
            }
            Kind::Path { empty } => write!(f, "a path or {empty}"),
            Kind::Signal => f.write_str("a signal such as URG, USR2 or RTMIN+3 that a handler can take"),
            Kind::Signals { faults: Faults::With } => {
                f.write_str("none, or signals that end a program, such as TERM,SEGV,ABRT")
            }
            Kind::Signals { faults: Faults::Without } => {
                f.write_str("none, or signals that end a program and are no faults, such as USR2")
            }
        }
    }
}

/// A byte count with the largest suffix that divides it.
struct Size(u64);
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shift, suffix) = match self.0.trailing_zeros() {
            _ if self.0 == 0 => (0, ""),
            40.. => (40, "t"),
            30.. => (30, "g"),
            20.. => (20, "m"),
            10.. => (10, "k"),
            _ => (0, ""),
        };
        write!(f, "{}{suffix}", self.0 >> shift)
    }
}

/// A type that the table can hold.
pub trait Value: Copy + PartialEq {
    fn read(text: &[u8], kind: &Kind) -> Result<Self, Fault>;
    /// The value as text that `read` takes, unquoted, in one or more pieces.
    fn emit(&self, kind: &Kind, out: &mut dyn FnMut(&[u8]));
}

impl Value for Mode {
    fn read(text: &[u8], _: &Kind) -> Result<Mode, Fault> {
        match text {
            b"malloc" => Ok(Mode::Malloc),
            b"leak" => Ok(Mode::Leak),
            b"gc" => Ok(Mode::Gc),
            b"audit" => Ok(Mode::Audit),
            b"safe" => Err(Fault::Unbuilt),
            _ => Err(Fault::Value),
        }
    }
    fn emit(&self, _: &Kind, out: &mut dyn FnMut(&[u8])) {
        out(self.name().as_bytes());
    }
}
impl Mode {
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Malloc => "malloc",
            Mode::Leak => "leak",
            Mode::Gc => "gc",
            Mode::Audit => "audit",
        }
    }
}

impl Value for Mappings {
    fn read(text: &[u8], kind: &Kind) -> Result<Mappings, Fault> {
        match text {
            b"lost" => Ok(Mappings::Lost),
            _ => bool::read(text, kind).map(|yes| if yes { Mappings::Yes } else { Mappings::No }),
        }
    }
    fn emit(&self, _: &Kind, out: &mut dyn FnMut(&[u8])) {
        out(match self {
            Mappings::No => b"no",
            Mappings::Lost => b"lost",
            Mappings::Yes => b"yes",
        });
    }
}

/// Options with one of some words.
macro_rules! one_word {
    ($($type:ident)+) => { $(
        impl Value for $type {
            fn read(text: &[u8], _: &Kind) -> Result<$type, Fault> {
                $type::ALL.into_iter().find(|word| word.name().as_bytes() == text).ok_or(Fault::Value)
            }
            fn emit(&self, _: &Kind, out: &mut dyn FnMut(&[u8])) {
                out(self.name().as_bytes());
            }
        }
    )+ };
}
one_word! { Marking Thp }

impl Value for Format {
    fn read(text: &[u8], _: &Kind) -> Result<Format, Fault> {
        Format::ALL.into_iter().find(|format| format.name().to_bytes() == text).ok_or(Fault::Value)
    }
    fn emit(&self, _: &Kind, out: &mut dyn FnMut(&[u8])) {
        out(self.name().to_bytes());
    }
}

impl Value for bool {
    fn read(text: &[u8], _: &Kind) -> Result<bool, Fault> {
        match text {
            b"1" | b"yes" | b"on" | b"true" => Ok(true),
            b"0" | b"no" | b"off" | b"false" => Ok(false),
            _ => Err(Fault::Value),
        }
    }
    fn emit(&self, _: &Kind, out: &mut dyn FnMut(&[u8])) {
        out(if *self { b"yes" } else { b"no" });
    }
}

impl Value for Path {
    fn read(text: &[u8], kind: &Kind) -> Result<Path, Fault> {
        let mut path = Path::EMPTY;
        if !matches!(kind, Kind::Path { empty } if empty.as_bytes() == text) {
            text.iter().try_for_each(|&byte| path.push(byte))?;
        }
        Ok(path)
    }
    fn emit(&self, kind: &Kind, out: &mut dyn FnMut(&[u8])) {
        match kind {
            Kind::Path { empty } if self.is_empty() => out(empty.as_bytes()),
            _ => out(self.as_bytes()),
        }
    }
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Value for $type {
            fn read(text: &[u8], kind: &Kind) -> Result<$type, Fault> {
                number(text, kind).and_then(|n| <$type>::try_from(n).ok()).ok_or(Fault::Value)
            }
            fn emit(&self, kind: &Kind, out: &mut dyn FnMut(&[u8])) {
                let mut room = [0; 24];
                let mut sink = Sink { room: &mut room, len: 0 };
                let _ = match kind {
                    Kind::Bytes { .. } => fmt::write(&mut sink, format_args!("{}", Size(*self as u64))),
                    Kind::Signal => match signal_name(i32::try_from(*self).unwrap_or(0)) {
                        Some(name) => fmt::write(&mut sink, format_args!("{name}")),
                        None => fmt::write(&mut sink, format_args!("{self}")),
                    },
                    _ => fmt::write(&mut sink, format_args!("{self}")),
                };
                let len = sink.len;
                out(&room[..len]);
            }
        }
    )*};
}
numbers!(u8 u16 u32 usize);

fn number(text: &[u8], kind: &Kind) -> Option<u64> {
    match *kind {
        Kind::Count { low, high, .. } => decimal(text).filter(|n| (low..=high).contains(n)),
        Kind::Bytes { low, high } => size(text).filter(|n| (low..=high).contains(n)),
        Kind::Signal => signals::stopping(text),
        Kind::Mode
        | Kind::Mappings
        | Kind::Marking
        | Kind::Thp
        | Kind::Stats
        | Kind::Format
        | Kind::Switch
        | Kind::Path { .. }
        | Kind::Signals { .. } => None,
    }
}

pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |n, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        n.checked_mul(10)?.checked_add(digit.into())
    })
}

fn size(text: &[u8]) -> Option<u64> {
    let (&last, before) = text.split_last()?;
    let shift = match last.to_ascii_lowercase() {
        b'k' => 10,
        b'm' => 20,
        b'g' => 30,
        b't' => 40,
        _ => return decimal(text),
    };
    decimal(before)?.checked_mul(1 << shift)
}

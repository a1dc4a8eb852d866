//! The options: one table, from which come the struct, the parser, `gleaner options` and the
//! manual's section.
//!
//! `GLEANER=mode=leak:log=/tmp/leaks.%p:exitcode=0` is a list of `name=value`, parted by colons.
//! In a value a backslash makes the next byte plain, and between double quotes a colon is plain:
//! `log="/tmp/a:b"` and `log=/tmp/a\:b` are the same. Empty items and blanks around an item are
//! skipped; of a name given twice the later one holds.
//!
//! Parsing runs inside the host's first malloc, so it allocates nothing, and [`Options`] keeps no
//! pointer into the environment (the host may overwrite or move that): plain numbers, enums and
//! [`Path`]s of fixed size, 2.7 KB in all. A bad value costs one line and gives the default; it
//! never stops the host. Rejected: keeping slices of environ (setenv frees them), and a table of
//! names beside a struct written by hand (they drift apart).
use core::fmt;

mod signals;
mod split;
mod value;
pub use signals::{Faults, Signals, signal_name};
pub use split::Shown;
pub use value::{Fault, Format, Kind, Mappings, Marking, Mode, Path, Stats, Thp, Value};

#[cfg(test)]
mod tests;

/// Who started the process: a set-user-id program must not obey its caller's environment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Privilege {
    Ordinary,
    /// AT_SECURE is set.
    Raised,
}

/// Writes one value in pieces.
type Emit = fn(&Options, &mut dyn FnMut(&[u8]));

/// One option, as `gleaner options` and the manual show it.
pub struct Row {
    pub name: &'static str,
    pub kind: Kind,
    /// Sentences for the manual; the first one is the short help.
    pub doc: &'static str,
    set: fn(&mut Options, &[u8], &Kind) -> Result<(), Fault>,
    reset: fn(&mut Options),
    emit: Emit,
    same: fn(&Options, &Options) -> bool,
}

macro_rules! table {
    ($($name:ident : $type:ty = $default:expr, $kind:expr, $doc:expr;)*) => {
        /// What the user asked for.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct Options {
            $(#[doc = $doc] pub $name: $type,)*
        }
        impl Options {
            pub const DEFAULT: Options = Options { $($name: $default,)* };
        }
        /// Every option, in the order of the manual.
        pub static ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            kind: $kind,
            doc: $doc,
            set: |options, text, kind| {
                options.$name = <$type as Value>::read(text, kind)?;
                Ok(())
            },
            reset: |options| options.$name = Options::DEFAULT.$name,
            emit: |options, out| options.$name.emit(&$kind, out),
            same: |a, b| a.$name == b.$name,
        },)*];
    };
}

table! {
    mode: Mode = Mode::Gc, Kind::Mode,
        "What becomes of memory that the program can no longer reach. \
         malloc leaves it alone, leak reports it when the program ends, gc reclaims it once further \
         collections have found it unreachable too, audit keeps it and reports what the program uses after all.";
    log: Path = Path::EMPTY, Kind::Path { empty: "stderr" },
        "Where reports and messages go. \
         A file is opened for appending; in its name %p stands for the process id and %% for a percent sign.";
    exitcode: u8 = 23, Kind::Count { low: 0, high: 255, unit: "" },
        "The exit status of a program that leaked, in leak mode, or that hid pointers, in audit mode. \
         0 keeps the program's own status.";
    symbolizer: Path = Path::EMPTY, Kind::Path { empty: "auto" },
        "The command that turns addresses into names. \
         auto is the gleaner command beside the library; none prints module, offset and build-id; \
         record writes the record itself, for gleaner report later or elsewhere.";
    suppressions: Path = Path::EMPTY, Kind::Path { empty: "none" },
        "A file of leaks not to be reported. \
         It holds lines of LeakSanitizer's, leak:pattern, or rules of Valgrind's of the kind Memcheck:Leak.";
    format: Format = Format::Text, Kind::Format,
        "What reports are written as. \
         Only text is written without the gleaner command.";
    follow: bool = true, Kind::Switch,
        "Whether programs that this one executes run under gleaner too, and children of fork report. \
         no takes the library out of LD_PRELOAD once it has started.";
    on_signal: Signals = Signals(0), Kind::Signals { faults: Faults::With },
        "Signals by which the program may die with a report, as when it ends by itself. \
         Only those that it does not handle or ignore; it dies of the signal all the same.";
    check_signal: Signals = Signals(0), Kind::Signals { faults: Faults::Without },
        "Signals at which the program looks for leaks and goes on, the report going to the log. \
         Not those that it handles itself.";
    check_every: u32 = 0, Kind::Count { low: 0, high: 10_000_000, unit: "s" },
        "Look for leaks again and again, after so many seconds, the report going to the log. \
         A kernel timer counts them, asleep or not; 0 is never.";
    marking: Marking = Marking::Auto, Kind::Marking,
        "Whether the program is stopped while a collection or a check of it, as it runs, marks its memory. \
         stopped stops it; snapshot marks a copy of it, made as fork makes one, while the program goes on; \
         auto does so where there is much to mark: from 64 MiB of heap on in gc mode, 4 MiB for a check. \
         Where no copy can be made, the program is stopped. \
         tracked is for gc mode: a process that shares the program's memory marks it while the program goes on, the kernel telling \
         what is written meanwhile (Linux 6.7), and no copy is made; where that cannot be, it is as snapshot, which a check is always.";
    markers: u8 = 0, Kind::Count { low: 0, high: 16, unit: "threads" },
        "How many threads mark at once, where there is much to mark. \
         They live as long as the marking, in which the program is stopped, or in a copy of it. \
         0 is as many as there are processors, in a copy as half of them, 4 at most.";
    stats: Stats = Stats::No, Kind::Stats,
        "Print statistics to the log when the program ends. \
         json prints one line, of what gleaner stat tells of a running program.";
    prometheus: Path = Path::EMPTY, Kind::Path { empty: "none" },
        "A file of the library's figures in Prometheus' text format. \
         It is replaced as a whole, at most once a second, when the heap grows, after a collection, and when the program ends; in mode malloc then only. \
         %p as for log; a relative path is from the directory in which the program began. \
         It is not written once the program has installed a seccomp filter.";
    trace: Path = Path::EMPTY, Kind::Path { empty: "none" },
        "A file of collections in Chrome's trace-event format, for Perfetto or chrome://tracing. \
         It is appended to after each; %p and relative paths as for prometheus. \
         It is not written once the program has installed a seccomp filter.";
    verbose: u8 = 0, Kind::Count { low: 0, high: 3, unit: "" },
        "How much to tell in the log. \
         0 tells only what must be told, 1 each abandoned collection, 2 each collection, 3 its phases.";
    stacks: u16 = 64, Kind::Count { low: 0, high: 256, unit: "frames" },
        "How many frames of a call stack leak and audit mode keep for an allocation. \
         0 keeps none: sizes only, and no cost for stacks.";
    mappings: Mappings = Mappings::Lost, Kind::Mappings,
        "Whether leak mode also reports mappings (mmap) that nothing points to. \
         lost leaves out those that main may have kept until the end.";
    secure: u8 = 0, Kind::Count { low: 0, high: 3, unit: "" },
        "How much to spend on noticing misuse of memory. \
         0 notices what costs nothing. 1 looks at the bytes behind each block when it is freed, and at freed blocks when they are used again. \
         2 lets freed blocks wait, takes places by chance, and puts pages without access around large blocks and behind small ones. \
         3 gives samples of the small blocks pages of their own, too, and wants delete to fit new.";
    min_growth: usize = 16 << 20, Kind::Bytes { low: 64 << 10, high: 1 << 46 },
        "Net growth of the heap before which no collection starts.";
    max_heap: usize = 0, Kind::Bytes { low: 0, high: 1 << 46 },
        "The most memory that the heap may have in use. \
         Beyond it free memory is given back, in gc mode after a collection if need be, and then allocations fail with ENOMEM, which is told once. \
         Counted are the pages that hold blocks, not gleaner's own tables. 0 is no limit.";
    thp: Thp = Thp::Auto, Kind::Thp,
        "Whether the heap's memory may be huge pages (of 2 MiB). \
         auto has none in a heap below 16 MiB, and in a larger one makes the next 2 MiB one that small blocks are about to fill; system leaves it to the kernel's setting; \
         never asks for none; always asks for them in a heap of 8 MiB or more and in blocks with \
         mappings of their own, and keeps free memory that would break a mostly used one up.";
    growth: u16 = 100, Kind::Count { low: 1, high: 10_000, unit: "percent" },
        "Net growth that starts a collection, as a share of what was live after the last one. \
         min_growth holds where it is larger. Two fifths of it will do where a copy of the process marks, if half of the growth before was \
         garbage, or the program has run for ten times what the last collection took.";
    cgroup: u8 = 90, Kind::Count { low: 0, high: 99, unit: "percent" },
        "The share of a control group's memory limit from which on collections begin early. \
         They do so before the heap has grown by the goal, where there is something to gain. \
         The limit is memory.high or memory.max of the process's group or of one above, of version 2; files' pages that the kernel \
         would take back do not count. Collections begin early also where tasks wait for memory (PSI) for a tenth of the time. \
         0 looks at neither.";
    limbo: u8 = 2, Kind::Count { low: 1, high: 100, unit: "cycles" },
        "How many complete collections must find an object unreachable before it is reclaimed. \
         1 is without probation: for tests.";
    fill: u8 = 0, Kind::Count { low: 0, high: 255, unit: "" },
        "The byte that an object is filled with when it is reclaimed: for tests. \
         A program that hides pointers then reads that byte instead of what it wrote. 0 leaves the bytes as they are.";
    disguised: bool = true, Kind::Switch,
        "Before objects go on probation, look for pointers to them in disguise. \
         These are offsets from an object or a word, digits of a Python integer, tagged and packed words.";
    idle_timer: bool = false, Kind::Switch,
        "While the program sleeps, a kernel timer gives idle memory back, by the stop signal. \
         A system call made without libc may then end early with EINTR. Not in mode malloc.";
    deadline: u32 = 200, Kind::Count { low: 1, high: 600_000, unit: "ms" },
        "How long to wait for all threads to stop before a collection is abandoned.";
    signal: u8 = libc::SIGURG as u8, Kind::Signal,
        "The signal that stops threads for a collection. \
         The program's own use of it keeps working.";
    collect_every: usize = 0, Kind::Bytes { low: 0, high: 1 << 46 },
        "Collect whenever so many bytes were allocated, whatever is live: for tests. \
         0 is off.";
    checkmark: bool = false, Kind::Switch,
        "Check the free lists and mark a second time, more simply, at each collection: for tests. \
         A program that writes to freed memory may end by it.";
}

impl Options {
    /// The options of a process: `text` is the value of GLEANER. `complain` gets one line for each
    /// item that was not understood; with [`Privilege::Raised`] the text is not even read.
    pub fn of_process(
        text: Option<&[u8]>,
        privilege: Privilege,
        complain: &mut dyn FnMut(fmt::Arguments<'_>),
    ) -> Options {
        match (text, privilege) {
            (Some(text), Privilege::Ordinary) => Options::parse(text, complain),
            _ => Options::DEFAULT,
        }
    }

    /// Reads `name=value:name=value`. A bad item is told to `complain` in one line (what, what is
    /// allowed, what is used instead) and the option has its default. Never allocates or panics.
    pub fn parse(text: &[u8], complain: &mut dyn FnMut(fmt::Arguments<'_>)) -> Options {
        let mut options = Options::DEFAULT;
        let mut value = Path::EMPTY;
        for item in split::items(text) {
            let Some((name, raw)) = item.name_and_value() else {
                complain(format_args!(
                    "GLEANER: \"{}\" is not of the form name=value; ignored",
                    item.shown()
                ));
                continue;
            };
            let Some(row) = row(name) else {
                unknown(name, complain);
                continue;
            };
            let result = split::unquote(raw, &mut value)
                .and_then(|()| (row.set)(&mut options, value.as_bytes(), &row.kind));
            if let Err(fault) = result {
                (row.reset)(&mut options);
                let default = Rendered { row, options: &options };
                complain(format_args!(
                    "GLEANER: {}={} {}; using {default}",
                    row.name,
                    Shown(raw),
                    fault.said(&row.kind)
                ));
            }
        }
        options
    }

    /// Writes every option that is not at its default as text that [`parse`](Options::parse) reads back.
    pub fn emit(&self, out: &mut dyn FnMut(&[u8])) {
        let mut separator: &[u8] = b"";
        for row in ROWS.iter().filter(|row| !(row.same)(self, &Options::DEFAULT)) {
            out(separator);
            out(row.name.as_bytes());
            out(b"=");
            (row.emit)(self, &mut |bytes| split::quote(bytes, out));
            separator = b":";
        }
    }
}

/// The row called `name`.
pub fn row(name: &[u8]) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name.as_bytes() == name)
}

impl Row {
    /// The default, as the user would write it.
    pub fn default_text(&self) -> impl fmt::Display + '_ {
        Rendered { row: self, options: &Options::DEFAULT }
    }
    /// The allowed values, in words: `malloc, leak, gc or audit`.
    pub fn allowed(&self) -> impl fmt::Display + '_ {
        value::Allowed(&self.kind)
    }
    /// The first sentence of the doc.
    pub fn summary(&self) -> &'static str {
        self.doc.split_inclusive(". ").next().map_or(self.doc, |first| first.trim_end())
    }
}

struct Rendered<'a> {
    row: &'a Row,
    options: &'a Options,
}
impl fmt::Display for Rendered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = Ok(());
        (self.row.emit)(self.options, &mut |bytes| result = result.and(write!(f, "{}", Shown(bytes))));
        result
    }
}

fn unknown(name: &[u8], complain: &mut dyn FnMut(fmt::Arguments<'_>)) {
    let near = ROWS.iter().map(|row| (split::distance(name, row.name.as_bytes()), row.name)).min();
    match near {
        Some((0..=2, near)) => complain(format_args!(
            "GLEANER: there is no option \"{}\"; did you mean {near}? (ignored)",
            Shown(name)
        )),
        _ => complain(format_args!(
            "GLEANER: there is no option \"{}\" (ignored); `gleaner options` lists them",
            Shown(name)
        )),
    }
}

//! `gleaner bench`: the installed allocators side by side, on programs of ours or on the user's own.
//!
//! ```text
//! grammar     what may be written on the command line
//! allocators  which there are, and which of them can be preloaded
//! staged      the programs that are built into this command, written where they may be executed
//! work        what is run: suites, or one command
//! run         one run through `benches/programs/meter.c`: how it ended, what it took
//! idle        what a program keeps while it sleeps
//! rounds      the schedule, the check before it, what failed or differed
//! figures     medians, spread, ratios: the JSON
//! terminal    the table
//! plot, page  the plots, the HTML page
//! ```
use crate::Failure;
use crate::failure::{self, TROUBLE, plain};
use figures::{Machine, Results};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

mod allocators;
mod figures;
pub mod grammar;
mod idle;
mod page;
mod plot;
mod rounds;
mod run;
mod staged;
mod terminal;
mod work;

/// What the user wants to know.
pub struct Order {
    pub suite: String,
    pub rounds: u32,
    pub scale: u32,
    pub seconds: u32,
    pub only: Vec<String>,
    pub allocators: Vec<String>,
    pub libraries: Vec<OsString>,
    pub json: Option<PathBuf>,
    pub html: Option<PathBuf>,
    pub svg: Option<PathBuf>,
    pub list: bool,
    /// The user's own command instead of a suite.
    pub command: Vec<OsString>,
}

/// An interrupted run, as a shell says it.
const INTERRUPTED: u8 = 130;

/// Measures and tells. The status is 1 if a program failed, or printed something else, under one of the allocators.
pub fn bench(order: &Order) -> Result<u8, Failure> {
    let found = allocators::chosen(allocators::find(&order.libraries)?, &order.allocators)?;
    if order.list {
        return failure::print(&listed(&found)).map(|()| 0);
    }
    let stage = staged::Stage::new()?;
    let mut notes = Vec::new();
    let works = if order.command.is_empty() {
        work::of_suite(&order.suite, &order.only, order.scale, &stage, &mut notes)?
    } else {
        vec![work::of_command(&order.command)?]
    };
    let load = load();
    let plan = rounds::Plan { stage: &stage, works: &works, rounds: order.rounds, seconds: order.seconds };
    let measured = rounds::measure(&plan, found)?;
    notes.extend(measured.notes);
    let words = order.command.iter().map(|word| word.to_string_lossy().into_owned());
    let results = Results {
        format: "gleaner-bench",
        version: 1,
        gleaner: env!("CARGO_PKG_VERSION"),
        machine: machine(load),
        rounds: order.rounds,
        scale: order.scale,
        command: (!order.command.is_empty()).then(|| words.collect()),
        geomeans: figures::geomeans(&measured.outcomes, measured.allocators.len()),
        allocators: measured.allocators,
        outcomes: measured.outcomes,
        notes,
    };
    failure::print(&terminal::render(&results))?;
    written(order, &results)?;
    let bad = |cell: &figures::Cell| cell.failure.is_some() || cell.differs.is_some();
    let any = results.outcomes.iter().flat_map(|outcome| &outcome.results).any(bad);
    Ok(if measured.interrupted { INTERRUPTED } else { u8::from(any) })
}

fn written(order: &Order, results: &Results) -> Result<(), Failure> {
    if let Some(path) = &order.json {
        let mut text = serde_json::to_string_pretty(results)
            .map_err(|error| Failure::new(TROUBLE, format_args!("cannot write JSON: {error}")))?;
        text.push('\n');
        write(path, &text)?;
    }
    if let Some(path) = &order.html {
        write(path, &page::render(results)?)?;
    }
    if let Some(dir) = &order.svg {
        std::fs::create_dir_all(dir).map_err(|error| unwritable(dir, &error))?;
        for (name, svg) in plot::files(results) {
            write(&dir.join(name), &svg)?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if path.as_os_str() == "-" {
        return failure::print(text);
    }
    std::fs::write(path, text).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(TROUBLE, format_args!("cannot write {}: {}", path.display(), plain(error)))
}

fn listed(found: &[allocators::Allocator]) -> String {
    let mut out = String::from("allocators\n");
    for one in found {
        let library = one.library.as_deref().map_or("libc.so.6".into(), Path::to_string_lossy);
        let version = one.version.as_deref().map(|version| format!(" ({version})")).unwrap_or_default();
        let options = one.options.map(|options| format!(" {options}")).unwrap_or_default();
        out.push_str(&format!("  {:16} {library}{version}{options}\n", one.name));
    }
    work::list(&mut out);
    out
}

fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

fn machine(load_before: f64) -> Machine {
    let row = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let memory = row("/proc/meminfo", "MemTotal");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        processor: row("/proc/cpuinfo", "model name"),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        kernel: kernel.trim().to_owned(),
        libc: crate::doctor::libc_version(),
        memory_kib: memory.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0),
        load: [load_before, load()],
    }
}

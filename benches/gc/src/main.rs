//! What the collector is to reach, beside what one run measured, with bdwgc in the same run.
//!
//! ```text
//! gleaner-gc-bench [--rounds N] [--megabytes N] [--loaded N] [--seconds N] [--scale N] [--only PART,…] [--keep DIR] [--markdown FILE]
//! ```
//! Parts: marks, pauses, idle, trees, server, apps. `--loaded` are the megabytes live while pauses are measured,
//! `--seconds` how long the leaky server runs, `--scale` that of `gleaner bench`. A part whose figures are in the folder that `--keep`
//! names is not measured again; the others leave theirs there. The picture goes beside the page.
//! `scripts/bench gc` builds all that it needs and runs it.
//!
//! ```text
//! marks     heaps of several shapes, marked; what the collector's own memory costs
//! pauses    threads that allocate beside much live memory
//! programs  those that do not leak, one that never frees, a leaky server, the apps in audit mode
//! histogram the picture
//! rows      bounds beside figures
//! ```
#![deny(unsafe_code)]
mod histogram;
mod marks;
mod pauses;
mod programs;
mod rows;

use gleaner_benches::table::load;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run needs to know.
pub struct Setup {
    pub root: PathBuf,
    pub library: PathBuf,
    pub command: PathBuf,
    /// Whether bdwgc is installed.
    pub bdwgc: bool,
    /// Compiled programs, logs.
    pub work: PathBuf,
    pub rounds: u32,
    pub megabytes: u32,
    pub loaded: u32,
    pub seconds: u32,
    pub scale: u32,
}

/// Who collects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Collector {
    Gleaner,
    /// So many markers.
    Bdwgc(u32),
}

/// One collection, milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Collection {
    pub marking: f64,
    pub stopped: f64,
}

impl Setup {
    /// One of our programs, with what `options` adds to GLEANER.
    pub fn program(&self, name: &str, collector: Collector, options: &str) -> Command {
        let file = self.work.join(name);
        match collector {
            Collector::Gleaner => {
                let mut command = Command::new(file);
                let (log, trace) = (self.log(), self.trace());
                drop((fs::remove_file(&log), fs::remove_file(&trace)));
                let told = format!("verbose=3:log={}:trace={}", log.display(), trace.display());
                command.env("GLEANER", format!("{options}:{told}"));
                command.env("LD_PRELOAD", &self.library);
                command
            }
            Collector::Bdwgc(markers) => {
                let mut command = Command::new(file.with_extension("bdwgc"));
                command.env("GC_MARKERS", markers.to_string());
                command
            }
        }
    }
    fn log(&self) -> PathBuf {
        self.work.join("log")
    }
    fn trace(&self) -> PathBuf {
        self.work.join("trace")
    }
    /// How long the program was stopped in the last run, stop by stop, milliseconds: a collection that a copy marks for has two.
    pub fn stops(&self, collector: Collector, stdout: &[u8]) -> Vec<f64> {
        match collector {
            Collector::Gleaner => our_stops(&fs::read_to_string(self.trace()).unwrap_or_default()),
            Collector::Bdwgc(_) => {
                theirs(&String::from_utf8_lossy(stdout)).iter().map(|one| one.stopped).collect()
            }
        }
    }
    /// The collections of the last run, which printed `stdout`, if the program was stopped for them.
    pub fn collections(&self, collector: Collector, stdout: &[u8]) -> Vec<Collection> {
        match collector {
            Collector::Gleaner => ours(&fs::read_to_string(self.log()).unwrap_or_default()),
            Collector::Bdwgc(_) => theirs(&String::from_utf8_lossy(stdout)),
        }
    }
}

/// Two lines of the log for each: the phases, then how long the program was stopped. Deriving which slots are
/// allocated counts as marking.
fn ours(log: &str) -> Vec<Collection> {
    let number = |line: &str, word: &str| -> Option<f64> {
        let rest = line.split_once(word)?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let mut all = Vec::new();
    let mut marking = None;
    for line in log.lines() {
        if line.contains("phases in us:") {
            marking = number(line, "derive ").zip(number(line, " mark ")).map(|(derive, mark)| derive + mark);
        } else if let Some(stopped) = number(line, "; stopped ")
            && let Some(marking) = marking.take()
        {
            all.push(Collection { marking: marking / 1e3, stopped: stopped / 1e3 });
        }
    }
    all
}

/// An event each, on a line.
fn our_stops(trace: &str) -> Vec<f64> {
    let stopped = trace.lines().filter(|line| line.contains("\"name\":\"stopped\""));
    let us = |line: &str| {
        let rest = line.split_once("\"dur\":")?.1;
        rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.parse::<f64>().ok()
    };
    stopped.filter_map(us).map(|us| us / 1e3).collect()
}

/// `collection MARK_US STOPPED_US`.
fn theirs(stdout: &str) -> Vec<Collection> {
    let lines = stdout.lines().filter_map(|line| line.strip_prefix("collection "));
    let two = |line: &str| {
        let (marking, stopped) = line.split_once(' ')?;
        let ms = |word: &str| word.parse::<f64>().ok().map(|us| us / 1e3);
        Some(Collection { marking: ms(marking)?, stopped: ms(stopped)? })
    };
    lines.filter_map(two).collect()
}

/// Compiles one of our programs as an old program would be.
fn compile(setup: &Setup, source: &str, to: &str, words: &[&str]) -> bool {
    let done = Command::new("gcc")
        .args(["-O2", "-g", "-fno-builtin", "-D_GNU_SOURCE", "-w", "-Ic-tests/include"])
        .current_dir(&setup.root)
        .arg(source)
        .arg("-o")
        .arg(setup.work.join(to))
        .args(words)
        .args(["-pthread", "-ldl"])
        .status();
    done.is_ok_and(|status| status.success())
}

fn compiled(setup: &mut Setup) -> Result<(), String> {
    let bdwgc = ["-DBDWGC", "-l:libgc.so.1"];
    for name in ["marks", "loaded", "trees"] {
        let source = format!("benches/programs/{name}.c");
        if !compile(setup, &source, name, &[]) {
            return Err(format!("{source} does not compile"));
        }
        setup.bdwgc &= compile(setup, &source, &format!("{name}.bdwgc"), &bdwgc);
    }
    // Ten times the connections of the test: 500 MB.
    let server = compile(setup, "c-tests/leaky_server.c", "leaky_server", &["-DCONNECTIONS=250000"]);
    let freeing = compile(setup, "benches/programs/trees.c", "freeing", &["-DFREEING"]);
    if server && freeing { Ok(()) } else { Err("leaky_server.c or trees.c does not compile".to_owned()) }
}

/// Megabytes that the machine has for us.
fn available() -> u32 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u32>().ok()).map_or(0, |kib| kib >> 10)
}

/// What the words on the command line ask for.
struct Wish {
    setup: Setup,
    only: Vec<String>,
    keep: Option<PathBuf>,
    markdown: Option<PathBuf>,
}

fn setup(work: &Path) -> Result<Wish, String> {
    let root = std::env::current_dir().map_err(|error| error.to_string())?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let library = std::env::var_os("GLEANER_LIBRARY").map(PathBuf::from);
    let mut setup = Setup {
        root,
        library: library.unwrap_or(target.join("release/libgleaner.so")),
        command: target.join("release/gleaner"),
        bdwgc: true,
        work: work.to_owned(),
        rounds: 5,
        megabytes: 1024,
        // bdwgc's heap grows to twice of what is live and more.
        loaded: (8 << 10).min(available() / 3),
        seconds: 600,
        scale: 20,
    };
    let (mut only, mut keep, mut markdown) = (Vec::new(), None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{value} is no number"));
        match word.as_str() {
            "--rounds" => setup.rounds = number()?,
            "--megabytes" => setup.megabytes = number()?,
            "--loaded" => setup.loaded = number()?,
            "--seconds" => setup.seconds = number()?,
            "--scale" => setup.scale = number()?,
            "--only" => only = value.split(',').map(str::to_owned).collect(),
            "--keep" => keep = Some(value.into()),
            "--markdown" => markdown = Some(value.into()),
            _ => return Err(format!("{word} is not understood")),
        }
    }
    fs::create_dir_all(work).map_err(|error| format!("{}: {error}", work.display()))?;
    compiled(&mut setup)?;
    Ok(Wish { setup, only, keep, markdown })
}

/// The parts of a run, one after the other.
struct Parts<'a> {
    wanted: &'a dyn Fn(&str) -> bool,
    keep: Option<&'a Path>,
    /// The machine's load before each part was measured.
    loads: &'a mut Vec<(String, String)>,
}

impl Parts<'_> {
    /// The figures of a part: those that were kept, or those that `measure` finds.
    fn get<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        measure: impl FnOnce() -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        if !(self.wanted)(name) {
            return Ok(None);
        }
        let file = self.keep.map(|folder| folder.join(format!("{name}.json")));
        let kept = file.as_ref().and_then(|file| fs::read_to_string(file).ok());
        let (load, found): (String, T) = match (kept, &file) {
            (Some(text), Some(file)) => {
                serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?
            }
            _ => (load(), measure()?),
        };
        if let Some(file) = file {
            let text = serde_json::to_string(&(&load, &found)).map_err(|error| error.to_string())?;
            let folder = file.parent().unwrap_or(Path::new("."));
            let put = fs::create_dir_all(folder).and_then(|()| fs::write(&file, text));
            put.map_err(|error| format!("{}: {error}", file.display()))?;
        }
        self.loads.push((name.to_owned(), load));
        Ok(Some(found))
    }
}

fn measured(work: &Path) -> Result<(), String> {
    let Wish { setup, only, keep, markdown } = setup(work)?;
    let wanted = |part: &str| only.is_empty() || only.iter().any(|one| one == part);
    let mut figures = rows::Figures::default();
    let loads = &mut figures.loads;
    let mut part = Parts { wanted: &wanted, keep: keep.as_deref(), loads };
    figures.marks = part.get("marks", || marks::measure(&setup))?;
    figures.pauses = part.get("pauses", || pauses::measure(&setup))?.unwrap_or_default();
    figures.idle = part.get("idle", || programs::idle(&setup))?;
    figures.trees = part.get("trees", || programs::trees(&setup))?;
    figures.server = part.get("server", || programs::server(&setup))?;
    figures.apps = part.get("apps", || programs::apps(&setup))?;
    print!("{}", rows::text(&setup, &figures));
    let Some(page) = markdown else { return Ok(()) };
    let folder = page.with_extension("");
    let put = |path: &Path, text: &str| {
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    if !figures.pauses.is_empty() {
        put(&folder.join("pauses.svg"), &histogram::svg(&figures.pauses))?;
    }
    let folder = folder.file_name().unwrap_or_default().to_string_lossy();
    put(&page, &rows::markdown(&setup, &figures, &folder))
}

fn main() {
    let work = std::env::temp_dir().join(format!("gleaner-gc-bench.{}", std::process::id()));
    let done = measured(&work);
    drop(fs::remove_dir_all(&work));
    if let Err(text) = done {
        eprintln!("gleaner-gc-bench: {text}");
        std::process::exit(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_logs_are_understood() {
        let log = "gleaner: gc: phases in us: stop 25, list mappings 147, derive 848, mark 221493, limbo 42, resume 3\n\
            gleaner: gc: collection (asked for): 4096 bytes reachable, 1 roots, 0 new in limbo, 0 freed; stopped 222790 us, 222812 us in all\n\
            gleaner: gc: collection abandoned: a thread did not stop\n";
        let ours = ours(log);
        assert_eq!(ours.len(), 1);
        assert_eq!((ours[0].marking, ours[0].stopped), (222.341, 222.79));
        let trace = "[\n{\"name\":\"collection\",\"ts\":1.000,\"dur\":9.000},\n\
            {\"name\":\"stopped\",\"cat\":\"gc\",\"ts\":1.000,\"dur\":1250.500},\n";
        assert_eq!(our_stops(trace), [1.2505]);
        let theirs = theirs("collection 1500 2500\nlive 5\n");
        assert_eq!((theirs[0].marking, theirs[0].stopped), (1.5, 2.5));
    }
}

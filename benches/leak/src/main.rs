//! What leak mode is to reach, beside what one run measured, with valgrind, LeakSanitizer and heaptrack in the same run.
//!
//! ```text
//! gleaner-leak-bench [--rounds N] [--markdown FILE] [--stacks FILE] [--megabytes N] [--only PART,…]
//! gleaner-leak-bench real [--markdown FILE] [NAME…]     leaks of unmodified programs, confirmed by valgrind
//! ```
//! Parts: cost, truth, pause, programs. `scripts/bench leak` builds all that it needs and runs it.
//!
//! ```text
//! tools     how each detector is run, and what it says
//! work      processor time and memory
//! truth     planted leaks and live objects
//! pause     a check of a loaded server
//! programs  Debian's programs, a shell's line each
//! real      what leaks they have
//! table     bounds beside figures
//! ```
#![deny(unsafe_code)]
mod pause;
mod programs;
mod real;
mod table;
mod tools;
mod truth;
mod work;

use gleaner_benches::table::load;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tools::Tool;

/// What a run needs to know.
pub struct Setup {
    pub root: PathBuf,
    pub library: PathBuf,
    pub command: PathBuf,
    pub lsan: PathBuf,
    pub heaptrack: PathBuf,
    /// Those that are installed.
    pub peers: Vec<Tool>,
    /// Compiled programs and inputs.
    pub programs: PathBuf,
    pub work: PathBuf,
    pub port: u16,
}

/// An empty folder.
pub fn fresh(folder: &Path) -> Result<PathBuf, String> {
    drop(fs::remove_dir_all(folder));
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder.to_owned())
}

struct Line {
    rounds: u32,
    markdown: Option<PathBuf>,
    stacks: Option<PathBuf>,
    megabytes: u32,
    only: Option<String>,
    names: Vec<String>,
}

fn line() -> Result<Line, String> {
    let mut line =
        Line { rounds: 5, markdown: None, stacks: None, megabytes: 1000, only: None, names: Vec::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--rounds" => line.rounds = number(value()?)?,
            "--markdown" => line.markdown = Some(value()?.into()),
            "--stacks" => line.stacks = Some(value()?.into()),
            "--megabytes" => line.megabytes = number(value()?)?,
            "--only" => line.only = Some(value()?),
            _ => line.names.push(word),
        }
    }
    Ok(line)
}

fn setup(work: &Path) -> Result<Setup, String> {
    let root = std::env::current_dir().map_err(|error| error.to_string())?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let library = std::env::var_os("GLEANER_LIBRARY").map(PathBuf::from);
    let lib = Path::new("/usr/lib");
    let mut setup = Setup {
        library: library.unwrap_or(target.join("release/libgleaner.so")),
        command: target.join("release/gleaner"),
        lsan: lib.join("x86_64-linux-gnu/liblsan.so.0"),
        heaptrack: lib.join("heaptrack/libheaptrack_preload.so"),
        peers: Vec::new(),
        programs: fresh(&work.join("programs"))?,
        work: work.to_owned(),
        port: 7396,
        root,
    };
    setup.peers = Tool::PEERS
        .into_iter()
        .filter(|tool| match tool {
            Tool::Valgrind => Path::new("/usr/bin/valgrind").exists(),
            Tool::Lsan | Tool::LsanFull => setup.lsan.exists(),
            _ => setup.heaptrack.exists(),
        })
        .collect();
    let source = setup.root.join("benches/programs");
    let compile = |words: &[&str], from: &str, to: &str| {
        let done = Command::new(words[0])
            .args(["-O2", "-g", "-fno-builtin", "-w"])
            .args(&words[1..])
            .arg(source.join(from))
            .arg("-o")
            .arg(setup.programs.join(to))
            .args(["-pthread", "-ldl", "-lrt"])
            .status();
        if done.is_ok_and(|status| status.success()) {
            Ok(())
        } else {
            Err(format!("{from} does not compile"))
        }
    };
    compile(&["g++", "-std=c++17"], "planted.cc", "planted")?;
    compile(&["g++", "-std=c++17", "-DPLUGIN", "-fPIC", "-shared"], "planted.cc", "planted.so")?;
    compile(&["gcc"], "deep_pairs.c", "deep_pairs")?;
    for (from, to) in [("planted.cc", "small.cc"), ("deep_pairs.c", "small.c")] {
        fs::copy(source.join(from), setup.programs.join(to)).map_err(|error| format!("{to}: {error}"))?;
    }
    Ok(setup)
}

fn measured() -> Result<(), String> {
    let line = line()?;
    let folder = std::env::temp_dir().join(format!("gleaner-leak-bench.{}", std::process::id()));
    let setup = setup(&folder)?;
    let works = work::works(&setup)?;
    if line.names.first().is_some_and(|name| name == "real") {
        let text = real::real(&setup, &line.names[1..])?;
        write(line.markdown.as_deref(), &text)?;
        drop(fs::remove_dir_all(folder));
        return Ok(());
    }
    let wanted = |part: &str| line.only.as_deref().is_none_or(|only| only.split(',').any(|one| one == part));
    let mut figures = table::Figures { before: load(), rounds: line.rounds, ..Default::default() };
    if wanted("cost") {
        figures.costs = work::measure(&setup, &works, line.rounds, &mut figures.notes)?;
    }
    if wanted("truth") {
        for tool in [Tool::Gleaner].into_iter().chain(setup.peers.iter().copied()) {
            let judged = truth::judge(&setup, tool)?;
            eprintln!(
                "{:20} {} found, {} named; {} accused",
                tool.name(),
                judged.found,
                judged.named,
                judged.accused.len()
            );
            figures.truth.push((tool, judged));
        }
    }
    if wanted("pause") {
        for thp in ["always", "never"] {
            figures.pauses.push((thp, pause::measure(&setup, thp, line.megabytes)));
        }
    }
    if wanted("programs") {
        figures.runs = Some(real::runs(&setup)?);
    }
    figures.stacks =
        line.stacks.as_deref().map(|path| fs::read_to_string(path).unwrap_or_default()).unwrap_or_default();
    figures.after = load();
    print!("{}", table::text(&setup, &works, &figures));
    if let Some(path) = &line.markdown {
        write(Some(path), &table::markdown(&setup, &works, &figures))?;
    }
    drop(fs::remove_dir_all(folder));
    Ok(())
}

fn write(path: Option<&Path>, text: &str) -> Result<(), String> {
    match path {
        Some(path) => fs::write(path, text).map_err(|error| format!("{}: {error}", path.display())),
        None => {
            print!("{text}");
            Ok(())
        }
    }
}

fn main() {
    if let Err(text) = measured() {
        eprintln!("gleaner-leak-bench: {text}");
        std::process::exit(1);
    }
}

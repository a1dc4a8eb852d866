//! What is run: the programs of the suites, or the user's own command.
use super::staged::Stage;
use crate::Failure;
use crate::failure::USAGE;
use crate::launch;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// One program, run under each allocator.
pub struct Work {
    pub suite: &'static str,
    pub name: String,
    pub about: &'static str,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub environment: Vec<OsString>,
    pub dir: PathBuf,
    /// Arguments with which the program starts and does nothing: enough to see what is preloaded. Without
    /// them a whole run is looked into, which also warms the file cache.
    pub idle: Option<Vec<OsString>>,
    /// Most rounds that make sense.
    pub rounds: u32,
    /// Whether what it prints must not depend on the allocator.
    pub prints_the_same: bool,
}

/// (name, what it does)
type Row = (&'static str, &'static str);

const MICRO: &[Row] = &[
    ("pair64", "malloc and free of 64 bytes"),
    ("pair4k", "malloc and free of 4 KiB"),
    ("pair64k", "malloc and free of 64 KiB"),
    ("pair1m", "malloc and free of 1 MiB"),
    ("pair8m", "malloc and free of 8 MiB"),
    ("batch", "a thousand blocks are made, then freed in the same order"),
    ("shuffled", "a million blocks are made, then freed in random order"),
    ("churn", "random sizes replace each other, 50,000 alive"),
    ("churn1m", "the same with a million alive"),
    ("larson", "two threads that replace each other's blocks, and are replaced"),
    ("xmalloc", "one thread makes blocks, another frees them"),
    ("crowd2", "churn by two threads"),
    ("crowd256", "churn by 256 threads"),
    ("grow", "realloc by halves to 64 KiB"),
    ("grow_large", "realloc by doubling to 64 MiB"),
    ("calloc100", "calloc and free of 100 bytes"),
    ("calloc1m", "calloc and free of 1 MiB"),
    ("thread", "a thread that allocates once: created, joined"),
];
const STEPS: &[Row] = &[
    ("pair64", "malloc and free of 64 bytes"),
    ("malloc", "malloc of 64 bytes, one after the other"),
    ("free", "their frees"),
    ("calloc_pair", "calloc and free of 64 bytes"),
    ("realloc_same", "realloc to the size that it has"),
    ("usable_size", "malloc_usable_size"),
    ("pair4k", "malloc and free of 4 KiB"),
    ("pair64k", "malloc and free of 64 KiB"),
    ("pair1m", "malloc and free of 1 MiB"),
    ("churn", "random sizes replace each other, 8,000 alive"),
];
const PROGRAMS: &[Row] = &[
    ("cfrac", "numbers of a few words, soon freed"),
    ("espresso", "covers of small sets, split again and again"),
    ("larson", "a server's threads, blocks of up to 1 KB"),
    ("alloc_test", "two threads, many small sizes, few large ones"),
    ("xmalloc", "batches of blocks pass between four threads"),
    ("mstress", "four threads, sets of blocks, some exchanged"),
    ("rptest", "three threads, a fifth is freed by the neighbour"),
    ("malloc_large", "twenty blocks of 5 to 25 MB"),
    ("sh6", "rising sizes, mostly freed in reverse"),
    ("sh8", "the same with large ones and frees by the other thread"),
    ("glibc_simple", "one size at a time"),
    ("glibc_thread", "two threads, a table of sizes replaced at random"),
    ("cache_scratch", "threads write to blocks that lay side by side"),
    ("barnes", "an octree is built and dropped"),
    ("churn_million", "a million live blocks, replaced at random"),
    ("grow", "vectors that grow by half, side by side"),
    ("threads", "short threads with little to do"),
    ("tiny", "two megabytes and nothing more"),
    ("burst", "much memory comes and goes, then the program sleeps for two seconds"),
];
/// (name, what it does, program that must be there, arguments, environment)
type Real = (&'static str, &'static str, &'static str, &'static [&'static str], &'static [&'static str]);
const REAL: &[Real] = &[
    ("lua", "tables, strings, closures", "lua", &["bench.lua"], &[]),
    ("sqlite3", "inserts, indexes, joins in memory", "sqlite3", &[":memory:", ".read bench.sql"], &[]),
    ("perl", "hashes, sorting, split and join", "perl", &["bench.pl"], &[]),
    ("python3", "dictionaries, JSON, small objects", "python3", &["bench.py"], &["PYTHONMALLOC=malloc"]),
    (
        "gcc",
        "gcc -O1 compiles a program of 400 lines",
        "gcc",
        &["-O1", "-S", "-o", "/dev/null", "bench.c"],
        &[],
    ),
    ("redis", "redis-server, loaded by redis-benchmark", "redis-server", &["bench-redis"], &[]),
];

const MANY: u32 = u32::MAX;
pub const SUITES: &[&str] = &["micro", "programs", "real", "all"];

/// The works of the suites that the word stands for, cut down to the names of `only`.
pub fn of_suite(
    suite: &str,
    only: &[String],
    scale: u32,
    stage: &Stage,
    notes: &mut Vec<String>,
) -> Result<Vec<Work>, Failure> {
    let mut works = Vec::new();
    if matches!(suite, "micro" | "all") {
        works.extend(MICRO.iter().map(|row| ours(stage, "micro", "micro", row, &["3"], &[], MANY)));
        works.extend(STEPS.iter().map(|row| ours(stage, "steps", "steps", row, &[], &[], 1)));
    }
    if matches!(suite, "programs" | "all") {
        let scale = scale.to_string();
        works.extend(PROGRAMS.iter().map(|row| {
            let rounds = if row.0 == "burst" { 3 } else { MANY };
            ours(stage, "programs", "suite", row, &[], &[&scale], rounds)
        }));
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    if matches!(suite, "real" | "all") {
        for row in REAL.iter().filter(|row| wanted(row.0)) {
            match real(stage, row) {
                Ok(work) => works.push(work),
                Err(missing) => notes.push(format!("{} is left out: {missing} is not installed", row.0)),
            }
        }
    }
    works.retain(|work| wanted(&work.name));
    let known = |name: &String| {
        [MICRO, STEPS, PROGRAMS].iter().any(|rows| rows.iter().any(|row| row.0 == name))
            || REAL.iter().any(|row| row.0 == name)
    };
    if let Some(unknown) = only.iter().find(|name| !known(name)) {
        let text = format!("there is no program {unknown} in the suites; `gleaner bench --list` lists them");
        return Err(Failure::new(USAGE, text));
    }
    if works.is_empty() {
        let text = format!("nothing to run: {} is not in suite {suite}, or not installed", only.join(", "));
        return Err(Failure::new(USAGE, text));
    }
    Ok(works)
}

fn ours(
    stage: &Stage,
    suite: &'static str,
    program: &str,
    row: &Row,
    before: &[&str],
    after: &[&str],
    rounds: u32,
) -> Work {
    let arguments = before.iter().chain([&row.0]).chain(after).map(OsString::from).collect();
    Work {
        suite,
        name: row.0.to_owned(),
        about: row.1,
        program: stage.path(program),
        arguments,
        environment: Vec::new(),
        dir: stage.dir().to_owned(),
        idle: Some(vec!["none".into()]),
        rounds,
        prints_the_same: false,
    }
}

fn real(stage: &Stage, row: &Real) -> Result<Work, &'static str> {
    let &(name, about, program, arguments, environment) = row;
    // What stands first in PATH may be a script that looks for the program.
    let system = Path::new("/usr/bin").join(program);
    let mut path =
        launch::find(system.as_os_str()).or_else(|_| launch::find(program.as_ref())).map_err(|_| program)?;
    if name == "redis" {
        launch::find("redis-benchmark".as_ref()).map_err(|_| "redis-benchmark")?;
        path = PathBuf::from("/bin/sh");
    }
    Ok(Work {
        suite: "real",
        name: name.to_owned(),
        about,
        program: path,
        arguments: arguments.iter().map(OsString::from).collect(),
        environment: environment.iter().map(OsString::from).collect(),
        dir: stage.dir().to_owned(),
        idle: None,
        rounds: MANY,
        prints_the_same: true,
    })
}

/// The user's own command, which must be one that a library can be preloaded into.
pub fn of_command(line: &[OsString]) -> Result<Work, Failure> {
    let [first, arguments @ ..] = line else { return Err(Failure::new(USAGE, "which command?")) };
    let program = launch::find(first)?;
    launch::check(&program)?;
    let name = Path::new(first).file_name().unwrap_or(first).to_string_lossy().into_owned();
    let dir = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    Ok(Work {
        suite: "command",
        name,
        about: "",
        program: std::path::absolute(&program).unwrap_or(program),
        arguments: arguments.to_vec(),
        environment: Vec::new(),
        dir,
        idle: None,
        rounds: MANY,
        prints_the_same: true,
    })
}

/// The suites and their programs, for `--list`.
pub fn list(out: &mut String) {
    let mut suite = |name: &str, rows: &mut dyn Iterator<Item = Row>| {
        out.push_str(&format!("suite {name}\n"));
        rows.for_each(|(name, about)| out.push_str(&format!("  {name:16} {about}\n")));
    };
    suite("micro: time per operation", &mut MICRO.iter().copied());
    suite("micro: user instructions per operation", &mut STEPS.iter().copied());
    suite("programs", &mut PROGRAMS.iter().copied());
    suite("real (those that are installed)", &mut REAL.iter().map(|row| (row.0, row.1)));
}

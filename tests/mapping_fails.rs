//! Real programs whose memory fails: for every k, the k-th mapping call of the library is refused, and then all
//! from the k-th on. The program must either run as it does natively or end by its own handling of a lack of
//! memory, or the library say in one line why it cannot start.
//!
//! ```text
//! cargo test --test mapping_fails                    the short list, as scripts/test does
//! cargo test --test mapping_fails -- python3 --mode gc
//! MAPPING_FAILS=long cargo test --test mapping_fails all programs, as scripts/deep does
//! ```

#[path = "harness/preload.rs"]
#[allow(dead_code)] // It serves other tests, too.
mod preload;
#[path = "harness/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "harness/traced.rs"]
mod traced;
#[path = "harness/tree.rs"]
mod tree;

use preload::{Args, Preload};
use process::{End, Outcome};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use traced::{Fails, Library, Traced};

struct Program {
    name: &'static str,
    words: &'static [&'static str],
    /// Of the short list.
    short: bool,
    /// Dies of SIGSEGV in its own code when malloc gives nothing, whosever malloc it is.
    unchecked: bool,
}

const fn program(name: &'static str, words: &'static [&'static str]) -> Program {
    Program { name, words, short: false, unchecked: false }
}

impl Program {
    const fn short(self) -> Program {
        Program { short: true, ..self }
    }
    const fn unchecked(self) -> Program {
        Program { unchecked: true, ..self }
    }
}

const BASH: &str = "declare -A a; for i in {1..300}; do a[$i]=x$i; done; echo ${#a[@]} ${a[7]}";
const SQL: &str = "create table t(x); with recursive n(i) as (select 1 union all select i+1 from n where i<500) \
                   insert into t select hex(i) from n; select count(*), max(x) from t order by 1;";
const PERL: &str =
    r#"$x = 'ab' x 3e6; $x .= $x; @l = map { "$_." } 1..2000; print length($x), ' ', scalar(@l), "\n""#;
const PYTHON: &str =
    "b = bytearray(36 << 20); b += b'x' * 9; print(len(b), sum(map(len, [str(i) for i in range(3000)])))";
const GAWK: &str = r#"BEGIN { for (i = 0; i < 2000; i++) a[i] = i "x"; n = asort(a); print n, a[1] }"#;
const LUA: &str = "local t = {} for i = 1, 3000 do t[i] = i .. 'x' end print(#t, #table.concat(t))";
const PHP: &str = r#"$a = range(1, 2000); echo count($a), "\n";"#;
const CC1: &str = "exec $(gcc -print-prog-name=cc1) -quiet -E /usr/include/errno.h";

const PROGRAMS: &[Program] = &[
    program("true", &["/bin/true"]).short(),
    program("bash", &["/bin/bash", "-c", BASH]).short(),
    program("sqlite3", &["/usr/bin/sqlite3", ":memory:", SQL]).short(),
    program("git", &["git", "--version"]).short(),
    program("gawk", &["/usr/bin/gawk", GAWK]).short(),
    program("python3", &["/usr/bin/python3", "-S", "-c", PYTHON]).short(),
    program("xz", &["/usr/bin/xz", "-T2", "-c", "/etc/services"]).short(),
    program("perl", &["/usr/bin/perl", "-e", PERL]).unchecked(),
    program("sed", &["/bin/sed", "-n", "s/root/&&/p", "/etc/passwd"]),
    program("sort", &["/usr/bin/sort", "--parallel=2", "-S", "20M", "/etc/services"]),
    program("tar", &["/bin/tar", "--version"]),
    program("make", &["/usr/bin/make", "--version"]),
    program("openssl", &["/usr/bin/openssl", "dgst", "-sha256", "/etc/passwd"]),
    program("lua", &["/usr/bin/lua5.4", "-e", LUA]),
    program("curl", &["/usr/bin/curl", "-s", "file:///etc/services"]),
    program("gcc", &["/usr/bin/gcc", "--version"]),
    program("cc1", &["/bin/sh", "-c", CC1]).unchecked(),
    program("ruby", &["/usr/bin/ruby", "--disable-gems", "-e", "puts (1..2000).map(&:to_s).join.size"])
        .unchecked(),
    program("php", &["/usr/bin/php", "-n", "-r", PHP]).unchecked(),
    program("redis", &["/usr/bin/redis-server", "--version"]).unchecked(),
];

/// gc mode with collections, which map memory of their own.
const COLLECTING: &str = "gc+";
const MODES: [&str; 4] = ["malloc", "leak", "gc", COLLECTING];

struct Case<'a> {
    program: &'static Program,
    mode: &'a str,
    library: &'a Library,
    native: Outcome,
}

fn main() -> ExitCode {
    let args = Args::from_env();
    let Preload::Gleaner(library) = args.preload() else { panic!("only for the library") };
    let library = Library::at(library.canonicalize().expect("the library"));
    let long = std::env::var("MAPPING_FAILS").is_ok_and(|v| v == "long") || !args.names.is_empty();
    let mut cases = Vec::new();
    for program in PROGRAMS {
        // A bare name is for the shell's path to find.
        let there = !program.words[0].starts_with('/') || Path::new(program.words[0]).exists();
        if !(long || program.short) || !args.wants(program.name) || !there {
            continue;
        }
        for mode in MODES {
            if mode == COLLECTING && !long && !["bash", "sqlite3"].contains(&program.name) {
                continue;
            }
            if args.mode.as_deref().is_none_or(|m| m == mode) {
                let scratch = scratch(program.name, mode, "native");
                let native = process::run(&mut command(program), Duration::from_secs(60), &scratch);
                cases.push(Case { program, mode, library: &library, native });
            }
        }
    }
    println!(
        "{:10} {:7} {:>5} {:>5} {:>6} {:>6} {:>7}",
        "program", "mode", "calls", "runs", "right", "ended", "seconds"
    );
    let failures: Vec<String> = preload::in_parallel(&cases, try_case).into_iter().flatten().collect();
    failures.iter().for_each(|f| println!("\n{f}"));
    println!("{} programs and modes, {} failures", cases.len(), failures.len());
    if failures.is_empty() && !cases.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn command(program: &Program) -> Command {
    let mut command = Command::new(program.words[0]);
    command.args(&program.words[1..]).env("PYTHONMALLOC", "malloc").env("LC_ALL", "C");
    command
}

fn scratch(name: &str, mode: &str, what: &str) -> PathBuf {
    tree::target().join(format!("mapping-fails/{name}-{mode}-{what}"))
}

impl Case<'_> {
    fn run(&self, fails: Fails) -> Traced {
        let (log, scratch) =
            (scratch(self.program.name, self.mode, "log"), scratch(self.program.name, self.mode, "run"));
        let mode = if self.mode == COLLECTING { "gc:collect_every=128k" } else { self.mode };
        let more = std::env::var("GLEANER_TEST_OPTIONS").map_or(String::new(), |more| format!(":{more}"));
        let options = format!("mode={mode}:exitcode=0:symbolizer=none:log={}{more}", log.display());
        let mut command = command(self.program);
        command.env("LD_PRELOAD", &self.library.path).env("GLEANER", options);
        // A program that calls itself until its stack ends has each refused call stopped twice.
        traced::run(&mut command, self.library, fails, Duration::from_secs(180), &scratch)
    }

    /// Why the end of a run is none that a lack of memory excuses. `Ok(true)`: it was as native.
    fn judge(&self, run: &Traced) -> Result<bool, String> {
        let got = &run.outcome;
        // The last is libc's, where it cannot go on.
        let told = ["emory", "alloc", "terminate called", "Unexpected error."]
            .iter()
            .any(|word| got.stderr.contains(word) || got.stdout.contains(word));
        match got.end {
            End::Exit(status) if End::Exit(status) == self.native.end => {
                if got.stdout != self.native.stdout && !(told && got.end != End::Exit(0)) {
                    Err("another stdout".into())
                } else if got.stderr != self.native.stderr && !told {
                    Err("another stderr".into())
                } else {
                    Ok(true)
                }
            }
            End::Exit(0) => Err("success".into()),
            End::Exit(_) if told || self.native.stdout.starts_with(&got.stdout) => Ok(false),
            End::Exit(_) => Err("garbled stdout".into()),
            End::Signal(libc::SIGABRT) if told => Ok(false),
            End::Signal(libc::SIGSEGV) if self.program.unchecked => match run.fault {
                // By NULL, or because its message of no memory needs memory.
                Some(f) if f.overflow || (f.ours.is_none() && f.at < 4096) => Ok(false),
                _ => Err("no orderly end".into()),
            },
            End::Signal(_) | End::TimeOut => Err("no orderly end".into()),
        }
    }
}

/// All of one program in one mode.
fn try_case(case: &Case) -> Vec<String> {
    let start = std::time::Instant::now();
    let whole = case.run(Fails::None);
    let mut failures = Vec::new();
    if !case.judge(&whole).unwrap_or(false) {
        failures.push(describe(case, Fails::None, "must pass", &whole));
    }
    let (mut runs, mut right, mut ended) = (0, 0, 0);
    for series in [Fails::Only, Fails::AllFrom] {
        // Until nothing was refused any more: the number of calls may change with what failed.
        for k in 1.. {
            let got = case.run(series(k));
            if got.first.is_none() || failures.len() >= 5 {
                break;
            }
            runs += 1;
            match case.judge(&got) {
                Ok(true) => right += 1,
                Ok(false) => ended += 1,
                Err(why) => failures.push(describe(case, series(k), &why, &got)),
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{:10} {:7} {:5} {runs:5} {right:6} {ended:6} {seconds:7.1}",
        case.program.name, case.mode, whole.calls
    );
    failures
}

fn describe(case: &Case, fails: Fails, why: &str, got: &Traced) -> String {
    let short = |text: &str| text.chars().take(600).collect::<String>();
    format!(
        "{} {} {fails:?}: {why}: ended with {}, first refused: {}, {:?}\nstdout: {}\nstderr: {}",
        case.program.name,
        case.mode,
        got.outcome.end,
        got.first.as_deref().unwrap_or("none"),
        got.fault,
        short(&got.outcome.stdout),
        short(&got.outcome.stderr)
    )
}

//! Runs the C and C++ programs of `c-tests/` under the library: one tiny program per behaviour, with
//! the exit status and the output that its header declares (`harness/spec.rs` tells the format).
//!
//! ```text
//! cargo test --test c_tests                                   all, in each mode
//! cargo test --test c_tests -- misuse/ --mode gc              some
//! GLEANER_TEST_OPTIONS=secure=3 cargo test --test c_tests     more options, in every mode
//! cargo test --test c_tests -- --preload native               the tests themselves, without any library
//! cargo test --test c_tests -- --preload sanitizers           those that include gleaner.h, under ASan and UBSan, without us
//! cargo test --test c_tests -- --preload /usr/lib/…/libjemalloc.so.2
//! ```
//! It is not part of a plain `cargo test`, which builds no release library; `scripts/test` runs it.

#[path = "harness/expect.rs"]
mod expect;
#[path = "harness/preload.rs"]
mod preload;
#[path = "harness/process.rs"]
mod process;
#[path = "harness/report.rs"]
mod report;
#[path = "harness/spec.rs"]
mod spec;
#[path = "harness/tree.rs"]
mod tree;

use preload::{Args, Preload};
use process::{End, Outcome};
use spec::Spec;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

/// For the header as programs see it that run without us.
const SANITIZERS: [&str; 2] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"];

struct Program {
    name: String,
    source: PathBuf,
    exe: PathBuf,
    plugin: Option<PathBuf>,
    spec: Spec,
    /// For the compiler, besides what the header says.
    extra: &'static [&'static str],
}

impl Program {
    fn calls_us(&self) -> bool {
        ["api/", "foreign/", "examples/"].iter().any(|folder| self.name.starts_with(folder))
    }
    /// Audit mode is gc mode but for what becomes of the garbage: where only that matters it is tried, too.
    fn runs_in(&self, mode: &str) -> bool {
        let told = self.spec.one("modes", "").is_some();
        self.spec.runs_in(mode)
            && (mode != "audit" || told || self.calls_us() || self.name.starts_with("live/"))
    }
}

fn main() -> ExitCode {
    let args = Args::from_env();
    let preload = args.preload();
    let mut programs: Vec<Program> = programs().into_iter().filter(|p| args.wants(&p.name)).collect();
    if args.preload.as_deref() == Some("sanitizers") {
        programs.retain(|p| p.calls_us() && p.spec.runs_in("native"));
        programs.iter_mut().for_each(|p| {
            p.extra = &SANITIZERS;
            p.exe = tree::target().join("c-tests/sanitized").join(&p.name);
        });
    }
    let newest = newest_source();
    let built = preload::in_parallel(&programs, |p| build(p, newest));
    let mut jobs = Vec::new();
    for (program, built) in programs.iter().zip(&built) {
        if built.is_err() {
            continue;
        }
        // What calls us by name must run without us as well.
        let without: &[&str] =
            if program.calls_us() && matches!(preload, Preload::Gleaner(_)) { &["native"] } else { &[] };
        for &mode in preload.modes().iter().chain(without) {
            if program.runs_in(mode) && args.mode.as_deref().is_none_or(|m| m == mode) {
                jobs.push((program, mode));
            }
        }
    }
    let mut failures: Vec<String> = built.into_iter().filter_map(Result::err).collect();
    let results = preload::in_parallel(&jobs, |(program, mode)| {
        let start = Instant::now();
        let result = run(program, mode, &preload);
        let (word, seconds) = (if result.is_ok() { "ok" } else { "FAILED" }, start.elapsed().as_secs_f64());
        if args.verbose || result.is_err() || seconds > 10.0 {
            println!("{word:6} {:28} {mode:6} {seconds:5.1} s", program.name);
        }
        result
    });
    let passed = results.iter().filter(|r| r.is_ok()).count();
    failures.extend(results.into_iter().filter_map(Result::err));
    for failure in &failures {
        println!("\n{failure}");
    }
    println!("{passed} passed, {} failed", failures.len());
    if failures.is_empty() && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every program under c-tests/, by the folders that hold one behaviour a file.
fn programs() -> Vec<Program> {
    let base = tree::root().join("c-tests");
    let mut list = Vec::new();
    for folder in [
        "entry", "cxx", "misuse", "life", "limits", "confine", "maps", "leaks", "live", "gc", "audit",
        "check", "api", "foreign", "examples", "torture",
    ] {
        let home = if folder == "examples" { tree::root() } else { &base };
        let Ok(entries) = std::fs::read_dir(home.join(folder)) else { continue };
        for source in entries.map(|e| e.expect("folder entry").path()) {
            if !matches!(source.extension().and_then(|e| e.to_str()), Some("c" | "cc")) {
                continue;
            }
            let name = format!("{folder}/{}", source.file_stem().expect("a name").to_string_lossy());
            let spec = spec::read(&source, "//");
            let exe = tree::target().join("c-tests").join(&name);
            let plugin = spec.one("plugin", "").map(|p| base.join(p));
            list.push(Program { name, source, exe, plugin, spec, extra: &[] });
        }
    }
    list.sort_by(|a, b| a.name.cmp(&b.name));
    list
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|m| m.modified()).ok()
}

/// The time of the last change to a shared header or plugin: older programs are rebuilt.
fn newest_source() -> Option<SystemTime> {
    let folders = ["include", "c-tests/include", "c-tests/plugins"];
    let entries = folders.iter().filter_map(|f| std::fs::read_dir(tree::root().join(f)).ok()).flatten();
    entries.filter_map(|e| modified(&e.ok()?.path())).max()
}

fn so_of(program: &Program) -> PathBuf {
    program.exe.with_extension("so")
}

fn build(program: &Program, newest: Option<SystemTime>) -> Result<(), String> {
    compile(&program.source, &program.exe, &program.spec, program.extra, newest)?;
    match &program.plugin {
        Some(plugin) => {
            let spec = spec::read(plugin, "//");
            compile(plugin, &so_of(program), &spec, &["-shared", "-fPIC"], newest)
        }
        None => Ok(()),
    }
}

/// -fno-builtin: or the compiler removes the very calls that the test is about.
fn compile(
    source: &Path,
    to: &Path,
    spec: &Spec,
    extra: &[&str],
    newest: Option<SystemTime>,
) -> Result<(), String> {
    if modified(to).is_some_and(|t| Some(t) > modified(source) && Some(t) > newest) {
        return Ok(());
    }
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("target/c-tests");
    let cxx = source.extension().is_some_and(|e| e == "cc");
    let mut command = Command::new(if cxx { "c++" } else { "cc" });
    command.args(["-O2", "-g", "-Wall", "-Wextra", "-Wno-unused-result", "-Wno-unused-parameter"]);
    command.args(["-fno-builtin", "-I"]).arg(tree::root().join("c-tests/include"));
    command.arg("-I").arg(tree::root().join("include"));
    command.args(extra).args(if cxx { &["-std=c++20"][..] } else { &["-std=gnu17", "-D_GNU_SOURCE"] });
    command.arg(source).arg("-o").arg(to);
    command.args(spec.one("flags", "").unwrap_or("").split_whitespace());
    let out = command.output().expect("a C compiler");
    if out.status.success() && out.stderr.is_empty() {
        return Ok(());
    }
    let _ = std::fs::remove_file(to);
    Err(format!(
        "FAILED {} does not compile cleanly\n  {command:?}\n{}",
        source.display(),
        String::from_utf8_lossy(&out.stderr)
    ))
}

/// The shell line that runs `program` in `mode`, and the variables that it needs.
fn command_line(program: &Program, mode: &str, preload: &Preload) -> (String, Vec<(String, String)>) {
    let spec = &program.spec;
    let more = std::env::var("GLEANER_TEST_OPTIONS").unwrap_or_default();
    let mut options = spec.all("gleaner", mode);
    if !more.is_empty() {
        options.insert(0, &more);
    }
    let mut env = preload.env(mode, &options);
    for row in spec.all("env", mode) {
        let (name, value) = row.split_once('=').expect("env: NAME=value");
        env.push((name.to_string(), value.to_string()));
    }
    if !program.extra.is_empty() {
        // Some lose memory on purpose, for us to find.
        env.push(("ASAN_OPTIONS".to_string(), "detect_leaks=0".to_string()));
    }
    let line = match spec.one("shell", mode) {
        Some(line) => line.to_string(),
        None => format!("exec {{exe}} {}", spec.one("args", mode).unwrap_or("")),
    };
    let line = line.replace("{exe}", &program.exe.display().to_string());
    (line.replace("{plugin}", &so_of(program).display().to_string()).trim_end().to_string(), env)
}

/// The shell itself runs without the library: the variables are set by `env` in front of the program.
fn run(program: &Program, mode: &str, preload: &Preload) -> Result<(), String> {
    let (line, env) = command_line(program, mode, preload);
    let assignments: Vec<String> = env.iter().map(|(k, v)| format!("{k}='{v}'")).collect();
    let exe = program.exe.display().to_string();
    let line = line.replacen(&exe, &format!("env {} {exe}", assignments.join(" ")), 1);
    let scratch =
        tree::target().join("c-tests/out").join(format!("{}.{mode}.x", program.name.replace('/', "_")));
    let mut command = Command::new("sh");
    command.arg("-c").arg(&line).env("MODE", mode).env_remove("LD_PRELOAD").env_remove("GLEANER");
    let limit = Duration::from_secs(program.spec.timeout(mode, 30));
    let outcome = process::run(&mut command, limit, &scratch);
    let faults = faults(program, mode, &outcome)?;
    if faults.is_empty() {
        return Ok(());
    }
    let head = |text: &str| text.lines().take(40).map(|l| format!("    {l}\n")).collect::<String>();
    Err(format!(
        "FAILED {} in mode {mode}, {:.1} s\n  {}\n  repeat: MODE={mode} sh -c '{}'\n  stdout:\n{}  stderr:\n{}",
        program.name,
        outcome.seconds,
        faults.join("\n  "),
        line.replace('\'', "'\\''"),
        head(&outcome.stdout),
        head(&outcome.stderr)
    ))
}

fn faults(program: &Program, mode: &str, outcome: &Outcome) -> Result<Vec<String>, String> {
    let spec = &program.spec;
    let mut sources = vec![program.source.clone()];
    sources.extend(program.plugin.clone());
    let texts: Vec<String> = sources.iter().map(|s| std::fs::read_to_string(s).expect("source")).collect();
    let files: Vec<String> =
        sources.iter().map(|s| s.file_name().expect("name").to_string_lossy().into_owned()).collect();
    let planted = expect::leaks(spec, mode, &texts).map_err(|e| format!("{}: {e}", program.name))?;
    let reports = mode == "leak" && !planted.is_empty();
    let mut faults = Vec::new();
    let expected = spec.one("status", mode).unwrap_or(if reports { "23" } else { "0" });
    if outcome.end.to_string() != expected.trim() {
        faults.push(format!("ended with {}, expected {expected}", outcome.end));
    }
    let stdout = spec.all("stdout", mode);
    if !stdout.is_empty() && !expect::lines_fit(&stdout, &outcome.stdout) {
        faults.push(format!("stdout is not {stdout:?}"));
    }
    let stderr = spec.all("stderr", mode);
    if reports && outcome.end != End::TimeOut {
        faults.extend(report::faults(&outcome.stderr, &planted, &files));
    } else if !expect::lines_fit(&stderr, &outcome.stderr) {
        faults.push(format!("stderr is not {stderr:?}"));
    }
    for line in spec.all("told", mode) {
        if !outcome.stderr.lines().any(|told| expect::fits(line, told)) {
            faults.push(format!("no line of stderr is \"{line}\""));
        }
    }
    Ok(faults)
}

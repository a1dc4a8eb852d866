//! Runs real programs natively and under the library in each mode, and compares what they print and
//! how they end. Each is a script in `c-tests/apps/` that starts in an empty folder; everything that
//! it starts is preloaded too, the shell included.
//!
//! ```text
//! cargo test --test apps                         all
//! cargo test --test apps -- git --mode gc        one, in one mode
//! cargo test --test apps -- --preload /usr/lib/…/libjemalloc.so.2
//! GLEANER_TEST_OPTIONS=collect_every=4m cargo test --test apps      more options, in every mode
//! GLEANER_TEST_TICK=5 cargo test --test apps -- --mode gc           a second thread in each program
//! collects every 5 ms
//! ```
//! A script's header: `# needs: commands`, `# timeout: seconds`, `# modes: …`, and `# normalise: a sed
//! script` for what differs from one native run to the next. In leak mode the reports go to files and the
//! programs keep their own exit status, for many real programs do leak. In gc mode, and in audit
//! mode, which runs only when it is named, the statistics go to files, and no object may have been resurrected. Prints one row a run: `app mode result seconds ratio`, the
//! ratio to the native run's time.

#[path = "harness/preload.rs"]
mod preload;
#[path = "harness/process.rs"]
mod process;
#[path = "harness/spec.rs"]
mod spec;
#[path = "harness/tree.rs"]
mod tree;

use preload::{Args, Preload};
use process::{End, Outcome};
use spec::Spec;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

struct App {
    name: String,
    script: PathBuf,
    spec: Spec,
}

/// What became of one script in all its runs.
#[derive(Default)]
struct Tally {
    passed: u32,
    failures: Vec<String>,
    skipped: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::from_env();
    let preload = args.preload();
    let apps: Vec<App> = apps().into_iter().filter(|a| args.wants(&a.name)).collect();
    println!("{:16} {:7} {:8} {:>7} {:>6}", "app", "mode", "result", "seconds", "ratio");
    let tallies = preload::in_parallel(&apps, |app| try_app(app, &preload, args.mode.as_deref()));
    let passed: u32 = tallies.iter().map(|t| t.passed).sum();
    let failures: Vec<&String> = tallies.iter().flat_map(|t| &t.failures).collect();
    let skipped: Vec<&String> = tallies.iter().filter_map(|t| t.skipped.as_ref()).collect();
    failures.iter().for_each(|f| println!("\n{f}"));
    skipped.iter().for_each(|s| println!("skipped: {s}"));
    println!("{passed} passed, {} failed, {} skipped", failures.len(), skipped.len());
    if failures.is_empty() && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn apps() -> Vec<App> {
    let folder = tree::root().join("c-tests/apps");
    let mut list = Vec::new();
    for script in std::fs::read_dir(folder).expect("c-tests/apps").map(|e| e.expect("entry").path()) {
        if script.extension().is_some_and(|e| e == "sh") {
            let name = script.file_stem().expect("a name").to_string_lossy().into_owned();
            let spec = spec::read(&script, "#");
            list.push(App { name, script, spec });
        }
    }
    // The longest first, so that two workers end together.
    list.sort_by_key(|a| (std::cmp::Reverse(a.spec.timeout("", 60)), a.name.clone()));
    list
}

fn try_app(app: &App, preload: &Preload, only: Option<&str>) -> Tally {
    let mut tally = Tally::default();
    if let Some(missing) = app.spec.one("needs", "").unwrap_or("").split_whitespace().find(|c| !exists(c)) {
        tally.skipped = Some(format!("{}: no {missing} here (scripts/install-deps installs it)", app.name));
        return tally;
    }
    let native = run(app, "native", preload);
    println!("{:16} {:7} {:8} {:7.2}", app.name, "native", native.end.to_string(), native.seconds);
    if native.end == End::TimeOut {
        tally.failures.push(format!("FAILED {}: time-out without the library", app.name));
        return tally;
    }
    for mode in preload.modes() {
        let wanted = only.map_or(*mode != "audit", |m| m == *mode);
        if *mode == "native" || !app.spec.runs_in(mode) || !wanted {
            continue;
        }
        let outcome = run(app, mode, preload);
        let mut fault = difference(app, &native, &outcome);
        let [cycles, abandoned, reclaimed, resurrected] = collections(app, mode);
        if resurrected > 0 {
            fault = Some(format!("{}  {resurrected} objects were resurrected\n", fault.unwrap_or_default()));
        }
        let (word, ratio) = (if fault.is_none() { "ok" } else { "FAILED" }, outcome.seconds / native.seconds);
        let counts = match *mode {
            "gc" | "audit" => format!(
                "  {cycles} cycles, {abandoned} abandoned, {reclaimed} reclaimed, {resurrected} resurrected"
            ),
            _ => String::new(),
        };
        println!("{:16} {:7} {word:8} {:7.2} {ratio:6.2}{counts}", app.name, mode, outcome.seconds);
        match fault {
            None => tally.passed += 1,
            Some(fault) => tally.failures.push(format!(
                "FAILED {} in mode {mode}\n{fault}  repeat: cargo test --test apps -- {} --mode {mode}",
                app.name, app.name
            )),
        }
    }
    tally
}

/// Debian's programs first: pyenv, nvm and the like may stand in front of them in the caller's PATH.
fn path() -> String {
    let toolchain = Path::new(env!("CARGO")).parent().expect("a folder").display();
    format!("/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin:{toolchain}")
}

fn exists(command: &str) -> bool {
    path().split(':').any(|folder| Path::new(folder).join(command).exists())
}

/// A port that nobody has, below those that the kernel gives to whoever connects; nor has anybody the next one.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let number = std::process::id() % 20_000 + NEXT.fetch_add(2, Ordering::Relaxed);
        let port = 10_000 + (number % 20_000) as u16;
        if is_free(port) && is_free(port + 1) {
            return port;
        }
    }
}

fn run(app: &App, mode: &str, preload: &Preload) -> Outcome {
    let place = std::env::temp_dir().join(format!("gleaner-apps-{}-{}-{mode}", std::process::id(), app.name));
    std::fs::create_dir_all(&place).expect("a folder to run in");
    let out = tree::target().join("apps-out");
    let mut options = vec![];
    remove_logs(app, mode);
    let log = format!("log={}/{}.{mode}.%p.log", out.display(), app.name);
    let more = std::env::var("GLEANER_TEST_OPTIONS").unwrap_or_default();
    match mode {
        "leak" => options.extend([log.as_str(), "exitcode=0"]),
        "gc" => options.extend([log.as_str(), "stats=yes"]),
        "audit" => options.extend([log.as_str(), "stats=yes", "exitcode=0"]),
        _ => {}
    }
    if !more.is_empty() {
        options.push(more.as_str());
    }
    let port = free_port();
    // A caller that was started in the background has SIGINT ignored, and python tests it.
    let mut command = Command::new("/usr/bin/env");
    command
        .args(["--default-signal", "bash"])
        .arg(&app.script)
        .current_dir(&place)
        .env_clear()
        .env("PATH", path())
        .env("LC_ALL", "C");
    command.env("HOME", &place).env("TMPDIR", &place).env("TERM", "xterm").env("PORT", port.to_string());
    command
        .env("CALLER_PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(preload.env(mode, &options).into_iter().map(also_ticker));
    let limit = Duration::from_secs(app.spec.timeout(mode, 60) * if mode == "native" { 1 } else { 3 });
    let outcome = process::run(&mut command, limit, &out.join(format!("{}.{mode}.x", app.name)));
    let _ = std::fs::remove_dir_all(&place);
    outcome
}

/// The ticker stands behind the library in LD_PRELOAD, if it is asked for.
fn also_ticker((name, value): (String, String)) -> (String, String) {
    match ticker() {
        Some(ticker) if name == "LD_PRELOAD" => (name, format!("{value}:{}", ticker.display())),
        _ => (name, value),
    }
}

/// `c-tests/plugins/ticker.c`, built once.
fn ticker() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        let period = std::env::var("GLEANER_TEST_TICK").ok()?;
        let (source, out) = (tree::root().join("c-tests/plugins/ticker.c"), tree::target().join("ticker.so"));
        let period = format!("-DPERIOD_MS={period}.0");
        let mut gcc = Command::new("gcc");
        gcc.args(["-O2", "-shared", "-fPIC", "-pthread", &period, "-o"]).arg(&out).arg(source);
        assert!(gcc.status().expect("gcc").success());
        Some(out)
    };
    BUILT.get_or_init(build).as_deref()
}

fn logs(app: &App, mode: &str) -> Vec<PathBuf> {
    let prefix = format!("{}.{mode}.", app.name);
    let Ok(entries) = std::fs::read_dir(tree::target().join("apps-out")) else { return Vec::new() };
    let named = |p: &PathBuf| {
        p.extension().is_some_and(|e| e == "log")
            && p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&prefix))
    };
    entries.filter_map(|e| Some(e.ok()?.path())).filter(named).collect()
}

fn remove_logs(app: &App, mode: &str) {
    logs(app, mode).iter().for_each(|log| drop(std::fs::remove_file(log)));
}

/// From the statistics of all processes of a run in gc or audit mode: (cycles, abandoned, reclaimed, resurrected).
/// The last must be 0: an object that the collector gave up and the program used after all.
fn collections(app: &App, mode: &str) -> [u64; 4] {
    let mut sums = [0; 4];
    for log in logs(app, mode) {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let words: Vec<&str> = text.split([' ', ',', ';', '\n']).filter(|w| !w.is_empty()).collect();
        for pair in words.windows(2) {
            let names = ["cycles", "abandoned", "reclaimed", "resurrected"];
            if let (Some(at), Ok(n)) = (names.iter().position(|n| *n == pair[0]), pair[1].parse::<u64>()) {
                sums[at] += n;
            }
        }
    }
    sums
}

/// What differs, if anything, after both outputs went through the script's own `normalise`.
fn difference(app: &App, native: &Outcome, outcome: &Outcome) -> Option<String> {
    let mut text = String::new();
    if native.end != outcome.end {
        text.push_str(&format!("  status: {} natively, now {}\n", native.end, outcome.end));
    }
    for (what, a, b) in
        [("stdout", &native.stdout, &outcome.stdout), ("stderr", &native.stderr, &outcome.stderr)]
    {
        let (a, b) = (normalise(app, a), normalise(app, b));
        if a != b {
            text.push_str(&format!("  {what} differs:\n{}", first_differences(&a, &b)));
        }
    }
    (!text.is_empty()).then_some(text)
}

fn normalise(app: &App, text: &str) -> String {
    let rules = app.spec.all("normalise", "");
    let folder = std::env::temp_dir().join(format!("gleaner-apps-{}-{}", std::process::id(), app.name));
    let always = format!("s#{}-[a-z]+#DIR#g", folder.display());
    let file = std::env::temp_dir().join(format!("gleaner-sed-{}-{}", std::process::id(), app.name));
    std::fs::write(&file, text).expect("a file for sed");
    let mut command = Command::new("sed");
    command.args(["-E", "-e", &always]);
    rules.iter().for_each(|rule| {
        command.args(["-e", rule]);
    });
    let out = command.arg(&file).stderr(Stdio::inherit()).output().expect("sed");
    let _ = std::fs::remove_file(&file);
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn first_differences(a: &str, b: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.lines().collect(), b.lines().collect());
    let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let show = |sign: &str, lines: &[&str]| {
        lines
            .iter()
            .skip(same)
            .take(12)
            .map(|l| format!("    {sign} {}\n", l.chars().take(300).collect::<String>()))
            .collect::<String>()
    };
    format!("    at line {}:\n{}{}", same + 1, show("-", &a), show("+", &b))
}

//! What the mode gc costs programs that do not leak, one that never frees, and a server that leaks; what the apps
//! resurrect in audit mode.
use crate::{Collector, Setup, available};
use gleaner_benches::run::{Ran, median, run};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1800);

/// Time in mode gc as a ratio to that in mode malloc: of all programs, of each.
#[derive(Serialize, Deserialize)]
pub struct Idle {
    pub mean: f64,
    pub each: Vec<(String, f64)>,
}

/// The programs of `gleaner bench`, in both modes, interleaved.
pub fn idle(setup: &Setup) -> Result<Idle, String> {
    let mut each = Vec::new();
    for suite in ["programs", "real"] {
        let json = setup.work.join(format!("{suite}.json"));
        let (rounds, scale) = (setup.rounds.to_string(), setup.scale.to_string());
        let mut command = Command::new(&setup.command);
        command.args(["bench", "--suite", suite, "--rounds", &rounds, "--scale", &scale]);
        command.arg("--json").arg(&json).args(["-a", "gleaner", "gleaner-gc"]);
        run(&mut command, LIMIT).map_err(|error| error.to_string())?;
        let text = fs::read_to_string(&json).map_err(|error| format!("gleaner bench {suite}: {error}"))?;
        let found: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        for outcome in found["outcomes"].as_array().into_iter().flatten() {
            let name = outcome["name"].as_str().unwrap_or_default();
            // The burst sleeps.
            if let Some(ratio) = ratio(outcome).filter(|_| name != "burst") {
                each.push((name.to_owned(), ratio));
            }
        }
    }
    let mean = (each.iter().map(|one| one.1.ln()).sum::<f64>() / each.len().max(1) as f64).exp();
    each.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(Idle { mean, each })
}

/// Of the least processor times of all rounds, which a noisy machine falsifies least.
fn ratio(outcome: &Value) -> Option<f64> {
    let least = |name: &str| {
        let cell = outcome["results"].as_array()?.iter().find(|cell| cell["allocator"] == name)?;
        let values = cell["figures"]["cpu_ms"]["values"].as_array()?;
        values.iter().filter_map(Value::as_f64).reduce(f64::min)
    };
    Some(least("gleaner-gc")? / least("gleaner")?)
}

/// Processor seconds of a program that never frees its trees, beside one that does, with libc's malloc.
#[derive(Serialize, Deserialize)]
pub struct Trees {
    pub freeing: f64,
    pub ours: f64,
    pub theirs: Option<f64>,
    /// The same by the clock.
    pub clock: [f64; 2],
}

pub fn trees(setup: &Setup) -> Result<Trees, String> {
    // 16 bytes of pointers, 8 of numbers: 2^18 of them are 8 MiB, 2^20 32.
    let depth = if setup.megabytes < 512 { "16" } else { "20" };
    let mut times: [Vec<f64>; 3] = Default::default();
    let mut clocks: [Vec<f64>; 3] = Default::default();
    for _ in 0..setup.rounds {
        let mut ways = vec![
            Command::new(setup.work.join("freeing")),
            setup.program("trees", Collector::Gleaner, "mode=gc"),
        ];
        ways.extend(setup.bdwgc.then(|| setup.program("trees", Collector::Bdwgc(1), "")));
        for (at, command) in ways.iter_mut().enumerate() {
            let begun = std::time::Instant::now();
            let ran = ended(command.arg(depth), "trees")?;
            times[at].push(ran.cpu);
            clocks[at].push(begun.elapsed().as_secs_f64());
        }
    }
    let [freeing, ours, theirs] = times.map(median);
    let [clock, our_clock, _] = clocks.map(|all| median(all).unwrap_or(f64::NAN));
    let none = f64::NAN;
    Ok(Trees {
        freeing: freeing.unwrap_or(none),
        ours: ours.unwrap_or(none),
        theirs,
        clock: [clock, our_clock],
    })
}

fn ended(command: &mut Command, name: &str) -> Result<Ran, String> {
    let ran = run(command, LIMIT).map_err(|error| error.to_string())?;
    if ran.status == 0 { Ok(ran) } else { Err(format!("{name}: status {}", ran.status)) }
}

/// A server that holds 500 MB and leaks 100 MB a second.
#[derive(Serialize, Deserialize)]
pub struct Server {
    /// The greatest resident size, megabytes.
    pub resident: f64,
    /// Leaked megabytes a second, in the modes gc and malloc.
    pub rates: [f64; 2],
    /// Processor seconds a second.
    pub work: [f64; 2],
    pub seconds: [u32; 2],
}
/// What it holds, megabytes.
pub const LIVE: f64 = 500.0;

pub fn server(setup: &Setup) -> Result<Server, String> {
    // In mode malloc what it leaks stays.
    let bearable = (available() / 300).clamp(2, setup.seconds);
    let mut server =
        Server { resident: 0.0, rates: [0.0; 2], work: [0.0; 2], seconds: [setup.seconds, bearable] };
    for (at, options) in ["mode=gc", "mode=malloc"].into_iter().enumerate() {
        let mut command = setup.program("leaky_server", Collector::Gleaner, options);
        let ran = ended(command.arg(server.seconds[at].to_string()), "leaky_server")?;
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        let after =
            |word: &str| -> Option<f64> { text.split_once(word)?.1.split_whitespace().next()?.parse().ok() };
        let seconds = f64::from(server.seconds[at]);
        server.rates[at] = after("leaked ").ok_or(format!("leaky_server said: {text}"))? / seconds;
        server.work[at] = ran.cpu / seconds;
        if at == 0 {
            server.resident = after("max RSS ").unwrap_or(f64::NAN);
        }
    }
    Ok(server)
}

/// The apps of c-tests in audit mode: how many were run, how many objects were used after nothing led to them, the lines that
/// tell of trouble.
#[derive(Serialize, Deserialize)]
pub struct Apps {
    pub ran: usize,
    pub cycles: u64,
    pub resurrected: u64,
    pub failed: Vec<String>,
}

pub fn apps(setup: &Setup) -> Result<Apps, String> {
    let mut command = Command::new("cargo");
    command.args(["test", "--quiet", "--test", "apps", "--", "--mode", "audit"]);
    command.current_dir(&setup.root).env("GLEANER_BUILT", "1").env("GLEANER_LIBRARY", &setup.library);
    let ran = run(&mut command, Duration::from_secs(7200)).map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let mut apps = Apps { ran: 0, cycles: 0, resurrected: 0, failed: Vec::new() };
    for line in text.lines() {
        let words: Vec<&str> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let before =
            |unit: &str| -> Option<u64> { words.windows(2).find(|two| two[1] == unit)?[0].parse().ok() };
        if words.get(1) == Some(&"audit") {
            apps.ran += 1;
            apps.cycles += before("cycles").unwrap_or(0);
            apps.resurrected += before("resurrected").unwrap_or(0);
            if words.get(2) != Some(&"ok") {
                apps.failed.push(words[0].to_owned());
            }
        }
    }
    if apps.ran == 0 { Err("no app was run in audit mode".to_owned()) } else { Ok(apps) }
}

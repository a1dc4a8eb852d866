//! How long a live server is stopped by a check, with about a gigabyte of data, under load.
use crate::tools::{Aim, Tool};
use crate::{Setup, fresh};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Milliseconds a gigabyte of what is reachable, of the longer one of two checks; and how many requests failed.
pub struct Paused {
    pub worst: f64,
    pub gigabytes: f64,
    pub errors: usize,
}

pub fn measure(setup: &Setup, thp: &str, megabytes: u32) -> Result<Paused, String> {
    let folder = fresh(&setup.work.join("pause"))?;
    let port = setup.port.to_string();
    let words = [
        "/usr/bin/redis-server",
        "--port",
        &port,
        "--save",
        "",
        "--enable-debug-command",
        "local",
        "--dir",
        "/tmp",
        // Or it forbids itself huge pages.
        "--disable-thp",
        "no",
    ];
    let mut command = Tool::Gleaner.command(setup, &words.map(str::to_owned), Aim::Cost, &folder);
    command.env("GLEANER", format!("mode=leak:thp={thp}:log={}/log", folder.display()));
    let server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut server = server.map_err(|error| format!("redis-server: {error}"))?;
    let client =
        |program: &str, words: &[&str]| Command::new(program).args(["-p", &port]).args(words).output();
    let begun = Instant::now();
    let up = || client("redis-cli", &["ping"]).is_ok_and(|out| out.stdout.starts_with(b"PONG"));
    while !up() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let keys = (megabytes * 1000).to_string();
    client("redis-cli", &["debug", "populate", &keys, "key", "850"]).map_err(|error| error.to_string())?;
    let mut load = Command::new("redis-benchmark");
    let load =
        load.args(["-p", &port, "-n", "1000000", "-c", "20", "-r", "100000", "-t", "set,get", "--csv"]);
    let load =
        load.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let mut paused = Paused { worst: 0.0, gigabytes: 0.0, errors: 0 };
    let mut said = String::new();
    for _ in 0..2 {
        std::thread::sleep(Duration::from_secs(1));
        let pid = server.id().to_string();
        let checked = Command::new(&setup.command).args(["check", "--timeout", "120", &pid]).output();
        said = checked.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
        if let Some((bytes, ms)) = understood(&said) {
            paused.gigabytes = bytes / 1e9;
            paused.worst = paused.worst.max(ms / (bytes / 1e9));
        }
    }
    let out = load.wait_with_output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    paused.errors = text
        .lines()
        .filter(|line| ["rror", "refused", "reset"].iter().any(|word| line.contains(word)))
        .count();
    drop(client("redis-cli", &["shutdown", "nosave"]));
    drop(server.wait());
    if paused.gigabytes == 0.0 {
        return Err(format!("no pause was told: {}", said.lines().next().unwrap_or("nothing")));
    }
    Ok(paused)
}

/// `… 980 bytes are reachable; the program was stopped for 3.2 ms`.
fn understood(report: &str) -> Option<(f64, f64)> {
    let line = report.lines().find(|line| line.contains("are reachable; the program was stopped"))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let before =
        |unit: &str| words.windows(2).find(|two| two[1].trim_matches([',', ';']) == unit)?[0].parse().ok();
    Some((before("bytes")?, before("ms")?))
}

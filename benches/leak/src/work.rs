//! What leak mode costs: five programs of Debian's and our own micro-benchmark, interleaved.
use crate::tools::{Aim, Tool};
use crate::{Setup, fresh};
use gleaner_benches::run::{Ran, median, run, wait};
use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub struct Work {
    pub name: &'static str,
    /// At most this much of the native processor time.
    pub bound: f64,
    words: Vec<String>,
    input: Option<&'static str>,
    environment: Option<(&'static str, &'static str)>,
}

/// Processor seconds and peak memory, KiB, by program and tool.
#[derive(Default)]
pub struct Costs(HashMap<(&'static str, &'static str), Vec<(f64, f64)>>);

impl Costs {
    fn column(&self, work: &'static str, tool: Tool, of: fn(&(f64, f64)) -> f64) -> Option<f64> {
        median(self.0.get(&(work, tool.name()))?.iter().map(of).collect())
    }
    pub fn cpu(&self, work: &'static str, tool: Tool) -> Option<f64> {
        self.column(work, tool, |one| one.0)
    }
    pub fn peak(&self, work: &'static str, tool: Tool) -> Option<f64> {
        self.column(work, tool, |one| one.1)
    }
    pub fn ratio(&self, work: &'static str, tool: Tool) -> Option<f64> {
        Some(self.cpu(work, tool)? / self.cpu(work, Tool::Native)?)
    }
    pub fn peak_ratio(&self, work: &'static str, tool: Tool) -> Option<f64> {
        Some(self.peak(work, tool)? / self.peak(work, Tool::Native)?)
    }
}

const LIMIT: Duration = Duration::from_secs(400);
const REDIS: &str = "redis-server";

pub fn works(setup: &Setup) -> Result<Vec<Work>, String> {
    let at = |name: &str| setup.programs.join(name).display().to_string();
    let real = |name: &str| setup.root.join("cli/src/bench/real").join(name).display().to_string();
    fs::write(at("big.c"), source()).map_err(|error| format!("big.c: {error}"))?;
    let cc1 = Command::new("gcc").arg("-print-prog-name=cc1").output().map_err(|e| format!("gcc: {e}"))?;
    let cc1 = String::from_utf8_lossy(&cc1.stdout).trim().to_owned();
    let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
    let work = |name, bound, words| Work { name, bound, words, input: None, environment: None };
    Ok(vec![
        work("cc1 -O1", 1.10, words(&[&cc1, "-quiet", "-O1", &at("big.c"), "-o", "/dev/null"])),
        work(REDIS, 1.10, Vec::new()),
        Work {
            input: Some(include_str!("../../../cli/src/bench/real/bench.sql")),
            ..work("sqlite3", 1.25, words(&["/usr/bin/sqlite3", ":memory:"]))
        },
        Work {
            environment: Some(("PYTHONMALLOC", "malloc")),
            ..work("python3", 1.25, words(&["/usr/bin/python3", &real("bench.py")]))
        },
        work("micro, depth 20", 3.0, words(&[&at("deep_pairs"), "2000000"])),
    ])
}

/// Functions with loops, switches and expressions, for a compiler.
fn source() -> String {
    let mut text = String::from("int printf(const char *, ...);\n");
    for i in 0..220 {
        let (a, b) = (i * 37 % 101 + 1, i * 61 % 89 + 2);
        text.push_str(&format!(
            "struct s{i} {{ int a[{a}]; double d; struct s{i} *n; }};\n\
             int f{i}(struct s{i} *p, int k) {{\n\
               int r = 0;\n\
               for (int i = 0; i < k; i++) {{\n\
                 switch ((i * {a}) % {b}) {{ case 0: r += p->a[i % {a}]; break; case 1: r ^= i << 3; break; default: r -= k / (i + 1); }}\n\
                 if (p->n && p->n->a[0] > r) {{ p->d += r * 0.5; r = (int)p->d; }}\n\
               }}\n\
               while (p) {{ r += p->a[0]; p = p->n; }}\n\
               printf(\"%d\\n\", r);\n  return r;\n}}\n"
        ));
    }
    text
}

/// All programs under all tools, `rounds` times; the slow ones once.
pub fn measure(setup: &Setup, works: &[Work], rounds: u32, told: &mut Vec<String>) -> Result<Costs, String> {
    let mut costs = Costs::default();
    for round in 0..rounds {
        for work in works {
            for tool in [Tool::Native, Tool::Gleaner].into_iter().chain(setup.peers.iter().copied()) {
                if tool.is_slow() && round > 0 {
                    continue;
                }
                let ran = if work.name == REDIS { redis(setup, tool) } else { once(setup, work, tool) };
                let ran = ran.map_err(|error| format!("{} under {}: {error}", work.name, tool.name()))?;
                if ran.timed_out || ran.status != 0 && ran.status != 23 {
                    let how =
                        if ran.timed_out { "took too long".into() } else { format!("status {}", ran.status) };
                    let line = format!("{} under {}: {how}", work.name, tool.name());
                    if !told.contains(&line) {
                        told.push(line);
                    }
                    continue;
                }
                costs.0.entry((work.name, tool.name())).or_default().push((ran.cpu, ran.peak_kib));
                eprintln!("{:18} {:20} {:7.3} s {:8.0} KiB", work.name, tool.name(), ran.cpu, ran.peak_kib);
            }
        }
    }
    Ok(costs)
}

fn once(setup: &Setup, work: &Work, tool: Tool) -> Result<Ran, String> {
    let folder = fresh(&setup.work.join("cost"))?;
    let mut command = tool.command(setup, &work.words, Aim::Cost, &folder);
    command.envs(work.environment);
    command.stdin(match work.input {
        None => Stdio::null(),
        Some(text) => {
            let path = setup.work.join("input");
            fs::write(&path, text).map_err(|error| error.to_string())?;
            Stdio::from(fs::File::open(path).map_err(|error| error.to_string())?)
        }
    });
    run(&mut command, LIMIT).map_err(|error| error.to_string())
}

/// A server under a load of so many requests, then told to end.
fn redis(setup: &Setup, tool: Tool) -> Result<Ran, String> {
    let folder = fresh(&setup.work.join("cost"))?;
    let port = setup.port.to_string();
    let words =
        ["/usr/bin/redis-server", "--port", &port, "--save", "", "--appendonly", "no", "--dir", "/tmp"];
    let words = words.map(str::to_owned);
    let mut command = tool.command(setup, &words, Aim::Cost, &folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let server = command.spawn().map_err(|error| error.to_string())?;
    let client = |program: &str, words: &[&str]| {
        Command::new(program).args(["-p", &port]).args(words).stderr(Stdio::null()).output()
    };
    let begun = Instant::now();
    let up = || client("redis-cli", &["ping"]).is_ok_and(|out| out.stdout.starts_with(b"PONG"));
    while !up() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let load =
        ["-q", "-n", "120000", "-c", "20", "-P", "8", "-d", "100", "-r", "50000", "-t", "set,get,lpush,hset"];
    client("redis-benchmark", &load).map_err(|error| error.to_string())?;
    drop(client("redis-cli", &["shutdown", "nosave"]));
    wait(server, LIMIT).map_err(|error| error.to_string())
}

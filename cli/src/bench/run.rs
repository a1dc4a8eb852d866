//! One run of one program under one allocator, through the `meter` program.
use super::figures::{Metric, Sample};
use super::idle::Watch;
use super::staged::Stage;
use crate::Failure;
use crate::failure::{TROUBLE, plain};
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs::File;
use std::hash::Hasher;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Exit(i32),
    Signal(i32),
    /// It was stopped after the time that it may take.
    Timeout(u32),
    /// The user has had enough.
    Interrupted,
}

impl End {
    pub fn text(self) -> String {
        match self {
            End::Exit(status) => format!("ended with status {status}"),
            End::Signal(number) => format!("died of {}", signal(number)),
            End::Timeout(seconds) => format!("was stopped after {seconds} s"),
            End::Interrupted => "was interrupted".to_owned(),
        }
    }
}

fn signal(number: i32) -> String {
    let names = [
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGTRAP, "SIGTRAP"),
    ];
    let name = names.iter().find(|(n, _)| *n == number).map(|(_, name)| *name);
    name.map_or_else(|| format!("signal {number}"), str::to_owned)
}

/// Whether the run is measured, or looked into (which slows it down).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Measure,
    Check,
}

/// What to run.
pub struct Errand<'a> {
    pub program: &'a Path,
    pub arguments: &'a [OsString],
    pub environment: &'a [OsString],
    pub dir: &'a Path,
    pub seconds: u32,
}

/// What came of it.
pub struct Ran {
    pub end: End,
    pub sample: Sample,
    /// Of standard output.
    pub digest: u64,
    /// Its first 64 KiB, and the last line of standard error.
    pub out: String,
    pub complaint: String,
    /// The files that were mapped at its end; none if that could not be seen.
    pub mapped: Option<Vec<PathBuf>>,
    /// Why instructions were not counted.
    pub uncounted: Option<i32>,
}

/// Runs it to its end.
pub fn run(stage: &Stage, errand: &Errand<'_>, purpose: Purpose) -> Result<Ran, Failure> {
    let [result, out, err, maps] = ["result", "out", "err", "result.maps"].map(|name| stage.path(name));
    let trouble = |error: std::io::Error| {
        Failure::new(TROUBLE, format_args!("cannot run {}: {}", errand.program.display(), plain(&error)))
    };
    for old in [&result, &maps] {
        // There is none yet, the first time.
        let _ = std::fs::remove_file(old);
    }
    let mut command = Command::new(stage.path("meter"));
    command.arg(&result).arg(errand.seconds.to_string());
    command.arg(if purpose == Purpose::Check { "check" } else { "measure" });
    command.args(errand.environment).arg("--").arg(errand.program).args(errand.arguments);
    command.env_remove("LD_PRELOAD").env_remove("GLEANER").current_dir(errand.dir);
    command.stdin(Stdio::null());
    command.stdout(File::create(&out).map_err(trouble)?).stderr(File::create(&err).map_err(trouble)?);
    let mut child = command.spawn().map_err(trouble)?;
    let (begin, mut watch) = (Instant::now(), Watch::new(child.id()));
    let status = loop {
        if let Some(status) = child.try_wait().map_err(trouble)? {
            break status;
        }
        let young = begin.elapsed() < Duration::from_millis(50);
        std::thread::sleep(Duration::from_millis(if young { 1 } else { 10 }));
        watch.look();
    };
    let complaint = last_line(&err);
    let Ok(text) = std::fs::read_to_string(&result) else {
        let why = complaint.strip_prefix("meter: ").unwrap_or(&complaint);
        let why = if why.is_empty() { status.to_string() } else { why.to_owned() };
        return Err(Failure::new(TROUBLE, format_args!("cannot run {}: {why}", errand.program.display())));
    };
    let (end, mut sample, uncounted) = understood(&text, errand.seconds);
    sample.extend(watch.idle_kib().map(|kib| (Metric::IdleKib, kib)));
    let (digest, out) = output(&out).map_err(trouble)?;
    let mapped = std::fs::read_to_string(&maps).ok().map(|text| files_of(&text));
    Ok(Ran { end, sample, digest, out, complaint, mapped, uncounted })
}

/// The lines of `meter`.
fn understood(text: &str, seconds: u32) -> (End, Sample, Option<i32>) {
    let (mut end, mut sample, mut uncounted) = (End::Interrupted, Sample::new(), None);
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = rest.parse::<f64>().unwrap_or(0.0);
        match word {
            "exit" => end = End::Exit(number as i32),
            "signal" => end = End::Signal(number as i32),
            "timeout" => end = End::Timeout(seconds),
            "wall_ns" => drop(sample.insert(Metric::WallMs, number / 1e6)),
            "user_us" => drop(sample.insert(Metric::UserMs, number / 1e3)),
            "sys_us" => drop(sample.insert(Metric::SystemMs, number / 1e3)),
            "peak_kib" => drop(sample.insert(Metric::PeakKib, number)),
            "minor_faults" => drop(sample.insert(Metric::MinorFaults, number)),
            "major_faults" => drop(sample.insert(Metric::MajorFaults, number)),
            "instructions" => drop(sample.insert(Metric::Instructions, number)),
            "no_instructions" => uncounted = Some(number as i32),
            _ => {}
        }
    }
    let cpu = [Metric::UserMs, Metric::SystemMs].iter().filter_map(|metric| sample.get(metric)).sum();
    sample.insert(Metric::CpuMs, cpu);
    (end, sample, uncounted)
}

fn output(path: &Path) -> std::io::Result<(u64, String)> {
    let (mut file, mut block, mut digest) = (File::open(path)?, vec![0; 1 << 16], DefaultHasher::new());
    let mut begin = Vec::new();
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok((digest.finish(), String::from_utf8_lossy(&begin).into_owned()));
        }
        if begin.len() < 1 << 16 {
            begin.extend_from_slice(&block[..read]);
        }
        digest.write(&block[..read]);
    }
}

fn last_line(path: &Path) -> String {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
        file.read_to_end(&mut text)
    });
    let text = read.map(|_| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

/// The paths in /proc/PID/maps.
fn files_of(maps: &str) -> Vec<PathBuf> {
    let path = |line: &str| line.find('/').map(|at| PathBuf::from(&line[at..]));
    let mut files: Vec<PathBuf> = maps.lines().filter_map(path).collect();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_meter_writes() {
        let text = "signal 11\nwall_ns 2500000\nuser_us 1500\nsys_us 500\npeak_kib 1024\nno_instructions 2\n";
        let (end, sample, uncounted) = understood(text, 9);
        assert_eq!((end, uncounted), (End::Signal(11), Some(2)));
        assert_eq!((sample[&Metric::WallMs], sample[&Metric::CpuMs]), (2.5, 2.0));
        assert_eq!(understood("timeout\n", 9).0, End::Timeout(9));
        assert_eq!(understood("", 9).0, End::Interrupted);
        assert_eq!(End::Signal(11).text(), "died of SIGSEGV");
    }
    #[test]
    fn files_of_a_process() {
        let maps =
            "1-2 r--p 0 08:01 5 /usr/lib/a b.so\n2-3 rw-p 0 08:01 5 /usr/lib/a b.so\n4-5 rw-p 0 0:0 0\n";
        assert_eq!(files_of(maps), [PathBuf::from("/usr/lib/a b.so")]);
    }
}

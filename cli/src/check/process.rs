//! What /proc tells of a process: whether our library is in it, by which signal it is reached, and why it may not answer.
use super::said;
use crate::launch::library;
use gleaner_core::pure::options::{Mode, Options, signal_name};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Whether the library is in a process.
#[derive(PartialEq, Eq)]
enum Loaded {
    Yes,
    No,
    /// We may not look.
    Hidden,
}

pub struct Process {
    pid: i32,
    uid: u32,
    loaded: Loaded,
    /// As the program was started, if we may read that.
    options: Option<Options>,
}

/// A field of a `status` file.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}
fn signals(status: &str, name: &str) -> u64 {
    field(status, name).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0)
}
fn has(set: u64, signal: i32) -> bool {
    (1..=64).contains(&signal) && set >> (signal - 1) & 1 != 0
}

impl Process {
    /// An error says why there is nothing to ask.
    pub fn look(pid: i32) -> Result<Process, String> {
        let status = status(pid).map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("there is no process {pid}"),
            _ => format!("cannot read /proc/{pid}/status: {}", said(&error)),
        })?;
        let leader = field(&status, "Tgid").and_then(|text| text.parse().ok()).unwrap_or(pid);
        if leader != pid {
            return Err(format!("{pid} is a thread; its process is {leader}"));
        }
        match field(&status, "State").and_then(|state| state.bytes().next()) {
            Some(b'Z' | b'X') if threads(pid).len() < 2 => {
                return Err(format!("process {pid} has ended already (its parent has not waited for it)"));
            }
            Some(b'T') => return Err(format!("process {pid} is stopped: let it go on (kill -CONT {pid})")),
            Some(b't') => return Err(format!("process {pid} is held by a debugger: let it go on")),
            _ => {}
        }
        if field(&status, "Kthread") == Some("1") || field(&status, "VmSize").is_none() {
            return Err(format!("process {pid} is the kernel's own"));
        }
        let uid = field(&status, "Uid").and_then(|ids| ids.split_whitespace().next()?.parse().ok());
        Ok(Process { pid, uid: uid.unwrap_or(u32::MAX), loaded: loaded(pid)?, options: options(pid) })
    }

    /// The signal that its library takes requests by.
    pub fn reached_by(&self, told: Option<i32>) -> Result<i32, String> {
        let pid = self.pid;
        match self.loaded {
            Loaded::Yes => {}
            Loaded::Hidden if crate::launch::ids().0 == 0 => {}
            Loaded::Hidden => return Err(not_ours(pid)),
            Loaded::No => {
                let name = library::NAME;
                return Err(format!(
                    "process {pid} runs without {name}: start it by `gleaner run -m leak` (or with LD_PRELOAD) to check it later"
                ));
            }
        }
        if self.options.is_some_and(|options| options.mode == Mode::Malloc) {
            return Err(format!(
                "process {pid} runs in mode malloc, which keeps nothing to check: start it in mode leak"
            ));
        }
        let known = self.options.map_or(Options::DEFAULT.signal, |options| options.signal);
        let signal = told.unwrap_or(known.into());
        // It may have been started a moment ago.
        let listens = (0..40).any(|round| {
            if round > 0 {
                std::thread::sleep(std::time::Duration::from_millis(25));
            }
            has(signals(&status(pid).unwrap_or_default(), "SigCgt"), signal)
        });
        if listens {
            return Ok(signal);
        }
        let name = named(signal);
        Err(if self.loaded == Loaded::Yes {
            format!(
                "process {pid} has the library and does not listen to {name}: mode malloc, or another `signal=` (see --signal)"
            )
        } else {
            format!(
                "process {pid} does not listen to {name}: it runs without {}, or with another `signal=` (see --signal)",
                library::NAME
            )
        })
    }

    /// Where its files are, if not where ours are.
    pub fn root(&self) -> Option<PathBuf> {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid));
        let same = |name: &str| {
            let of = |who: &str| fs::read_link(format!("/proc/{who}/{name}")).ok();
            of(&self.pid.to_string()) == of("self")
        };
        let ours = same("ns/mnt") && same("root");
        (!ours && fs::metadata(root.join(".")).is_ok()).then_some(root)
    }
}

fn status(pid: i32) -> io::Result<String> {
    fs::read(format!("/proc/{pid}/status")).map(|text| String::from_utf8_lossy(&text).into_owned())
}

fn loaded(pid: i32) -> Result<Loaded, String> {
    let maps = match fs::read(format!("/proc/{pid}/maps")) {
        Ok(maps) => maps,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(Loaded::Hidden),
        Err(_) => return Err(format!("process {pid} has just ended")),
    };
    let is_ours = |line: &[u8]| {
        let Some(at) = line.iter().position(|&b| b == b'/') else { return false };
        let path = line[at..].strip_suffix(b" (deleted)").unwrap_or(&line[at..]);
        Path::new(OsStr::from_bytes(path)).file_name() == Some(OsStr::new(library::NAME))
    };
    Ok(if maps.split(|&b| b == b'\n').any(is_ours) { Loaded::Yes } else { Loaded::No })
}

/// The options that the program was started with. A program may have written over its environment: then none
/// are known.
fn options(pid: i32) -> Option<Options> {
    let text = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut entries = text.split(|&b| b == 0);
    let text = entries.find_map(|entry| entry.strip_prefix(b"GLEANER="))?;
    Some(Options::parse(text, &mut |_| ()))
}

/// Its threads: those that run first, whose calls need not be begun again; the first thread before the others.
pub fn threads(pid: i32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return vec![pid] };
    let name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse::<i32>().ok();
    let mut all: Vec<(bool, bool, i32)> =
        entries.filter_map(name).map(|tid| (state(pid, tid) != Some(b'R'), tid != pid, tid)).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, _, tid)| tid).collect()
}

/// The state letter of a thread.
fn state(pid: i32, tid: i32) -> Option<u8> {
    let text = fs::read(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
    let end = text.iter().rposition(|&b| b == b')')?;
    text.get(end + 2).copied()
}

pub fn not_ours(pid: i32) -> String {
    format!("process {pid} is another user's: be that user, or root")
}

/// Why the kernel does not let us near it.
pub fn why_not(pid: i32, process: &Process, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => format!("{} (user {})", not_ours(pid), process.uid),
        Some(libc::ESRCH) => format!("there is no process {pid}"),
        _ => format!("cannot watch process {pid}: {}", said(error)),
    }
}

/// Why nobody answered, as far as it can be seen from here.
pub fn silence(pid: i32, signal: i32, reached: bool) -> String {
    let head = format!("process {pid} did not answer in time");
    if !reached {
        return format!("{head}: no thread of it could be signalled");
    }
    let threads = threads(pid);
    let all: Vec<String> = threads
        .iter()
        .filter_map(|tid| fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).ok())
        .collect();
    let letter = |status: &String| field(status, "State").and_then(|state| state.bytes().next());
    let count = |test: &dyn Fn(&String) -> bool| all.iter().filter(|status| test(status)).count();
    let (total, name) = (all.len(), named(signal));
    let stopped = count(&|status| matches!(letter(status), Some(b'T' | b't')));
    let asleep = count(&|status| letter(status) == Some(b'D'));
    let blocking = count(&|status| has(signals(status, "SigBlk"), signal));
    let filtered = count(&|status| field(status, "Seccomp").is_some_and(|mode| mode != "0"));
    if stopped == total {
        return format!("{head}: it is stopped");
    }
    if asleep > 0 && asleep + blocking >= total {
        return format!(
            "{head}: {asleep} of its {total} threads are in a call that nothing interrupts (state D)"
        );
    }
    if blocking == total {
        return format!("{head}: all of its {total} threads block {name}");
    }
    if filtered > 0 {
        return format!(
            "{head}: {filtered} of its {total} threads are in a seccomp sandbox, which may forbid to answer"
        );
    }
    format!(
        "{head}: none of its {total} threads was at a place where it could; try again, or with a longer --timeout"
    )
}

fn named(signal: i32) -> String {
    signal_name(signal).map_or_else(|| format!("signal {signal}"), |name| format!("SIG{name}"))
}

//! `gleaner doctor`: what the library rests on, whether this machine has it, what is lost without.
use crate::Failure;
use crate::failure::print;
use crate::launch::library;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

mod kernel;
mod limits;
pub use limits::libc_version;

/// How a thing stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Ok,
    /// gleaner works, less well.
    Degraded,
    /// gleaner does not work.
    Missing,
}

/// One line of the answer.
pub struct Finding {
    pub name: &'static str,
    pub state: State,
    pub detail: String,
}

impl Finding {
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Finding {
        Finding { name, state: State::Ok, detail: detail.into() }
    }
    pub fn degraded(name: &'static str, detail: impl Into<String>) -> Finding {
        Finding { name, state: State::Degraded, detail: detail.into() }
    }
    pub fn missing(name: &'static str, detail: impl Into<String>) -> Finding {
        Finding { name, state: State::Missing, detail: detail.into() }
    }
    /// Present, or else degraded in the way told.
    fn of(name: &'static str, present: bool, good: &str, lost: &str) -> Finding {
        if present { Finding::ok(name, good) } else { Finding::degraded(name, lost) }
    }
}

/// Prints every finding; 1 if something is missing that gleaner cannot do without.
pub fn doctor() -> Result<u8, Failure> {
    let mut all = vec![library_found()];
    all.extend(limits::libc_and_processor());
    all.extend(kernel::features());
    all.extend(limits::settings());
    print(&shown(&all))?;
    Ok(u8::from(all.iter().any(|finding| finding.state == State::Missing)))
}

fn shown(all: &[Finding]) -> String {
    let mut out = format!("gleaner {}\n\n", env!("CARGO_PKG_VERSION"));
    let width = all.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    for Finding { name, state, detail } in all {
        let state = match state {
            State::Ok => "ok",
            State::Degraded => "degraded",
            State::Missing => "MISSING",
        };
        let _ = writeln!(out, "{name:width$}  {state:8}  {detail}");
    }
    let count = |wanted| all.iter().filter(|finding| finding.state == wanted).count();
    let _ = match (count(State::Missing), count(State::Degraded)) {
        (0, 0) => writeln!(out, "\nEverything is there."),
        (0, n) => writeln!(out, "\ngleaner works here; {n} degraded."),
        (n, _) => writeln!(out, "\ngleaner does not work here: {n} missing."),
    };
    out
}

/// The library is there, and a program starts under it.
fn library_found() -> Finding {
    const NAME: &str = "library";
    let path = match library::find() {
        Ok(path) => path,
        Err(why) => return Finding::missing(NAME, why),
    };
    let size = path.metadata().map_or(0, |metadata| metadata.len() >> 10);
    let build = crate::names::build_id(&path).map_or("no build-id".to_owned(), |id| format!("build-id {id}"));
    let shown = format!("{} ({build}, {size} KiB)", path.display());
    match starts_under(&path) {
        Ok(()) => Finding::ok(NAME, format!("{shown}, loads")),
        Err(why) => Finding::missing(NAME, format!("{shown}: {why}")),
    }
}

/// Runs a small program under the library; one that hangs is ended.
fn starts_under(library: &Path) -> Result<(), String> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let mut command = Command::new("/bin/true");
    command.env("LD_PRELOAD", library).env_remove("GLEANER").stdin(Stdio::null()).stdout(Stdio::null());
    let plain =
        |error: std::io::Error| format!("/bin/true does not start: {}", crate::failure::plain(&error));
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(plain)?;
    let begun = Instant::now();
    while child.try_wait().map_err(plain)?.is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().map_err(plain)?;
            return Err("under it /bin/true does not end".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let done = child.wait_with_output().map_err(plain)?;
    let said = String::from_utf8_lossy(&done.stderr);
    match said.lines().next() {
        Some(line) => Err(format!("under it /bin/true says: {line}")),
        None if !done.status.success() => Err(format!("under it /bin/true ends with {}", done.status)),
        None => Ok(()),
    }
}

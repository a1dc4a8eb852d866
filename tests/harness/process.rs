//! Runs one program with a time-out, its output in files, so that no pipe can block it.
//!
//! A program that is still running at its limit is what a deadlock in the library looks like:
//! its stacks are taken by gdb, where there is one, before its process group is killed.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How a program ended, and what it wrote.
pub struct Outcome {
    pub end: End,
    pub stdout: String,
    pub stderr: String,
    pub seconds: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(i32),
    TimeOut,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Exit(code) => write!(f, "{code}"),
            End::Signal(6) => write!(f, "SIGABRT"),
            End::Signal(11) => write!(f, "SIGSEGV"),
            End::Signal(n) => write!(f, "signal {n}"),
            End::TimeOut => write!(f, "time-out"),
        }
    }
}

/// Runs `command` to its end, at most `limit`; `scratch` (a path without extension) names the files
/// that hold its output.
pub fn run(command: &mut Command, limit: Duration, scratch: &Path) -> Outcome {
    let (out, err) = (scratch.with_extension("out"), scratch.with_extension("err"));
    std::fs::create_dir_all(scratch.parent().expect("scratch has a folder")).expect("scratch folder");
    command.stdin(Stdio::null()).process_group(0);
    command.stdout(File::create(&out).expect("stdout file")).stderr(File::create(&err).expect("stderr file"));
    let start = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let end = wait(&mut child, start, limit);
    let seconds = start.elapsed().as_secs_f64();
    let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    Outcome { end, stdout: read(&out), stderr: read(&err), seconds }
}

fn wait(child: &mut Child, start: Instant, limit: Duration) -> End {
    loop {
        if let Some(status) = child.try_wait().expect("wait") {
            return match status.signal() {
                Some(signal) => End::Signal(signal),
                None => End::Exit(status.code().unwrap_or(-1)),
            };
        }
        if start.elapsed() > limit {
            print_stacks(child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status();
            let _ = child.wait();
            return End::TimeOut;
        }
        std::thread::sleep(Duration::from_millis(if start.elapsed().as_millis() < 50 { 1 } else { 10 }));
    }
}

/// The stacks of a hung process and of its children, the state of its threads if gdb is absent.
fn print_stacks(pid: u32) {
    let script = format!(
        "for p in {pid} $(pgrep -g {pid} 2>/dev/null | grep -vx {pid}); do \
           echo \"== $p $(tr '\\0' ' ' </proc/$p/cmdline 2>/dev/null)\"; \
           if command -v gdb >/dev/null; then \
             LD_PRELOAD= timeout 20 gdb -nx -batch -p $p -ex 'thread apply all bt 12' 2>/dev/null | grep -E '^(Thread|#)'; \
           else \
             for t in /proc/$p/task/*; do echo \"$t $(cat $t/wchan)\"; done; \
           fi; \
         done 2>&1 | head -120"
    );
    let _ = Command::new("sh").args(["-c", &script]).status();
}

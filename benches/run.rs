//! One program, run to its end: how it ended, what it printed, what it cost.
//!
//! # Safety
//! wait4 and kill get integers and a zeroed struct of the kernel's layout that lives for the call.
#![allow(unsafe_code)]
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Ran {
    /// As a shell says it: 128 and the signal's number.
    pub status: i32,
    pub stdout: Vec<u8>,
    /// Of the process and of those that it waited for.
    pub cpu: f64,
    pub peak_kib: f64,
    pub timed_out: bool,
}

/// Runs it, without input unless it has some; what it prints goes through files, so that nobody waits for us.
pub fn run(command: &mut Command, limit: Duration) -> io::Result<Ran> {
    let mut stdout = temporary()?;
    command.stdout(Stdio::from(stdout.try_clone()?)).stderr(Stdio::null());
    // A group of its own: a shell's children are to end with it.
    let child = command.process_group(0).spawn()?;
    let mut ran = wait(child, limit)?;
    stdout.rewind()?;
    stdout.read_to_end(&mut ran.stdout)?;
    Ok(ran)
}

/// A file without a name.
fn temporary() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("leak-bench.{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

/// Waits for the end of a child.
pub fn wait(child: Child, limit: Duration) -> io::Result<Ran> {
    let pid = child.id() as i32;
    let begun = Instant::now();
    let mut timed_out = false;
    loop {
        let mut status = 0;
        // SAFETY: see above; the child is ours and not yet waited for.
        let (got, usage) = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            (libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage), usage)
        };
        if got < 0 {
            return Err(io::Error::last_os_error());
        }
        if got == pid {
            let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
            let status = if libc::WIFEXITED(status) {
                libc::WEXITSTATUS(status)
            } else {
                128 + libc::WTERMSIG(status)
            };
            return Ok(Ran {
                status,
                stdout: Vec::new(),
                cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
                peak_kib: usage.ru_maxrss as f64,
                timed_out,
            });
        }
        if begun.elapsed() > limit && !timed_out {
            timed_out = true;
            // SAFETY: the child is ours and not yet waited for; a group of its number is its own or nobody's.
            unsafe {
                libc::kill(-pid, libc::SIGKILL);
                libc::kill(pid, libc::SIGKILL);
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    (!values.is_empty()).then(|| values[values.len() / 2])
}

//! `gleaner check PID`: asks a running program for a leak check, and reports what it found.
//!
//! The library in the program answers (`runtime::check` of the core tells the protocol): it gets a queued signal with a
//! random number, and sends what it found to a datagram socket named by that number. One thread after the
//! other is asked until one takes it up: a thread may be at a place where it cannot. No ptrace, no
//! file in the program's directories; the signal is one that the program handles already, and a program without
//! the library is never sent one.
//!
//! ```text
//! process   what /proc tells of the program: is the library there, by which signal is it reached
//! post      sockets, the signal, the wait
//! ```
use crate::Failure;
use crate::failure::{TROUBLE, plain};
use crate::report::{self, Order};
use post::{Mail, Mailbox, Target};
use process::Process;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

mod post;
mod process;

/// What was asked.
pub struct Check {
    pub pid: i32,
    pub timeout: Duration,
    /// By which signal the program's library is reached, if its environment does not tell.
    pub signal: Option<i32>,
    /// The exit status if there are leaks.
    pub exit_code: u8,
    /// How to report; the file is the record's, set here.
    pub report: Order,
}

/// How long one thread has to take the request up, before the next one is asked.
const TURN: Duration = Duration::from_millis(25);

/// Asks, waits, reports.
pub fn check(order: Check) -> Result<u8, Failure> {
    let asker = Asker::open(order.pid, order.signal).map_err(fail)?;
    let record = asker.record(order.timeout).map_err(fail)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", record.as_raw_fd()));
    let mut report = Order { file: path, ..order.report };
    // What the program runs from is surely there, if it is below the root of its own.
    report.places.sysroot = asker.root().or(report.places.sysroot);
    let left = report::print(&report)?;
    Ok(if left { order.exit_code } else { 0 })
}

/// A process that can be asked, again and again.
pub struct Asker {
    process: Process,
    target: Target,
    signal: i32,
}

impl Asker {
    /// `told`: by which signal it is reached. An error says in one line why it cannot be asked.
    pub fn open(pid: i32, told: Option<i32>) -> Result<Asker, String> {
        let process = Process::look(pid)?;
        let target = Target::open(pid).map_err(|error| process::why_not(pid, &process, &error))?;
        let signal = process.reached_by(told)?;
        Ok(Asker { process, target, signal })
    }
    /// What a check finds, as a record.
    pub fn record(&self, timeout: Duration) -> Result<File, String> {
        ask(&self.target, self.signal, Question::Check, Instant::now() + timeout)
    }
    /// What the library tells of itself: a line of JSON. The program is not stopped for it.
    pub fn figures(&self, timeout: Duration) -> Result<String, String> {
        let mut file = ask(&self.target, self.signal, Question::Figures, Instant::now() + timeout)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| said(&error))?;
        Ok(text)
    }
    /// Where its files are, if not where ours are.
    pub fn root(&self) -> Option<PathBuf> {
        self.process.root()
    }
}

fn fail(text: String) -> Failure {
    Failure::new(TROUBLE, text)
}

/// What a process is asked for.
#[derive(Clone, Copy)]
enum Question {
    Check,
    Figures,
}
impl Question {
    /// In the name of the socket.
    fn word(self) -> &'static str {
        match self {
            Question::Check => "check",
            Question::Figures => "stat",
        }
    }
    /// What it is to do.
    fn deed(self) -> &'static str {
        match self {
            Question::Check => "check for leaks",
            Question::Figures => "tell its figures",
        }
    }
}

/// The answer, or in one line why there is none.
fn ask(target: &Target, signal: i32, question: Question, deadline: Instant) -> Result<File, String> {
    let (pid, deed) = (target.pid, question.deed());
    // A check that another one's cut short, or that could not stop the threads, may well succeed the next time.
    loop {
        let mut mailbox = Mailbox::new(pid, question.word())?;
        begin(target, &mailbox, signal, deed, deadline)?;
        let mail = match mailbox.wait(target, deadline) {
            Mail::Copied(pipe) => post::listen(pipe, deadline).map_err(|error| said(&error))?,
            // Not yet taken up, from here on: the copy had nothing to say.
            Mail::Begun => Mail::None,
            mail => mail,
        };
        match mail {
            Mail::Done(record) => return Ok(record),
            // The next check will be made without a copy.
            Mail::Begun if Instant::now() + TURN < deadline => {}
            Mail::Refused(why) if Instant::now() + TURN < deadline && why.contains("did not stop") => {}
            Mail::Refused(why) => return Err(format!("process {pid} could not {deed}: {why}")),
            Mail::Ended => return Err(format!("process {pid} ended during the check")),
            Mail::Begun | Mail::Copied(_) | Mail::None => {
                return Err(format!("process {pid} began to {deed}, and is not done in time; see --timeout"));
            }
        }
        mailbox.renew();
    }
}

/// Until a thread of the program has taken the request up.
fn begin(
    target: &Target,
    mailbox: &Mailbox,
    signal: i32,
    deed: &str,
    deadline: Instant,
) -> Result<(), String> {
    let pid = target.pid;
    let (mut wait, mut reached) = (TURN, false);
    while Instant::now() < deadline {
        let threads = process::threads(pid);
        for tid in threads {
            match target.signal(tid, signal, mailbox.number) {
                Ok(()) => reached = true,
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                    return Err(process::not_ours(pid));
                }
                // The thread ended, or the queue of signals is full.
                Err(_) => continue,
            }
            match mailbox.wait(target, deadline.min(Instant::now() + wait)) {
                Mail::Begun => return Ok(()),
                Mail::Ended => return Err(format!("process {pid} ended before it could {deed}")),
                _ if Instant::now() >= deadline => break,
                _ => {}
            }
        }
        if target.has_ended() {
            return Err(format!("process {pid} ended before it could {deed}"));
        }
        // Nobody there but threads that are busy in the allocator: no hurry.
        wait = (wait * 2).min(Duration::from_millis(400));
    }
    Err(process::silence(pid, signal, reached))
}

/// An error of the system's, for a line of ours.
fn said(error: &std::io::Error) -> String {
    plain(error)
}

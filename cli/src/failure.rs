//! What went wrong, in one line, and the exit status that says so.
use std::fmt;
use std::io::Write;

/// Why the command could not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    pub status: u8,
    pub text: String,
}

/// The command line is wrong.
pub const USAGE: u8 = 2;
/// A file could not be read or written, or does not hold what it should.
pub const TROUBLE: u8 = 1;
/// gleaner itself could not start the program, as `env` and `timeout` say it.
pub const OWN: u8 = 125;
/// The program was found and cannot be run, as a shell says it.
pub const NOT_RUNNABLE: u8 = 126;
/// The program was not found, as a shell says it.
pub const NOT_FOUND: u8 = 127;

impl Failure {
    pub fn new(status: u8, text: impl fmt::Display) -> Failure {
        Failure { status, text: text.to_string() }
    }
}

/// Writes all of `text` to standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(unwritable)
}

/// Standard output took no more.
pub fn unwritable(error: std::io::Error) -> Failure {
    Failure::new(TROUBLE, format_args!("cannot write to standard output: {}", plain(&error)))
}

/// An I/O error without Rust's "(os error 2)".
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

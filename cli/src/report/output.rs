//! Where a report goes: standard output or a file.
//!
//! A document of one root must be alone in its file. When the library runs us, standard output may be
//! a log that another process of the same run wrote to already: then ours goes beside it, `FILE.PID`.
use super::{Format, Purpose};
use crate::Failure;
use crate::failure::{TROUBLE, plain};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

pub struct Output {
    to: To,
    name: String,
}
enum To {
    Standard(io::Stdout),
    File(File),
}

/// Opens it; a file is made anew.
pub fn open(path: &Path, format: Format, purpose: Purpose, pid: u64) -> Result<Output, Failure> {
    if path != Path::new("-") {
        return create(path);
    }
    let standard = Output { to: To::Standard(io::stdout()), name: "standard output".to_owned() };
    if format == Format::Pprof && standard.is_terminal() {
        return Err(Failure::new(
            TROUBLE,
            "a profile is no text for a terminal: give it a file with -o FILE",
        ));
    }
    match beside(format, purpose, pid) {
        Some(path) => create(&path),
        None => Ok(standard),
    }
}

fn create(path: &Path) -> Result<Output, Failure> {
    let name = path.display().to_string();
    let file = File::create(path)
        .map_err(|error| Failure::new(TROUBLE, format_args!("cannot write {name}: {}", plain(&error))))?;
    Ok(Output { to: To::File(file), name })
}

/// A file of our own, if standard output is a log that has something in it: one opened for appending.
fn beside(format: Format, purpose: Purpose, pid: u64) -> Option<PathBuf> {
    let lines = matches!(format, Format::Text | Format::Folded);
    if lines || purpose != Purpose::Process {
        return None;
    }
    let file = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?);
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() == 0 {
        return None;
    }
    let about = std::fs::read_to_string("/proc/self/fdinfo/1").ok()?;
    let flags = about.lines().find_map(|line| line.strip_prefix("flags:"))?;
    if i32::from_str_radix(flags.trim(), 8).ok()? & libc::O_APPEND == 0 {
        return None;
    }
    let mut path = std::fs::read_link("/proc/self/fd/1").ok()?.into_os_string();
    path.push(format!(".{pid}"));
    Some(PathBuf::from(path))
}

impl Output {
    pub fn is_terminal(&self) -> bool {
        match &self.to {
            To::Standard(out) => out.is_terminal(),
            To::File(file) => file.is_terminal(),
        }
    }
    /// Writes all of it, buffered.
    pub fn fill(&mut self, what: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        let mut out = BufWriter::new(&mut *self);
        let done = what(&mut out).and_then(|()| out.flush());
        // What is left in the buffer after a fault would only fail again.
        drop(out.into_parts());
        done.map_err(|error| {
            Failure::new(TROUBLE, format_args!("cannot write to {}: {}", self.name, plain(&error)))
        })
    }
}
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Standard(out) => out.write(bytes),
            To::File(file) => file.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Standard(out) => out.flush(),
            To::File(file) => file.flush(),
        }
    }
}

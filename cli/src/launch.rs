//! `gleaner run`, `gleaner leaks` and `gleaner audit`: checks what can be checked before, then becomes the program.
//!
//! exec, not a child: signals, job control, descriptors, the parent's wait status and the process
//! id are then the program's own, as without us. What the loader would only mutter about (a static
//! program, another architecture) or hide (a set-user-id one) is said here in one line.
use crate::Failure;
use crate::failure::{NOT_RUNNABLE, OWN, USAGE, plain};
use gleaner_core::pure::options::{Format, Mode, Options, Path as OptionPath};
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

pub mod library;
mod lsan;
mod process;
mod target;
pub use process::ids;
pub use target::{check, exists_for_us, find};

/// What to run, and how.
pub struct Launch {
    /// Texts in the syntax of GLEANER; a later one holds.
    pub options: Vec<OsString>,
    /// Files by option of the command: relative to here, wherever the program goes.
    pub log: Option<PathBuf>,
    pub suppressions: Option<PathBuf>,
    /// The program and its arguments; never empty.
    pub program: Vec<OsString>,
}

impl Launch {
    fn looks_for_leaks(&self) -> bool {
        self.options.iter().any(|option| option == "mode=leak")
    }
}

/// A file that is to hold one document is begun anew: what an earlier run left would spoil it.
fn begin_document(options: &Options) {
    let lines = matches!(options.format, Format::Text | Format::Folded);
    let log = options.log.as_bytes();
    if lines || log.is_empty() || log.contains(&b'%') {
        return;
    }
    let path = Path::new(OsStr::from_bytes(log));
    if path.metadata().is_ok_and(|file| file.is_file()) {
        // What cannot be emptied is found by who writes there.
        let _ = std::fs::write(path, b"");
    }
}

/// Becomes the program.
pub fn launch(order: &Launch) -> Result<Infallible, Failure> {
    let name =
        order.program.first().ok_or_else(|| Failure::new(USAGE, "which program? see `gleaner --help`"))?;
    let theirs = order.looks_for_leaks().then(|| std::env::var("LSAN_OPTIONS").unwrap_or_default());
    let (theirs, remarks) = lsan::translated(&theirs.unwrap_or_default());
    remarks.iter().for_each(|remark| eprintln!("gleaner: {remark}"));
    let mut options = options(order, &theirs, std::env::var_os("GLEANER"))?;
    begin_document(&options);
    let library = library::find().map_err(|text| Failure::new(OWN, text))?;
    name_us(&mut options, &library);
    let program = target::find(name)?;
    target::check(&program)?;
    let preload = preload(&library, std::env::var_os("LD_PRELOAD"))?;
    let text = emitted(&options);
    let change =
        [("LD_PRELOAD", Some(preload)), ("GLEANER", (!text.is_empty()).then(|| OsString::from_vec(text)))];
    let error = process::become_program(&program, &order.program, &change);
    let why = plain(&error);
    Err(Failure::new(NOT_RUNNABLE, format_args!("cannot run {}: {why}", program.display())))
}

/// The library first, then what was preloaded already, once.
fn preload(library: &Path, before: Option<OsString>) -> Result<OsString, Failure> {
    if library.as_os_str().as_bytes().iter().any(|b| matches!(b, b':' | b' ' | b'\t' | b'\n')) {
        let library = library.display();
        let text =
            format!("LD_PRELOAD cannot name {library}: its path has a blank or a colon; move the library");
        return Err(Failure::new(OWN, text));
    }
    let mut list = library.as_os_str().to_owned();
    for entry in before.unwrap_or_default().as_bytes().split(|b| matches!(b, b':' | b' ')) {
        let ours = Path::new(OsStr::from_bytes(entry)).file_name() == Some(OsStr::new(library::NAME));
        if !entry.is_empty() && !ours {
            list.push(":");
            list.push(OsStr::from_bytes(entry));
        }
    }
    Ok(list)
}

/// The options of the program: what was there, then what the command line says. A bad
/// word on our command line is an error; one in the environment is told as the library would.
fn options(order: &Launch, theirs: &[u8], environment: Option<OsString>) -> Result<Options, Failure> {
    let inherited = Options::parse(environment.unwrap_or_default().as_bytes(), &mut |line| {
        eprintln!("gleaner: {line}");
    });
    // Of an option that is given twice the later one holds.
    let mut text = theirs.to_vec();
    let asked = Options::parse(&text, &mut |_| ()).mode;
    text.push(b':');
    text.extend(emitted(&inherited));
    for one in &order.options {
        let mut wrong = None;
        Options::parse(one.as_bytes(), &mut |line| {
            wrong.get_or_insert_with(|| line.to_string());
        });
        if let Some(line) = wrong {
            return Err(Failure::new(USAGE, blamed(&line)));
        }
        text.push(b':');
        text.extend_from_slice(one.as_bytes());
    }
    for (name, path) in [("log", &order.log), ("suppressions", &order.suppressions)] {
        if let Some(path) = path {
            text.extend_from_slice(&named(name, path)?);
        }
    }
    let mut options = Options::parse(&text, &mut |_| ());
    if asked == Mode::Malloc {
        options.mode = asked;
    }
    Ok(options)
}

/// A library that stands elsewhere would not find this command to name what it reports: so it is told.
fn name_us(options: &mut Options, library: &Path) {
    if !matches!(options.mode, Mode::Leak | Mode::Audit)
        || !options.symbolizer.is_empty()
        || library::finds_a_command(library)
    {
        return;
    }
    let Ok(here) = std::env::current_exe() else { return };
    let mut path = OptionPath::EMPTY;
    if here.as_os_str().as_bytes().iter().all(|&byte| path.push(byte).is_ok()) {
        options.symbolizer = path;
    }
}

fn emitted(options: &Options) -> Vec<u8> {
    let mut text = Vec::new();
    options.emit(&mut |bytes| text.extend_from_slice(bytes));
    text
}

/// `:name="absolute path"`, for a path of our own command line.
fn named(name: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let fail = |why: &dyn std::fmt::Display| Failure::new(USAGE, format_args!("--{name}: {why}"));
    let mut text = format!(":{name}=").into_bytes();
    let word = path.as_os_str() == "stderr";
    let path =
        if word { path.to_owned() } else { std::path::absolute(path).map_err(|e| fail(&plain(&e)))? };
    if name == "suppressions" {
        exists_for_us(&path).map_err(|why| fail(&format_args!("{}: {why}", path.display())))?;
    }
    for &byte in path.as_os_str().as_bytes() {
        if matches!(byte, b':' | b'"' | b'\\') || byte.is_ascii_whitespace() {
            text.push(b'\\');
        }
        text.push(byte);
    }
    let mut wrong = None;
    Options::parse(&text, &mut |line| wrong = Some(line.to_string()));
    match wrong {
        Some(line) => Err(Failure::new(USAGE, blamed(&line))),
        None => Ok(text),
    }
}

/// The parser's line without its name for the place, and without what it would use instead.
fn blamed(line: &str) -> String {
    let line = line.strip_prefix("GLEANER: ").unwrap_or(line);
    let line = line.strip_suffix(" (ignored)").or_else(|| line.strip_suffix("; ignored")).unwrap_or(line);
    line.rsplit_once("; using ").map_or(line, |(line, _)| line).replace(" (ignored);", ";")
}

#[cfg(test)]
mod tests;

//! Where `libgleaner.so` is.
use std::path::{Path, PathBuf};

pub const NAME: &str = "libgleaner.so";

/// Beside this command, then where an installation puts libraries, seen from `bin/`.
const PLACES: &[&str] = &["", "../lib", "../lib/gleaner", "../lib/x86_64-linux-gnu", "../lib64"];

/// The library: `$GLEANER_LIB`, or one of [`PLACES`]. The error says what to do.
pub fn find() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("GLEANER_LIB").filter(|value| !value.is_empty()) {
        let named = PathBuf::from(named);
        let path = std::path::absolute(&named).unwrap_or(named);
        let path = if path.is_dir() { path.join(NAME) } else { path };
        return if path.is_file() {
            Ok(path)
        } else {
            Err(format!("GLEANER_LIB names {}, where there is no library", path.display()))
        };
    }
    let here = std::env::current_exe()
        .map_err(|_| format!("cannot tell where {NAME} is: set GLEANER_LIB to its path"))?;
    beside(&here).ok_or_else(|| {
        let dir = here.parent().unwrap_or(Path::new("/")).display();
        format!("there is no {NAME} in {dir} or {dir}/../lib: put it there, or set GLEANER_LIB to its path")
    })
}

/// Where the library looks for this command, seen from its own directory.
const COMMANDS: &[&str] = &["gleaner", "../bin/gleaner", "../../bin/gleaner"];

/// Whether the library finds a command to name its leaks.
pub fn finds_a_command(library: &Path) -> bool {
    let Some(dir) = library.parent() else { return false };
    COMMANDS.iter().any(|place| super::process::may_execute(&dir.join(place)))
}

fn beside(command: &Path) -> Option<PathBuf> {
    let dir = command.parent()?;
    let mut candidates = PLACES.iter().map(|place| dir.join(place).join(NAME));
    let found = candidates.find(|path| path.is_file())?;
    Some(found.canonicalize().unwrap_or(found))
}

//! The programs that come with this command, and a directory where they may be executed.
use crate::Failure;
use crate::failure::{TROUBLE, plain};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Executables, compiled by `build.rs` from `benches/programs`.
const PROGRAMS: &[(&str, &[u8])] = &[
    ("meter", include_bytes!(concat!(env!("OUT_DIR"), "/meter"))),
    ("micro", include_bytes!(concat!(env!("OUT_DIR"), "/micro"))),
    ("steps", include_bytes!(concat!(env!("OUT_DIR"), "/steps"))),
    ("suite", include_bytes!(concat!(env!("OUT_DIR"), "/suite"))),
];
/// What the real programs work on.
const INPUTS: &[(&str, &str)] = &[
    ("bench.lua", include_str!("real/bench.lua")),
    ("bench.sql", include_str!("real/bench.sql")),
    ("bench.pl", include_str!("real/bench.pl")),
    ("bench.py", include_str!("real/bench.py")),
    ("bench-redis", include_str!("real/bench-redis")),
    ("bench.c", include_str!("../../../benches/programs/suite.c")),
];

/// A directory of our own, removed at the end.
pub struct Stage(TempDir);

impl Stage {
    /// The first place where a program may be written and executed: /tmp is not one everywhere.
    pub fn new() -> Result<Stage, Failure> {
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let places = [Some(std::env::temp_dir()), Some("/var/tmp".into()), home, Some(".".into())];
        let mut why = String::new();
        for place in places.into_iter().flatten() {
            match try_in(&place) {
                Ok(stage) => return Ok(stage),
                Err(error) => {
                    why = format!("cannot execute programs in {}: {}", place.display(), plain(&error))
                }
            }
        }
        Err(Failure::new(TROUBLE, why + "; set TMPDIR to a directory where programs may be executed"))
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    pub fn dir(&self) -> &Path {
        self.0.path()
    }
}

fn try_in(place: &Path) -> std::io::Result<Stage> {
    let dir = tempfile::Builder::new().prefix("gleaner-bench-").tempdir_in(place)?;
    let dir_path = dir.path().canonicalize()?;
    for (name, bytes) in PROGRAMS {
        let path = dir_path.join(name);
        std::fs::write(&path, bytes)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    for (name, text) in INPUTS {
        std::fs::write(dir_path.join(name), text)?;
    }
    let probe =
        Command::new(dir_path.join("steps")).arg("none").stdout(Stdio::null()).env_clear().status()?;
    if probe.success() { Ok(Stage(dir)) } else { Err(std::io::Error::other("a program does not run")) }
}

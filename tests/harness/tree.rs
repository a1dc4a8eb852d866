//! Where things stand in the work tree, and the release build of the library.

use std::path::{Path, PathBuf};
use std::process::Command;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Builds the library and the command in release form, unless GLEANER_BUILT says that it was done.
pub fn build() -> PathBuf {
    if std::env::var_os("GLEANER_BUILT").is_none() {
        let status = Command::new(env!("CARGO"))
            .args(["build", "--release", "--quiet", "-p", "gleaner-preload", "-p", "gleaner-cli"])
            .current_dir(root())
            .status()
            .expect("cargo");
        assert!(status.success(), "the library does not build");
    }
    target().join("release/libgleaner.so")
}

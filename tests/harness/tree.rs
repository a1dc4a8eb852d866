//! Where things stand in the work tree, and the release build of the library.

use std::path::{Path, PathBuf};
use std::process::Command;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Builds the library and the command in release form, unless GLEANER_BUILT says that it was done or
/// GLEANER_LIBRARY names another build (one that holds still while the tree is being worked on).
pub fn build() -> PathBuf {
    if let Some(library) = std::env::var_os("GLEANER_LIBRARY") {
        return library.into();
    }
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

//! The library's face, as two checked lists: what `libgleaner.so` exports, and which symbols of
//! libc it imports. A new export is an interposition, a new import a call that may allocate: either
//! is a decision, made by running the update command and reading the difference.
//!
//! ```text
//! cargo test --test symbols                              compare
//! UPDATE=1 cargo test --test symbols                     rewrite preload/exported.txt and imported.txt
//! ```

#[path = "harness/tree.rs"]
mod tree;

use std::collections::BTreeSet;
use std::process::Command;

/// The dynamic symbols of the library, undefined or defined, without versions.
fn symbols(which: &str) -> BTreeSet<String> {
    let library = tree::build();
    let out = Command::new("nm").args(["-D", which]).arg(&library).output().expect("nm of binutils");
    assert!(out.status.success(), "nm {}: {}", library.display(), String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let name = |l: &str| l.split_whitespace().last().map(|n| n.split('@').next().unwrap_or(n).to_string());
    text.lines().filter_map(name).collect()
}

fn compare(which: &str, list: &str) {
    let (path, now) = (tree::root().join("preload").join(list), symbols(which));
    if std::env::var_os("UPDATE").is_some() {
        let text: String = now.iter().map(|s| format!("{s}\n")).collect();
        std::fs::write(&path, text).expect("the list is written");
        return;
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let before: BTreeSet<String> = text.lines().map(str::to_string).collect();
    let more: Vec<_> = now.difference(&before).collect();
    let less: Vec<_> = before.difference(&now).collect();
    assert!(
        more.is_empty() && less.is_empty(),
        "preload/{list}: new {more:?}, gone {less:?}\nif so meant: UPDATE=1 cargo test --test symbols"
    );
}

#[test]
fn exports_are_the_listed_ones() {
    compare("--defined-only", "exported.txt");
}

#[test]
fn imports_are_the_listed_ones() {
    compare("--undefined-only", "imported.txt");
}

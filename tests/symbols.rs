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

/// `scripts/install` lays down what `pkg-config` then finds.
#[test]
fn an_installed_header_compiles() {
    tree::build();
    let prefix = tree::target().join("tmp/installed");
    let installed = Command::new(tree::root().join("scripts/install")).arg(&prefix).status();
    assert!(installed.expect("scripts/install").success());
    let pc = std::fs::read_to_string(prefix.join("lib/pkgconfig/gleaner.pc")).expect("gleaner.pc");
    assert!(pc.contains(&format!("prefix={}\n", prefix.display())) && !pc.contains('@'), "{pc}");
    for file in
        ["lib/libgleaner.so", "bin/gleaner", "share/man/man3/gleaner_pin.3", "share/man/man7/gleaner.7"]
    {
        assert!(prefix.join(file).exists(), "{file}");
    }
    let exe = prefix.join("example");
    let mut compiler = Command::new("cc");
    compiler.arg("-I").arg(prefix.join("include")).arg(tree::root().join("examples/epoll_sessions.c"));
    assert!(compiler.arg("-o").arg(&exe).arg("-ldl").status().expect("cc").success());
    let out =
        Command::new(exe).env("LD_PRELOAD", prefix.join("lib/libgleaner.so")).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&out.stdout), "200 sessions answered\n");
}

/// Of a section its address, its place in the file and its size.
fn section(table: &str, name: &str) -> (usize, usize, usize) {
    let row = table.lines().find_map(|l| l.split_once(']')?.1.trim().strip_prefix(&format!("{name} ")));
    let row = row.unwrap_or_else(|| panic!("no {name} in\n{table}"));
    let number = |n| usize::from_str_radix(row.split_whitespace().nth(n).unwrap(), 16).unwrap();
    (number(1), number(2), number(3))
}

/// What a small process pays for the library is what `preload/start.ld` keeps together. If this fails, its patterns do not
/// fit any more: `scripts/link-order`.
#[test]
fn what_every_program_touches_lies_together() {
    let library = tree::build();
    let out = Command::new("readelf").arg("-SW").arg(&library).output().expect("readelf of binutils");
    let table = String::from_utf8_lossy(&out.stdout);
    let (begin, _, _) = section(&table, ".fini");
    let (start, _, code) = section(&table, ".text_start");
    assert!(begin % 0x1_0000 < 0x100, "the code that is run begins at {begin:#x}");
    assert!((64 << 10..160 << 10).contains(&code), "{} KiB of code that is run", code >> 10);
    let malloc = Command::new("nm").args(["-D", "--defined-only"]).arg(&library).output().expect("nm");
    let malloc = String::from_utf8_lossy(&malloc.stdout).into_owned();
    let malloc = malloc.lines().find_map(|l| l.strip_suffix(" T malloc")).expect("malloc is there");
    let malloc = usize::from_str_radix(malloc, 16).unwrap();
    assert!(
        (start..begin + 0x1_0000).contains(&malloc),
        "malloc at {malloc:#x}, the first window at {begin:#x}"
    );
    for (name, most) in [(".data", 24), (".bss", 16)] {
        let (_, _, size) = section(&table, name);
        assert!(size < most << 10, "{name} has {} KiB: what is large goes to another section", size >> 10);
    }
    // ld.so's word for the library's end would keep what the program maps there.
    let (large, _, size) = section(&table, ".bss_large");
    assert_ne!((large + size) % 0x1000, 0, "the library ends with a page");
    // A window of the file is one of the memory then.
    for name in [".rodata", ".text", ".data"] {
        let (address, place, _) = section(&table, name);
        assert_eq!(address, place, "{name}");
    }
}

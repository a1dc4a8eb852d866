//! The habits of the house that a program can check: sizes, module docs, `# Safety` chapters, no
//! left-overs. What it cannot read surely (a macro, a raw string with braces) it lets pass.

use std::path::{Path, PathBuf};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, list: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("entry").path();
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, list);
        } else if path.is_file() {
            list.push(path);
        }
    }
}

/// (path from the root, text) of the files with one of these extensions under these folders.
fn sources(folders: &[&str], extensions: &[&str]) -> Vec<(String, String)> {
    let mut list = Vec::new();
    folders.iter().for_each(|f| collect(&root().join(f), &mut list));
    list.sort();
    let fits = |p: &PathBuf| p.extension().is_some_and(|e| extensions.iter().any(|x| e == *x));
    let read = |p: PathBuf| {
        let name = p.strip_prefix(root()).expect("under the root").display().to_string();
        (name, std::fs::read_to_string(&p).unwrap_or_default())
    };
    list.into_iter().filter(fits).map(read).collect()
}

fn rust() -> Vec<(String, String)> {
    sources(&["src", "preload", "cli", "api", "tests", "benches"], &["rs"])
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn files_are_short() {
    let mut faults = Vec::new();
    for (name, text) in
        rust().into_iter().chain(sources(&["c-tests", "benches", "include"], &["c", "cc", "h", "sh"]))
    {
        let lines = text.lines().count();
        if lines > FILE_LINES {
            faults.push(format!("{name}: {lines} lines, at most {FILE_LINES}"));
        }
    }
    report(&faults);
}

#[test]
fn every_rust_file_says_what_it_is() {
    let bare = |(_, text): &(String, String)| !text.trim_start().starts_with("//!");
    let is_test = |name: &str| name.ends_with("tests.rs") || name.contains("/tests/");
    let faults: Vec<String> = rust().into_iter().filter(bare).map(|f| f.0).filter(|n| !is_test(n)).collect();
    report(&faults);
}

#[test]
fn unsafe_stands_only_in_files_with_a_safety_chapter() {
    let mut faults = Vec::new();
    for (name, text) in sources(&["src", "preload/src", "cli/src", "api/src"], &["rs"]) {
        let uses = text.lines().any(|l| {
            let code = l.split("//").next().unwrap_or("");
            ["unsafe {", "unsafe fn ", "unsafe impl", "unsafe extern", "unsafe(no_mangle)", "global_asm!("]
                .iter()
                .any(|word| code.contains(word))
        });
        let is_test = name.ends_with("tests.rs") || name.contains("/tests/");
        if uses && !is_test && !text.lines().any(|l| l.starts_with("//! # Safety")) {
            faults.push(format!("{name}: unsafe code, but no `//! # Safety` chapter"));
        }
    }
    report(&faults);
}

#[test]
fn nothing_is_left_over() {
    // Put together here, or this file would find itself.
    let words =
        ["TO-DO", "FIX-ME", "XX-X", "todo-!(", "unimplemented-!(", "dbg-!("].map(|w| w.replace('-', ""));
    let mut faults = Vec::new();
    let texts =
        sources(&["c-tests", "include", "benches", "scripts", "man", "docs"], &["c", "cc", "h", "sh", "md"]);
    for (name, text) in rust().into_iter().chain(texts) {
        for (n, line) in text.lines().enumerate() {
            // mkstemp's template is no left-over.
            if words.iter().any(|w| line.replace("XXXXXX", "").contains(w.as_str())) {
                faults.push(format!("{name}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    report(&faults);
}

#[test]
fn no_file_is_called_after_nothing() {
    let vague = ["mod.rs", "util.rs", "utils.rs", "helpers.rs", "misc.rs", "global.rs", "common.rs"];
    let faults: Vec<String> = rust()
        .into_iter()
        .map(|f| f.0)
        .filter(|n| vague.iter().any(|v| n.rsplit('/').next() == Some(v)))
        .collect();
    report(&faults);
}

#[test]
fn functions_are_short() {
    let mut faults = Vec::new();
    for (name, text) in rust() {
        for (line, function, length) in functions(&text) {
            if length > FUNCTION_LINES {
                faults.push(format!(
                    "{name}:{line}: `{function}` has {length} lines, at most {FUNCTION_LINES}"
                ));
            }
        }
    }
    report(&faults);
}

/// (first line, name, lines) of each function, by indentation: rustfmt closes a function with a brace
/// in the column where its first line begins.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let words: Vec<&str> = code.split_whitespace().collect();
        let Some(fn_at) = words.iter().position(|w| *w == "fn") else { continue };
        let heads = ["pub", "const", "unsafe", "extern", "async", "\"C\"", "\"C-unwind\""];
        if !words[..fn_at].iter().all(|w| heads.contains(w) || w.starts_with("pub(")) {
            continue;
        }
        let close = format!("{}}}", &line[..indent]);
        let open_ended = code.ends_with(';') || code.ends_with('}');
        if open_ended {
            continue;
        }
        if let Some(length) = lines[at..].iter().position(|l| *l == close) {
            let name = words.get(fn_at + 1).unwrap_or(&"").split(['(', '<']).next().unwrap_or("");
            found.push((at + 1, name.to_string(), length + 1));
        }
    }
    found
}

#[test]
fn function_lengths_are_counted() {
    let text = "impl X {\n    pub fn a(\n        x: u8,\n    ) {\n        b();\n    }\n}\nfn c() {}\n";
    assert_eq!(functions(text), [(2, "a".to_string(), 5)]);
}

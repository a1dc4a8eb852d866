//! Holds the layer order: a module of `src/` uses only what stands below it in the list that opens
//! `lib.rs`. The order is read from there, so that the story and the test cannot part.

use std::path::{Path, PathBuf};

/// Highest first, as in lib.rs: rows `L<n> <name> …` of its first code block.
fn order() -> Vec<String> {
    let text = std::fs::read_to_string(source_folder().join("lib.rs")).expect("lib.rs");
    let rows = text.lines().filter_map(|l| l.strip_prefix("//! L"));
    rows.filter_map(|l| l.split_whitespace().nth(1).map(str::to_string)).collect()
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path, list: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            rust_files(&path, list);
        } else if path.extension().is_some_and(|e| e == "rs") {
            list.push(path);
        }
    }
}

/// The modules that a line names as `crate::x`, also in `use crate::{x::…, y}`.
fn named(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let name_of =
        |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with('$') {
            continue;
        }
        let (rest, line) = (&code[at + 7..], code[..at].matches('\n').count() + 1);
        if !rest.starts_with('{') {
            found.push((line, name_of(rest)));
            continue;
        }
        let (mut depth, mut start) = (0, 1);
        for (i, c) in rest.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == ',' && depth == 1) || depth == 0 {
                found.push((line, name_of(rest[start..i].trim_start())));
                start = i + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

fn without_comments(text: &str) -> String {
    text.lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_module_uses_only_what_stands_below_it() {
    let order = order();
    assert!(order.len() >= 11, "lib.rs lists the layers, found {order:?}");
    let mut files = Vec::new();
    rust_files(&source_folder(), &mut files);
    let mut faults = Vec::new();
    for file in files {
        let inner = file.strip_prefix(source_folder()).expect("under src");
        let module = inner.components().next().expect("a part").as_os_str().to_string_lossy();
        let module = module.trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        // Tests look from outside: they may use any layer.
        if inner.components().any(|c| c.as_os_str().to_string_lossy().trim_end_matches(".rs") == "tests") {
            continue;
        }
        let place = order.iter().position(|m| m == module);
        let Some(place) = place else {
            faults.push(format!("src/{}: `{module}` has no layer in lib.rs", inner.display()));
            continue;
        };
        let text = std::fs::read_to_string(&file).expect("source");
        for (line, used) in named(&without_comments(&text)) {
            let below = order.iter().position(|m| *m == used);
            if below.is_some_and(|below| below < place) {
                faults.push(format!(
                    "src/{}:{line}: `{module}` uses `{used}`, which stands above it",
                    inner.display()
                ));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn names_are_read_from_every_form_of_import() {
    let code = "use crate::{pure::addr, sys::{vm, file}, heap};\nlet x = crate::gc::y(); $crate::leak";
    let names: Vec<String> = named(code).into_iter().map(|n| n.1).collect();
    assert_eq!(names, ["pure", "sys", "heap", "gc"]);
}

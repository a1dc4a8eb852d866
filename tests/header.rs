//! `include/gleaner.h`, the library's exports, the manual and `docs/extension.md` say the same.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn exists(path: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists()
}

fn name_at(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The functions that the header offers: `static inline … gleaner_x(`, but for those that end in `_`.
fn offered() -> BTreeSet<String> {
    let header = read("include/gleaner.h");
    let lines = header.lines().filter(|l| l.starts_with("static inline"));
    let names = lines.filter_map(|l| l.find("gleaner_").map(|_| l)).filter_map(|l| {
        let open = l.find('(')?;
        let begin = l[..open].rfind(|c: char| !(c.is_alphanumeric() || c == '_'))? + 1;
        Some(l[begin..open].to_string())
    });
    names.filter(|n| n.starts_with("gleaner_") && !n.ends_with('_')).collect()
}

/// The table's fields, in order.
fn fields(text: &str, begin: &str, field: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let from = text.find(begin).expect("the table");
    text[from..].lines().skip(1).take_while(|l| !l.starts_with('}')).filter_map(field).collect()
}

#[test]
fn every_function_has_a_page() {
    let offered = offered();
    assert!(offered.len() > 20, "{offered:?}");
    let missing: Vec<_> = offered.iter().filter(|n| !exists(&format!("man/{n}.3"))).collect();
    assert!(missing.is_empty(), "no page in man/ for {missing:?}");
}

#[test]
fn every_function_of_the_table_is_exported_by_name() {
    let header = read("include/gleaner.h");
    let in_header = fields(&header, "struct gleaner_functions {", |l| Some(name_at(l.split("(*").nth(1)?)));
    let library = read("preload/src/api.rs");
    let in_library = fields(&library, "pub struct Table {", |l| {
        let (name, rest) = l.trim().split_once(':')?;
        rest.contains("fn(").then(|| name.to_string())
    });
    assert_eq!(in_header, in_library, "the header's table and the library's");
    let exported = read("preload/exported.txt");
    for name in in_header {
        let symbol = format!("gleaner_{name}");
        assert!(exported.lines().any(|l| l == symbol), "{symbol} is not exported");
        assert!(offered().contains(&symbol), "{symbol} has no wrapper in the header");
    }
}

/// All Rust sources under src/ and tests/, as one text.
fn rust() -> String {
    let mut text = String::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                text += &std::fs::read_to_string(&path).expect("a source");
            }
        }
    }
    text
}

/// A row names its tests as `folder/program` of c-tests/ or examples/, or as `module::test` (both may end in `*`).
#[test]
fn tests_that_the_document_names_exist() {
    let (text, rust) = (read("docs/extension.md"), rust());
    let mut count = 0;
    let is_folder = |name: &str| name == "examples" || exists(&format!("c-tests/{name}"));
    for named in text.split('`').skip(1).step_by(2).filter(|n| !n.contains([' ', '.']) && !n.ends_with('/')) {
        if let Some((_, function)) = named.rsplit_once("::") {
            let begin = format!("fn {}", function.trim_end_matches('*'));
            assert!(rust.contains(&begin), "{named} is no test");
            count += 1;
        } else if let Some((folder, program)) = named.split_once('/').filter(|(folder, _)| is_folder(folder))
        {
            let home = if folder == "examples" { "" } else { "c-tests/" };
            let found =
                program == "*" || ["c", "cc", "py"].iter().any(|e| exists(&format!("{home}{named}.{e}")));
            assert!(found, "{named} is no test");
            count += 1;
        }
    }
    assert!(count > 60);
}

/// Programs that ask for every warning get none from the header, whatever compiler of C or C++ takes it.
#[test]
fn the_header_is_free_of_warnings() {
    const COMMON: &str = "-Wall -Wextra -pedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual \
                          -Wcast-align -Wundef -Wunused -Wvla -Wdouble-promotion -Werror -fsyntax-only";
    const OF_C: &str = "-Wstrict-prototypes -Wmissing-prototypes";
    const OF_CXX: &str = "-Wold-style-cast -Wzero-as-null-pointer-constant";
    let program = "#include <gleaner.h>\n#include <gleaner.h>\n\
                   int main(void);\n\
                   int main(void) {\n    GLEANER_SCOPE(one);\n    GLEANER_SCOPE(other);\n    \
                   return gleaner_scope_pin(&one, &other);\n}\n";
    let place = std::env::temp_dir().join(format!("gleaner-header-{}", std::process::id()));
    std::fs::create_dir_all(&place).expect("a folder");
    let mut ran = 0;
    for (compilers, suffix, more, standards) in [
        (["gcc", "clang"], "c", OF_C, &["c11", "c17", "gnu17"][..]),
        (["g++", "clang++"], "cc", OF_CXX, &["c++17", "c++20", "gnu++20"]),
    ] {
        let source = place.join(format!("warnings.{suffix}"));
        std::fs::write(&source, program).expect("the program");
        for (compiler, standard) in compilers.iter().flat_map(|c| standards.iter().map(move |s| (*c, *s))) {
            let flags = COMMON.split_whitespace().chain(more.split_whitespace());
            let mut command = Command::new(compiler);
            command.args(flags).arg(format!("-std={standard}"));
            command.arg("-I").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include")).arg(&source);
            // One that is not installed says nothing.
            let Ok(output) = command.output() else { continue };
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{compiler} -std={standard}: {said}");
            ran += 1;
        }
    }
    std::fs::remove_dir_all(&place).expect("to clear up");
    assert!(ran >= 6, "no compiler");
}

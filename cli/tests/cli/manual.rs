//! The manual pages: sound mdoc, and in step with the option table and the command line.
use crate::bench::gleaner;
use std::path::PathBuf;
use std::process::Command;

fn page(name: &str) -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../man").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

#[test]
fn the_options_are_those_of_the_table() {
    let (_, text) = page("gleaner.7");
    let begin = ".\\\" Options: the output of `gleaner options --man`, kept so by a test.\n";
    let section = text.split(begin).nth(1).and_then(|rest| rest.split(".\\\" End of options.\n").next());
    assert_eq!(
        section.expect("the markers"),
        gleaner(&["options", "--man"], b"").out,
        "put the output of `gleaner options --man` between the markers of man/gleaner.7"
    );
}

#[test]
fn every_command_and_flag_is_described() {
    let (_, text) = page("gleaner.1");
    for command in [
        "run",
        "leaks",
        "check",
        "stat",
        "top",
        "report",
        "diff",
        "suppress",
        "options",
        "bench",
        "completions",
        "doctor",
    ] {
        assert!(text.contains(&format!(".Cm {command}")), "{command}");
        let help = gleaner(&[command, "--help"], b"").out;
        let words = help.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
        for flag in words.filter(|word| word.starts_with("--") && word.len() > 2 && *word != "--help") {
            let written = flag.trim_start_matches('-').replace('-', "\\-");
            if help.contains(&format!("{flag} <")) {
                assert!(text.contains(&format!("Fl \\-{written}")), "{command} {flag}");
            }
        }
    }
}

#[test]
fn mandoc_finds_nothing() {
    for name in ["gleaner.1", "gleaner.7"] {
        let (path, _) = page(name);
        // Not installed everywhere; where it is, it must be content.
        let Ok(done) = Command::new("mandoc").args(["-Tlint", "-Wwarning"]).arg(&path).output() else {
            return;
        };
        assert_eq!(String::from_utf8_lossy(&done.stdout), "", "{name}");
    }
}

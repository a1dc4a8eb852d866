//! `gleaner bench`: what it runs, what it tells, what it refuses.
use crate::bench::{Bench, Done, command, finish};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// malloc that hands on to libc, and does something about a program that asks for it.
const STAND_IN: &str = r#"
#include <stdlib.h>
#include <unistd.h>
extern void *__libc_malloc(size_t);
extern void __libc_free(void *);
void *malloc(size_t size) {
    static int seen;
    if (!seen++ && getenv("STAND_IN")) switch (*getenv("STAND_IN")) {
    case 'd': write(2, "the heap is broken\n", 19); abort();
    case 's': write(1, "surprise\n", 9); break;
    case 'h': pause();
    }
    return __libc_malloc(size);
}
void free(void *p) { __libc_free(p); }
"#;

/// A library that takes malloc's place; it stands for ours as well, in whatever state that is.
fn library(bench: &Bench) -> PathBuf {
    let (source, path) = (bench.file("lib.c", STAND_IN.as_bytes(), 0o644), bench.path("libgleaner.so"));
    bench.run("cc", &["-w", "-shared", "-fPIC", "-o", path.to_str().unwrap(), source.to_str().unwrap()]);
    std::fs::copy(&path, bench.path("libmine.so")).unwrap();
    path
}
fn run(bench: &Bench, args: &[&str]) -> Done {
    finish(&mut ready(bench, args), b"")
}
fn ready(bench: &Bench, args: &[&str]) -> std::process::Command {
    let mut command = command(&[&["bench", "--rounds", "2"], args].concat());
    command.env("GLEANER_LIB", bench.path("libgleaner.so")).current_dir(bench.path(""));
    command
}
fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The part of JSON Schema that ours is written in.
fn fits(value: &Value, schema: &Value, at: &str) {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{at}: type {other}"),
    };
    match &schema["type"] {
        Value::String(name) => assert!(is(name), "{at}: {value} is no {name}"),
        Value::Array(names) => assert!(names.iter().any(|name| is(name.as_str().unwrap())), "{at}: {value}"),
        _ => {}
    }
    if let Some(constant) = schema.get("const") {
        assert_eq!(value, constant, "{at}");
    }
    if let Some(Value::Array(words)) = schema.get("enum") {
        assert!(words.contains(value), "{at}: {value}");
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        fits(item, &schema["items"], &format!("{at}[{number}]"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(name.as_str().unwrap()).is_some(), "{at}: no {name}");
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        if let Some(names) = schema.get("propertyNames") {
            fits(&Value::String(name.clone()), names, at);
        }
        let known = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
        let known = known.unwrap_or_else(|| panic!("{at}: {name} is not in the schema"));
        assert_ne!(known, &Value::Bool(false), "{at}: {name} is not in the schema");
        fits(member, known, &format!("{at}.{name}"));
    }
}

#[test]
fn a_suite_is_told_in_three_forms() {
    let bench = Bench::new("suite");
    library(&bench);
    let only = ["--only", "pair64", "tiny", "-a", "glibc", "gleaner", "--scale", "1"];
    let files = ["--json", "out.json", "--html", "out.html", "--svg", "plots", "--lib", "mine=./libmine.so"];
    let done = run(&bench, &[&only[..], &files].concat());
    assert_eq!((done.status, &*done.err), (0, ""), "{}", done.out);
    for text in ["suite micro: time per operation, ns; median", "suite programs: peak memory, MiB", " mine"] {
        assert!(done.out.contains(text), "{text} in {}", done.out);
    }
    let results = json(&bench.path("out.json"));
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bench.schema.json");
    fits(&results, &json(&schema), "$");
    let names: Vec<&str> =
        results["allocators"].as_array().unwrap().iter().filter_map(|a| a["name"].as_str()).collect();
    assert_eq!(names, ["glibc", "gleaner", "mine"]);
    let outcomes = results["outcomes"].as_array().unwrap();
    let told: Vec<_> =
        outcomes.iter().map(|o| (o["suite"].as_str().unwrap(), o["name"].as_str().unwrap())).collect();
    assert_eq!(told, [("micro", "pair64"), ("steps", "pair64"), ("programs", "tiny")]);
    let steps = &outcomes[1]["results"][0]["figures"]["instructions_per_op"];
    assert!(steps["median"].as_f64().is_some_and(|n| (20.0..500.0).contains(&n)), "{steps}");
    let tiny = &outcomes[2]["results"][2]["figures"];
    assert_eq!((&tiny["peak_kib"]["n"], tiny["wall_ms"]["values"].as_array().unwrap().len()), (&2.into(), 2));
    assert!(
        tiny["peak_kib"]["median"].as_f64().is_some_and(|kib| (2000.0..20000.0).contains(&kib)),
        "{tiny}"
    );
    page(&std::fs::read_to_string(bench.path("out.html")).unwrap(), &["glibc", "mine", "pair64", "tiny"]);
    let plot = std::fs::read_to_string(bench.path("plots/programs-peak-memory.svg")).unwrap();
    let plot = roxmltree::Document::parse(&plot).unwrap();
    assert_eq!(plot.root_element().tag_name().name(), "svg");
}

/// A page is well-formed, and asks the network for nothing.
fn page(html: &str, said: &[&str]) {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let page = roxmltree::Document::parse_with_options(html, options).unwrap();
    for node in page.descendants() {
        assert!(!["script", "link", "img", "iframe"].contains(&node.tag_name().name()));
        for attribute in node.attributes() {
            assert!(!["src", "href", "srcset"].contains(&attribute.name()), "{attribute:?}");
        }
    }
    assert!(!html.contains("@import") && !html.contains("url("));
    assert!(
        html.contains("prefers-color-scheme")
            && page.descendants().any(|n| n.has_tag_name(("http://www.w3.org/2000/svg", "svg")))
    );
    for text in said {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn a_command_that_does_as_it_should() {
    let bench = Bench::new("own");
    library(&bench);
    let args = [
        "-a",
        "glibc",
        "gleaner",
        "--html",
        "p.html",
        "--json",
        "-",
        "--",
        "sh",
        "-c",
        "sleep 0.4; echo \"<&>\"",
    ];
    let done = run(&bench, &args);
    assert_eq!((done.status, &*done.err), (0, ""), "{}", done.out);
    let (table, json) = done.out.split_at(done.out.find("\n{").unwrap());
    assert!(table.contains("time by the clock, ms") && table.contains("\n gleaner "), "{table}");
    let results: Value = serde_json::from_str(json).unwrap();
    let figures = &results["outcomes"][0]["results"][1]["figures"];
    assert!(figures["wall_ms"]["median"].as_f64().is_some_and(|ms| ms >= 400.0), "{figures}");
    assert!(figures["idle_kib"]["median"].as_f64().is_some_and(|kib| kib > 100.0), "{figures}");
    page(&std::fs::read_to_string(bench.path("p.html")).unwrap(), &["&lt;&amp;&gt;"]);
    // Neither what ran nor where it ran is left behind.
    assert!(run(&bench, &["-a", "glibc", "--", "sh", "-c", "sleep 1000 & true"]).status == 0);
}

#[test]
fn what_fails_or_differs_under_one_of_them_is_told() {
    let bench = Bench::new("differs");
    library(&bench);
    // A short limit is for what hangs alone: on a stalled machine a start took a second.
    for (way, timeout, said) in [
        ("d", "60", "env under gleaner: died of SIGABRT in 3 of 3 runs: the heap is broken\n"),
        ("s", "60", "env under gleaner: prints something else than under glibc\n"),
        ("h", "3", "env under gleaner: was stopped after 3 s\n"),
    ] {
        let way = format!("STAND_IN={way}");
        let args =
            ["-a", "glibc", "gleaner", "--timeout", timeout, "--", "env", &way, "sh", "-c", "echo hello"];
        let done = run(&bench, &args);
        let said = said.replace(" in 3 of 3 runs", "");
        assert!(done.status == 1 && done.out.contains(&said), "{said} in {done:?}");
    }
    // What is so under each of them is no difference.
    let done = run(&bench, &["-a", "glibc", "gleaner", "--", "sh", "-c", "echo $$; exit 3"]);
    assert_eq!(done.status, 0, "{done:?}");
    for text in ["note: sh ended with status 3 under glibc\n", "note: what sh prints differs from run to run"]
    {
        assert!(done.out.contains(text), "{text} in {}", done.out);
    }
}

#[test]
fn an_interrupted_comparison_tells_what_it_has_and_leaves_nothing() {
    let bench = Bench::new("interrupt");
    library(&bench);
    let temporary = bench.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = ready(&bench, &["-a", "glibc", "--", "sh", "-c", "sleep 0.1"]);
    // In a session of its own `timeout` reaches us alone, not what we run.
    let us = std::mem::replace(&mut command, std::process::Command::new("timeout"));
    command.args(["--foreground", "-s", "INT", "2"]).arg(us.get_program());
    command.args(us.get_args().map(|word| if word == "2" { "1000".as_ref() } else { word }));
    command
        .env_remove("LD_PRELOAD")
        .env("GLEANER_LIB", bench.path("libgleaner.so"))
        .env("TMPDIR", &temporary);
    let done = finish(&mut command, b"");
    assert!(done.out.contains("note: interrupted: the figures are those of the runs before\n"), "{done:?}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn nothing_is_measured_under_a_wrong_name() {
    let bench = Bench::new("name");
    library(&bench);
    let done = run(&bench, &["-a", "glibc", "gleaner", "--", "env", "-u", "LD_PRELOAD", "sh", "-c", "true"]);
    let said =
        "gleaner: env ran without gleaner: does it clear its environment, or become a static program?\n";
    assert_eq!((done.status, &*done.err), (1, said));
    // A library that the loader refuses, though its symbols are right.
    let (source, path) = (
        bench.file("bad.c", format!("extern int nowhere; int *at = &nowhere;{STAND_IN}").as_bytes(), 0o644),
        bench.path("libbad.so"),
    );
    bench.run("cc", &["-w", "-shared", "-fPIC", "-o", path.to_str().unwrap(), source.to_str().unwrap()]);
    let done = run(&bench, &["-a", "glibc", "--lib", "libbad.so", "--", "true"]);
    assert!(
        done.status == 1
            && done
                .err
                .starts_with("gleaner: bad cannot be preloaded: a program under it ended with status 127: "),
        "{done:?}"
    );
    assert!(done.err.contains("undefined symbol: nowhere") && done.err.lines().count() == 1, "{done:?}");
}

#[test]
fn a_wrong_word_gets_one_line() {
    let bench = Bench::new("words");
    library(&bench);
    let mut head = vec![0x7f, b'E', b'L', b'F', 1, 1, 1];
    head.resize(64, 0);
    bench.file("lib32.so", &head, 0o755);
    bench.file("text.so", b"hello\n", 0o755);
    let nothing = bench.file("nothing.c", b"int nothing;\n", 0o644);
    bench.run("cc", &["-shared", "-o", "libnothing.so", nothing.to_str().unwrap()]);
    for (args, status, said) in [
        (&["--lib", "gone.so"][..], 2, "--lib gone.so: No such file or directory"),
        (&["--lib", "x=gone.so"], 2, "--lib gone.so: No such file or directory"),
        (&["--lib", "."], 2, "--lib .: is a directory; name the library in it"),
        (&["--lib", "text.so"], 2, "--lib text.so: is not a shared object"),
        (
            &["--lib", "lib32.so"],
            2,
            "--lib lib32.so: is a 32-bit library; those of 64-bit x86-64 are compared",
        ),
        (
            &["--lib", "libnothing.so"],
            2,
            "--lib libnothing.so: does not define malloc: preloading it would change nothing",
        ),
        (
            &["--lib", "glibc=libmine.so"],
            2,
            "--lib libmine.so: there is a glibc already; give it another name",
        ),
        (&["-a", "fastest"], 2, "there is no allocator fastest here; there are: glibc, gleaner, "),
        (&["--suite", "large"], 2, "invalid value 'large' for '--suite <SUITE>'"),
        (
            &["--only", "pair65"],
            2,
            "there is no program pair65 in the suites; `gleaner bench --list` lists them",
        ),
        (
            &["--suite", "micro", "--only", "cfrac"],
            2,
            "nothing to run: cfrac is not in suite micro, or not installed",
        ),
        (&["--rounds", "0"], 2, ""),
        (&["--", "no-such-program"], 127, "no-such-program: not found in PATH"),
        (&["--", "./text.so"], 126, "./text.so is neither an ELF program nor a script"),
    ] {
        let mut command = ready(&bench, &[]);
        let mut line = command_without_rounds(&bench);
        let command = if args[0] == "--rounds" { &mut line } else { &mut command };
        let done = finish(command.args(args), b"");
        assert_eq!(
            (done.status, done.err.lines().count(), &*done.out),
            (status, 1, ""),
            "{args:?}: {done:?}"
        );
        assert!(done.err.starts_with(&format!("gleaner: {said}")), "{args:?}: {}", done.err);
    }
    let done = run(&bench, &["--list"]);
    assert!(
        done.status == 0 && done.out.contains("\n  glibc ") && done.out.contains("\n  cfrac "),
        "{done:?}"
    );
    let done = run(&bench, &["--json", "/no/such/dir/x", "-a", "glibc", "--", "true"]);
    assert_eq!(
        (done.status, &*done.err),
        (1, "gleaner: cannot write /no/such/dir/x: No such file or directory\n")
    );
}
fn command_without_rounds(bench: &Bench) -> std::process::Command {
    let mut command = command(&["bench"]);
    command.env("GLEANER_LIB", bench.path("libgleaner.so")).current_dir(bench.path(""));
    command
}

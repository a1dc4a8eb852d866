//! `gleaner report --format`: each format read back as its readers read it.
use crate::bench::{Bench, Done, gleaner};
use serde_json::Value;
use std::path::PathBuf;

/// Two leaks of a program that is compiled here, one in a library that is not there, a mapping.
fn record(bench: &Bench) -> String {
    let text = "#include <stdlib.h>\nvoid *keep;\nstatic inline __attribute__((always_inline)) void *make(int n) {\n    \
                keep = malloc(n);\n    return keep;\n}\n__attribute__((noinline)) void *outer(int n) { void *p = make(n + 1); keep = 0; return p; }\n\
                int main(void) { return outer(3) == 0; }\n";
    let program = bench.compile("cc", "leak.c", text, &["-g", "-O2", "-fno-pie", "-no-pie"]);
    let call = bench.call_in(&program, "outer", "malloc");
    format!(
        "gleaner-record 1\npid 42\nexe {0}\nmode leak\nmodule 400000 500000 0 - {0}\n\
         module 7f0000000000 7f0000100000 7f0000000000 00ff /usr/lib/libgone<&>.so\n\
         stack 1 {call:x}\nstack 2 7f0000001235\n\
         leak direct 24 2 1\nleak indirect 500 1 1\nleak direct 7 1 2\nleak mapping 8192 1 1\nnote a <b> & c\nend 8723 5\n",
        program.display()
    )
}

fn written(bench: &Bench, record: &str, args: &[&str]) -> Done {
    let root = format!("--source-root={}", bench.path("").display());
    let rules = bench.file("known.supp", b"leak:never\nleak:^/usr/lib/libgone*so$\n", 0o644);
    let rules = format!("--suppressions={}", rules.display());
    gleaner(&[&["report", &root, &rules], args].concat(), record.as_bytes())
}

fn schema(path: &str) -> jsonschema::Validator {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

#[track_caller]
fn assert_valid(schema: &jsonschema::Validator, value: &Value) {
    let faults: Vec<String> =
        schema.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn json_as_the_schema_says() {
    let bench = Bench::new("schema");
    let done = written(&bench, &record(&bench), &["--format=json"]);
    let value: Value = serde_json::from_str(&done.out).unwrap();
    assert_valid(&schema("../docs/report.schema.json"), &value);
    let report = &value["reports"][0];
    let leak = &report["leaks"][0];
    assert_eq!((&leak["bytes"], &leak["own"], &leak["rule"]), (&24.into(), &0.into(), &"leak:^make$".into()));
    assert_eq!(report["suppressed"][0]["pattern"], "^/usr/lib/libgone*so$");
    assert!(report["unused"][0]["origin"].as_str().unwrap().ends_with("known.supp:1"));
    // A schema that takes anything shows nothing.
    let mut wrong = value.clone();
    wrong["reports"][0]["leaks"][0]["kind"] = "lost".into();
    assert!(!schema("../docs/report.schema.json").is_valid(&wrong));
    let audit = "gleaner-record 1\npid 1\nexe /x\nmode audit\nstack 1 99\nhidden 8 1 2 1 0 free\nend 8 1\n";
    let done = gleaner(&["report", "--format=json"], audit.as_bytes());
    assert_valid(&schema("../docs/report.schema.json"), &serde_json::from_str(&done.out).unwrap());
}

#[test]
fn sarif_for_a_code_scanning_upload() {
    let bench = Bench::new("sarif");
    let root = format!("--source-root={}", bench.path("").display());
    let record = record(&bench);
    let done = gleaner(&["report", "--format=sarif", &root], record.as_bytes());
    let value: Value = serde_json::from_str(&done.out).unwrap();
    assert_valid(&schema("tests/sarif.schema.json"), &value);
    let run = &value["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    let own = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(own["artifactLocation"]["uri"], "leak.c", "{own}");
    assert_eq!(
        (&own["artifactLocation"]["uriBaseId"], &own["region"]["startLine"]),
        (&"SRCROOT".into(), &4.into())
    );
    assert_eq!(results[0]["message"]["text"], "24 byte(s) in 2 object(s) were lost, from make, leak.c:4");
    let steps = results[0]["codeFlows"][0]["threadFlows"][0]["locations"].as_array().unwrap();
    assert_eq!(steps.last().unwrap()["location"]["message"]["text"], "make, leak.c:4");
    let gone = &results[1]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(gone["uri"], "file:///usr/lib/libgone%3C&%3E.so");
    for (result, id) in results.iter().zip(["leak/direct", "leak/direct", "leak/indirect", "leak/mapping"]) {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], id);
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], id);
    }
    // The same leaks have the same names in the next run, wherever the code lies then.
    let moved = record.replace("7f0000", "7e0000").replace("pid 42", "pid 43");
    let again: Value =
        serde_json::from_str(&gleaner(&["report", "--format=sarif", &root], moved.as_bytes()).out).unwrap();
    let prints = |run: &Value| -> Vec<Value> {
        run["results"].as_array().unwrap().iter().map(|r| r["partialFingerprints"].clone()).collect()
    };
    assert_eq!(prints(run), prints(&again["runs"][0]));
    let mut sorted: Vec<String> = prints(run).iter().map(Value::to_string).collect();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), 4);
}

#[test]
fn valgrinds_xml() {
    let bench = Bench::new("xml");
    let done = written(&bench, &record(&bench), &["--format=valgrind-xml"]);
    let document = roxmltree::Document::parse(&done.out).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "valgrindoutput");
    let children: Vec<&str> =
        root.children().filter(|n| n.is_element()).map(|n| n.tag_name().name()).collect();
    let head =
        ["protocolversion", "protocoltool", "preamble", "pid", "ppid", "tool", "args", "status", "status"];
    assert_eq!(children[..9], head);
    assert_eq!(children[children.len() - 2..], ["errorcounts", "suppcounts"]);
    let text = |node: roxmltree::Node<'_, '_>, name: &str| -> String {
        node.descendants().find(|n| n.has_tag_name(name)).and_then(|n| n.text()).unwrap_or("").to_owned()
    };
    assert_eq!((text(root, "protocolversion"), text(root, "pid")), ("4".into(), "42".into()));
    assert_eq!((text(root, "count"), text(root, "name")), ("1".into(), "^/usr/lib/libgone*so$".into()));
    let done = gleaner(&["report", "--format=valgrind-xml"], record(&bench).as_bytes());
    let document = roxmltree::Document::parse(&done.out).unwrap();
    let errors: Vec<_> = document.root_element().children().filter(|n| n.has_tag_name("error")).collect();
    let kinds: Vec<String> = errors.iter().map(|&error| text(error, "kind")).collect();
    let definite = "Leak_DefinitelyLost".to_owned();
    assert_eq!(kinds, [definite.clone(), definite.clone(), "Leak_IndirectlyLost".into(), definite]);
    assert_eq!((text(errors[0], "leakedbytes"), text(errors[0], "leakedblocks")), ("24".into(), "2".into()));
    assert_eq!(text(errors[0], "text"), "24 bytes in 2 blocks are definitely lost in loss record 1 of 4");
    assert_eq!((text(errors[0], "fn"), text(errors[0], "line")), ("make".into(), "4".into()));
    assert_eq!(text(errors[0], "file"), "leak.c");
    assert_eq!(text(errors[1], "obj"), "/usr/lib/libgone<&>.so");
}

#[test]
fn classes_in_each_format() {
    let bench = Bench::new("classes");
    let types = "type direct 8 1 1 500000 -\ntype direct 16 1 1 410000 3BoxIN2ns4PartEE\n\
                 type live 0 1 1 410000 A_6Widget\nway 1 stack 7ffe00000000 2 2\ngrowth 10 2 5 1 7 9 3 2 1\nend";
    let record = record(&bench).replace("\nend", &format!("\n{types}"));
    let text = gleaner(&["report"], record.as_bytes()).out;
    assert!(text.contains("\n  1 object of Box<ns::Part>\n\n"), "{text}");
    assert!(text.contains("\n  one of them is a Widget []\n"), "{text}");
    assert!(text.contains("\n  held by a stack -> libgone<&>.so+0x1234\n"), "{text}");
    let json = gleaner(&["report", "--format=json"], record.as_bytes()).out;
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_valid(&schema("../docs/report.schema.json"), &value);
    assert_eq!(value["reports"][0]["growth"][0]["held_by"][0], "a stack");
    let class = serde_json::json!([{"name": "Box<ns::Part>", "bytes": 16, "objects": 1}]);
    let report = &value["reports"][0];
    assert_eq!((&report["leaks"][0]["classes"], &report["leaks"][1]["classes"]), (&class, &Value::Null));
    assert_eq!(report["growth"][0]["class"], "Widget []");
    let sarif = gleaner(&["report", "--format=sarif"], record.as_bytes()).out;
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert_valid(&schema("tests/sarif.schema.json"), &sarif);
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(
        result["message"]["text"],
        "24 byte(s) in 2 object(s) were lost (1 object of Box<ns::Part>), from make, leak.c:4"
    );
    assert_eq!(result["properties"]["classes"], class);
    let xml = gleaner(&["report", "--format=valgrind-xml"], record.as_bytes()).out;
    let xml = roxmltree::Document::parse(&xml).unwrap();
    let told = xml.descendants().find(|n| n.has_tag_name("auxwhat")).unwrap();
    assert_eq!(told.text(), Some("1 object of Box<ns::Part>"));
}

#[test]
fn a_profile() {
    let bench = Bench::new("pprof");
    let out = bench.path("leaks.pb.gz");
    let file = out.to_str().unwrap();
    let done = gleaner(&["report", "--format=pprof", "-o", file], record(&bench).as_bytes());
    assert_eq!((done.status, &*done.out, &*done.err), (0, "", ""));
    let bytes = std::fs::read(&out).unwrap();
    assert_eq!(bytes[..2], [0x1f, 0x8b]);
    // The tool itself, where there is one.
    let Ok(top) = std::process::Command::new("go").args(["tool", "pprof", "-top", "-unit=B", file]).output()
    else {
        eprintln!("skipped: there is no go to run pprof with");
        return;
    };
    let top = String::from_utf8_lossy(&top.stdout).into_owned();
    assert!(top.contains("Type: inuse_space") && top.contains("make (inline)"), "{top}");
    assert!(top.contains("of 8723B total"), "{top}");
}

#[test]
fn folded_stacks_and_their_flame_graph() {
    let bench = Bench::new("folded");
    let record = record(&bench);
    let done = gleaner(&["report", "--format=folded"], record.as_bytes());
    assert_eq!(done.out, "program;libgone<&>.so+0x1234 7\nprogram;outer;make 8716\n");
    let done = gleaner(&["report", "--format=svg"], record.as_bytes());
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(&done.out, options).unwrap();
    let titles: Vec<&str> =
        document.descendants().filter(|n| n.has_tag_name("title")).filter_map(|n| n.text()).collect();
    assert!(titles.iter().any(|t| t.starts_with("make (8,716 bytes, 99.")), "{titles:?}");
    assert_eq!(gleaner(&["report", "--format=svg"], record.as_bytes()).out, done.out);
    // Nothing leaked: a picture that says so, and no line.
    let none = "gleaner-record 1\npid 42\nexe /x\nmode leak\nend 0 0\n";
    assert!(gleaner(&["report", "--format=svg"], none.as_bytes()).out.contains("nothing leaked"));
    assert_eq!(gleaner(&["report", "--format=folded"], none.as_bytes()).out, "");
}

#[test]
fn files_that_cannot_be_written() {
    let done = gleaner(&["report", "-o", "/no/such/dir/x"], b"gleaner-record 1\nend 0 0\n");
    assert_eq!(
        (done.status, &*done.err),
        (1, "gleaner: cannot write /no/such/dir/x: No such file or directory\n")
    );
    let done = gleaner(&["report", "-o", "/dev/full"], b"gleaner-record 1\nend 0 0\n");
    assert_eq!(
        (done.status, &*done.err),
        (1, "gleaner: cannot write to /dev/full: No space left on device\n")
    );
}

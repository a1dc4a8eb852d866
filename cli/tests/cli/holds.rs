//! What holds what, from the record to each format and the page.
use crate::bench::{Bench, gleaner};
use crate::browser::Browser;
use crate::page::page;
use serde_json::{Value, json};

/// Four stacks of a module that is not there: `one` and `two` lead to `both`, and `one` alone to `list`.
fn record() -> String {
    let mut record = "gleaner-record 1\npid 42\nexe /x\nmode leak\nmodule 1000 9000 0 - /nowhere/lib.so\n\
                      module a000 b000 a000 - /suppressed/lib.so\n"
        .to_owned();
    for (id, pcs) in [(1, "1101 5001"), (2, "a201 5001"), (3, "1301"), (4, "1401")] {
        record += &format!("stack {id} {pcs}\n");
    }
    record
        + "leak direct 24 1 1\nleak direct 100 2 2\nleak indirect 1600 100 3\nleak indirect 48 2 4\n\
           type indirect 1600 100 3 1500 N2ns4NodeE\n\
           root 1 1 0 24 1 1\nroot 2 1 2 100 2 2\nheld 3 1 1600 100 0 0 3\nheld 4 2 48 2 32 1 4\nend 1772 105\n"
}

fn schema() -> jsonschema::Validator {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/report.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn report(args: &[&str]) -> String {
    gleaner(&[&["report"], args].concat(), record().as_bytes()).out
}

#[test]
fn in_each_format() {
    let text = report(&[]);
    assert!(text.contains("\n  keeps 1600 bytes in 100 more objects\n\n"), "{text}");
    assert!(
        text.contains("\n  the roots of 2 cycles\n  keeps 16 bytes in 1 more object\n  leads to 32 bytes in 1 more object, as other leaks do\n"),
        "{text}"
    );
    let value: Value = serde_json::from_str(&report(&["--format=json"])).unwrap();
    assert!(schema().is_valid(&value));
    let report_of = &value["reports"][0];
    let leaks = report_of["leaks"].as_array().unwrap();
    let of = |bytes: u64| leaks.iter().position(|leak| leak["bytes"] == bytes).unwrap();
    assert_eq!(leaks[of(24)]["keeps"], json!({"bytes": 1600, "objects": 100}));
    assert_eq!((&leaks[of(100)]["cycles"], &leaks[of(100)]["shares"]["bytes"]), (&json!(2), &json!(32)));
    let none = json!({"bytes": 0, "objects": 0});
    let tree = json!([
        {"leak": of(24), "bytes": 24, "objects": 1, "shared": none},
        {"leak": of(100), "bytes": 100, "objects": 2, "shared": none},
        {"parent": 0, "leak": of(1600), "bytes": 1600, "objects": 100, "shared": none},
        {"parent": 1, "leak": of(48), "bytes": 48, "objects": 2, "shared": {"bytes": 32, "objects": 1}},
    ]);
    assert_eq!(report_of["tree"], tree);
    let sarif: Value = serde_json::from_str(&report(&["--format=sarif"])).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert!(results.iter().any(|r| r["properties"]["keeps"] == json!({"bytes": 1600, "objects": 100})));
    let xml = report(&["--format=valgrind-xml"]);
    assert!(xml.contains("<auxwhat>keeps 1600 bytes in 100 more objects</auxwhat>"), "{xml}");
}

/// Only what nobody else leads to goes with a suppressed leak; all of it when both are.
#[test]
fn what_only_suppressed_leaks_lead_to_is_not_told() {
    let bench = Bench::new("below");
    let rules = |text: &str| {
        let file = bench.file("rules", text.as_bytes(), 0o644);
        format!("--suppressions={}", file.display())
    };
    let text = report(&[&rules("leak:^/suppressed/lib.so$\n")]);
    assert!(
        text.contains("16 byte(s) in 1 object(s) that only suppressed leaks lead to are left out"),
        "{text}"
    );
    assert!(text.contains("Indirect leak of 32 byte(s) in 1 object(s)"), "{text}");
    assert!(text.contains("Indirect leak of 1600 byte(s)"), "{text}");
    assert!(text.contains("SUMMARY: LeakSanitizer: 1656 byte(s) leaked in 102 allocation(s)."), "{text}");
    // Both direct leaks come from one function.
    let record = record().replace("5001", "a501");
    let done = gleaner(&["report", &rules("leak:^/suppressed/lib.so$\n")], record.as_bytes());
    assert!(done.out.contains("gleaner: no leaks in /x"), "{}", done.out);
    assert!(done.out.contains("Suppressions used:\n"), "{}", done.out);
}

#[test]
fn a_damaged_tree_is_no_tree() {
    let lines = "held 5 9 1 1 0 0 3\nheld 6 6 1 1 0 0 3\nheld 7 4 1 1 9 9 77\nroot x\nheld 1 0 1 1 1 1 1\nend 1772 105\n";
    let damaged = record().replace("end 1772 105\n", lines);
    let done = gleaner(&["report", "--format=json"], damaged.as_bytes());
    let value: Value = serde_json::from_str(&done.out).unwrap();
    assert!(schema().is_valid(&value));
    assert_eq!(value["reports"][0]["tree"].as_array().unwrap().len(), 4);
    assert_eq!(value["reports"][0]["notes"].as_array().unwrap().len(), 4);
}

#[test]
fn the_retained_tree_in_the_page() {
    let bench = Bench::new("retained");
    let file = bench.file("a.rec", record().as_bytes(), 0o644);
    let page = page(&bench, &["report", file.to_str().unwrap()], "page.html");
    let Some(mut browser) = Browser::open(&bench.path("profile"), &page) else { return };
    let b = &mut browser;
    // By what goes when it is mended.
    b.click("th[data-column=retained] button");
    assert_eq!(b.text("tr.site td:last-child"), "1,624");
    b.click("tr.site");
    assert_eq!(b.text(".detail .classes"), "keeps 1,600 bytes in 100 more objects");
    b.key("r");
    let names = |b: &mut Browser| {
        b.is("[...document.querySelectorAll('#holders [role=treeitem]')].map((e) => e.querySelector('b').textContent + ' ' + e.getAttribute('aria-level'))")
    };
    assert_eq!(names(b), json!(["1,772 1", "1,624 2", "1,600 3", "148 2", "48 3"]));
    assert_eq!(b.text("#holders .class"), "ns::Node");
    b.picture("retained");
    // By keys: down, closed, open.
    b.is("document.querySelector('#holders [role=treeitem]').focus()");
    b.key("ArrowDown");
    b.key("ArrowLeft");
    let open = "document.activeElement.getAttribute('aria-expanded')";
    assert_eq!(b.is(open), "false");
    b.key("ArrowRight");
    assert_eq!(b.is(open), "true");
    // What is searched for stays, with what leads there.
    b.search("node");
    b.wait("document.querySelectorAll('#holders [role=treeitem]').length === 3");
    assert_eq!(b.text("#holders mark"), "Node");
    b.key("Escape");
    b.key("d");
    b.picture("retained-dark");
    b.size(420, 900);
    assert_eq!(b.is("document.documentElement.scrollWidth <= 420"), true);
    assert_eq!(b.said, Vec::<String>::new());
}

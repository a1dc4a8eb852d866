//! Live bytes over the checks: from records to JSON, and to the page.
use crate::bench::{Bench, gleaner};
use crate::browser::Browser;
use crate::page::page;
use serde_json::{Value, json};
use std::fmt::Write;

/// A check of a process after so many seconds, that tells the ones before.
fn record(seconds: u64) -> String {
    let mut record =
        "gleaner-record 1\npid 42\nexe /usr/bin/served\nmode leak\nmodule 1000 9000 0 - /nowhere/cache.so\n\
                      stack 1 1101 5001\nstack 2 1201 5001\nstack 3 1301\nleak direct 24 1 3\n\
                      growth 90000 90 20000 20 10000 9000 9 8 1\ntype live 0 1 1 1500 N2ns5EntryE\nway 1 mapped 77770000 2\n"
            .to_owned();
    for n in 0..=seconds {
        let wave = 40_000 + 20_000 * (n % 7);
        writeln!(
            record,
            "live {} {} {} {} 1:{} 2:{wave}",
            5000 + n * 1000,
            90_000 + n * n * 400 + wave,
            100 + n,
            n * 500,
            60_000 + n * n * 400
        )
        .unwrap();
    }
    // The end of the program, of which only the sums are known.
    writeln!(record, "live {} 150000 90 {}", 5500 + seconds * 1000, seconds * 500).unwrap();
    record + "end 24 1\n"
}

#[test]
fn in_json() {
    let both = record(8) + &record(9);
    let done = gleaner(&["report", "--format=json"], both.as_bytes());
    let value: Value = serde_json::from_str(&done.out).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/report.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&value));
    let [line] = &value["timeline"].as_array().unwrap()[..] else { panic!("{value}") };
    assert_eq!(line["places"], json!(["cache.so+0x1100", "cache.so+0x1200"]));
    // Ten checks of both, each once, and the two ends.
    let checks = line["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 12);
    assert_eq!(
        checks[1],
        json!({"at_ms": 6000, "bytes": 150_400, "objects": 101, "lost": 500, "top": [[0, 60_400], [1, 60_000]]})
    );
    assert!(checks.windows(2).all(|pair| pair[0]["at_ms"].as_u64() < pair[1]["at_ms"].as_u64()));
    let one = "gleaner-record 1\npid 1\nexe /x\nmode leak\nlive 1 2 3 4\nend 0 0\n";
    let done = gleaner(&["report", "--format=json"], one.as_bytes());
    assert_eq!(serde_json::from_str::<Value>(&done.out).unwrap()["timeline"], json!([]));
}

#[test]
fn in_the_page() {
    let bench = Bench::new("timeline");
    let file = bench.file("a.rec", record(60).as_bytes(), 0o644);
    let page = page(&bench, &["report", file.to_str().unwrap()], "page.html");
    let Some(mut browser) = Browser::open(&bench.path("profile"), &page) else { return };
    let b = &mut browser;
    b.key("l");
    assert_eq!(b.is("document.querySelector('#tab-time').getAttribute('aria-selected')"), "true");
    // Two places, all, and what is lost.
    assert_eq!(b.is("document.querySelectorAll('#lines svg path').length"), 4);
    assert_eq!(b.is("document.querySelectorAll('.legend li').length"), 4);
    let said = "After 61 s: 146.5 KiB in 90 objects reachable, 29.3 KiB lost";
    assert_eq!(b.text(".said").replace("60.5 s", "61 s"), said);
    b.is("document.querySelector('#lines svg').focus()");
    b.key("Home");
    assert_eq!(b.text(".said"), "After 0 s: 127.0 KiB in 100 objects reachable, 0 B lost");
    b.key("ArrowRight");
    assert_eq!(b.text(".said"), "After 1 s: 146.9 KiB in 101 objects reachable, 500 B lost");
    assert_eq!(b.text(".legend li:last-child"), "cache.so+0x120058.6 KiB");
    (0..35).for_each(|_| b.key("ArrowRight"));
    // What grows.
    assert_eq!(b.text("#growing tbody .class"), "ns::Entry");
    assert_eq!(b.text("#growing tbody td:nth-child(3)"), "+20,000");
    let held = "held by memory that the program mapped \u{2192} cache.so+0x1200";
    assert_eq!(b.text("#growing tbody td > :last-child"), held);
    b.picture("timeline");
    b.key("d");
    b.picture("timeline-dark");
    b.size(420, 900);
    b.wait("document.querySelector('#lines svg').viewBox.baseVal.width < 400");
    assert_eq!(b.is("document.documentElement.scrollWidth <= 420"), true);
    b.picture("timeline-narrow");
    assert_eq!(b.said, Vec::<String>::new());
}

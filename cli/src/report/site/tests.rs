use super::*;
use crate::names::Source;
use crate::record::Module;
use crate::suppress::matches;
use proptest::prelude::*;

fn record() -> Record {
    let module = |path: &str| Module { start: 0, end: 0, bias: 0, build_id: None, path: path.into() };
    Record {
        exe: "/usr/bin/x".into(),
        modules: vec![module("/usr/bin/x"), module("/lib/libc.so.6"), module("/home/me/libmine.so")],
        ..Record::default()
    }
}
fn frame(function: &str, file: &str, module: usize) -> Frame {
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Frame {
        pc: 5,
        function: known(function),
        linkage: None,
        source: known(file).map(|file| Source { file, line: 7, column: 0 }),
        place: Some((module, 0x10)),
        inlined: false,
    }
}

#[test]
fn the_readers_frame() {
    let record = record();
    for (stack, at) in [
        (vec![("__GI___strdup", "strdup.c", 1), ("book", "ledger.c", 0), ("main", "ledger.c", 0)], 1),
        (
            vec![
                ("operator new(unsigned long)", "", 1),
                ("std::vector<int>::push_back(int)", "/usr/include/c++/12/v.h", 0),
                ("f()", "a.cc", 2),
            ],
            2,
        ),
        (vec![("alloc::alloc::alloc", "/rustc/x/alloc.rs", 0), ("demo::main", "main.rs", 0)], 1),
        (vec![("fopen", "", 1), ("setlocale", "", 1)], 1),
        (vec![("zmalloc_usable", "zmalloc.c", 0), ("_sdsnewlen", "sds.c", 0)], 1),
        (vec![("_PyMem_RawMalloc", "", 0), ("PyMem_RawMalloc", "", 0), ("list_new", "", 0)], 2),
        // Somebody's own that is only named like one.
        (vec![("leak_malloc", "x.c", 0), ("main", "x.c", 0)], 0),
        (vec![("malloc", "", 1)], 0),
        (vec![("", "", 0), ("main", "x.c", 0)], 1),
        (vec![("", "", 0)], 0),
    ] {
        let frames: Vec<Frame> = stack.iter().map(|(f, s, m)| frame(f, s, *m)).collect();
        assert_eq!(own(&record, &frames.iter().collect::<Vec<_>>()), Some(at), "{stack:?}");
    }
    assert_eq!(own(&record, &[]), None);
}
#[test]
fn labels() {
    let record = record();
    assert_eq!(label(&record, &frame("f", "/a/b.c", 0)), "f, b.c:7");
    assert_eq!(label(&record, &frame("f", "", 2)), "f, in libmine.so");
    assert_eq!(label(&record, &frame("", "", 2)), "libmine.so+0x10");
}
#[test]
fn a_fingerprint_stays_when_lines_move() {
    let (record, here) = (record(), frame("f", "/a/b.c", 0));
    let mut moved = here.clone();
    (moved.pc, moved.source) = (99, Some(Source { file: "/other/b.c".into(), line: 70, column: 3 }));
    let print = |frame: &Frame| fingerprint(&record, "direct", &[frame]);
    assert_eq!(print(&here), print(&moved));
    assert_ne!(print(&here), print(&frame("g", "/a/b.c", 0)));
    assert_ne!(print(&here), fingerprint(&record, "indirect", &[&here]));
}
proptest! {
    /// Whatever a function is called, its rule is one line and holds for it.
    #[test]
    fn a_rule_holds_for_its_frame(name in "[a-z*$^ \\t\\n\u{1}<>:é]{1,12}") {
        let record = record();
        let Some(rule) = rule(&record, &frame(&name, "", 0)) else { return Ok(()) };
        prop_assert!(!rule.contains('\n'));
        let read = format!("leak:{rule}");
        let read = read.trim().strip_prefix("leak:").unwrap().to_owned();
        prop_assert!(matches(&read, &name) || name.trim().is_empty(), "{:?} {:?}", rule, name);
    }
}

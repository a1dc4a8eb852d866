use super::*;
use crate::names::Source;
use crate::record::Kind;
use crate::report::Finding;
use crate::suppress::Suppressions;
use std::rc::Rc;

fn leak(function: &str, line: u32, bytes: u64) -> Finding {
    let source = Some(Source { file: "/a/x.c".into(), line, column: 1 });
    let frame = Frame {
        pc: bytes,
        function: Some(function.into()),
        linkage: None,
        source,
        place: None,
        inlined: false,
    };
    Finding {
        kind: Kind::Direct,
        bytes,
        objects: 1,
        stack: vec![Rc::from([frame])],
        classes: Vec::new(),
        keeps: Default::default(),
    }
}
fn states(old: Vec<Finding>, new: Vec<Finding>) -> Vec<(State, u64, u64)> {
    let (record, rules) = (Record::default(), Suppressions::default());
    let found = |leaks| {
        [Findings {
            record: &record,
            leaks,
            tree: Vec::new(),
            hidden: Vec::new(),
            growth: Vec::new(),
            live: HashMap::new(),
            suppressions: &rules,
            notes: Vec::new(),
        }]
    };
    let (old, new) = (found(old), found(new));
    compare(&old, &new).iter().map(|c| (c.state, c.before.bytes, c.after.bytes)).collect()
}

#[test]
fn every_state() {
    let old = vec![leak("same", 1, 8), leak("grown", 2, 8), leak("shrunk", 3, 8), leak("gone", 4, 8)];
    let new = vec![leak("same", 1, 8), leak("grown", 2, 9), leak("shrunk", 3, 7), leak("new", 4, 8)];
    let expected = [
        (State::New, 0, 8),
        (State::Grown, 8, 9),
        (State::Shrunk, 8, 7),
        (State::Gone, 8, 0),
        (State::Same, 8, 8),
    ];
    assert_eq!(states(old, new), expected);
    assert_eq!(states(vec![], vec![]), []);
}
#[test]
fn lines_may_move() {
    // Both in one function, both a line further: told apart by their order.
    let old = vec![leak("f", 10, 100), leak("f", 20, 50)];
    let new = vec![leak("f", 11, 100), leak("f", 21, 60)];
    assert_eq!(states(old, new), [(State::Grown, 50, 60), (State::Same, 100, 100)]);
    // What stayed in its line is not taken for what moved.
    let old = vec![leak("f", 10, 100), leak("f", 20, 50)];
    let new = vec![leak("f", 20, 50)];
    assert_eq!(states(old, new), [(State::Gone, 100, 0), (State::Same, 50, 50)]);
}
#[test]
fn equal_places_are_one() {
    assert_eq!(
        states(vec![leak("f", 1, 8)], vec![leak("f", 1, 8), leak("f", 1, 8)]),
        [(State::Grown, 8, 16)]
    );
}

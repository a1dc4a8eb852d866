use super::granules::{self, Cells, GRANULE, LIMIT};
use super::*;
use crate::ground::critical;
use crate::pure::addr::Addr;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

/// There is one registry. Addresses are made up: nobody reads there.
static ALONE: Mutex<()> = Mutex::new(());
fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// 64 TiB: nothing of this process lies there, and in no other test.
const BASE: usize = 0x4000_0000_0000;

fn range(at: usize, size: usize) -> Adopt {
    Adopt { at: Addr(at), size, flags: flag::NOSCAN, cleanup: 1, arg: 0, via: 0 }
}

/// First byte, last byte, handle.
#[derive(Default)]
struct Model(Vec<(usize, usize, u64)>);

impl Model {
    fn touching(&self, lo: usize, last: usize) -> Vec<(usize, usize, u64)> {
        self.0.iter().copied().filter(|r| r.0 <= last && r.1 >= lo).collect()
    }
    fn lose(&mut self, lo: usize, last: usize) -> usize {
        let before = self.0.len();
        self.0.retain(|r| r.0 > last || r.1 < lo);
        before - self.0.len()
    }
    /// What a word keeps, in rising order.
    fn kept(&self, word: usize) -> Vec<usize> {
        let mut kept: Vec<_> =
            self.0.iter().filter(|r| (r.0..=r.1 + 1).contains(&word)).map(|r| r.0).collect();
        kept.sort_unstable();
        kept
    }
}

fn reached(word: usize) -> Vec<usize> {
    let Some(view) = View::marker() else { return Vec::new() };
    view.reach(word);
    after_marking(&view);
    super::marking::reached().into_iter().map(|a| a.0).collect()
}

#[derive(Clone, Debug)]
enum Op {
    Adopt(usize, usize),
    Cancel(usize),
    Unmap(usize, usize),
    Move(usize, usize, usize, usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    // Crowded, and some of it about the borders of granules.
    let at =
        prop_oneof![3 => 0usize..200, 1 => GRANULE - 50..GRANULE + 50, 1 => 3 * GRANULE..3 * GRANULE + 100];
    let size = prop_oneof![6 => 0usize..30, 1 => 0..2 * GRANULE];
    let op = prop_oneof![
        5 => (at.clone(), size.clone()).prop_map(|(at, size)| Op::Adopt(at, size)),
        2 => (0usize..100).prop_map(Op::Cancel),
        1 => (at.clone(), size.clone()).prop_map(|(at, size)| Op::Unmap(at, size)),
        1 => (at.clone(), size.clone(), at, size).prop_map(|(at, old, to, new)| Op::Move(at, old, to, new)),
    ];
    proptest::collection::vec(op, 0..120)
}

fn run(model: &mut Model, op: &Op) {
    let critical = critical::enter();
    match *op {
        Op::Adopt(at, size) => {
            let lo = BASE + at;
            let result = adopt(&critical, &range(lo, size));
            if size == 0 {
                assert_eq!(result, Err(Refused::Invalid));
            } else if !model.touching(lo, lo + size - 1).is_empty() {
                assert_eq!(result, Err(Refused::Exists));
            } else {
                model.0.push((lo, lo + size - 1, result.unwrap()));
            }
        }
        Op::Cancel(n) if model.0.is_empty() => assert_eq!(cancel(&critical, n as u64), Cancelled::Done),
        Op::Cancel(n) => {
            let (.., handle) = model.0.swap_remove(n % model.0.len());
            assert_eq!(cancel(&critical, handle), Cancelled::Cancelled);
            assert_eq!(cancel(&critical, handle), Cancelled::Done);
        }
        Op::Unmap(_, 0) => {}
        Op::Unmap(at, size) => {
            let (lo, last) = (BASE + at, BASE + at + size - 1);
            drop(critical);
            assert_eq!(unmapping(Addr(lo), Addr(last)), model.lose(lo, last));
        }
        Op::Move(_, 0, ..) | Op::Move(_, _, _, 0) => {}
        Op::Move(at, old, to, new) => {
            let (lo, last, to) = (BASE + at, BASE + at + old - 1, BASE + (16 << 20) + to);
            moving(&critical, Addr(lo), Addr(last)).moved(Addr(to), new);
            model.lose(to, to + new - 1);
            for (first, end, handle) in model.touching(lo, last) {
                model.lose(first, end);
                if first >= lo && end <= last && first - lo < new {
                    let end = (end - lo).min(new - 1);
                    model.0.push((to + (first - lo), to + end, handle));
                }
            }
        }
    }
}

fn compare(model: &Model) {
    let mut all: Vec<_> = model.0.iter().map(|r| (r.0, r.1)).collect();
    all.sort_unstable();
    assert_eq!(super::registry::all(), all);
    let words = model.0.iter().flat_map(|r| [r.0 - 1, r.0, (r.0 + r.1) / 2, r.1, r.1 + 1, r.1 + 2]);
    for word in words.take(60) {
        assert_eq!(reached(word), model.kept(word), "{word:x}");
        if !model.kept(word).is_empty() {
            assert!(is_near(Addr(word - 1), Addr(word)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    /// CL2, CL4, CL6: overlap, adjacency, what a word keeps, what unmapping and moving take along.
    #[test]
    fn registry_agrees_with_the_model(ops in ops()) {
        let _alone = alone();
        let mut model = Model::default();
        for (i, op) in ops.iter().enumerate() {
            run(&mut model, op);
            if i % 8 == 0 {
                compare(&model);
            }
        }
        compare(&model);
        for (.., handle) in model.0.drain(..) {
            assert_eq!(cancel(&critical::enter(), handle), Cancelled::Cancelled);
        }
        assert!(!anything());
    }
}

/// CL2.
#[test]
fn what_no_range_can_be_is_refused() {
    let _alone = alone();
    let critical = critical::enter();
    let refused = |r: Adopt| assert_eq!(adopt(&critical, &r), Err(Refused::Invalid), "{r:?}");
    refused(range(BASE, 0));
    refused(range(0, 16));
    refused(range(BASE, usize::MAX));
    refused(range(usize::MAX - 9, 11));
    refused(range(usize::MAX, 1));
    refused(Adopt { cleanup: 0, ..range(BASE, 1) });
    for flags in [0, flag::SCAN | flag::NOSCAN, 8 | flag::SCAN, flag::THIS_PROCESS] {
        refused(Adopt { flags, ..range(BASE, 1) });
    }
    // The last range that has a byte behind it.
    let top = adopt(&critical, &range(usize::MAX - 9, 9)).unwrap();
    assert_eq!(reached(usize::MAX), [usize::MAX - 9]);
    assert_eq!(cancel(&critical, top), Cancelled::Cancelled);
    // Memory of ours, and a range that only touches it.
    let (ours, _) = crate::pages::own::next(Addr(0)).unwrap();
    refused(range(ours.0 - 1, 2));
    refused(range(ours.0 + 5, 1));
}

#[test]
fn a_contents_is_scanned_once_and_only_when_reached() {
    let _alone = alone();
    let critical = critical::enter();
    let make = |at, flags| adopt(&critical, &Adopt { flags, ..range(at, 0x1000) }).unwrap();
    let all = [make(BASE, flag::SCAN), make(BASE + 0x1000, flag::NOSCAN), make(BASE + 0x3000, flag::SCAN)];
    let view = View::marker().unwrap();
    assert!(view.reach(BASE + 7) && !view.reach(BASE + 8));
    assert_eq!(view.next(), Some((Addr(BASE), Addr(BASE + 0x1000))));
    // One past the end of the first, and the first byte of the second.
    assert!(view.reach(BASE + 0x1000) && !view.reach(BASE + 0x2fff));
    assert_eq!(view.next(), None);
    assert_eq!(view.white(), Some((BASE + 0x3000, BASE + 0x4000)));
    assert_eq!(view.scanned_from(Addr(BASE + 1)), Some((Addr(BASE), Addr(BASE + 0x1000))));
    assert_eq!(view.scanned_from(Addr(BASE + 0x1000)), None);
    // The checker sees for itself, and says what the marker missed.
    let checker = View::checker().unwrap();
    assert!(checker.reach(BASE) && checker.first_missed_by(&view).is_none());
    assert!(checker.reach(BASE + 0x3001));
    assert_eq!(checker.first_missed_by(&view), Some(Addr(BASE + 0x3000)));
    assert!(view.reach_start(BASE + 0x3000) && !view.reach_start(BASE + 0x3000));
    for handle in all {
        assert_eq!(cancel(&critical, handle), Cancelled::Cancelled);
    }
}

/// CL1, CL3: the way of one cleanup, and what cancel says on it.
#[test]
fn a_range_dies_once() {
    let _alone = alone();
    let critical = critical::enter();
    let live = adopt(&critical, &range(BASE, 10)).unwrap();
    let dead = adopt(&critical, &Adopt { cleanup: 77, arg: 88, ..range(BASE + 100, 10) }).unwrap();
    let cycle = |needed| {
        let view = View::marker().unwrap();
        view.reach(BASE + 10);
        after_marking(&view);
        age(&critical, needed, true)
    };
    assert_eq!(cycle(2), Aged { unreachable: 1, died: 0 });
    assert_eq!(age(&critical, 1, false).died, 0, "not allowed");
    assert_eq!(begin(&critical, dead), None);
    assert_eq!(cycle(2), Aged { unreachable: 1, died: 1 });
    assert_eq!(cycle(1), Aged { unreachable: 0, died: 0 });
    assert_eq!(cancel(&critical, dead), Cancelled::QueuedOrRunning);
    assert_eq!(adopt(&critical, &range(BASE + 100, 10)), Err(Refused::Exists));
    assert_eq!(begin(&critical, dead), Some(Dead { at: Addr(BASE + 100), size: 10, cleanup: 77, arg: 88 }));
    assert_eq!((begin(&critical, dead), cancel(&critical, dead)), (None, Cancelled::QueuedOrRunning));
    let again = adopt(&critical, &range(BASE + 100, 10)).unwrap();
    let mut arguments = Vec::new();
    each_argument(&mut |a| arguments.push(a));
    assert!(arguments.contains(&88), "the cleanup is not over");
    done(&critical, dead);
    assert_eq!(cancel(&critical, dead), Cancelled::Done);
    // Unmapped between its death and its cleanup.
    assert_eq!(cycle(1).died, 1);
    drop(critical);
    assert_eq!(unmapping(Addr(BASE + 109), Addr(BASE + 200)), 1);
    let critical = critical::enter();
    assert_eq!((begin(&critical, again), cancel(&critical, again)), (None, Cancelled::Done));
    // Unmapped by a handler in the middle of us: nothing that was adopted then dies any more.
    unnoticed();
    assert_eq!(cancel(&critical, 0), Cancelled::Done);
    let young = adopt(&critical, &range(BASE + 300, 1)).unwrap();
    let view = View::marker().unwrap();
    after_marking(&view);
    assert_eq!(age(&critical, 1, true).died, 1);
    assert_eq!(cancel(&critical, live), Cancelled::Cancelled);
    assert!(begin(&critical, young).is_some());
    done(&critical, young);
}

#[test]
fn a_shrunk_range_keeps_its_start() {
    let _alone = alone();
    let critical = critical::enter();
    let [a, b, c] = [0, 0x1800, 0x3000].map(|at| adopt(&critical, &range(BASE + at, 0x1000)).unwrap());
    let shrink = |to| moving(&critical, Addr(BASE), Addr(BASE + 0x3fff)).moved(Addr(BASE), to);
    assert_eq!(shrink(0x2000), 1);
    assert_eq!(super::registry::all(), [(BASE, BASE + 0xfff), (BASE + 0x1800, BASE + 0x1fff)]);
    assert_eq!(shrink(0x8000), 0);
    assert_eq!([a, b, c].map(|h| cancel(&critical, h) == Cancelled::Cancelled), [true, true, false]);
    let d = adopt(&critical, &range(BASE, 1)).unwrap();
    assert_eq!(moving(&critical, Addr(BASE), Addr(BASE + 0xfff)).doubled(), 1);
    assert_eq!(cancel(&critical, d), Cancelled::Done);
}

/// The filter's words that are not zero.
#[derive(Default)]
struct Few(Mutex<HashMap<usize, u64>>);
impl Cells for Few {
    fn load(&self, at: usize) -> u64 {
        *self.0.lock().unwrap().get(&at).unwrap_or(&0)
    }
    fn or(&self, at: usize, bits: u64) {
        *self.0.lock().unwrap().entry(at).or_default() |= bits;
    }
    fn and(&self, at: usize, bits: u64) {
        *self.0.lock().unwrap().entry(at).or_default() &= bits;
    }
}

proptest! {
    /// A bit for each granule with a range, and no other; addresses without bits pass.
    #[test]
    fn filter_agrees_with_the_model(
        script in proptest::collection::vec((0usize..400, 1usize..80, prop::bool::ANY), 0..60),
        top in prop::bool::ANY,
    ) {
        const UNIT: usize = GRANULE / 4;
        let base = if top { LIMIT - 200 * UNIT } else { 0x7f00_0000_0000 };
        let (cells, mut model) = (Few::default(), Vec::<(usize, usize)>::new());
        for (at, len, add) in script {
            let (lo, last) = (base + at * UNIT, base + (at + len) * UNIT - 1);
            let touches = |m: &(usize, usize)| m.0 <= last && m.1 >= lo;
            if add && !model.iter().any(touches) {
                granules::set(&cells, lo, last);
                model.push((lo, last));
            } else if let Some(i) = model.iter().position(touches) {
                let (lo, last) = model.swap_remove(i);
                let held = |from: usize, to: usize| model.iter().any(|m| m.0 <= to && m.1 >= from);
                granules::clear(&cells, lo, last, &held);
            }
            for unit in (0..520).step_by(3) {
                let granule = (base + unit * UNIT) & !(GRANULE - 1);
                let end = granule + GRANULE - 1;
                let held = model.iter().any(|m| m.0 <= end && m.1 >= granule);
                prop_assert_eq!(granules::holds(&cells, granule), held || granule >= LIMIT);
                prop_assert_eq!(granules::any(&cells, granule, end), held || end >= LIMIT);
            }
        }
    }
}

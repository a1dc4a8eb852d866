use super::*;
use crate::ground::critical;
use crate::pages::metadata;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The naive oracle: first byte → (last byte, record).
#[derive(Default, Clone, Debug)]
struct Model(BTreeMap<usize, (usize, Record)>);

impl Model {
    fn remove(&mut self, lo: usize, last: usize) -> usize {
        let hit: Vec<_> =
            self.0.range(..=last).filter(|(_, v)| v.0 >= lo).map(|(&first, &v)| (first, v)).collect();
        for &(first, (end, record)) in &hit {
            self.0.remove(&first);
            if first < lo {
                self.0.insert(first, (lo - 1, record));
            }
            if end > last {
                self.0.insert(last + 1, (end, record));
            }
        }
        hit.len()
    }
    fn insert(&mut self, lo: usize, last: usize, record: Record) {
        self.remove(lo, last);
        self.0.insert(lo, (last, record));
    }
    fn find(&self, at: usize) -> Option<Range> {
        let (&lo, &(last, record)) = self.0.range(..=at).next_back()?;
        (at <= last).then_some(Range { lo: Addr(lo), last: Addr(last), record })
    }
    fn all(&self) -> Vec<Range> {
        self.0.iter().map(|(&lo, &(last, record))| Range { lo: Addr(lo), last: Addr(last), record }).collect()
    }
}

fn record(n: u32) -> Record {
    Record { prot: n as u8 & 7, flags: (n >> 3) as u8 & 1, kind: Kind::Mapped, stack: n }
}

fn compare(tree: &Ranges, model: &Model, probes: &[usize]) {
    tree.check();
    assert_eq!(tree.len(), model.0.len());
    assert_eq!(tree.iter_from(Addr(0)).collect::<Vec<_>>(), model.all());
    for &at in probes {
        assert_eq!(tree.find(Addr(at)), model.find(at), "at {at:x}");
        let above = model.find(at).or_else(|| {
            let (&lo, &(last, record)) = model.0.range(at..).next()?;
            Some(Range { lo: Addr(lo), last: Addr(last), record })
        });
        assert_eq!(tree.at_or_above(Addr(at)), above, "from {at:x}");
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert(usize, usize),
    Remove(usize, usize),
}

/// Addresses crowd, so that operations meet, and reach both ends of the address space.
fn ops(span: usize, count: usize) -> impl Strategy<Value = Vec<Op>> {
    let place = prop_oneof![8 => Just(0x7f00_0000_0000usize), 1 => Just(0), 1 => Just(usize::MAX - span)];
    let length = prop_oneof![6 => 0usize..4, 3 => 0usize..40, 1 => 0..span];
    let op = (place, 0..span, length, prop::bool::weighted(0.6)).prop_map(|(base, at, len, insert)| {
        let lo = base + at;
        let last = lo.saturating_add(len);
        if insert { Op::Insert(lo, last) } else { Op::Remove(lo, last) }
    });
    proptest::collection::vec(op, 0..count)
}

fn run(ops: &[Op], every: usize) {
    let critical = critical::enter();
    let (mut tree, mut model) = (Ranges::new(metadata::alloc), Model::default());
    for (i, op) in ops.iter().enumerate() {
        let (lo, last) = match *op {
            Op::Insert(lo, last) => {
                tree.insert(&critical, Addr(lo), Addr(last), record(i as u32)).unwrap();
                model.insert(lo, last, record(i as u32));
                (lo, last)
            }
            Op::Remove(lo, last) => {
                let touched = tree.remove(&critical, Addr(lo), Addr(last)).unwrap();
                assert_eq!(touched, model.remove(lo, last));
                (lo, last)
            }
        };
        if i % every == 0 {
            let probes = [0, lo, lo.saturating_sub(1), last, last.saturating_add(1), usize::MAX];
            compare(&tree, &model, &probes);
        }
    }
    let probes: Vec<usize> = model.0.iter().flat_map(|(&lo, v)| [lo, v.0, v.0.saturating_add(1)]).collect();
    compare(&tree, &model, &probes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn agrees_with_the_model_when_small(ops in ops(300, 300)) {
        run(&ops, 1);
    }
    #[test]
    fn agrees_with_the_model_when_deep(ops in ops(30_000, 3000)) {
        run(&ops, 500);
    }
}

#[test]
fn empty_adjacent_and_maximal() {
    let critical = critical::enter();
    let mut tree = Ranges::<Record>::new(metadata::alloc);
    assert_eq!((tree.find(Addr(5)), tree.at_or_above(Addr(0)), tree.len()), (None, None, 0));
    assert_eq!(tree.remove(&critical, Addr(0), Addr(usize::MAX)), Ok(0));
    tree.insert(&critical, Addr(0), Addr(usize::MAX), record(1)).unwrap();
    assert_eq!(tree.find(Addr(usize::MAX)).unwrap().record, record(1));
    // A hole in everything, then its two neighbours touch it again.
    tree.remove(&critical, Addr(100), Addr(199)).unwrap();
    tree.insert(&critical, Addr(100), Addr(149), record(2)).unwrap();
    tree.insert(&critical, Addr(150), Addr(199), record(3)).unwrap();
    tree.check();
    let all: Vec<_> = tree.iter_from(Addr(99)).map(|r| (r.lo.0, r.last.0)).collect();
    assert_eq!(all, [(0, 99), (100, 149), (150, 199), (200, usize::MAX)]);
    assert_eq!(tree.remove(&critical, Addr(0), Addr(usize::MAX)), Ok(4));
    tree.check();
    assert!(tree.is_empty());
}

#[test]
fn rising_falling_and_drained_in_every_order() {
    let critical = critical::enter();
    const N: usize = 5000;
    let spot = |i: usize| (Addr(i * 0x3000), Addr(i * 0x3000 + 0xfff));
    for fill in 0..2 {
        for drain in 0..3 {
            let mut tree = Ranges::new(metadata::alloc);
            for i in 0..N {
                let (lo, last) = spot(if fill == 0 { i } else { N - 1 - i });
                tree.insert(&critical, lo, last, record(i as u32)).unwrap();
            }
            tree.check();
            assert_eq!(tree.len(), N);
            for i in 0..N {
                let i = [i, N - 1 - i, i * 2741 % N][drain];
                let (lo, last) = spot(i);
                assert_eq!(tree.remove(&critical, lo, last), Ok(1));
                if i.is_multiple_of(64) {
                    tree.check();
                }
            }
            tree.check();
            assert!(tree.is_empty());
        }
    }
}

#[test]
fn without_memory_nothing_changes() {
    fn none(_: &Critical, _: usize, _: usize) -> Option<Addr> {
        None
    }
    let critical = critical::enter();
    let mut tree = Ranges::<Record>::new(none);
    assert_eq!(tree.insert(&critical, Addr(1), Addr(2), record(1)), Err(NoMemory));
    tree.check();
    let mut tree = Ranges::new(metadata::alloc);
    let mut stored = 0;
    tree.insert(&critical, Addr(0), Addr(0), record(0)).unwrap();
    tree.source = none;
    for i in 1..1000 {
        let before: Vec<_> = tree.iter_from(Addr(0)).collect();
        if tree.insert(&critical, Addr(i * 10), Addr(i * 10 + 5), record(1)).is_err() {
            assert_eq!(tree.iter_from(Addr(0)).collect::<Vec<_>>(), before);
        } else {
            stored += 1;
        }
        tree.check();
    }
    assert!(stored > 0 && stored < 900);
}

#[test]
fn records_keep_their_words() {
    for kind in [Kind::Mapped, Kind::Escaped, Kind::Brk, Kind::Guard] {
        let r = Record { prot: 7, flags: 0x81, kind, stack: u32::MAX };
        assert_eq!(Record::unpack(r.pack()), r);
    }
}

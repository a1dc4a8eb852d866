//! The B-tree of mappings beside the standard library's map.
use criterion::Criterion;
use gleaner_benches::Random;
use gleaner_core::ground::critical;
use gleaner_core::pages::metadata;
use gleaner_core::pages::ranges::{Ranges, Record};
use gleaner_core::pure::addr::Addr;
use std::collections::BTreeMap;

/// Ranges of two pages, three pages apart.
const STRIDE: usize = 0x5000;
const LAST: usize = 0x1fff;

pub fn ranges(c: &mut Criterion) {
    let mut group = c.benchmark_group("ranges");
    let critical = critical::enter();
    for n in [100usize, 1000, 100_000] {
        let mut ours = Ranges::new(metadata::alloc);
        let mut std = BTreeMap::new();
        for i in 0..n {
            let lo = i * 48_271 % n * STRIDE;
            ours.insert(&critical, Addr(lo), Addr(lo + LAST), Record::default()).expect("memory");
            std.insert(lo, lo + LAST);
        }
        let mut random = Random::default();
        group.bench_function(format!("find in {n}"), |b| {
            b.iter(|| ours.find(Addr(random.below(n * STRIDE))).is_some());
        });
        group.bench_function(format!("find in {n}, BTreeMap"), |b| {
            b.iter(|| {
                let at = random.below(n * STRIDE);
                std.range(..=at).next_back().is_some_and(|(_, &last)| at <= last)
            });
        });
        group.bench_function(format!("remove and insert in {n}"), |b| {
            b.iter(|| {
                let lo = random.below(n) * STRIDE;
                ours.remove(&critical, Addr(lo), Addr(lo + LAST)).expect("memory");
                ours.insert(&critical, Addr(lo), Addr(lo + LAST), Record::default()).expect("memory");
            });
        });
    }
    group.finish();
}

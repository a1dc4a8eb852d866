//! The B-tree of ranges beside the standard library's map and the crate rangemap; and adopted ranges as a
//! marker looks them up, with the filter in front of the tree.
use criterion::Criterion;
use gleaner_benches::Random;
use gleaner_core::adopted::{self, Adopt, View};
use gleaner_core::ground::critical;
use gleaner_core::pages::metadata;
use gleaner_core::pages::ranges::{Ranges, Record};
use gleaner_core::pure::addr::Addr;
use gleaner_core::sys::process::thread_ns;
use rangemap::RangeInclusiveMap;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

/// Ranges of two pages, three pages apart.
const STRIDE: usize = 0x5000;
const LAST: usize = 0x1fff;

pub fn ranges(c: &mut Criterion) {
    let mut group = c.benchmark_group("ranges");
    let critical = critical::enter();
    for n in [100usize, 1000, 100_000] {
        let mut ours = Ranges::new(metadata::alloc);
        let (mut std, mut map) = (BTreeMap::new(), RangeInclusiveMap::new());
        for i in 0..n {
            let lo = i * 48_271 % n * STRIDE;
            ours.insert(&critical, Addr(lo), Addr(lo + LAST), Record::default()).expect("memory");
            std.insert(lo, lo + LAST);
            map.insert(lo..=lo + LAST, i);
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
        let words: Vec<usize> = (0..1024).map(|_| random.below(n) * STRIDE + 0x1234).collect();
        group.bench_function(format!("hit in {n}, warm"), |b| {
            look(b, &words, |w| ours.find(Addr(w)).is_some())
        });
        group.bench_function(format!("hit in {n}, warm, BTreeMap"), |b| {
            look(b, &words, |w| std.range(..=w).next_back().is_some_and(|(_, &last)| w <= last));
        });
        group.bench_function(format!("hit in {n}, warm, rangemap"), |b| {
            look(b, &words, |w| map.get(&w).is_some());
        });
        group.bench_function(format!("find in {n}, rangemap"), |b| {
            b.iter(|| map.get(&random.below(n * STRIDE)).is_some());
        });
        group.bench_function(format!("remove and insert in {n}, rangemap"), |b| {
            b.iter(|| {
                let lo = random.below(n) * STRIDE;
                map.remove(lo..=lo + LAST);
                map.insert(lo..=lo + LAST, lo);
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

/// Looks all the words up in turn; the time of this thread alone counts, for one word.
fn look(b: &mut criterion::Bencher<'_>, words: &[usize], f: impl Fn(usize) -> bool) {
    b.iter_custom(|rounds| {
        let began = thread_ns();
        for _ in 0..rounds {
            for &word in words {
                black_box(f(black_box(word)));
            }
        }
        Duration::from_nanos(thread_ns() - began) / words.len() as u32
    });
}

/// What a word that is not the heap's costs the marker.
pub fn adopted(c: &mut Criterion) {
    const BASE: usize = 0x7000_0000_0000;
    const WORDS: usize = 1024;
    let critical = critical::enter();
    let mut random = Random::default();
    let mut group = c.benchmark_group("adopted");
    let words: Vec<usize> = (0..WORDS).map(|_| BASE + random.below(1 << 40)).collect();
    group.bench_function("look-up, nothing adopted", |b| {
        let view = View::marker();
        look(b, &words, |word| view.as_ref().is_some_and(|view| view.reach(word)));
    });
    for n in [1000, 100_000] {
        // In runs of a thousand, runs 4 GiB apart.
        let place = |i: usize| BASE + i / 1000 * (4 << 30) + i % 1000 * STRIDE;
        let adopt = |i: usize| {
            let range = Adopt {
                at: Addr(place(i)),
                size: LAST + 1,
                flags: adopted::flag::NOSCAN,
                cleanup: 1,
                arg: 0,
                via: 0,
            };
            adopted::adopt(&critical, &range).expect("memory")
        };
        let mut handles: Vec<u64> = (0..n).map(adopt).collect();
        let view = View::marker().expect("ranges");
        let mut inside: Vec<usize> =
            (0..WORDS).map(|_| place(random.below(n)) + random.below(LAST)).collect();
        group.bench_function(format!("look-up in one of {n}"), |b| look(b, &inside, |w| view.reach(w)));
        inside.iter_mut().for_each(|word| *word = place(random.below(n)) + LAST + 0x1000);
        group.bench_function(format!("look-up between two of {n}"), |b| look(b, &inside, |w| view.reach(w)));
        inside.iter_mut().for_each(|word| *word += 2 << 30);
        group.bench_function(format!("look-up far from all of {n}"), |b| look(b, &inside, |w| view.reach(w)));
        group.bench_function(format!("munmap's question, {n}"), |b| {
            look(b, &inside, |w| adopted::is_near(Addr(w), Addr(w + 0xfff)));
        });
        group.bench_function(format!("cancel and adopt, {n}"), |b| {
            b.iter(|| {
                let i = random.below(n);
                adopted::cancel(&critical, handles[i]);
                handles[i] = adopt(i);
            });
        });
        for handle in handles {
            adopted::cancel(&critical, handle);
        }
    }
    group.finish();
}

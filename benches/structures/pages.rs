//! L3: the summary tree and the page cache before it.
use criterion::Criterion;
use gleaner_benches::Random;
use gleaner_core::ground::critical;
use gleaner_core::pages::{self, PageCache, Run};
use std::hint::black_box;

/// Pages in the fragmented heap, half of which stay in use.
const FRAGMENTED: usize = 1 << 15;

pub fn pages(c: &mut Criterion) {
    let mut group = c.benchmark_group("pages");
    let critical = critical::enter();
    let mut cache = PageCache::default();
    for n in [1usize, 16, 512, 4096] {
        group.bench_function(format!("alloc and free {n}"), |b| {
            b.iter(|| {
                let run = pages::alloc(&critical, &mut cache, black_box(n), false).expect("pages");
                pages::free(&critical, run.base, n);
            });
        });
    }
    // Every second page stays in use: single pages are anywhere, two in a row are only at the end.
    let runs: Vec<Run> =
        (0..FRAGMENTED).map(|_| pages::alloc(&critical, &mut cache, 1, false).expect("pages")).collect();
    let (kept, mut holes): (Vec<_>, Vec<_>) =
        runs.into_iter().partition(|run| (run.base.0 >> 12).is_multiple_of(2));
    Random::default().shuffle(&mut holes);
    holes.iter().for_each(|run| pages::free(&critical, run.base, 1));
    for n in [1usize, 2] {
        group.bench_function(format!("alloc and free {n} among holes"), |b| {
            b.iter(|| {
                let run = pages::alloc(&critical, &mut cache, black_box(n), false).expect("pages");
                pages::free(&critical, run.base, n);
            });
        });
    }
    pages::flush(&critical, &mut cache);
    kept.iter().for_each(|run| pages::free(&critical, run.base, 1));
    group.finish();
}

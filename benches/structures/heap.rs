//! L4 and L5: what malloc and free call, without the C entry points.
use criterion::{BatchSize, Criterion, Throughput};
use gleaner_benches::Random;
use gleaner_core::ground::critical;
use gleaner_core::heap::resize::{self, Trace};
use gleaner_core::heap::secure::How;
use gleaner_core::heap::{fast, release};
use gleaner_core::pure::addr::Addr;
use gleaner_core::spans::map;
use std::hint::black_box;

/// As `runtime::memory::malloc` does it, without statistics and collections.
pub fn alloc(n: usize) -> usize {
    let fast = fast::malloc(n);
    if !fast.is_null() {
        return fast as usize;
    }
    let critical = critical::enter();
    assert!(resize::attach(&critical, false));
    resize::alloc(&critical, n, Trace { stack: 0, watched: false, how: How::Malloc }).at as usize
}

pub fn free(at: usize) {
    let p = at as *mut u8;
    // SAFETY: from `alloc`, and forgotten by its caller.
    unsafe {
        match fast::free(p) {
            fast::Freed::Done => {}
            fast::Freed::Full => release::bin_full(&critical::enter(), p),
            fast::Freed::Special => {
                release::free(&critical::enter(), p);
            }
        }
    }
}

pub fn heap(c: &mut Criterion) {
    let mut group = c.benchmark_group("heap");
    for n in [16usize, 64, 1024, 4096, 64 << 10, 1 << 20] {
        group.bench_function(format!("pair {n} B"), |b| b.iter(|| free(alloc(black_box(n)))));
    }
    const BATCH: usize = 10_000;
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("10,000 of 64 B, freed shuffled", |b| {
        let mut random = Random::default();
        b.iter_batched(
            || {
                let mut order: Vec<usize> = (0..BATCH).collect();
                random.shuffle(&mut order);
                order
            },
            |order| {
                let blocks: Vec<usize> = (0..BATCH).map(|_| alloc(64)).collect();
                order.iter().for_each(|&i| free(blocks[i]));
            },
            BatchSize::LargeInput,
        );
    });
    group.throughput(Throughput::Elements(1));
    let blocks: Vec<usize> = (0..BATCH).map(|_| alloc(64)).collect();
    let mut random = Random::default();
    group.bench_function("address to span", |b| {
        b.iter(|| map::lookup(Addr(blocks[random.below(BATCH)])).is_some());
    });
    blocks.into_iter().for_each(free);
    group.finish();
}

//! L9: what a call stack costs each allocation in leak mode.
use criterion::Criterion;
use gleaner_core::leak::depot;
use gleaner_core::leak::unwind::{capture, memo, modules_changed};
use std::hint::black_box;

const FRAMES: usize = 28;

#[inline(never)]
fn deep(levels: usize, f: &mut dyn FnMut()) {
    if levels == 0 {
        f()
    } else {
        deep(levels - 1, f)
    }
    black_box(levels);
}

pub fn stacks(c: &mut Criterion) {
    let mut group = c.benchmark_group("stacks");
    let mut out = [0; FRAMES];
    deep(FRAMES + 12, &mut || {
        group.bench_function("capture 28 frames, no memo", |b| {
            b.iter(|| assert_eq!(capture(&mut out), FRAMES));
        });
        group.bench_function("capture 28 frames, again", |b| b.iter(|| black_box(memo::number(FRAMES))));
        group.bench_function("capture 28 frames, rules forgotten", |b| {
            b.iter(|| {
                modules_changed();
                assert_eq!(capture(&mut out), FRAMES);
            });
        });
        let n = capture(&mut out);
        group.bench_function("intern 28 frames", |b| b.iter(|| depot::intern(black_box(&out[..n]))));
    });
    group.finish();
}

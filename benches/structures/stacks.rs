//! L9: what a call stack costs each allocation in leak mode.
use criterion::Criterion;
use gleaner_core::leak::depot;
use gleaner_core::leak::unwind::{capture, memo, modules_changed};
use std::hint::black_box;
use std::time::{Duration, Instant};

const FRAMES: usize = 28;
/// As the option `stacks` has it.
const DEPTH: usize = 64;

#[inline(never)]
fn deep(levels: usize, f: &mut dyn FnMut()) {
    if levels == 0 {
        f()
    } else {
        deep(levels - 1, f)
    }
    black_box(levels);
}

/// Of the calls of `f`, at the bottom of a stack of just so many frames; by the clock, `rounds` of them.
fn timed(rounds: u64, f: &mut dyn FnMut()) -> Duration {
    let fits = |&levels: &usize| {
        let mut frames = 0;
        deep(levels, &mut || frames = capture(&mut [0; 2 * FRAMES]));
        frames == FRAMES
    };
    let levels = (0..FRAMES).find(fits).expect("the bench's own stack is not that deep");
    let mut taken = Duration::ZERO;
    deep(levels, &mut || {
        let begun = Instant::now();
        (0..rounds).for_each(|_| f());
        taken = begun.elapsed();
    });
    taken
}

pub fn stacks(c: &mut Criterion) {
    let mut group = c.benchmark_group("stacks");
    let mut out = [0; FRAMES];
    group.bench_function("capture 28 frames, again", |b| {
        b.iter_custom(|rounds| timed(rounds, &mut || _ = black_box(memo::number(DEPTH))));
    });
    deep(FRAMES + 12, &mut || {
        group.bench_function("capture 28 frames, no memo", |b| {
            b.iter(|| assert_eq!(capture(&mut out), FRAMES));
        });
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

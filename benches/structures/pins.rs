//! Pins and weak handles, without the C entry points: a pair of pin and unpin was to cost 40 ns at most.
use crate::heap::{alloc, free};
use criterion::Criterion;
use gleaner_core::ground::critical;
use gleaner_core::heap::special::{self, Found};
use gleaner_core::heap::{attached, scopes};
use gleaner_core::pure::addr::Addr;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

fn find(at: usize) -> Found {
    special::find(&critical::enter(), Addr(at)).expect("an object")
}

fn pair(at: usize) {
    {
        let critical = critical::enter();
        let object = special::find(&critical, Addr(black_box(at))).expect("an object");
        special::pin(&critical, object, 7, 0).expect("a pin");
    }
    let critical = critical::enter();
    let object = special::find(&critical, Addr(black_box(at))).expect("an object");
    let _ = black_box(special::unpin(object));
}

pub fn pins(c: &mut Criterion) {
    let mut group = c.benchmark_group("pins");
    let at = alloc(100);
    group.bench_function("pair", |b| b.iter(|| pair(at)));
    group.bench_function("pair, pinned already", |b| {
        special::pin(&critical::enter(), find(at), 7, 0).expect("a pin");
        b.iter(|| pair(at));
        let _ = special::unpin(find(at));
    });
    group.bench_function("pair, another thread pins too", |b| {
        let over = AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(|| {
                let other = alloc(100);
                while !over.load(Ordering::Relaxed) {
                    pair(other);
                }
                free(other);
            });
            b.iter(|| pair(at));
            over.store(true, Ordering::Relaxed);
        });
    });
    group.bench_function("scope of 5", |b| {
        let home = 0u64;
        b.iter(|| {
            let critical = critical::enter();
            let word = scopes::open(&critical, &raw const home as usize, 7).expect("a scope");
            for _ in 0..5 {
                let object = special::find(&critical, Addr(black_box(at))).expect("an object");
                scopes::pin(&critical, word, object, 7).expect("a pin");
            }
            scopes::close(&critical, word)
        });
    });
    group.bench_function("weak get", |b| {
        let handle = attached::weak(&critical::enter(), find(at), Addr(at)).expect("a handle");
        b.iter(|| attached::get(&critical::enter(), black_box(handle)));
        attached::drop_weak(&critical::enter(), handle);
    });
    free(at);
}

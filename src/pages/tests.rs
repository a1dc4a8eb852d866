//! The façade over the real system. The heap is one for the whole test process, which other
//! tests use at the same time.
use super::*;
use core::sync::atomic::{AtomicUsize, Ordering};
use proptest::prelude::*;

mod limits;

fn first_word(base: Addr, page: usize) -> *mut u64 {
    base.add(page * PAGE_SIZE).ptr()
}

/// A run that writes its own mark into each page and later finds it there.
struct Marked {
    run: Run,
    pages: usize,
    mark: u64,
}

impl Marked {
    fn new(run: Run, pages: usize, mark: u64) -> Marked {
        for page in 0..pages {
            let word = first_word(run.base, page);
            // SAFETY: the run is this test's until it is freed.
            unsafe {
                assert!(!run.zeroed || word.read() == 0, "{run:?} is said to be zero");
                word.write(mark);
            }
        }
        Marked { run, pages, mark }
    }
    fn verify(&self) {
        for page in 0..self.pages {
            // SAFETY: as above.
            assert_eq!(unsafe { first_word(self.run.base, page).read() }, self.mark);
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Alloc(usize),
    Aligned(usize, u32),
    Free(usize),
    FreeLater(usize),
    Flush,
    Scavenge(usize),
    Trim,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1..20usize).prop_map(Op::Alloc),
        2 => (1..1200usize).prop_map(Op::Alloc),
        1 => (1..600usize, 0..11u32).prop_map(|(n, log)| Op::Aligned(n, log)),
        3 => any::<usize>().prop_map(Op::Free),
        3 => any::<usize>().prop_map(Op::FreeLater),
        1 => Just(Op::Flush),
        1 => (0..4000usize).prop_map(Op::Scavenge),
        1 => Just(Op::Trim),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn runs_are_disjoint_zero_where_said_and_keep_their_content(
        ops in proptest::collection::vec(op(), 1..120)
    ) {
        let critical = critical::enter();
        let mut cache = PageCache::new();
        let mut live: Vec<Marked> = vec![];
        for (mark, op) in ops.into_iter().enumerate() {
            match op {
                Op::Alloc(n) => {
                    let run = alloc(&critical, &mut cache, n, true).unwrap();
                    assert!(own::contains(run.base));
                    live.push(Marked::new(run, n, mark as u64 + 1));
                }
                Op::Aligned(n, log) => {
                    let run = alloc_aligned(&critical, n, 1 << log).unwrap();
                    assert!(run.base.is_aligned(PAGE_SIZE << log));
                    live.push(Marked::new(run, n, mark as u64 + 1));
                }
                Op::Free(i) if !live.is_empty() => {
                    let old = live.swap_remove(i % live.len());
                    old.verify();
                    free(&critical, old.run.base, old.pages);
                }
                Op::FreeLater(i) if !live.is_empty() => {
                    let old = live.swap_remove(i % live.len());
                    old.verify();
                    free_later(&critical, &mut cache, old.run.base, old.pages);
                }
                Op::Free(_) | Op::FreeLater(_) => {}
                Op::Flush => flush(&critical, &mut cache),
                Op::Scavenge(max) => {
                    let done = scavenge(&critical, max);
                    assert!(done < max + CHUNK_PAGES);
                }
                Op::Trim => {
                    trim(&critical, 0);
                }
            }
            live.iter().for_each(Marked::verify);
        }
        for old in live {
            old.verify();
            free(&critical, old.run.base, old.pages);
        }
        flush(&critical, &mut cache);
        check(&critical);
    }
}

#[test]
fn a_cached_run_is_contiguous_and_small_requests_of_nothing_fail() {
    let critical = critical::enter();
    let mut cache = PageCache::new();
    assert_eq!(alloc(&critical, &mut cache, 0, true), None);
    assert_eq!(alloc_aligned(&critical, 0, 1), None);
    assert_eq!(alloc_aligned(&critical, usize::MAX, 1), None);
    assert_eq!(alloc_aligned(&critical, usize::MAX / PAGE_SIZE, 1 << 20), None);
    let run = alloc(&critical, &mut cache, 3, true).unwrap();
    assert!(cache.pages() > 0 || cache.is_empty());
    free(&critical, run.base, 3);
    flush(&critical, &mut cache);
    assert!(cache.is_empty());
}

#[test]
fn stats_add_up() {
    let critical = critical::enter();
    let run = alloc_aligned(&critical, 700, 1).unwrap();
    let stats = stats();
    assert!(stats.in_use >= 700);
    assert_eq!(stats.mapped, stats.in_use + stats.free_resident + stats.free_released);
    free(&critical, run.base, 700);
}

/// PA10 over the real system: threads write marks into their pages while others release and
/// unmap what is free. A page advised away under its owner would read as zero.
#[test]
fn releasing_never_touches_a_page_that_somebody_owns() {
    const THREADS: usize = 3;
    const ROUNDS: usize = 400;
    let running = AtomicUsize::new(THREADS);
    std::thread::scope(|scope| {
        for seed in 1..=THREADS {
            let running = &running;
            scope.spawn(move || {
                churn(seed as u64, ROUNDS);
                running.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while running.load(Ordering::Relaxed) > 0 {
            let critical = critical::enter();
            scavenge(&critical, 300);
            trim(&critical, 1000);
            drop(critical);
            std::thread::yield_now();
        }
    });
    check(&critical::enter());
}

fn churn(seed: u64, rounds: usize) {
    let mut cache = PageCache::new();
    let mut live: Vec<Marked> = vec![];
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for _ in 0..rounds {
        let critical = critical::enter();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed);
        let pick = (random >> 33) as usize;
        if live.len() > 60 || (pick.is_multiple_of(3) && !live.is_empty()) {
            let old = live.swap_remove(pick % live.len());
            old.verify();
            match pick.is_multiple_of(2) {
                true => free(&critical, old.run.base, old.pages),
                false => free_later(&critical, &mut cache, old.run.base, old.pages),
            }
        } else {
            let pages = if pick.is_multiple_of(5) { 1 + pick % 700 } else { 1 + pick % 20 };
            let run = alloc(&critical, &mut cache, pages, true).unwrap();
            live.push(Marked::new(run, pages, random | 1));
        }
        if pick.is_multiple_of(31) {
            flush(&critical, &mut cache);
        }
    }
    let critical = critical::enter();
    for old in live {
        old.verify();
        free(&critical, old.run.base, old.pages);
    }
    flush(&critical, &mut cache);
}

#[test]
fn fork_hooks_take_and_give_back_every_lock() {
    let critical = critical::enter();
    fork_prepare(&critical);
    // SAFETY: this thread prepared.
    unsafe { fork_parent() };
    let run = alloc_aligned(&critical, 1, 1).unwrap();
    free(&critical, run.base, 1);
}

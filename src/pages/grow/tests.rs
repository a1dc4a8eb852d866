//! Growth over an address space that does not exist: hosts in the way, limits, and failure of
//! the k-th call for every k.
use super::*;
use crate::pages::fixture::{Fake, Watch};
use crate::pages::scavenge::Candidate;
use crate::pages::tree::INLINE_RANGES;
use proptest::prelude::*;

type Heap = PageHeap<Watch<true>>;

/// What the heap believes and what is mapped are the same.
fn agree(heap: &Heap, fake: &Fake) {
    heap.tree.check();
    let chunks: usize = fake.mapped.len();
    assert_eq!(heap.tree.counts().mapped, chunks * CHUNK_PAGES);
    for range in heap.tree.in_use.as_slice() {
        for chunk in Page(range.lo).chunk()..Page(range.hi).chunk() {
            assert!(fake.mapped.contains(&chunk), "chunk {chunk:#x} is not mapped");
        }
    }
}

fn new() -> (Heap, Fake) {
    (PageHeap::with_checks(Watch::default()), Fake::new())
}

/// Releases everything that is free.
fn scavenge(heap: &mut Heap) {
    loop {
        match heap.tree.lease(usize::MAX) {
            Candidate::Found(lease) => heap.tree.end_lease(lease, Content::Released),
            Candidate::Again => {}
            Candidate::Nothing => return,
        }
    }
}

#[test]
fn growth_is_contiguous_and_in_small_steps() {
    let (mut heap, mut fake) = new();
    for i in 0..200 {
        let taken = heap.alloc(&mut fake, 100, 1, false).unwrap();
        assert!(taken.first.0 >= fake.hint * CHUNK_PAGES, "allocation {i}");
        let counts = heap.tree.counts();
        assert!(counts.free < LARGEST_STEP + 100, "mapped far ahead of need");
    }
    agree(&heap, &fake);
    assert_eq!(heap.tree.in_use.as_slice().len(), 1);
    // A large request is one mapping of just what it needs.
    let before = fake.mapped.len();
    heap.alloc(&mut fake, 10_000, 1, false).unwrap();
    assert_eq!(fake.mapped.len() - before, 10_000usize.div_ceil(CHUNK_PAGES));
}

#[test]
fn the_host_lies_in_the_way() {
    let (mut heap, mut fake) = new();
    // Two chunks are free at the hint, then a mapping of the host, 1 GiB long and one page.
    let wall = Page::of_chunk(fake.hint + 2).0;
    fake.foreign.push((wall, wall + (1 << 18) + 1));
    for _ in 0..8 {
        heap.alloc(&mut fake, CHUNK_PAGES, 1, false).unwrap();
    }
    agree(&heap, &fake);
    // Behind the wall the heap grows on; it does not go back to the old hint.
    assert_eq!(heap.tree.in_use.as_slice().len(), 2);
    let calls = fake.calls;
    while heap.tree.alloc(1).is_some() {}
    heap.alloc(&mut fake, 1, 1, false).unwrap();
    assert_eq!(fake.calls, calls + 1);
}

#[test]
fn the_kernel_chooses_when_all_hints_are_taken() {
    let (mut heap, mut fake) = new();
    fake.foreign.push((fake.hint * CHUNK_PAGES, SPACE_PAGES / 4));
    for _ in 0..5 {
        heap.alloc(&mut fake, 700, 1, false).unwrap();
        agree(&heap, &fake);
    }
}

#[test]
fn the_end_of_the_address_space() {
    let (mut heap, mut fake) = new();
    fake.hint = (1 << 26) - 3;
    for _ in 0..6 {
        heap.alloc(&mut fake, CHUNK_PAGES, 1, false).unwrap();
        agree(&heap, &fake);
    }
    assert_eq!(heap.alloc(&mut fake, SPACE_PAGES + 1, 1, false), None);
    assert_eq!(heap.alloc(&mut fake, usize::MAX, 1, false), None);
}

#[test]
fn a_limit_is_used_up_to_its_last_chunk() {
    let (mut heap, mut fake) = new();
    fake.limit = Some(23);
    let mut got = 0;
    while heap.alloc(&mut fake, 64, 1, false).is_some() {
        got += 64;
    }
    assert_eq!(got, 23 * CHUNK_PAGES);
    agree(&heap, &fake);
    assert_eq!(heap.alloc(&mut fake, 1, 1, false), None);
}

#[test]
fn aligned_runs_of_all_sizes() {
    for log in 0..12 {
        let (mut heap, mut fake) = new();
        for n in [1, 3, 511, 512, 513, 3000] {
            let taken = heap.alloc(&mut fake, n, 1 << log, false).unwrap();
            assert!(taken.first.0.is_multiple_of(1 << log));
            agree(&heap, &fake);
        }
    }
}

#[test]
fn trimming_returns_what_is_idle_and_growth_fills_the_hole() {
    let (mut heap, mut fake) = new();
    let runs: Vec<_> = (0..12).map(|_| heap.alloc(&mut fake, CHUNK_PAGES, 1, false).unwrap()).collect();
    for run in &runs[2..5] {
        heap.tree.free(run.first, CHUNK_PAGES, Content::Resident);
    }
    let idle = heap.tree.counts().released;
    assert_eq!(heap.trim(&mut fake, 100), idle, "only what has no memory goes");
    scavenge(&mut heap);
    assert_eq!(heap.trim(&mut fake, 1), CHUNK_PAGES);
    assert_eq!(heap.trim(&mut fake, 100), 2 * CHUNK_PAGES);
    assert_eq!(heap.trim(&mut fake, 100), 0);
    agree(&heap, &fake);
    let again = heap.alloc(&mut fake, 3 * CHUNK_PAGES, 1, false).unwrap();
    assert_eq!(again.first, runs[2].first);
    agree(&heap, &fake);
}

#[test]
fn a_refused_unmapping_changes_nothing() {
    let (mut heap, mut fake) = new();
    let runs: Vec<_> = (0..3).map(|_| heap.alloc(&mut fake, CHUNK_PAGES, 1, false).unwrap()).collect();
    heap.tree.free(runs[1].first, CHUNK_PAGES, Content::Resident);
    scavenge(&mut heap);
    let before = heap.tree.counts();
    fake.memory.fail_in = Some(1);
    assert_eq!(heap.trim(&mut fake, 100), 0);
    assert_eq!(heap.tree.counts(), before);
    agree(&heap, &fake);
    assert_eq!(heap.trim(&mut fake, 100), CHUNK_PAGES);
    agree(&heap, &fake);
}

/// One life of a heap among foreign mappings. Returns what each request got.
fn life(heap: &mut Heap, fake: &mut Fake) -> Vec<Option<Taken>> {
    let base = fake.hint;
    // Twenty ranges, so that the in-use set needs a larger array on the way.
    for i in 0..20 {
        heap.hint = Page::of_chunk(base - 100 + 4 * i).addr().0;
        let _ = heap.grow_by(fake, CHUNK_PAGES);
    }
    for i in 0..40 {
        let wall = Page::of_chunk(base + 2 + (i << 5)).0;
        fake.foreign.push((wall, wall + 1));
    }
    let mut cache = PageCache::new();
    let mut got = vec![];
    for i in 0..60 {
        let n = [1, 30, 512, 700][i % 4];
        let before = heap.tree.counts();
        let taken = heap.alloc(fake, n, if i % 7 == 0 { 64 } else { 1 }, i % 3 == 0);
        if taken.is_none() {
            assert_eq!(heap.tree.counts(), before, "a failed allocation changed something");
        }
        agree(heap, fake);
        got.push(taken);
        if i % 10 == 0 {
            let _ = heap.fill(fake, &mut cache, i % 20 == 0);
            heap.tree.flush(&mut cache);
        }
        if let (Some(taken), true) = (taken, i % 3 == 0) {
            heap.tree.free(taken.first, n, Content::Resident);
            scavenge(heap);
            heap.trim(fake, 2);
            agree(heap, fake);
        }
    }
    got
}

/// ENOMEM at the k-th mapping, unmapping or metadata call, for every k: the request fails or
/// finds another way, the structure is intact, and life goes on.
#[test]
fn the_kth_failure_for_every_k() {
    for k in 1.. {
        let (mut heap, mut fake) = new();
        fake.memory.fail_in = Some(k);
        let got = life(&mut heap, &mut fake);
        let lost = got.iter().filter(|t| t.is_none()).count();
        assert!(lost <= 1, "one failed call cost {lost} requests");
        if fake.memory.fail_in.is_some() {
            assert_eq!(lost, 0);
            assert!(k > 50, "the script makes only {k} calls");
            assert!(heap.tree.in_use.capacity() > INLINE_RANGES, "the set never grew");
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_walls_and_any_limit(
        walls in proptest::collection::vec((0..400usize, 1..3000usize), 0..12),
        limit in 1..60usize,
        sizes in proptest::collection::vec((1..2000usize, any::<bool>()), 1..80)
    ) {
        let (mut heap, mut fake) = new();
        fake.limit = Some(limit);
        for (chunk, pages) in walls {
            let lo = Page::of_chunk(fake.hint + chunk).0;
            fake.foreign.push((lo, lo + pages));
        }
        let mut live = vec![];
        for (n, free) in sizes {
            if let Some(taken) = heap.alloc(&mut fake, n, 1, false) {
                live.push((taken.first, n));
            }
            if free && let Some((first, n)) = live.pop() {
                heap.tree.free(first, n, Content::Resident);
            }
            agree(&heap, &fake);
        }
    }
}

/// A chunk is made whole when it is about to be filled for the first time, or again without memory; by small objects, in a large
/// heap, where most is small.
#[test]
fn small_objects_fill_whole_chunks() {
    let (mut heap, mut fake) = new();
    let span = CHUNK_PAGES / 32;
    let fill = |heap: &mut Heap, fake: &mut Fake, dense| -> Vec<Taken> {
        (0..32).map(|_| heap.alloc(fake, span, 1, dense).unwrap()).collect()
    };
    for _ in 0..WHOLE / CHUNK_PAGES {
        fill(&mut heap, &mut fake, true);
    }
    assert_eq!(fake.whole, []);
    let runs = fill(&mut heap, &mut fake, true);
    let chunk = runs.last().unwrap().first.chunk();
    assert_eq!(fake.whole, [chunk]);
    // Once is enough, also for a thread's stock of pages.
    runs.iter().skip(1).for_each(|run| heap.tree.free(run.first, span, Content::Resident));
    let mut cache = PageCache::new();
    heap.fill(&mut fake, &mut cache, true).unwrap();
    heap.tree.flush(&mut cache);
    assert_eq!(fake.whole, [chunk]);
    // Its memory went, and with it that of the pages that were never used.
    heap.tree.free(runs[0].first, span, Content::Resident);
    scavenge(&mut heap);
    heap.fill(&mut fake, &mut cache, true).unwrap();
    assert_eq!(fake.whole, [chunk, chunk]);
    // What is large takes the next ones for itself, and a third of it all is too much.
    for _ in 0..4 {
        fill(&mut heap, &mut fake, false);
    }
    fill(&mut heap, &mut fake, true);
    assert_eq!(fake.whole, [chunk, chunk]);
}

//! Chosen shapes: holes at every level, whole tracts, borders, exhaustion.
use super::*;
use crate::pages::summary::Summary;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Chunks that an entry of `level` covers.
const fn entry_chunks(level: usize) -> usize {
    1 << (LOG_FAN * (LEAF - level))
}

/// Go's issue 40191, as there: a chunk with one free page, far above it one with nine at its
/// end, far above that a free one.
#[test]
fn issue_40191_as_reported() {
    let mut bench = Bench::<true>::new();
    let (a, b, c) = (0x4000, 0x4000 + (1 << 20) + 0x503, 0x4000 + (1 << 21));
    bad_search_addr(&mut bench, [a, b, c]);
    bench.oracle.compare(&bench.tree);
    assert_eq!(bench.alloc(9), Some(Page::of_chunk(b).plus(502)));
    bench.oracle.compare(&bench.tree);
}

/// Leaves the search address at the candidate of a search that stepped past `b`.
fn bad_search_addr<const SOUND: bool>(bench: &mut Bench<SOUND>, [a, b, c]: [usize; 3]) {
    for chunk in [a, b, c] {
        bench.add(chunk, 1);
    }
    // All of `a` but its first page; all of `b` but nine; `c` untouched.
    let all = |chunk| Page::of_chunk(chunk);
    let pages: Vec<_> = (0..2).map(|_| bench.tree.alloc(CHUNK_PAGES).unwrap().first).collect();
    assert_eq!(pages, [all(a), all(b)]);
    for chunk in [a, b] {
        bench.oracle.set(all(chunk), CHUNK_PAGES, State::Allocated);
    }
    bench.free_exactly(all(a), 1);
    bench.free_exactly(all(b).plus(502), 9);
    for n in [1, 100] {
        let first = bench.tree.alloc(n).unwrap().first;
        assert_eq!(first, if n == 1 { all(a) } else { all(c) });
        bench.oracle.take(first, n);
    }
}

/// `b` lies in the second entry of a block of `level`, behind a hole as large as can be.
fn scene(level: usize) -> [usize; 3] {
    let block = 5 << 20;
    let size = entry_chunks(level);
    [block, block + 2 * size - 1, block + 2 * size]
}

#[test]
fn the_search_address_is_mapped_behind_holes_at_every_level() {
    for level in 0..LEAF {
        let mut bench = Bench::<true>::new();
        let [a, b, c] = scene(level);
        bad_search_addr(&mut bench, [a, b, c]);
        bench.oracle.compare(&bench.tree);
        assert_eq!(bench.tree.search.get(), Page::of_chunk(b), "level {level}");
        assert_eq!(bench.alloc(9), Some(Page::of_chunk(b).plus(502)));
        bench.oracle.compare(&bench.tree);
    }
}

/// The same scenes without the setter's rounding: the address is not mapped (PA3) at any
/// level, and where the hole is larger than a block of leaves the next allocation reads
/// metadata that does not exist (PA6).
#[test]
fn without_rounding_every_one_of_these_holes_is_a_bug() {
    for level in 0..LEAF {
        let mut bench = Bench::<false>::new();
        let zeal = cfg!(feature = "zeal");
        let set_up = catch_unwind(AssertUnwindSafe(|| bad_search_addr(&mut bench, scene(level))));
        assert_eq!(set_up.is_err(), zeal, "a zeal build notices at once");
        let at = bench.tree.search.get();
        assert!(at != Page::END && bench.oracle.state(at).is_none(), "level {level}: {at:?}");
        if !zeal && level < LEAF - 1 {
            let next = catch_unwind(AssertUnwindSafe(|| bench.tree.alloc(9)));
            let text = *next.unwrap_err().downcast::<String>().unwrap();
            assert!(text.starts_with("PA6"), "level {level}: {text}");
        }
    }
}

/// Far-apart chunks with random occupancy: PA5.
#[test]
fn holes_between_random_chunks() {
    proptest!(ProptestConfig::with_cases(48), |(
        chunks in proptest::collection::btree_set(0..1usize << 26, 2..9),
        ops in proptest::collection::vec((1..130usize, any::<usize>(), any::<bool>()), 1..60)
    )| {
        let mut bench = Bench::<true>::new();
        chunks.iter().for_each(|&c| bench.add(c, 1));
        for (n, which, free) in ops {
            if free { bench.free(which, 0, n) } else { bench.alloc(n).unwrap_or(Page(0)); }
            bench.oracle.compare(&bench.tree);
        }
    });
}

#[test]
fn every_size_until_nothing_is_left() {
    for n in [1, 2, 3, 4, 5, 8, 16, 64, 512, 1024, 1025, 2048, 2049] {
        let mut bench = Bench::<true>::new();
        bench.add(4094, 4);
        for _ in 0..4 * CHUNK_PAGES / n {
            assert!(bench.tree.alloc(n).is_some(), "{n} pages");
        }
        assert_eq!(bench.tree.alloc(n), None);
        assert_eq!(bench.tree.counts().free, 4 * CHUNK_PAGES % n);
        bench.tree.check();
        // A failed search for `n` must not hide what is left for smaller ones.
        for _ in 0..4 * CHUNK_PAGES % n {
            assert!(bench.tree.alloc(1).is_some());
        }
        assert_eq!((bench.tree.alloc(1), bench.tree.search.get()), (None, Page::END));
        bench.tree.check();
    }
}

#[test]
fn runs_straddle_the_borders_of_every_level() {
    for level in 0..LEVELS {
        let border = 3 * entry_chunks(level) * FAN;
        for (below, above) in [(1, 1), (5, 7), (64, 65), (511, 512), (512, 1), (700, 800)] {
            let mut bench = Bench::<true>::new();
            bench.add(border - 2, 4);
            while bench.tree.alloc(CHUNK_PAGES).is_some() {}
            bench.oracle.set(Page::of_chunk(border - 2), 4 * CHUNK_PAGES, State::Allocated);
            let first = Page(Page::of_chunk(border).0 - below);
            bench.free_exactly(first, below + above);
            bench.oracle.compare(&bench.tree);
            assert_eq!(bench.alloc(below + above + 1), None);
            assert_eq!(bench.alloc(below + above), Some(first));
            bench.oracle.compare(&bench.tree);
        }
    }
}

/// Mutant M9: an entry with 2^21 free pages must not look empty.
#[test]
fn a_whole_tract_is_free_and_is_one_allocation() {
    let whole = TRACT_CHUNKS * CHUNK_PAGES;
    let mut bench = Bench::<true>::new();
    bench.add(7 * TRACT_CHUNKS, TRACT_CHUNKS);
    let base = Page::of_chunk(7 * TRACT_CHUNKS);
    assert_eq!(bench.tree.store.root()[7], Summary::all_free(0));
    bench.oracle.compare(&bench.tree);
    assert_eq!(bench.tree.alloc(whole + 1), None);
    assert_eq!(bench.alloc(whole), Some(base));
    assert_eq!(bench.tree.alloc(1), None);
    bench.oracle.compare(&bench.tree);
    bench.free(0, 0, whole);
    bench.oracle.compare(&bench.tree);
    assert_eq!(bench.alloc(whole - 1), Some(base));
    bench.oracle.compare(&bench.tree);
    assert_eq!(bench.alloc(1), Some(base.plus(whole - 1)));
    assert_eq!(bench.tree.search.get(), Page::END);
}

#[test]
fn a_run_larger_than_a_root_entry_joins_them() {
    let whole = TRACT_CHUNKS * CHUNK_PAGES;
    let mut bench = Bench::<true>::new();
    let first = 2 * TRACT_CHUNKS - 1;
    bench.add(first, TRACT_CHUNKS + 2);
    assert_eq!(bench.tree.alloc(whole + 2 * CHUNK_PAGES + 1), None);
    assert_eq!(bench.tree.alloc(10).map(|t| t.first), Some(Page::of_chunk(first)));
    let large = whole + CHUNK_PAGES;
    let taken = bench.tree.alloc(large).unwrap();
    assert_eq!((taken.first, taken.released), (Page::of_chunk(first).plus(10), large));
    bench.tree.check();
    bench.tree.free(taken.first, large, Content::Resident);
    bench.tree.check();
}

/// Mutant M4: other threads move the search address past a cached block before it is flushed.
#[test]
fn a_flush_makes_its_pages_findable_again() {
    let mut bench = Bench::<true>::new();
    bench.add(100, 1);
    bench.fill(0);
    while bench.alloc(1).is_some() {}
    assert_eq!(bench.tree.search.get(), Page::END);
    bench.take_cached(0, 3);
    bench.flush(0);
    bench.oracle.compare(&bench.tree);
    assert_eq!(bench.alloc(61), Some(Page::of_chunk(100).plus(3)));
    bench.oracle.compare(&bench.tree);
}

/// The cache's block is the last of the mapped ones (Go's issue 38605), at the very end of the
/// address space, too.
#[test]
fn a_cache_takes_the_last_block() {
    for chunk in [100, (1 << 26) - 1] {
        let mut bench = Bench::<true>::new();
        bench.add(chunk, 1);
        assert!(bench.alloc(CHUNK_PAGES - BLOCK).is_some());
        bench.fill(0);
        bench.oracle.compare(&bench.tree);
        assert_eq!(bench.alloc(1), None);
        bench.fill(1);
        bench.flush(0);
        bench.oracle.compare(&bench.tree);
    }
}

/// Walking must not start over: page by page through 64 chunks costs a bounded number of
/// looks per page.
#[test]
fn allocation_does_not_walk_old_ground() {
    let mut bench = Bench::<true>::new();
    bench.add(4096 - 32, 64);
    let pages = 64 * CHUNK_PAGES;
    bench.tree.store.checks.reads.set(0);
    (0..pages).for_each(|_| assert!(bench.tree.alloc(1).is_some()));
    let looks = bench.tree.store.checks.reads.get();
    assert!(looks < 16 * pages, "{looks} looks for {pages} pages");
}

#[test]
fn address_space_goes_and_the_search_address_with_it() {
    let mut bench = Bench::<true>::new();
    bench.add(10, 3);
    bench.add(5000, 2);
    bench.retire(1);
    bench.oracle.compare(&bench.tree);
    bench.retire(9);
    bench.oracle.compare(&bench.tree);
    // The search address was in what goes now; nothing is left.
    bench.retire(9);
    bench.oracle.compare(&bench.tree);
    assert_eq!(bench.tree.search.get(), Page::END);
    assert_eq!(bench.alloc(1), None);
    assert_eq!(bench.tree.lease(1), Candidate::Nothing);
    // A hole: three chunks, the middle one goes.
    bench.add(20, 3);
    for _ in 0..3 {
        bench.alloc(CHUNK_PAGES);
    }
    bench.free_exactly(Page::of_chunk(21), CHUNK_PAGES);
    bench.lease(CHUNK_PAGES);
    bench.end_lease(0, Content::Released);
    assert_eq!(bench.tree.search.get(), Page::of_chunk(21));
    bench.retire(9);
    bench.oracle.compare(&bench.tree);
    assert_eq!(bench.alloc(1), None);
    bench.add(21, 1);
    assert_eq!(bench.alloc(CHUNK_PAGES), Some(Page::of_chunk(21)));
    bench.oracle.compare(&bench.tree);
}

/// Where huge pages are to stay whole, only chunks that are mostly free give memory back; the others can still be asked for.
#[test]
fn mostly_used_chunks_stay_whole() {
    let mut bench = Bench::<true>::new();
    bench.add(20, 3);
    for _ in 0..3 {
        bench.alloc(CHUNK_PAGES);
    }
    let free = [(20, CHUNK_PAGES / 2), (21, CHUNK_PAGES / 2 - 1), (22, 9)];
    for (chunk, pages) in free {
        bench.free_exactly(Page::of_chunk(chunk), pages);
    }
    let mut cursor = Page::END;
    let Candidate::Found(lease) = bench.tree.lease_sparse(&mut cursor, 1000) else {
        panic!("a chunk is sparse")
    };
    assert_eq!((lease.first, lease.pages), (Page::of_chunk(20), CHUNK_PAGES / 2));
    bench.tree.end_lease(lease, Content::Released);
    assert_eq!(bench.tree.lease_sparse(&mut cursor, 1000), Candidate::Nothing);
    for (chunk, pages) in [free[2], free[1]] {
        let Candidate::Found(lease) = bench.tree.lease(1000) else { panic!("memory is free") };
        assert_eq!((lease.first, lease.pages), (Page::of_chunk(chunk), pages));
        bench.tree.end_lease(lease, Content::Released);
    }
    assert_eq!(bench.tree.lease(1), Candidate::Nothing);
}

/// Thirty-three ranges: the in-use set grows out of its first array, and again.
#[test]
fn many_ranges() {
    let mut bench = Bench::<true>::new();
    for i in 0..600 {
        bench.add(3 * i, 1);
    }
    bench.oracle.compare(&bench.tree);
    assert_eq!(bench.tree.in_use.as_slice().len(), 600);
    bench.retire(1);
    bench.oracle.compare(&bench.tree);
}

fn dies(bench: &mut Bench<true>, first: Page, n: usize) -> bool {
    catch_unwind(AssertUnwindSafe(|| bench.tree.free(first, n, Content::Resident))).is_err()
}

#[test]
fn freeing_what_is_free_or_foreign_is_noticed() {
    let mut bench = Bench::<true>::new();
    bench.add(10, 2);
    let first = bench.alloc(8).unwrap();
    assert!(dies(&mut bench, first.plus(4), 8), "a part is free");
    assert!(dies(&mut bench, Page::of_chunk(12), 1), "above the heap");
    assert!(dies(&mut bench, Page::of_chunk(9), 513), "begins below the heap");
    assert!(dies(&mut bench, Page(0), 1));
    bench.oracle.compare(&bench.tree);
    bench.free(0, 0, 8);
    assert!(dies(&mut bench, first, 8), "twice");
    bench.oracle.compare(&bench.tree);
}

//! The tree against the oracle of [`crate::pages::fixture`]: random scripts here, chosen
//! shapes in `shapes.rs`.
use crate::pages::cache::{BLOCK, PageCache};
use crate::pages::chunk::Content;
use crate::pages::fixture::{Memory, Oracle, State, Watch};
use crate::pages::geometry::*;
use crate::pages::scavenge::{Candidate, Lease};
use crate::pages::tree::Tree;
use proptest::prelude::*;

mod shapes;

/// A tree, its oracle, and who holds what. `memory` last: it goes when the tree is gone.
struct Bench<const SOUND: bool> {
    tree: Tree<Watch<SOUND>>,
    oracle: Oracle,
    live: Vec<(Page, usize)>,
    leases: Vec<Lease>,
    caches: [PageCache; 2],
    memory: Memory,
}

impl<const SOUND: bool> Bench<SOUND> {
    fn new() -> Self {
        Bench {
            tree: Tree::new(Watch::default()),
            oracle: Oracle::default(),
            live: vec![],
            leases: vec![],
            caches: [const { PageCache::new() }; 2],
            memory: Memory::default(),
        }
    }
    fn add(&mut self, chunk: usize, chunks: usize) {
        let (first, pages) = (Page::of_chunk(chunk), chunks * CHUNK_PAGES);
        let memory = &mut self.memory;
        self.tree.add(first, pages, &mut |bytes| memory.take(bytes)).unwrap();
        self.oracle.grow(first, pages);
    }
    /// PA4: exactly the lowest run, or nothing.
    fn alloc(&mut self, n: usize) -> Option<Page> {
        let before = self.tree.search.get();
        let taken = self.tree.alloc(n);
        assert_eq!(taken.map(|t| t.first), self.oracle.first_fit(n), "PA4: alloc({n})");
        assert!(self.tree.search.get() >= before, "allocation lowered the search address");
        let taken = taken?;
        assert_eq!(taken.released, self.oracle.take(taken.first, n), "PA9: alloc({n})");
        self.live.push((taken.first, n));
        Some(taken.first)
    }
    fn alloc_aligned(&mut self, n: usize, align: usize) {
        match self.tree.alloc_aligned(n, align) {
            Some(taken) => {
                assert!(taken.first.0.is_multiple_of(align));
                assert_eq!(taken.released, self.oracle.take(taken.first, n));
                self.live.push((taken.first, n));
            }
            None => assert_eq!(self.oracle.first_fit(n + align - 1), None),
        }
    }
    /// Frees a piece of a run; the rest stays.
    fn free(&mut self, which: usize, from: usize, n: usize) {
        if self.live.is_empty() {
            return;
        }
        let (first, pages) = self.live.swap_remove(which % self.live.len());
        let from = from % pages;
        let n = n.clamp(1, pages - from);
        if from > 0 {
            self.live.push((first, from));
        }
        if from + n < pages {
            self.live.push((first.plus(from + n), pages - from - n));
        }
        self.free_exactly(first.plus(from), n);
    }
    fn free_exactly(&mut self, first: Page, n: usize) {
        self.tree.free(first, n, Content::Resident);
        self.oracle.set(first, n, State::Resident);
    }
    /// The cache gets all free pages of the block with the lowest free page.
    fn fill(&mut self, which: usize) {
        if !self.caches[which].is_empty() {
            return;
        }
        let first = self.oracle.first_fit(1);
        let filled = self.tree.fill(&mut self.caches[which]);
        assert_eq!(filled.is_some(), first.is_some());
        let Some(first) = first else { return };
        let block = Page(first.0 & !(BLOCK - 1));
        let should: Vec<_> = (0..BLOCK)
            .map(|i| (block.plus(i), self.oracle.state(block.plus(i)).unwrap()))
            .filter(|p| p.1 != State::Allocated)
            .map(|(page, state)| (page, state == State::Released))
            .collect();
        assert_eq!(self.caches[which].contents().collect::<Vec<_>>(), should);
        should.iter().for_each(|&(page, _)| self.oracle.set(page, 1, State::Allocated));
    }
    /// PA8: what the cache hands out is allocated in the tree.
    fn take_cached(&mut self, which: usize, n: usize) {
        let before: Vec<_> = self.caches[which].contents().collect();
        let fits = before.windows(n).find(|w| w[n - 1].0.0 == w[0].0.0 + n - 1);
        let taken = self.caches[which].take(n);
        assert_eq!(taken.map(|t| t.first), fits.map(|w| w[0].0));
        if let (Some(taken), Some(fits)) = (taken, fits) {
            assert_eq!(taken.released, fits.iter().filter(|p| p.1).count());
            self.live.push((taken.first, n));
        }
    }
    fn flush(&mut self, which: usize) {
        let back: Vec<_> = self.caches[which].contents().collect();
        self.tree.flush(&mut self.caches[which]);
        assert!(self.caches[which].is_empty());
        for (page, released) in back {
            assert_eq!(self.oracle.state(page), Some(State::Allocated), "PA8");
            let state = if released { State::Released } else { State::Resident };
            self.oracle.set(page, 1, state);
        }
    }
    /// The highest resident free page is in the lease, and nothing else but such pages and, beside them, untouched ones.
    fn lease(&mut self, max: usize) {
        let highest = self.oracle.pages().filter(|p| p.1 == State::Resident).last();
        let candidate = loop {
            match self.tree.lease(max) {
                Candidate::Again => self.oracle.compare(&self.tree),
                done => break done,
            }
        };
        let Candidate::Found(lease) = candidate else {
            assert_eq!(highest, None);
            return;
        };
        let states = |from: usize, to: usize| {
            (from..to).map(|page| self.oracle.state(Page(page)).unwrap()).collect::<Vec<_>>()
        };
        let (first, end, highest) = (lease.first.0, lease.first.0 + lease.pages, highest.unwrap().0.0);
        assert!(first <= highest && highest < end);
        assert!(states(highest + 1, end).iter().all(|&state| state == State::Released));
        // As far as the chunk goes.
        let next = Page(end);
        assert!(next.index() == 0 || self.oracle.state(next) == Some(State::Allocated), "{lease:?}");
        assert!(
            lease.resident <= max.max(CHUNK_PAGES)
                && lease.resident > 0
                && lease.pages < max.max(CHUNK_PAGES) + CHUNK_PAGES
        );
        assert_eq!(self.oracle.take(lease.first, lease.pages), lease.pages - lease.resident);
        self.leases.push(lease);
    }
    fn end_lease(&mut self, which: usize, content: Content) {
        if self.leases.is_empty() {
            return;
        }
        let lease = self.leases.swap_remove(which % self.leases.len());
        self.tree.end_lease(lease, content);
        self.oracle.set(lease.first, lease.pages, content.into());
    }
    /// Address space goes; every chunk of it was free and without memory, and a run was missed
    /// only if there was none.
    fn retire(&mut self, max: usize) {
        let idle = |states: &Vec<State>| states.iter().all(|&s| s == State::Released);
        let highest = self.oracle.chunks.iter().rfind(|c| idle(c.1)).map(|c| *c.0);
        let Some(gone) = self.tree.retire(max) else {
            assert!(highest.is_none() || max == 0);
            return;
        };
        let chunks = gone.first.chunk()..gone.first.plus(gone.pages).chunk();
        assert_eq!(Some(chunks.end - 1), highest);
        assert!(chunks.len() <= max);
        for chunk in chunks {
            assert!(idle(&self.oracle.chunks.remove(&chunk).unwrap()));
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Add { anchor: usize, offset: usize, chunks: usize },
    Alloc(usize),
    Aligned(usize, u32),
    Free(usize, usize, usize),
    Fill(usize),
    Take(usize, usize),
    Flush(usize),
    Lease(usize),
    EndLease(usize, bool),
    Retire(usize),
}

/// Edges of blocks at every level, the far ends of the address space, and the distances of
/// issue 40191.
const ANCHORS: [usize; 13] = [
    0,
    8,
    64,
    512,
    4096,
    3 * 4096 - 4,
    1 << 20,
    (1 << 20) + 0x503,
    1 << 21,
    (1 << 21) + 4095,
    (1 << 24) + 511,
    (1 << 26) - 4096,
    (1 << 26) - 8,
];

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => 1..18usize,
        3 => 60..70usize,
        3 => 120..600usize,
        2 => 1000..1100usize,
        1 => 1..3000usize,
        1 => Just(1 << 21),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..ANCHORS.len(), 0..8usize, 1..4usize)
            .prop_map(|(anchor, offset, chunks)| Op::Add { anchor, offset, chunks }),
        12 => size().prop_map(Op::Alloc),
        1 => (1..600usize, 0..11u32).prop_map(|(n, log)| Op::Aligned(n, log)),
        9 => (any::<usize>(), 0..600usize, 1..2000usize).prop_map(|(w, f, n)| Op::Free(w, f, n)),
        3 => (0..2usize).prop_map(Op::Fill),
        4 => (0..2usize, 1..17usize).prop_map(|(c, n)| Op::Take(c, n)),
        2 => (0..2usize).prop_map(Op::Flush),
        2 => (1..2000usize).prop_map(Op::Lease),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(w, ok)| Op::EndLease(w, ok)),
        1 => (0..6usize).prop_map(Op::Retire),
    ]
}

fn run(ops: Vec<Op>) {
    let mut bench = Bench::<true>::new();
    for op in ops {
        match op {
            Op::Add { anchor, offset, chunks } => {
                let lo = (ANCHORS[anchor] + offset).min((1 << 26) - chunks);
                let taken = (lo..lo + chunks).any(|c| bench.oracle.chunks.contains_key(&c));
                if !taken && bench.oracle.chunks.len() < 24 {
                    bench.add(lo, chunks);
                }
            }
            Op::Alloc(n) => {
                bench.alloc(n);
            }
            Op::Aligned(n, log) => bench.alloc_aligned(n, 1 << log),
            Op::Free(which, from, n) => bench.free(which, from, n),
            Op::Fill(which) => bench.fill(which),
            Op::Take(which, n) => bench.take_cached(which, n),
            Op::Flush(which) => bench.flush(which),
            Op::Lease(max) => bench.lease(max),
            Op::EndLease(which, ok) => {
                bench.end_lease(which, if ok { Content::Released } else { Content::Resident })
            }
            Op::Retire(max) => bench.retire(max),
        }
        bench.oracle.compare(&bench.tree);
    }
    bench.tree.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn scripts_match_the_oracle(ops in proptest::collection::vec(op(), 1..100)) {
        run(ops);
    }
}

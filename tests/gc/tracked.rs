//! Collections that are marked beside the program: what the kernel tracks, what is handed out, freed and moved meanwhile.
//!
//! The marker runs in this thread here; the program's turns come when it asks whether to go on, and in another thread.
use crate::fixture::*;
use gleaner_core::gc::findings::Aging;
use gleaner_core::gc::limbo::{Doom, Moved};
use gleaner_core::gc::tracked::{self, Failed, Tracked};
use gleaner_core::gc::{self, reclaim};
use gleaner_core::ground::critical;
use gleaner_core::pages::{metadata, own};
use gleaner_core::pure::addr::Addr;
use gleaner_core::sys::tracking::Protection;
use proptest::prelude::*;
use std::collections::HashSet;

/// Not with a kernel before 6.7, or under a filter that refuses (as containers have it).
fn is_possible() -> bool {
    Protection::open().inspect_err(|why| eprintln!("not tested: {why:?}")).is_ok()
}

/// Room of one collection.
struct Room(Addr, usize);
impl Room {
    fn new() -> Room {
        tracked::forget();
        let bytes = tracked::room_for(1 << 30);
        Room(metadata::map_region(&critical::enter(), bytes).unwrap(), bytes)
    }
    fn begin(&self, world: &mut Roots) -> Result<&'static mut Tracked, Failed> {
        // SAFETY: zeroed, and used for this alone.
        unsafe { tracked::begin((self.0, self.1), world, true, 1 << 30) }
    }
}
impl Drop for Room {
    fn drop(&mut self) {
        own::want_news(false);
        tracked::forget();
        // SAFETY: nobody refers to it any more.
        unsafe { metadata::unmap_region(&critical::enter(), self.0, self.1) };
    }
}

/// The last stop; what the other engine says is reachable must be black.
fn finish(tracked: &mut Tracked, world: &mut Roots) {
    let critical = critical::enter();
    tracked.finish(world).unwrap();
    let marked = gc::mark(&critical, world, &gc::Settings::DEFAULT).unwrap();
    tracked.compare(&marked, |object| panic!("{:?}, {} bytes, is white", object.addr(), object.size()));
    marked.end(&critical);
}

/// Limbo and what comes after.
fn apply(tracked: &mut Tracked) -> (Moved, usize) {
    tracked.end(&mut || true);
    let room: &'static mut [u64] = Vec::leak(vec![u64::MAX; 1 << 20]);
    let (used, sum) = tracked.tell(room).unwrap();
    let critical = critical::enter();
    // SAFETY: one thread, and no cycle in between.
    let moved = unsafe {
        let mut aging = Aging::begin(&room[..used], 2, Doom::Allowed);
        while aging.next(&critical) {}
        aging.moved
    };
    assert!(moved.limbo.objects <= sum.objects);
    (moved, reclaim::run(&critical, 0).objects)
}

/// A whole collection; `roots` are asked for at both stops, `meanwhile` is the program.
fn collect(mut roots: impl FnMut() -> Roots, mut meanwhile: impl FnMut()) -> (Moved, usize) {
    let room = Room::new();
    let tracked = room.begin(&mut roots()).unwrap();
    let mut pulse = || {
        meanwhile();
        true
    };
    tracked.mark(&mut pulse).unwrap();
    for _ in 0..2 {
        tracked.round(&mut pulse).unwrap();
    }
    pulse();
    finish(tracked, &mut roots());
    pulse();
    apply(tracked)
}

#[test]
fn an_object_is_reclaimed_in_the_second_collection_and_not_before() {
    if !is_possible() {
        return;
    }
    let _turn = turn();
    let all: Vec<usize> = kinds().map(alloc).to_vec();
    let kept: Vec<usize> = kinds().map(zeroed).to_vec();
    let (moved, freed) = collect(|| roots(&kept), || ());
    assert_eq!((moved.limbo.objects, moved.fresh.objects, freed), (all.len(), all.len(), 0));
    let (moved, freed) = collect(|| roots(&kept), || ());
    assert_eq!((moved.doomed.objects, freed), (all.len(), all.len()));
    assert_eq!(allocated(), kept.len());
    kept.iter().for_each(|&at| free(at));
}

#[test]
fn what_was_free_when_all_was_marked_is_not_garbage_once_it_is_handed_out() {
    if !is_possible() {
        return;
    }
    let _turn = turn();
    for n in [24, 200, 1000, 5000, 30_000] {
        let before = resurrected();
        // Of one class: live, garbage, free with the span and free in a bin, never handed out.
        let live: Vec<usize> = (0..40).map(|_| alloc(n)).collect();
        (0..10).for_each(|_| _ = alloc(n));
        let go: Vec<usize> = (0..40).map(|_| alloc(n)).collect();
        go[..20].iter().for_each(|&at| free(at));
        shelve();
        go[20..].iter().for_each(|&at| free(at));
        let mut later = Vec::new();
        let room = Room::new();
        let tracked = room.begin(&mut roots(&live)).unwrap();
        tracked.mark(&mut || true).unwrap();
        finish(tracked, &mut roots(&live));
        later.extend((0..100).map(|_| alloc(n)));
        let (moved, _) = apply(tracked);
        assert!(moved.limbo.objects <= 10, "{n}: {moved:?}");
        later.iter().chain(&live).for_each(|&at| free(at));
        drop(room);
        assert_eq!(resurrected(), before, "{n}: what the program had was in limbo");
        wipe();
    }
}

#[test]
fn a_pointer_that_comes_to_where_all_is_read_already_is_seen() {
    if !is_possible() {
        return;
    }
    let _turn = turn();
    for n in kinds() {
        let holder = zeroed(n);
        let last = n / 8 - 1;
        // A chain of objects that only these two words lead to, longer each time.
        collect(
            || roots(&[holder]),
            || {
                for i in [0, last] {
                    let link = zeroed(64);
                    put(link, 0, get(holder, i));
                    put(holder, i, link);
                }
            },
        );
        wipe();
    }
}

#[test]
fn a_large_object_that_grows_or_moves_meanwhile_is_read_where_it_is() {
    if !is_possible() {
        return;
    }
    let _turn = turn();
    for (n, grown) in [
        (300_000, 700_000),
        (700_000, 300_000),
        (5 << 20, 50 << 20),
        (40 << 20, 41 << 20),
        (40 << 20, 35 << 20),
    ] {
        // In a page of its own.
        let holder = zeroed(30_000);
        put(holder, 0, alloc(n));
        let room = Room::new();
        let tracked = room.begin(&mut roots(&[holder])).unwrap();
        tracked.mark(&mut || true).unwrap();
        tracked.round(&mut || true).unwrap();
        let new = realloc(get(holder, 0), grown);
        // Who points to one that stayed is not written to.
        if new != get(holder, 0) {
            put(holder, 0, new);
        }
        put(new, (n.min(grown) - 4096) / 8, zeroed(64));
        finish(tracked, &mut roots(&[holder]));
        apply(tracked);
        drop(room);
        wipe();
    }
}

/// The program: objects with edges, of which some are roots.
struct Program {
    random: Random,
    /// (address, words); all are reachable from `roots`, or were.
    known: Vec<(usize, usize)>,
    roots: Vec<usize>,
}
impl Program {
    fn step(&mut self) {
        let random = &mut self.random;
        match random.below(10) {
            0..5 => {
                let words = match random.below(100) {
                    0..85 => 2 + random.below(40),
                    85..97 => 2 + random.below(3000),
                    _ => 10_000 + random.below(100_000),
                };
                let at = zeroed(words * 8);
                let (to, size) = self.known[random.below(self.known.len())];
                put(at, words - 1, to + 8 * random.below(size));
                let place = random.below(self.roots.len());
                // The old root goes on from the new one, or not at all.
                put(at, 0, self.roots[place] * (random.below(4) != 0) as usize);
                self.roots[place] = at;
            }
            5..8 => {
                // From one root's first word to another's: a path is moved.
                let (a, b) = (random.below(self.roots.len()), random.below(self.roots.len()));
                let (a, b) = (self.roots[a], self.roots[b]);
                let (x, y) = (get(a, 0), get(b, 0));
                put(a, 0, y);
                put(b, 0, x);
            }
            8 => {
                // Half the roots go by way of an object.
                let at = self.random.below(self.roots.len());
                let next = get(self.roots[at], 0);
                if next != 0 {
                    self.roots[at] = next;
                }
            }
            _ => {
                let at = zeroed(64);
                free(at);
            }
        }
    }
    /// All that can be reached, by the first and the last word.
    fn look(&mut self) {
        let (mut seen, mut list) = (HashSet::new(), Vec::new());
        let mut todo = self.roots.clone();
        while let Some(at) = todo.pop() {
            if at == 0 || !seen.insert(at) {
                continue;
            }
            let words = span(at).size.get() / 8;
            list.push((at, 2.max(words.min(3))));
            todo.push(get(at, 0));
        }
        self.known = list;
    }
}

fn run(seed: u64, often: usize, collections: usize) {
    let _turn = turn();
    let before = resurrected();
    let mut program = Program { random: Random(seed | 1), known: Vec::new(), roots: Vec::new() };
    program.roots = (0..32).map(|_| zeroed(64)).collect();
    program.look();
    (0..3000).for_each(|_| program.step());
    let program = std::cell::RefCell::new(program);
    for _ in 0..collections {
        program.borrow_mut().look();
        let now = || roots(&program.borrow().roots);
        collect(now, || {
            (0..often).for_each(|_| program.borrow_mut().step());
            program.borrow_mut().look();
        });
    }
    assert_eq!(resurrected(), before);
    // Without a program garbage is gone after the second.
    let now = || roots(&program.borrow().roots);
    (0..3).for_each(|_| _ = collect(now, || ()));
    let (white, _) = unreachable(&mut now(), CHECKED);
    assert!(white.is_empty(), "{} objects are left", white.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn what_is_reachable_stays_whatever_the_program_does(seed: u64, often in 0usize..20) {
        if is_possible() {
            run(seed, often, 4);
        }
    }
}

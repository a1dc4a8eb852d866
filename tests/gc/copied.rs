//! Collections that a copy of the process marks for: what it found comes to limbo later, when the program has gone on.
use crate::fixture::*;
use gleaner_core::gc::findings::Aging;
use gleaner_core::gc::limbo::{Doom, Moved};
use gleaner_core::gc::reclaim;
use gleaner_core::ground::critical;
use gleaner_core::spans::span::tag;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

/// A cycle up to the last resume. `between`: the program, after the copy was made; `within`: before each part of limbo.
fn halves_with(world: &mut Roots, needed: u8, between: impl FnOnce(), mut within: impl FnMut()) -> Moved {
    let mut room = vec![u64::MAX; 1 << 18];
    let used = marked(world, CHECKED, |marked| marked.write_findings(&mut room)).expect("room enough");
    between();
    let list = Box::into_raw(room.into_boxed_slice());
    // SAFETY: one thread, no cycle in between, and the list stays until limbo is complete.
    unsafe {
        let mut aging = Aging::begin(&(&*list)[..used], needed, Doom::Allowed);
        while aging.next(&critical::enter()) {
            within();
        }
        drop(Box::from_raw(list));
        aging.moved
    }
}
fn halves(world: &mut Roots, needed: u8, between: impl FnOnce()) -> Moved {
    halves_with(world, needed, between, || ())
}
fn copied(world: &mut Roots, needed: u8, between: impl FnOnce()) -> (Moved, usize) {
    let moved = halves(world, needed, between);
    (moved, reclaim::run(&critical::enter(), 0).objects)
}

#[test]
fn an_object_is_reclaimed_in_the_nth_cycle_and_not_before() {
    for needed in [2u8, 3, 4, 5, 9] {
        let _turn = turn();
        let all: Vec<usize> = kinds().map(alloc).to_vec();
        let kept: Vec<usize> = kinds().map(zeroed).to_vec();
        for round in 1..=needed {
            assert_eq!(allocated(), 2 * all.len());
            let (moved, freed) = copied(&mut roots(&kept), needed, || ());
            assert_eq!(moved.limbo.objects, all.len());
            assert_eq!(moved.fresh.objects, if round == 1 { all.len() } else { 0 });
            assert_eq!(freed, if round == needed { all.len() } else { 0 }, "round {round} of {needed}");
        }
        assert_eq!(allocated(), kept.len());
        kept.iter().for_each(|&at| free(at));
    }
}

#[test]
fn both_ways_of_marking_count_together() {
    let _turn = turn();
    let all: Vec<usize> = kinds().map(alloc).to_vec();
    copied(&mut roots(&[]), 3, || ());
    cycle(&mut roots(&[]), 3);
    assert_eq!(copied(&mut roots(&[]), 3, || ()).1, all.len());
}

#[test]
fn what_the_program_frees_and_allocates_meanwhile_is_left_alone() {
    let _turn = turn();
    let before = resurrected();
    for n in kinds() {
        let (live, goes) = (alloc(n), alloc(n));
        alloc(n);
        let mut later = 0;
        let (moved, _) = copied(&mut roots(&[live, goes]), 2, || {
            free(goes);
            later = alloc(n);
        });
        assert_eq!(moved.limbo.objects, 1);
        free(later);
        free(live);
        assert_eq!(resurrected(), before);
        assert_eq!(copied(&mut roots(&[]), 2, || ()).1, 1);
        assert_eq!(allocated(), 0);
    }
}

#[test]
fn a_free_in_limbo_while_the_copy_marks_is_a_resurrection() {
    let _turn = turn();
    for n in kinds() {
        let before = resurrected();
        let (a, b) = (alloc(n), alloc(n));
        copied(&mut roots(&[]), 2, || ());
        let moved = halves(&mut roots(&[]), 2, || free(a));
        assert_eq!((moved.doomed.objects, moved.limbo.objects, resurrected()), (1, 1, before + 1));
        // It is handed out again before the other is reclaimed, and is an ordinary object.
        let again = alloc(n);
        put(again, 0, 7);
        assert_eq!(reclaim::run(&critical::enter(), 0).objects, 1);
        assert_eq!(get(again, 0), 7);
        free(again);
        assert_eq!((allocated(), resurrected()), (0, before + 1));
        let _ = b;
    }
}

#[test]
fn an_object_that_goes_by_a_hidden_pointer_while_the_copy_marks_is_not_freed_twice() {
    let _turn = turn();
    for n in kinds() {
        let at = alloc(n);
        copied(&mut roots(&[]), 2, || free(at));
        // Whatever limbo has of it now: the copy of the next one sees that it is free.
        assert_eq!(copied(&mut roots(&[]), 2, || ()).1, 0);
        assert_eq!(copied(&mut roots(&[]), 2, || ()).1, 0);
        let taken: BTreeSet<usize> = (0..50).map(|_| alloc(n)).collect();
        assert_eq!(taken.len(), 50);
        taken.iter().for_each(|&at| free(at));
        assert_eq!(allocated(), 0);
    }
}

#[test]
fn a_span_that_became_another_has_no_findings() {
    let _turn = turn();
    let at = alloc(300_000);
    let mut fresh = Vec::new();
    let (moved, _) = copied(&mut roots(&[]), 2, || {
        free(at);
        fresh.extend((0..100_000).map(|_| alloc(40)));
    });
    assert_eq!(moved.limbo.objects, 0);
    for &at in &fresh {
        assert_eq!(span(at).owner.load(Ordering::Relaxed) & tag::LIMBO, 0);
    }
    fresh.iter().for_each(|&at| free(at));
}

#[test]
fn protected_objects_are_left_out() {
    let _turn = turn();
    let (a, b) = (alloc_aligned(4096, 4096), alloc(64));
    let mut world = Roots { protected: vec![(a, a + 4096)], ..Roots::default() };
    for freed in [0, 1, 0] {
        assert_eq!(copied(&mut world, 2, || ()).1, freed);
    }
    assert_eq!(allocated(), 1);
    free(a);
    let _ = b;
}

#[test]
fn too_little_room_is_told() {
    let _turn = turn();
    let at = alloc(64);
    for short in 0..4 {
        let mut room = vec![0; short];
        assert_eq!(marked(&mut roots(&[]), CHECKED, |marked| marked.write_findings(&mut room)), None);
    }
    free(at);
}

/// A program that drops, frees and allocates while copies mark: what it has stays as it is, what it dropped goes within three
/// cycles, and nothing is called resurrected.
#[test]
fn random_programs_beside_copies() {
    let seed = std::env::var("GLEANER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_123);
    println!("seed {seed}");
    let mut random = Random(seed);
    let sizes = [16, 40, 100, 1000, 3000, 5000, 40_000, 300_000];
    for _ in 0..6 {
        let _turn = turn();
        let before = resurrected();
        let mut held: Vec<(usize, usize)> = Vec::new();
        let mut dropped: Vec<(usize, usize)> = Vec::new();
        let most = Cell::new(300);
        let mut step = |held: &mut Vec<(usize, usize)>, dropped: &mut Vec<(usize, usize)>, round: usize| {
            for _ in 0..random.below(most.get()) {
                match random.below(4) {
                    0 if !held.is_empty() => {
                        let (at, stamp) = held.swap_remove(random.below(held.len()));
                        assert_eq!((get(at, 0), get(at, 1)), (stamp, at));
                        free(at);
                    }
                    1 if !held.is_empty() => {
                        dropped.push((held.swap_remove(random.below(held.len())).0, round));
                    }
                    _ => {
                        let (at, stamp) = (alloc(sizes[random.below(sizes.len())]), random.below(1 << 20));
                        put(at, 0, stamp);
                        put(at, 1, at);
                        held.push((at, stamp));
                    }
                }
            }
        };
        for round in 0..40 {
            step(&mut held, &mut dropped, round);
            let mut world = roots(&held.iter().map(|object| object.0).collect::<Vec<_>>());
            if round % 5 == 4 {
                cycle(&mut world, 2);
            } else {
                let rest = RefCell::new((&mut step, &mut held, &mut dropped));
                let go_on = |count| {
                    let (step, held, dropped) = &mut *rest.borrow_mut();
                    most.set(count);
                    step(held, dropped, round + 1);
                };
                halves_with(&mut world, 2, || go_on(300), || go_on(30));
                most.set(300);
                reclaim::run(&critical::enter(), 0);
            }
            held.iter().for_each(|&(at, stamp)| assert_eq!((get(at, 0), get(at, 1)), (stamp, at)));
            dropped.retain(|&(_, when)| round < when + 2);
            let live = allocated();
            assert!(
                live <= held.len() + dropped.len(),
                "{live}, {} held, {} dropped",
                held.len(),
                dropped.len()
            );
        }
        assert_eq!(resurrected(), before);
        held.iter().for_each(|&(at, _)| free(at));
    }
}

#[test]
fn a_resurrection_between_two_parts_ends_reclaiming() {
    let _turn = turn();
    let all: Vec<usize> = (0..200_000).map(|_| alloc(100)).collect();
    cycle(&mut roots(&[]), 2);
    assert_eq!(stopped_part(&mut roots(&[]), 2, Doom::Allowed).doomed.objects, all.len());
    let mut parts = reclaim::Parts::new(0);
    assert!(parts.next(&critical::enter()));
    let first = parts.freed.objects;
    assert!((1..all.len() / 2).contains(&first), "{first}");
    // One whose turn has not come: the first span was made first, and its slab is the last of the walk.
    free(all[0]);
    while parts.next(&critical::enter()) {}
    assert_eq!(parts.freed.objects, first);
    assert_eq!(allocated(), all.len() - first - 1);
}

//! Probation: reclaimed only after enough cycles, never twice, and not once the program showed
//! that it had the object.
use crate::fixture::*;
use gleaner_core::gc::limbo::Doom;
use gleaner_core::gc::reclaim;
use gleaner_core::ground::critical;
use gleaner_core::heap::resize;
use gleaner_core::spans::span::tag;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

#[test]
fn an_object_is_reclaimed_in_the_nth_cycle_and_not_before() {
    for needed in [1u8, 2, 3, 4, 5, 8, 9, 100] {
        let _turn = turn();
        let all: Vec<usize> = kinds().map(alloc).to_vec();
        for round in 1..=needed {
            assert_eq!(allocated(), all.len());
            let (moved, freed) = cycle(&mut roots(&[]), needed);
            assert_eq!(moved.limbo.objects, all.len());
            assert_eq!(moved.fresh.objects, if round == 1 { all.len() } else { 0 });
            assert_eq!(freed, if round == needed { all.len() } else { 0 }, "round {round} of {needed}");
        }
        assert_eq!(allocated(), 0);
    }
}

#[test]
fn a_limbo_object_keeps_its_bytes() {
    let _turn = turn();
    let all: Vec<usize> = kinds().map(alloc).to_vec();
    for &at in &all {
        put(at, 0, 0x1234_5678);
        put(at, 2, 0x9abc_def0);
    }
    cycle(&mut roots(&[]), 3);
    cycle(&mut roots(&[]), 3);
    for &at in &all {
        assert_eq!((get(at, 0), get(at, 2)), (0x1234_5678, 0x9abc_def0));
    }
    cycle(&mut roots(&all), 3);
}

#[test]
fn a_revived_object_begins_anew() {
    let _turn = turn();
    let before = resurrected();
    let all: Vec<usize> = kinds().map(alloc).to_vec();
    for _ in 0..5 {
        assert_eq!(cycle(&mut roots(&[]), 2).1, 0);
        let (moved, freed) = cycle(&mut roots(&all), 2);
        assert_eq!((moved.revived.objects, moved.limbo.objects, freed), (all.len(), 0, 0));
        for &at in &all {
            assert_eq!(span(at).owner.load(Ordering::Relaxed) & tag::LIMBO, 0);
        }
    }
    cycle(&mut roots(&[]), 2);
    assert_eq!(cycle(&mut roots(&[]), 2).1, all.len());
    assert_eq!(resurrected(), before);
}

#[test]
fn a_free_in_limbo_is_a_resurrection_and_frees_once() {
    let _turn = turn();
    for (i, n) in kinds().into_iter().enumerate() {
        let (a, b) = (alloc(n), alloc(n));
        let before = resurrected();
        cycle(&mut roots(&[]), 3);
        assert_eq!(span(a).owner.load(Ordering::Relaxed) & tag::LIMBO, tag::LIMBO);
        free(a);
        assert_eq!(resurrected(), before + 1, "kind {i}");
        assert_eq!(allocated(), 1);
        // It may be handed out again, and is an ordinary object then.
        let again = alloc(n);
        free(again);
        assert_eq!(resurrected(), before + 1);
        cycle(&mut roots(&[]), 3);
        assert_eq!(cycle(&mut roots(&[]), 3).1, 1);
        assert_eq!(allocated(), 0);
        let _ = b;
    }
}

#[test]
fn asking_for_the_size_or_realloc_is_a_resurrection_too() {
    let _turn = turn();
    for n in kinds() {
        let (a, b) = (alloc(n), alloc(n));
        let before = resurrected();
        cycle(&mut roots(&[]), 2);
        // SAFETY: an object of the test.
        assert!(unsafe { resize::usable_size(a as *const u8, "test") }.unwrap() >= n);
        let b = realloc(b, n * 3);
        assert_eq!(resurrected(), before + 2);
        // Both live on; they were taken out of limbo and begin anew.
        assert_eq!(cycle(&mut roots(&[]), 2).1, 0);
        free(a);
        free(b);
    }
}

#[test]
fn the_program_takes_back_what_is_doomed_already() {
    let _turn = turn();
    let all: Vec<usize> = (0..200).map(|_| alloc(40)).collect();
    cycle(&mut roots(&[]), 2);
    let moved = stopped_part(&mut roots(&[]), 2, Doom::Allowed);
    assert_eq!(moved.doomed.objects, 200);
    // Between resume and reclaiming.
    all[..100].iter().for_each(|&at| free(at));
    let again: Vec<usize> = (0..100).map(|_| alloc(40)).collect();
    again.iter().for_each(|&at| free(at));
    let freed = reclaim::run(&critical::enter(), 0).objects;
    assert_eq!(freed, 100);
    assert_eq!(allocated(), 0);
}

#[test]
fn nothing_is_doomed_when_that_is_off() {
    let _turn = turn();
    let at = alloc(100);
    for _ in 0..5 {
        let moved = stopped_part(&mut roots(&[]), 2, Doom::Off);
        assert_eq!((moved.limbo.objects, moved.doomed.objects), (1, 0));
        assert_eq!(reclaim::run(&critical::enter(), 0).objects, 0);
    }
    free(at);
}

#[test]
fn reclaimed_slots_are_used_again_and_spans_go_back() {
    let _turn = turn();
    let mut mapped = 0;
    for round in 0..30 {
        (0..50_000).for_each(|_| {
            alloc(100);
        });
        cycle(&mut roots(&[]), 2);
        let now = gleaner_core::pages::stats().mapped;
        if round == 5 {
            mapped = now;
        }
        assert!(round < 5 || now <= mapped + mapped / 4, "{now} pages, {mapped} before");
    }
}

#[test]
fn a_slot_that_fell_off_its_list_is_not_pushed_twice() {
    let _turn = turn();
    let (a, b, c) = listed(600);
    // The program cuts the list: b is its last slot now. a is on no list.
    let link = get(b, 0);
    put(b, 0, 0);
    for _ in 0..3 {
        assert_eq!(cycle_of_broken(&mut roots(&[c]), 2).1, 0);
    }
    put(b, 0, link);
    let slots = span(a).slots.get() as usize;
    let taken: BTreeSet<usize> = (0..2 * slots).map(|_| alloc(600)).collect();
    assert_eq!(taken.len(), 2 * slots);
    assert!(taken.contains(&b) && taken.contains(&a));
    taken.iter().chain(&[c]).for_each(|&at| free(at));
}

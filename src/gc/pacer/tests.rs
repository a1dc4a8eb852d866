use super::*;
use proptest::prelude::*;

const MB: usize = 1 << 20;
const KNOBS: Knobs = Knobs { min_growth: 16 * MB, growth: 100 };

fn report(before: usize, reachable: usize, fresh: usize, reclaimed: usize, at: u64) -> Report {
    Report {
        before,
        after: before - reclaimed,
        reachable,
        roots: 0,
        fresh,
        reclaimed,
        began: at,
        ended: at,
        cost: 0,
        copied: false,
    }
}

const SECOND: u64 = 1_000_000_000;

/// How large the heap becomes while `most` live, built up first, and all else leaks, and is reclaimed one cycle after it came to limbo.
/// Cycles are ten seconds apart.
fn peak_of_a_leak(most: usize, copied: bool) -> usize {
    let mut pacer = Pacer::new(KNOBS);
    let (mut limbo, mut peak) = (0, 0);
    for cycle in 0..100 {
        let now = cycle * 10 * SECOND;
        let heap = pacer.trigger(now);
        let live = heap.min(most);
        let garbage = heap - live - limbo;
        peak = peak.max(heap);
        pacer.complete(&Report { copied, ..report(heap, live, garbage, limbo, now) });
        limbo = garbage;
    }
    peak
}

#[test]
fn a_steady_leak_is_held_at_a_small_multiple_of_what_is_live() {
    for most in 50..150 {
        let peak = peak_of_a_leak(most * MB, false);
        assert!(peak <= 9 * most / 4 * MB + 5 * MB, "{most}: {} MB", peak / MB);
    }
}

#[test]
fn where_copies_mark_it_is_held_at_half_as_much_again_from_the_beginning() {
    for most in 100..700 {
        let peak = peak_of_a_leak(most * MB, true);
        assert!(peak <= most * 3 * MB / 2 + 5 * MB, "{most}: {} MB", peak / MB);
    }
}

#[test]
fn only_a_program_that_had_the_time_is_asked_early() {
    let grown = |copied, cost| {
        let mut pacer = Pacer::new(KNOBS);
        pacer.complete(&Report { copied, cost, ..report(500 * MB, 500 * MB, 0, 0, SECOND) });
        pacer
    };
    let pacer = grown(true, SECOND);
    assert_eq!([pacer.trigger(SECOND), pacer.trigger(11 * SECOND - 1)], [1000 * MB; 2]);
    assert_eq!([pacer.trigger(11 * SECOND), pacer.earliest()], [700 * MB; 2]);
    let pacer = grown(false, 0);
    assert_eq!([pacer.trigger(60 * SECOND), pacer.earliest()], [1000 * MB; 2]);
    // In vain, and no larger than before: not so soon again.
    let mut pacer = grown(true, 0);
    pacer.complete(&Report { copied: true, ..report(500 * MB, 500 * MB, 0, 0, 2 * SECOND) });
    assert_eq!(pacer.trigger(60 * SECOND), 1500 * MB);
}

#[test]
fn a_program_that_only_grows_is_asked_ever_less_often() {
    let mut pacer = Pacer::new(KNOBS);
    let mut cycles = 0;
    while pacer.trigger(cycles) < 1 << 40 {
        let heap = pacer.trigger(cycles);
        pacer.complete(&report(heap, heap, 0, 0, cycles));
        cycles += 1;
    }
    assert!(cycles < 20, "{cycles} cycles up to 1 TB");
}

#[test]
fn a_heap_that_fills_and_empties_is_asked_ever_less_often() {
    let mut pacer = Pacer::new(KNOBS);
    let mut cycles = 0;
    for swing in 0..1000 {
        if pacer.trigger(swing) <= 100 * MB {
            pacer.complete(&report(100 * MB, 100 * MB, 0, 0, swing));
            cycles += 1;
        }
        pacer.shrunk(10 * MB);
    }
    assert!(cycles < 8, "{cycles} cycles");
    // It is the same program when it begins to leak: one cycle that finds much, and the goal is back.
    let heap = pacer.trigger(2000);
    pacer.complete(&report(heap, MB, heap - MB, 0, 2000));
    assert_eq!(pacer.goal(), 16 * MB);
}

proptest! {
    #[test]
    fn no_value_overflows_and_the_trigger_is_above_the_heap(
        min_growth in any::<usize>(), growth in 1usize..=10_000,
        cycles in prop::collection::vec((any::<usize>(), any::<usize>(), any::<usize>(), 0..1u64 << 60, 0..1u64 << 60), 1..20)
    ) {
        let mut pacer = Pacer::new(Knobs { min_growth, growth });
        for (before, marked, fresh, began, took) in cycles {
            let ended = began + took;
            pacer.complete(&Report { before, after: before, reachable: marked, roots: marked, fresh, reclaimed: 0, began, ended, cost: took, copied: took % 2 == 0 });
            prop_assert!(pacer.goal() >= min_growth);
            prop_assert!(pacer.trigger(ended) >= before);
            prop_assert!(pacer.earliest() >= before);
            prop_assert!(pacer.wait(ended) <= FILL_MAX * DRAIN);
            prop_assert_eq!(pacer.wait(ended.saturating_add(FILL_MAX * DRAIN)), 0);
            pacer.abandoned(before, began, ended);
        }
    }

    #[test]
    fn the_goal_rises_with_the_knobs(min in 0usize..1 << 40, growth in 1usize..9999, marked in 0usize..1 << 44) {
        let goal = |min_growth, growth| {
            let mut pacer = Pacer::new(Knobs { min_growth, growth });
            pacer.complete(&report(marked, marked, marked, 0, 0));
            pacer.goal()
        };
        prop_assert!(goal(min, growth) <= goal(min + 1, growth));
        prop_assert!(goal(min, growth) <= goal(min, growth + 1));
    }

    #[test]
    fn a_busy_machine_makes_cycles_no_rarer(cost in 1u64..BUCKET, slower in 1u64..20) {
        let mut pacer = Pacer::new(KNOBS);
        let ended = 1 + cost * slower;
        pacer.complete(&Report { began: 1, ended, cost, ..report(0, 0, 0, 0, 0) });
        prop_assert_eq!(pacer.wait(ended), 0);
    }

    #[test]
    fn collecting_takes_at_most_a_quarter(costs in prop::collection::vec(1u64..700_000_000, 50..200)) {
        // As greedy as the cap allows: each cycle begins as soon as it may.
        let (mut pacer, mut now, mut spent) = (Pacer::new(KNOBS), 1u64, 0);
        for cost in costs {
            now += pacer.wait(now);
            prop_assert_eq!(pacer.wait(now), 0);
            pacer.complete(&Report { began: now, ended: now + cost, cost, ..report(0, 0, 0, 0, 0) });
            now += cost;
            spent += cost;
            // The first bucketful and the last cycle come on top.
            prop_assert!(spent <= now / 4 + BUCKET + cost, "{} of {}", spent, now);
        }
    }
}

use super::*;
use proptest::prelude::*;

const MB: usize = 1 << 20;
const LINE: Line = Line { percent: 90 };

fn around(limit: usize, used: usize) -> Surroundings {
    Surroundings { limit: (limit * MB) as u64, used: (used * MB) as u64, stalled: 0 }
}
fn heap(size: usize, growth: usize, limbo: usize) -> Heap {
    Heap { size: size * MB, growth: growth * MB, limbo: limbo * MB, least: least(16 * MB) }
}
fn report(fresh: usize, reclaimed: usize, ended: u64, cost: u64) -> Report {
    Report {
        before: 0,
        after: 0,
        reachable: 0,
        roots: 0,
        fresh: fresh * MB,
        reclaimed: reclaimed * MB,
        began: ended - cost,
        ended,
        cost,
        copied: false,
    }
}

#[test]
fn it_takes_a_near_limit_or_waiting_tasks() {
    let cause = |around| Early::START.cause(&around, LINE, &heap(100, 10, 0), 1);
    assert_eq!(cause(Surroundings::NONE), None);
    assert_eq!(cause(around(1000, 899)), None);
    assert_eq!(cause(around(1000, 900)), Some(Cause::Limit));
    assert_eq!(cause(around(1000, 2000)), Some(Cause::Limit));
    assert_eq!(cause(Surroundings { stalled: 999, ..around(1000, 0) }), None);
    assert_eq!(cause(Surroundings { stalled: 1000, ..Surroundings::NONE }), Some(Cause::Stalls));
    assert_eq!(cause(Surroundings { stalled: 1000, ..around(1000, 900) }), Some(Cause::Limit));
}

#[test]
fn something_must_be_to_gain() {
    let wants = |heap| Early::START.cause(&around(1000, 900), LINE, &heap, 1).is_some();
    assert!(!wants(heap(800, 49, 0)) && wants(heap(800, 50, 0)));
    assert!(!wants(heap(800, 0, 700)) && wants(heap(800, 1, 49)));
    assert!(!wants(heap(8, 0, 0)) && wants(heap(8, 1, 0)));
}

#[test]
fn cycles_in_vain_ask_for_more_growth_but_not_next_to_the_limit() {
    let mut early = Early::START;
    let cause =
        |early: &Early, used, growth, now| early.cause(&around(1000, used), LINE, &heap(800, growth, 0), now);
    for patience in [2, 4, 4] {
        early.complete(Cause::Limit, 50 * MB, &report(1, 1, 100, 10));
        assert_eq!(cause(&early, 900, 800, 599), None);
        assert_eq!(cause(&early, 900, 50 * patience - 1, 600), None);
        assert_eq!(cause(&early, 900, 50 * patience, 600), Some(Cause::Limit));
        assert_eq!(cause(&early, 949, 50, 600), None);
        assert_eq!(cause(&early, 950, 50, 600), Some(Cause::Limit));
    }
    // Growth's own cycles in vain say nothing about early ones.
    early.complete(Cause::Growth, 50 * MB, &report(0, 0, 700, 10));
    assert_eq!(cause(&early, 900, 200, 700), Some(Cause::Limit));
    early.complete(Cause::Growth, 50 * MB, &report(20, 0, 800, 10));
    assert_eq!(cause(&early, 900, 50, 800), Some(Cause::Limit));
    early.in_vain(800, 10);
    assert_eq!(cause(&early, 900, 800, 1299), None);
}

/// A program whose every second runs `leaks` MB of garbage into a heap of `live` MB, the limit `limit`: what it uses at most.
fn peak(limit: usize, live: usize, leaks: usize) -> usize {
    let (mut early, mut base, mut garbage, mut limbo, mut peak) = (Early::START, live, 0, 0, 0);
    for at in 0..10_000u64 {
        garbage += 1;
        let used = live + garbage + limbo;
        peak = peak.max(used);
        let now = at * 1_000_000_000 / leaks as u64;
        let heap = heap(used, used - base, limbo);
        if early.cause(&around(limit, used), LINE, &heap, now) == Some(Cause::Limit) {
            early.complete(Cause::Limit, heap.gain(), &report(garbage, limbo, now + 1, 1));
            (limbo, garbage) = (garbage, 0);
            base = live + limbo;
        }
    }
    peak
}

proptest! {
    #[test]
    fn a_leak_stays_below_the_limit(limit in 100usize..2000, share in 0usize..80, leaks in 1usize..1000) {
        let peak = peak(limit, limit * share / 100, leaks);
        prop_assert!(peak < limit, "{} of {}", peak, limit);
    }

    #[test]
    fn a_program_without_garbage_pays_two_percent_at_most(
        steps in prop::collection::vec((0usize..400, 1u64..1_000_000), 10..300), cost in 1u64..100_000,
    ) {
        // It lives at its limit, and its heap goes up and down.
        let (mut early, mut now, mut spent, mut base) = (Early::START, cost, 0, 0);
        for (size, pause) in steps {
            now += pause;
            base = base.min(size);
            let heap = heap(size, size - base, 0);
            if early.cause(&around(400, 399), LINE, &heap, now).is_some() {
                (now, spent, base) = (now + cost, spent + cost, size);
                early.complete(Cause::Limit, heap.gain(), &report(0, 0, now, cost));
            }
        }
        prop_assert!(spent <= now / 50 + 2 * cost, "{} of {}", spent, now);
    }

    #[test]
    fn no_value_overflows(
        percent in 1u8..=99, limit in any::<u64>(), used in any::<u64>(), words in any::<[usize; 5]>(), now in any::<u64>(),
    ) {
        let [size, growth, limbo, min_growth, goal] = words;
        let (line, around) = (Line { percent }, Surroundings { limit, used, stalled: 0 });
        let heap = Heap { size, growth, limbo, least: least(min_growth) };
        let mut early = Early::START;
        early.in_vain(now, used);
        early.complete(Cause::Limit, heap.gain(), &report(0, 0, now, now));
        prop_assert_eq!(early.cause(&around, line, &heap, u64::MAX).is_some(), used >= line.of(limit) && growth != 0
            && heap.gain() >= heap.step().saturating_mul(if around.is_urgent(line) { 1 } else { 4 }));
        prop_assert!(line.of(limit) <= limit);
        prop_assert!(early.stride(&around, line, goal, size, least(min_growth)) >= least(min_growth));
    }
}

//! Integers in the roots that fall into the heap are told from pointers.
use crate::fixture::*;
use gleaner_core::gc::Settings;
use gleaner_core::gc::chance::Chance;
use gleaner_core::spans::{slab, span::flag};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

/// A heap of objects between free slots: both lots.
fn heap() -> (Vec<usize>, Vec<usize>) {
    let all: Vec<usize> = (0..60_000).map(|_| zeroed(100)).collect();
    let (freed, kept) = all.iter().enumerate().partition::<Vec<_>, _>(|(i, _)| i % 3 == 0);
    let strip = |lot: Vec<(usize, &usize)>| lot.into_iter().map(|(_, at)| *at).collect::<Vec<usize>>();
    let (freed, kept) = (strip(freed), strip(kept));
    freed.iter().for_each(|&at| free(at));
    shelve();
    (freed, kept)
}
fn chance(words: &[usize]) -> Chance {
    unreachable(&mut roots(words), Settings::DEFAULT).1.chance
}

#[test]
fn random_numbers_are_told_and_pointers_are_not() {
    let _turn = turn();
    let (freed, kept) = heap();
    // Pointers, also stale ones and such into objects; and numbers that fall elsewhere.
    let mut words: Vec<usize> = kept.iter().chain(&freed).copied().collect();
    words.extend(kept.iter().map(|at| at + 5));
    words.extend((0..100_000).map(|i| i * 77));
    let none = chance(&words);
    let pointers = (kept.len() * 2 + freed.len()) as f64;
    assert_eq!((none.integers, none.held), (0, 0));
    assert!((none.words as f64 / pointers - 1.0).abs() < 0.2, "{none:?} {pointers}");

    // As many numbers among them as there are pointers, anywhere in the heap: other tests have left much of it, where these are not.
    let (mut low, mut high) = (usize::MAX, 0);
    slab::for_each(|span| {
        if span.flags.load(Ordering::Relaxed) & flag::OWN_MAPPING == 0 {
            (low, high) = (low.min(span.base().0), high.max(span.limit().0));
        }
    });
    let mut seed = 7u64;
    let mut number = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        low + (seed >> 20) as usize % (high - low)
    };
    let numbers: Vec<usize> = (0..words.len()).map(|_| number()).collect();
    let mixed: Vec<usize> = words.iter().zip(&numbers).flat_map(|(a, b)| [*a, *b]).collect();
    let some = chance(&mixed);
    let hits = numbers
        .iter()
        .filter(|&&n| gleaner_core::spans::map::lookup(gleaner_core::pure::addr::Addr(n)).is_some());
    let hits = hits.count() as f64;
    assert!((some.integers as f64 / hits - 1.0).abs() < 0.25, "{some:?}, {hits} fell on spans");
    // So many that hardly an object has none.
    let live = kept.len() as f64 * span(kept[0]).size.get() as f64;
    assert!(some.held as f64 > live * 0.8, "{some:?} of {live}");
    // A hundredth of them: the bytes of the objects that they fall on. A sample has a dozen of these, so it is the mean that counts.
    let mut sorted = kept.clone();
    sorted.sort_unstable();
    let size = span(kept[0]).size.get();
    let object_of =
        |n: usize| sorted[..sorted.partition_point(|&at| at <= n)].last().filter(|&&at| n < at + size);
    let (mut held, mut expected) = (0, 0);
    for rest in (0..100).step_by(4) {
        let few: Vec<usize> =
            numbers.iter().enumerate().map(|(i, n)| if i % 100 == rest { *n } else { 0 }).collect();
        held += chance(&few).held as usize;
        expected +=
            size * few.iter().filter_map(|&n| object_of(n).copied()).collect::<BTreeSet<usize>>().len();
    }
    let ratio = held as f64 / expected as f64;
    assert!(ratio > 0.4 && ratio < 2.0, "{held} instead of {expected}");
    kept.iter().for_each(|&at| free(at));
}

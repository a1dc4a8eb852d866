//! Integers in the roots that fall into the heap are told from pointers.
use crate::fixture::*;
use gleaner_core::gc::Settings;
use gleaner_core::gc::chance::Chance;

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

    // As many numbers among them as there are pointers, anywhere between the first object and the last.
    let (low, high) = (*kept.iter().min().unwrap(), *kept.iter().max().unwrap());
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
    // A hundredth of them: a hundredth of the bytes.
    let few: Vec<usize> =
        numbers.iter().enumerate().map(|(i, n)| if i % 100 == 0 { *n } else { 0 }).collect();
    let hundredth = chance(&few);
    let share = hundredth.held as f64 / live;
    let expected = few.iter().filter(|n| **n != 0).count() as f64 / kept.len() as f64 * 2.0 / 3.0;
    assert!(share > expected / 3.0 && share < expected * 3.0, "{hundredth:?}: {share} instead of {expected}");
    kept.iter().for_each(|&at| free(at));
}

//! MS1, MS2: exactly what the model reaches is marked, whatever the graph and the pointers' form.
use crate::fixture::*;
use gleaner_core::gc::Settings;
use gleaner_core::gc::filter::{self, Level};
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// Sizes in words from every kind of object.
fn words(random: &mut Random) -> usize {
    match random.below(100) {
        0..80 => 1 + random.below(30),
        80..95 => 1 + random.below(2000),
        95..99 => 1 + random.below(8000),
        99 if random.below(4) != 0 => 10_000 + random.below(20_000),
        _ => 300_000 + random.below(1000),
    }
}

struct Graph {
    /// (address, words)
    objects: Vec<(usize, usize)>,
    edges: Vec<Vec<usize>>,
    freed: Vec<usize>,
}

/// A pointer to `to` in one of the forms that count.
fn pointer(random: &mut Random, to: (usize, usize)) -> usize {
    let (at, words) = to;
    match random.below(5) {
        0 => at,
        1 => at + random.below(words * 8),
        2 => at + words * 8,
        3 => at | (1 + random.below(7)),
        _ => at + 8 * random.below(words) + random.below(8),
    }
}

fn build(random: &mut Random, count: usize) -> Graph {
    let mut graph = Graph { objects: Vec::new(), edges: Vec::new(), freed: Vec::new() };
    for _ in 0..count {
        let words = words(random);
        let at = zeroed(words * 8);
        if random.below(3) == 0 {
            graph.freed.push(at);
        } else {
            graph.objects.push((at, words));
        }
    }
    // Freed ones lie between the others.
    graph.freed.iter().for_each(|&at| free(at));
    let n = graph.objects.len();
    for from in 0..n {
        let (at, words) = graph.objects[from];
        let mut edges = Vec::new();
        for _ in 0..random.below(4) {
            let to = random.below(n);
            let i = random.below(words);
            if get(at, i) == 0 {
                put(at, i, pointer(random, graph.objects[to]));
                edges.push(to);
            }
        }
        // Noise: pointers to free slots, small numbers, wild words.
        for _ in 0..random.below(3) {
            let i = random.below(words);
            if get(at, i) == 0 && !graph.freed.is_empty() {
                let noise = [graph.freed[random.below(graph.freed.len())], 17, usize::MAX, 1 << 63];
                put(at, i, noise[random.below(4)]);
            }
        }
        graph.edges.push(edges);
    }
    graph
}

fn reachable(graph: &Graph, from: &[usize]) -> BTreeSet<usize> {
    let (mut seen, mut todo) = (BTreeSet::new(), from.to_vec());
    while let Some(at) = todo.pop() {
        if seen.insert(at) {
            todo.extend(&graph.edges[at]);
        }
    }
    seen
}

/// Some of `a` that `b` lacks.
fn first(a: &BTreeSet<usize>, b: &BTreeSet<usize>) -> Vec<usize> {
    a.difference(b).take(4).copied().collect()
}

const LEVELS: [Level; 3] = [Level::Words, Level::Avx2, Level::Avx512];

fn run(seed: u64, count: usize, root_count: usize, settings: Settings) {
    let _turn = turn();
    filter::limit(LEVELS[seed as usize % LEVELS.len()]);
    let mut random = Random(seed | 1);
    let graph = build(&mut random, count);
    let mut world = Roots::default();
    let mut from = Vec::new();
    for _ in 0..root_count.min(graph.objects.len()) {
        let to = random.below(graph.objects.len());
        world.words.push(pointer(&mut random, graph.objects[to]));
        world.words.push(random.below(usize::MAX));
        from.push(to);
    }
    let live = reachable(&graph, &from);
    let garbage: BTreeSet<usize> =
        (0..graph.objects.len()).filter(|i| !live.contains(i)).map(|i| graph.objects[i].0).collect();
    let (found, sums) = unreachable(&mut world, settings);
    assert!(
        found == garbage,
        "seed {seed}: too many {:x?}, missing {:x?}",
        first(&found, &garbage),
        first(&garbage, &found)
    );
    assert_eq!(sums.allocated.objects, graph.objects.len());
    assert_eq!(sums.broken_lists, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn marks_what_the_model_reaches(seed in any::<u64>(), count in 0usize..1500, roots in 0usize..20) {
        run(seed, count, roots, CHECKED);
    }
}

/// Several markers as soon as two spans wait. The second marker of checkmark agrees, too.
const TOGETHER: Settings = Settings { markers: 3, help_from: 2, ..CHECKED };

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn several_mark_what_one_would(seed in any::<u64>(), count in 200usize..3000, roots in 1usize..20) {
        run(seed, count, roots, TOGETHER);
    }
}

/// Every object of many spans leads to others anywhere: all markers meet at the same spans, words and objects all the time.
#[test]
fn markers_that_meet_at_every_object() {
    let _turn = turn();
    let all: Vec<usize> = (0..60_000).map(|i| zeroed([16, 24, 40, 100][i % 4])).collect();
    let mut helped = 0;
    for round in 0..24u64 {
        filter::limit(LEVELS[round as usize % LEVELS.len()]);
        let mut random = Random(round * 77 + 5);
        for &at in &all {
            (0..2).for_each(|word| put(at, word, all[random.below(all.len())]));
        }
        let numbers: HashMap<usize, usize> = all.iter().enumerate().map(|(i, &at)| (at, i)).collect();
        let mut reached = vec![false; all.len()];
        let mut todo = vec![round as usize];
        while let Some(i) = todo.pop() {
            if !core::mem::replace(&mut reached[i], true) {
                todo.extend((0..2).map(|word| numbers[&get(all[i], word)]));
            }
        }
        let garbage: BTreeSet<usize> = (0..all.len()).filter(|&i| !reached[i]).map(|i| all[i]).collect();
        let settings = Settings { markers: 2 + round as u32 % 3, ..TOGETHER };
        let (found, sums) = unreachable(&mut roots(&[all[round as usize]]), settings);
        assert!(found == garbage, "round {round}");
        assert!(sums.helpers < settings.markers);
        helped += sums.helpers;
    }
    assert!(helped >= 24, "nobody helped");
    all.into_iter().for_each(free);
}

/// Who helped is gone when marking is over.
#[test]
fn no_thread_is_left() {
    let _turn = turn();
    // Other tests' threads come and go, and have other names.
    let name = |task: std::path::PathBuf| std::fs::read_to_string(task.join("comm")).unwrap_or_default();
    let own = name("/proc/thread-self".into());
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("task");
        tasks.filter(|task| task.as_ref().is_ok_and(|task| name(task.path()) == own)).count()
    };
    let all: Vec<usize> = (0..20_000).map(|_| zeroed(48)).collect();
    let table = zeroed(all.len() * 8);
    all.iter().enumerate().for_each(|(i, &at)| put(table, i, at));
    for _ in 0..50 {
        let critical = gleaner_core::ground::critical::enter();
        let mut world = roots(&[table]);
        let marked = gleaner_core::gc::mark(&critical, &mut world, &TOGETHER).expect("marks");
        assert_eq!(threads(), 1, "a thread is left");
        assert_eq!(marked.found.unreachable.objects, 0);
        assert_ne!(marked.found.helpers, 0);
        marked.end(&critical);
    }
    all.into_iter().chain([table]).for_each(free);
}

#[test]
fn objects_of_one_span_that_turn_grey_while_it_is_scanned() {
    // Each points to two others of its span, before and behind it, in an order without sense.
    let _turn = turn();
    for count in [2usize, 63, 64, 65, 500, 1023] {
        let all: Vec<usize> = (0..count).map(|_| zeroed(40)).collect();
        for (i, &at) in all.iter().enumerate() {
            put(at, 0, all[(i * 37 + 11) % count]);
            put(at, 1, all[(i + 1) % count]);
        }
        for level in LEVELS {
            filter::limit(level);
            let (garbage, _) = unreachable(&mut roots(&[all[count / 2]]), CHECKED);
            assert!(garbage.is_empty(), "{count}, {level:?}");
        }
        all.into_iter().for_each(free);
    }
}

#[test]
fn more_of_one_span_than_a_trail_has_places_for() {
    // Each node leads to as many as it has words: of its own span, of others, of both; whatever has no place waits.
    let _turn = turn();
    for (words, far) in [(2usize, 0), (6, 0), (14, 0), (30, 0), (31, 1), (14, 3), (6, 2)] {
        let all: Vec<usize> = (0..6000).map(|_| zeroed(words * 8)).collect();
        let mut random = Random(words as u64 * 7 + 1);
        for (i, &at) in all.iter().enumerate() {
            for word in 0..words {
                // The next ones in breadth, so that a trail fills; `far` of four lead anywhere.
                let next = words * i + word + 1;
                let to = if random.below(4) < far { random.below(all.len()) } else { next % 40 + i };
                put(at, word, *all.get(if next < all.len() && word == 0 { next } else { to }).unwrap_or(&0));
            }
        }
        let numbers: HashMap<usize, usize> = all.iter().enumerate().map(|(i, &at)| (at, i)).collect();
        let mut reached = vec![false; all.len()];
        let mut todo = vec![0];
        while let Some(i) = todo.pop() {
            if !core::mem::replace(&mut reached[i], true) {
                todo.extend((0..words).filter_map(|word| numbers.get(&get(all[i], word))));
            }
        }
        let live = reached.iter().filter(|one| **one).count();
        for level in LEVELS {
            filter::limit(level);
            let (garbage, _) = unreachable(&mut roots(&[all[0]]), CHECKED);
            assert_eq!(garbage.len(), all.len() - live, "{words} words, {far} far, {level:?}");
        }
        all.into_iter().for_each(free);
    }
}

#[test]
fn long_lists_do_not_need_depth() {
    let _turn = turn();
    let mut head = 0;
    for _ in 0..200_000 {
        let cell = zeroed(24);
        put(cell, 0, 0);
        put(cell, 1, head);
        put(cell, 2, 0);
        head = cell;
    }
    assert!(unreachable(&mut roots(&[head]), CHECKED).0.is_empty());
    assert_eq!(unreachable(&mut roots(&[]), CHECKED).0.len(), 200_000);
}

#[test]
fn cycles_are_garbage_together() {
    let _turn = turn();
    let (a, b, c) = (zeroed(64), zeroed(64), zeroed(64));
    for at in [a, b, c] {
        (0..8).for_each(|i| put(at, i, 0));
    }
    put(a, 3, b);
    put(b, 7, a + 63);
    assert_eq!(unreachable(&mut roots(&[c]), CHECKED).0, BTreeSet::from([a, b]));
}

//! Lists: where nothing else waits each object is followed at once to the next (`gc::mark::chain`), and whatever is no list ends that.
use crate::fixture::*;
use gleaner_core::gc::Settings;
use gleaner_core::gc::filter::{self, Level};
use std::collections::BTreeSet;

const LEVELS: [Level; 3] = [Level::Words, Level::Avx2, Level::Avx512];
/// All small ones are followed; the last three go the usual way.
const SIZES: [usize; 10] = [16, 24, 40, 64, 104, 200, 240, 300, 5000, 300_000];

/// A word that leads to the object at `at`.
fn pointer(random: &mut Random, at: usize, bytes: usize) -> usize {
    at + [0, 0, 0, 1, bytes - 1, bytes, random.below(bytes)][random.below(7)]
}

/// What must be found unreachable, for each filter.
fn expect(roots_of: &[usize], settings: Settings, garbage: &BTreeSet<usize>, what: &str) {
    for level in LEVELS {
        filter::limit(level);
        let (found, _) = unreachable(&mut roots(roots_of), settings);
        let differs = found.symmetric_difference(garbage).next();
        assert!(found == *garbage, "{what}, {level:?}: {differs:x?}");
    }
}

#[test]
fn a_list_keeps_what_is_behind_its_head() {
    let _turn = turn();
    for seed in 1..40u64 {
        let mut random = Random(seed * 0x9e37_79b9);
        let sizes = if seed % 4 == 0 { &SIZES[..] } else { &SIZES[..7] };
        let one = sizes[random.below(sizes.len())];
        let sized = |random: &mut Random| if seed % 3 == 0 { one } else { sizes[random.below(sizes.len())] };
        let count = if seed % 4 == 0 { 300 } else { 3000 };
        let mut all: Vec<(usize, usize)> = Vec::new();
        let mut holes = Vec::new();
        for i in 0..count {
            let bytes = sized(&mut random);
            all.push((zeroed(bytes), bytes));
            // Between them are slots, and pages, that nobody has.
            if i % 50 == 0 {
                holes.push(zeroed([48, 400_000][i / 50 % 2]));
            }
        }
        holes.iter().for_each(|&at| free(at));
        if seed % 2 == 0 {
            (1..count).rev().for_each(|i| all.swap(i, random.below(i + 1)));
        }
        // To which earlier one each leads back, if to any.
        let mut back: Vec<usize> = (0..count).collect();
        for i in 0..count - 1 {
            let ((at, bytes), (to, length)) = (all[i], all[i + 1]);
            let word = if random.below(9) == 0 { random.below(bytes / 8) } else { 1 };
            put(at, word, pointer(&mut random, to, length));
            let more = (word + 1) % (bytes / 8);
            match random.below(if bytes == 16 { 2000 } else { 60 }) {
                0 => {
                    back[i] = random.below(i + 1);
                    put(at, more, all[back[i]].0);
                }
                1 => put(at, more, holes[random.below(holes.len())] + 16),
                _ => {}
            }
        }
        // It ends in itself, in a word that leads nowhere, or with nothing.
        let last = all[count - 1].0;
        match seed % 3 {
            0 => {
                back[count - 1] = random.below(count);
                put(last, 0, all[back[count - 1]].0);
            }
            1 => put(last, 1, holes[1] + 8),
            _ => {}
        }
        let head = random.below(count);
        let mut first = head;
        while let Some(&lower) = back[first..].iter().min().filter(|lower| **lower < first) {
            first = lower;
        }
        let garbage = all[..first].iter().map(|one| one.0).collect();
        let several = Settings { markers: 3, help_from: 1, ..CHECKED };
        let settings = if seed % 5 == 0 { several } else { CHECKED };
        expect(
            &[pointer(&mut random, all[head].0, all[head].1)],
            settings,
            &garbage,
            &format!("seed {seed}"),
        );
        all.into_iter().for_each(|one| free(one.0));
    }
}

#[test]
fn a_list_leads_to_an_unpadded_object_in_front_of_its_node() {
    let _turn = turn();
    for size in [64usize, 128, 4096] {
        let mut all: Vec<usize> = (0..64).map(|_| alloc_aligned(size, size)).collect();
        all.sort_unstable();
        all.iter().for_each(|&at| (0..size / 8).for_each(|i| put(at, i, 0)));
        let pair = all.windows(2).find(|pair| pair[1] - pair[0] == size).expect("neighbours");
        let list: Vec<usize> = (0..100).map(|_| zeroed(40)).collect();
        list.windows(2).for_each(|pair| put(pair[0], 2, pair[1]));
        put(list[99], 2, pair[1]);
        let garbage = all.iter().copied().filter(|at| !pair.contains(at)).collect();
        expect(&[list[0]], CHECKED, &garbage, &format!("{size} bytes, and those that end where they begin"));
        all.into_iter().chain(list).for_each(free);
    }
}

#[test]
fn a_list_in_protected_pages_is_read_by_the_world() {
    let _turn = turn();
    let list: Vec<usize> = (0..2000).map(|_| zeroed(104)).collect();
    list.windows(2).for_each(|pair| put(pair[0], 1, pair[1]));
    let (node, behind) = (list[1000], &list[1001..]);
    let page = (node & !4095, (node & !4095) + 4096);
    for level in LEVELS {
        filter::limit(level);
        // The world gives nothing of what it is asked for: the list ends there.
        let mut world = Roots { protected: vec![page], skip_large: true, ..roots(&[list[0]]) };
        let (found, _) = unreachable(&mut world, CHECKED);
        let asked = list.iter().position(|&at| at == world.asked[0]).expect("one of the list");
        assert!(list[asked] + 112 > page.0 && list[asked] < page.1, "{level:?}");
        assert_eq!(found, list[asked + 1..].iter().copied().collect(), "{level:?}");
        assert!(behind.iter().all(|at| found.contains(at)), "{level:?}");
    }
}

//! Free lists that make no sense, free slots with pointers to them, unpadded, large, huge and protected
//! objects.
use crate::fixture::*;
use gleaner_core::gc::filter::{self, Level};
use gleaner_core::gc::{Abandon, Settings};
use gleaner_core::pure::addr::Addr;
use gleaner_core::spans::map;
use std::collections::BTreeSet;

#[test]
fn a_free_slot_is_never_marked() {
    // MS3: the free list itself links free slots, and roots point at them.
    let _turn = turn();
    let all: Vec<usize> = (0..1000).map(|_| zeroed(40)).collect();
    let (freed, kept): (Vec<usize>, Vec<usize>) = all.iter().partition(|at| **at / 48 % 2 == 0);
    freed.iter().for_each(|&at| free(at));
    let (garbage, found) = unreachable(&mut roots(&freed), CHECKED);
    assert_eq!(garbage, kept.iter().copied().collect());
    assert_eq!(found.reachable().objects, 0);
}

#[test]
fn an_overwritten_free_list_makes_the_whole_span_live() {
    let _turn = turn();
    let child = zeroed(16);
    for nonsense in [1usize, 0x10, usize::MAX, 0x7fff_ffff_f000] {
        let (_, b, c) = listed(200);
        let link = get(b, 0);
        put(b, 0, nonsense);
        // What a reachable object of the span points to stays reachable.
        put(c, 1, child);
        let (garbage, found) = unreachable(&mut roots(&[c]), UNVERIFIED);
        assert_eq!(found.broken_lists, 1, "{nonsense:#x}");
        // All slots count as allocated, and none is told.
        assert!(garbage.is_empty());
        put(b, 0, link);
        free(c);
    }
}
#[test]
fn a_free_list_in_a_circle_is_noticed() {
    let _turn = turn();
    let (a, b, _) = listed(300);
    let link = get(a, 0);
    // A link is disguised under both addresses: the same leads from one to the other and back.
    put(a, 0, get(b, 0));
    let (_, found) = unreachable(&mut roots(&[]), UNVERIFIED);
    assert_eq!(found.broken_lists, 1);
    put(a, 0, link);
}

#[test]
fn remote_frees_are_free() {
    let _turn = turn();
    let all: Vec<usize> = (0..100).map(|_| zeroed(80)).collect();
    let (mine, theirs) = (all[..50].to_vec(), all[50..].to_vec());
    std::thread::spawn(move || {
        attach();
        theirs.iter().for_each(|&at| free(at));
        gleaner_core::heap::resize::detach(&gleaner_core::ground::critical::enter());
    })
    .join()
    .unwrap();
    assert_eq!(unreachable(&mut roots(&all), CHECKED).1.allocated.objects, mine.len());
}

#[test]
fn a_pointer_to_a_slot_keeps_the_unpadded_one_before() {
    let _turn = turn();
    // Objects that fill their slots, in order; one span is 16 pages, so some end at its end.
    let mut all: Vec<usize> = (0..64).map(|_| alloc_aligned(4096, 4096)).collect();
    all.sort_unstable();
    for &at in &all {
        (0..512).for_each(|i| put(at, i, 0));
    }
    for &at in &all {
        let (garbage, _) = unreachable(&mut roots(&[at + 4096]), CHECKED);
        assert!(!garbage.contains(&at), "one past the end of {at:#x}");
        // And the object that begins there, if there is one. Nothing else.
        let next = all.contains(&(at + 4096)) as usize;
        assert_eq!(garbage.len(), all.len() - 1 - next);
    }
}

#[test]
fn no_number_is_a_slot_where_something_is_unpadded() {
    let _turn = turn();
    let whole = alloc_aligned(4096, 4096);
    // A span of 512 slots, as many as its bits have room for; the next bit says whether its first slot is grey.
    let all: Vec<usize> = (0..2048).map(|_| zeroed(120)).collect();
    let mut home: Vec<usize> = Vec::new();
    for span in all.iter().filter_map(|&at| map::lookup(Addr(at))) {
        let own = all.iter().filter(|&&at| (span.base().0..span.limit().0).contains(&at));
        home = own.copied().collect();
        if home.len() == 512 {
            break;
        }
    }
    assert_eq!(home.len(), 512);
    home.sort_unstable();
    home.iter().for_each(|&at| (0..15).for_each(|word| put(at, word, usize::MAX)));
    // Enough words for the batch to be worked off while the span is scanned: its first slot turns grey, and waits while others are
    // scanned that hold numbers.
    let far: Vec<usize> = (0..13).map(|_| zeroed(500)).collect();
    for &at in &home[1..30] {
        [home[0], home[300]].iter().chain(&far).enumerate().for_each(|(word, &to)| put(at, word, to));
    }
    let child = zeroed(500);
    put(home[0], 14, child);
    for level in [Level::Words, Level::Avx2, Level::Avx512] {
        filter::limit(level);
        let (garbage, _) = unreachable(&mut roots(&home[1..100]), CHECKED);
        assert!(!garbage.contains(&child), "{level:?}");
        assert_eq!(garbage.len(), all.len() - 101 + 1, "{level:?}");
    }
    [whole, child].into_iter().chain(far).chain(all).for_each(free);
}

#[test]
fn padded_neighbours_do_not_keep_each_other() {
    let _turn = turn();
    let mut all: Vec<usize> = (0..100).map(|_| zeroed(40)).collect();
    all.sort_unstable();
    let pair = all.windows(2).find(|w| w[1] - w[0] == 48).unwrap();
    let (garbage, _) = unreachable(&mut roots(&[pair[1]]), CHECKED);
    assert_eq!(garbage.len(), 99);
    assert!(garbage.contains(&pair[0]));
}

#[test]
fn large_and_huge_objects_are_nodes_like_others() {
    let _turn = turn();
    for n in [100_000, 200_000, 1 << 20, 3 << 20, 40 << 20] {
        let (big, leaf, lost) = (zeroed(n), zeroed(16), zeroed(n));
        put(big, n / 8 - 1, leaf);
        for pointer in [big, big + 1, big + n / 2, big + n - 1, big + n] {
            let (garbage, _) = unreachable(&mut roots(&[pointer]), CHECKED);
            assert_eq!(garbage, BTreeSet::from([lost]), "{n} bytes, offset {}", pointer - big);
        }
        let (garbage, _) = unreachable(&mut roots(&[leaf]), CHECKED);
        assert_eq!(garbage, BTreeSet::from([big, lost]));
        for at in [big, leaf, lost] {
            free(at);
        }
    }
}

#[test]
fn what_is_large_is_read_by_the_world() {
    let _turn = turn();
    let (big, leaf) = (zeroed(3 << 20), zeroed(16));
    put(big, 1000, leaf);
    let mut world = Roots { skip_large: true, ..roots(&[big]) };
    assert_eq!(unreachable(&mut world, Settings::DEFAULT).0, BTreeSet::from([leaf]));
    assert_eq!(world.asked, [big]);
}

#[test]
fn a_huge_object_may_move_and_stays_known() {
    let _turn = turn();
    let mut at = zeroed(3 << 20);
    let leaf = zeroed(16);
    put(at, 99, leaf);
    for n in [5 << 20, 64 << 20, 4 << 20] {
        at = realloc(at, n);
        assert!(unreachable(&mut roots(&[at + n - 1]), CHECKED).0.is_empty());
        assert_eq!(unreachable(&mut roots(&[at + n + 4096]), CHECKED).0.len(), 2);
    }
}

#[test]
fn protected_objects_are_read_with_care_and_never_reclaimed() {
    let _turn = turn();
    let small = alloc_aligned(4096 * 4, 4096);
    (0..2048).for_each(|i| put(small, i, 0));
    let leaf = zeroed(16);
    put(small, 5, leaf);
    let page = (small, small + 4096);
    // SAFETY: a page inside an object of this test, made accessible again below.
    let protect = |how| unsafe { assert_eq!(libc::mprotect(small as *mut _, 4096, how), 0) };
    protect(libc::PROT_NONE);
    let mut world = Roots { protected: vec![page], skip_large: true, ..roots(&[small]) };
    assert_eq!(unreachable(&mut world, CHECKED).0, BTreeSet::from([leaf]));
    assert_eq!(world.asked, [small, small], "once by each marker");
    for _ in 0..4 {
        let mut world = Roots { protected: vec![page], ..roots(&[leaf]) };
        let (moved, freed) = cycle(&mut world, 2);
        assert_eq!((moved.limbo.objects, moved.doomed.objects, freed), (1, 0, 0));
    }
    protect(libc::PROT_READ | libc::PROT_WRITE);
    assert_eq!(cycle(&mut roots(&[leaf]), 2).1, 1);
}

#[test]
fn an_abandoned_cycle_changes_nothing() {
    let _turn = turn();
    let at = zeroed(64);
    let critical = gleaner_core::ground::critical::enter();
    for _ in 0..3 {
        let mut world = Roots { fail: Some(Abandon::Unreadable), ..Roots::default() };
        let result = gleaner_core::gc::mark(&critical, &mut world, &CHECKED);
        assert_eq!(result.err(), Some(Abandon::Unreadable));
    }
    drop(critical);
    let (moved, freed) = cycle(&mut roots(&[]), 2);
    assert_eq!((moved.fresh.objects, freed), (1, 0));
    let _ = at;
}

#[test]
fn any_word_at_all_may_be_a_root() {
    let _turn = turn();
    let at = zeroed(64);
    let mut words: Vec<usize> =
        (0..64).flat_map(|i| [1usize << i, (1usize << i) - 1, usize::MAX << i]).collect();
    let mut random = Random(7);
    words.extend((0..100_000).map(|_| random.below(1 << 47)));
    // Every page of the heap's neighbourhood.
    words.extend((0..100_000).map(|i| (at & !0xfff).wrapping_add(i << 12).wrapping_sub(50_000 << 12)));
    unreachable(&mut roots(&words), CHECKED);
}

#[test]
fn pointers_in_code_stand_at_any_byte() {
    let _turn = turn();
    let all: Vec<usize> = (0..16).map(|_| zeroed(40)).collect();
    let mut code = Vec::new();
    for (i, at) in all.iter().enumerate() {
        // mov rax, imm64
        code.extend([0x48, 0xb8]);
        code.extend(at.to_ne_bytes());
        code.extend(std::iter::repeat_n(0x90, i));
    }
    assert!(unreachable(&mut Roots { code, ..Roots::default() }, CHECKED).0.is_empty());
}

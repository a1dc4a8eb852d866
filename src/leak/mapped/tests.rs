use super::*;
use crate::ground::critical;
use proptest::prelude::*;

const BASE: usize = 0x7f00_0000_0000;

type Given = (usize, usize, u32);

/// Pieces of pages `from..from + pages` above the base, of the call.
fn mapped<'c>(critical: &'c Critical, base: usize, given: &[Given]) -> Mapped<'c> {
    let (mut pieces, mut calls) = (List::new(critical), List::new(critical));
    for &(from, pages, call) in given {
        let lo = Addr(base + from * PAGE_SIZE);
        let record = Made { stack: call % 3, call, mains: call > 99, never: false };
        add(&mut pieces, &mut calls, &Range { lo, last: lo.add(pages * PAGE_SIZE - 1), record }).unwrap();
    }
    let all: Vec<(usize, usize)> = pieces.iter().map(|p| (p.lo, p.last)).collect();
    for piece in pieces.iter_mut() {
        piece.below_free = all.iter().all(|p| p.1 + 1 != piece.lo);
        if all.iter().any(|p| p.0 == piece.last + 1) {
            piece.behind = Behind::Mapping;
        }
    }
    Mapped::of(critical, pieces, calls)
}

fn left(mapped: &Mapped<'_>) -> Vec<u32> {
    mapped.calls.iter().filter(|c| !c.kept).map(|c| c.number).collect()
}

/// What is left of `given` when a word at `home` was looked at.
fn after(base: usize, given: &[Given], word: usize, home: usize) -> Vec<u32> {
    let critical = critical::enter();
    let mut mapped = mapped(&critical, base, given);
    let words = [word];
    let lo = Addr::of(words.as_ptr());
    // SAFETY: a word of this frame.
    unsafe { mapped.words(lo, lo.add(8), Addr(home), 8) };
    mapped.settle();
    left(&mapped)
}

#[test]
fn what_leads_to_a_mapping() {
    // A lies below B, with a gap behind; C is in two pieces, far away.
    let given = [(10, 2, 1), (12, 1, 2), (40, 1, 3), (60, 3, 3)];
    let page = |n: usize| BASE + n * PAGE_SIZE;
    let is = |word, expected: &[u32]| assert_eq!(after(BASE, &given, word, 64), expected, "{word:x}");
    is(0, &[1, 2, 3]);
    is(page(10), &[2, 3]);
    is(page(12) - 1, &[2, 3]);
    // The start of B: with a second such word A is kept, too.
    is(page(12), &[1, 3]);
    is(page(13), &[1, 3]);
    is(page(13) + 1, &[1, 2, 3]);
    is(page(10) - 8, &[2, 3]);
    is(page(9) - 1, &[1, 2, 3]);
    is(page(40) + 5, &[1, 2]);
    is(page(63), &[1, 2]);
    is(page(50), &[1, 2, 3]);
    // In disguise.
    is(page(10) | 0xffff << 48, &[2, 3]);
    is(page(10) | 7, &[2, 3]);
    is(page(62) >> 12, &[1, 2]);
    is(page(62) >> 11, &[1, 2, 3]);
    is(BASE ^ page(10), &[1, 2, 3]);
    // From its own memory, be it the other piece.
    assert_eq!(after(BASE, &given, page(40), page(61)), [1, 2, 3]);
    assert_eq!(after(BASE, &given, page(40), page(64)), [1, 2]);
    // Halves of a word, far below.
    let low = [(1000, 1, 1)];
    for (word, expected) in
        [(1000 << 44 | 5, &[][..]), (5 << 32 | 1000 << 12, &[]), (5 << 32 | 900 << 12, &[1])]
    {
        assert_eq!(after(0, &low, word, 64), expected, "{word:x}");
    }
}

#[test]
fn a_word_between_two() {
    let critical = critical::enter();
    let page = |n: usize| BASE + n * PAGE_SIZE;
    // Calls 1 and 2 touch at page 2, call 3 is far away.
    let given = [(0, 2, 1), (2, 2, 2), (9, 1, 3)];
    let look = |words: &[usize], behind: Option<Behind>| {
        let mut mapped = mapped(&critical, BASE, &given);
        if let Some(behind) = behind {
            mapped.pieces[1].behind = behind;
        }
        words.iter().for_each(|&word| mapped.word(word, Addr(64), Own::default()));
        // Its own words count for nothing.
        mapped.word(page(1), Addr(page(0)), Own::default());
        mapped.settle();
        left(&mapped)
    };
    assert_eq!(look(&[page(2)], None), [1, 3]);
    assert_eq!(look(&[page(2), page(2)], None), [3]);
    assert_eq!(look(&[page(2), page(3)], None), [3]);
    assert_eq!(look(&[page(3)], None), [1, 3]);
    // The page below, which is another's.
    assert_eq!(look(&[page(2) - 4], None), [2, 3]);
    assert_eq!(look(&[page(2) - 4, page(0)], None), [3]);
    // What is behind is no mapping that we know, or a library.
    assert_eq!(look(&[page(4)], Some(Behind::Nothing)), [1, 3]);
    assert_eq!(look(&[page(4)], Some(Behind::Mapping)), [1, 3]);
    assert_eq!(look(&[page(4), page(4)], Some(Behind::Others)), [1, 2, 3]);
}

#[test]
fn groups_are_by_stack() {
    let critical = critical::enter();
    let mut mapped = mapped(&critical, BASE, &[(0, 1, 1), (1, 1, 4), (2, 5, 2), (9, 9, 3), (20, 1, 2)]);
    mapped.keep(Addr(BASE + 12 * PAGE_SIZE), Addr(BASE + 14 * PAGE_SIZE));
    let mut groups = List::new(&critical);
    mapped.tell(&mut groups, Mains::LeftOut).unwrap();
    let of = |stack, pages, objects| Group {
        kind: Kind::Mapping,
        stack,
        bytes: (pages * PAGE_SIZE) as u64,
        objects,
    };
    assert_eq!(groups[..], [of(2, 6, 1), of(1, 2, 2)]);
}

/// The same by looking at every piece.
fn naive(given: &[Given], word: usize, home: usize) -> Vec<u32> {
    let bounds = |p: &Given| (BASE + p.0 * PAGE_SIZE, BASE + (p.0 + p.1) * PAGE_SIZE);
    let holds = |p: &Given, at: usize| (bounds(p).0..bounds(p).1).contains(&at);
    let reaches = |p: &Given, at: usize| {
        let (lo, hi) = bounds(p);
        let free = |at: usize| !given.iter().any(|q| holds(q, at));
        let below = (lo - PAGE_SIZE..lo).contains(&at) && free(at);
        holds(p, at) || at == hi && free(at) || below
    };
    let kept = |p: &Given| {
        let own = given.iter().any(|q| q.2 == p.2 && holds(q, home));
        !own && (reaches(p, word & ADDRESS) || word >> 36 == 0 && reaches(p, word << 12))
    };
    let mut left: Vec<u32> = given.iter().map(|p| p.2).collect();
    left.sort_unstable();
    left.dedup();
    left.retain(|&call| !given.iter().any(|p| p.2 == call && kept(p)));
    left
}

proptest! {
    #[test]
    fn agrees_with_the_naive_search(
        steps in proptest::collection::vec((0usize..4, 1usize..4, 0u32..9), 1..12),
        at in 0isize..260_000, home in 0usize..260_000, form in 0usize..4, edge in -1isize..2,
    ) {
        let (mut from, mut given) = (3, Vec::new());
        for (gap, pages, call) in steps {
            given.push((from + gap, pages, call));
            from += gap + pages;
        }
        let at = if form == 3 { at / 4096 * 4096 + edge } else { at };
        let word = BASE.wrapping_add_signed(at);
        let word = match form {
            1 => word >> 12,
            2 => word | 0x8001 << 48,
            _ => word,
        };
        prop_assert_eq!(after(BASE, &given, word, BASE + home), naive(&given, word, BASE + home));
    }
}

proptest! {
    /// To pass over a piece's own words spares looks, and changes nothing.
    #[test]
    fn its_own_words_change_nothing(
        pages in prop::collection::vec((0usize..3, 1usize..4), 1..6),
        words in prop::collection::vec((0usize..16, prop::sample::select(vec![0usize, 1, 8, 4095]), 0usize..16), 0..16),
    ) {
        let critical = critical::enter();
        let (mut from, mut given) = (2, Vec::new());
        for (at, &(gap, count)) in pages.iter().enumerate() {
            from += gap;
            given.push((from, count, at as u32 % 7));
            from += count;
        }
        let (mut fast, mut slow) = (mapped(&critical, BASE, &given), mapped(&critical, BASE, &given));
        for &(page, byte, home) in &words {
            let (word, home) = (BASE + page * PAGE_SIZE + byte, Addr(BASE + home * PAGE_SIZE));
            let own = fast.own_of(home).0;
            fast.word(word, home, own);
            slow.word(word, home, Own::default());
        }
        prop_assert_eq!(fast.open, slow.open);
        fast.settle();
        slow.settle();
        prop_assert_eq!(left(&fast), left(&slow));
    }
}

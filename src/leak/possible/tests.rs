use super::*;
use crate::ground::critical;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Objects of 64 bytes, 100 apart, in a made-up place.
const FIRST: usize = 0x7f12_3456_7000;
fn made(count: usize) -> Vec<Object> {
    let object = |i: usize| Object { addr: FIRST + i * 100, size: 64, stack: 1, of: 0, kind: Kind::Direct };
    (0..count).map(object).collect()
}

/// The definition, byte by byte: which words in disguise of `bytes` lie in the window.
fn naive(bytes: &[u8], window: Window) -> Vec<usize> {
    let mut all = Vec::new();
    for at in 0..bytes.len().saturating_sub(WORD - 1) {
        let word = usize::from_le_bytes(bytes[at..at + WORD].try_into().unwrap());
        let aligned = at % WORD == 0;
        if aligned && word >> 48 != 0 && window.holds(word & ADDRESS) {
            all.push(word & ADDRESS);
        }
        if !aligned && window.holds(word) {
            all.push(word);
        }
    }
    all.sort();
    all
}

fn found(bytes: &[u8], window: Window, filter: bool) -> Vec<usize> {
    // The range begins at a multiple of eight.
    let mut room = vec![0u64; bytes.len() / WORD + 1];
    let lo = Addr::of(&room[0]);
    // SAFETY: as long as `bytes`, and a word more.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), room.as_mut_ptr().cast(), bytes.len()) };
    let mut all = Vec::new();
    // SAFETY: inside of `room`; with the filter only where it is available.
    unsafe {
        each_of(lo, lo.add(bytes.len()), window, filter && filter::available(), &mut |word| all.push(word))
    };
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn finds_what_stands_there(
        len in 0usize..400,
        planted in prop::collection::vec((0usize..400, 0usize..1000, prop::option::of(any::<u16>())), 0..6),
        noise in any::<u8>(),
    ) {
        let mut bytes = vec![noise; len];
        for (at, offset, tag) in planted {
            let word = (FIRST + offset) | (tag.unwrap_or(0) as usize) << 48;
            if at + WORD <= len {
                bytes[at..at + WORD].copy_from_slice(&word.to_le_bytes());
            }
        }
        let window = Window::new(FIRST, FIRST + 700);
        let expected = naive(&bytes, window);
        prop_assert_eq!(&found(&bytes, window, false), &expected);
        prop_assert_eq!(&found(&bytes, window, true), &expected);
    }

    #[test]
    fn what_they_lead_to_is_possible_too(
        (count, pairs, held) in (1usize..24).prop_flat_map(|n| {
            (Just(n), prop::collection::vec((0..n, 0..n), 0..n * 2), prop::collection::vec(0..n, 0..3))
        })
    ) {
        let critical = critical::enter();
        let mut objects = made(count);
        let edges = |object: &Object, word: &mut dyn FnMut(usize)| {
            let from = (object.addr - FIRST) / 100;
            pairs.iter().filter(|p| p.0 == from).for_each(|p| word(FIRST + p.1 * 100 + (p.0 * 8) % 65));
            word(FIRST - 1);
        };
        let mut possible = Possible::new(&critical, &objects).unwrap();
        let words: Vec<usize> = held.iter().map(|at| (FIRST + at * 100) | 0xfffb << 48).collect();
        let lo = Addr::of(words.as_slice());
        // SAFETY: the words of a vector.
        unsafe { possible.look(&objects, lo, lo.add(words.len() * WORD)) };
        possible.settle(&mut objects, &edges, &|_, _| {});
        let mut reached: BTreeSet<usize> = held.iter().copied().collect();
        while let Some(next) = pairs.iter().find(|p| reached.contains(&p.0) && !reached.contains(&p.1)) {
            reached.insert(next.1);
        }
        for (at, object) in objects.iter().enumerate() {
            prop_assert_eq!(object.kind == Kind::Possible, reached.contains(&at));
        }
    }
}

#[test]
fn plain_words_are_not_in_disguise() {
    let window = Window::new(FIRST, FIRST + 700);
    let words: Vec<u8> = [FIRST, FIRST + 100, 0, FIRST + 200].iter().flat_map(|w| w.to_le_bytes()).collect();
    assert_eq!(found(&words, window, true), []);
    assert_eq!(found(&words, window, false), []);
}

/// Lost gigabytes are met by numbers: only an object's first page counts.
#[test]
fn only_near_the_start() {
    let critical = critical::enter();
    let large = Object { addr: FIRST, size: 1 << 30, stack: 1, of: 0, kind: Kind::Direct };
    for (offset, is_near) in [(0, true), (NEAR, true), (NEAR + 1, false), (1 << 29, false), (1 << 30, false)]
    {
        let mut objects = [large];
        let mut possible = Possible::new(&critical, &objects).unwrap();
        let words = [(FIRST + offset) | 0xfffb << 48];
        let lo = Addr::of(&words[0]);
        // SAFETY: an array's words.
        unsafe { possible.look(&objects, lo, lo.add(WORD)) };
        possible.settle(&mut objects, &|_: &Object, _: &mut dyn FnMut(usize)| {}, &|_, _| {});
        assert_eq!(objects[0].kind == Kind::Possible, is_near, "{offset:#x}");
    }
}

use super::*;
use proptest::prelude::*;

type Next = unsafe fn(usize, usize, Window) -> Option<(usize, u32)>;

fn hits(words: &[usize], window: Window, next_hit: Next) -> Vec<usize> {
    let (lo, mut found) = (words.as_ptr() as usize, Vec::new());
    let end = lo + words.len() / 8 * BLOCK;
    let mut at = lo;
    // SAFETY: inside the slice; the caller asked whether it is available.
    while let Some((block, mask)) = unsafe { next_hit(at, end, window) } {
        found.extend((0..8).filter(|i| mask >> i & 1 != 0).map(|i| (block - lo) / 8 + i));
        at = block + BLOCK;
    }
    found
}

proptest! {
    #[test]
    fn finds_what_the_windows_hold(
        low in any::<usize>(), reach in prop_oneof![any::<usize>(), 0usize..1 << 40],
        near in prop::collection::vec((0usize..4, -3i64..4), 0..400)
    ) {
        if !available() {
            return Ok(());
        }
        let window = Window { low, reach };
        let edges = [low, low.wrapping_add(reach), 0, usize::MAX / 2];
        let words: Vec<usize> = near.iter().map(|&(e, d)| edges[e].wrapping_add(d as usize)).collect();
        let whole = words.len() / 8 * 8;
        let model: Vec<usize> = (0..whole).filter(|&i| window.holds(words[i])).collect();
        prop_assert_eq!(hits(&words, window, next_hit), model.clone());
        if level() >= Level::Avx512 {
            prop_assert_eq!(hits(&words, window, wide::next_hit), model);
        }
    }

    #[test]
    fn gathers_what_is_near_and_not_at_home(
        low in any::<usize>(), reach in prop_oneof![any::<usize>(), 0usize..1 << 40],
        home in (0usize..3, -3i64..4, 0usize..8),
        near in prop::collection::vec((0usize..4, -5i64..6), 0..=wide::LANES)
    ) {
        if level() < Level::Avx512 {
            return Ok(());
        }
        let window = Window { low, reach };
        let edges = [low, low.wrapping_add(reach), 0, usize::MAX / 2];
        let home = Window { low: edges[home.0].wrapping_add(home.1 as usize), reach: home.2 };
        let words: Vec<usize> = near.iter().map(|&(e, d)| edges[e].wrapping_add(d as usize)).collect();
        let own = |i: &usize| home.holds(words[*i]);
        let kept: Vec<usize> =
            (0..words.len()).filter(|i| !own(i) && window.holds(words[*i])).map(|i| words[i]).collect();
        let mut to = [7; wide::LANES];
        // SAFETY: inside the array; there is room for a block.
        let (count, at_home) =
            unsafe { wide::gather(words.as_ptr() as usize, words.len(), window, home, to.as_mut_ptr()) };
        prop_assert_eq!(&to[..count], &kept[..]);
        let model = (0..words.len()).filter(own).fold(0, |mask, i| mask | 1 << i);
        prop_assert_eq!(at_home, model);
    }
}

#[test]
fn an_empty_window_holds_no_object() {
    let none = Window::new(0, 0);
    assert!(!none.holds(0) && !none.holds(1 << 40) && none.holds(usize::MAX));
}

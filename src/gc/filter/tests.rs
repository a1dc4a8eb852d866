use super::*;
use proptest::prelude::*;

fn hits(words: &[usize], window: Window) -> Vec<usize> {
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
        prop_assert_eq!(hits(&words, window), model);
    }
}

#[test]
fn an_empty_window_holds_no_object() {
    let none = Window::new(0, 0);
    assert!(!none.holds(0) && !none.holds(1 << 40) && none.holds(usize::MAX));
}

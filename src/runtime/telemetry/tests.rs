use super::*;
use std::prelude::v1::*;

#[test]
fn the_largest_numbers_fit_and_brackets_close() {
    let most = u64::MAX;
    let phases = Phases { began: 1, frozen: most, listed: 2, marked: most, resumed: most - 1, ended: most };
    let found = Found { root_bytes: usize::MAX, ..Found::default() };
    let mut moved = Moved::default();
    (moved.fresh.bytes, moved.limbo.bytes, moved.revived.objects) = (usize::MAX, usize::MAX, usize::MAX);
    let freed = Sum { objects: usize::MAX, bytes: usize::MAX };
    for result in [Ok(Done { found: &found, moved: &moved, freed }), Err(Abandon::Kernel)] {
        let mut text = Events::new();
        compose(&mut text, "collect_every", &phases, &result);
        let text = core::str::from_utf8(text.as_bytes()).unwrap();
        assert!(text.len() < 1600 && text.ends_with('}'), "{text}");
        let count = |c: char| text.matches(c).count();
        assert_eq!(count('{'), count('}'), "{text}");
        assert_eq!(count('"') % 2, 0, "{text}");
    }
}

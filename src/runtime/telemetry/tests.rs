use super::*;
use std::prelude::v1::*;

#[test]
fn the_largest_numbers_fit_and_brackets_close() {
    let most = u64::MAX;
    let at = |n: u64| most - 9 + n;
    let (began, frozen, listed, ended) = (1, at(1), at(2), most);
    let (marked, resumed) = (at(3), at(4));
    let stopped = Phases { began, frozen, listed, marked, resumed, ended, ..Phases::default() };
    let copied = Phases { marked: at(5), again: at(6), settled: at(7), ..stopped };
    let found = Found { root_bytes: usize::MAX, ..Found::default() };
    let mut moved = Moved::default();
    (moved.fresh.bytes, moved.limbo.bytes, moved.revived.objects) = (usize::MAX, usize::MAX, usize::MAX);
    let freed = Sum { objects: usize::MAX, bytes: usize::MAX };
    for (phases, way, events) in [(stopped, "stopped", 6), (copied, "snapshot", 7)] {
        let done = Ok(Done { found: &found, moved: &moved, freed });
        let text = composed(&phases, &done);
        assert!(text.contains(&format!("\"marking\":\"{way}\"")), "{text}");
        assert_eq!(text.matches("\"name\"").count(), events + 1, "{text}");
        assert_eq!(text.matches("\"mark in the copy\"").count(), (way == "snapshot") as usize);
        composed(&phases, &Err(Abandon::Kernel));
    }
}

fn composed(phases: &Phases, result: &Result<Done<'_>, Abandon>) -> String {
    let mut text = Events::new();
    compose(&mut text, "memory pressure", phases, result);
    let text = core::str::from_utf8(text.as_bytes()).unwrap();
    assert!(text.len() < 1800 && text.ends_with('}'), "{text}");
    let count = |c: char| text.matches(c).count();
    assert_eq!(count('{'), count('}'), "{text}");
    assert_eq!(count('"') % 2, 0, "{text}");
    text.into()
}

//! PA1 and PA9 for one chunk, against one flag per page.
use super::*;
use crate::pages::summary::tests::naive;
use proptest::prelude::*;

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Allocated,
    Resident,
    Released,
}
use State::*;

struct Model([State; CHUNK_PAGES]);

impl Model {
    fn flags(&self) -> Vec<bool> {
        self.0.iter().map(|&s| s != Allocated).collect()
    }
    fn find(&self, n: usize, from: usize) -> Option<InChunk> {
        let free = self.flags();
        let run = (from..=CHUNK_PAGES.checked_sub(n)?).find(|&i| free[i..i + n].iter().all(|&f| f))?;
        let first_free = (from..CHUNK_PAGES).find(|&i| free[i])?;
        Some(InChunk { run, first_free })
    }
    fn last_resident(&self, below: usize) -> Option<(usize, usize)> {
        let last = (0..below).rev().find(|&i| self.0[i] == Resident)?;
        let n = (0..=last).rev().take_while(|&i| self.0[i] == Resident).count();
        Some((last + 1 - n, n))
    }
}

fn build(states: &[(State, usize)]) -> (Chunk, Model) {
    let (mut chunk, mut model, mut at) = (Chunk::new(), Model([Allocated; CHUNK_PAGES]), 0);
    for &(state, n) in states {
        let n = n.min(CHUNK_PAGES - at);
        if n > 0 && state != Allocated {
            let content = if state == Released { Content::Released } else { Content::Resident };
            assert!(chunk.give(at, n, content));
            model.0[at..at + n].fill(state);
        }
        at += n;
    }
    (chunk, model)
}

fn states() -> impl Strategy<Value = Vec<(State, usize)>> {
    let state = prop_oneof![Just(Allocated), Just(Resident), Just(Released)];
    // Lengths around words and whole chunks are as likely as all others together.
    let len = prop_oneof![1..90usize, Just(1), Just(62), Just(63), Just(64), Just(65), Just(128), Just(512)];
    proptest::collection::vec((state, len), 1..60)
}

proptest! {
    #[test]
    fn searches_and_summaries_match_the_flags(
        states in states(), n in 1..=CHUNK_PAGES, small in 1..70usize, from in 0..CHUNK_PAGES
    ) {
        let (chunk, model) = build(&states);
        let summary = chunk.summary();
        prop_assert_eq!((summary.start(), summary.max(), summary.end()), naive(&model.flags()));
        for n in [n, small, 1, 64] {
            prop_assert_eq!(chunk.find(n, from), model.find(n, from));
            prop_assert_eq!(chunk.find(n, 0), model.find(n, 0));
        }
        for below in [from, CHUNK_PAGES] {
            prop_assert_eq!(chunk.last_resident(below), model.last_resident(below));
        }
        prop_assert_eq!(chunk.free_pages(), model.flags().iter().filter(|&&f| f).count());
        for (i, &state) in model.0.iter().enumerate() {
            prop_assert_eq!((chunk.is_free(i), chunk.is_released(i)), (state != Allocated, state == Released));
        }
    }

    #[test]
    fn taking_counts_what_was_released_and_giving_refuses_what_is_free(
        states in states(), n in 1..=CHUNK_PAGES, from in 0..CHUNK_PAGES
    ) {
        let (mut chunk, model) = build(&states);
        if let Some(InChunk { run, .. }) = model.find(n, from) {
            let released = model.0[run..run + n].iter().filter(|&&s| s == Released).count();
            prop_assert_eq!(chunk.take(run, n), released);
            prop_assert!((run..run + n).all(|i| !chunk.is_free(i) && !chunk.is_released(i)));
        }
        let (mut chunk, _) = build(&states);
        let before = chunk.clone();
        let n = n.min(CHUNK_PAGES - from);
        let clash = (from..from + n).any(|i| before.is_free(i));
        prop_assert_eq!(chunk.give(from, n, Content::Resident), !clash);
        for i in 0..CHUNK_PAGES {
            prop_assert_eq!(chunk.is_free(i), before.is_free(i) || !clash && (from..from + n).contains(&i));
        }
    }

    #[test]
    fn runs_of_marks_exactly_the_beginnings(word: u64, other: u64, n in 1..=64usize) {
        for word in [word, word | other, u64::MAX, 0, word | u64::MAX << 40] {
            let runs = runs_of(word, n);
            for i in 0..64 {
                let is = i + n <= 64 && (i..i + n).all(|b| word >> b & 1 == 1);
                prop_assert_eq!(runs >> i & 1 == 1, is);
            }
        }
    }

    #[test]
    fn blocks_come_and_go(states in states(), index in 0..CHUNK_PAGES) {
        let (mut chunk, _) = build(&states);
        let before = chunk.clone();
        let (free, released) = chunk.take_block(index);
        prop_assert_eq!(released & !free, 0);
        let block = index & !63;
        for i in 0..CHUNK_PAGES {
            prop_assert_eq!(chunk.is_free(i), before.is_free(i) && i & !63 != block);
        }
        prop_assert!(chunk.give_block(index, free, released));
        prop_assert_eq!(free == 0, chunk.give_block(index, free, released));
        for i in 0..CHUNK_PAGES {
            prop_assert_eq!(chunk.is_released(i), before.is_released(i));
        }
    }
}

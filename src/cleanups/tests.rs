use super::*;
use crate::ground::critical;
use proptest::prelude::*;
use std::collections::VecDeque;

/// What the table promises, as plainly as it can be said.
#[derive(Default)]
struct Model {
    all: Vec<(Id, Option<State>)>,
    queue: VecDeque<Id>,
}

impl Model {
    fn state(&mut self, at: usize) -> Option<&mut (Id, Option<State>)> {
        let len = self.all.len();
        self.all.get_mut(if len == 0 { 0 } else { at % len })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// CL1, CL3: at most once, in order, and cancel tells the truth whatever was done before.
    #[test]
    fn every_promise_is_kept_once(script in prop::collection::vec((0u8..6, 0usize..40), 0..400)) {
        let critical = critical::enter();
        let (mut table, mut model) = (Table::new(), Model::default());
        for (op, at) in script {
            match op {
                0 | 1 => {
                    let id = table.register(&critical, at, at + 1, Scope::EachProcess).unwrap();
                    prop_assert!(model.all.iter().all(|known| known.0 != id));
                    model.all.push((id, Some(State::Promised)));
                }
                2 => if let Some(known) = model.state(at) {
                    let fresh = known.1 == Some(State::Promised);
                    prop_assert_eq!(table.push(known.0, at, 7), fresh);
                    if fresh {
                        known.1 = Some(State::Due);
                        let id = known.0;
                        model.queue.push_back(id);
                    }
                },
                3 => {
                    let due = table.pop();
                    prop_assert_eq!(due.map(|d| d.id), model.queue.pop_front());
                    if let Some(due) = due {
                        prop_assert_eq!(due.function + 1, due.argument);
                        prop_assert_eq!(table.cancel(due.id), Cancelled::QueuedOrRunning);
                        table.done(due.id);
                        prop_assert_eq!(table.cancel(due.id), Cancelled::Done);
                        model.all.iter_mut().find(|k| k.0 == due.id).unwrap().1 = None;
                    }
                }
                _ => if let Some(known) = model.state(at) {
                    let told = table.cancel(known.0);
                    let truth = match known.1 {
                        Some(State::Promised) => Cancelled::Cancelled { noted: 0 },
                        Some(State::Due) => Cancelled::QueuedOrRunning,
                        _ => Cancelled::Done,
                    };
                    prop_assert_eq!(told, truth);
                    if matches!(truth, Cancelled::Cancelled { .. }) {
                        known.1 = None;
                    }
                },
            }
            let count = |state| model.all.iter().filter(|k| k.1 == state).count() as u64;
            prop_assert_eq!(table.counts.promised, count(Some(State::Promised)));
            prop_assert_eq!(table.counts.due, count(Some(State::Due)));
        }
    }
}

#[test]
fn words_of_the_programs_own_are_no_promise() {
    let mut table = Table::new();
    assert!(Id::from_word(0).is_none());
    assert!(Id::from_word(7 << 32).is_none());
    for word in [1, u64::MAX, 0x1234_5678_9abc_def0] {
        assert_eq!(table.cancel(Id::from_word(word).unwrap()), Cancelled::Done);
        assert!(!table.push(Id::from_word(word).unwrap(), 1, 1));
    }
}

#[test]
fn a_chunk_follows_the_other() {
    let critical = critical::enter();
    let mut table = Table::new();
    let ids: Vec<Id> =
        (0..5000).map(|i| table.register(&critical, i, 0, Scope::EachProcess).unwrap()).collect();
    ids.iter().for_each(|id| assert!(table.push(*id, 0, 0)));
    for i in 0..5000 {
        assert_eq!(table.pop().unwrap().function, i);
    }
    assert!(table.pop().is_none());
}

#[test]
fn a_child_has_what_is_its_own() {
    let critical = critical::enter();
    let mut table = Table::new();
    let mut make = |scope| table.register(&critical, 1, 0, scope).unwrap();
    let (own, parents) = (make(Scope::EachProcess), make(Scope::ThisProcess));
    let (running, due, parents_due) =
        (make(Scope::EachProcess), make(Scope::EachProcess), make(Scope::ThisProcess));
    for id in [running, parents_due, due] {
        assert!(table.push(id, 1, 1));
    }
    assert_eq!(table.pop().unwrap().id, running);
    table.forked();
    assert_eq!(table.counts.due, 1);
    assert_eq!(table.counts.promised, 1);
    assert_eq!(table.pop().unwrap().id, due);
    assert!(table.pop().is_none());
    table.done(running);
    for (id, told) in
        [(parents, Cancelled::Done), (own, Cancelled::Cancelled { noted: 0 }), (running, Cancelled::Done)]
    {
        assert_eq!(table.cancel(id), told);
    }
}

//! Markers that work at once, under a model checker, over the very files that the library runs (`gc/grey.rs`, `gc/mark/team.rs`).
//! Each check fails for a protocol that is broken in one place, or it would prove nothing.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --test loom_marking
//! ```
//! Without `--cfg loom` this file is empty. Bound: 3 preemptions, or what `GLEANER_LOOM_BOUND` says.
#![cfg(loom)]

#[path = "../src/gc/grey.rs"]
#[allow(dead_code)]
mod grey;
#[path = "../src/gc/mark/team.rs"]
#[allow(dead_code)]
mod team;

/// A queue of numbers instead of spans.
mod gc {
    pub mod queue {
        #[derive(Default)]
        pub struct Queue(pub std::collections::VecDeque<u32>);
        impl Queue {
            pub fn waiting(&self) -> usize {
                self.0.len()
            }
            pub fn push(&mut self, span: u32) {
                self.0.push_back(span)
            }
            pub fn pop(&mut self) -> Option<u32> {
                self.0.pop_front()
            }
        }
    }
}
mod ground {
    pub mod atomic {
        pub use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
        pub const MODEL: bool = true;
    }
}
mod sys {
    pub mod process {
        pub fn yield_now() {
            loom::thread::yield_now()
        }
        pub fn sleep_ns(_: i64) {
            yield_now()
        }
    }
}

use gc::queue::Queue;
use grey::GreyState;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use loom::thread;
use team::Team;

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    let bound = std::env::var("GLEANER_LOOM_BOUND").ok().and_then(|bound| bound.parse().ok());
    builder.max_branches = 20_000;
    builder.preemption_bound = Some(bound.unwrap_or(3));
    builder.check(f);
}

/// A span with 64 slots, and the queue that it waits in.
struct Span {
    header: AtomicU64,
    grey: AtomicU64,
    queued: AtomicU32,
    taken: [AtomicU32; 4],
}
impl Span {
    fn new() -> Span {
        let taken = core::array::from_fn(|_| AtomicU32::new(0));
        Span { header: AtomicU64::new(0), grey: AtomicU64::new(0), queued: AtomicU32::new(0), taken }
    }
    fn add(&self, index: u32) {
        if grey::add_shared(&self.header, |_| &self.grey, index) {
            assert_eq!(self.queued.fetch_add(1, AcqRel), 0, "queued twice");
        }
    }
    /// What a marker does that finds it in a queue.
    fn scan(&self) {
        if self.queued.compare_exchange(1, 0, AcqRel, Relaxed).is_err() {
            return;
        }
        let mut slots = match grey::take_shared(&self.header) {
            GreyState::Idle => panic!("queued, and idle"),
            GreyState::One(index) => 1 << index,
            GreyState::Many => grey::take_word_shared(&self.grey),
        };
        while slots != 0 {
            self.taken[slots.trailing_zeros() as usize].fetch_add(1, Relaxed);
            slots &= slots - 1;
        }
    }
    fn has_taken(&self) -> [u32; 4] {
        core::array::from_fn(|i| self.taken[i].load(Relaxed))
    }
}

#[test]
fn what_turns_grey_is_scanned_once() {
    model(|| {
        let span = Arc::new(Span::new());
        span.add(0);
        let others: Vec<_> = (1..3)
            .map(|index| {
                let span = span.clone();
                thread::spawn(move || span.add(index))
            })
            .collect();
        span.scan();
        others.into_iter().for_each(|other| other.join().unwrap());
        span.scan();
        assert_eq!(span.has_taken(), [1, 1, 1, 0]);
    });
}

#[test]
fn two_scan_while_one_adds() {
    model(|| {
        let span = Arc::new(Span::new());
        span.add(0);
        let (adder, scanner) = (span.clone(), span.clone());
        let adder = thread::spawn(move || {
            adder.add(1);
            adder.add(2);
        });
        let scanner = thread::spawn(move || scanner.scan());
        span.scan();
        adder.join().unwrap();
        scanner.join().unwrap();
        span.scan();
        assert_eq!(span.has_taken(), [1, 1, 1, 0]);
    });
}

/// What a marker does: number 0 leads to 1 and 2.
fn work(team: &Team, queue: &mut Queue, done: &[AtomicU32; 4]) {
    loop {
        while let Some(number) = queue.pop() {
            done[number as usize].fetch_add(1, Relaxed);
            if number == 0 {
                queue.push(1);
                queue.push(2);
            }
            if team.wants() {
                team.give(queue);
            }
        }
        if !team.take(queue) {
            return;
        }
    }
}

#[test]
fn all_work_is_done_once_and_all_end() {
    model(|| {
        let team = Arc::new(Team::new(Queue::default()));
        let done: Arc<[AtomicU32; 4]> = Arc::new(core::array::from_fn(|_| AtomicU32::new(0)));
        team.join();
        let (theirs, told) = (team.clone(), done.clone());
        let other = thread::spawn(move || work(&theirs, &mut Queue::default(), &told));
        let mut queue = Queue::default();
        queue.push(0);
        queue.push(3);
        work(&team, &mut queue, &done);
        other.join().unwrap();
        let counts: Vec<u32> = done.iter().map(|one| one.load(Relaxed)).collect();
        assert_eq!(counts, [1, 1, 1, 1]);
        assert_eq!(queue.waiting(), 0);
    });
}

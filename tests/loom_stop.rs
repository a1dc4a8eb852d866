//! The stop protocol under a model checker: every interleaving of a collector and one or two
//! threads, over the very file that the library runs (`src/threads/state.rs`). The program's data
//! is a cell that the model watches: a thread that writes while the collector reads is a fault.
//! Each check fails for a weakened copy of the protocol, or it would prove nothing.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --test loom_stop
//! ```
//! Without `--cfg loom` this file is empty. Bound: 3 preemptions, or what `GLEANER_LOOM_BOUND` says.
#![cfg(loom)]

#[allow(dead_code)]
#[path = "../src/threads/state.rs"]
mod state;

#[path = "loom/coming.rs"]
mod coming;
#[path = "loom/entering.rs"]
mod entering;
#[path = "loom/sections.rs"]
mod sections;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;
use state::{Asked, Cell32, State, Word, begin, end};
use std::sync::atomic::Ordering;

trait Fresh: Cell32 + Send + Sync + 'static {
    fn fresh(value: u32) -> Self;
}

/// The protocol as it is.
struct Real(AtomicU32);
impl Fresh for Real {
    fn fresh(value: u32) -> Self {
        Real(AtomicU32::new(value))
    }
}
impl Cell32 for Real {
    fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }
    /// A swap of which nothing is read: the model does not order plain stores and exchanges of one cell among
    /// themselves, as every processor does.
    fn store(&self, value: u32, order: Ordering) {
        self.0.swap(value, order);
    }
    fn exchange(&self, old: u32, new: u32, ok: Ordering, fail: Ordering) -> Result<u32, u32> {
        self.0.compare_exchange(old, new, ok, fail)
    }
}

/// A copy whose orderings are all dropped.
struct Unordered(AtomicU32);
impl Fresh for Unordered {
    fn fresh(value: u32) -> Self {
        Unordered(AtomicU32::new(value))
    }
}
impl Cell32 for Unordered {
    fn load(&self, _: Ordering) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
    fn store(&self, value: u32, _: Ordering) {
        self.0.store(value, Ordering::Relaxed)
    }
    fn exchange(&self, old: u32, new: u32, _: Ordering, _: Ordering) -> Result<u32, u32> {
        self.0.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
    }
}

/// A copy whose exchanges look first and write then.
struct Torn(AtomicU32);
impl Fresh for Torn {
    fn fresh(value: u32) -> Self {
        Torn(AtomicU32::new(value))
    }
}
impl Cell32 for Torn {
    fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }
    fn store(&self, value: u32, order: Ordering) {
        self.0.store(value, order)
    }
    fn exchange(&self, old: u32, new: u32, _: Ordering, _: Ordering) -> Result<u32, u32> {
        let now = self.0.load(Ordering::Acquire);
        if now != old {
            return Err(now);
        }
        self.0.store(new, Ordering::Release);
        Ok(old)
    }
}

/// One thread of the program, and the world.
struct Process<C> {
    world: C,
    word: Word<C>,
    /// The signal under way.
    signal: AtomicU32,
    /// 1 from before it is sent until the handler has it.
    signalled: AtomicU32,
    /// What only the program's code may write, and only the collector read while it is stopped.
    data: UnsafeCell<u32>,
}

impl<C: Fresh> Process<C> {
    fn new() -> Arc<Process<C>> {
        let word = Word::new(C::fresh(0));
        word.revive();
        Arc::new(Process {
            world: C::fresh(0),
            word,
            signal: AtomicU32::new(0),
            signalled: AtomicU32::new(0),
            data: UnsafeCell::new(0),
        })
    }
    /// The program's code.
    fn work(&self) {
        // SAFETY: the model checks that nobody else is at it.
        self.data.with_mut(|p| unsafe { *p += 1 });
    }
    fn park(&self) {
        while let Err(epoch) = self.word.leave(&self.world) {
            while self.world.load(Ordering::Acquire) == epoch {
                thread::yield_now();
            }
        }
    }
    /// The handler, if a signal has come; again for one that came meanwhile, as the kernel does.
    fn poll_signal(&self) {
        // The load: exchanges alone never see the other thread's store for certain, in the model.
        while self.signal.load(Ordering::Acquire) != 0 && self.signal.swap(0, Ordering::AcqRel) != 0 {
            self.handle();
        }
    }
    fn handle(&self) {
        self.signalled.store(0, Ordering::Release);
        if let Some(epoch) = self.word.asked(&self.world) {
            if self.word.arrive(epoch) {
                self.park();
            }
        }
    }
    /// The collector's part. `patience`: how often it looks before it gives up.
    fn collect(&self, patience: usize) -> bool {
        self.collect_and(patience, || ())
    }
    fn collect_and(&self, patience: usize, stopped: impl Fn()) -> bool {
        let epoch = begin(&self.world);
        let (mut frozen, mut sent) = (false, false);
        for _ in 0..patience {
            // Once: later signals come after a time-out only.
            if self.word.request(epoch) == Asked::Signal && !sent {
                sent = true;
                self.signalled.store(1, Ordering::Release);
                self.signal.store(1, Ordering::Release);
            }
            frozen = self.word.is_frozen(epoch);
            if frozen {
                break;
            }
            thread::yield_now();
        }
        if frozen {
            // SAFETY: the thread is frozen; the model checks it.
            self.data.with(|p| unsafe { *p });
            stopped();
        }
        end(&self.world, epoch);
        frozen
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    // scripts/deep asks for more, or with 0 for all interleavings.
    let bound = std::env::var("GLEANER_LOOM_BOUND").map_or(3, |n| n.parse().expect("a number"));
    builder.preemption_bound = (bound != 0).then_some(bound);
    builder.check(model);
}

/// ST1: a running thread with its handler against a collector, which stops twice (ST5: what is
/// left over of the first stop means nothing in the second).
fn running<C: Fresh>(stops: usize, patience: usize) {
    check(move || {
        let process = Process::<C>::new();
        let inner = process.clone();
        let collector = thread::spawn(move || {
            for _ in 0..stops {
                inner.collect(patience);
            }
        });
        process.work();
        process.poll_signal();
        process.work();
        process.poll_signal();
        process.word.enter_safe();
        collector.join().unwrap();
    });
}

/// ST2: a thread that leaves SAFE and enters it again, against a collector.
fn leaving<C: Fresh>(stops: usize) {
    check(move || {
        let process = Process::<C>::new();
        process.word.enter_safe();
        let inner = process.clone();
        let collector = thread::spawn(move || {
            for _ in 0..stops {
                inner.collect(8);
            }
        });
        process.park();
        process.work();
        process.word.enter_safe();
        collector.join().unwrap();
    });
}

#[test]
fn a_running_thread_is_never_read_while_it_works() {
    running::<Real>(1, 8);
}

#[test]
fn a_second_stop_does_not_take_what_is_left_of_the_first() {
    running::<Real>(2, 4);
}

#[test]
fn a_stop_that_gives_up_at_once_leaves_a_harmless_request() {
    running::<Real>(2, 1);
}

#[test]
fn a_thread_that_leaves_a_blocking_call_waits_or_is_asked_again() {
    leaving::<Real>(2);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn running_needs_the_orderings() {
    running::<Unordered>(1, 8);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn leaving_needs_the_orderings() {
    leaving::<Unordered>(1);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn leaving_needs_one_atomic_step() {
    leaving::<Torn>(1);
}

/// A copy of `leave` that reads the world before its own word: a request in between is not seen
/// as current.
#[test]
#[should_panic(expected = "Causality violation")]
fn leaving_needs_the_word_before_the_world() {
    check(|| {
        let process = Process::<Real>::new();
        let cell = Arc::new(Real::fresh(1));
        let (inner, word) = (process.clone(), cell.clone());
        // The same bits as `Word`: SAFE is 1, the request bit 4, the epoch above.
        let collector = thread::spawn(move || {
            let epoch = begin(&inner.world);
            let asked = word.exchange(1, epoch << 3 | 4 | 1, Ordering::AcqRel, Ordering::Acquire);
            if asked.is_ok() {
                // SAFETY: the thread is frozen, or the model says that it is not.
                inner.data.with(|p| unsafe { *p });
            }
            end(&inner.world, epoch);
        });
        loop {
            let epoch = process.world.load(Ordering::SeqCst);
            let word = cell.load(Ordering::Acquire);
            if state::is_stop(epoch) && word & 4 != 0 && word >> 3 == epoch {
                thread::yield_now();
                continue;
            }
            if cell.exchange(word, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                break;
            }
        }
        process.work();
        collector.join().unwrap();
    });
}

/// ST4: two collectors, one lock; the one that waits for it is SAFE meanwhile.
#[test]
fn two_collectors_do_not_deadlock() {
    check(|| {
        let world = Arc::new(Real::fresh(0));
        let words = Arc::new([Word::new(Real::fresh(0)), Word::new(Real::fresh(0))]);
        let cycle = Arc::new(AtomicU32::new(0));
        let collect = |me: usize, world: &Real, words: &[Word<Real>; 2], cycle: &AtomicU32| {
            words[me].enter_safe();
            while cycle.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire).is_err() {
                thread::yield_now();
            }
            while words[me].leave(world).is_err() {
                thread::yield_now();
            }
            let epoch = begin(world);
            while {
                words[1 - me].request(epoch);
                !words[1 - me].is_frozen(epoch)
            } {
                thread::yield_now();
            }
            end(world, epoch);
            words[me].enter_safe();
            cycle.store(0, Ordering::Release);
        };
        let (w, ws, c) = (world.clone(), words.clone(), cycle.clone());
        let other = thread::spawn(move || collect(0, &w, &ws, &c));
        collect(1, &world, &words, &cycle);
        other.join().unwrap();
    });
}

/// Whether the collector counts a thread in a blocking call as stopped although the program's code
/// can run in it, and whether a handler leaves the call first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handler {
    /// Entered through a gate.
    Gated,
    /// Known to nobody; the collector distrusts SAFE.
    Stranger,
    /// Known to nobody, and the collector trusts. A mutation.
    Trusted,
}

/// A handler of the program's runs in a blocking call, against a collector.
fn handled(handler: Handler) {
    check(move || {
        let process = Process::<Real>::new();
        process.word.enter_safe();
        let inner = process.clone();
        let collector = thread::spawn(move || {
            let epoch = begin(&inner.world);
            let mut frozen = false;
            for _ in 0..6 {
                let asked = inner.word.request(epoch);
                if asked == Asked::Signal || handler == Handler::Stranger {
                    inner.signal.store(1, Ordering::Release);
                }
                let trusted = handler != Handler::Stranger || inner.word.state() == State::Stopped;
                frozen = inner.word.is_frozen(epoch) && trusted;
                if frozen {
                    break;
                }
                thread::yield_now();
            }
            if frozen {
                // SAFETY: the thread is frozen, or the model says that it is not.
                inner.data.with(|p| unsafe { *p });
            }
            end(&inner.world, epoch);
        });
        if handler == Handler::Gated {
            process.park();
        }
        for _ in 0..2 {
            process.work();
            if handler == Handler::Stranger && process.signal.swap(0, Ordering::AcqRel) != 0 {
                let epoch = process.world.load(Ordering::Acquire);
                if process.word.arrive_from_safe(epoch) {
                    process.park();
                }
            } else if handler == Handler::Gated {
                process.poll_signal();
            }
        }
        process.park();
        process.word.enter_safe();
        collector.join().unwrap();
    });
}

#[test]
fn a_gated_handler_runs_only_when_no_stop_is_on() {
    handled(Handler::Gated);
}
#[test]
fn a_handler_without_a_gate_is_stopped_by_the_signal() {
    handled(Handler::Stranger);
}
#[test]
#[should_panic(expected = "Causality violation")]
fn a_handler_without_a_gate_must_be_distrusted() {
    handled(Handler::Trusted);
}

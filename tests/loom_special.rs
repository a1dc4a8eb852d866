//! Pins, scopes, cleanups and weak handles under a model checker, over the very files that the library runs
//! (`heap/special/word.rs`, `heap/scopes.rs`, `heap/attached.rs`, `cleanups.rs`, `pages/pool.rs`). What lies
//! around them is here, in small: a lock, a critical section, four objects. Each check fails for a protocol that
//! is broken in one place, or it would prove nothing.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --test loom_special
//! ```
//! Without `--cfg loom` this file is empty. Bound: 3 preemptions, or what `GLEANER_LOOM_BOUND` says: 0.6 s, and 5 s at 5.
#![cfg(loom)]

#[path = "../src/pure/addr.rs"]
#[allow(dead_code)]
mod addr;
#[path = "../src/heap/attached.rs"]
#[allow(dead_code)]
mod attached;
#[path = "../src/cleanups.rs"]
#[allow(dead_code)]
mod cleanups;
#[path = "../src/pages/pool.rs"]
#[allow(dead_code)]
mod pool;
#[path = "../src/heap/scopes.rs"]
#[allow(dead_code)]
mod scopes;
#[path = "../src/heap/special/word.rs"]
#[allow(dead_code)]
mod word;

#[path = "loom/around.rs"]
mod around;
use around::{OBJECTS, object, set_locks};
use around::{ground, limbo, metadata, pages, pure, spans, special, sys};
use ground::critical;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use word::{Cell64, Fate};

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let bound = std::env::var("GLEANER_LOOM_BOUND").map_or(3, |n| n.parse().expect("a number"));
    builder.preemption_bound = (bound != 0).then_some(bound);
    builder.check(model);
}

/// Runs `model` in a process of its own, where it must pass, or say `caught`: the files under check have tables that all tests of
/// a process would share, and a check that fails leaves them as they are.
fn alone(test: &str, caught: Option<&str>, model: fn()) {
    const ALONE: &str = "GLEANER_LOOM_ALONE";
    if std::env::var(ALONE).is_ok_and(|name| name == test) {
        return model();
    }
    let mut command = std::process::Command::new(std::env::current_exe().expect("a path"));
    let done = command.args(["--exact", test, "--nocapture"]).env(ALONE, test).output().expect("a process");
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    match caught {
        None => assert!(done.status.success(), "{said}"),
        Some(text) => assert!(!done.status.success() && said.contains(text), "not caught: {said}"),
    }
}

/// The word as the library has it, or with an exchange that looks first and writes then.
struct Cell<const TORN: bool>(AtomicU64);
impl<const TORN: bool> Cell64 for Cell<TORN> {
    fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    fn exchange(&self, old: u64, new: u64) -> Result<u64, u64> {
        if !TORN {
            return self.0.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed);
        }
        match self.0.load(Ordering::Acquire) {
            now if now == old => {
                self.0.store(new, Ordering::Release);
                Ok(old)
            }
            now => Err(now),
        }
    }
}

/// PN2, PN3: one thread frees, two others pin and unpin; the memory goes once, and never under a pin.
fn pins_against_free<const TORN: bool>() {
    check(|| {
        struct Object<const TORN: bool> {
            cell: Cell<TORN>,
            gone: AtomicU64,
        }
        // One pin of the main thread's, one of the pinner's.
        let object = Arc::new(Object { cell: Cell::<TORN>(AtomicU64::new(2)), gone: AtomicU64::new(0) });
        let goes = |object: &Object<TORN>| {
            assert_eq!(object.gone.fetch_add(1, Ordering::AcqRel), 0, "given back twice");
        };
        let pinner = {
            let object = object.clone();
            thread::spawn(move || {
                let more = word::pin(&object.cell, 0).is_ok();
                assert_eq!(object.gone.load(Ordering::Acquire), 0, "given back under a pin");
                for _ in 0..1 + more as u32 {
                    if word::unpin(&object.cell) == Ok(Fate::Goes) {
                        goes(&object);
                    }
                }
            })
        };
        let freer = {
            let object = object.clone();
            thread::spawn(move || {
                if word::free(&object.cell).1 == Fate::Goes {
                    goes(&object);
                }
            })
        };
        // While this pin stands, nobody gives it back.
        assert_eq!(object.gone.load(Ordering::Acquire), 0, "given back under a pin");
        match word::unpin(&object.cell) {
            Ok(Fate::Goes) => goes(&object),
            told => assert_eq!(told, Ok(Fate::Held)),
        }
        freer.join().unwrap();
        pinner.join().unwrap();
        assert_eq!(object.gone.load(Ordering::Acquire), 1, "never given back");
        assert_eq!(object.cell.load() & word::state::COUNT, 0);
    });
}

#[test]
fn what_is_freed_under_pins_goes_once() {
    alone("what_is_freed_under_pins_goes_once", None, || pins_against_free::<false>());
}

#[test]
fn a_torn_exchange_is_caught() {
    alone("a_torn_exchange_is_caught", Some("given back"), || pins_against_free::<true>());
}

/// PN4: closing against pinning: every pin that was granted ends with the scope, every other was refused.
fn scope_closes(locks: bool) {
    check(move || {
        set_locks(locks);
        let open = scopes::open(&critical::enter(), 64, 0).unwrap();
        let pinner = thread::spawn(move || {
            for number in 0..2 {
                let told = scopes::pin(&critical::enter(), open, object(number), 0);
                assert!(matches!(told, Ok(()) | Err(scopes::Late::Closed)));
            }
        });
        let closer = thread::spawn(move || scopes::close(&critical::enter(), open));
        let first = scopes::close(&critical::enter(), open);
        let second = closer.join().unwrap();
        pinner.join().unwrap();
        assert!(first.is_some() != second.is_some(), "closed once");
        for number in 0..2 {
            assert_eq!(OBJECTS.pins(number), 0, "an orphaned pin");
        }
    });
}

#[test]
fn no_pin_outlives_its_scope() {
    alone("no_pin_outlives_its_scope", None, || scope_closes(true));
}

#[test]
fn a_scope_without_its_lock_is_caught() {
    alone("a_scope_without_its_lock_is_caught", Some("panicked"), || scope_closes(false));
}

/// CL3: one thread cancels, one finds the memory dead, one runs what is due. What cancel says is true.
fn cancel_tells_the_truth(done_first: bool) {
    check(move || {
        set_locks(true);
        let called = Arc::new(AtomicU64::new(0));
        let id = cleanups::register(&critical::enter(), 1, 2, cleanups::Scope::EachProcess).unwrap();
        let run_one = move |called: &AtomicU64| {
            let critical = critical::enter();
            let Some(due) = cleanups::pop(&critical) else { return };
            if done_first {
                cleanups::done(&critical, due.id);
            }
            assert_eq!((due.address, due.argument), (4096, 2));
            assert_eq!(called.fetch_add(1, Ordering::AcqRel), 0, "called twice");
            if !done_first {
                cleanups::done(&critical, due.id);
            }
        };
        let dying = thread::spawn(move || {
            let critical = critical::enter();
            cleanups::push(&critical, id, 4096, 1);
            // A death is found once only, but that must not rest on the caller.
            assert!(!cleanups::push(&critical, id, 8192, 1), "due twice");
        });
        let runner = {
            let called = called.clone();
            thread::spawn(move || run_one(&called))
        };
        let told = cleanups::cancel(&critical::enter(), id);
        if told == cleanups::Cancelled::Done {
            assert_eq!(called.load(Ordering::Acquire), 1, "not over yet");
        }
        dying.join().unwrap();
        runner.join().unwrap();
        run_one(&called);
        let expected = !matches!(told, cleanups::Cancelled::Cancelled { .. }) as u64;
        assert_eq!(called.load(Ordering::Acquire), expected, "what cancel said is not true");
        assert_eq!(cleanups::cancel(&critical::enter(), id), cleanups::Cancelled::Done);
    });
}

#[test]
fn a_cancel_is_true_and_a_call_happens_once() {
    alone("a_cancel_is_true_and_a_call_happens_once", None, || cancel_tells_the_truth(false));
}

#[test]
fn a_runner_that_is_done_too_early_is_caught() {
    alone("a_runner_that_is_done_too_early_is_caught", Some("not over yet"), || cancel_tells_the_truth(true));
}

/// Where a thread has put what a weak handle gave it, as a collector sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Published {
    Inside,
    /// The critical section ends before the pointer is anywhere. A mutation.
    Behind,
}

/// CL9: what get returned is alive then, and from then on; after a death handles are empty for everybody.
fn weak_get_against_the_collector(published: Published) {
    check(move || {
        set_locks(true);
        let (first, second) = (0, 1);
        let at = object(first).addr();
        let handle = attached::weak(&critical::enter(), object(first), at).unwrap();
        let other = attached::weak(&critical::enter(), object(second), object(second).addr()).unwrap();
        let roots = Arc::new([Mutex::new(0usize), Mutex::new(0usize)]);
        let getters: Vec<_> = (0..2)
            .map(|number: usize| {
                let roots = roots.clone();
                thread::spawn(move || {
                    let critical = critical::enter();
                    let got = attached::get(&critical, handle);
                    if published == Published::Behind {
                        drop(critical);
                        *roots[number].lock().unwrap() = got;
                    } else {
                        *roots[number].lock().unwrap() = got;
                        drop(critical);
                    }
                    assert!(got == 0 || OBJECTS.lives(first), "a dead address");
                    got
                })
            })
            .collect();
        {
            let stopped = critical::stop_world();
            let held = roots.iter().any(|root| *root.lock().unwrap() != 0);
            if !held {
                attached::clear_weak(&stopped, at);
                OBJECTS.dies(first);
            }
        }
        let got: Vec<usize> = getters.into_iter().map(|t| t.join().unwrap()).collect();
        assert_eq!(got.iter().any(|&p| p != 0), OBJECTS.lives(first), "a dead address");
        let critical = critical::enter();
        assert_eq!(attached::get(&critical, handle) != 0, OBJECTS.lives(first));
        assert_ne!(attached::get(&critical, other), 0, "another object's handle");
        assert!(attached::drop_weak(&critical, handle) && attached::drop_weak(&critical, other));
        assert!(!attached::drop_weak(&critical, handle));
    });
}

#[test]
fn a_weak_handle_gives_no_dead_address() {
    alone("a_weak_handle_gives_no_dead_address", None, || weak_get_against_the_collector(Published::Inside));
}

#[test]
fn a_pointer_shown_too_late_is_caught() {
    alone("a_pointer_shown_too_late_is_caught", Some("a dead address"), || {
        weak_get_against_the_collector(Published::Behind)
    });
}

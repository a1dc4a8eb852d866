//! A thread enters a blocking call while a stop begins: no signal comes in the call (ST8).
use super::*;
use state::Entered;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Enter {
    /// As `threads::blocking`.
    Real,
    /// A request that is there already is taken along, as by a thread that ends. A mutation.
    KeepsRequest,
    /// A signal under way is not waited for. A mutation.
    DoesNotWait,
}

/// What `blocking::enter` does before the call.
fn enter(process: &Process<Real>, how: Enter) {
    loop {
        while how != Enter::DoesNotWait && process.signalled.load(Ordering::Acquire) != 0 {
            thread::yield_now();
            process.poll_signal();
        }
        if how == Enter::KeepsRequest {
            return process.word.enter_safe();
        }
        match process.word.enter_blocking(&process.world) {
            Entered::Yes => return,
            Entered::Asked(epoch) => {
                if process.word.arrive(epoch) {
                    process.park();
                }
            }
            Entered::Not(state) => panic!("{state:?}"),
        }
    }
}

/// A call, against a collector. (In a second stop the thread may take the first signal while the second is
/// sent, 100 µs later at the least: the second then comes in the call, and `rewind` mends it.)
fn entering(how: Enter, stops: usize) {
    check(move || {
        let process = Process::<Real>::new();
        let inner = process.clone();
        let collector = thread::spawn(move || {
            for _ in 0..stops {
                inner.collect(usize::MAX);
            }
        });
        process.work();
        process.poll_signal();
        enter(&process, how);
        // The call: it lasts until the collector is done with its stops.
        for _ in 0..2 {
            assert_eq!(process.signal.load(Ordering::Acquire), 0, "a signal comes in the call");
            thread::yield_now();
        }
        process.park();
        process.work();
        process.poll_signal();
        process.word.enter_safe();
        collector.join().unwrap();
    });
}

#[test]
fn no_signal_comes_in_a_blocking_call() {
    entering(Enter::Real, 1);
}
#[test]
#[should_panic(expected = "a signal comes in the call")]
fn a_request_that_is_there_is_not_taken_into_the_call() {
    entering(Enter::KeepsRequest, 1);
}
#[test]
#[should_panic(expected = "a signal comes in the call")]
fn a_signal_under_way_is_waited_for() {
    entering(Enter::DoesNotWait, 1);
}

/// A call that can begin again is entered by a plain store, which may wipe a request out; a signal in it is
/// then mended by `rewind`. What remains to be shown: nobody works while the collector reads.
fn repeatable(leaves_plainly: bool) {
    check(move || {
        let process = Process::<Real>::new();
        let inner = process.clone();
        let collector = thread::spawn(move || inner.collect(6));
        for _ in 0..2 {
            process.work();
            process.poll_signal();
            if !process.word.enter_repeatable() {
                enter(&process, Enter::Real);
            }
            // The call: a signal that comes in it finds the thread SAFE, and is done with.
            process.poll_signal();
            if leaves_plainly {
                process.word.revive();
            } else {
                process.park();
            }
        }
        process.work();
        process.poll_signal();
        process.word.enter_safe();
        collector.join().unwrap();
    });
}

#[test]
fn a_plain_store_may_enter_a_call_that_can_begin_again() {
    repeatable(false);
}
#[test]
#[should_panic(expected = "Causality violation")]
fn but_only_an_exchange_leaves_it() {
    repeatable(true);
}

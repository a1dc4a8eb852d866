use super::*;
use core::sync::atomic::AtomicU32;

fn pair() -> (AtomicU32, Word<AtomicU32>) {
    let word = Word::new(AtomicU32::new(State::Dead as u32));
    word.revive();
    (AtomicU32::new(0), word)
}

#[test]
fn a_stop_and_a_resume() {
    let (world, word) = pair();
    assert_eq!(word.asked(&world), None);
    let epoch = begin(&world);
    assert_eq!(word.request(epoch), Asked::Signal);
    assert_eq!(word.request(epoch), Asked::Signal, "idempotent");
    assert!(!word.is_frozen(epoch));
    assert_eq!(word.asked(&world), Some(epoch));
    assert!(word.arrive(epoch));
    assert!(!word.arrive(epoch), "once");
    assert!(word.is_frozen(epoch));
    assert_eq!(word.leave(&world), Err(epoch));
    end(&world, epoch);
    assert_eq!(word.leave(&world), Ok(()));
    assert_eq!(word.state(), State::Run);
}

#[test]
fn a_thread_on_its_way_out_stays_for_the_next_stop() {
    let (world, word) = pair();
    let first = begin(&world);
    word.request(first);
    assert!(word.arrive(first));
    end(&world, first);
    let second = begin(&world);
    assert!(!word.is_frozen(second), "what froze for the first stop counts for that one only");
    assert_eq!(word.request(second), Asked::Frozen);
    assert!(word.is_frozen(second));
    assert_eq!(word.leave(&world), Err(second));
    end(&world, second);
    assert_eq!(word.leave(&world), Ok(()));
}

#[test]
fn a_request_that_nobody_answered_is_stale() {
    let (world, word) = pair();
    let first = begin(&world);
    word.request(first);
    end(&world, first);
    assert_eq!(word.asked(&world), None);
    let second = begin(&world);
    assert_eq!(word.asked(&world), None, "the old request is not the new one's");
    assert!(!word.arrive(second));
    word.request(second);
    assert!(!word.arrive(first));
    assert!(word.arrive(second));
}

#[test]
fn safe_threads_freeze_by_the_request_alone() {
    let (world, word) = pair();
    word.enter_safe();
    let epoch = begin(&world);
    assert_eq!(word.request(epoch), Asked::Frozen);
    assert!(word.is_frozen(epoch));
    assert_eq!(word.leave(&world), Err(epoch));
    end(&world, epoch);
    assert_eq!(word.leave(&world), Ok(()));
    let epoch = begin(&world);
    assert_eq!(word.request(epoch), Asked::Signal);
    word.enter_safe();
    assert!(word.is_frozen(epoch), "a thread that goes to sleep answers thereby");
    word.kill();
    assert_eq!(word.request(epoch), Asked::Gone);
    assert!(word.is_frozen(epoch));
}

#[test]
fn epochs_wrap() {
    let (_, word) = pair();
    let world = AtomicU32::new(u32::MAX - 1);
    for _ in 0..3 {
        let epoch = begin(&world);
        assert!(is_stop(epoch));
        word.request(epoch);
        assert!(word.arrive(epoch) && word.is_frozen(epoch));
        end(&world, epoch);
        assert_eq!(word.leave(&world), Ok(()));
    }
}

/// ST3: the exit of a critical section against the handler on the same thread, at every step.
/// `exit` gives the section's two steps in some order; the handler runs before step `at`.
fn request_survives(exit: [fn(&mut Section); 2], at: usize) -> bool {
    let mut section = Section { depth: 1, pending: false, seen: false, stopped: false };
    for (step, action) in exit.iter().enumerate() {
        if step == at {
            section.handler();
        }
        action(&mut section);
    }
    if at == exit.len() {
        section.handler();
    }
    section.stopped || section.seen
}
struct Section {
    depth: u32,
    pending: bool,
    seen: bool,
    stopped: bool,
}
impl Section {
    fn handler(&mut self) {
        match self.depth {
            0 => self.stopped = true,
            _ => self.pending = true,
        }
    }
}

#[test]
fn no_request_is_lost_where_a_critical_section_ends() {
    let leave: fn(&mut Section) = |s| s.depth = 0;
    let look: fn(&mut Section) = |s| s.seen = s.pending;
    assert!((0..=2).all(|at| request_survives([leave, look], at)));
    assert!(!(0..=2).all(|at| request_survives([look, leave], at)), "the swapped order loses one");
}

#[test]
fn a_request_lost_on_the_way_into_a_call_is_made_again() {
    let (world, word) = pair();
    assert!(word.enter_repeatable());
    assert_eq!(word.state(), State::Safe);
    assert!(!word.enter_repeatable(), "it is not running");
    assert_eq!(word.leave(&world), Ok(()));
    let epoch = begin(&world);
    assert_eq!(word.request(epoch), Asked::Signal);
    assert!(!word.enter_repeatable(), "it is asked");
    // As if the request had come between the look and the store.
    word.0.store(State::Safe as u32, Release);
    assert!(!word.is_frozen(epoch));
    assert_eq!(word.asked(&world), None, "the handler goes on");
    assert!(!word.arrive(epoch));
    assert_eq!(word.request(epoch), Asked::Frozen);
    assert!(word.is_frozen(epoch));
    assert_eq!(word.leave(&world), Err(epoch));
    end(&world, epoch);
    assert_eq!(word.leave(&world), Ok(()));
}

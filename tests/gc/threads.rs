//! Threads that allocate and free, stop at a barrier, and are collected: what they hold survives.
use crate::fixture::*;
use gleaner_core::gc::limbo::Doom;
use gleaner_core::gc::reclaim;
use gleaner_core::ground::critical;
use gleaner_core::heap::live::RESURRECTED;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};

const THREADS: usize = 3;
const ROUNDS: usize = 25;

struct Shared {
    /// Everybody meets here before and after the stopped part.
    barrier: Barrier,
    held: [Mutex<Vec<(usize, usize)>>; THREADS],
    done: AtomicBool,
}

/// Objects carry their size and address, to show damage.
fn make(random: &mut Random) -> (usize, usize) {
    let most = if random.below(200) == 0 { 40_000 } else { 60 };
    let words = 2 + random.below(most);
    // Zeroed: old links in a slot would keep others.
    let at = zeroed(words * 8);
    put(at, 0, words);
    put(at, words - 1, words ^ !at);
    (at, words)
}
fn verify((at, words): (usize, usize)) {
    assert_eq!((get(at, 0), get(at, words - 1)), (words, words ^ !at), "object {at:#x}");
}

fn mutate(shared: &Shared, me: usize) {
    attach();
    let mut random = Random(me as u64 * 77 + 5);
    while !shared.done.load(Ordering::Relaxed) {
        for _ in 0..3000 {
            let mut held = shared.held[me].lock().unwrap();
            match random.below(5) {
                // Lost: nobody has it any more.
                0 if !held.is_empty() => {
                    let i = random.below(held.len());
                    held.swap_remove(i);
                }
                1 if !held.is_empty() => {
                    let i = random.below(held.len());
                    let object = held.swap_remove(i);
                    verify(object);
                    free(object.0);
                }
                // From another thread: a remote free.
                2 => {
                    drop(held);
                    let other = shared.held[(me + 1) % THREADS].lock().unwrap().pop();
                    if let Some(object) = other {
                        verify(object);
                        free(object.0);
                    }
                }
                _ => held.push(make(&mut random)),
            }
        }
        shared.barrier.wait();
        // The collector looks now.
        shared.barrier.wait();
    }
    gleaner_core::heap::resize::detach(&critical::enter());
}

#[test]
fn what_threads_hold_survives_and_the_rest_is_reclaimed_beside_them() {
    let _turn = turn();
    let resurrected = RESURRECTED.load(Ordering::Relaxed);
    let shared = Arc::new(Shared {
        barrier: Barrier::new(THREADS + 1),
        held: [const { Mutex::new(Vec::new()) }; THREADS],
        done: AtomicBool::new(false),
    });
    let threads: Vec<_> = (0..THREADS)
        .map(|me| {
            let shared = shared.clone();
            std::thread::spawn(move || mutate(&shared, me))
        })
        .collect();
    let mut freed = 0;
    for round in 0..ROUNDS {
        shared.barrier.wait();
        let mut world = Roots::default();
        for held in &shared.held {
            world.words.extend(held.lock().unwrap().iter().map(|o| o.0));
        }
        let moved = stopped_part(&mut world, 2, Doom::Allowed);
        assert_eq!(moved.revived.objects, 0);
        shared.done.store(round == ROUNDS - 1, Ordering::Relaxed);
        shared.barrier.wait();
        // Beside the threads.
        let now = reclaim::run(&critical::enter(), 0).objects;
        assert_eq!(now, moved.doomed.objects);
        freed += now;
    }
    threads.into_iter().for_each(|t| t.join().unwrap());
    for held in &shared.held {
        held.lock().unwrap().iter().for_each(|o| verify(*o));
    }
    assert!(freed > 1000, "{freed}");
    assert_eq!(RESURRECTED.load(Ordering::Relaxed), resurrected);
}

//! The filter in front of the adopted ranges under a model checker, over the very file that the library
//! runs (`src/adopted/granules.rs`): whoever learnt of a range finds its bit, whatever others adopt and cancel
//! beside him. The check fails for a copy that clears bits outside of the lock, or it would prove nothing.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --test loom_adopted
//! ```
//! Without `--cfg loom` this file is empty. No bound on preemptions; three threads, seconds.
#![cfg(loom)]

#[allow(dead_code)]
#[path = "../src/adopted/granules.rs"]
mod granules;

use granules::{Cells, GRANULE};
use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// One word of bits: two granules are enough to meet.
struct Bits(AtomicU64);

impl Cells for Bits {
    fn load(&self, _: usize) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    fn or(&self, _: usize, bits: u64) {
        self.0.fetch_or(bits, Ordering::Relaxed);
    }
    fn and(&self, _: usize, bits: u64) {
        self.0.fetch_and(bits, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Clearing {
    Locked,
    /// The wrong way: the tree is asked under the lock, the bit cleared after it.
    Late,
}

struct Registry {
    bits: Bits,
    /// First bytes of ranges of one page.
    tree: Mutex<Vec<usize>>,
    /// How the program tells another thread of a range.
    told: AtomicUsize,
}

impl Registry {
    fn adopt(&self, lo: usize) {
        let mut tree = self.tree.lock().unwrap();
        tree.push(lo);
        granules::set(&self.bits, lo, lo + 4095);
    }
    fn cancel(&self, lo: usize, how: Clearing) {
        let mut tree = self.tree.lock().unwrap();
        tree.retain(|&at| at != lo);
        let left: Vec<usize> = tree.clone();
        if how == Clearing::Late {
            drop(tree);
        }
        let held = |from: usize, to: usize| left.iter().any(|&at| at <= to && at + 4095 >= from);
        granules::clear(&self.bits, lo, lo + 4095, &held);
    }
}

const OLD: usize = 0x10_0000;
const NEW: usize = 0x20_0000 - 4096;
const OTHER: usize = GRANULE + 4096;

fn check(how: Clearing) {
    loom::model(move || {
        let registry = Arc::new(Registry {
            bits: Bits(AtomicU64::new(0)),
            tree: Mutex::new(Vec::new()),
            told: AtomicUsize::new(0),
        });
        registry.adopt(OLD);
        registry.adopt(OTHER);
        let adopter = {
            let registry = registry.clone();
            thread::spawn(move || {
                registry.adopt(NEW);
                registry.told.store(NEW, Ordering::Release);
            })
        };
        let canceller = {
            let registry = registry.clone();
            thread::spawn(move || {
                registry.cancel(OLD, how);
                registry.cancel(OTHER, how);
            })
        };
        let lo = registry.told.load(Ordering::Acquire);
        if lo != 0 {
            assert!(granules::any(&registry.bits, lo, lo + 4095), "a range that somebody knows of");
            assert!(granules::holds(&registry.bits, lo));
        }
        adopter.join().unwrap();
        canceller.join().unwrap();
        assert!(granules::holds(&registry.bits, NEW));
        assert!(!granules::holds(&registry.bits, OTHER), "nothing is left there");
    });
}

#[test]
fn whoever_knows_of_a_range_finds_its_bit() {
    check(Clearing::Locked);
}

#[test]
#[should_panic]
fn clearing_after_the_lock_is_caught() {
    check(Clearing::Late);
}

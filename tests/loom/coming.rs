//! ST6: threads come and go while the world is stopped, and the collector knows that it has all of them.
//!
//! A thread of `pthread_create` registers before it works; one of a raw clone works, and nobody knows it
//! but the kernel.
use super::*;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Real,
    /// The kernel's count is not asked for. A mutation.
    NoCount,
    /// The count is trusted although a thread that ends is in the registry. A mutation.
    TrustsEnding,
    /// A thread says that it ends only after it has become SAFE. A mutation.
    EndsLate,
}

/// The registry and the kernel: one thread that ends, and one that libc does not know.
struct Threads {
    ending: Arc<Process<Real>>,
    exiting: AtomicU32,
    /// How many the kernel counts, the collector left out.
    count: AtomicU32,
    stranger: UnsafeCell<u32>,
}

impl Threads {
    /// One registered thread; whether the collector may scan.
    fn all_frozen(&self, epoch: u32, variant: Variant) -> bool {
        if self.ending.word.request(epoch) == Asked::Signal {
            self.ending.signal.store(1, Ordering::Release);
        }
        if !self.ending.word.is_frozen(epoch) {
            return false;
        }
        if variant == Variant::NoCount {
            return true;
        }
        let ends = self.exiting.load(Ordering::Relaxed) != 0;
        // Otherwise the list is read, and shows the stranger.
        (!ends || variant == Variant::TrustsEnding) && self.count.load(Ordering::Acquire) == 1
    }
}

fn coming(variant: Variant) {
    check(move || {
        let all = Arc::new(Threads {
            ending: Process::<Real>::new(),
            exiting: AtomicU32::new(0),
            count: AtomicU32::new(1),
            stranger: UnsafeCell::new(0),
        });
        let mine = all.clone();
        let collector = thread::spawn(move || {
            let world = &mine.ending.world;
            let epoch = begin(world);
            let frozen = (0..4).any(|_| {
                let done = mine.all_frozen(epoch, variant);
                if !done {
                    thread::yield_now();
                }
                done
            });
            if frozen {
                // SAFETY: everybody is frozen, or the model says that somebody is not.
                mine.stranger.with(|p| unsafe { *p });
                mine.ending.data.with(|p| unsafe { *p });
            }
            end(world, epoch);
        });
        // The registered thread makes the other one, and ends.
        all.ending.work();
        all.ending.poll_signal();
        all.count.fetch_add(1, Ordering::AcqRel);
        let theirs = all.clone();
        let stranger = thread::spawn(move || {
            // SAFETY: nobody else is at it, or the model says so.
            theirs.stranger.with_mut(|p| unsafe { *p += 1 });
        });
        all.ending.poll_signal();
        if variant != Variant::EndsLate {
            all.exiting.store(1, Ordering::Relaxed);
        }
        all.ending.word.enter_safe();
        if variant == Variant::EndsLate {
            all.exiting.store(1, Ordering::Relaxed);
        }
        all.count.fetch_sub(1, Ordering::AcqRel);
        stranger.join().unwrap();
        collector.join().unwrap();
    });
}

#[test]
fn a_thread_that_only_the_kernel_knows_is_not_forgotten() {
    coming(Variant::Real);
}
#[test]
#[should_panic(expected = "Causality violation")]
fn the_kernel_is_asked() {
    coming(Variant::NoCount);
}
#[test]
#[should_panic(expected = "Causality violation")]
fn a_thread_that_ends_spoils_the_count() {
    coming(Variant::TrustsEnding);
}
#[test]
#[should_panic(expected = "Causality violation")]
fn a_thread_says_that_it_ends_before_it_is_safe() {
    coming(Variant::EndsLate);
}

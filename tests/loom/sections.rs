//! ST3: a request that comes in a critical section is answered at its end, never lost.
use super::*;
use std::cell::Cell;

/// What `tls::Block` holds: the thread's own, and its handler's.
struct Block {
    depth: Cell<u32>,
    pending: Cell<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// As `ground::critical`.
    Real,
    /// The note is read before the depth is written. A mutation.
    LooksFirst,
    /// The handler stops the thread wherever it is. A mutation.
    HandlerIgnoresDepth,
}

struct InSection {
    process: Arc<Process<Real>>,
    block: Block,
    exit: Exit,
}

impl InSection {
    /// Between any two instructions.
    fn poll(&self) {
        while self.process.signal.swap(0, Ordering::AcqRel) != 0 {
            if self.block.depth.get() > 0 && self.exit != Exit::HandlerIgnoresDepth {
                self.process.signalled.store(0, Ordering::Release);
                self.block.pending.set(1);
            } else {
                self.process.handle();
            }
        }
    }
    fn leave(&self) {
        let early = self.block.pending.get();
        self.poll();
        self.block.depth.set(0);
        self.poll();
        let pending = if self.exit == Exit::LooksFirst { early } else { self.block.pending.get() };
        self.poll();
        if pending != 0 {
            self.block.pending.set(0);
            self.poll();
            while let Some(epoch) = self.process.word.asked(&self.process.world) {
                self.poll();
                if self.process.word.arrive(epoch) {
                    self.process.park();
                }
            }
        }
        self.poll();
        assert_eq!(self.block.pending.get(), 0, "a request is lost");
    }
}

/// A thread goes through a section twice, against a collector. In the section it changes what the collector
/// reads, in two steps with a lock-like word over them.
fn section(exit: Exit, stops: usize) {
    check(move || {
        let process = Process::<Real>::new();
        let held = Arc::new(AtomicU32::new(0));
        let (inner, lock) = (process.clone(), held.clone());
        let collector = thread::spawn(move || {
            for _ in 0..stops {
                if inner.collect_and(4, || assert_eq!(lock.load(Ordering::Acquire), 0, "stopped with a lock"))
                {
                    continue;
                }
            }
        });
        let me = InSection { process, block: Block { depth: Cell::new(0), pending: Cell::new(0) }, exit };
        me.process.work();
        me.poll();
        me.block.depth.set(1);
        me.poll();
        held.store(1, Ordering::Release);
        me.poll();
        me.process.work();
        held.store(0, Ordering::Release);
        me.poll();
        me.leave();
        me.process.work();
        me.process.word.enter_safe();
        collector.join().unwrap();
    });
}

#[test]
fn a_request_in_a_section_is_answered_at_its_end() {
    section(Exit::Real, 2);
}
#[test]
#[should_panic(expected = "a request is lost")]
fn the_depth_is_written_before_the_note_is_read() {
    section(Exit::LooksFirst, 1);
}
#[test]
#[should_panic(expected = "stopped with a lock")]
fn the_handler_looks_at_the_depth() {
    section(Exit::HandlerIgnoresDepth, 1);
}

//! What is kept of a thread.
//!
//! Records come from metadata and are recycled, never unmapped (*type-stable*): a signal that
//! arrives late, or a collector that lost a race, reads another thread's record at worst, and
//! the epochs in the word make that harmless. Every field is atomic, because the handler, the
//! thread and the collector all touch it; the comment names its one writer.
use super::state::Word;
use super::timing::Timing;
use core::cell::Cell;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::Relaxed};

/// Where a thread's stack comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum StackKind {
    /// Unknown, or given by the program: after the thread's end it may hold anything.
    Foreign = 0,
    /// Mapped by libc with a guard page below: it stays a stack until it is unmapped.
    Libc = 1,
    /// The process's first stack, which grows.
    Main = 2,
}

/// The first stack grows below its mapping of the moment; the kernel keeps at least 128 MB free there.
const MAIN_GROWS: usize = 64 << 20;

#[repr(C, align(64))]
pub struct Thread {
    /// The protocol's word. See [`Word`].
    pub word: Word<AtomicU32>,
    /// 0: no thread. Written under the registry's lock; in a guest record by whoever claims it.
    pub tid: AtomicI32,
    /// 1 while a stop signal is under way: at most one is outstanding. Set by the collector,
    /// cleared by the handler.
    pub signalled: AtomicU32,
    /// 1 once the thread's last destructor ran: SAFE but for its calls of the allocator.
    pub exiting: AtomicU32,
    /// The epoch in which the handler caught an exiting thread. Written by the handler.
    pub caught: AtomicU32,
    /// The epoch in which an exiting thread that was not caught is counted as frozen, since no signal reaches
    /// it. Written by the collector.
    pub presumed: AtomicU32,
    stack_kind: AtomicU32,
    /// Stack pointer where the thread froze. Written by the thread before it freezes.
    pub sp: AtomicUsize,
    /// Address of the signal frame's `ucontext_t`, or 0 when registers are spilled above `sp`.
    pub frame: AtomicUsize,
    /// `fs:0`. Set when the thread attaches, like the bounds.
    pub tcb: AtomicUsize,
    stack_lo: AtomicUsize,
    pub(super) stack_hi: AtomicUsize,
    /// 1 once code may run on a piece of this thread's own stack as if it were another one: then all of it
    /// is live.
    whole: AtomicU32,
    /// Blocking calls made with a stack pointer in `safe_lo..stack_hi` are SAFE: this thread's own
    /// stack, which nobody who borrows its thread-local storage runs on. See `blocking`.
    pub(super) safe_lo: AtomicUsize,
    /// Not 0 while the thread's cache is put aside, in `parked`; and the callee-saved registers of one
    /// on whose stack vfork's child runs. The thread's own, or the child's. See `lend`.
    pub(super) lent: AtomicU32,
    pub(super) parked: AtomicUsize,
    pub(super) spilled: [AtomicUsize; 6],
    /// The record of the thread that this one is joining, and of the one by which it is joined (see `joins`).
    pub(super) joins: AtomicUsize,
    pub(super) joined: AtomicUsize,
    /// 1 while the kernel blocks our signal for the length of a call, see `exec`.
    pub(super) masked: AtomicU32,
    /// Where an interrupted call was last made to begin again: instruction, stack pointer, by whom
    /// (see `rewind`). 0: nowhere. The thread's own, handlers included.
    pub(super) rewound: [AtomicUsize; 3],
    /// Time-outs of interrupted calls. The thread's own, handler included.
    pub timing: Timing,
    /// Base address of the alternate signal stack that the program last gave the kernel here; 0: none. The thread's own.
    pub(super) alternate: AtomicUsize,
    /// Next in the bucket or on the free list. Under the registry's lock.
    pub(super) next: Link,
}

pub(super) struct Link(pub Cell<Option<&'static Thread>>);

impl Thread {
    pub const fn new() -> Thread {
        Thread {
            word: Word::new(AtomicU32::new(super::state::State::Dead as u32)),
            tid: AtomicI32::new(0),
            signalled: AtomicU32::new(0),
            exiting: AtomicU32::new(0),
            caught: AtomicU32::new(0),
            presumed: AtomicU32::new(0),
            stack_kind: AtomicU32::new(0),
            sp: AtomicUsize::new(0),
            frame: AtomicUsize::new(0),
            tcb: AtomicUsize::new(0),
            stack_lo: AtomicUsize::new(0),
            stack_hi: AtomicUsize::new(0),
            whole: AtomicU32::new(0),
            safe_lo: AtomicUsize::new(usize::MAX),
            lent: AtomicU32::new(0),
            parked: AtomicUsize::new(0),
            spilled: [const { AtomicUsize::new(0) }; 6],
            joins: AtomicUsize::new(0),
            joined: AtomicUsize::new(0),
            masked: AtomicU32::new(0),
            rewound: [const { AtomicUsize::new(0) }; 3],
            timing: Timing::new(),
            alternate: AtomicUsize::new(0),
            next: Link(Cell::new(None)),
        }
    }
    /// `lo..hi` of the stack's mapping; (0, 0) when it is not known.
    pub fn stack(&self) -> (usize, usize) {
        (self.stack_lo.load(Relaxed), self.stack_hi.load(Relaxed))
    }
    /// An alternate stack, or a coroutine's, begins at `lo`. If that is in the thread's own stack, frames
    /// below it may be live while the stack pointer is in there.
    pub fn note_stack(&self, lo: usize) {
        if self.safe_lo.load(Relaxed) <= lo && lo < self.stack_hi.load(Relaxed) {
            self.whole.store(1, Relaxed);
        }
    }
    /// The program gave the kernel the alternate stack that begins at `lo`; 0: took it back.
    pub fn set_alternate(&self, lo: usize) {
        self.alternate.store(lo, Relaxed);
    }
    /// Whether all of the stack is live, wherever the stack pointer is.
    pub fn is_whole(&self) -> bool {
        self.whole.load(Relaxed) != 0
    }
    pub fn stack_kind(&self) -> StackKind {
        match self.stack_kind.load(Relaxed) {
            1 => StackKind::Libc,
            2 => StackKind::Main,
            _ => StackKind::Foreign,
        }
    }
    pub(super) fn set_stack(&self, (lo, hi): (usize, usize), kind: StackKind) {
        self.whole.store(0, Relaxed);
        self.alternate.store(0, Relaxed);
        self.stack_lo.store(lo, Relaxed);
        self.stack_hi.store(hi, Relaxed);
        self.stack_kind.store(kind as u32, Relaxed);
        let safe = match kind {
            _ if hi == 0 => usize::MAX,
            StackKind::Main => hi.saturating_sub(MAIN_GROWS),
            _ => lo,
        };
        self.safe_lo.store(safe, Relaxed);
    }
    /// Where the registers of a frozen thread are, for the collector.
    pub(super) fn publish(&self, sp: usize, frame: usize) {
        self.sp.store(sp, Relaxed);
        self.frame.store(frame, Relaxed);
    }
    /// What was published last.
    pub(super) fn published(&self) -> (usize, usize) {
        (self.sp.load(Relaxed), self.frame.load(Relaxed))
    }
    pub(super) fn is_exiting(&self) -> bool {
        self.exiting.load(Relaxed) != 0
    }
}
impl Default for Thread {
    fn default() -> Self {
        Self::new()
    }
}

//! Time-outs of calls that a stop interrupted and that are begun again.
//!
//! The kernel does not say when a call began, so the first interruption counts as its begin,
//! unless a wrapper noted the true deadline. One interrupted call at a time: a handler of the
//! program that blocks inside a blocked call starts a new instance, and the outer one, begun
//! again later, counts from then.
use core::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

pub struct Timing {
    /// Absolute deadline that a wrapper noted for the call it is about to make; 0: none.
    noted: AtomicU64,
    /// Absolute deadline of the instance `tag`.
    deadline: AtomicU64,
    /// Names the instance in the upper, unused half of an argument register.
    tag: AtomicU32,
    /// A `timespec` that stands in for the program's.
    scratch: [AtomicI64; 2],
}

/// Upper halves of int arguments never look like this by themselves (sign extension gives 0 or −1).
const TAG_BASE: u32 = 0x676c_0000;

impl Timing {
    pub const fn new() -> Timing {
        Timing {
            noted: AtomicU64::new(0),
            deadline: AtomicU64::new(0),
            tag: AtomicU32::new(TAG_BASE),
            scratch: [AtomicI64::new(0), AtomicI64::new(0)],
        }
    }
    pub(super) fn reset(&self) {
        self.noted.store(0, Relaxed);
    }
    /// Wrapper: the call that follows must be over at this time (monotonic); 0 takes it back.
    pub fn note(&self, deadline_ns: u64) {
        self.noted.store(deadline_ns, Relaxed);
    }
    pub(super) fn noted(&self) -> Option<u64> {
        Some(self.noted.load(Relaxed)).filter(|&n| n != 0)
    }
    /// Begins an instance that ends at `deadline`; its tag.
    pub(super) fn begin(&self, deadline: u64) -> u32 {
        let tag = TAG_BASE | self.tag.load(Relaxed).wrapping_add(1) & 0xffff;
        self.tag.store(tag, Relaxed);
        self.deadline.store(deadline, Relaxed);
        tag
    }
    /// The deadline of the instance that `register` is tagged with.
    pub(super) fn of_tag(&self, register: u64) -> Option<(u32, u64)> {
        let tag = self.tag.load(Relaxed);
        (register >> 32 == tag as u64).then(|| (tag, self.deadline.load(Relaxed)))
    }
    pub(super) fn deadline(&self) -> u64 {
        self.deadline.load(Relaxed)
    }
    /// Address of the stand-in `timespec`.
    pub(super) fn scratch(&self) -> u64 {
        self.scratch.as_ptr() as u64
    }
    pub(super) fn set_scratch(&self, ns: u64) {
        self.scratch[0].store((ns / 1_000_000_000) as i64, Relaxed);
        self.scratch[1].store((ns % 1_000_000_000) as i64, Relaxed);
    }
}
impl Default for Timing {
    fn default() -> Self {
        Self::new()
    }
}

//! Leak mode: for each object the id of the call stack that allocated it and how many bytes
//! were asked for, out of line.
//!
//! # Safety
//! A span's array covers all its slots and is replaced only while the span has no objects.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::spans::Span;
use crate::spans::side;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// In place of a stack: allocated where the program wanted no leaks reported.
pub const IGNORED: u32 = u32::MAX;
/// There may be such an object.
pub static ANY_IGNORED: AtomicBool = AtomicBool::new(false);

/// One object's origin: stack id, and the bytes of its slot that were not asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    /// The depot's number; 0 = none.
    pub stack: u32,
    /// Slot size minus the request.
    pub slack: u32,
}

impl Origin {
    fn pack(self) -> u64 {
        self.stack as u64 | (self.slack as u64) << 32
    }
    fn unpack(word: u64) -> Origin {
        Origin { stack: word as u32, slack: (word >> 32) as u32 }
    }
}

/// Remembers (or with the default forgets) the origin of slot `index`, if the span has an array.
#[inline]
pub fn set(span: &Span, index: u32, origin: Origin) {
    let array = span.stacks.load(Ordering::Relaxed);
    if !array.is_null() {
        // SAFETY: the array has an entry a slot.
        unsafe { &*array.add(index as usize) }.store(origin.pack(), Ordering::Relaxed);
    }
}

/// The origin of slot `index`; the default where none was recorded.
pub fn get(span: &Span, index: u32) -> Origin {
    let array = span.stacks.load(Ordering::Relaxed);
    if array.is_null() {
        return Origin::default();
    }
    // SAFETY: the array has an entry a slot.
    Origin::unpack(unsafe { &*array.add(index as usize) }.load(Ordering::Relaxed))
}

/// Records that slot `index` was allocated by `stack` for `n` bytes, making the array first if
/// there is none. Owner only (or under the late lock).
pub fn record(critical: &Critical, span: &Span, index: u32, stack: u32, n: usize) {
    if span.stacks.load(Ordering::Relaxed).is_null() {
        let Some(array) = side::take(critical, span.slots.get() as usize * ENTRY) else { return };
        span.stacks.store(array.ptr::<AtomicU64>(), Ordering::Release);
    }
    let slack = (span.size.get() - n.min(span.size.get())) as u32;
    set(span, index, Origin { stack, slack });
}
const ENTRY: usize = size_of::<AtomicU64>();

/// The span goes: so does its array.
pub fn drop_array(critical: &Critical, span: &Span) {
    let array = span.stacks.swap(core::ptr::null_mut(), Ordering::AcqRel);
    if !array.is_null() {
        side::give(critical, crate::pure::addr::Addr::of(array), span.slots.get() as usize * ENTRY);
    }
}

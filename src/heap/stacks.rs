//! Leak mode: for each object the id of the call stack that allocated it and how many bytes
//! were asked for, out of line. What stands there of a free slot means nothing: a fast free leaves it.
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
        Origin { stack: word as u32, slack: slack_of(word) as u32 }
    }
}

/// The bits of a word above the slack are for `secure`.
const SLACK: u64 = (1 << 28) - 1;

/// The slack in a word.
pub fn slack_of(word: u64) -> usize {
    (word >> 32 & SLACK) as usize
}

#[inline]
fn entry(span: &Span, index: u32) -> Option<&AtomicU64> {
    let array = span.stacks.load(Ordering::Acquire);
    // SAFETY: the array has an entry a slot.
    if array.is_null() { None } else { Some(unsafe { &*array.add(index as usize) }) }
}

/// The word of slot `index`; 0 where there is none.
pub fn word(span: &Span, index: u32) -> u64 {
    entry(span, index).map_or(0, |word| word.load(Ordering::Acquire))
}
pub fn set_word(span: &Span, index: u32, word: u64) {
    if let Some(entry) = entry(span, index) {
        entry.store(word, Ordering::Release);
    }
}
/// Clears `bits` of it. What it was.
pub fn take_word(span: &Span, index: u32, bits: u64) -> u64 {
    entry(span, index).map_or(0, |word| word.fetch_and(!bits, Ordering::AcqRel))
}
pub fn is_absent(span: &Span) -> bool {
    span.stacks.load(Ordering::Acquire).is_null()
}

/// Remembers (or with the default forgets) the origin of slot `index`, if the span has an array.
#[inline]
pub fn set(span: &Span, index: u32, origin: Origin) {
    set_word(span, index, origin.pack());
}

/// The origin of slot `index`; the default where none was recorded.
pub fn get(span: &Span, index: u32) -> Origin {
    Origin::unpack(word(span, index))
}

/// Records that slot `index` was allocated by `stack` for `n` bytes, making the array first if
/// there is none. Owner only (or under the late lock).
pub fn record(critical: &Critical, span: &Span, index: u32, stack: u32, n: usize) {
    if span.stacks.load(Ordering::Relaxed).is_null() {
        let Some(array) = side::take(critical, span.slots.get() as usize * ENTRY) else { return };
        span.stacks.store(array.ptr::<AtomicU64>(), Ordering::Release);
    }
    let slack = (span.size.get() - n.min(span.size.get())).min(SLACK as usize) as u32;
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

//! Leak mode: the id of the call stack that allocated each object, out of line.
//!
//! # Safety
//! A span's array covers all its slots and is replaced only while the span has no objects.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::spans::Span;
use crate::spans::side;
use core::sync::atomic::{AtomicU32, Ordering};

/// Remembers (or with 0 forgets) which stack allocated slot `index`.
#[inline]
pub fn set(span: &Span, index: u32, stack: u32) {
    let array = span.stacks.load(Ordering::Relaxed);
    if !array.is_null() {
        // SAFETY: the array has an entry a slot.
        unsafe { &*array.add(index as usize) }.store(stack, Ordering::Relaxed);
    }
}

/// The stack that allocated slot `index`, or 0.
pub fn get(span: &Span, index: u32) -> u32 {
    let array = span.stacks.load(Ordering::Relaxed);
    if array.is_null() {
        return 0;
    }
    // SAFETY: the array has an entry a slot.
    unsafe { &*array.add(index as usize) }.load(Ordering::Relaxed)
}

/// Like [`set`], making the array first if there is none. Two threads may race here for a span
/// of the late cache only, which is locked.
pub fn record(critical: &Critical, span: &Span, index: u32, stack: u32) {
    if span.stacks.load(Ordering::Relaxed).is_null() {
        let Some(array) = side::take(critical, span.slots.get() as usize * 4) else { return };
        span.stacks.store(array.ptr::<AtomicU32>(), Ordering::Release);
    }
    set(span, index, stack);
}

/// The span goes: so does its array.
pub fn drop_array(critical: &Critical, span: &Span) {
    let array = span.stacks.swap(core::ptr::null_mut(), Ordering::AcqRel);
    if !array.is_null() {
        side::give(critical, crate::pure::addr::Addr::of(array), span.slots.get() as usize * 4);
    }
}

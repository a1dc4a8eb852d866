//! Side arrays of spans (stack ids): zeroed metadata in powers of two, reused by size.
//!
//! # Safety
//! An array on a free list belongs to nobody; its first word is the link.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::metadata;
use crate::pure::addr::Addr;

/// First free array of each power of two, from 2^4 bytes.
pub struct Lists([usize; 28]);
pub static LISTS: Lock<Lists> = Lock::new(Rank::Sides, Lists([0; 28]));

fn shift(bytes: usize) -> usize {
    bytes.max(16).next_power_of_two().trailing_zeros() as usize
}

/// `bytes` of zeroed, 16-aligned metadata.
pub fn take(critical: &Critical, bytes: usize) -> Option<Addr> {
    let shift = shift(bytes);
    let mut lists = LISTS.lock(critical);
    let first = lists.0.get_mut(shift - 4)?;
    if *first == 0 {
        return metadata::alloc(critical, 1 << shift, 16);
    }
    let array = Addr(*first);
    // SAFETY: free arrays are ours alone.
    unsafe {
        *first = *array.ptr::<usize>();
        core::ptr::write_bytes(array.ptr::<u8>(), 0, 1 << shift);
    }
    Some(array)
}

/// Gives back what [`take`] gave for the same `bytes`.
pub fn give(critical: &Critical, array: Addr, bytes: usize) {
    let mut lists = LISTS.lock(critical);
    if let Some(first) = lists.0.get_mut(shift(bytes) - 4) {
        // SAFETY: the array is the caller's no more.
        unsafe { *array.ptr::<usize>() = *first };
        *first = array.0;
    }
}

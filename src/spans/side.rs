//! Side arrays of spans (stack ids): zeroed metadata in four sizes a doubling, reused by size.
//!
//! # Safety
//! An array on a free list belongs to nobody; its first word is the link.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::metadata;
use crate::pure::addr::Addr;

/// First free array of each size.
pub struct Lists([usize; SIZES]);
pub static LISTS: Lock<Lists> = Lock::new(Rank::Sides, Lists([0; SIZES]));
const SIZES: usize = 4 * 26;

/// The list for `bytes`, and how many an array there has: multiples of 16 up to 64, then four sizes a doubling.
fn size(bytes: usize) -> (usize, usize) {
    let bytes = bytes.max(16);
    // bytes - 1 has its highest bit in 2^(step + 2).
    let step = ((bytes - 1).max(32).ilog2() - 2).max(4) as usize;
    let steps = bytes.div_ceil(1 << step);
    (4 * (step - 4) + steps - 1, steps << step)
}

/// `bytes` of zeroed, 16-aligned metadata.
pub fn take(critical: &Critical, bytes: usize) -> Option<Addr> {
    let (list, size) = size(bytes);
    let mut lists = LISTS.lock(critical);
    let first = lists.0.get_mut(list)?;
    if *first == 0 {
        return metadata::alloc(critical, size, 16);
    }
    let array = Addr(*first);
    // SAFETY: free arrays are ours alone.
    unsafe {
        *first = *array.ptr::<usize>();
        core::ptr::write_bytes(array.ptr::<u8>(), 0, size);
    }
    Some(array)
}

/// Gives back what [`take`] gave for the same `bytes`.
pub fn give(critical: &Critical, array: Addr, bytes: usize) {
    let mut lists = LISTS.lock(critical);
    if let Some(first) = lists.0.get_mut(size(bytes).0) {
        // SAFETY: the array is the caller's no more.
        unsafe { *array.ptr::<usize>() = *first };
        *first = array.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list has arrays of one size, which are large enough, and at most a quarter too large above 64 bytes.
    #[test]
    fn sizes() {
        let mut of_list = [0; SIZES];
        for bytes in (1..70_000).chain([1 << 20, (1 << 20) + 1, 1 << 30]) {
            let (list, size) = size(bytes);
            assert!(
                size >= bytes && size % 16 == 0 && (size <= 64 || size * 4 <= bytes * 5),
                "{bytes} {size}"
            );
            assert!(of_list[list] == 0 || of_list[list] == size, "{bytes}");
            of_list[list] = size;
        }
    }
}

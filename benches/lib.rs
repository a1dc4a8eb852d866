//! What the measurements share.
//!
//! ```text
//! run     a process, its end and its costs
//! table   bounds beside figures, for a terminal or a page
//! ```
#![deny(unsafe_code)]
pub mod run;
pub mod table;

/// xorshift: the same numbers in every run.
pub struct Random(pub u64);
impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        (1..items.len()).rev().for_each(|i| items.swap(i, self.below(i + 1)));
    }
}
impl Default for Random {
    fn default() -> Self {
        Random(0x9e37_79b9_7f4a_7c15)
    }
}

//! The filter in front of the tree: a bit for each 2 MiB of the address space.
//!
//! A bit is set before `adopt` returns and cleared, under the lock and with a look at the tree, when no
//! range is left in its granule. Readers take no lock: whoever learnt of a range in an ordered
//! way (by its address) finds its bits set, because all changes of one word of bits are in one order and a
//! bit goes only after the range. Whoever knows nothing of a range may be told anything.
//!
//! 2^26 bits are 8 MiB of address space, of which a page serves 64 GiB. Addresses above 2^47 (five levels of page
//! tables) have no bits and pass.
//!
//! This file names no type of the crate: `tests/loom_adopted.rs` runs it under a model checker.

/// log2 of a granule's bytes.
pub const SHIFT: u32 = 21;
pub const GRANULE: usize = 1 << SHIFT;
/// Addresses below this have bits.
pub const LIMIT: usize = 1 << 47;
/// Words of bits.
pub const WORDS: usize = LIMIT >> (SHIFT + 6);

/// The bits, 64 to a word; all operations relaxed.
pub trait Cells {
    fn load(&self, at: usize) -> u64;
    fn or(&self, at: usize, bits: u64);
    fn and(&self, at: usize, bits: u64);
}

/// The word and the bit of an address below [`LIMIT`].
#[inline(always)]
fn place(address: usize) -> (usize, u32) {
    (address >> (SHIFT + 6), (address >> SHIFT) as u32 % 64)
}

/// Calls `each` with every word that has bits of `lo..=last`, and the mask of these, until it says true.
fn any_word(lo: usize, last: usize, each: &mut dyn FnMut(usize, u64) -> bool) -> bool {
    if lo >= LIMIT {
        return false;
    }
    let ((first, from), (end, to)) = (place(lo), place(last.min(LIMIT - 1)));
    (first..=end).any(|at| {
        let low = if at == first { u64::MAX << from } else { u64::MAX };
        let high = if at == end { u64::MAX >> (63 - to) } else { u64::MAX };
        each(at, low & high)
    })
}

/// Sets the bits of `lo..=last`.
pub fn set(cells: &impl Cells, lo: usize, last: usize) {
    any_word(lo, last, &mut |at, mask| {
        cells.or(at, mask);
        false
    });
}

/// Clears the bits of `lo..=last` in whose granules `held` finds nothing. The inner ones of a range have
/// been its alone.
pub fn clear(cells: &impl Cells, lo: usize, last: usize, held: &dyn Fn(usize, usize) -> bool) {
    let (mut from, mut to) = (lo & !(GRANULE - 1), last | (GRANULE - 1));
    if held(from, from | (GRANULE - 1)) {
        from = from.saturating_add(GRANULE);
    }
    if to > from && held(to & !(GRANULE - 1), to) {
        to = (to & !(GRANULE - 1)).wrapping_sub(1);
    }
    if from < to && to != usize::MAX {
        any_word(from, to, &mut |at, mask| {
            cells.and(at, !mask);
            false
        });
    }
}

/// Whether a bit of `lo..=last` is set. An address without a bit counts as one that is.
pub fn any(cells: &impl Cells, lo: usize, last: usize) -> bool {
    last >= LIMIT || any_word(lo, last, &mut |at, mask| cells.load(at) & mask != 0)
}

/// [`any`] of one address.
#[inline(always)]
pub fn holds(cells: &impl Cells, address: usize) -> bool {
    let (at, bit) = place(address);
    address >= LIMIT || cells.load(at) >> bit & 1 != 0
}

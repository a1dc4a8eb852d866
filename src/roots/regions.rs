//! Roots that the program named: ranges of words that it wants scanned, wherever they lie.
//!
//! All memory of the program's that is no heap is a root already. What this adds are pieces of heap objects whose
//! own address is hidden, and mappings where those are objects of the graph. A range is named as often as it
//! is registered, and stays one until it was taken back as often; nobody looks whether it is mapped until it is scanned.
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::pool::Pool;
use crate::pure::addr::Addr;

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Region {
    lo: Addr,
    hi: Addr,
}

static REGIONS: Lock<Pool<Region>> = Lock::new(Rank::Regions, Pool::new());

/// For fork's hooks.
pub fn lock() -> &'static Lock<Pool<Region>> {
    &REGIONS
}

/// False: no memory.
pub fn add(critical: &Critical, lo: Addr, hi: Addr) -> bool {
    REGIONS.lock(critical).take(critical, Region { lo, hi }).is_some()
}

/// False: there is no such range.
pub fn remove(critical: &Critical, lo: Addr, hi: Addr) -> bool {
    let mut regions = REGIONS.lock(critical);
    let wanted = Region { lo, hi };
    let found = (0..regions.bound()).find(|&n| regions.get(n).is_some_and(|r| *r == wanted));
    found.inspect(|&n| regions.give(n)).is_some()
}

/// Calls `f` with each range.
pub fn each(critical: &Critical, mut f: impl FnMut(Addr, Addr)) {
    let mut regions = REGIONS.lock(critical);
    for n in 0..regions.bound() {
        if let Some(&mut Region { lo, hi }) = regions.get(n) {
            f(lo, hi);
        }
    }
}

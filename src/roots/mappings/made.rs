//! Mappings as objects: what the program asked for by mmap, one object a call, for leak mode.
//!
//! Beside the record of ranges, because its borders are others: a protection, a page that is guarded or
//! a piece mapped over it (MAP_FIXED: how reservations are filled) leaves an object whole, and what a partial munmap leaves of
//! it may lie in two places. A piece of an object knows the call's number, by which the pieces
//! are one, and the call's stack.
//!
//! What cannot be followed is not told: after an unmapping that went unrecorded nothing is known for sure.
use super::{Reconcile, STATE, pages, with};
use crate::ground::critical::Critical;
use crate::pages::ranges::{Range, Ranges, Word};
use crate::pure::addr::Addr;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whose a piece is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Made {
    /// The depot's number of the stack that mapped it; 0 = unknown.
    pub stack: u32,
    /// The number of the call, below 2^30.
    pub call: u32,
    /// Main may keep it for good.
    pub mains: bool,
    /// Never to be told: code, a device's, or adopted.
    pub never: bool,
}

impl Word for Made {
    fn pack(self) -> usize {
        self.stack as usize
            | (self.call as usize) << 32
            | (self.mains as usize) << 62
            | (self.never as usize) << 63
    }
    fn unpack(word: usize) -> Made {
        let call = (word >> 32) as u32 & CALLS;
        Made { stack: word as u32, call, mains: word >> 62 & 1 != 0, never: word >> 63 != 0 }
    }
}

const CALLS: u32 = u32::MAX >> 2;

/// The bits of a word that an address may have.
const ADDRESS: usize = (1 << 48) - 1;
/// Something was noted once: until then nothing here costs more than this question.
static ANY: AtomicBool = AtomicBool::new(false);
/// An unmapping was not noted.
static UNSURE: AtomicBool = AtomicBool::new(false);

/// What is known of a call that maps memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct By {
    pub stack: u32,
    pub mains: bool,
}

/// The program mapped `lo..lo + len` where nothing was: an object from now on, if it is known who did. Returns that.
pub fn made(lo: Addr, len: usize, by: Option<By>) -> Option<Range<Made>> {
    unmade(lo, len);
    let ((lo, last), By { stack, mains }) = (pages(lo, len)?, by?);
    let mut noted = None;
    with(|state, critical| {
        state.calls = (state.calls + 1) & CALLS;
        let made = Made { stack, call: state.calls, mains, never: false };
        if state.made.insert(critical, lo, last, made).is_ok() {
            ANY.store(true, Relaxed);
            noted = Some(Range { lo, last, record: made });
        }
    });
    noted
}

/// It is known now that main has no word of `range`, of which all may have changed since.
pub fn not_mains(range: &Range<Made>) {
    let same = |made: &Made| made.call == range.record.call;
    with(|state, critical| {
        change(&mut state.made, critical, range.lo, range.last.add(1), &|made| Made {
            mains: made.mains && !same(&made),
            ..made
        });
    });
}

/// Somebody handed `word` on to where main may have taken it from.
pub fn maybe_mains(word: usize) {
    if ANY.load(Relaxed) {
        let at = Addr(word & ADDRESS);
        with(|state, critical| {
            change(&mut state.made, critical, at, at.add(1), &|made| Made { mains: true, ..made });
        });
    }
}

/// Main ended with these words: what they lead to was kept for good.
pub fn kept(words: &[usize]) {
    if !ANY.load(Relaxed) {
        return;
    }
    with(|state, critical| {
        for &word in words {
            let at = Addr(word & ADDRESS);
            if state.made.find(at).is_some_and(|range| !range.record.never) {
                never(&mut state.made, critical, at, at.add(1));
            }
        }
    });
}

/// `lo..lo + len` is about to be unmapped.
pub fn unmade(lo: Addr, len: usize) {
    if !ANY.load(Relaxed) {
        return;
    }
    let Some((lo, last)) = pages(lo, len) else { return };
    let mut done = false;
    with(|state, critical| done = state.made.remove(critical, lo, last).is_ok());
    if !done {
        UNSURE.store(true, Relaxed);
    }
}

/// What is at `lo`, for a call that may move it.
pub fn at(lo: Addr) -> Option<Made> {
    let mut found = None;
    if ANY.load(Relaxed) {
        with(|state, _| found = state.made.find(lo).map(|r| r.record));
    }
    found
}

/// What was somewhere else is at `lo..lo + len` now.
pub fn moved(lo: Addr, len: usize, made: Made) {
    let Some((lo, last)) = pages(lo, len) else { return };
    with(|state, critical| {
        // Without memory it is known no longer, and nobody tells of it.
        let _ = state.made.insert(critical, lo, last, made);
    });
}

/// The kernel has nothing at `lo..=last`.
pub(super) fn gone(made: &mut Ranges<Made>, critical: &Critical, lo: Addr, last: Addr) {
    if made.remove(critical, lo, last).is_err() {
        UNSURE.store(true, Relaxed);
    }
}

/// Calls `each` with all pieces by address, if they are known for sure.
pub fn each(critical: &Critical, each: &mut dyn FnMut(Range<Made>)) {
    if UNSURE.load(Relaxed) {
        return;
    }
    STATE.lock(critical).made.iter_from(Addr::NULL).for_each(each);
}

/// The program adopted `lo..lo + len` as an object of the graph: it says itself what is to become of it.
pub fn adopted(lo: Addr, len: usize) {
    if ANY.load(Relaxed) {
        with(|state, critical| never(&mut state.made, critical, lo, lo.add(len)));
    }
}

/// What touches `lo..hi` is never told.
fn never(made: &mut Ranges<Made>, critical: &Critical, lo: Addr, hi: Addr) {
    change(made, critical, lo, hi, &|made| Made { never: true, ..made });
}

fn change(made: &mut Ranges<Made>, critical: &Critical, lo: Addr, hi: Addr, to: &dyn Fn(Made) -> Made) {
    let mut at = lo;
    while let Some(range) = made.at_or_above(at).filter(|r| r.lo < hi) {
        let changed = to(range.record);
        if changed != range.record && made.insert(critical, range.lo, range.last, changed).is_err() {
            UNSURE.store(true, Relaxed);
        }
        at = range.last.add(1);
    }
}

impl Reconcile<'_> {
    /// The kernel lists `lo..hi` as something that is never told.
    pub(in crate::roots) fn strange(&mut self, lo: Addr, hi: Addr) {
        never(&mut self.state.made, self.critical, lo, hi);
    }
}

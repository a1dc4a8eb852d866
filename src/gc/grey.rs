//! Which slots of a span are grey: marked, and still to be scanned.
//!
//! A header word says it in short: none, one (its index), or those with a bit. A span that is not idle waits in a queue, so
//! one that was idle must be queued by whoever turns one of its slots grey ([`add`]), and nobody else queues it. A list of
//! objects then never costs a walk over bits.
//!
//! # Two forms
//! [`add`] and [`take`] are for one marker. Several at once use [`add_shared`] and [`take_shared`], with the same words:
//! ```text
//! header   IDLE ──add: compare, exchange──► ONE(i) ──add: set the bit, swap──► MANY
//!            ▲                                │ take: swap                      │
//!            └────────────────────────────────┴─────────────────────────────────┘
//! ```
//! Who adds sets the bit first, and then looks at the header. If it says MANY, whoever takes the span sees the bit, as he swaps the header first and
//! reads the bits then: of the four operations, all SeqCst, one of the later two is later than both of the earlier ones. Else it is
//! swapped. IDLE: a taker was faster, the span is queued anew, and the bit may be taken twice over, which finds nothing the
//! second time. ONE(i): the bit of i is not there yet; it is set, and the header swapped again, as if i had been added.
//!
//! The model checker runs this file (`loom_marking`).

use crate::ground::atomic::{AtomicU64, MODEL, Ordering::*, fence};

/// What is grey in a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GreyState {
    Idle,
    /// This slot, which has no bit.
    One(u32),
    /// Those that have a bit.
    Many,
}
const IDLE: u64 = 0;
const MANY: u64 = u64::MAX;

#[inline(always)]
fn state(header: u64) -> GreyState {
    match header {
        IDLE => GreyState::Idle,
        MANY => GreyState::Many,
        one => GreyState::One((one - 1) as u32),
    }
}

/// What is grey, as of now.
#[inline(always)]
pub fn peek(header: &AtomicU64) -> GreyState {
    state(header.load(Relaxed))
}

/// Slot `index` becomes grey. `word` gives the word of grey bits that has a slot's. True if the span was idle: then it must be queued.
#[inline(always)]
pub fn add<'a>(header: &AtomicU64, word: impl Fn(usize) -> &'a AtomicU64, index: u32) -> bool {
    let set = |index: u32| {
        let word = word(index as usize / 64);
        word.store(word.load(Relaxed) | 1 << (index % 64), Relaxed);
    };
    match state(header.load(Relaxed)) {
        GreyState::Idle => {
            header.store(index as u64 + 1, Relaxed);
            return true;
        }
        GreyState::Many => {}
        GreyState::One(first) => {
            set(first);
            header.store(MANY, Relaxed);
        }
    }
    set(index);
    false
}

/// The same, while others do so.
#[inline(always)]
pub fn add_shared<'a>(header: &AtomicU64, word: impl Fn(usize) -> &'a AtomicU64, mut index: u32) -> bool {
    if header.load(Relaxed) == IDLE
        && header.compare_exchange(IDLE, index as u64 + 1, AcqRel, Relaxed).is_ok()
    {
        return true;
    }
    loop {
        word(index as usize / 64).fetch_or(1 << (index % 64), SeqCst);
        in_order();
        if header.load(SeqCst) == MANY {
            return false;
        }
        match state(header.swap(MANY, SeqCst)) {
            GreyState::Idle => return true,
            GreyState::Many => return false,
            GreyState::One(first) => index = first,
        }
    }
}

#[inline(always)]
fn in_order() {
    if MODEL {
        fence(SeqCst);
    }
}

/// The span, from a queue, becomes idle. What was grey: `Many` are to be asked for word by word ([`take_word`]). What turns grey meanwhile may be
/// among it, or queues the span again.
#[inline(always)]
pub fn take(header: &AtomicU64) -> GreyState {
    let was = state(header.load(Relaxed));
    header.store(IDLE, Relaxed);
    was
}

/// The same, while others add.
#[inline(always)]
pub fn take_shared(header: &AtomicU64) -> GreyState {
    let was = state(header.swap(IDLE, SeqCst));
    in_order();
    was
}

/// Takes what is grey among 64 slots.
#[inline(always)]
pub fn take_word(word: &AtomicU64) -> u64 {
    let was = word.load(Relaxed);
    if was != 0 {
        word.store(0, Relaxed);
    }
    was
}

/// The same, while others add.
#[inline(always)]
pub fn take_word_shared(word: &AtomicU64) -> u64 {
    if word.load(SeqCst) == 0 { 0 } else { word.swap(0, SeqCst) }
}

//! Phase 5: the doomed are freed, while the program runs.
//!
//! Whoever clears an object's limbo bit gets it (`heap::limbo`). A resurrection seen on the way
//! ends this at once: what the program still holds may lead to objects that are doomed too.
//!
//! # Safety
//! An object whose limbo bit this module cleared, and which does not bear the mark of a free
//! slot, is allocated and nobody's: its span stays what it is until the slot is given back, and its
//! first 16 bytes are mapped, writable memory (protected objects are never doomed).
#![allow(unsafe_code)]
use super::Sum;
use crate::ground::critical::Critical;
use crate::heap::limbo::{DOOMED, IN, Limbo};
use crate::heap::{cache, large, live, release, special, stacks};
use crate::spans::span::{kind, tag};
use crate::spans::{Block, Span, slab};
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// Frees what is doomed. Only the one collector calls this, after the world resumed.
pub fn run(critical: &Critical) -> Sum {
    let before = live::RESURRECTED.load(Ordering::Acquire);
    let mut freed = Sum::default();
    slab::for_each(|span| {
        let tagged = span.owner.load(Ordering::Relaxed) & tag::LIMBO != 0;
        let Some(limbo) = Limbo::of(span).filter(|_| tagged) else { return };
        for at in 0..limbo.words() {
            let doomed = limbo.word(DOOMED, at);
            let mask = doomed.load(Ordering::Relaxed);
            if mask == 0 {
                continue;
            }
            if live::RESURRECTED.load(Ordering::Acquire) != before {
                doomed.store(0, Ordering::Relaxed);
                continue;
            }
            let mine = limbo.word(IN, at).fetch_and(!mask, Ordering::AcqRel) & mask;
            doomed.fetch_and(mine, Ordering::Relaxed);
            free_each(critical, span, at, mine, doomed, &mut freed);
        }
        if limbo.is_empty() {
            span.owner.fetch_and(!tag::LIMBO, Ordering::Relaxed);
        }
    });
    freed
}

fn free_each(
    critical: &Critical,
    span: &'static Span,
    at: usize,
    mut mine: u64,
    doomed: &AtomicU64,
    freed: &mut Sum,
) {
    while mine != 0 {
        let bit = mine.trailing_zeros();
        mine &= mine - 1;
        if span.kind() != kind::SLOTS {
            doomed.store(0, Ordering::Release);
            freed.add(1, span.size.get());
            special::reclaimed(critical, span, 0);
            large::free(critical, span);
            return;
        }
        let index = at as u32 * 64 + bit;
        let block: *mut Block = span.slot(index).ptr();
        // SAFETY: see the chapter above.
        let on_no_list = unsafe { !cache::is_marked(span, block) };
        if on_no_list {
            // SAFETY: as above.
            unsafe { cache::link_to(span, block, core::ptr::null_mut()) };
        }
        fence(Ordering::Release);
        doomed.fetch_and(!(1 << bit), Ordering::Release);
        if on_no_list {
            freed.add(1, span.size.get());
            stacks::set(span, index, stacks::Origin::default());
            special::reclaimed(critical, span, index);
            release::give_slot(critical, span, block);
        }
    }
}

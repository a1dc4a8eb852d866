//! The heap's numbered invariants, checked span by span.
//!
//! | | |
//! |---|---|
//! | H1 | every page of a span leads to it in the map (of a huge one, the first) |
//! | H2 | `extended ≤ slots`, slots fit into the pages |
//! | H3 | every free bit and every block on the remote list is a slot below `extended`, and is there once |
//! | H4 | `used` (less the head's one) + free bits = `extended`, unless a fork lost the owner |
//! | H5 | the full tag and the full list agree: a full span has no free bit (the same) |
//! | H6 | every block on the remote list bears the mark of a free one |
//! | H7 | what is in a bin is a slot below `extended` of some span |
//!
//! # Safety
//! Reads the cells of other threads' spans: only while the world is stopped, or in a test whose
//! other threads are quiet. To a span what is in some thread's bin is in use.
#![allow(unsafe_code)]
use super::cache::{self, Cache};
use super::{bins, free_bits};
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::spans::span::{NOTIFY, flag, kind, tag};
use crate::spans::{Block, Span, map, slab};
use core::sync::atomic::Ordering;

/// Which invariant a span breaks.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Broken {
    pub invariant: u8,
    pub base: Addr,
    pub class: u8,
}

/// Checks every span. `slack` is how far H4 may be off.
pub fn verify(slack: u32) -> Result<usize, Broken> {
    let (mut spans, mut first) = (0, None);
    slab::for_each(|span| {
        spans += 1;
        if let Err(invariant) = verify_span(span, slack) {
            first.get_or_insert(Broken { invariant, base: span.base(), class: span.class.get() });
        }
    });
    // SAFETY: nobody is at work, see above.
    unsafe {
        bins::for_each_slot(|slot| {
            let span = map::lookup(slot).filter(|span| span.kind() == kind::SLOTS && span.has_slot(slot));
            if span.is_none() {
                first.get_or_insert(Broken { invariant: 7, base: slot, class: 0 });
            }
        });
    }
    first.map_or(Ok(spans), Err)
}

fn verify_span(span: &Span, slack: u32) -> Result<(), u8> {
    let own = span.flags.load(Ordering::Relaxed) & flag::OWN_MAPPING != 0;
    let mapped = if own { 1 } else { span.pages.get() as usize };
    for page in 0..mapped {
        if !map::lookup(span.page_base().add(page * PAGE_SIZE)).is_some_and(|s| core::ptr::eq(s, span)) {
            return Err(1);
        }
    }
    if span.kind() != kind::SLOTS {
        return Ok(());
    }
    let (extended, slots) = (span.extended.get(), span.slots.get());
    if extended > slots || slots as usize * span.size.get() > span.pages.get() as usize * PAGE_SIZE {
        return Err(2);
    }
    let mut seen = [0u64; 64];
    for (word, bits) in seen.iter_mut().zip(free_bits::of(span)) {
        *word = bits.get();
    }
    let free = free_bits::count(span);
    if (extended..slots).any(|at| seen[at as usize / 64] >> (at % 64) & 1 != 0) {
        return Err(3);
    }
    let remote = (span.remote.load(Ordering::Acquire) & !NOTIFY) as *mut Block;
    count(span, remote, &mut seen)?;
    let owner = span.owner.load(Ordering::Relaxed);
    // SAFETY: what is no tag of an owner word is the address of a cache, valid for ever, or 0.
    if unsafe { ((owner & !tag::ALL) as *const Cache).as_ref() }.is_some_and(|cache| cache.lost.get()) {
        return Ok(());
    }
    let off = (span.used.get() + free).abs_diff(extended);
    // A head counts one more; whether a span is one is its cache's knowledge.
    if off > slack + 1 {
        return Err(4);
    }
    if owner & tag::FULL != 0 && free != 0 {
        return Err(5);
    }
    Ok(())
}

/// Blocks on a list, all of them slots that stand there once (H3) and are marked (H6).
fn count(span: &Span, mut block: *mut Block, seen: &mut [u64; 64]) -> Result<u32, u8> {
    let mut n = 0;
    while !block.is_null() {
        let addr = Addr(block as usize);
        let index = span.slot_of(addr).filter(|&i| span.slot(i) == addr).ok_or(3)?;
        let (word, bit) = (index as usize / 64, 1u64 << (index % 64));
        if seen[word] & bit != 0 {
            return Err(3);
        }
        seen[word] |= bit;
        n += 1;
        // SAFETY: the address is a slot of a live span.
        let (marked, next) = unsafe { (cache::is_marked(span, block), cache::link_of(block)) };
        if !marked {
            return Err(6);
        }
        block = next;
    }
    Ok(n)
}
const _: () = assert!(crate::spans::class::slots(1) <= 64 * 64);

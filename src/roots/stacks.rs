//! Threads' stacks, live and dead: what of them is scanned, and what is left out of the ordinary
//! memory in which they lie.
//!
//! ```text
//!  lo                    sp      SP                           TLS  thread descriptor   hi
//!  │ guard │ dead frames … │ red  │ live frames … argv, env  │ …  │ tcb ………………………… │
//!          └──── hole ─────┴──────────────── scanned as Stack, in place ─────────────┘
//! ```
//! The whole of a stack with known bounds is a hole; the live part is visited by itself.
//! Without bounds the mapping is ordinary memory and scanned as a whole, but for the main
//! thread's, whose dead part is known by its name.
//!
//! glibc keeps stacks of ended threads for new ones. Their frames are garbage, but the DTV that
//! the descriptor points to is alive: it will be used again. A cached stack still has its
//! thread pointer's two self references; if it has not, it is something else by now and scanned
//! as ordinary memory.
use super::growing::Growing;
use super::snapshot::{Hole, List};
use super::{DeadStack, Ending, Frames, RootError, StackInput};
use crate::pages::own;
use crate::pure::addr::Addr;
use crate::sys::maps::Perms;

/// Bytes below the stack pointer that a leaf function may use (x86-64's calling convention).
pub const RED_ZONE: usize = 128;
const WORD: usize = size_of::<usize>();

/// What to visit of one live thread: in place, rounded to words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Plan {
    /// Bounds are known and SP is within: `from` up to the top. The bounds are a hole.
    Within { lo: Addr, from: Addr, hi: Addr },
    /// The main thread's stack: what lies below `from` in its mapping is a hole.
    Main { lo: Addr, from: Addr },
    /// Ordinary memory holds the frames. `base` is an address within the thread's own stack,
    /// so that a stack that the host allocated from our heap is alive.
    Ordinary { base: Option<Addr> },
}

/// Where the live part of a stack begins: whole words.
fn live_from(sp: Addr, floor: Addr) -> Addr {
    sp.align_down(WORD).max(floor.align_up(WORD))
}

pub(super) fn plan(list: &List, stack: &StackInput<'_>) -> Plan {
    // The main thread's stack grows: its recorded bounds may be too narrow, the list's are not.
    if let Some(e) = list.entry(stack.sp)
        && e.main_stack
    {
        let own = match stack.stack {
            None => stack.frames == Frames::AboveSp,
            Some((lo, hi)) => hi.0 == e.hi && stack.sp < lo,
        };
        if own {
            return Plan::Main { lo: Addr(e.lo), from: live_from(stack.sp, Addr(e.lo)) };
        }
    }
    match stack.stack {
        Some((lo, hi)) if stack.frames == Frames::AboveSp && lo <= stack.sp && stack.sp < hi => {
            Plan::Within { lo, from: live_from(stack.sp, lo), hi: hi.align_down(WORD) }
        }
        bounds => Plan::Ordinary { base: bounds.map(|b| b.0) },
    }
}

/// Calls `each` with the parts of `lo..hi` that may be read in place.
pub(super) fn readable_parts(list: &List, lo: Addr, hi: Addr, each: &mut dyn FnMut(Addr, Addr)) {
    if own::contains(lo) {
        // A stack that the host took from our heap.
        return each(lo, hi);
    }
    let entries = list.entries.as_slice();
    let from = entries.partition_point(|e| e.hi <= lo.0);
    for e in entries[from..].iter().take_while(|e| e.lo < hi.0) {
        if e.perms.has(Perms::READ) {
            each(Addr(e.lo.max(lo.0)), Addr(e.hi.min(hi.0)));
        }
    }
}

/// Whether `dead` is still a cached stack: words at its thread pointer, read by `word`.
pub(super) fn is_cached(
    list: &List,
    dead: &DeadStack,
    word: &mut dyn FnMut(Addr) -> Result<Option<usize>, RootError>,
) -> Result<bool, RootError> {
    const SELF: usize = 0x10;
    let inside = dead.lo <= dead.tcb && dead.tcb.is_aligned(WORD) && dead.tcb.add(SELF + WORD) <= dead.hi;
    let one_mapping = list.entry(dead.tcb).is_some_and(|e| {
        e.class.in_place() && e.perms.has(Perms::READ.with(Perms::WRITE)) && e.hi >= dead.hi.0
    });
    if !inside || !one_mapping {
        return Ok(false);
    }
    let own_address = Some(dead.tcb.0);
    Ok(word(dead.tcb)? == own_address && word(dead.tcb.add(SELF))? == own_address)
}

/// The part of a cached stack that is alive; words of it are read by `word`.
pub(super) fn live_part(
    dead: &DeadStack,
    word: &mut dyn FnMut(Addr) -> Result<Option<usize>, RootError>,
) -> Result<(Addr, Addr), RootError> {
    let gone = match dead.ending {
        Ending::Gone => true,
        Ending::Joinable => false,
        Ending::JoinableUntil { tid } => word(dead.tcb.add(tid))?.is_some_and(|w| w as u32 == u32::MAX),
    };
    Ok(match gone {
        true => (dead.tcb.add(WORD), dead.tcb.add(2 * WORD)),
        false => (dead.tcb, dead.hi.align_down(WORD)),
    })
}

/// Sorts the holes and makes them disjoint.
pub(super) fn settle(holes: &mut Growing<Hole>) {
    let all = holes.as_mut_slice();
    all.sort_unstable();
    let mut kept = 0;
    for i in 0..all.len() {
        if kept > 0 && all[i].lo <= all[kept - 1].hi {
            all[kept - 1].hi = all[kept - 1].hi.max(all[i].hi);
        } else {
            all[kept] = all[i];
            kept += 1;
        }
    }
    holes.truncate(kept);
}

/// Calls `each` with what `holes` (sorted, disjoint) leave of `lo..hi`.
pub(super) fn outside(holes: &[Hole], lo: usize, hi: usize, each: &mut dyn FnMut(usize, usize)) {
    let mut at = lo;
    for hole in &holes[holes.partition_point(|h| h.hi <= lo)..] {
        if hole.lo >= hi {
            break;
        }
        if at < hole.lo {
            each(at, hole.lo);
        }
        at = hole.hi;
    }
    if at < hi {
        each(at, hi);
    }
}

#[cfg(test)]
mod tests;

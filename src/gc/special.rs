//! Objects that are roots for what the program said of them: ignored ones, and pinned ones last.
//!
//! What the roots do not lead to and a pin does is counted apart ([`Found::pinned`](super::Found::pinned)): a pin that was
//! forgotten is a leak too.
use super::bits::words;
use super::checkmark::Checker;
use super::limbo::is_doomed;
use super::mark::Marker;
use super::object::{self, Colour, Object};
use super::{Abandon, Sum, World};
use crate::ground::critical::Critical;
use crate::heap::special::{self, state};
use crate::heap::{attached, stacks};
use crate::spans::slab;
use core::sync::atomic::Ordering;

/// After the roots: marks what is ignored, then what is pinned. The sum of what only pins lead to.
pub(super) fn mark(
    marker: &mut Marker<'_>,
    checker: &mut Option<Checker>,
    world: &mut dyn World,
) -> Result<Sum, Abandon> {
    reach(marker, checker, state::IGNORED);
    if stacks::ANY_IGNORED.load(Ordering::Relaxed) {
        slab::for_each(|span| {
            object::each_of(span, Colour::White, &mut |object| {
                if object.origin().stack == stacks::IGNORED {
                    reach_one(marker, checker, object);
                }
            });
        });
    }
    marker.finish(world)?;
    let before = white();
    if !reach(marker, checker, state::COUNT) {
        return Ok(Sum::default());
    }
    marker.finish(world)?;
    let after = white();
    Ok(Sum { objects: before.objects - after.objects, bytes: before.bytes - after.bytes })
}

/// Whether there was any.
fn reach(marker: &mut Marker<'_>, checker: &mut Option<Checker>, bits: u64) -> bool {
    let mut any = false;
    special::each(bits, |s| {
        any = true;
        reach_one(marker, checker, Object { span: s.object.span, index: s.object.index });
    });
    any
}

fn reach_one(marker: &mut Marker<'_>, checker: &mut Option<Checker>, object: Object) {
    marker.reach(object.span, object.index);
    if let Some(checker) = checker {
        checker.reach(Some(object));
    }
}

fn white() -> Sum {
    let mut sum = Sum::default();
    slab::for_each(|span| {
        let count: u32 = (0..words(span)).map(|at| object::word(span, at, Colour::White).count_ones()).sum();
        sum.add(count as usize, span.size.get());
    });
    sum
}

/// What is doomed is dead: its weak handles are cleared while nobody can ask for them. The world is stopped.
pub(super) fn clear_weak_of_doomed(critical: &Critical) {
    special::each(state::ATTACHED, |s| {
        if is_doomed(s.object.span, s.object.index) {
            attached::clear_weak(critical, s.object.addr());
        }
    });
}

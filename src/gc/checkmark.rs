//! Phase 3, for tests: a second marker that is too simple to be wrong.
//!
//! It has its own bits (the last sort, see `bits`), its own stack that cannot overflow, no windows, no
//! prefetching, no shortcuts. An object that it reaches and that the real marker left white is a bug
//! in the real one, and would have been freed under the program's feet: the process ends.
//!
//! Both see each root range in the same call, because the collector's own stack changes
//! between two calls.
//!
//! # Safety
//! As `mark`; the checker's bits of a span stand behind its allocation bits.
#![allow(unsafe_code)]
use super::bits::{Bits, words};
use super::object::{self, Colour, Object};
use super::protected::Protected;
use super::stack::{Entry, Stack};
use super::{Abandon, World};
use crate::adopted::View;
use crate::ground::critical::Critical;
use crate::ground::fatal;
use crate::heap::check::{self, Broken};
use crate::pure::addr::Addr;
use crate::spans::span::{flag, kind};
use crate::spans::{Span, map, slab};
use core::sync::atomic::Ordering;

pub struct Checker {
    stack: Stack,
    adopted: Option<View>,
}

/// Ends the process if an invariant of the heap is broken. A thread stopped in a fast path has counted one
/// slot too many or too few.
pub fn heap() {
    if let Err(Broken { invariant, base, class }) = check::verify(1) {
        fatal::die(format_args!(
            "internal error: checkmark: invariant H{invariant} of the heap is broken in the span at {base:?}, class {class}"
        ));
    }
}

impl Checker {
    /// `None` if there is no memory for a stack that holds every object.
    pub fn new(critical: &Critical, bits: &Bits) -> Option<Checker> {
        let stack = Stack::new(critical, bits.allocated.objects)?;
        if stack.capacity() < bits.allocated.objects {
            stack.end(critical);
            return None;
        }
        Some(Checker { stack, adopted: View::checker() })
    }

    pub fn scan(&mut self, lo: Addr, hi: Addr) {
        let mut at = lo;
        while at.add(8) <= hi {
            // SAFETY: readable, as for the marker.
            let word = unsafe { at.ptr::<usize>().read_unaligned() };
            if let Some(adopted) = &self.adopted
                && map::lookup(Addr(word)).is_none()
            {
                adopted.reach(word);
            }
            self.reach(object::at(word));
            // One past the end of an object that fills its slot.
            let before = object::at(word.wrapping_sub(1));
            self.reach(before.filter(|o| {
                o.span.flags.load(Ordering::Relaxed) & flag::UNPADDED != 0
                    && o.addr().add(o.size()) == Addr(word)
            }));
            at = at.add(8);
        }
    }

    pub fn reach(&mut self, object: Option<Object>) {
        let Some(object) = object else { return };
        let (at, mask) = (object.index as usize / 64, 1 << (object.index % 64));
        let word = own_white(object.span, at);
        // SAFETY: an index of the span, so inside the checker's words.
        unsafe {
            if *word & mask != 0 {
                *word &= !mask;
                let full = !self.stack.push(Entry { lo: object.addr(), bytes: object.size() });
                debug_assert!(!full, "every object is pushed once");
            }
        }
    }

    pub fn finish(&mut self, world: &mut dyn World, protected: &Protected) -> Result<(), Abandon> {
        loop {
            let Some(Entry { lo, bytes }) = self.stack.pop() else {
                match self.adopted.as_ref().and_then(View::next) {
                    Some((lo, hi)) => world.adopted(lo, hi, &mut |lo, hi| self.scan(lo, hi))?,
                    None => return Ok(()),
                }
                continue;
            };
            let hi = lo.add(bytes);
            let in_span = object::at(lo.0).is_some_and(|o| o.span.kind() == kind::SLOTS);
            if in_span && !protected.touches(lo, hi) {
                self.scan(lo, hi);
            } else {
                world.large(lo, hi, &mut |lo, hi| self.scan(lo, hi))?;
            }
        }
    }

    /// Ends the process if the marker missed something.
    pub fn compare(&self, marker: Option<&View>) {
        if let (Some(own), Some(marker)) = (&self.adopted, marker)
            && let Some(lo) = own.first_missed_by(marker)
        {
            fatal::die(format_args!(
                "internal error: checkmark: the adopted range at {lo:?} is reachable, but was not marked"
            ));
        }
        slab::for_each(|span| {
            for at in 0..words(span) {
                // SAFETY: inside the span's bits.
                let (alloc, unreached) = unsafe { (*span.alloc_bits.get().add(at), *own_white(span, at)) };
                let missed = alloc & !unreached & object::word(span, at, Colour::White);
                if missed != 0 {
                    let index = at as u32 * 64 + missed.trailing_zeros();
                    fatal::die(format_args!(
                        "internal error: checkmark: the object at {:?} ({} bytes) is reachable, but was not marked",
                        span.slot(index),
                        span.size.get()
                    ));
                }
            }
        });
    }

    pub fn end(self, critical: &Critical) {
        self.stack.end(critical);
    }
}

/// Word `at` of the checker's bits.
fn own_white(span: &Span, at: usize) -> *mut u64 {
    debug_assert!(at < words(span));
    // SAFETY: laid out one behind the other.
    unsafe { span.alloc_bits.get().add(words(span) + at) }
}

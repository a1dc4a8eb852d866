//! The leak check's last step: mappings that nothing points to ([`crate::leak::mapped`]).
//!
//! # Safety
//! The world is stopped. What the roots show can be read; so can objects of the heap, but in pages that the program
//! protected, which are copied.
#![allow(unsafe_code)]
use super::start;
use super::world::Process;
use crate::adopted;
use crate::gc::{Abandon, Marked};
use crate::ground::critical::Critical;
use crate::leak::group::Group;
use crate::leak::mapped::{Mains, Mapped};
use crate::leak::scratch::List;
use crate::pure::options::Mappings;
use crate::roots::{RootKind, RootVisitor, Words};

/// Adds what was mapped and forgotten to `groups`. The world is stopped. What cannot be known is not told.
pub fn find<'c>(
    critical: &'c Critical,
    marked: &Marked,
    host: &mut Process<'_>,
    groups: &mut List<'c, Group>,
) -> Result<(), Abandon> {
    let wanted = start::options().mappings;
    if wanted == Mappings::No {
        return Ok(());
    }
    let mains = if wanted == Mappings::Yes { Mains::Told } else { Mains::LeftOut };
    let mut mapped = Mapped::all(critical).map_err(|_| Abandon::NoMemory)?;
    if mapped.is_settled() {
        return Ok(());
    }
    host.each_dead_stack(&mut |lo, last| mapped.keep(lo, last));
    adopted::each_range(&mut |lo, last| mapped.keep(lo, last));
    host.look_beyond()?;
    host.show_all(&mut Look(&mut mapped))?;
    if !mapped.is_settled() {
        heap(marked, host, &mut mapped)?;
        mapped.settle();
        holders(marked, host, &mut mapped);
    }
    mapped.tell(groups, mains).map_err(|_| Abandon::NoMemory)
}

/// Keeps mappings that hold objects of the heap, and those that cannot be read.
fn holders(marked: &Marked, host: &mut Process<'_>, mapped: &mut Mapped<'_>) {
    mapped.each_open(|lo, last| {
        let mut holds = Holds { marked, any: false };
        host.show(lo, last, &mut holds).is_err() || holds.any
    });
}

struct Holds<'a> {
    marked: &'a Marked,
    any: bool,
}
impl RootVisitor for Holds<'_> {
    fn words(&mut self, words: Words) {
        let mut at = words.lo;
        while !self.any && at.add(size_of::<usize>()) <= words.hi {
            // SAFETY: readable during the call, as visitors are promised; words are aligned.
            self.any = self.marked.is_object(unsafe { at.ptr::<usize>().read_volatile() });
            at = at.add(size_of::<usize>());
        }
    }
}

struct Look<'a, 'c>(&'a mut Mapped<'c>);
impl RootVisitor for Look<'_, '_> {
    fn words(&mut self, words: Words) {
        let step = if words.kind == RootKind::Code { 1 } else { size_of::<usize>() };
        // SAFETY: readable during the call, as visitors are promised.
        unsafe { self.0.words(words.lo, words.hi, words.home, step) };
    }
}

/// Every object, reachable or not: what leads to a mapping from a leak is told with that leak.
fn heap(marked: &Marked, host: &mut Process<'_>, mapped: &mut Mapped<'_>) -> Result<(), Abandon> {
    let mut done = Ok(());
    marked.each_allocated(|object| {
        if done.is_err() || mapped.is_settled() {
            return;
        }
        // SAFETY: what the host shows of an object (no mapping of the program's) can be read.
        let mut look = |lo, hi| unsafe { mapped.words(lo, hi, lo, size_of::<usize>()) };
        done = host.object(marked, object.addr(), object.size(), &mut look);
    });
    done
}

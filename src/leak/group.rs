//! Unreachable objects become findings: how many, how much, from which stack, direct or indirect.
//!
//! An unreachable object is *direct* if nobody points to it, *indirect* if other unreachable
//! objects do: freeing the direct ones properly would free those too. In a cycle everybody is
//! pointed to; one of its objects, the lowest, stands for it and is direct, unless something
//! outside the cycle leads to it. In other words: one direct object for each strongly connected
//! component that no other component leads to.
//!
//! # Algorithm
//! Not Tarjan's: two plain searches with a work list find the same objects.
//! 1. By rising address, from each object not visited yet, visit all that it leads to. The
//!    objects where a search began are *candidates*.
//! 2. By falling address, from each candidate not visited in this pass, visit all that it leads
//!    to. Where a search began is direct; all else is indirect.
//!
//! Why: a component that nothing leads to is entered in pass 1 only by a search that begins in
//! it, at its lowest object, and that search visits all of it: it has exactly one candidate. In
//! pass 2 nothing else reaches that candidate, so it is direct. Any other candidate X is reached from
//! some source component, whose candidate S does not lie below X (S's search in pass 1 would
//! have visited X, or X is S): so S comes first in pass 2 and visits X.
//!
//! Cost: each object is queued once a pass, each of its words looked up by bisection if it lies
//! between the lowest and the highest object. Memory: 24 bytes an object, one bit and 4 bytes for
//! a pass. LeakSanitizer calls all of a pure cycle indirect; a reader who looks at direct leaks
//! first would not see it.
//!
//! # Safety
//! [`Words`] reads the words of objects that the collector vouches for.
#![allow(unsafe_code)]
use super::scratch::{Full, List};
use super::tree::{self, Node};
use super::types;
use crate::ground::critical::Critical;
use crate::pure::addr::Addr;

/// One unreachable object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Object {
    pub addr: usize,
    /// What the program asked for, or what its slot holds.
    pub size: usize,
    /// The depot's number of the stack that allocated it; 0 = unknown.
    pub stack: u32,
    /// The number of its type ([`super::types`]), or none.
    pub of: u16,
    /// Possible, or set by [`run`].
    pub kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Direct,
    Indirect,
    /// Not of the heap: mappings of the program's ([`super::mapped`]).
    Mapping,
    /// Something in disguise leads to them ([`super::possible`]); they are not lost for sure.
    Possible,
}

/// Objects of one stack and kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Group {
    pub kind: Kind,
    pub stack: u32,
    pub bytes: u64,
    pub objects: u64,
}

/// Objects of one stack, kind and known type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Typed {
    pub kind: Kind,
    pub stack: u32,
    pub of: u16,
    pub bytes: u64,
    pub objects: u64,
}

/// What [`run`] made of the objects.
pub struct Grouped<'c> {
    pub groups: List<'c, Group>,
    /// Those whose type is known, in the order of kinds and stacks, most bytes first.
    pub typed: List<'c, Typed>,
    /// What holds what; empty without memory for it.
    pub tree: List<'c, Node>,
}

/// What an object points to: any words, of which those are edges that lie in (or one byte past
/// the end of) an unreachable object.
pub trait Edges {
    fn each(&self, object: &Object, word: &mut dyn FnMut(usize));
}
impl<F: Fn(&Object, &mut dyn FnMut(usize))> Edges for F {
    fn each(&self, object: &Object, word: &mut dyn FnMut(usize)) {
        self(object, word)
    }
}

/// Every aligned word of an object, read from memory.
pub struct Words(());

impl Words {
    /// # Safety
    /// All objects given to [`run`] with this, and all parts given to [`Words::each_of`], must be mapped
    /// and readable over their size.
    pub unsafe fn new() -> Words {
        Words(())
    }
    /// The aligned words of a part of an object, or of a copy of it.
    pub fn each_of(&self, lo: Addr, hi: Addr, word: &mut dyn FnMut(usize)) {
        let start = lo.align_up(8);
        for i in 0..hi.0.saturating_sub(start.0) / 8 {
            // SAFETY: inside the object (the promise of `new`); volatile, as it is not Rust's.
            word(unsafe { start.add(i * 8).ptr::<usize>().read_volatile() });
        }
    }
}
impl Edges for Words {
    fn each(&self, object: &Object, word: &mut dyn FnMut(usize)) {
        self.each_of(Addr(object.addr), Addr(object.addr + object.size), word);
    }
}

/// Sorts `objects` into groups: most bytes first, direct before indirect. Those that are possible stay so, and lead
/// nowhere. Afterwards `objects` is in no particular order, with `kind` set. Without memory for the search all objects count as direct.
pub fn run<'c>(
    critical: &'c Critical,
    objects: &mut [Object],
    edges: &dyn Edges,
) -> Result<Grouped<'c>, Full> {
    objects.sort_unstable_by_key(|object| (object.kind == Kind::Possible, object.addr));
    let lost = objects.partition_point(|object| object.kind != Kind::Possible);
    let lost = &mut objects[..lost];
    let tree = match classify(critical, lost, edges) {
        Ok(()) => tree::grow(critical, lost, edges).unwrap_or(List::new(critical)),
        Err(Full) => {
            lost.iter_mut().for_each(|object| object.kind = Kind::Direct);
            List::new(critical)
        }
    };
    objects.sort_unstable_by_key(|object| (object.kind, object.stack, object.of));
    let mut groups: List<'c, Group> = List::new(critical);
    for object in objects.iter() {
        match groups.last_mut() {
            Some(group) if (group.kind, group.stack) == (object.kind, object.stack) => {
                group.bytes += object.size as u64;
                group.objects += 1;
            }
            _ => groups.push(Group {
                kind: object.kind,
                stack: object.stack,
                bytes: object.size as u64,
                objects: 1,
            })?,
        }
    }
    groups.sort_unstable_by_key(|group| (group.kind, core::cmp::Reverse(group.bytes), group.stack));
    Ok(Grouped { groups, typed: by_type(critical, objects)?, tree })
}

/// Sums by type. `objects` is sorted by kind, stack and type.
fn by_type<'c>(critical: &'c Critical, objects: &[Object]) -> Result<List<'c, Typed>, Full> {
    let mut typed: List<'c, Typed> = List::new(critical);
    for object in objects.iter().filter(|object| object.of != types::NONE) {
        match typed.last_mut() {
            Some(one) if (one.kind, one.stack, one.of) == (object.kind, object.stack, object.of) => {
                one.bytes += object.size as u64;
                one.objects += 1;
            }
            _ => typed.push(Typed {
                kind: object.kind,
                stack: object.stack,
                of: object.of,
                bytes: object.size as u64,
                objects: 1,
            })?,
        }
    }
    typed.sort_unstable_by_key(|one| (one.kind, one.stack, core::cmp::Reverse(one.bytes), one.of));
    Ok(typed)
}

/// Sets every object's kind. `objects` is sorted by address.
fn classify(critical: &Critical, objects: &mut [Object], edges: &dyn Edges) -> Result<(), Full> {
    let mut search = Search::new(critical, objects.len())?;
    let mut candidates: List<u32> = List::new(critical);
    for index in 0..objects.len() {
        if search.visit(objects, index, edges) {
            candidates.push(index as u32)?;
        }
    }
    objects.iter_mut().for_each(|object| object.kind = Kind::Indirect);
    search.begin_again();
    for &index in candidates.iter().rev() {
        if search.visit(objects, index as usize, edges) {
            objects[index as usize].kind = Kind::Direct;
        }
    }
    Ok(())
}

/// One search over the graph, in the order of a work list.
pub(super) struct Search<'c> {
    visited: List<'c, u64>,
    /// Room for every object: it never grows while searching.
    work: List<'c, u32>,
}

impl<'c> Search<'c> {
    pub fn new(critical: &'c Critical, objects: usize) -> Result<Search<'c>, Full> {
        if u32::try_from(objects).is_err() {
            return Err(Full);
        }
        let mut work = List::new(critical);
        work.reserve(objects)?;
        Ok(Search { visited: List::filled(critical, 0, objects.div_ceil(64))?, work })
    }
    fn begin_again(&mut self) {
        self.visited.fill(0);
    }
    /// Whether it was not marked yet.
    pub fn mark(&mut self, index: usize) -> bool {
        let (word, bit) = (&mut self.visited[index / 64], 1 << (index % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
    /// Visits all that `from` leads to; false if it was visited before.
    fn visit(&mut self, objects: &[Object], from: usize, edges: &dyn Edges) -> bool {
        if !self.mark(from) {
            return false;
        }
        let low = objects.first().map_or(0, |o| o.addr);
        let high = objects.last().map_or(0, |o| o.addr + o.size);
        let mut next = Some(from as u32);
        while let Some(index) = next {
            edges.each(&objects[index as usize], &mut |word| {
                if (low..=high).contains(&word)
                    && let Some(to) = holder(objects, word)
                    && self.mark(to)
                {
                    // Queued once each, and there is room for all.
                    let _ = self.work.push(to as u32);
                }
            });
            next = self.work.pop();
        }
        true
    }
}

/// The object that `word` points into, or just past the end of.
pub(super) fn holder(objects: &[Object], word: usize) -> Option<usize> {
    let index = objects.partition_point(|object| object.addr <= word).checked_sub(1)?;
    (word - objects[index].addr <= objects[index].size).then_some(index)
}

#[cfg(test)]
mod tests;

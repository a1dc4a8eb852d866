//! What is attached to objects: cleanups, and weak handles.
//!
//! Both are *nodes*, found by the address of their object's first byte through a hash table, and weak ones by the byte that they stand
//! for, too: so neither is ever looked for among its object's others. The object's cell
//! (`special`) has the bit ATTACHED while there is a node, so that only such objects are ever looked up here.
//!
//! **An object is dead** when the program frees it, or when the collector is about to reclaim it. At that
//! instant its weak handles are cleared: for the collector this is while the world is stopped, so no
//! [`get`] can come in between. Its cleanups are due once the memory has gone back. They are unordered, and
//! neither kind of node is scanned: nothing here keeps an object alive, so cycles through cleanups are no matter.
//!
//! A **weak handle** stands for (object, offset) and is the same word for the same pair while the object
//! lives; its node stays after the death, as an empty one, until it was dropped as often as it was made. `get` runs in a critical section: its
//! caller has the pointer in a register before a collection can begin.
//!
//! realloc moves nodes with the object.
//!
//! # Safety
//! The buckets are a mapped region of ours, used under the lock.
#![allow(unsafe_code)]
use super::limbo;
use super::special::{self, Found, Refused, state::ATTACHED};
use crate::cleanups::{self, Cancelled, Function, Id, Scope};
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::metadata;
use crate::pages::pool::Pool;
use crate::pure::addr::Addr;
use crate::spans::map;
use crate::spans::span::tag;
use core::sync::atomic::Ordering;

enum Kind {
    Cleanup(Id),
    /// `next`: of the same hash in the table of places, number + 1.
    Weak {
        offset: usize,
        handles: u32,
        next: u32,
    },
}

struct Node {
    /// The object's first byte; 0 once it is dead.
    object: usize,
    /// In its bucket: number + 1.
    next: u32,
    before: u32,
    kind: Kind,
}

pub struct Table {
    nodes: Pool<Node>,
    /// First node of each bucket: number + 1. Their number is a power of two, or 0. Behind each of them one for places, since
    /// one object may have a hundred thousand handles: most handles are of first bytes, whose two buckets are neighbours.
    buckets: Addr,
    bits: u32,
    /// Nodes in buckets.
    count: usize,
    weak: u64,
}

/// Public for fork, which holds it across.
pub static TABLE: Lock<Table> = Lock::new(Rank::Attached, Table::new());

/// The first table has two pages.
const FIRST_BITS: u32 = 10;

impl Table {
    const fn new() -> Table {
        Table { nodes: Pool::new(), buckets: Addr::NULL, bits: 0, count: 0, weak: 0 }
    }

    fn hash(&self, word: usize) -> usize {
        (word >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (usize::BITS - self.bits)
    }
    fn at(&mut self, index: usize) -> Option<&mut u32> {
        if self.buckets == Addr::NULL {
            return None;
        }
        // SAFETY: the region has twice 2^bits words.
        Some(unsafe { &mut *self.buckets.ptr::<u32>().add(index) })
    }
    /// The nodes of an object are in one bucket.
    fn bucket(&mut self, object: usize) -> Option<&mut u32> {
        self.at(2 * self.hash(object))
    }
    /// Weak handles by the byte that they stand for.
    fn place(&mut self, byte: usize) -> Option<&mut u32> {
        self.at(2 * self.hash(byte) + 1)
    }

    /// Room for one more. Keeps chains short where there is memory for it.
    fn reserve(&mut self, critical: &Critical) -> Option<()> {
        if self.buckets != Addr::NULL && self.count < 1 << self.bits {
            return Some(());
        }
        let (old, old_bits) = (self.buckets, self.bits);
        let bits = if old == Addr::NULL { FIRST_BITS } else { old_bits + 1 };
        let Some(region) = metadata::map_region(critical, size_of::<u32>() << (bits + 1)) else {
            return (old != Addr::NULL).then_some(());
        };
        (self.buckets, self.bits) = (region, bits);
        if old == Addr::NULL {
            return Some(());
        }
        for at in 0..1usize << old_bits {
            // SAFETY: the old region had as many buckets.
            let mut next = unsafe { *old.ptr::<u32>().add(2 * at) };
            while let Some(number) = next.checked_sub(1) {
                let Some(node) = self.nodes.get(number) else { break };
                next = node.next;
                let object = node.object;
                self.link(number, object);
            }
        }
        // SAFETY: mapped above or in an earlier call; everything in it was moved.
        unsafe { metadata::unmap_region(critical, old, size_of::<u32>() << (old_bits + 1)) };
        Some(())
    }

    fn link(&mut self, number: u32, object: usize) {
        let Some(bucket) = self.bucket(object) else { return };
        let first = core::mem::replace(bucket, number + 1);
        if let Some(first) = self.numbered(first) {
            first.before = number + 1;
        }
        let Some(node) = self.nodes.get(number) else { return };
        (node.next, node.before, node.object) = (first, 0, object);
        let Kind::Weak { offset, .. } = node.kind else { return };
        let Some(place) = self.place(object + offset) else { return };
        let first = core::mem::replace(place, number + 1);
        if let Some(Node { kind: Kind::Weak { next, .. }, .. }) = self.nodes.get(number) {
            *next = first;
        }
    }

    /// The node of `number + 1`.
    fn numbered(&mut self, word: u32) -> Option<&mut Node> {
        self.nodes.get(word.checked_sub(1)?)
    }

    /// Takes a node out of its buckets.
    fn unlink(&mut self, number: u32) {
        let Some(node) = self.nodes.get(number) else { return };
        let (next, before) = (node.next, node.before);
        let object = core::mem::take(&mut node.object);
        let weak = if let Kind::Weak { offset, next, .. } = node.kind { Some((offset, next)) } else { None };
        match self.numbered(before) {
            Some(before) => before.next = next,
            None => {
                if let Some(bucket) = self.bucket(object) {
                    *bucket = next;
                }
            }
        }
        if let Some(next) = self.numbered(next) {
            next.before = before;
        }
        if let Some((offset, next)) = weak {
            self.unplace(number, object + offset, next);
        }
        self.count -= 1;
    }

    /// Takes a weak node out of the table of places, where `behind` follows it.
    fn unplace(&mut self, number: u32, byte: usize, behind: u32) {
        let Some(place) = self.place(byte) else { return };
        let mut at = *place;
        if at == number + 1 {
            *place = behind;
            return;
        }
        while let Some(Node { kind: Kind::Weak { next, .. }, .. }) = self.numbered(at) {
            if *next == number + 1 {
                *next = behind;
                return;
            }
            at = *next;
        }
    }

    /// Whether `object` has a node.
    fn has(&mut self, object: usize) -> bool {
        let mut at = self.bucket(object).map_or(0, |bucket| *bucket);
        while let Some(node) = self.numbered(at) {
            if node.object == object {
                return true;
            }
            at = node.next;
        }
        false
    }

    fn add(&mut self, critical: &Critical, object: usize, kind: Kind) -> Option<u32> {
        self.reserve(critical)?;
        let number = self.nodes.take(critical, Node { object, next: 0, before: 0, kind })?;
        self.link(number, object);
        self.count += 1;
        Some(number)
    }

    /// Takes the nodes of `object` that `which` names out of its bucket, and hands them to `f`, which links none.
    fn take_out(&mut self, object: usize, which: impl Fn(&Kind) -> bool, mut f: impl FnMut(&mut Table, u32)) {
        let mut at = self.bucket(object).map_or(0, |bucket| *bucket);
        while let Some(number) = at.checked_sub(1) {
            let Some(node) = self.nodes.get(number) else { break };
            at = node.next;
            if node.object == object && which(&node.kind) {
                self.unlink(number);
                f(self, number);
            }
        }
    }

    fn clear_weak(&mut self, object: usize) {
        self.take_out(object, |kind| matches!(kind, Kind::Weak { .. }), |_, _| {});
    }

    /// One more handle of a byte that has one.
    fn weak_at(&mut self, object: usize, byte: usize) -> Option<u32> {
        let mut at = *self.place(object + byte)?;
        while let Some(number) = at.checked_sub(1) {
            let Node { object: known, kind: Kind::Weak { offset, handles, next }, .. } =
                self.nodes.get(number)?
            else {
                return None;
            };
            if (*known, *offset) == (object, byte) {
                *handles = handles.checked_add(1)?;
                return Some(number);
            }
            at = *next;
        }
        None
    }

    /// Gives a node back. Whether its object has others.
    fn drop_node(&mut self, number: u32, object: usize) -> bool {
        self.unlink(number);
        self.nodes.give(number);
        self.has(object)
    }
}

/// `function` is to be called once `object` is dead.
pub fn add_cleanup(
    critical: &Critical,
    object: Found,
    function: Function,
    argument: usize,
    scope: Scope,
) -> Result<Id, Refused> {
    let at = object.addr().0;
    let mut table = TABLE.lock(critical);
    let id = cleanups::register(critical, function, argument, scope).ok_or(Refused::NoMemory)?;
    let Some(number) = table.add(critical, at, Kind::Cleanup(id)) else {
        cleanups::cancel(critical, id);
        return Err(Refused::NoMemory);
    };
    cleanups::note(critical, id, number as usize);
    if let Err(why) = special::set(critical, object, ATTACHED) {
        cleanups::cancel(critical, id);
        remove(&mut table, number, id);
        return Err(why);
    }
    Ok(id)
}

/// Whoever promised to call it: the promise is taken back if it is not due, and with it the node of a cleanup of an object.
pub fn cancel(critical: &Critical, id: Id) -> Cancelled {
    let mut table = TABLE.lock(critical);
    let told = cleanups::cancel(critical, id);
    if let Cancelled::Cancelled { noted } = told {
        remove(&mut table, noted as u32, id);
    }
    told
}

/// Takes the node of a cleanup away, if that is one.
fn remove(table: &mut Table, number: u32, id: Id) {
    let object = match table.nodes.get(number) {
        Some(Node { object, kind: Kind::Cleanup(known), .. }) if *known == id => *object,
        _ => return,
    };
    if !table.drop_node(number, object) {
        detach(object);
    }
}

/// Nothing is attached to the object any more.
fn detach(object: usize) {
    if let Some(span) = map::lookup(Addr(object)) {
        special::clear(span, span.index(Addr(object)), ATTACHED);
    }
}

/// The weak handle for the byte at `addr` of `object`; one more drop is owed for it.
pub fn weak(critical: &Critical, object: Found, addr: Addr) -> Result<u64, Refused> {
    let (at, offset) = (object.addr().0, addr.since(object.addr()));
    let mut table = TABLE.lock(critical);
    if let Some(number) = table.weak_at(at, offset) {
        return Ok(table.nodes.word(number));
    }
    let number =
        table.add(critical, at, Kind::Weak { offset, handles: 1, next: 0 }).ok_or(Refused::NoMemory)?;
    let handle = table.nodes.word(number);
    table.weak += 1;
    if let Err(why) = special::set(critical, object, ATTACHED) {
        drop(table);
        drop_weak(critical, handle);
        return Err(why);
    }
    Ok(handle)
}

/// The address that `handle` stands for, or 0 if its object is dead. The object is reachable again by what
/// the caller holds: that is no pointer in hiding.
#[inline(never)]
pub fn get(critical: &Critical, handle: u64) -> usize {
    let mut table = TABLE.lock(critical);
    let Some(number) = table.nodes.number(handle) else { return 0 };
    match table.nodes.get(number) {
        Some(Node { object, kind: Kind::Weak { offset, .. }, .. }) if *object != 0 => {
            revive(Addr(*object));
            *object + *offset
        }
        _ => 0,
    }
}

fn revive(object: Addr) {
    if let Some(span) = map::lookup(object)
        && span.owner.load(Ordering::Relaxed) & tag::LIMBO != 0
    {
        limbo::revive(span, span.index(object));
    }
}

/// The handle was made once less. False if it is none.
pub fn drop_weak(critical: &Critical, handle: u64) -> bool {
    let mut table = TABLE.lock(critical);
    let Some(number) = table.nodes.number(handle) else { return false };
    let Some(Node { object, kind: Kind::Weak { handles, .. }, .. }) = table.nodes.get(number) else {
        return false;
    };
    *handles -= 1;
    if *handles != 0 {
        return true;
    }
    let object = *object;
    table.weak -= 1;
    if object == 0 {
        table.nodes.give(number);
        return true;
    }
    if !table.drop_node(number, object) {
        detach(object);
    }
    true
}

/// The object is dead: its weak handles lead nowhere from now on.
pub fn clear_weak(critical: &Critical, object: Addr) {
    TABLE.lock(critical).clear_weak(object.0);
}

/// The object's memory goes back now: its cleanups are due.
pub fn died(critical: &Critical, object: Addr, size: usize) {
    let mut table = TABLE.lock(critical);
    table.clear_weak(object.0);
    table.take_out(
        object.0,
        |_| true,
        |table, number| {
            if let Some(Node { kind: Kind::Cleanup(id), .. }) = table.nodes.get(number) {
                cleanups::push(critical, *id, object.0, size);
            }
            table.nodes.give(number);
        },
    );
}

/// realloc moved the object `from`, and the cell that says ATTACHED is not `to`'s yet. Weak handles
/// behind the new end are cleared.
pub fn moved(critical: &Critical, from: Addr, to: Found, usable: usize) {
    let mut table = TABLE.lock(critical);
    let at = to.addr().0;
    let beyond = |kind: &Kind| matches!(kind, Kind::Weak { offset, .. } if *offset >= usable);
    table.take_out(from.0, beyond, |_, _| {});
    // First all of them out, then all of them in: both may be the same bucket.
    let mut chain = 0;
    table.take_out(
        from.0,
        |_| true,
        |table, number| {
            if let Some(node) = table.nodes.get(number) {
                node.next = core::mem::replace(&mut chain, number + 1);
            }
        },
    );
    let any = chain != 0;
    while let Some(number) = chain.checked_sub(1) {
        let Some(node) = table.nodes.get(number) else { break };
        chain = node.next;
        table.link(number, at);
        table.count += 1;
    }
    if any && special::set(critical, to, ATTACHED).is_err() {
        // No memory for the cell: the object is on its own from here on.
        drop(table);
        died(critical, to.addr(), 0);
    }
}

/// Live weak handles.
pub fn weak_count(critical: &Critical) -> u64 {
    TABLE.lock(critical).weak
}

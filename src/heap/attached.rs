//! What is attached to objects: cleanups, and weak handles.
//!
//! Both are *nodes*, found by the address of their object's first byte through a hash table. The object's cell
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
    Weak { offset: usize, handles: u32 },
}

struct Node {
    /// The object's first byte; 0 once it is dead.
    object: usize,
    /// In its bucket: number + 1.
    next: u32,
    kind: Kind,
}

pub struct Table {
    nodes: Pool<Node>,
    /// First node of each bucket: number + 1. Their number is a power of two, or 0.
    buckets: Addr,
    bits: u32,
    /// Nodes in buckets.
    count: usize,
    weak: u64,
}

/// Public for fork, which holds it across.
pub static TABLE: Lock<Table> = Lock::new(Rank::Attached, Table::new());

/// The first table has 2^9 buckets: a page.
const FIRST_BITS: u32 = 10;

impl Table {
    const fn new() -> Table {
        Table { nodes: Pool::new(), buckets: Addr::NULL, bits: 0, count: 0, weak: 0 }
    }

    fn bucket(&mut self, object: usize) -> Option<&mut u32> {
        if self.buckets == Addr::NULL {
            return None;
        }
        let hash = (object >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (usize::BITS - self.bits);
        // SAFETY: the region has 2^bits buckets.
        Some(unsafe { &mut *self.buckets.ptr::<u32>().add(hash) })
    }

    /// Room for one more. Keeps chains short where there is memory for it.
    fn reserve(&mut self, critical: &Critical) -> Option<()> {
        if self.buckets != Addr::NULL && self.count < 1 << self.bits {
            return Some(());
        }
        let (old, old_bits) = (self.buckets, self.bits);
        let bits = if old == Addr::NULL { FIRST_BITS } else { old_bits + 1 };
        let Some(region) = metadata::map_region(critical, size_of::<u32>() << bits) else {
            return (old != Addr::NULL).then_some(());
        };
        (self.buckets, self.bits) = (region, bits);
        if old == Addr::NULL {
            return Some(());
        }
        for at in 0..1usize << old_bits {
            // SAFETY: the old region had as many buckets.
            let mut next = unsafe { *old.ptr::<u32>().add(at) };
            while let Some(number) = next.checked_sub(1) {
                let Some(node) = self.nodes.get(number) else { break };
                next = node.next;
                let object = node.object;
                self.link(number, object);
            }
        }
        // SAFETY: mapped above or in an earlier call; everything in it was moved.
        unsafe { metadata::unmap_region(critical, old, size_of::<u32>() << old_bits) };
        Some(())
    }

    fn link(&mut self, number: u32, object: usize) {
        let Some(bucket) = self.bucket(object) else { return };
        let first = core::mem::replace(bucket, number + 1);
        if let Some(node) = self.nodes.get(number) {
            (node.next, node.object) = (first, object);
        }
    }

    fn add(&mut self, critical: &Critical, object: usize, kind: Kind) -> Option<u32> {
        self.reserve(critical)?;
        let number = self.nodes.take(critical, Node { object, next: 0, kind })?;
        self.link(number, object);
        self.count += 1;
        Some(number)
    }

    /// Takes the nodes of `object` that `which` names out of its bucket, and hands them to `f`.
    /// True if others are left.
    fn take_out(
        &mut self,
        object: usize,
        which: impl Fn(&Kind) -> bool,
        mut f: impl FnMut(&mut Table, u32),
    ) -> bool {
        let Some(bucket) = self.bucket(object) else { return false };
        let (mut at, mut before, mut left) = (*bucket, 0u32, false);
        while let Some(number) = at.checked_sub(1) {
            let Some(node) = self.nodes.get(number) else { break };
            let (next, here) = (node.next, node.object == object);
            if here && which(&node.kind) {
                node.object = 0;
                match before.checked_sub(1).and_then(|b| self.nodes.get(b)) {
                    Some(before) => before.next = next,
                    None => *self.bucket(object).expect("there are buckets") = next,
                }
                self.count -= 1;
                f(self, number);
            } else {
                left |= here;
                before = at;
            }
            at = next;
        }
        left
    }

    fn clear_weak(&mut self, object: usize) {
        self.take_out(object, |kind| matches!(kind, Kind::Weak { .. }), |_, _| {});
    }

    fn weak_at(&mut self, object: usize, offset: usize) -> Option<u32> {
        let mut at = *self.bucket(object)?;
        while let Some(number) = at.checked_sub(1) {
            let node = self.nodes.get(number)?;
            match &mut node.kind {
                Kind::Weak { offset: at, handles } if node.object == object && *at == offset => {
                    *handles = handles.checked_add(1)?;
                    return Some(number);
                }
                _ => at = node.next,
            }
        }
        None
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
    cleanups::note(critical, id, at);
    let added = match table.add(critical, at, Kind::Cleanup(id)) {
        Some(_) => special::set(critical, object, ATTACHED),
        None => Err(Refused::NoMemory),
    };
    if let Err(why) = added {
        cleanups::cancel(critical, id);
        remove(&mut table, at, id);
        return Err(why);
    }
    Ok(id)
}

/// Whoever promised to call it: the promise is taken back if it is not due, and with it the node of a cleanup of an object.
pub fn cancel(critical: &Critical, id: Id) -> Cancelled {
    let mut table = TABLE.lock(critical);
    let told = cleanups::cancel(critical, id);
    if let Cancelled::Cancelled { address } = told {
        remove(&mut table, address, id);
    }
    told
}

fn remove(table: &mut Table, object: usize, id: Id) {
    let mine = |kind: &Kind| matches!(kind, Kind::Cleanup(known) if *known == id);
    let left = table.take_out(object, mine, |table, number| table.nodes.give(number));
    if !left {
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
    let number = table.add(critical, at, Kind::Weak { offset, handles: 1 }).ok_or(Refused::NoMemory)?;
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
    let unused = |kind: &Kind| matches!(kind, Kind::Weak { handles: 0, .. });
    let left = table.take_out(object, unused, |table, number| table.nodes.give(number));
    if !left {
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
        if let Kind::Cleanup(id) = node.kind {
            cleanups::note(critical, id, at);
        }
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

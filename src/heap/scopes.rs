//! Pin scopes: many pins that end together.
//!
//! The program's struct holds one word, which stands for a record of ours (`pages::pool`): so a copy of the
//! struct, a struct whose scope was closed, or no scope at all are known for what they are, and a *late* pin is refused.
//! A record has room for five pins; more lie in a list of blocks. One lock for all: pinning into a
//! scope against closing it is decided by it, and no pin is orphaned. Two threads with scopes of their own meet there
//! for some twenty instructions.
//!
//! A scope that nobody can close any more (its struct is overwritten, freed or unreachable) is *leaked*. That is
//! told ([`each`]), and its pins stay: nobody knows whether the kernel is done with the memory.
//!
//! # Safety
//! A block is metadata, and in one list.
#![allow(unsafe_code)]
use super::special::{self, Fate, Found, Refused};
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::metadata;
use crate::pages::pool::Pool;
use crate::pure::addr::Addr;

const INLINE: usize = 5;
/// With its link and its length 512 bytes.
const BLOCK: usize = 62;

struct Block {
    next: *mut Block,
    len: usize,
    pins: [usize; BLOCK],
}

struct Scope {
    /// The program's struct.
    home: usize,
    site: usize,
    since: u64,
    len: u32,
    pins: [usize; INLINE],
    more: *mut Block,
}
// SAFETY: used under the lock.
unsafe impl Send for Scope {}

pub struct Scopes {
    open: Pool<Scope>,
    /// Blocks that are in no list.
    free: *mut Block,
}
// SAFETY: as above.
unsafe impl Send for Scopes {}

/// Public for fork, which holds it across.
pub static SCOPES: Lock<Scopes> =
    Lock::new(Rank::Scopes, Scopes { open: Pool::new(), free: core::ptr::null_mut() });

/// Why not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Late {
    /// Closed, or never opened.
    Closed,
    Refused(Refused),
}

impl Scopes {
    fn block(&mut self, critical: &Critical) -> Option<*mut Block> {
        if self.free.is_null() {
            return Some(metadata::alloc(critical, size_of::<Block>(), 8)?.ptr());
        }
        let block = self.free;
        // SAFETY: a free block of ours.
        unsafe {
            self.free = (*block).next;
            (*block).next = core::ptr::null_mut();
            (*block).len = 0;
        }
        Some(block)
    }

    /// Makes sure that one more pin can be written down.
    fn reserve(&mut self, critical: &Critical, number: u32) -> Option<()> {
        let scope = self.open.get(number)?;
        if (scope.len as usize) < INLINE {
            return Some(());
        }
        let more = scope.more;
        // SAFETY: a block of this scope's list.
        if more.is_null() || unsafe { (*more).len } == BLOCK {
            let block = self.block(critical)?;
            // SAFETY: fresh.
            unsafe { (*block).next = more };
            self.open.get(number)?.more = block;
        }
        Some(())
    }

    fn note(&mut self, number: u32, at: usize) {
        let Some(scope) = self.open.get(number) else { return };
        match scope.pins.get_mut(scope.len as usize) {
            Some(pin) => *pin = at,
            // SAFETY: reserved.
            None => unsafe {
                (*scope.more).pins[(*scope.more).len] = at;
                (*scope.more).len += 1;
            },
        }
        scope.len += 1;
    }
}

/// A scope for the struct at `home`: its word. `None`: no memory.
pub fn open(critical: &Critical, home: usize, site: usize) -> Option<u64> {
    let mut scopes = SCOPES.lock(critical);
    let (pins, more) = ([0; INLINE], core::ptr::null_mut());
    let scope = Scope { home, site, since: special::stamp(), len: 0, pins, more };
    let number = scopes.open.take(critical, scope)?;
    Some(scopes.open.word(number))
}

/// Pins `object` until the scope is closed.
pub fn pin(critical: &Critical, word: u64, object: Found, site: usize) -> Result<(), Late> {
    let mut scopes = SCOPES.lock(critical);
    let number = scopes.open.number(word).ok_or(Late::Closed)?;
    scopes.reserve(critical, number).ok_or(Late::Refused(Refused::NoMemory))?;
    special::pin(critical, object, site, 0).map_err(Late::Refused)?;
    scopes.note(number, object.addr().0);
    Ok(())
}

/// How many pins an open scope has.
pub fn len(critical: &Critical, word: u64) -> Option<usize> {
    let mut scopes = SCOPES.lock(critical);
    let number = scopes.open.number(word)?;
    Some(scopes.open.get(number)?.len as usize)
}

/// Takes back the pins of the scope from the `keep`-th on.
pub fn cut(critical: &Critical, word: u64, keep: usize) {
    while let Some(at) = pop(critical, word, keep) {
        release(critical, at);
    }
}

fn pop(critical: &Critical, word: u64, keep: usize) -> Option<usize> {
    let scopes = &mut *SCOPES.lock(critical);
    let number = scopes.open.number(word)?;
    let scope = scopes.open.get(number)?;
    if scope.len as usize <= keep {
        return None;
    }
    scope.len -= 1;
    let block = scope.more;
    if (scope.len as usize) < INLINE {
        return Some(scope.pins[scope.len as usize]);
    }
    // SAFETY: pins beyond the inline ones are in blocks, the newest first, none of which is empty but the first.
    unsafe {
        if (*block).len == 0 {
            scope.more = (*block).next;
            (*block).next = scopes.free;
            scopes.free = block;
        }
        let scope = scopes.open.get(number)?;
        (*scope.more).len -= 1;
        Some((*scope.more).pins[(*scope.more).len])
    }
}

fn release(critical: &Critical, at: usize) {
    if let Ok(object) = special::find(critical, Addr(at))
        && special::unpin(object) == Ok(Fate::Goes)
    {
        special::give_back(critical, object);
    }
}

/// Ends the scope and its pins; how many there were. `None`: it is closed already.
pub fn close(critical: &Critical, word: u64) -> Option<usize> {
    let (mut pins, mut more, count);
    {
        let mut scopes = SCOPES.lock(critical);
        let number = scopes.open.number(word)?;
        let scope = scopes.open.get(number)?;
        (pins, more, count) = (scope.pins, scope.more, scope.len as usize);
        scopes.open.give(number);
    }
    pins[..count.min(INLINE)].iter_mut().for_each(|at| release(critical, *at));
    while !more.is_null() {
        // SAFETY: the list is this call's alone since the record was given back.
        unsafe {
            (&(*more).pins)[..(*more).len].iter().for_each(|at| release(critical, *at));
            let next = (*more).next;
            let mut scopes = SCOPES.lock(critical);
            (*more).next = scopes.free;
            scopes.free = more;
            more = next;
        }
    }
    Some(count)
}

/// An open scope, for reports.
#[derive(Clone, Copy)]
pub struct Open {
    pub home: usize,
    pub word: u64,
    pub pins: usize,
    pub site: usize,
    pub since: u64,
}

/// Calls `f` with every open scope, without the lock: it may write to a pipe whose reader wants a scope.
pub fn each(critical: &Critical, mut f: impl FnMut(Open)) {
    let bound = SCOPES.lock(critical).open.bound();
    for number in 0..bound {
        if let Some(open) = get(critical, number) {
            f(open);
        }
    }
}

fn get(critical: &Critical, number: u32) -> Option<Open> {
    let mut scopes = SCOPES.lock(critical);
    let word = scopes.open.word(number);
    let Scope { home, site, since, len, .. } = *scopes.open.get(number)?;
    Some(Open { home, word, pins: len as usize, site, since })
}

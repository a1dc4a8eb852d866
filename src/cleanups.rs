//! Functions that the program wants to have called once some memory is dead, and the queue of those
//! that are due.
//!
//! One *entry* is one promise: a function, its argument and, once it is due, the address and size of what
//! died, as plain integers. The two users (cleanups of heap objects, foreign memory) make the entry when the
//! program registers, so that nothing can fail later, and [`push`] it when the memory is found
//! dead: in the collector, in free(), with the world stopped or not. The functions themselves are
//! called by `runtime::cleanups`, outside of critical sections and with no lock held: never in malloc or free.
//!
//! ```text
//!        register            push              pop               done
//!  FREE ---------> PROMISED ------> DUE -------------> RUNNING ------> FREE, next generation
//!                     | cancel                                           ^
//!                     +--------------------------------------------------+
//! ```
//! An [`Id`] carries the generation of its entry, so an id that outlived its entry says DONE, however often
//! the entry was used again. At most once: an entry leaves PROMISED one time, under the lock.
//!
//! Numbers: 40 bytes an entry, in chunks of 256, 512, 1024 … of metadata, which no collection scans; so neither
//! argument nor address keeps anything alive. Rejected: a queue of copies (it would have to
//! grow where nothing may fail); one lock for each user (cancel against push is then two steps).
//!
//! Lock: rank `Cleanups`, taken inside, for a few instructions.
//!
//! # Safety
//! The chunks are metadata, zeroed and for ever; an entry's index is below `made` and so inside its chunk. Entries are
//! touched under the lock only.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::metadata;
use crate::sys::futex;
use core::sync::atomic::{AtomicU32, Ordering};

/// `void f(uintptr_t address, size_t size, uintptr_t argument)`, as an address.
pub type Function = usize;

/// A promise: entry and generation. Never 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id(u64);

impl Id {
    pub fn to_word(self) -> u64 {
        self.0
    }
    /// Any word may come from the program.
    pub fn from_word(word: u64) -> Option<Id> {
        (word as u32 != 0).then_some(Id(word))
    }
    fn new(index: u32, generation: u32) -> Id {
        Id((generation as u64) << 32 | (index as u64 + 1))
    }
    fn index(self) -> u32 {
        (self.0 as u32).wrapping_sub(1)
    }
    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Whose promise it is after a fork.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The child has its own copy of the memory, and of the promise.
    EachProcess,
    /// What the function gives back is shared: only the process that registered it will call it.
    ThisProcess,
}

/// A function to be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    pub id: Id,
    pub function: Function,
    pub address: usize,
    pub size: usize,
    pub argument: usize,
}

/// What [`cancel`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cancelled {
    /// It will not be called.
    Cancelled,
    /// It is about to be called, or being called.
    QueuedOrRunning,
    /// It was called or cancelled before, or never was.
    Done,
}

const FREE: u8 = 0;
const PROMISED: u8 = 1;
const DUE: u8 = 2;
const RUNNING: u8 = 3;

#[repr(C)]
struct Entry {
    function: Function,
    argument: usize,
    address: usize,
    size: usize,
    generation: u32,
    /// Free list or queue: index + 1.
    next: u32,
    state: u8,
    scope: u8,
}

/// The first chunk has 2^8 entries, each other one twice as many as the one before.
const FIRST: u32 = 8;
const CHUNKS: usize = 22;

pub struct Table {
    chunks: [*mut Entry; CHUNKS],
    /// Entries that were ever used.
    made: u32,
    /// First free entry, first and last due one: index + 1, or 0.
    free: u32,
    first: u32,
    last: u32,
    counts: Counts,
}
// SAFETY: the chunks are used under the lock only.
unsafe impl Send for Table {}

/// How many there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub promised: u64,
    pub due: u64,
    /// Called to their end.
    pub run: u64,
    pub cancelled: u64,
}

impl Table {
    pub const fn new() -> Table {
        Table {
            chunks: [core::ptr::null_mut(); CHUNKS],
            made: 0,
            free: 0,
            first: 0,
            last: 0,
            counts: Counts { promised: 0, due: 0, run: 0, cancelled: 0 },
        }
    }

    /// Chunk and place of an entry.
    fn place(index: u32) -> (usize, usize) {
        let n = index + (1 << FIRST);
        let chunk = n.ilog2() - FIRST;
        (chunk as usize, (n - (1 << (chunk + FIRST))) as usize)
    }
    fn entry(&mut self, index: u32) -> Option<&mut Entry> {
        if index >= self.made {
            return None;
        }
        let (chunk, place) = Self::place(index);
        // SAFETY: an entry that was made lies in its chunk; the table is borrowed.
        Some(unsafe { &mut *self.chunks[chunk].add(place) })
    }
    fn of(&mut self, id: Id) -> Option<&mut Entry> {
        self.entry(id.index()).filter(|e| e.generation == id.generation() && e.state != FREE)
    }

    fn take(&mut self, critical: &Critical) -> Option<u32> {
        if self.free != 0 {
            let index = self.free - 1;
            self.free = self.entry(index)?.next;
            return Some(index);
        }
        let (chunk, _) = Self::place(self.made);
        if self.chunks.get(chunk)?.is_null() {
            let bytes = size_of::<Entry>() << (chunk as u32 + FIRST);
            self.chunks[chunk] = metadata::alloc(critical, bytes, align_of::<Entry>())?.ptr();
        }
        self.made += 1;
        Some(self.made - 1)
    }

    pub fn register(
        &mut self,
        critical: &Critical,
        function: Function,
        argument: usize,
        scope: Scope,
    ) -> Option<Id> {
        let index = self.take(critical)?;
        let entry = self.entry(index)?;
        (entry.function, entry.argument, entry.scope) = (function, argument, scope as u8);
        (entry.state, entry.next) = (PROMISED, 0);
        let id = Id::new(index, entry.generation);
        self.counts.promised += 1;
        Some(id)
    }

    pub fn push(&mut self, id: Id, address: usize, size: usize) -> bool {
        let Some(entry) = self.of(id).filter(|e| e.state == PROMISED) else { return false };
        (entry.address, entry.size) = (address, size);
        (entry.state, entry.next) = (DUE, 0);
        let (me, last) = (id.index() + 1, self.last);
        match last.checked_sub(1).and_then(|last| self.entry(last)) {
            Some(last) => last.next = me,
            None => self.first = me,
        }
        self.last = me;
        self.counts.promised -= 1;
        self.counts.due += 1;
        true
    }

    pub fn pop(&mut self) -> Option<Due> {
        let index = self.first.checked_sub(1)?;
        let entry = self.entry(index)?;
        entry.state = RUNNING;
        let due = Due {
            id: Id::new(index, entry.generation),
            function: entry.function,
            address: entry.address,
            size: entry.size,
            argument: entry.argument,
        };
        let next = entry.next;
        self.first = next;
        if next == 0 {
            self.last = 0;
        }
        self.counts.due -= 1;
        Some(due)
    }

    pub fn done(&mut self, id: Id) {
        if self.of(id).is_some_and(|e| e.state == RUNNING) {
            self.give(id.index());
            self.counts.run += 1;
        }
    }

    pub fn cancel(&mut self, id: Id) -> Cancelled {
        match self.of(id).map(|e| e.state) {
            Some(PROMISED) => {
                self.give(id.index());
                self.counts.promised -= 1;
                self.counts.cancelled += 1;
                Cancelled::Cancelled
            }
            Some(_) => Cancelled::QueuedOrRunning,
            None => Cancelled::Done,
        }
    }

    fn give(&mut self, index: u32) {
        let free = self.free;
        let Some(entry) = self.entry(index) else { return };
        entry.state = FREE;
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = free;
        self.free = index + 1;
    }

    /// In the child of a fork: what another thread was calling is none of this process's, nor is what
    /// belongs to the parent alone.
    pub fn forked(&mut self) {
        let (mut first, mut last) = (0, 0);
        let mut at = core::mem::take(&mut self.first);
        while let Some(index) = at.checked_sub(1) {
            let Some(entry) = self.entry(index) else { break };
            at = core::mem::take(&mut entry.next);
            if entry.scope == Scope::ThisProcess as u8 {
                continue;
            }
            match u32::checked_sub(last, 1).and_then(|last| self.entry(last)) {
                Some(last) => last.next = index + 1,
                None => first = index + 1,
            }
            last = index + 1;
        }
        (self.first, self.last) = (first, last);
        let (mut due, mut promised) = (0, 0);
        for index in 0..self.made {
            let Some(entry) = self.entry(index) else { continue };
            let parents = entry.scope == Scope::ThisProcess as u8;
            match entry.state {
                RUNNING => self.give(index),
                DUE | PROMISED if parents => self.give(index),
                PROMISED => promised += 1,
                DUE => due += 1,
                _ => {}
            }
        }
        (self.counts.due, self.counts.promised) = (due, promised);
    }
}

impl Default for Table {
    fn default() -> Table {
        Table::new()
    }
}

static TABLE: Lock<Table> = Lock::new(Rank::Cleanups, Table::new());
/// Rises with each push: what a thread that runs cleanups waits on.
static PUSHED: AtomicU32 = AtomicU32::new(0);
/// Threads that wait.
static WAITING: AtomicU32 = AtomicU32::new(0);

/// For fork's hooks.
pub fn lock() -> &'static Lock<Table> {
    &TABLE
}

/// Promises to call `function` with `argument` once [`push`] says that the memory is dead. `None`: no
/// memory.
pub fn register(critical: &Critical, function: Function, argument: usize, scope: Scope) -> Option<Id> {
    TABLE.lock(critical).register(critical, function, argument, scope)
}

/// The memory `address`, `size` is dead: its function is due. False, and nothing happens, if the promise was
/// cancelled or is due already. Never fails otherwise, allocates nothing, calls nothing; may be called with
/// the world stopped, and with any lock below `Rank::Cleanups` held.
pub fn push(critical: &Critical, id: Id, address: usize, size: usize) -> bool {
    let pushed = TABLE.lock(critical).push(id, address, size);
    if pushed {
        PUSHED.fetch_add(1, Ordering::SeqCst);
        if WAITING.load(Ordering::SeqCst) != 0 {
            futex::wake(&PUSHED, 1);
        }
    }
    pushed
}

/// Takes a promise back. The caller's own record of the memory goes with it, if the answer is `Cancelled`.
pub fn cancel(critical: &Critical, id: Id) -> Cancelled {
    TABLE.lock(critical).cancel(id)
}

/// The next function to call; [`done`] follows.
pub fn pop(critical: &Critical) -> Option<Due> {
    TABLE.lock(critical).pop()
}

/// The function has returned.
pub fn done(critical: &Critical, id: Id) {
    TABLE.lock(critical).done(id);
}

pub fn counts(critical: &Critical) -> Counts {
    TABLE.lock(critical).counts
}

/// Sleeps until something is due; may return early. Outside of critical sections.
pub fn wait(is_due: impl Fn() -> bool) {
    let seen = PUSHED.load(Ordering::SeqCst);
    WAITING.fetch_add(1, Ordering::SeqCst);
    if !is_due() {
        let _ = futex::wait(&PUSHED, seen, None);
    }
    WAITING.fetch_sub(1, Ordering::SeqCst);
}

/// Fork's step in the child, after the lock was reset.
/// # Safety
/// Only there: no other thread exists.
pub unsafe fn fork_child() {
    WAITING.store(0, Ordering::Relaxed);
    // SAFETY: the only thread, by the caller's promise.
    unsafe { &mut *TABLE.as_ptr() }.forked();
}

#[cfg(test)]
mod tests;

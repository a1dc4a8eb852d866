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
//! An [`Id`] carries the generation of its entry (`pages::pool`), so an id that outlived its entry says DONE, however often
//! the entry was used again. At most once: an entry leaves PROMISED one time, under the lock.
//!
//! Numbers: 48 bytes an entry, in a pool of metadata, which no collection scans; so neither
//! argument nor address keeps anything alive. Rejected: a queue of copies (it would have to
//! grow where nothing may fail); one lock for each user (cancel against push is then two steps).
//!
//! Lock: rank `Cleanups`, taken inside, for a few instructions.
//!
//! # Safety
//! `fork_child` looks at the table without its lock, in a process of one thread.
#![allow(unsafe_code)]
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::pool::Pool;
use crate::sys::futex;
use core::sync::atomic::{AtomicU32, Ordering};

/// `void f(uintptr_t address, size_t size, uintptr_t argument)`, as an address.
pub type Function = usize;

/// A promise: the word of its entry. Never 0.
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
    /// It will not be called. `noted` is what [`note`] was told, or 0.
    Cancelled { noted: usize },
    /// It is about to be called, or being called.
    QueuedOrRunning,
    /// It was called or cancelled before, or never was.
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Promised,
    Due,
    Running,
}

struct Entry {
    function: Function,
    argument: usize,
    /// While it is promised: whatever the user wants to find again.
    address: usize,
    size: usize,
    /// In the queue: number + 1.
    next: u32,
    state: State,
    scope: Scope,
}

pub struct Table {
    entries: Pool<Entry>,
    /// First and last due entry: number + 1, or 0.
    first: u32,
    last: u32,
    counts: Counts,
}

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
        let counts = Counts { promised: 0, due: 0, run: 0, cancelled: 0 };
        Table { entries: Pool::new(), first: 0, last: 0, counts }
    }

    fn of(&mut self, id: Id) -> Option<(u32, &mut Entry)> {
        let number = self.entries.number(id.0)?;
        Some((number, self.entries.get(number)?))
    }

    pub fn register(
        &mut self,
        critical: &Critical,
        function: Function,
        argument: usize,
        scope: Scope,
    ) -> Option<Id> {
        let state = State::Promised;
        let entry = Entry { function, argument, address: 0, size: 0, next: 0, state, scope };
        let number = self.entries.take(critical, entry)?;
        self.counts.promised += 1;
        Some(Id(self.entries.word(number)))
    }

    pub fn push(&mut self, id: Id, address: usize, size: usize) -> bool {
        let Some((number, entry)) = self.of(id).filter(|(_, e)| e.state == State::Promised) else {
            return false;
        };
        (entry.address, entry.size) = (address, size);
        (entry.state, entry.next) = (State::Due, 0);
        self.append(number);
        self.counts.promised -= 1;
        self.counts.due += 1;
        true
    }

    fn append(&mut self, number: u32) {
        match self.last.checked_sub(1).and_then(|last| self.entries.get(last)) {
            Some(last) => last.next = number + 1,
            None => self.first = number + 1,
        }
        self.last = number + 1;
    }

    pub fn pop(&mut self) -> Option<Due> {
        let number = self.first.checked_sub(1)?;
        let id = Id(self.entries.word(number));
        let entry = self.entries.get(number)?;
        entry.state = State::Running;
        let Entry { function, address, size, argument, next, .. } = *entry;
        self.first = next;
        if next == 0 {
            self.last = 0;
        }
        self.counts.due -= 1;
        Some(Due { id, function, address, size, argument })
    }

    pub fn done(&mut self, id: Id) {
        if let Some((number, _)) = self.of(id).filter(|(_, e)| e.state == State::Running) {
            self.entries.give(number);
            self.counts.run += 1;
        }
    }

    pub fn cancel(&mut self, id: Id) -> Cancelled {
        match self.of(id) {
            Some((number, entry)) if entry.state == State::Promised => {
                let noted = entry.address;
                self.entries.give(number);
                self.counts.promised -= 1;
                self.counts.cancelled += 1;
                Cancelled::Cancelled { noted }
            }
            Some(_) => Cancelled::QueuedOrRunning,
            None => Cancelled::Done,
        }
    }

    /// In the child of a fork: what another thread was calling is none of this process's, nor is what
    /// belongs to the parent alone.
    pub fn forked(&mut self) {
        let mut at = core::mem::take(&mut self.first);
        self.last = 0;
        while let Some(number) = at.checked_sub(1) {
            let Some(entry) = self.entries.get(number) else { break };
            at = core::mem::take(&mut entry.next);
            if entry.scope == Scope::EachProcess {
                self.append(number);
            }
        }
        let (mut due, mut promised) = (0, 0);
        for number in 0..self.entries.bound() {
            let Some(entry) = self.entries.get(number) else { continue };
            let parents = entry.scope == Scope::ThisProcess;
            match entry.state {
                State::Running => self.entries.give(number),
                _ if parents => self.entries.give(number),
                State::Promised => promised += 1,
                State::Due => due += 1,
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

/// Keeps a word with a promise that is not due: [`cancel`] tells it, so that its user finds its own record.
pub fn note(critical: &Critical, id: Id, word: usize) {
    if let Some((_, entry)) = TABLE.lock(critical).of(id).filter(|(_, e)| e.state == State::Promised) {
        entry.address = word;
    }
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

#[cfg(all(test, not(loom)))]
#[path = "cleanups/tests.rs"]
mod tests;

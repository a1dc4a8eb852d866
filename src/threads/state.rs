//! The stop protocol: one word a thread, one word for the world.
//!
//! This file knows nothing of signals, futexes or stacks, only of the two words, and is generic
//! over the atomic type, so that `tests/loom_stop.rs` checks every interleaving of it (ST1–ST6)
//! and shows that the same checks fail for weakened copies.
//!
//! `world` counts: odd while a stop is on, even while the program runs. Its value at a stop is
//! the stop's **epoch**. Every request carries its epoch, so whatever is left over of an earlier
//! stop — a late signal, a thread that is still on its way out of the handler, a request that a
//! thread never answered — has no meaning in a later one, and resuming everybody is one store.
//! A flag that the collector sets and clears per thread was rejected: a thread leaving stop *n*
//! could see the flag of *n + 1*, go on waiting and never acknowledge it.
use core::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

/// The atomic 32-bit cell that the protocol runs on: core's, or the model checker's.
pub trait Cell32 {
    fn load(&self, order: Ordering) -> u32;
    fn store(&self, value: u32, order: Ordering);
    fn exchange(&self, old: u32, new: u32, ok: Ordering, fail: Ordering) -> Result<u32, u32>;
}

impl Cell32 for core::sync::atomic::AtomicU32 {
    #[inline(always)]
    fn load(&self, order: Ordering) -> u32 {
        self.load(order)
    }
    #[inline(always)]
    fn store(&self, value: u32, order: Ordering) {
        self.store(value, order)
    }
    #[inline(always)]
    fn exchange(&self, old: u32, new: u32, ok: Ordering, fail: Ordering) -> Result<u32, u32> {
        self.compare_exchange(old, new, ok, fail)
    }
}

/// What a thread is doing, as the collector may rely on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum State {
    /// Runs code of the program. Only a signal stops it.
    Run = 0,
    /// In a blocking call, or past its last destructor: registers spilled, stack pointer
    /// published. It leaves by a CAS that the request bit makes fail.
    Safe = 1,
    /// Parked in the handler, or at the end of a critical section.
    Stopped = 2,
    /// The record belongs to no thread.
    Dead = 3,
}

const STATE: u32 = 3;
/// The collector's scan bit; it holds while the epoch beside it is the world's.
const REQUEST: u32 = 4;
const SHIFT: u32 = 3;
const EPOCHS: u32 = u32::MAX >> SHIFT;

const fn pack(state: State, epoch: Option<u32>) -> u32 {
    match epoch {
        Some(e) => (e & EPOCHS) << SHIFT | REQUEST | state as u32,
        None => state as u32,
    }
}
const fn state_of(word: u32) -> State {
    match word & STATE {
        0 => State::Run,
        1 => State::Safe,
        2 => State::Stopped,
        _ => State::Dead,
    }
}
/// Whether the word carries the request of `epoch`.
const fn asks(word: u32, epoch: u32) -> bool {
    word & REQUEST != 0 && word >> SHIFT == epoch & EPOCHS
}

/// Whether `epoch`, a value of the world's word, is that of a stop.
pub const fn is_stop(epoch: u32) -> bool {
    epoch & 1 == 1
}

/// What the collector has to do about a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// It runs: send the signal and wait.
    Signal,
    /// It is frozen for this epoch.
    Frozen,
    /// There is no thread.
    Gone,
}

/// What came of [`Word::enter_blocking`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entered {
    Yes,
    /// This stop wants the thread first.
    Asked(u32),
    /// It is not running, as far as the word says.
    Not(State),
}

/// A thread's word.
///
/// ```text
///            request: RUN → RUN+e         arrive: RUN+e → STOPPED+e
///      ┌───────────────────────────┐   ┌────────────────────────────┐
///      │                           ▼   │                            ▼
///   ┌─────┐   leave (world ≠ e)  ┌───────┐                     ┌───────────┐
///   │ RUN │◄──────────┐          │ RUN+e │                     │ STOPPED+e │─┐ request e':
///   └─────┘           │          └───────┘                     └───────────┘◄┘ e := e', not woken
///    │   ▲            └─────────────────────────── leave ────────────┘           yet
///    │   │ leave                       enter_safe: RUN+e → SAFE+e
///    ▼   │                                 │
///   ┌──────┐  request: SAFE → SAFE+e   ┌────────┐
///   │ SAFE │──────────────────────────►│ SAFE+e │─┐ request e': e := e'
///   └──────┘◄─ (a stale +e is no bar) ─└────────┘◄┘
///      ▲
///      └── enter_repeatable: RUN → SAFE by a plain store, over a RUN+e that came in between
///
///   frozen(e) = STOPPED+e or SAFE+e       anything → DEAD, by the holder of the registry
/// ```
/// `+e` is the request bit with its epoch; it means something while `world == e` only. RUN+e is still
/// running, and may yet lose its request: the collector asks at each look, and counts nobody as frozen whom
/// this look did not find so. The collector writes only the `request` arrows; all others are the thread's
/// own, but that an ending thread lets the one that joins it leave SAFE. A thread that leaves while `world ==
/// e` waits on the world's word.
pub struct Word<C>(C);

impl<C: Cell32> Word<C> {
    pub const fn new(cell: C) -> Self {
        Word(cell)
    }
    /// Begins a thread's life.
    pub fn revive(&self) {
        self.0.store(pack(State::Run, None), Release);
    }
    /// Begins a life that is stopped from the start: a thread that had no record.
    pub fn revive_stopped(&self, epoch: u32) {
        self.0.store(pack(State::Stopped, Some(epoch)), Release);
    }
    /// Ends it. Only under the registry's lock.
    pub fn kill(&self) {
        self.0.store(pack(State::Dead, None), Release);
    }
    pub fn state(&self) -> State {
        state_of(self.0.load(Acquire))
    }

    /// Collector: asks for a stop in `epoch`. Idempotent.
    pub fn request(&self, epoch: u32) -> Asked {
        let mut word = self.0.load(Acquire);
        loop {
            let state = state_of(word);
            if state == State::Dead {
                return Asked::Gone;
            }
            let asked = if state == State::Run { Asked::Signal } else { Asked::Frozen };
            if asks(word, epoch) {
                return asked;
            }
            match self.0.exchange(word, pack(state, Some(epoch)), AcqRel, Acquire) {
                Ok(_) => return asked,
                Err(now) => word = now,
            }
        }
    }

    /// Collector: whether the thread is frozen for `epoch` (or gone). What the thread wrote
    /// before it froze is visible after `true`.
    pub fn is_frozen(&self, epoch: u32) -> bool {
        let word = self.0.load(Acquire);
        match state_of(word) {
            State::Run => false,
            State::Safe | State::Stopped => asks(word, epoch),
            State::Dead => true,
        }
    }

    /// Thread: the epoch in which it is asked to stop, if it is.
    pub fn asked(&self, world: &C) -> Option<u32> {
        let word = self.0.load(Acquire);
        // Read after the word, as in `leave`.
        let epoch = world.load(Acquire);
        (is_stop(epoch) && state_of(word) == State::Run && asks(word, epoch)).then_some(epoch)
    }

    /// Thread: answers the request of `epoch`. Everything that the collector will read must be
    /// written before. False: that request is not there (any more), go on.
    pub fn arrive(&self, epoch: u32) -> bool {
        let asked = pack(State::Run, Some(epoch));
        let stopped = pack(State::Stopped, Some(epoch));
        is_stop(epoch) && self.0.exchange(asked, stopped, AcqRel, Relaxed).is_ok()
    }

    /// Thread: from RUN to SAFE. A request that came before is kept, and so freezes it.
    pub fn enter_safe(&self) {
        let mut word = self.0.load(Relaxed);
        while let Err(now) = self.0.exchange(word, word & !STATE | State::Safe as u32, AcqRel, Relaxed) {
            word = now;
        }
    }

    /// Thread: from RUN to SAFE before a blocking call. A request of the stop that is on is not taken
    /// along: its signal is on the way, and would come in the call.
    pub fn enter_blocking(&self, world: &C) -> Entered {
        let mut word = self.0.load(Acquire);
        loop {
            if state_of(word) != State::Run {
                return Entered::Not(state_of(word));
            }
            let epoch = world.load(Acquire);
            if is_stop(epoch) && asks(word, epoch) {
                return Entered::Asked(epoch);
            }
            match self.0.exchange(word, pack(State::Safe, None), AcqRel, Acquire) {
                Ok(_) => return Entered::Yes,
                Err(now) => word = now,
            }
        }
    }

    /// Thread: from RUN to SAFE before a blocking call that can be begun again unseen. A store, for a
    /// locked instruction costs more than all the rest: a request between the look and the store is lost. The
    /// collector repeats it, and finds SAFE; its signal, if it was sent already, comes in the call.
    /// False: the word is not plain RUN, see [`Word::enter_blocking`].
    pub fn enter_repeatable(&self) -> bool {
        let plain = self.0.load(Relaxed) == pack(State::Run, None);
        if plain {
            self.0.store(pack(State::Safe, None), Release);
        }
        plain
    }

    /// Thread, in the handler: from SAFE to STOPPED, with the registers of this moment, because the
    /// collector does not trust SAFE in the stop `epoch`. False: it is not SAFE, or not asked.
    pub fn arrive_from_safe(&self, epoch: u32) -> bool {
        let asked = pack(State::Safe, Some(epoch));
        let stopped = pack(State::Stopped, Some(epoch));
        is_stop(epoch) && self.0.exchange(asked, stopped, AcqRel, Relaxed).is_ok()
    }

    /// Thread: from SAFE or STOPPED to RUN. `Err(e)`: the stop `e` still holds, wait until the
    /// world's word differs from it and call again.
    pub fn leave(&self, world: &C) -> Result<(), u32> {
        let mut word = self.0.load(Acquire);
        loop {
            // Read after the word: a request of this epoch is then certainly seen as current.
            let epoch = world.load(SeqCst);
            if is_stop(epoch) && asks(word, epoch) {
                return Err(epoch);
            }
            match self.0.exchange(word, pack(State::Run, None), AcqRel, Acquire) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }
}

/// Collector, under the registry's lock: begins a stop; its epoch.
pub fn begin<C: Cell32>(world: &C) -> u32 {
    let epoch = world.load(Relaxed).wrapping_add(1);
    world.store(epoch, SeqCst);
    epoch
}

/// Collector: ends the stop. The caller then wakes those who wait on the world's word.
pub fn end<C: Cell32>(world: &C, epoch: u32) {
    world.store(epoch.wrapping_add(1), Release);
}

#[cfg(all(test, not(loom)))]
#[path = "state/tests.rs"]
mod tests;

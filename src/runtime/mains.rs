//! Which mappings main may keep for good (leak mode).
//!
//! A program that maps a file in main, or lets a function of its map one and return it, and never unmaps it, is no
//! worse for it. But at the end main has returned, and nothing leads to the mapping any more. So what was
//! made under main is left out of reports (`Made::mains`) until it is shown that main does not have it:
//!
//! 1. Each mapping that main's thread makes in a function which main called is *young* while that function
//!    runs: main cannot have been given it yet, nor lost it.
//! 2. The first time that the thread comes by here (malloc, mmap, exit) and the function has returned, main's frame and the
//!    registers that a callee must preserve are all that main has: the unwinder recovers both. A young
//!    mapping to which no word of them leads is nobody's.
//! 3. If main returns before that, its frame still lies below, whole. What it leads to was kept for good. The rest is
//!    nobody's if main uses no such register, as its unwind table tells.
//!
//! What main itself mapped is left out always, and so is what a constructor mapped or a handler of exit, and a mapping
//! of a file: a compiler drops main's pointer behind its last use, but the contents are not lost.
//! Another thread's mappings are main's only if the thread returned one. If a call site loses several mappings, all are told ([`crate::leak::mapped`]).
//!
//! # Safety
//! [`CALL`] and what lies between main's stack pointer and it is stack of the first thread, on which all of this runs.
//! The table of young ones is that thread's alone; a handler that interrupts a change finds [`BUSY`].
#![allow(unsafe_code)]
use super::exit;
use crate::leak::unwind;
use crate::pages::ranges::{Range, Word};
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::roots::mappings::made::{self, Made};
use crate::threads::{self, StackKind};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, compiler_fence};

/// Where main's return address lies; 0 until main is called.
pub static CALL: AtomicUsize = AtomicUsize::new(0);
/// Main's frame is from here up to [`CALL`], as far as is known; 0: nothing was mapped that matters.
pub static FRAME: AtomicUsize = AtomicUsize::new(0);

/// Young ones at a time; what else is made meanwhile stays main's.
const ROOM: usize = 64;
struct Young {
    lo: AtomicUsize,
    last: AtomicUsize,
    made: AtomicUsize,
}
static YOUNG: [Young; ROOM] =
    [const { Young { lo: AtomicUsize::new(0), last: AtomicUsize::new(0), made: AtomicUsize::new(0) } }; ROOM];
static COUNT: AtomicUsize = AtomicUsize::new(0);
static BUSY: AtomicBool = AtomicBool::new(false);
/// The function that main called, while there are young ones: the place of its return address, and that.
static SLOT: AtomicUsize = AtomicUsize::new(0);
static RETURNS: AtomicUsize = AtomicUsize::new(0);

/// Who maps memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Maker {
    /// Not main's thread.
    Thread,
    /// A function that main called: the place of its return address, and that.
    Callee { slot: usize, returns: usize },
    /// Main itself, or nobody knows.
    Main,
}

/// The calling thread, whose call stack is `frames`.
pub fn maker(frames: &[usize]) -> Maker {
    match threads::current().map(|thread| thread.stack_kind()) {
        Some(StackKind::Main) => under_main(frames).unwrap_or(Maker::Main),
        Some(_) => Maker::Thread,
        None => Maker::Main,
    }
}

fn under_main(frames: &[usize]) -> Option<Maker> {
    let call = live_call()?;
    let returns = word(call);
    let place = frames.iter().position(|&frame| frame == returns)?;
    let main = unwind::frame_below(call)?;
    lower_frame(main.rsp);
    (place > 1).then_some(Maker::Callee { slot: main.rsp - size_of::<usize>(), returns: main.rip })
}

/// [`CALL`] while main runs.
fn live_call() -> Option<usize> {
    let call = CALL.load(Relaxed);
    (call != 0 && exit::MAIN_RETURNED.load(Relaxed) == 0).then_some(call)
}

fn lower_frame(to: usize) {
    let frame = FRAME.load(Relaxed);
    if frame == 0 || to < frame {
        FRAME.store(to, Relaxed);
    }
}

/// `range` came to be, by `maker`, of whom [`passing`] has heard just before.
pub fn born(range: &Range<Made>, maker: Maker) {
    let Maker::Callee { slot, returns } = maker else { return };
    let count = COUNT.load(Relaxed);
    if BUSY.swap(true, Relaxed) {
        return;
    }
    let same = SLOT.load(Relaxed) == slot && RETURNS.load(Relaxed) == returns;
    if count < ROOM && (count == 0 || same) {
        let young = &YOUNG[count];
        young.lo.store(range.lo.0, Relaxed);
        young.last.store(range.last.0, Relaxed);
        young.made.store(range.record.pack(), Relaxed);
        SLOT.store(slot, Relaxed);
        RETURNS.store(returns, Relaxed);
        compiler_fence(core::sync::atomic::Ordering::SeqCst);
        COUNT.store(count + 1, Relaxed);
    }
    BUSY.store(false, Relaxed);
}

/// A thread comes by, outside of critical sections.
#[inline]
pub fn passing() {
    if COUNT.load(Relaxed) != 0 {
        look();
    }
}

#[cold]
fn look() {
    let on_main = threads::current().is_some_and(|thread| thread.stack_kind() == StackKind::Main);
    let (Some(call), true) = (live_call(), on_main) else { return };
    let mark = 0u8;
    let sp = Addr::of(&raw const mark).0;
    let slot = SLOT.load(Relaxed);
    if sp > call || sp < slot && word(slot) == RETURNS.load(Relaxed) || BUSY.swap(true, Relaxed) {
        return;
    }
    if let Some(main) = unwind::frame_below(call) {
        lower_frame(main.rsp);
        // SAFETY: main's frame, of this thread.
        let frame = unsafe { words(main.rsp, call) };
        let kept = [main.rbx, main.rbp, main.r12, main.r13, main.r14, main.r15];
        each_young(|range| {
            if !frame.iter().chain(&kept).any(|&word| leads_to(word, range)) {
                made::not_mains(range);
            }
        });
    }
    COUNT.store(0, Relaxed);
    BUSY.store(false, Relaxed);
}

/// Main has returned, and nothing ran since; called with a stack pointer below its frame.
pub extern "C" fn main_returned() {
    let (frame, call) = (FRAME.load(Relaxed), CALL.load(Relaxed));
    // SAFETY: what was main's frame, of this thread's stack.
    made::kept(unsafe { words(frame, call) });
    let young = COUNT.load(Relaxed) != 0;
    if young && !BUSY.load(Relaxed) && unwind::saves_nothing(RETURNS.load(Relaxed)) == Some(true) {
        each_young(made::not_mains);
    }
    COUNT.store(0, Relaxed);
}

fn each_young(mut f: impl FnMut(&Range<Made>)) {
    for young in YOUNG.iter().take(COUNT.load(Relaxed)) {
        f(&Range {
            lo: Addr(young.lo.load(Relaxed)),
            last: Addr(young.last.load(Relaxed)),
            record: Made::unpack(young.made.load(Relaxed)),
        });
    }
}

/// More than [`crate::leak::mapped`] takes for a pointer.
fn leads_to(word: usize, range: &Range<Made>) -> bool {
    let near = range.lo.0 - PAGE_SIZE..=range.last.0 + 1;
    let pages = near.start() / PAGE_SIZE..=near.end() / PAGE_SIZE;
    near.contains(&(word & (usize::MAX >> 16))) || pages.contains(&word)
}

fn word(at: usize) -> usize {
    // SAFETY: a word of this thread's stack (see the head).
    unsafe { Addr(at).ptr::<usize>().read_volatile() }
}

/// # Safety
/// `lo..hi` is memory of this thread's stack.
unsafe fn words(lo: usize, hi: usize) -> &'static [usize] {
    let lo = Addr(lo).align_up(size_of::<usize>());
    let count = hi.saturating_sub(lo.0) / size_of::<usize>();
    // SAFETY: the caller's promise; nobody writes there meanwhile, as this thread runs here.
    unsafe { core::slice::from_raw_parts(lo.ptr::<usize>(), count) }
}

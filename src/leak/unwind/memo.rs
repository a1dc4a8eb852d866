//! The stack of the call before: most of it is still there.
//!
//! # Shape
//! A walk is a chain of states (pc, rsp, rbp), and each step depends on the state and on one to three words of the stack
//! alone. So a thread keeps, outermost frame first, the states of its last walk and, in the same order, all words
//! that it read: address and value. The next walk compares the words, none of which waits for another, until one differs;
//! the states before that are those that *any* walk goes through which comes to one of them. Then
//! it goes up from its own start, by the rules, until it meets one: two or three frames, in most programs. No
//! guess is made: what is equal by this is equal.
//!
//! Our own frames, between the program's call and this code, are not among them: they have fixed sizes. A [`Chain`] is one
//! way through them, return addresses by their distance from rsp; a few of them are tried first.
//!
//! With each state stands the sum of the depot's weights from the outermost frame to it, so that a known stack costs
//! no pass over its frames.
//!
//! A memo has room for [`FRAMES`] frames; it is not used for deeper stacks, nor for those with a signal's frame or one
//! that needs all registers. A thread takes one, from a list of all that only grows, with its first stack and
//! gives it back with its end; about 2 KB of it are touched at a depth of thirty. A handler that
//! interrupts its use finds it busy and goes without.
//!
//! # Safety
//! A memo is its owner's alone: the thread whose TLS block names it, while `busy`. It stays for ever. Stack words are read
//! at addresses that the last walk read within the same bounds' end, and not below this walk's stack pointer.
#![allow(unsafe_code)]
use super::rules::{Key, Kind, Site};
use super::{Bounds, CACHE, EXACT, GENERATION, Start, bounds, here, is_own, rule_of};
use crate::ground::critical;
use crate::leak::depot;
use crate::pages::metadata;
use crate::pure::addr::Addr;
use crate::sys::tls;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, compiler_fence};

const FRAMES: usize = 160;
const WORDS: usize = 2 * FRAMES;

/// A state of the walk.
#[derive(Clone, Copy)]
struct Frame {
    /// With the bit [`EXACT`] where it is none of a return.
    pc: usize,
    sp: usize,
    bp: usize,
    /// Words that the walk read from here to its end; of a new frame those of its own step.
    words: u32,
    /// Frames from here to the outermost that are not gleaner's own, and the sum of their weights.
    count: u32,
    sum: u64,
}

#[derive(Clone, Copy)]
struct Word {
    at: usize,
    is: usize,
}

/// Frames of our own, each with its CFA a fixed distance from rsp: from the start to the program's frame.
#[derive(Clone, Copy)]
struct Chain {
    /// Where in our code the walk begins.
    from: usize,
    /// Distances from the first rsp, and the return addresses there.
    links: [(usize, usize); LINKS],
    len: usize,
    /// Where the program's rsp is, with its return address just below; where rbp was saved, 0: not at all.
    sp: usize,
    bp: usize,
}
const LINKS: usize = 10;
const CHAINS: usize = 6;

struct Walked {
    chains: [Chain; CHAINS],
    next_chain: usize,
    generation: u64,
    /// The end of the stack's mapping.
    hi: usize,
    len: usize,
    /// The outermost first. What a walk finds is put to the end, downwards, until it is known where it belongs.
    frames: [Frame; FRAMES],
    words: [Word; WORDS],
    /// Stacks; frames in them; those of them that were walked.
    counts: [u64; 3],
}

struct Memo {
    next: usize,
    taken: AtomicBool,
    busy: AtomicBool,
    walked: UnsafeCell<Walked>,
}

/// All of them.
static ALL: AtomicUsize = AtomicUsize::new(0);
/// Stacks that no memo could be used for.
static WITHOUT: AtomicU64 = AtomicU64::new(0);

/// A stack as a memo has it.
pub struct Stack<'a> {
    walked: &'a Walked,
    depth: usize,
}

impl Stack<'_> {
    /// The depot's number, if the stack is stored.
    #[inline]
    fn known(&self) -> Option<u32> {
        let top = self.walked.frames.get(self.walked.len.wrapping_sub(1))?;
        (top.count as usize <= self.depth).then(|| depot::known(top.sum, top.count as usize)).flatten()
    }
    /// The innermost frames that are not gleaner's own.
    fn copy(&self, out: &mut [usize]) -> usize {
        let frames = self.walked.frames[..self.walked.len].iter().rev();
        let theirs = frames.map(|frame| frame.pc).filter(|pc| !is_own(*pc));
        out.iter_mut().zip(theirs).map(|(slot, pc)| *slot = pc).count()
    }
}

/// The depot's number of the calling thread's stack, cut to `depth` frames; `None`: it must be walked. Keeps errno.
#[inline(never)]
pub fn number(depth: usize) -> Option<u32> {
    let start = here();
    let bounds = bounds::current(start.rsp)?;
    let memo = of_thread()?;
    if memo.busy.load(Ordering::Relaxed) {
        return None;
    }
    memo.busy.store(true, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
    // SAFETY: this thread's, and nobody else of this thread is in it.
    let walked = unsafe { &mut *memo.walked.get() };
    let id = if walked.walk(&start, &bounds) {
        let stack = Stack { walked, depth };
        Some(stack.known().unwrap_or_else(|| stored(&stack)))
    } else {
        walked.len = 0;
        WITHOUT.fetch_add(1, Ordering::Relaxed);
        None
    };
    compiler_fence(Ordering::SeqCst);
    memo.busy.store(false, Ordering::Relaxed);
    id
}

#[cold]
#[inline(never)]
fn stored(stack: &Stack<'_>) -> u32 {
    let mut frames = [0; FRAMES];
    let room = stack.depth.min(FRAMES);
    let len = stack.copy(&mut frames[..room]);
    depot::intern(&frames[..len])
}

/// Why a step cannot be remembered.
struct NotHere;

impl Walked {
    /// Whether the stack is now in the memo.
    fn walk(&mut self, start: &Start, bounds: &Bounds) -> bool {
        let generation = GENERATION.load(Ordering::Acquire);
        if self.generation != generation || self.hi != bounds.hi {
            (self.generation, self.hi, self.len) = (generation, bounds.hi, 0);
        }
        let (mut pc, mut sp, mut bp) = match self.entered(start, bounds) {
            Some(state) => state,
            None => (start.rip | EXACT, start.rsp, start.rbp),
        };
        let mut top = self.valid(sp);
        let (mut low, mut low_words) = (FRAMES, WORDS);
        loop {
            while top > 0 && self.frames[top - 1].sp < sp {
                top -= 1;
            }
            if top > 0 {
                let met = &self.frames[top - 1];
                if met.sp == sp && met.pc == pc && met.bp == bp {
                    break;
                }
            }
            let words = if top > 0 { self.frames[top - 1].words as usize } else { 0 };
            if low <= top || low_words < words + 3 {
                return false;
            }
            low -= 1;
            let before = low_words;
            let Ok(next) = self.step(pc, sp, bp, bounds, &mut low_words) else { return false };
            let words = (before - low_words) as u32;
            self.frames[low] = Frame { pc, sp, bp, words, count: 0, sum: 0 };
            match next {
                Some(next) => (pc, sp, bp) = next,
                None => {
                    top = 0;
                    break;
                }
            }
        }
        self.settle(top, low, low_words);
        true
    }

    /// The program's state when it called us.
    #[inline(always)]
    fn entered(&mut self, start: &Start, bounds: &Bounds) -> Option<(usize, usize, usize)> {
        let room = bounds.hi.saturating_sub(start.rsp);
        for chain in &self.chains {
            // SAFETY: words of this thread's stack, between its stack pointer and the end of its mapping.
            let at = |distance: usize| unsafe { Addr(start.rsp + distance).ptr::<usize>().read_volatile() };
            let fits = chain.from == start.rip && chain.sp <= room;
            if fits && chain.links[..chain.len].iter().all(|&(distance, pc)| at(distance) == pc) {
                let bp = if chain.bp == 0 { start.rbp } else { at(chain.bp) };
                return Some((at(chain.sp - 8), start.rsp + chain.sp, bp));
            }
        }
        self.chain(start, bounds)
    }

    /// Goes through our own frames by their rules, and remembers the way.
    #[cold]
    #[inline(never)]
    fn chain(&mut self, start: &Start, bounds: &Bounds) -> Option<(usize, usize, usize)> {
        let mut chain = Chain { from: start.rip, links: [(0, 0); LINKS], len: 0, sp: 0, bp: 0 };
        let (mut pc, mut site) = (start.rip, Site::Exact);
        while is_own(pc) {
            let rule = rule_of(pc, site, self.generation);
            if !matches!(rule.kind(), Kind::Rsp) || rule.offset() < 8 {
                return None;
            }
            chain.sp += rule.offset();
            if rule.rbp_words() != 0 {
                chain.bp = chain.sp.checked_sub(rule.rbp_words() * 8).filter(|&bp| bp != 0)?;
            }
            (pc, site) = (bounds.read(start.rsp + chain.sp - 8)?, Site::Return);
            if is_own(pc) {
                *chain.links.get_mut(chain.len)? = (chain.sp - 8, pc);
                chain.len += 1;
            }
        }
        let is_code = pc.wrapping_sub(1) < super::CODE_LIMIT - 1;
        if chain.len == 0 || !is_code {
            return None;
        }
        let bp = if chain.bp == 0 { start.rbp } else { bounds.read(start.rsp + chain.bp)? };
        self.chains[self.next_chain % CHAINS] = chain;
        self.next_chain += 1;
        Some((pc, start.rsp + chain.sp, bp))
    }

    /// How many frames, from the outermost on, a walk from above `sp` will go through if it comes to one of them.
    #[inline(always)]
    fn valid(&self, sp: usize) -> usize {
        let mut top = self.len;
        while top > 0 && self.frames[top - 1].sp < sp {
            top -= 1;
        }
        if top == 0 {
            return 0;
        }
        let words = &self.words[..self.frames[top - 1].words as usize];
        // SAFETY: see the chapter on safety: read once at these places, which lie above `sp`.
        let is = |word: &Word| unsafe { Addr(word.at).ptr::<usize>().read_volatile() } == word.is;
        // Eight at a time, so that it is one branch that is foreseen.
        let mut same = 0;
        for eight in words.chunks_exact(8) {
            if !eight.iter().fold(true, |all, word| all & is(word)) {
                break;
            }
            same += 8;
        }
        same += words[same..].iter().take_while(|word| is(word)).count();
        while top > 0 && self.frames[top - 1].words as usize > same {
            top -= 1;
        }
        top
    }

    /// The caller's state; `None`: the stack ends here. Its words are put below `low`.
    #[inline(always)]
    fn step(
        &mut self,
        pc: usize,
        sp: usize,
        bp: usize,
        bounds: &Bounds,
        low: &mut usize,
    ) -> Result<Option<(usize, usize, usize)>, NotHere> {
        let site = if pc & EXACT != 0 { Site::Exact } else { Site::Return };
        let key = Key::new(pc & !EXACT, site, self.generation);
        let rule = match CACHE.probe(key) {
            (rule, true) => rule,
            _ => rule_of(pc & !EXACT, site, self.generation),
        };
        let mut read = |at: usize| -> Result<Option<usize>, NotHere> {
            if at < sp {
                return Err(NotHere);
            }
            let Some(is) = bounds.read(at) else { return Ok(None) };
            *low -= 1;
            self.words[*low] = Word { at, is };
            Ok(Some(is))
        };
        let (offset, rbp_words) = (rule.offset(), rule.rbp_words());
        let mut saved = bp;
        let cfa = match rule.kind() {
            Kind::Rsp => sp.wrapping_add(offset),
            Kind::Rbp => bp.wrapping_add(offset),
            Kind::AtRbp => match read(bp.wrapping_add(offset))? {
                Some(cfa) => cfa,
                None => return Ok(None),
            },
            Kind::End | Kind::None => return Ok(None),
            Kind::Signal | Kind::Full | Kind::FramePointer => return Err(NotHere),
        };
        if cfa <= sp {
            return Ok(None);
        }
        let Some(caller) = read(cfa.wrapping_sub(8))? else { return Ok(None) };
        if rbp_words != 0 {
            let at_rbp = rule.kind() == Kind::AtRbp && rbp_words == super::SAVED_AT_RBP as usize;
            let at = if at_rbp { bp } else { cfa.wrapping_sub(rbp_words * 8) };
            match read(at)? {
                Some(word) => saved = word,
                None => return Ok(None),
            }
        }
        let is_code = caller.wrapping_sub(1) < super::CODE_LIMIT - 1;
        Ok(is_code.then_some((caller, cfa, saved)))
    }

    /// The new frames, from `low` to the end, follow the first `top`.
    #[inline(always)]
    fn settle(&mut self, mut top: usize, low: usize, low_words: usize) {
        let (mut words, mut count, mut sum) = match top.checked_sub(1) {
            Some(at) => (self.frames[at].words, self.frames[at].count, self.frames[at].sum),
            None => (0, 0, 0),
        };
        for (to, from) in (words as usize..).zip(low_words..WORDS) {
            self.words[to] = self.words[from];
        }
        for from in low..FRAMES {
            let frame = self.frames[from];
            words += frame.words;
            if !is_own(frame.pc) {
                sum = sum.wrapping_add(depot::weight(frame.pc, count as usize));
                count += 1;
            }
            self.frames[top] = Frame { words, count, sum, ..frame };
            top += 1;
        }
        self.len = top;
        let counts = [1, top, FRAMES - low];
        self.counts.iter_mut().zip(counts).for_each(|(count, more)| *count += more as u64);
    }
}

/// The calling thread's.
#[inline(always)]
fn of_thread() -> Option<&'static Memo> {
    let at = tls::block().memo.load(Ordering::Relaxed);
    // SAFETY: a memo stays for ever.
    if at != 0 { Some(unsafe { &*Addr(at).ptr::<Memo>() }) } else { take() }
}

/// One that nobody has, or a new one.
#[cold]
#[inline(never)]
fn take() -> Option<&'static Memo> {
    if tls::block().late.load(Ordering::Relaxed) != 0 {
        return None;
    }
    // A handler that comes in between must not take a second one.
    let critical = critical::enter();
    let free = all().find(|memo| !memo.taken.swap(true, Ordering::Acquire));
    let memo = match free {
        Some(memo) => memo,
        None => {
            let at = metadata::alloc(&critical, size_of::<Memo>(), align_of::<Memo>())?;
            // SAFETY: fresh zeroed memory of that size; all zero is an empty memo.
            let memo = unsafe { &mut *at.ptr::<Memo>() };
            memo.taken.store(true, Ordering::Relaxed);
            memo.next = ALL.load(Ordering::Acquire);
            while let Err(now) = ALL.compare_exchange(memo.next, at.0, Ordering::AcqRel, Ordering::Acquire) {
                memo.next = now;
            }
            memo
        }
    };
    tls::block().memo.store(Addr::of(memo).0, Ordering::Relaxed);
    Some(memo)
}

fn all() -> impl Iterator<Item = &'static Memo> {
    // SAFETY: a published memo is complete and stays.
    let get = |at: usize| (at != 0).then(|| unsafe { &*Addr(at).ptr::<Memo>() });
    core::iter::successors(get(ALL.load(Ordering::Acquire)), move |memo| get(memo.next))
}

/// The calling thread ends, and is late already: another one may have its memo.
pub fn give_back() {
    let at = tls::block().memo.swap(0, Ordering::Relaxed);
    if at != 0 {
        // SAFETY: a memo stays for ever; this thread does not use it any more.
        let memo = unsafe { &*Addr(at).ptr::<Memo>() };
        memo.busy.store(false, Ordering::Relaxed);
        memo.taken.store(false, Ordering::Release);
    }
}

/// Only in the child of a fork: the other threads' are free.
pub fn fork_child() {
    let own = tls::block().memo.load(Ordering::Relaxed);
    for memo in all().filter(|memo| Addr::of(*memo).0 != own) {
        memo.busy.store(false, Ordering::Relaxed);
        memo.taken.store(false, Ordering::Relaxed);
    }
}

/// Stacks, their frames, and those that were walked; stacks without a memo. Of other threads as they are just now.
pub fn counts() -> [u64; 4] {
    let mut sums = [0, 0, 0, WITHOUT.load(Ordering::Relaxed)];
    for memo in all() {
        // SAFETY: numbers that their owner may be changing; read once each.
        let counts = unsafe { (&raw const (*memo.walked.get()).counts).read_volatile() };
        sums.iter_mut().zip(counts).for_each(|(sum, one)| *sum += one);
    }
    sums
}

/// The frames of the stack, by way of the memo, as [`super::capture`] gives them; for tests and measurements.
#[inline(never)]
pub fn frames(out: &mut [usize]) -> Option<usize> {
    let start = here();
    let bounds = bounds::current(start.rsp)?;
    let memo = of_thread()?;
    // SAFETY: this thread's, and nobody else of this thread is in it: callers are no handlers.
    let walked = unsafe { &mut *memo.walked.get() };
    let done = walked.walk(&start, &bounds);
    done.then(|| Stack { walked, depth: out.len() }.copy(out))
}

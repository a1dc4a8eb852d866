//! A thread's last walk, and the next one by it.
//!
//! # Shape
//! Frames lie outermost first. `pcs` and `sps` are apart from the rest: a frame's return address lies just below its
//! rsp, so that the two arrays are all that most stacks are compared by, 16 bytes a frame. Other words that a walk
//! went by ([`Word`]) are few: where rbp was saved counts only if a frame further out is found by rbp.
//!
//! # Safety
//! As in `memo`: the walk is on the thread's own stack, whose words can be read from its stack pointer up to its end. What the last walk
//! found is forgotten with another end (`hi`), and passed over below this one's stack pointer.
#![allow(unsafe_code)]
use super::super::rules::{Key, Kind, Rule, Site};
use super::super::{Bounds, CACHE, CODE_LIMIT, EXACT, GENERATION, SAVED_AT_RBP, Start, is_own, rule_of};
use super::chains::{Chains, State};
use super::{FRAMES, read};
use crate::leak::depot;
use core::sync::atomic::Ordering;

const WORDS: usize = FRAMES;

/// What a frame has beside pc and rsp.
#[derive(Clone, Copy, Default)]
struct Rest {
    /// The sum of the depot's weights of the frames from here to the outermost that are not gleaner's own.
    sum: u64,
    /// What rbp is here, if `needs_bp`.
    bp: usize,
    /// Words that the walk went by from here to its end.
    words: u16,
    /// How many frames `sum` is of.
    count: u16,
    /// The depot's number of the stack that begins here; 0: not known.
    id: u32,
    /// This frame, or one further out before rbp is found on the stack, is found by rbp.
    needs_bp: bool,
}

/// Not a return address: saved rbp, a saved CFA, what stands in place of an outermost frame's return address. It lies in the
/// frame that the walk went from by it.
#[derive(Clone, Copy)]
struct Word {
    at: usize,
    is: usize,
}

/// A frame of this walk that was not in the last, and how it was gone from.
#[derive(Clone, Copy)]
struct Fresh {
    state: State,
    /// Where it saved rbp, a multiple of 8, 0: it did not; and the two flags.
    saves: usize,
}
/// The frame is found by rbp.
const BY_BP: usize = 1;
/// The walk went by another word here, which is in `fresh_words`.
const BY_WORD: usize = 2;
const FLAGS: usize = BY_BP | BY_WORD;

pub struct Walked {
    pub chains: Chains,
    generation: u64,
    /// The end of the stack's mapping.
    hi: usize,
    /// The depot's key that the numbers are for.
    key: u64,
    len: usize,
    /// Stacks; frames in them; those of them that were walked.
    pub counts: [u64; 3],
    sps: [usize; FRAMES],
    pcs: [usize; FRAMES],
    rest: [Rest; FRAMES],
    words: [Word; WORDS],
    /// The innermost first.
    fresh: [Fresh; FRAMES],
    fresh_words: [Word; FRAMES],
}

/// Why a stack cannot be remembered.
pub struct NotHere;

impl Walked {
    /// Walks the stack that has its end in `bounds`; it is then in the memo.
    #[inline(always)]
    pub fn walk(&mut self, start: &Start, bounds: &Bounds) -> Result<(), NotHere> {
        let generation = GENERATION.load(Ordering::Acquire);
        if self.generation != generation || self.hi != bounds.hi {
            (self.generation, self.hi, self.len) = (generation, bounds.hi, 0);
        }
        let mut state = self.chains.entered(start, bounds, generation).unwrap_or(State::of(start));
        let mut top = self.valid(start.rsp, state.sp);
        let mut fresh = 0;
        loop {
            while top > 0 && self.sps[top - 1] < state.sp {
                top -= 1;
            }
            if top > 0 && self.is_met(top - 1, &state) {
                break;
            }
            let Some(frame) = self.fresh.get_mut(fresh) else { return Err(NotHere) };
            let (next, saves) = step(&state, bounds, generation, &mut self.fresh_words[fresh])?;
            *frame = Fresh { state, saves };
            fresh += 1;
            if next.pc == 0 {
                top = 0;
                break;
            }
            state = next;
        }
        self.settle(top, fresh)
    }

    #[inline(always)]
    fn is_met(&self, at: usize, state: &State) -> bool {
        let same = self.sps[at] == state.sp && self.pcs[at] == state.pc;
        same && (!self.rest[at].needs_bp || self.rest[at].bp == state.bp())
    }

    /// How many frames, from the outermost on, a walk from `sp` on will go through if it comes to one of them.
    /// Nothing is read below `floor`.
    #[inline(always)]
    fn valid(&self, floor: usize, sp: usize) -> usize {
        let mut top = self.len;
        while top > 0 && (self.sps[top - 1] < sp || self.sps[top - 1] < floor + 8) {
            top -= 1;
        }
        let (sps, pcs) = (&self.sps[..top], &self.pcs[..top]);
        // SAFETY: a walk on this stack was there, and it is not below this one's stack pointer.
        let is = |at: usize| unsafe { read(sps[at] - 8) } == pcs[at];
        // Eight at a time, so that it is one branch that is foreseen.
        let mut same = 0;
        while same + 8 <= top && (same..same + 8).fold(true, |all, at| all & is(at)) {
            same += 8;
        }
        while same < top && is(same) {
            same += 1;
        }
        if same > 0 && self.rest[same - 1].words != 0 { self.same_words(same) } else { same }
    }

    /// Of the first `top`, whose return addresses are the same, those whose other words are, too.
    #[inline(never)]
    fn same_words(&self, mut top: usize) -> usize {
        let words = &self.words[..self.rest[top - 1].words as usize];
        // SAFETY: in these frames, which are above this walk's stack pointer.
        let is = |word: &&Word| unsafe { read(word.at) } == word.is;
        let same = words.iter().take_while(is).count();
        while top > 0 && self.rest[top - 1].words as usize > same {
            top -= 1;
        }
        top
    }

    /// The new frames follow the first `top`.
    #[inline(always)]
    fn settle(&mut self, top: usize, fresh: usize) -> Result<(), NotHere> {
        self.len = 0;
        let len = top + fresh;
        if len > FRAMES {
            return Err(NotHere);
        }
        let mut rest = match top.checked_sub(1) {
            Some(at) => Rest { id: 0, ..self.rest[at] },
            None => Rest::default(),
        };
        let places = self.sps[top..len].iter_mut().zip(&mut self.pcs[top..len]).zip(&mut self.rest[top..len]);
        for (at, ((sp, pc), place)) in (0..fresh).rev().zip(places) {
            let frame = &self.fresh[at];
            if rest.needs_bp || frame.saves & FLAGS != 0 {
                rest.by_words(frame, &self.fresh_words[at], &mut self.words)?;
            }
            let state = &frame.state;
            if !is_own(state.pc) {
                rest.sum = rest.sum.wrapping_add(depot::weight(state.pc, rest.count as usize));
                rest.count += 1;
            }
            (*sp, *pc, *place) = (state.sp, state.pc, rest);
        }
        self.len = len;
        let counts = [1, len, fresh];
        self.counts.iter_mut().zip(counts).for_each(|(count, more)| *count += more as u64);
        Ok(())
    }

    /// The depot's number of the stack, if it is not deeper than that and stored.
    #[inline(always)]
    pub fn known(&mut self, depth: usize) -> Option<u32> {
        let key = depot::key();
        if self.key != key {
            self.key = key;
            self.rest.iter_mut().for_each(|rest| rest.id = 0);
        }
        let rest = self.rest[..self.len].last_mut()?;
        if rest.count as usize > depth {
            return None;
        }
        if rest.id == 0 {
            rest.id = depot::known(rest.sum, rest.count as usize, key)?;
        }
        Some(rest.id)
    }

    /// The innermost frames that are not gleaner's own.
    pub fn copy(&self, out: &mut [usize]) -> usize {
        let theirs = self.pcs[..self.len].iter().rev().copied().filter(|pc| !is_own(*pc));
        out.iter_mut().zip(theirs).map(|(slot, pc)| *slot = pc).count()
    }

    pub fn forget(&mut self) {
        self.len = 0;
    }
}

impl Rest {
    /// Goes from a frame to the one that it called, `frame`, where more than return addresses counts.
    #[inline(never)]
    fn by_words(&mut self, frame: &Fresh, word: &Word, words: &mut [Word; WORDS]) -> Result<(), NotHere> {
        let saved_at = frame.saves & !FLAGS;
        // SAFETY: this walk's next state has its rbp there.
        let saved = || Word { at: saved_at, is: unsafe { read(saved_at) } };
        let saved = (self.needs_bp && saved_at != 0).then(saved);
        let other = (frame.saves & BY_WORD != 0).then_some(*word);
        for word in other.into_iter().chain(saved) {
            *words.get_mut(self.words as usize).ok_or(NotHere)? = word;
            self.words += 1;
        }
        self.needs_bp = frame.saves & BY_BP != 0 || self.needs_bp && saved_at == 0;
        if self.needs_bp {
            self.bp = frame.state.bp();
        }
        Ok(())
    }
}

/// The stack ends here.
const END: State = State { pc: 0, sp: 0, bp_at: 0 };

/// The caller's state, or [`END`]; and how this frame was gone from, as in [`Fresh::saves`].
#[inline(always)]
fn step(state: &State, bounds: &Bounds, generation: u64, word: &mut Word) -> Result<(State, usize), NotHere> {
    let site = if state.pc & EXACT != 0 { Site::Exact } else { Site::Return };
    let rule = match CACHE.probe(Key::new(state.pc & !EXACT, site, generation)) {
        (rule, true) => rule,
        _ => rule_of(state.pc & !EXACT, site, generation),
    };
    let (cfa, mut saves) = match rule.kind_number() == Kind::Rsp as u8 {
        true => (state.sp.wrapping_add(rule.offset()), 0),
        false => by_bp(rule, state, bounds, word)?,
    };
    if cfa <= state.sp {
        return Ok((END, saves));
    }
    let Some(caller) = bounds.read(cfa.wrapping_sub(8)) else { return Ok((END, saves)) };
    let mut bp_at = state.bp_at;
    if rule.rbp_words() != 0 {
        let at_rbp = saves & BY_WORD != 0 && rule.rbp_words() == SAVED_AT_RBP as usize;
        bp_at = if at_rbp { state.bp() } else { cfa.wrapping_sub(rule.rbp_words() * 8) };
        if bp_at < state.sp {
            return Err(NotHere);
        }
        if bounds.read(bp_at).is_none() {
            return Ok((END, saves));
        }
        saves |= bp_at;
    }
    if caller.wrapping_sub(1) < CODE_LIMIT - 1 {
        return Ok((State { pc: caller, sp: cfa, bp_at }, saves));
    }
    // One other word a frame is all there is room for.
    if saves & BY_WORD != 0 {
        return Err(NotHere);
    }
    *word = Word { at: cfa - 8, is: caller };
    Ok((END, saves | BY_WORD))
}

/// The CFA of a frame that is not found by rsp, 0 where the stack ends; and flags. With [`BY_WORD`] it was saved, near rbp.
#[inline(never)]
fn by_bp(rule: Rule, state: &State, bounds: &Bounds, word: &mut Word) -> Result<(usize, usize), NotHere> {
    let at = state.bp().wrapping_add(rule.offset());
    match rule.kind() {
        Kind::Rbp => Ok((at, BY_BP)),
        Kind::AtRbp if at < state.sp => Err(NotHere),
        Kind::AtRbp => Ok(bounds.read(at).map_or((0, BY_BP), |is| {
            *word = Word { at, is };
            (is, BY_BP | BY_WORD)
        })),
        Kind::Rsp | Kind::End | Kind::None => Ok((0, 0)),
        Kind::Signal | Kind::Full | Kind::FramePointer => Err(NotHere),
    }
}

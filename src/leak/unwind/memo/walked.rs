//! A thread's last walk, and the next one by it.
//!
//! # Shape
//! Frames lie outermost first. Their return addresses, each just below its frame's rsp, are apart from the rest (`frames`), for they are
//! all that most stacks are compared by, 16 bytes a frame. Other words that a walk
//! went by (`words`) are few: where rbp was saved counts only if a frame further out is found by rbp.
//!
//! First the leaves are asked ([`Leaves`]): most stacks are one that was there before, on top of frames of the last walk.
//!
//! The depot's numbers are those of an overlay (`leak::modules`). One that changes is followed by another generation, with which
//! all is forgotten that is known here; so no number is asked for its overlay.
//!
//! # Safety
//! As in `memo`: the walk is on the thread's own stack, whose words can be read from its stack pointer up to its end. What the last walk
//! found is forgotten with another end (`hi`), and passed over below this one's stack pointer.
#![allow(unsafe_code)]
use super::super::rules::{Key, Kind, Rule, Site};
use super::super::{Bounds, CACHE, CODE_LIMIT, EXACT, GENERATION, SAVED_AT_RBP, Start, is_own, rule_of};
use super::chains::{Chains, State};
use super::leaves::{Known, Leaves, Met, Way, Word, are_same};
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
    /// Of the walk that went by here first.
    serial: u64,
    /// This frame, or one further out before rbp is found on the stack, is found by rbp.
    needs_bp: bool,
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
    len: usize,
    /// Stacks; frames in them; those of them that were walked.
    pub counts: [u64; 3],
    /// Of the last walk that found new frames; 0: of none.
    serial: u64,
    /// Return addresses; with the bit [`EXACT`] one that is none.
    frames: [Word; FRAMES],
    rest: [Rest; FRAMES],
    /// Not return addresses: saved rbp, a saved CFA, what stands in place of an outermost frame's return address. Each lies in
    /// the frame that the walk went from by it.
    words: [Word; WORDS],
    leaves: Leaves,
    /// The innermost first.
    fresh: [Fresh; FRAMES],
    fresh_words: [Word; FRAMES],
}

/// Why a stack cannot be remembered.
pub struct NotHere;

impl Walked {
    /// The depot's number of the stack that has its end in `bounds`, cut to `depth` frames.
    #[inline(always)]
    pub fn number(&mut self, start: &Start, bounds: &Bounds, depth: usize) -> Result<u32, NotHere> {
        let state = self.begin(start, bounds);
        match self.by_leaf(&state) {
            Some(id) => Ok(id),
            None => self.by_walk(state, start, bounds, depth),
        }
    }

    /// Where the walk begins.
    #[inline(always)]
    fn begin(&mut self, start: &Start, bounds: &Bounds) -> State {
        let generation = GENERATION.load(Ordering::Acquire);
        if self.generation != generation || self.hi != bounds.hi {
            (self.generation, self.hi, self.len) = (generation, bounds.hi, 0);
            self.leaves.forget();
        }
        self.chains.entered(start, bounds, generation).unwrap_or(State::of(start))
    }

    #[inline(always)]
    fn by_leaf(&mut self, state: &State) -> Option<u32> {
        let Known { met, id, frames } = self.leaves.get(state)?;
        let (outer, rest) = (self.frames[..self.len].get(..=met.at as usize)?, &self.rest[met.at as usize]);
        // SAFETY: a walk was there, and above where this one begins: the leaf's did.
        if rest.serial != met.serial || !unsafe { are_same(outer) } {
            return None;
        }
        if rest.words != 0 && self.same_words(outer.len()) != outer.len() {
            return None;
        }
        self.count(frames as usize, 0);
        Some(id)
    }

    #[inline(never)]
    fn by_walk(
        &mut self,
        state: State,
        start: &Start,
        bounds: &Bounds,
        depth: usize,
    ) -> Result<u32, NotHere> {
        let top = self.walk_from(state, start, bounds)?;
        let Some(id) = self.known(depth) else { return Ok(self.stored(depth)) };
        let (Some(at), Some(last)) = (top.checked_sub(1), self.len.checked_sub(1)) else { return Ok(id) };
        let (met, innermost) = (&self.rest[at], &self.rest[last]);
        let way = Way {
            frames: self.frames.get(top..last).unwrap_or(&[]),
            others: &self.words[met.words as usize..innermost.words as usize],
            bp: innermost.needs_bp.then_some(innermost.bp),
        };
        let met = Met { serial: met.serial, at: at as u16 };
        self.leaves.put(&state, Known { met, id, frames: self.len as u16 }, &way);
        Ok(id)
    }

    #[cold]
    #[inline(never)]
    fn stored(&self, depth: usize) -> u32 {
        let mut frames = [0; FRAMES];
        let room = depth.min(FRAMES);
        let len = self.copy(&mut frames[..room]);
        depot::intern(&frames[..len])
    }

    /// Walks the stack that has its end in `bounds`; it is then in the memo.
    pub fn walk(&mut self, start: &Start, bounds: &Bounds) -> Result<(), NotHere> {
        let state = self.begin(start, bounds);
        self.walk_from(state, start, bounds).map(|_| ())
    }

    /// The same from there. How many frames, from the outermost on, were there before.
    #[inline(always)]
    fn walk_from(&mut self, mut state: State, start: &Start, bounds: &Bounds) -> Result<usize, NotHere> {
        let generation = self.generation;
        let mut top = self.valid(start.rsp, state.sp);
        let mut fresh = 0;
        loop {
            while top > 0 && self.frames[top - 1].at < state.sp - 8 {
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
        self.settle(top, fresh)?;
        Ok(top)
    }

    #[inline(always)]
    fn is_met(&self, at: usize, state: &State) -> bool {
        let frame = &self.frames[at];
        let same = frame.at + 8 == state.sp && frame.is == state.pc;
        same && (!self.rest[at].needs_bp || self.rest[at].bp == state.bp())
    }

    /// How many frames, from the outermost on, a walk from `sp` on will go through if it comes to one of them.
    /// Nothing is read below `floor`.
    #[inline(always)]
    fn valid(&self, floor: usize, sp: usize) -> usize {
        let lowest = floor.max(sp - 8);
        let mut top = self.len;
        while top > 0 && self.frames[top - 1].at < lowest {
            top -= 1;
        }
        // SAFETY: a walk on this stack was there, and it is not below this one's stack pointer.
        let are_same = |words: &[Word]| unsafe { are_same(words) };
        let groups = self.frames[..top].chunks(8);
        let same = 8 * groups.take_while(|group| are_same(group)).count();
        let rest = self.frames.get(same..top).unwrap_or(&[]);
        let same = same.min(top) + rest.iter().take(8).take_while(|word| are_same(&[**word])).count();
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
        self.serial += (fresh != 0) as u64;
        let places = self.frames[top..len].iter_mut().zip(&mut self.rest[top..len]);
        for (at, (address, place)) in (0..fresh).rev().zip(places) {
            let frame = &self.fresh[at];
            if rest.needs_bp || frame.saves & FLAGS != 0 {
                rest.by_words(frame, &self.fresh_words[at], &mut self.words)?;
            }
            let state = &frame.state;
            if !is_own(state.pc) {
                rest.sum = rest.sum.wrapping_add(depot::weight(state.pc, rest.count as usize));
                rest.count += 1;
            }
            rest.serial = self.serial;
            (*address, *place) = (Word { at: state.sp - 8, is: state.pc }, rest);
        }
        self.len = len;
        self.count(len, fresh);
        Ok(())
    }

    #[inline(always)]
    fn count(&mut self, frames: usize, fresh: usize) {
        let [stacks, all, walked] = &mut self.counts;
        (*stacks, *all, *walked) = (*stacks + 1, *all + frames as u64, *walked + fresh as u64);
    }

    /// The depot's number of the stack, if it is not deeper than that and stored.
    #[inline(always)]
    fn known(&mut self, depth: usize) -> Option<u32> {
        let rest = self.rest[..self.len].last_mut()?;
        if rest.count as usize > depth {
            return None;
        }
        if rest.id == 0 {
            rest.id = depot::known(rest.sum, rest.count as usize, depot::key())?;
        }
        Some(rest.id)
    }

    /// The innermost frames that are not gleaner's own.
    pub fn copy(&self, out: &mut [usize]) -> usize {
        let theirs = self.frames[..self.len].iter().rev().map(|frame| frame.is).filter(|pc| !is_own(*pc));
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

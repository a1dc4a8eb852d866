//! The way from this code up to the program's frame that called us.
//!
//! Our own frames have fixed sizes. A [`Chain`] is one way through them, return addresses by their distance from rsp. Most
//! of them differ in the second return address (in malloc, calloc, ...), by which they are found.
//!
//! # Safety
//! As in `memo`: the walk is on the thread's own stack, whose words can be read from its stack pointer up to its end.
#![allow(unsafe_code)]
use super::super::rules::{Kind, Site};
use super::super::{Bounds, CODE_LIMIT, EXACT, Start, is_own, rule_of};
use super::read;
use crate::pure::addr::Addr;

/// Where a walk is.
#[derive(Clone, Copy)]
pub struct State {
    /// With the bit [`EXACT`] where it is none of a return.
    pub pc: usize,
    pub sp: usize,
    /// Where rbp can be read: in the walk's start, or on the stack between its stack pointer and its end.
    pub bp_at: usize,
}

impl State {
    pub fn of(start: &Start) -> State {
        State { pc: start.rip | EXACT, sp: start.rsp, bp_at: Addr::of(&raw const start.rbp).0 }
    }
    #[inline(always)]
    pub fn bp(&self) -> usize {
        // SAFETY: what `bp_at` promises.
        unsafe { read(self.bp_at) }
    }
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
const CHAINS: usize = 16;

pub struct Chains {
    all: [Chain; CHAINS],
    /// How far from rsp the address lies that they are found by.
    by: usize,
    /// What the next one replaces whose place another one has.
    next: usize,
}

impl Chains {
    /// The program's state when it called us. `None`: none of our code is in between, or code that is no chain.
    #[inline(always)]
    pub fn entered(&mut self, start: &Start, bounds: &Bounds, generation: u64) -> Option<State> {
        if !is_own(start.rip) {
            return None;
        }
        match self.all[self.place(start, bounds)].state(start, bounds) {
            None => self.other(start, bounds, generation),
            state => state,
        }
    }

    #[inline(always)]
    fn place(&self, start: &Start, bounds: &Bounds) -> usize {
        if bounds.hi.saturating_sub(start.rsp) <= self.by {
            return 0;
        }
        // SAFETY: a multiple of 8 below the stack's end.
        let address = unsafe { read(start.rsp + self.by) };
        (address ^ address >> 3 ^ address >> 6) % CHAINS
    }

    #[inline(never)]
    fn other(&mut self, start: &Start, bounds: &Bounds, generation: u64) -> Option<State> {
        if let Some(state) = self.all.iter().find_map(|chain| chain.state(start, bounds)) {
            return Some(state);
        }
        let chain = Chain::by_rules(start, bounds, generation)?;
        self.by = if chain.len > 1 { chain.links[1].0 } else { 0 };
        let mut place = self.place(start, bounds);
        if self.all[place].len != 0 {
            place = self.next % CHAINS;
            self.next += 1;
        }
        self.all[place] = chain;
        chain.state(start, bounds)
    }
}

impl Chain {
    #[inline(always)]
    fn state(&self, start: &Start, bounds: &Bounds) -> Option<State> {
        // SAFETY: asked below only if the chain fits below the stack's end; all its distances do then.
        let at = |distance: usize| unsafe { read(start.rsp + distance) };
        let fits = self.from == start.rip && self.sp <= bounds.hi.saturating_sub(start.rsp);
        if !fits || !self.links[..self.len].iter().all(|&(distance, pc)| at(distance) == pc) {
            return None;
        }
        let bp_at = if self.bp == 0 { Addr::of(&raw const start.rbp).0 } else { start.rsp + self.bp };
        Some(State { pc: at(self.sp - 8), sp: start.rsp + self.sp, bp_at })
    }

    /// Goes through our own frames by their rules.
    #[cold]
    #[inline(never)]
    fn by_rules(start: &Start, bounds: &Bounds, generation: u64) -> Option<Chain> {
        let mut chain = Chain { from: start.rip, links: [(0, 0); LINKS], len: 0, sp: 0, bp: 0 };
        let (mut pc, mut site) = (start.rip, Site::Exact);
        while is_own(pc) {
            let rule = rule_of(pc, site, generation);
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
        let is_code = pc.wrapping_sub(1) < CODE_LIMIT - 1;
        (chain.len != 0 && is_code).then_some(chain)
    }
}

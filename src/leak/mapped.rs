//! Mappings that nothing points to any more.
//!
//! All memory that the program mapped is a root, and stays one. So a mapping that points to an object of the heap is
//! not told: it would be strange to call it forgotten and what it holds alive. Any other is forgotten when no word of the program leads to it: none in the roots, in
//! another mapping, or in any object of the heap, be it a leaked one (then that is the leak to be told). As a look-up for
//! somebody's last link, this asks for less than marking does. A word leads to a mapping if it is, with anything
//! in its upper 16 bits,
//!
//! - an address in it;
//! - the address behind its end, and one in the page below it (arrays that begin with 1), if nothing is mapped there;
//! - the number of a page in it;
//! - and below 4 GiB, an address in half a word.
//!
//! The kernel maps from the top downwards, each mapping just below the one before, so that the address behind an end is
//! mostly the start of something else. If that is a library's, our own or a thread's, the word is theirs.
//! If it is another such mapping's, the word is for both, unless that one has no other word: it needs it. The page below
//! is treated likewise ([`Mapped::settle`]).
//!
//! A word that lies in the mapping itself does not count. The pieces of one call ([`made`]) are one mapping.
//! Two forgotten ones that point to each other keep each other: a report too few.
//!
//! A word costs two comparisons, one more if it leads to its own piece, and nothing once everything is found to be kept: then the rest is not looked at.
//!
//! # Safety
//! [`Mapped::words`] reads what its caller vouches for.
#![allow(unsafe_code)]
use super::group::{Group, Kind};
use super::scratch::{Full, List};
use crate::ground::critical::Critical;
use crate::pages::own;
use crate::pages::ranges::{self, Range};
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::roots::mappings;
use crate::roots::mappings::made::{self, Made};

/// The bits of a word that an address may have.
const ADDRESS: usize = (1 << 48) - 1;
const PAGE_BITS: u32 = PAGE_SIZE.trailing_zeros();
const LOW: usize = u32::MAX as usize;

#[derive(Clone, Copy)]
struct Piece {
    lo: usize,
    last: usize,
    /// The number of its call, then the place in `calls`.
    call: u32,
    /// Nothing is mapped below.
    below_free: bool,
    behind: Behind,
    met: Met,
}

/// Addresses from `lo` on that lead nowhere: those of the piece that the word lies in, but its first one, which is the end of another.
#[derive(Clone, Copy, Default)]
struct Own {
    lo: usize,
    bytes: usize,
}
impl Own {
    #[inline(always)]
    fn has(&self, at: usize) -> bool {
        at.wrapping_sub(self.lo) < self.bytes
    }
}

/// Which words led to a piece, as far as its neighbours must know.
#[derive(Clone, Copy, Default)]
struct Met {
    /// The address behind its end, which is another mapping's start: how often.
    end: u8,
    /// Any but its start.
    not_start: bool,
    /// One in its last page; one before that.
    tail: bool,
    not_tail: bool,
}

/// What is mapped at the address behind a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Behind {
    Nothing,
    /// What the program mapped itself.
    Mapping,
    /// A library, a thread's stack, memory of ours.
    Others,
}

impl Behind {
    fn at(critical: &Critical, at: Addr) -> Behind {
        match mappings::find(critical, at) {
            Some(range) if range.record.kind == ranges::Kind::Mapped => Behind::Mapping,
            Some(_) => Behind::Others,
            None if own::contains(at) => Behind::Others,
            None => Behind::Nothing,
        }
    }
}

/// What becomes of mappings that main may keep for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mains {
    LeftOut,
    Told,
}

#[derive(Clone, Copy)]
struct Call {
    number: u32,
    stack: u32,
    bytes: u64,
    mains: bool,
    kept: bool,
}

/// The mappings of one check, and which of them are known to be kept.
pub struct Mapped<'c> {
    critical: &'c Critical,
    /// By address.
    pieces: List<'c, Piece>,
    /// By number.
    calls: List<'c, Call>,
    /// Of these, not kept.
    open: usize,
    /// All that may lead to a piece lies in `low..=low + span`.
    low: usize,
    span: usize,
    /// The same for the pieces below 4 GiB; `None`: there are none.
    halves: Option<usize>,
}

impl<'c> Mapped<'c> {
    /// All mappings that are objects.
    pub fn all(critical: &'c Critical) -> Result<Mapped<'c>, Full> {
        let (mut pieces, mut calls, mut result) = (List::new(critical), List::new(critical), Ok(()));
        made::each(critical, &mut |range| {
            result = result.and_then(|()| add(&mut pieces, &mut calls, &range));
        });
        result?;
        for piece in pieces.iter_mut() {
            piece.below_free = Behind::at(critical, Addr(piece.lo - 1)) == Behind::Nothing;
            piece.behind = Behind::at(critical, Addr(piece.last + 1));
        }
        Ok(Mapped::of(critical, pieces, calls))
    }

    fn of(critical: &'c Critical, mut pieces: List<'c, Piece>, mut calls: List<'c, Call>) -> Mapped<'c> {
        calls.sort_unstable_by_key(|call| call.number);
        let mut count = 0;
        for at in 0..calls.len() {
            if count > 0 && calls[count - 1].number == calls[at].number {
                calls[count - 1].bytes += calls[at].bytes;
                calls[count - 1].kept |= calls[at].kept;
                calls[count - 1].mains |= calls[at].mains;
            } else {
                calls[count] = calls[at];
                count += 1;
            }
        }
        calls.truncate(count);
        for piece in pieces.iter_mut() {
            piece.call = calls.partition_point(|call| call.number < piece.call) as u32;
        }
        let open = calls.iter().filter(|call| !call.kept).count();
        let low = pieces.first().map_or(0, |piece| piece.lo.saturating_sub(PAGE_SIZE));
        let span = pieces.last().map_or(0, |piece| piece.last + 1 - low);
        let halves = pieces.iter().rfind(|piece| piece.lo <= LOW).map(|piece| piece.last.min(LOW) + 1 - low);
        Mapped { critical, pieces, calls, open, low, span, halves }
    }

    /// Nothing is left to look for.
    pub fn is_settled(&self) -> bool {
        self.open == 0
    }

    /// What touches `lo..=last` is not told.
    pub fn keep(&mut self, lo: Addr, last: Addr) {
        let first = self.pieces.partition_point(|piece| piece.last < lo.0);
        for at in first..self.pieces.len() {
            if self.pieces[at].lo > last.0 {
                break;
            }
            self.kept(at);
        }
    }

    /// Looks at the words of `lo..hi`, one every `step` bytes, which are those of the memory from `home` on.
    ///
    /// # Safety
    /// `lo..hi` can be read.
    pub unsafe fn words(&mut self, lo: Addr, hi: Addr, home: Addr, step: usize) {
        let mut at = lo;
        let (mut own, mut until) = self.own_of(home);
        while self.open != 0 && at.0 + size_of::<usize>() <= hi.0 {
            // SAFETY: the caller's promise; volatile, as it is not Rust's.
            let word = unsafe { at.ptr::<[u8; size_of::<usize>()]>().read_volatile() };
            let home = home.add(at.since(lo));
            if home.0 >= until {
                (own, until) = self.own_of(home);
            }
            self.word(usize::from_ne_bytes(word), home, own);
            at = at.add(step);
        }
    }

    /// Where a word that lies at `home` may lead without saying anything, and up to where that holds.
    fn own_of(&self, home: Addr) -> (Own, usize) {
        let holder = self.pieces.partition_point(|piece| piece.last < home.0);
        match self.pieces.get(holder) {
            Some(&Piece { lo, last, .. }) if lo <= home.0 => (Own { lo: lo + 1, bytes: last - lo }, last + 1),
            next => (Own::default(), next.map_or(usize::MAX, |piece| piece.lo)),
        }
    }

    #[inline(always)]
    fn word(&mut self, word: usize, home: Addr, own: Own) {
        if (word & ADDRESS).wrapping_sub(self.low) <= self.span {
            let at = word & ADDRESS;
            if !own.has(at) {
                self.leads_to(at, home);
            }
        }
        if word.wrapping_sub(self.low >> PAGE_BITS) <= self.span >> PAGE_BITS {
            self.leads_to(word << PAGE_BITS, home);
        }
        if let Some(span) = self.halves {
            for half in [word & LOW, word >> 32] {
                if half.wrapping_sub(self.low) <= span && !own.has(half) {
                    self.leads_to(half, home);
                }
            }
        }
    }

    #[inline(never)]
    fn leads_to(&mut self, at: usize, home: Addr) {
        let above = self.pieces.partition_point(|piece| piece.lo <= at);
        // Two pieces below: the one that holds it, and the one that ends just before that.
        for below in above.saturating_sub(2)..above {
            if at > self.pieces[below].last + 1 || self.is_own(below, home) {
                continue;
            }
            let Piece { lo, last, behind, met, .. } = &mut self.pieces[below];
            if at > *last {
                met.end = met.end.saturating_add((*behind == Behind::Mapping) as u8);
                if *behind != Behind::Nothing {
                    continue;
                }
            } else {
                let tail = *last - at < PAGE_SIZE;
                met.not_start |= at != *lo;
                (met.tail, met.not_tail) = (met.tail | tail, met.not_tail | !tail);
            }
            self.kept(below);
        }
        if let Some(piece) = self.pieces.get(above)
            && piece.below_free
            && piece.lo - at <= PAGE_SIZE
            && !self.is_own(above, home)
        {
            self.kept(above);
        }
    }

    /// All words were looked at: decides what neighbours share. The address between two is for the lower one
    /// too if there were two such words, or if the upper one has another word; the last page of the lower one if that
    /// has a word elsewhere.
    pub fn settle(&mut self) {
        for at in 0..self.pieces.len() {
            let Piece { last, met, .. } = self.pieces[at];
            let next = self.pieces.get(at + 1).filter(|next| next.lo == last + 1).map(|next| next.met);
            if met.end > 1 || met.end == 1 && next.is_none_or(|next| next.not_start) {
                self.kept(at);
            }
            if next.is_some() && met.tail && met.not_tail {
                self.kept(at + 1);
            }
        }
    }

    /// Whether `home` lies in the mapping of the piece.
    fn is_own(&self, at: usize, home: Addr) -> bool {
        let holder = self.pieces.partition_point(|piece| piece.last < home.0);
        let same = |piece: &Piece| piece.lo <= home.0 && piece.call == self.pieces[at].call;
        self.pieces.get(holder).is_some_and(same)
    }

    fn kept(&mut self, at: usize) {
        let call = &mut self.calls[self.pieces[at].call as usize];
        self.open -= !call.kept as usize;
        call.kept = true;
    }

    /// Calls `f` with the first and last byte of each piece of what is not kept; it is kept if the answer is yes.
    pub fn each_open(&mut self, mut f: impl FnMut(Addr, Addr) -> bool) {
        for at in 0..self.pieces.len() {
            let Piece { lo, last, call, .. } = self.pieces[at];
            if !self.calls[call as usize].kept && f(Addr(lo), Addr(last)) {
                self.kept(at);
            }
        }
    }

    /// Adds a group for each stack that mapped something that nothing leads to, most bytes first. Unless `mains` are
    /// wanted, what main may keep for good is told only where the same stack lost more than that one.
    pub fn tell(&mut self, groups: &mut List<'c, Group>, mains: Mains) -> Result<(), Full> {
        if self.open == 0 {
            return Ok(());
        }
        let mut found: List<'c, Group> = List::new(self.critical);
        self.calls.sort_unstable_by_key(|call| call.stack);
        for call in self.calls.iter().filter(|call| !call.kept) {
            if mains == Mains::LeftOut && call.mains && is_alone(&self.calls, call) {
                continue;
            }
            match found.last_mut() {
                Some(group) if group.stack == call.stack => {
                    group.bytes += call.bytes;
                    group.objects += 1;
                }
                _ => found.push(Group {
                    kind: Kind::Mapping,
                    stack: call.stack,
                    bytes: call.bytes,
                    objects: 1,
                })?,
            }
        }
        found.sort_unstable_by_key(|group| (core::cmp::Reverse(group.bytes), group.stack));
        found.iter().try_for_each(|group| groups.push(*group))
    }
}

/// Whether of the calls with the same stack only this one is not kept; `calls` are ordered by stack.
fn is_alone(calls: &[Call], call: &Call) -> bool {
    let from = calls.partition_point(|other| other.stack < call.stack);
    let same = calls[from..].iter().take_while(|other| other.stack == call.stack);
    call.stack == 0 || same.filter(|other| !other.kept).nth(1).is_none()
}

fn add(pieces: &mut List<'_, Piece>, calls: &mut List<'_, Call>, range: &Range<Made>) -> Result<(), Full> {
    let Made { stack, call: number, mains, never } = range.record;
    let (below_free, behind) = (true, Behind::Nothing);
    let (lo, last) = (range.lo.0, range.last.0);
    pieces.push(Piece { lo, last, call: number, below_free, behind, met: Met::default() })?;
    let bytes = (range.last.since(range.lo) + 1) as u64;
    calls.push(Call { number, stack, bytes, mains, kept: never })
}

#[cfg(test)]
mod tests;

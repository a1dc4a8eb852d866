//! The marker reads objects: grey ones, and what they lead to in their own span ([`super::trail`]).
//!
//! Small objects are read word by word, or with AVX-512 a line at once ([`wide`]); larger ones through the filter.
//! The way with AVX-512 is the same code, inlined into a function for which the processor's features are on.
//!
//! # Safety
//! As in [`super`]. Who adds words to the batch makes room for a chunk of them first; an object below
//! [`FILTERED`] has fewer. `drain_wide` is called where [`Level`] says that it may be.
#![allow(unsafe_code)]
use super::trail::{self, Trail};
use super::{CHUNK, Marker, claim, prefetch};
use crate::gc::bits;
use crate::gc::filter::{self, BLOCK, Level, Window, wide};
use crate::gc::grey::GreyState;
use crate::pure::addr::Addr;
use crate::spans::Span;

/// Grey objects that are being prefetched.
const AHEAD: usize = 8;
/// Words of a batch that is worked off with nothing left to scan.
const FEW: usize = 8;
/// Ranges from this size on go through the filter, bytes.
pub(super) const FILTERED: usize = 4 * BLOCK;
/// How far in front of an object on a trail memory is fetched: the next ones mostly lie there.
const ALONG: usize = 1024;

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Drained {
    All,
    /// More waits than one should do alone.
    Much,
}

impl Marker<'_> {
    /// Scans what is grey, and what that leads to, with others' help where it is that much.
    pub(super) fn drain(&mut self) {
        if self.drain_as::<false>() == Drained::Much {
            self.drain_with_help();
        }
    }

    /// `SHARED`: others mark at the same time.
    pub(super) fn drain_as<const SHARED: bool>(&mut self) -> Drained {
        if self.level == Level::Avx512 {
            // SAFETY: `Level` says that processor and kernel have it.
            unsafe { self.drain_wide::<SHARED>() }
        } else {
            self.drain_by::<false, SHARED>()
        }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,bmi1,bmi2,popcnt,lzcnt")]
    unsafe fn drain_wide<const SHARED: bool>(&mut self) -> Drained {
        self.drain_by::<true, SHARED>()
    }

    /// `WIDE`: called by `drain_wide`, with which all of this is inlined.
    #[inline(always)]
    fn drain_by<const WIDE: bool, const SHARED: bool>(&mut self) -> Drained {
        loop {
            while let Some(span) = self.queue.pop() {
                self.prefetch_ahead();
                self.scan_grey::<WIDE, SHARED>(span);
                if SHARED {
                    if let Some(team) = self.team
                        && team.wants()
                    {
                        team.give(&mut self.queue);
                    }
                } else if self.queue.waiting() >= self.help_from {
                    return Drained::Much;
                }
            }
            if self.follow_chain::<WIDE, SHARED>() {
                continue;
            }
            match self.batch.len {
                0 if SHARED && self.team.is_some_and(|team| team.take(&mut self.queue)) => continue,
                0 => return Drained::All,
                // Nothing else to do meanwhile: the objects are fetched while it is found out what they are.
                // SAFETY: words below the batch's length were written.
                1..=FEW => self.batch.words[..self.batch.len]
                    .iter()
                    .for_each(|word| prefetch(Addr(unsafe { word.assume_init() }))),
                _ => {}
            }
            self.flush();
        }
    }

    /// Begins to fetch what the next pops will need, each step for a span that is nearer.
    #[inline(always)]
    fn prefetch_ahead(&self) {
        if let Some(far) = self.queue.peek(3 * AHEAD) {
            prefetch(Addr::of(far));
            prefetch(Addr::of(far).add(64));
        }
        if let Some(nearer) = self.queue.peek(2 * AHEAD) {
            prefetch(bits::header(nearer));
        }
        if let Some(next) = self.queue.peek(AHEAD)
            // SAFETY: the world is stopped; a span from the queue has its bits.
            && let GreyState::One(index) = unsafe { bits::grey_state(next) }
        {
            prefetch(next.slot(index));
        }
    }

    /// Scans the grey objects of `span`, and what they lead to in the same span: whoever was allocated one after
    /// the other often points to the next, and is read in that order, without the way through batch and queue.
    #[inline(always)]
    fn scan_grey<const WIDE: bool, const SHARED: bool>(&mut self, span: &'static Span) {
        let home = trail::home(span, self.unpadded);
        let mut trail = Trail::EMPTY;
        // SAFETY: the world is stopped; a span from the queue has its bits.
        if let GreyState::One(index) = unsafe { bits::take_grey::<SHARED>(span) } {
            return self.scan_object::<WIDE, SHARED>(span, span.slot(index), home, &mut trail);
        }
        let size = span.size.get();
        for at in 0..bits::words(span) {
            // SAFETY: as above.
            let mut grey = unsafe { bits::take_grey_word::<SHARED>(span, at) };
            let first = span.slot(at as u32 * 64);
            let nth = |mask: u64| first.add(mask.trailing_zeros() as usize * size);
            // Larger ones in a row the processor fetches by itself, and faster if it is not told of parts of them.
            let mut ahead = if size < FILTERED { grey } else { grey & !(grey << 1) };
            for _ in 0..AHEAD {
                if ahead != 0 {
                    prefetch(nth(ahead));
                    ahead &= ahead - 1;
                }
            }
            while grey != 0 {
                if ahead != 0 {
                    prefetch(nth(ahead));
                    ahead &= ahead - 1;
                }
                let lo = nth(grey);
                grey &= grey - 1;
                self.scan_object::<WIDE, SHARED>(span, lo, home, &mut trail);
            }
        }
    }

    /// Scans an object of `span`, then what it leads to there.
    #[inline(always)]
    fn scan_object<const WIDE: bool, const SHARED: bool>(
        &mut self,
        span: &'static Span,
        mut lo: Addr,
        home: Option<Window>,
        trail: &mut Trail,
    ) {
        let size = span.size.get();
        loop {
            if let Some(home) = home
                && size < FILTERED
            {
                let own = if WIDE { self.gather_wide(lo, size, home) } else { self.gather(lo, size, home) };
                self.follow::<SHARED>(span, lo, own, trail);
            } else {
                self.scan(lo, lo.add(size));
            }
            match trail.pop() {
                Some(index) => {
                    lo = span.slot(index);
                    prefetch(lo.add(ALONG));
                }
                None => return,
            }
        }
    }

    /// [`Marker::scan_each`] for an object of less than `FILTERED` bytes, but for words that lead home: which ones those are.
    #[inline(always)]
    fn gather(&mut self, lo: Addr, size: usize, home: Window) -> u64 {
        self.make_room();
        let mut len = self.batch.len;
        let mut own = 0;
        for nth in 0..size / 8 {
            // SAFETY: as for `scan_each`: there is room for a chunk.
            unsafe {
                let word = lo.add(nth * 8).ptr::<usize>().read_unaligned();
                let here = home.holds(word);
                self.batch.words.get_unchecked_mut(len).write(word);
                len += (self.near.holds(word) & !here) as usize;
                own |= (here as u64) << nth;
            }
        }
        self.batch.len = len;
        own
    }

    /// The same, where there is AVX-512.
    #[inline(always)]
    fn gather_wide(&mut self, lo: Addr, size: usize, home: Window) -> u64 {
        self.make_room();
        let mut own = 0;
        for at in (0..size).step_by(BLOCK) {
            let count = ((size - at) / 8).min(wide::LANES);
            // SAFETY: as above; a block fits as long as the chunk is not full.
            unsafe {
                let to = self.batch.words.as_mut_ptr().add(self.batch.len).cast();
                let (hits, here) = wide::gather(lo.0 + at, count, self.near, home, to);
                self.batch.len += hits;
                own |= (here as u64) << (at / 8);
            }
        }
        own
    }

    /// Marks what the words at `lo` that have a bit in `own` point to, in their own span. The last first, so
    /// that the first is scanned first: trees are mostly made in that order.
    #[inline(always)]
    fn follow<const SHARED: bool>(&mut self, span: &'static Span, lo: Addr, mut own: u64, trail: &mut Trail) {
        while own != 0 {
            let last = own.ilog2();
            own &= !(1 << last);
            // SAFETY: as for `scan_each`.
            let word = unsafe { lo.add(last as usize * 8).ptr::<usize>().read_unaligned() };
            let index = span.index(Addr(word));
            if claim::<SHARED>(span, index) {
                prefetch(span.slot(index));
                if !trail.push(index) {
                    self.shade::<SHARED>(span, index);
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn scan(&mut self, lo: Addr, hi: Addr) {
        if self.level >= Level::Avx2 && hi.since(lo) >= FILTERED {
            return self.scan_filtered(lo, hi);
        }
        self.scan_each(lo, hi);
    }

    /// Gathers the words of `lo..hi` that the windows hold.
    #[inline(always)]
    fn scan_each(&mut self, lo: Addr, hi: Addr) {
        let mut at = lo.0;
        while at + 8 <= hi.0 {
            self.make_room();
            let stop = hi.0.min(at + CHUNK * 8);
            let mut len = self.batch.len;
            while at + 8 <= stop {
                // SAFETY: allocated memory of the heap, or a readable range by `World`'s contract. There
                // is room for as many words as are read here.
                unsafe {
                    let word = Addr(at).ptr::<usize>().read_unaligned();
                    self.batch.words.get_unchecked_mut(len).write(word);
                    len += self.near.holds(word) as usize;
                }
                at += 8;
            }
            self.batch.len = len;
        }
    }

    #[inline(never)]
    fn scan_filtered(&mut self, lo: Addr, hi: Addr) {
        let end = lo.add(hi.since(lo) / BLOCK * BLOCK);
        let mut at = lo.0;
        let next = if self.level >= Level::Avx512 { wide::next_hit } else { filter::next_hit };
        // SAFETY: as for `scan_each`; the filter is available.
        while let Some((block, mut mask)) = unsafe { next(at, end.0, self.near) } {
            self.make_room();
            while mask != 0 {
                let word = Addr(block + mask.trailing_zeros() as usize * 8);
                mask &= mask - 1;
                // SAFETY: as for `scan_each`; a block has fewer words than there is room for.
                unsafe {
                    let word = word.ptr::<usize>().read_unaligned();
                    self.batch.words.get_unchecked_mut(self.batch.len).write(word);
                }
                self.batch.len += 1;
            }
            at = block + BLOCK;
        }
        self.scan_each(end, hi);
    }
}

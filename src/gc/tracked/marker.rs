//! The marker that goes by [`Entry`]: one queue of entries, batches of words, no descriptor's shape.
//!
//! It is used beside the program (`Beside`) and, while the world is stopped, at the end (`Still`); never at once. Beside the
//! program a slot may change while it is read: any word may be read, and any word will do.
//!
//! # Safety
//! Memory of slots is read in place: who is beside the program dies of memory that was unmapped meanwhile, and the collection with him.
//! Large objects, which come and go by themselves, he reads by the kernel's hand. Places in the queue: an entry is there at most once, and
//! there are as many places as entries.
#![allow(unsafe_code)]
use super::Kept;
use super::entry::{Arena, Entry, Shape};
use crate::gc::disguise::Guesses;
use crate::gc::filter::Window;
use crate::gc::mark::prefetch;
use crate::heap::large;
use crate::pure::addr::Addr;
use crate::spans::span::{ANY_UNPADDED, flag};
use crate::spans::{Span, map, slab};
use crate::sys::memory::{Memory, Refused};
use crate::sys::tracking::Written;
use core::mem::{MaybeUninit, take};
use core::sync::atomic::{AtomicPtr, Ordering::*};

/// Words of a batch.
const BATCH: usize = 256;
/// Bytes that are copied of a large object at a time.
const PIECE: usize = 32 << 10;
/// Words that lead nowhere yet, and how many of the last are not noted twice.
const STALE: usize = 1 << 18;
const RECENT: usize = 256;
type Pointers = [AtomicPtr<Entry>; slab::PER_SLAB];

/// What the program does meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Beside,
    Still,
}

/// Entries that wait to be scanned, oldest first.
struct Queue {
    places: *mut &'static Entry,
    mask: usize,
    first: usize,
    end: usize,
}
impl Queue {
    fn push(&mut self, entry: &'static Entry) {
        // SAFETY: see the chapter above.
        unsafe { self.places.add(self.end & self.mask).write(entry) };
        self.end += 1;
    }
    fn pop(&mut self) -> Option<&'static Entry> {
        let entry = self.peek(0)?;
        self.first += 1;
        Some(entry)
    }
    fn peek(&self, ahead: usize) -> Option<&'static Entry> {
        let at = self.first + ahead;
        // SAFETY: written by a push.
        (at < self.end).then(|| unsafe { *self.places.add(at & self.mask) })
    }
}

/// A huge object as it was when the collection began: its inside is in no map.
#[derive(Clone, Copy)]
pub(super) struct HugeAt {
    pub lo: usize,
    pub hi: usize,
    pub span: &'static Span,
}

pub struct Marker {
    pub(super) arena: Arena,
    queue: Queue,
    /// How many more entries have a place.
    places: usize,
    near: Window,
    pub(super) huge: &'static [HugeAt],
    pub(super) mode: Mode,
    pub(super) walked: bool,
    words: [MaybeUninit<usize>; BATCH],
    len: usize,
    /// A copy of a piece of a large object.
    copy: *mut u8,
    pub(super) written: Option<Written>,
    memory: Memory,
    /// No room for an entry: the collection comes to nothing.
    pub(super) full: bool,
    /// Each object that is scanned is looked through for disguises at once.
    pub(super) guessing: bool,
    /// Only that.
    only: bool,
    /// What is scanned may have been found that way.
    chained: bool,
    /// Objects that only a pointer in disguise led to.
    pub(super) guessed: usize,
    /// Objects that turned black.
    pub(super) black: usize,
    /// Words that led to no span, but may come to: see [`Marker::note`].
    pub(super) stale: Kept<usize>,
    recent: [usize; RECENT],
    /// Where spans may come to be.
    pub(super) heap: Window,
}

impl Marker {
    pub(super) fn new(mut arena: Arena, places: usize, near: Window) -> Option<Marker> {
        let places = places.next_power_of_two();
        let ring = arena.take(places * size_of::<&Entry>())?;
        let piece = arena.take(PIECE)?;
        let stale = Kept::new(&mut arena, STALE)?;
        let queue = Queue { places: ring.ptr(), mask: places - 1, first: 0, end: 0 };
        Some(Marker {
            arena,
            queue,
            places,
            near,
            huge: &[],
            mode: Mode::Beside,
            walked: false,
            words: [const { MaybeUninit::uninit() }; BATCH],
            len: 0,
            copy: piece.ptr(),
            written: None,
            memory: Memory::open(),
            full: false,
            guessing: false,
            only: false,
            chained: false,
            guessed: 0,
            black: 0,
            stale,
            recent: [0; RECENT],
            heap: Window::new(1, 0),
        })
    }

    /// The entry of `span`, made if there is none that is right.
    #[inline(always)]
    pub(super) fn entry_of(&mut self, span: &'static Span) -> Option<&'static Entry> {
        let (tracked, number) = slab::tracked(span);
        let table = tracked.entries.load(Acquire) as *const Pointers;
        if !table.is_null() {
            // SAFETY: tables are made below, and stay as long as the marker.
            let entry = unsafe { (&*table)[number].load(Acquire).as_ref::<'static>() };
            if let Some(entry) = entry
                && (tracked.renewed.load(SeqCst) >> number & 1 == 0 || entry.fits())
            {
                return Some(entry);
            }
        }
        self.make_entry(span)
    }

    #[cold]
    #[inline(never)]
    fn make_entry(&mut self, span: &'static Span) -> Option<&'static Entry> {
        let shape = Shape::of(span)?;
        let (tracked, number) = slab::tracked(span);
        let mut table = tracked.entries.load(Acquire) as *const Pointers;
        if table.is_null() {
            let Some(at) = self.arena.take(size_of::<Pointers>()) else {
                self.full = true;
                return None;
            };
            table = at.ptr::<Pointers>();
            tracked.entries.store(at.ptr(), Release);
        }
        let made = match self.places {
            0 => None,
            _ => Entry::make(&mut self.arena, span, shape, self.walked),
        };
        let Some(entry) = made else {
            self.full = true;
            return None;
        };
        self.places -= 1;
        // SAFETY: as above.
        let place = unsafe { &(&*table)[number] };
        // SAFETY: entries stay.
        let old = unsafe { place.load(Acquire).as_ref::<'static>() };
        place.store(entry as *const Entry as *mut Entry, Release);
        // An object that was resized where it is: who points to it need not have been written to.
        if let Some(old) = old
            && old.is_large()
            && entry.is_large()
            && old.shape.base == shape.base
            && old.is_black(0)
        {
            self.reach(entry, 0);
        }
        Some(entry)
    }

    /// What `word` points into: an entry and a slot, or the index of none.
    #[inline(always)]
    fn find(&mut self, word: usize) -> Option<(&'static Entry, u32)> {
        let entry = match map::lookup(Addr(word)) {
            Some(span) => self.entry_of(span)?,
            None => self.huge_at(word)?,
        };
        Some((entry, entry.index(word)))
    }

    /// The entry that `span` has, if any; a new one if that does not fit.
    pub(super) fn known(&mut self, span: &'static Span) -> Option<&'static Entry> {
        let (tracked, number) = slab::tracked(span);
        // SAFETY: as in `entry_of`.
        let table = unsafe { (tracked.entries.load(Acquire) as *const Pointers).as_ref() }?;
        if table[number].load(Acquire).is_null() { None } else { self.entry_of(span) }
    }

    /// The same for the span that covers `addr`.
    pub(super) fn known_at(&mut self, addr: Addr) -> Option<&'static Entry> {
        match map::lookup(addr) {
            Some(span) => self.known(span),
            None => self.huge_at(addr.0),
        }
    }

    /// Looks through all black objects of `entry` for disguises.
    pub(super) fn guess_all(&mut self, entry: &'static Entry) {
        self.only = true;
        for at in 0..entry.words() {
            let slots = (entry.shape.slots as usize).saturating_sub(at * 64);
            let all = if slots >= 64 { u64::MAX } else { (1 << slots) - 1 };
            let mut black = !entry.word(at).load(Relaxed) & all;
            while black != 0 {
                let index = at as u32 * 64 + black.trailing_zeros();
                black &= black - 1;
                self.object(entry, index, None);
            }
        }
        self.only = false;
    }

    #[inline(never)]
    fn huge_at(&mut self, word: usize) -> Option<&'static Entry> {
        let span = match self.mode {
            // SAFETY: the world is stopped.
            Mode::Still => unsafe { large::huge_at(Addr(word)) }?,
            Mode::Beside => {
                let at = self.huge.partition_point(|huge| huge.hi <= word);
                self.huge.get(at).filter(|huge| huge.lo <= word)?.span
            }
        };
        self.entry_of(span)
    }

    /// Slot `index` is black, and to be scanned if it was white.
    #[inline(always)]
    pub(super) fn reach(&mut self, entry: &'static Entry, index: u32) -> bool {
        let fresh = entry.claim(index);
        if fresh {
            self.black += 1;
            if entry.add_grey(index) {
                self.queue.push(entry);
            }
        }
        fresh
    }

    /// Takes words of a range for what they may be. The range is readable, at least to the one who marks.
    #[inline(always)]
    pub(super) fn scan(&mut self, lo: Addr, hi: Addr) {
        let mut at = lo.0;
        while at + 8 <= hi.0 {
            const CHUNK: usize = 64;
            if self.len + CHUNK > BATCH {
                self.flush();
            }
            let stop = hi.0.min(at + CHUNK * 8);
            let mut len = self.len;
            while at + 8 <= stop {
                // SAFETY: readable; there is room for a chunk.
                unsafe {
                    let word = Addr(at).ptr::<usize>().read_unaligned();
                    self.words.get_unchecked_mut(len).write(word);
                    len += self.near.holds(word) as usize;
                }
                at += 8;
            }
            self.len = len;
        }
    }

    /// Marks what the words of the batch point to, step by step for all of them: the steps of different words do not wait for each other.
    #[inline(never)]
    pub(super) fn flush(&mut self) {
        let mut spans = [const { MaybeUninit::<Option<&'static Span>>::uninit() }; BATCH];
        let mut found = [const { MaybeUninit::<(&'static Entry, usize)>::uninit() }; BATCH];
        let mut count = 0;
        let len = take(&mut self.len);
        for (word, span) in self.words[..len].iter().zip(&mut spans) {
            // SAFETY: below the length all were written.
            span.write(map::lookup(Addr(unsafe { word.assume_init() })));
        }
        for (i, span) in spans.iter().enumerate().take(len) {
            // SAFETY: as above.
            let (word, span) = unsafe { (self.words[i].assume_init(), span.assume_init()) };
            let entry = match span {
                Some(span) => self.entry_of(span),
                None => self.huge_at(word),
            };
            if let Some(entry) = entry {
                prefetch(Addr::of(entry));
                found[count].write((entry, word));
                count += 1;
            } else if self.mode == Mode::Beside && self.heap.holds(word) {
                self.note(word);
            }
        }
        for place in &found[..count] {
            // SAFETY: written above.
            let (entry, word) = unsafe { place.assume_init() };
            prefetch(Addr::of(entry.word(entry.index(word) as usize / 64)));
        }
        for place in &found[..count] {
            // SAFETY: as above.
            let (entry, word) = unsafe { place.assume_init() };
            self.reach(entry, entry.index(word));
        }
        if ANY_UNPADDED.load(Acquire) {
            for i in 0..len {
                // SAFETY: as above; nothing was added since.
                self.slot_before(unsafe { self.words[i].assume_init() });
            }
        }
    }

    /// A word that was left over from something that is gone: should there come a span where it leads, it is a pointer to that, as a conservative
    /// collector sees it, although nobody has written it since.
    #[cold]
    fn note(&mut self, word: usize) {
        let place = &mut self.recent[word / 16 % RECENT];
        if *place != word {
            *place = word;
            self.full |= !self.stale.push(word);
        }
    }

    /// A pointer to a slot's first byte may be one past the end of the slot before it.
    fn slot_before(&mut self, word: usize) {
        if let Some((entry, index)) = self.find(word.wrapping_sub(1))
            && index < entry.shape.slots
            && entry.slot(index).0 + entry.shape.size == word
            && entry.span.flags.load(Relaxed) & flag::UNPADDED != 0
        {
            self.reach(entry, index);
        }
    }

    /// Scans what is grey, and what that leads to; `pulse` is asked now and then, and false ends it.
    pub(super) fn drain(&mut self, pulse: &mut dyn FnMut() -> bool) -> bool {
        const BETWEEN: u32 = 32;
        let mut rounds = 0;
        loop {
            while let Some(entry) = self.queue.pop() {
                if let Some(next) = self.queue.peek(4) {
                    prefetch(Addr::of(next));
                }
                self.chained = true;
                entry.each_grey(|index| self.object(entry, index, None));
                self.chained = false;
                rounds += 1;
                if (rounds % BETWEEN == 0 && !pulse()) || self.full {
                    return false;
                }
            }
            if self.len == 0 {
                (self.queue.first, self.queue.end) = (0, 0);
                return !self.full;
            }
            self.flush();
        }
    }

    /// Scans a black object, or what of it is in `part`.
    pub(super) fn object(&mut self, entry: &'static Entry, index: u32, part: Option<(Addr, Addr)>) {
        let base = entry.slot(index);
        let (lo, hi) = (base, base.add(entry.shape.size));
        let (lo, hi) = part.map_or((lo, hi), |(from, to)| (lo.max(from), hi.min(to)));
        if lo >= hi {
            return;
        }
        if entry.is_large() {
            return if part.is_some() { self.piece(base, lo, hi) } else { self.large(base, lo, hi) };
        }
        // SAFETY: a slot.
        if !unsafe { entry.is_free(index) } {
            self.words_of(base, lo, hi);
        }
    }

    fn words_of(&mut self, base: Addr, lo: Addr, hi: Addr) {
        if !self.only {
            self.scan(lo, hi);
        }
        if self.guessing {
            self.guess(lo, hi, Some(base));
        }
    }

    /// What is there of `lo..hi`, part of the large object at `base`.
    fn large(&mut self, base: Addr, lo: Addr, hi: Addr) {
        // Away while it tells what was written: nobody drains then.
        let Some(written) = self.written.take() else {
            self.full = true;
            return;
        };
        let asked =
            written.each::<64>((lo, hi), Written::present, &mut |from, to| self.piece(base, from, to));
        self.full |= asked.is_err();
        self.written = Some(written);
    }

    /// Pages of the large object at `base` that are there.
    fn piece(&mut self, base: Addr, lo: Addr, hi: Addr) {
        if self.mode == Mode::Still {
            return self.words_of(base, lo, hi);
        }
        let mut at = lo;
        while at < hi {
            let bytes = PIECE.min(hi.since(at));
            // SAFETY: room of the marker's.
            let piece = unsafe { core::slice::from_raw_parts_mut(self.copy, bytes) };
            match self.memory.read(at, piece) {
                Ok(bytes) => {
                    // What stands there for an offset from its own place is not seen.
                    let copy = Addr::of(self.copy);
                    self.words_of(base, copy, copy.add(bytes));
                    at = at.add(bytes);
                }
                // Unmapped meanwhile.
                Err(Refused::Page) => return,
                Err(Refused::Everything(_)) => {
                    self.full = true;
                    return;
                }
            }
        }
    }

    pub(super) fn guess(&mut self, lo: Addr, hi: Addr, base: Option<Addr>) {
        // A newborn object has nothing to fear; huge ones lie far from the others.
        let near = if self.huge.is_empty() { self.heap } else { self.near };
        self.guessed += crate::gc::disguise::look_at(self, near, (lo, hi), base, self.chained);
    }

    fn expose(&mut self, word: usize, only_start: bool) -> usize {
        match self.find(word) {
            Some((entry, index))
                if index < entry.shape.slots
                    && entry.is_white(index)
                    && (!only_start || entry.slot(index).0 == word)
                    // SAFETY: a slot.
                    && !unsafe { entry.is_free(index) } =>
            {
                self.reach(entry, index) as usize
            }
            _ => 0,
        }
    }
}

impl Guesses for Marker {
    fn start(&mut self, word: usize) -> usize {
        self.expose(word, true)
    }
    fn any(&mut self, word: usize) -> usize {
        self.expose(word, false)
    }
}

//! L8: what can the program still reach, and what becomes of the rest.
//!
//! # One cycle
//! ```text
//!  stop the world ──────────────────────────────────────────► resume
//!   1 derive   which slots are allocated      (bits)            5 reclaim doomed objects,
//!   2 mark     from the roots                 (mark)              beside the program (reclaim)
//!     look     for roots that only the kernel has, if anything is white ([`World::beyond`])
//!   3 check    a simple marker agrees         (checkmark)
//!     look     for pointers in disguise       (disguise)
//!   4 limbo    white objects grow older       (limbo)
//! ```
//! **1.** malloc keeps no allocation bits. A slot is allocated if it was ever handed out and is
//! not free with its span, on its remote list or in a bin; the fast paths keep that true at every
//! instruction.
//! **2.** Each allocated slot begins *white*. Any word that points anywhere into a white slot turns it grey
//! (its bit in `Span::white_bits` is cleared) and puts its span in the queue of those to be scanned; where many wait, several markers share
//! them (`mark::team`). A free
//! slot is never white, so no word can make it allocated. **4.** What is white at the end cannot be reached:
//! leak mode reports it, gc mode moves it to limbo. **5.** What has been in limbo through enough complete
//! cycles is freed like a remote free.
//!
//! Adopted ranges ([`crate::adopted`]) are objects like those of the heap, found by their own tree.
//!
//! Nothing here knows threads or mappings: [`World`] hands in the roots, so that tests can make
//! their own. An error from it abandons the cycle: white bits are dropped, limbo stays as it
//! was, nothing is freed.
//!
//! # What a word may be
//! Any pattern at all. A pointer counts with low-bit tags, into the middle, and one past the
//! end: slots are a byte larger than their request, so that one-past-the-end lies inside.
//! In spans where an object may fill its slot (`flag::UNPADDED`), a pointer to a slot's first byte
//! keeps the slot before it too.
//!
//! # Numbers
//! Memory of a cycle: three bits a slot, a word and 8 bytes of queue a span (as many again for each marker more, touched as far as
//! used). There is no mark stack that could overflow.
//!
//! Rejected: mark bits in the spans or headers (a heap overflow in C would reach them); separate
//! "is it allocated" and "is it marked" tests in the marker (one bitmap answers both).
pub mod bits;
pub mod cause;
pub mod chance;
pub mod checkmark;
pub mod disguise;
pub mod early;
pub mod filter;
pub mod findings;
mod grey;
pub mod limbo;
pub mod mark;
pub mod object;
pub mod pacer;
pub mod protected;
pub mod queue;
pub mod reclaim;
mod special;
pub mod stack;
pub mod stats;
pub mod tracked;

use crate::adopted;
use crate::ground::critical::Critical;
use crate::heap::special as heap_special;
use crate::pure::addr::Addr;
use crate::spans::slab;
use crate::sys::process;
use bits::Bits;
use chance::Chance;
use disguise::Disguised;
use object::Colour;
pub use object::Object;
use protected::Protected;

/// Why a cycle was given up. Nothing is freed then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Abandon {
    /// A thread did not stop in time, or cannot be stopped.
    Stop,
    /// A root or an object that could not be read.
    Unreadable,
    /// No memory for the cycle's own structures.
    NoMemory,
    /// A filter of the program's does not let us.
    Forbidden,
    /// The kernel's list of threads could not be read, or is another process's.
    NoProc,
    /// What the kernel holds for the program could not be read.
    Kernel,
    /// It holds operations whose pointers it does not show: those of an io_uring,
    Ring,
    /// or libaio's.
    Aio,
    /// A library of the program's keeps pointers in a form that is not looked for.
    Hidden,
    /// Something else that the caller knows of.
    Other,
}

impl Abandon {
    pub const COUNT: usize = 10;
    pub const ALL: [Abandon; Abandon::COUNT] = [
        Abandon::Stop,
        Abandon::Unreadable,
        Abandon::NoMemory,
        Abandon::Forbidden,
        Abandon::NoProc,
        Abandon::Kernel,
        Abandon::Ring,
        Abandon::Aio,
        Abandon::Hidden,
        Abandon::Other,
    ];
    /// For messages: "abandoned: …".
    pub fn reason(self) -> &'static str {
        match self {
            Abandon::Stop => "a thread did not stop",
            Abandon::Unreadable => "memory could not be read",
            Abandon::NoMemory => "no memory",
            Abandon::Forbidden => "the program's sandbox forbids it",
            Abandon::NoProc => "/proc does not show this process",
            Abandon::Kernel => "what the kernel holds for the program is not known",
            Abandon::Ring => "an io_uring may hold pointers that the kernel does not show",
            Abandon::Aio => "libaio may hold pointers that the kernel does not show",
            Abandon::Hidden => "a library of the program's (libswipl) hides pointers",
            Abandon::Other => "other",
        }
    }
}

/// Takes readable words `[lo, hi)` that may hold pointers: memory in place, or a copy of it that
/// lives for the call. Words stand at `lo`, `lo + 8` and so on; `lo` is a multiple of 8 unless words at other
/// places are meant.
pub type Scan<'a> = dyn FnMut(Addr, Addr) + 'a;

/// What the collector must be told about everything that is not heap. While the world is stopped.
pub trait World {
    /// Calls `scan` with everything that may hold a pointer into the heap and is not heap: the
    /// root set, complete, or an error.
    fn roots(&mut self, scan: &mut Scan<'_>) -> Result<(), Abandon>;

    /// Calls `scan` with roots that cost much to learn. Asked once, and only if something is unreachable without them; from
    /// then on [`World::roots`] has them, too.
    fn beyond(&mut self, scan: &mut Scan<'_>) -> Result<(), Abandon> {
        let _ = scan;
        Ok(())
    }

    /// Calls `scan` with what of the large object `lo..hi` may hold a pointer. An
    /// implementation leaves out pages that were never touched (reading them would map the
    /// zero page), and copies what is not readable in place.
    fn large(&mut self, lo: Addr, hi: Addr, scan: &mut Scan<'_>) -> Result<(), Abandon> {
        scan(lo, hi);
        Ok(())
    }

    /// Calls `scan` with what of the adopted range `lo..hi` may hold a pointer: pages that exist, copied where they
    /// might fault.
    fn adopted(&mut self, lo: Addr, hi: Addr, scan: &mut Scan<'_>) -> Result<(), Abandon> {
        let (lo, hi) = (lo.align_up(size_of::<usize>()), hi.align_down(size_of::<usize>()));
        if lo < hi {
            scan(lo, hi);
        }
        Ok(())
    }

    /// Calls `tell` with each range of heap memory that the program made other than readable
    /// and writable, in whole pages. Objects in there are read through [`World::large`] and never reclaimed.
    fn protected(&mut self, tell: &mut Scan<'_>) -> Result<(), Abandon> {
        let _ = tell;
        Ok(())
    }
}

/// How to run a cycle.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Check the heap's invariants; mark a second time with the simple marker and compare.
    pub checkmark: bool,
    /// Look for pointers in disguise ([`disguise`]) to what is unreachable.
    pub disguised: bool,
    /// Markers at once, from so many spans on that wait for the first.
    pub markers: u32,
    pub help_from: usize,
}
impl Settings {
    /// What waits in 256 spans is worth making threads for.
    pub const DEFAULT: Settings = Settings { checkmark: false, disguised: false, markers: 1, help_from: 256 };
}

/// Sums over the heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum {
    pub objects: usize,
    pub bytes: usize,
}
impl Sum {
    pub fn add(&mut self, objects: usize, size: usize) {
        self.objects += objects;
        self.bytes += objects * size;
    }
}

/// What a complete mark found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Found {
    pub allocated: Sum,
    pub unreachable: Sum,
    /// What only pins led to.
    pub pinned: Sum,
    /// What only pointers in disguise led to.
    pub disguised: Disguised,
    /// Bytes of roots that were scanned.
    pub root_bytes: usize,
    /// What of them are plain integers, estimated.
    pub chance: Chance,
    /// Spans whose free lists were not consistent; all their slots count as allocated.
    pub broken_lists: usize,
    /// Nanoseconds of deriving, and of marking.
    pub derive_ns: u64,
    pub mark_ns: u64,
    /// Markers beside the first, and their processor time, nanoseconds.
    pub helpers: u32,
    pub helpers_ns: u64,
}

impl Found {
    pub fn reachable(&self) -> Sum {
        Sum {
            objects: self.allocated.objects - self.unreachable.objects,
            bytes: self.allocated.bytes - self.unreachable.bytes,
        }
    }
}

/// A complete mark: which objects are unreachable. Lives at most until the world resumes;
/// [`Marked::end`] may come after that.
pub struct Marked {
    bits: Bits,
    protected: Protected,
    pub found: Found,
}

/// Marks. The world is stopped, and stays so while the result is used.
///
/// # Errors
/// An abandoned cycle leaves no trace but its memory, which is given back.
pub fn mark(critical: &Critical, world: &mut dyn World, settings: &Settings) -> Result<Marked, Abandon> {
    let began = process::now_ns();
    if settings.checkmark {
        checkmark::heap();
    }
    let bits = Bits::derive(critical, settings.checkmark).ok_or(Abandon::NoMemory)?;
    let derived = process::now_ns();
    let marked = Protected::ask(critical, world).and_then(|mut protected| {
        match mark::run(critical, world, settings, &bits, &protected) {
            Ok(found) => Ok((protected, found)),
            Err(abandon) => {
                protected.end(critical);
                Err(abandon)
            }
        }
    });
    match marked {
        Ok((protected, mut found)) => {
            (found.derive_ns, found.mark_ns) = (derived - began, process::now_ns() - derived);
            Ok(Marked { bits, protected, found })
        }
        Err(abandon) => {
            bits.end(critical);
            Err(abandon)
        }
    }
}

impl Marked {
    /// Calls `f` with every object that no root leads to.
    pub fn each_unreachable(&self, mut f: impl FnMut(Object)) {
        object::each_white(&self.protected, &mut f);
    }
    /// Calls `f` with every object that a root leads to.
    pub fn each_reachable(&self, mut f: impl FnMut(Object)) {
        slab::for_each(|span| object::each_of(span, Colour::Black, &mut f));
    }
    /// Calls `f` with every object, reachable or not.
    pub fn each_allocated(&self, mut f: impl FnMut(Object)) {
        for colour in [Colour::Black, Colour::White] {
            slab::for_each(|span| object::each_of(span, colour, &mut f));
        }
    }
    /// Whether `word` points to an object, reachable or not.
    pub fn is_object(&self, word: usize) -> bool {
        self.object(word).is_some()
    }
    /// The object that `word` points to, reachable or not.
    pub fn object(&self, word: usize) -> Option<Object> {
        object::at(word).filter(Object::is_allocated)
    }
    /// The unreachable object that `word` points to, if it does.
    pub fn resolve(&self, word: usize) -> Option<Object> {
        object::at(word).filter(Object::is_white)
    }
    /// Whether an object may be read in place. The world is stopped.
    pub fn is_readable(&self, object: Addr, size: usize) -> bool {
        !self.protected.touches(object, object.add(size))
    }
    /// Moves what is unreachable to limbo, for the `needed`-th consecutive time to doom (see
    /// [`limbo`]). Before the world resumes.
    pub fn to_limbo(&self, critical: &Critical, needed: u8, doom: limbo::Doom) -> limbo::Moved {
        let mut moved = limbo::update(critical, needed, doom, self.protected.as_slice());
        if moved.doomed.objects != 0 {
            special::clear_weak_of_doomed(critical);
        }
        slab::for_each(|span| heap_special::forget_idle(span, false));
        if adopted::anything() {
            moved.adopted = adopted::age(critical, needed, doom == limbo::Doom::Allowed);
        }
        moved
    }
    /// In a copy of the process: writes what is unreachable to `room`, for [`findings::Aging`]. How many words
    /// that took, or `None`: there is too little room.
    pub fn write_findings(&self, room: &mut [u64]) -> Option<usize> {
        findings::write(&self.protected, room)
    }
    /// Gives the cycle's memory back. The world may run again.
    pub fn end(mut self, critical: &Critical) {
        self.protected.end(critical);
        self.bits.end(critical);
    }
}

/// Whether the program adopted memory, or has weak handles or cleanups: what becomes of these is decided
/// where marking ends.
pub fn has_more_than_objects() -> bool {
    adopted::anything() || heap_special::any_attached()
}

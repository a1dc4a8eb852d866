//! Whole call stacks without frame pointers, in a few nanoseconds a frame.
//!
//! # Shape
//! [`capture`] notes its own registers and walks: for each code address the cache of compact
//! rules (`rules`) says how to find the caller's frame. Two loads from the cache, one or two from
//! the stack: about 4 ns a frame, 28 frames in some 110 ns. A miss asks `find` for the loaded
//! object and `dwarf` for the row of its `.eh_frame`, once per call site. No lock, no malloc, no
//! system call but a thread's first (the bounds of its stack), nothing that a signal handler
//! may not do.
//!
//! # What a stack looks like
//! Code addresses, innermost first. They are return addresses, except that one which a signal
//! interrupted has the bit [`EXACT`]. The frames of gleaner itself, at the top, are left out. A
//! stack ends at the outermost frame, at code that nobody describes (a just-in-time compiler's;
//! that address is the last one), where the words make no sense any more, or when the buffer is full.
//!
//! # Never a fault
//! Every word is read inside `[lo, hi)` of the stack's own mapping, each frame must lie strictly
//! above the one before, code bytes and tables are read only inside images that the loader or
//! the kernel reports. So a wrong table or a smashed stack costs a wrong trace and nothing else.
//!
//! Frame pointers as the main method were rejected: Debian's binaries and libc have none. libunwind
//! and `_Unwind_Backtrace` take the loader's lock, 90 ns a frame and more.
//!
//! # Safety
//! The asm stores registers into a local. Stack words are read by `Bounds::read`, whose range is
//! a readable mapping: the one that holds this thread's stack pointer, or what the caller of the
//! unsafe [`capture_within`] vouches for.
#![allow(unsafe_code)]
use crate::pure::addr::Addr;
use crate::sys::tls;
use core::arch::asm;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use rules::{Cache, Key, Kind, Rule, Site};

mod bounds;
mod dwarf;
pub mod find;
pub mod memo;
mod rules;
mod walk;

/// Marks a code address at which a signal interrupted the program: it is not a return address.
pub const EXACT: usize = 1 << 63;
/// User code lies below this.
const CODE_LIMIT: usize = 1 << 47;

/// The offsets of registers in the kernel's signal frame, from rsp at its return.
const FRAME_RBP: usize = 120;
const FRAME_RSP: usize = 160;
const FRAME_RIP: usize = 168;
/// In place of a distance below the CFA (where word 1 is the return address): rbp was saved in
/// the word that rbp points at.
const SAVED_AT_RBP: u8 = 1;

static CACHE: Cache = Cache::new();
/// Counts unloadings; part of the cache's keys.
static GENERATION: AtomicU64 = AtomicU64::new(0);
/// The code of gleaner itself, `[lo, lo + len)`; len 0 when it is part of the program, as in tests.
static OWN_LO: AtomicUsize = AtomicUsize::new(0);
static OWN_LEN: AtomicUsize = AtomicUsize::new(0);

/// Where a walk begins: an exact code address with the registers that a callee preserves.
#[derive(Clone, Copy, Default, Debug)]
#[repr(C)]
pub struct Start {
    pub rip: usize,
    pub rsp: usize,
    pub rbp: usize,
    pub rbx: usize,
    pub r12: usize,
    pub r13: usize,
    pub r14: usize,
    pub r15: usize,
}

/// All registers by DWARF's numbers, and which of them are known.
#[derive(Clone, Copy)]
struct Registers {
    words: [usize; 16],
    known: u32,
    rip: usize,
}

impl Registers {
    fn of(start: &Start) -> Registers {
        let mut all = Registers { words: [0; 16], known: 0, rip: start.rip };
        let numbered = [(dwarf::RBX, start.rbx), (dwarf::RBP, start.rbp), (dwarf::RSP, start.rsp)];
        let high = [(12, start.r12), (13, start.r13), (14, start.r14), (15, start.r15)];
        numbered.into_iter().chain(high).for_each(|(number, word)| all.set(number, word));
        all
    }
    fn get(&self, number: usize) -> Option<usize> {
        match number {
            16 => Some(self.rip),
            0..16 if self.known & 1 << number != 0 => Some(self.words[number]),
            _ => None,
        }
    }
    /// What a frame finds again; 0 for what is not known.
    fn start(&self) -> Option<Start> {
        let of = |number| self.get(number).unwrap_or(0);
        Some(Start {
            rip: self.rip,
            rsp: self.get(dwarf::RSP)?,
            rbp: of(dwarf::RBP),
            rbx: of(dwarf::RBX),
            r12: of(12),
            r13: of(13),
            r14: of(14),
            r15: of(15),
        })
    }
    fn set(&mut self, number: usize, word: usize) {
        self.words[number] = word;
        self.known |= 1 << number;
    }
}

/// The readable words of a stack: `[lo, hi)`, both multiples of 8.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    lo: usize,
    hi: usize,
    /// It is the thread's own stack, all of which stays for as long as the thread.
    is_own: bool,
}

impl Bounds {
    /// The word at `at`, if it is inside.
    #[inline(always)]
    fn read(&self, at: usize) -> Option<usize> {
        // Both ends are multiples of 8, so a multiple of 8 inside is a whole word inside.
        if at.wrapping_sub(self.lo) >= self.hi.wrapping_sub(self.lo) || at & 7 != 0 {
            return None;
        }
        // SAFETY: inside the bounds, which are readable (see the chapter on safety); volatile
        // because other code owns these words.
        Some(unsafe { Addr(at).ptr::<usize>().read_volatile() })
    }
}

/// The registers of this function, from here on.
#[inline(always)]
fn here() -> Start {
    let mut start = Start::default();
    here_into(&mut start);
    start
}

/// The same where `start` is: a copy of words that were just stored, two at a time, waits for the stores.
#[inline(always)]
fn here_into(start: &mut Start) {
    // SAFETY: stores eight words into `start`. The address that lea yields is inside this
    // function after its prologue, as are the registers.
    unsafe {
        asm!("lea {t}, [rip]",
             "mov [{p}], {t}",
             "mov [{p} + 8], rsp",
             "mov [{p} + 16], rbp",
             "mov [{p} + 24], rbx",
             "mov [{p} + 32], r12",
             "mov [{p} + 40], r13",
             "mov [{p} + 48], r14",
             "mov [{p} + 56], r15",
             p = in(reg) &raw mut *start, t = out(reg) _, options(nostack, preserves_flags));
    }
}

/// The calling thread's stack into `out`, innermost first; returns how many. Keeps errno. May be
/// called anywhere, in signal handlers too.
#[inline(never)]
pub fn capture(out: &mut [usize]) -> usize {
    let start = here();
    let Some(bounds) = bounds::current(start.rsp) else { return 0 };
    walk::walk(&start, bounds, out, walk::Top::SkipOwn)
}

/// The calling thread's frame whose own return address lies at `slot`, with the registers that it finds when
/// what it called returns. Microseconds a frame.
#[cold]
#[inline(never)]
pub fn frame_below(slot: usize) -> Option<Start> {
    let start = here();
    walk::frame_below(&start, bounds::current(start.rsp)?, slot)
}

/// Whether the function that holds the return address `pc` leaves all registers alone that a callee must give back,
/// but a frame pointer. `None`: nobody knows.
pub fn saves_nothing(pc: usize) -> Option<bool> {
    dwarf::saves_nothing(pc)
}

/// The stack of a context of this process: of an interrupted thread (its address is exact), or of
/// one that is stopped. It must not run meanwhile. 0 frames if `rsp` is in no readable mapping.
pub fn capture_from(start: &Start, out: &mut [usize]) -> usize {
    match bounds::asked(start.rsp) {
        Some(bounds) => walk::walk(start, bounds, out, walk::Top::Keep),
        None => 0,
    }
}

/// Like [`capture_from`], for a caller that knows the stack's bounds: no system call at all.
///
/// # Safety
/// `[lo, hi)` must be readable and stay so.
pub unsafe fn capture_within(start: &Start, lo: usize, hi: usize, out: &mut [usize]) -> usize {
    let lo = Addr(lo).align_up(8).0;
    let bounds = Bounds { lo, hi: Addr(hi).align_down(8).0.max(lo), is_own: false };
    walk::walk(start, bounds, out, walk::Top::Keep)
}

/// Tells the unwinder that objects were unloaded (after dlclose): what it remembered of code
/// addresses is void.
pub fn modules_changed() {
    GENERATION.fetch_add(1, Ordering::Release);
}

/// Whether `frame` is in our own library.
pub fn is_own(frame: usize) -> bool {
    (frame & !EXACT).wrapping_sub(OWN_LO.load(Ordering::Relaxed)) < OWN_LEN.load(Ordering::Relaxed)
}

/// Our own library's image, from [`init`] on.
pub fn own_image() -> (usize, usize) {
    let lo = OWN_LO.load(Ordering::Relaxed);
    (lo, lo + OWN_LEN.load(Ordering::Relaxed))
}

/// Finds out which code is ours. Called once at start-up; before it, our own frames show.
pub fn init() {
    let here = capture as fn(&mut [usize]) -> usize as usize;
    let Some(object) = find::object(here) else { return };
    // SAFETY: reads the auxiliary vector.
    let entry = unsafe { libc::getauxval(libc::AT_ENTRY) } as usize;
    let image = object.image;
    if !(image.start..image.end).contains(&entry) {
        OWN_LO.store(image.start, Ordering::Relaxed);
        OWN_LEN.store(image.end - image.start, Ordering::Relaxed);
    }
}

/// The cached rule of `pc`, made on a miss.
fn rule_of(pc: usize, site: Site, generation: u64) -> Rule {
    let key = Key::new(pc, site, generation);
    CACHE.get(key).unwrap_or_else(|| missed(pc, site, key))
}

#[cold]
#[inline(never)]
fn missed(pc: usize, site: Site, key: Key) -> Rule {
    match dwarf::rule(pc, site) {
        Some(rule) => {
            CACHE.put(key, rule);
            rule
        }
        None => Rule::of(Kind::End),
    }
}

/// The thread's word pair that remembers its stack's bounds.
fn remembered() -> (&'static AtomicUsize, &'static AtomicUsize) {
    let spare = &tls::block().reserved;
    (&spare[0], &spare[1])
}

#[cfg(test)]
mod tests;

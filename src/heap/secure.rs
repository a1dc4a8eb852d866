//! The `secure` levels: what a process pays for to have misuse noticed that the fast paths cannot see.
//!
//! From level 1 on all calls take the slow paths (`Cache::watched`, as in leak mode), and each object has a word in its span's array
//! (`stacks`): how many bytes were asked for, whether it is alive, what allocated it. No state is in the object, which the program may overwrite.
//!
//! | level | adds |
//! |---|---|
//! | 1 | what follows the bytes asked for is filled, and looked at by free, realloc and malloc_usable_size, as is the end of the block before; freed blocks are cleared, and looked at when they are handed out again |
//! | 2 | freed blocks wait ([`quarantine`]); places by chance; no access behind spans, around large objects, after their free, to blocks of no bytes ([`guarded`]); all is looked at once more when the process ends |
//! | 3 | small blocks with a page of their own, at its very end; delete must fit new |
//!
//! # How a word changes
//! ```text
//!  0 or FREED --handed--> (busy) --filled--> ALIVE --freed (one exchange)--> (busy) --cleared--> FREED
//! ```
//! Who looks at a neighbour's block, which another thread may just be freeing, believes what it sees only if the word stayed ALIVE
//! and the same.
//!
//! # Safety
//! Blocks are the caller's or, of neighbours, mapped memory of the same span. A span's array has an entry a slot.
#![allow(unsafe_code)]
use super::{guarded, misuse, quarantine, release, stacks};
use crate::ground::critical::Critical;
use crate::pure::addr::Addr;
use crate::spans::Span;
use crate::spans::span::{flag, kind};
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

static LEVEL: AtomicU8 = AtomicU8::new(0);

/// The level of this process.
#[inline(always)]
pub fn level() -> u8 {
    LEVEL.load(Ordering::Relaxed)
}

/// Sets the level and where chance begins, before the first object is handed out.
pub fn begin(level: u8, seed: usize) {
    LEVEL.store(level, Ordering::Relaxed);
    CHANCE.store(seed, Ordering::Relaxed);
}

static CHANCE: AtomicUsize = AtomicUsize::new(0);

/// A number that is hard to tell in advance.
pub fn chance() -> usize {
    const ODD: usize = 0x9e37_79b9_7f4a_7c15;
    let x = CHANCE.fetch_add(ODD, Ordering::Relaxed);
    let x = (x ^ x >> 32).wrapping_mul(ODD);
    (x ^ x >> 29).wrapping_mul(ODD) >> 20
}

/// What allocated an object, or frees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    Malloc = 0,
    New = 1,
    NewArray = 2,
}
impl How {
    pub fn name(self) -> &'static str {
        match self {
            How::Malloc => "malloc",
            How::New => "new",
            How::NewArray => "new[]",
        }
    }
}

const ALIVE: u64 = 1 << 60;
const FREED: u64 = 1 << 63;
const HOW_SHIFT: u32 = 61;

/// The bytes that follow an object's. Never 0, which an overflow by one often writes, and not the same everywhere.
fn pattern(addr: usize) -> u8 {
    0xa5 ^ (addr as u8 & 0x1f)
}
/// Of a large object's rest so many are filled.
const FILLED: usize = 4096;

/// Bytes of the span's slots that can be written.
pub fn room(span: &Span) -> usize {
    span.size.get() - (span.flags.load(Ordering::Relaxed) & flag::GUARDED != 0) as usize
}

fn fill(span: &Span, at: Addr, n: usize) {
    let end = room(span).min(n + FILLED);
    for offset in n..end {
        // SAFETY: the object is the caller's, with all its room.
        unsafe { at.add(offset).ptr::<u8>().write(pattern(at.0 + offset)) };
    }
}

/// The first byte behind `n` that is not as it was filled.
fn first_changed(span: &Span, at: Addr, n: usize) -> Option<usize> {
    // SAFETY: mapped memory of the span; volatile, for it may be another thread's.
    let is_changed =
        |&offset: &usize| unsafe { at.add(offset).ptr::<u8>().read_volatile() != pattern(at.0 + offset) };
    (n..room(span).min(n + FILLED)).find(is_changed)
}

/// The first of some bytes that is not 0.
fn first_written(from: Addr, to: Addr) -> Option<Addr> {
    let mut at = from;
    while at < to {
        let whole = at.0.is_multiple_of(16) && to.since(at) >= 16;
        // SAFETY: mapped memory of ours.
        let zero = unsafe { if whole { *at.ptr::<u128>() == 0 } else { *at.ptr::<u8>() == 0 } };
        if zero {
            at = at.add(if whole { 16 } else { 1 });
        } else {
            // SAFETY: as above.
            return (0..16).map(|i| at.add(i)).find(|at| unsafe { *at.ptr::<u8>() } != 0);
        }
    }
    None
}

/// What is in front of an object in pages of its own.
fn before(span: &Span, at: Addr) -> Option<Addr> {
    let alone = span.flags.load(Ordering::Relaxed) & flag::GUARDED != 0;
    if alone && room(span) != 0 { first_written(span.page_base(), at) } else { None }
}

fn requested(span: &Span, word: u64) -> usize {
    span.size.get() - stacks::slack_of(word)
}

/// Slot `index` of a span was taken for a request of `n` bytes. `zeroed`: all of it is known to be zero. Whether the object is
/// zero now.
pub fn handed(
    critical: &Critical,
    span: &Span,
    index: u32,
    n: usize,
    how: How,
    stack: u32,
    zeroed: bool,
) -> bool {
    let (at, old) = (span.slot(index), stacks::word(span, index));
    let size = room(span);
    let mut zero = zeroed;
    if old & FREED != 0 {
        // The first 16 bytes had link and mark, and are cleared already.
        if let Some(written) = first_written(at.add(16.min(size)), at.add(size)) {
            written_after_free(at, requested(span, old), written);
        }
        zero = true;
    } else if level() >= 2 && !zeroed {
        // SAFETY: the object is the caller's.
        unsafe { at.ptr::<u8>().write_bytes(0, n) };
        zero = true;
    }
    stacks::set_word(span, index, 0);
    fill(span, at, n);
    stacks::record(critical, span, index, stack, n);
    stacks::set_word(span, index, stacks::word(span, index) | ALIVE | (how as u64) << HOW_SHIFT);
    zero
}

fn written_after_free(at: Addr, n: usize, written: Addr) -> ! {
    // SAFETY: it was read.
    misuse::written_after_free(at, n, written.since(at), unsafe { *written.ptr::<u8>() })
}

/// The bytes that were asked for, if that is known.
pub fn size_of(span: &Span, index: u32) -> Option<usize> {
    let word = stacks::word(span, index);
    (word & ALIVE != 0).then(|| requested(span, word))
}

/// Whether the program freed the slot and nobody has it again.
pub fn is_freed(span: &Span, index: u32) -> bool {
    stacks::word(span, index) & FREED != 0
}

/// The program gave the object at slot `index` to `call`: ends the process if it was freed, or something wrote over an end of it.
pub fn inspect(span: &Span, index: u32, call: &str) {
    let (at, word) = (span.slot(index), stacks::word(span, index));
    if word & FREED != 0 {
        misuse::double_free(call, at);
    }
    look(span, index, call);
    if index > 0 && span.kind() == kind::SLOTS {
        look(span, index - 1, call);
    }
}

/// Ends the process if something wrote over an end of a slot's object, if that is alive.
fn look(span: &Span, index: u32, call: &str) {
    let (at, word) = (span.slot(index), stacks::word(span, index));
    if word & ALIVE == 0 {
        return;
    }
    let n = requested(span, word);
    let mut changed = None;
    // Somebody else may be about to free it: what is seen must last.
    for _ in 0..4 {
        changed = first_changed(span, at, n);
        if changed.is_none() || stacks::word(span, index) != word {
            changed = None;
            break;
        }
        (0..64).for_each(|_| core::hint::spin_loop());
    }
    if let Some(offset) = changed {
        // SAFETY: as above.
        misuse::overflow(call, at, n, offset, unsafe { at.add(offset).ptr::<u8>().read_volatile() });
    }
    if let Some(written) = before(span, at) {
        misuse::underflow(call, at, n, at.since(written));
    }
}

/// The object is freed by `how`; a sized delete tells `size`.
pub fn fits(span: &Span, index: u32, how: How, size: Option<usize>) {
    let word = stacks::word(span, index);
    if word & ALIVE == 0 {
        return;
    }
    let made = match word >> HOW_SHIFT & 3 {
        0 => return,
        1 => How::New,
        _ => How::NewArray,
    };
    let (at, n) = (span.slot(index), requested(span, word));
    if level() >= 2
        && let Some(size) = size.filter(|&size| size != n)
    {
        misuse::other_size(at, n, size);
    }
    // Some programs have one half of these operators linked in, which calls malloc or free.
    if level() >= 3 && how != How::Malloc && made != how {
        misuse::other_call(at, n, made.name(), how.name());
    }
}

/// The program gave a slot up that nothing holds any more. It is cleared; from level 2 on it waits. False: it is to go to its span at once.
pub fn freed(critical: &Critical, span: &'static Span, index: u32) -> bool {
    let at = span.slot(index);
    let word = stacks::take_word(span, index, ALIVE | FREED);
    if word & FREED != 0 {
        misuse::double_free("free", at);
    }
    if word & ALIVE == 0 {
        stacks::set_word(span, index, 0);
        return false;
    }
    // SAFETY: nobody has the object any more.
    unsafe { at.ptr::<u8>().write_bytes(0, room(span)) };
    stacks::set_word(span, index, word & !ALIVE | FREED);
    level() >= 2 && quarantine::put(critical, at)
}

/// A slot that waited is looked at, and goes to its span.
pub fn waited(critical: &Critical, span: &'static Span, index: u32) {
    check_freed(span, index, 0);
    release::give_slot(critical, span, span.slot(index).ptr());
}

fn check_freed(span: &Span, index: u32, from: usize) {
    let at = span.slot(index);
    if let Some(written) = first_written(at.add(from), at.add(room(span))) {
        written_after_free(at, requested(span, stacks::word(span, index)), written);
    }
}

/// Whether the object may become one of `n` bytes where it is; then it is one, and what it has more is zero.
pub fn stays(critical: &Critical, span: &Span, index: u32, n: usize, stack: u32) -> bool {
    let (at, word) = (span.slot(index), stacks::word(span, index));
    let (old, room) = (requested(span, word), room(span));
    let guarded = span.flags.load(Ordering::Relaxed) & flag::GUARDED != 0;
    // What ends at a page's end would not.
    let leaves_end = guarded && room.saturating_sub(n) >= 16;
    if word & ALIVE == 0 || n + 16 < old / 2 || leaves_end || n >= span.size.get() {
        return false;
    }
    let how = word & 3 << HOW_SHIFT;
    stacks::set_word(span, index, 0);
    if n > old {
        // SAFETY: the caller's object, which has the room.
        unsafe { at.add(old).ptr::<u8>().write_bytes(0, n - old) };
    }
    fill(span, at, n);
    stacks::record(critical, span, index, stack, n);
    stacks::set_word(span, index, stacks::word(span, index) | ALIVE | how);
    true
}

/// Looks at every object and every block that waits or is free. The calling thread is the only one.
pub fn look_at_all(critical: &Critical) {
    quarantine::give_all(critical);
    crate::spans::slab::for_each(|span| {
        if span.kind() == kind::KEPT || stacks::is_absent(span) {
            return;
        }
        for index in 0..span.extended.get() {
            if is_freed(span, index) {
                check_freed(span, index, 16);
            } else {
                look(span, index, "exit");
            }
        }
    });
}

/// Whether an object of `n` bytes is to have pages of its own.
pub fn alone(n: usize) -> bool {
    match level() {
        0 | 1 => false,
        2 => n == 0,
        _ => n == 0 || guarded::is_sample(),
    }
}

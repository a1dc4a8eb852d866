//! Every distinct call stack, stored once. An object of the heap carries its number.
//!
//! # Shape
//! A hash table of words, open addressing, at most 5/8 full: 40 bits of the hash beside those that give the place, and the id. That is the place of
//! the stack in 64 KiB chunks of metadata memory, counted in words of 8 bytes, so that it has 24 bits.
//!
//! A new stack mostly differs from the one stored before in its innermost frames. So a stored stack is the overlay of modules
//! it was seen under, another one (its base) with how many of that one's outermost frames it has, too, and the addresses of its own frames as
//! differences to the address before, in variable-length bytes: with three frames of its own it takes 16 or 24 bytes, and would
//! take 90 with all 28. Of a base's frames at least the innermost of its own are never asked for through another one: who shares no more than what a base has from its own
//! base takes that one for its own. So chains are short; one that would be longer than [`CHAIN`] begins anew.
//!
//! [`known`] reads one cache line of the table, mostly, and takes no lock: the hash *is*
//! the comparison. One of a million stacks is mistaken for another one with a chance of 1 in
//! half a million; comparing 28 words each time was rejected, it buys nothing that a user could notice.
//! A new stack is stored under a lock. The table doubles: the hashes are computed again from the stacks. The old one is
//! left to readers still in it, but without its memory: they find it empty, and look once more under the lock.
//!
//! Locks: rank `Depot`, taken inside; then `Unwind` and `Metadata`. Never called while the
//! caller holds a lock. Bound: 2,047 chunks (128 MiB); beyond it, and without memory, a stack is 0.
//!
//! # Safety
//! Tables, chunks and stored stacks are written before the word that publishes them and are never moved
//! or unmapped. What an old table's slots become, when their memory is given back, is zero: empty.
#![allow(unsafe_code)]
use super::modules::{self, MAX_OVERLAYS};
use super::unwind::EXACT;
use crate::ground::critical::{self, Critical};
use crate::ground::lock::{Lock, Rank};
use crate::heap::stacks::STACK_BITS;
use crate::pages::metadata;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::sys::vm;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The longest stack that is stored; what is below it in the stack is cut off.
pub const MAX_FRAMES: usize = 256;

const CHUNK: usize = 64 << 10;
const WORD: usize = 8;
const CHUNK_WORDS: usize = CHUNK / WORD;
const MAX_CHUNKS: usize = 2047;
/// The most stacks that one is made of.
const CHAIN: usize = 16;
/// Fewer frames than this are not worth a base.
const SHARED: usize = 2;
/// The largest stored stack: ten bytes hold any difference.
const MAX_STORED: usize = size_of::<Header>() + MAX_FRAMES * 10;
const FIRST_TABLE: usize = 1024;
const _: () = assert!(MAX_STORED < CHUNK && CHUNK_WORDS * MAX_CHUNKS < 1 << STACK_BITS);

/// What precedes the bytes of a stored stack.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    /// The id of the base, 0: none; above it how many bases lead from here to a stack without one.
    base: u32,
    overlay: u16,
    /// Of the base's frames, the outermost.
    shared: u8,
    /// Frames of its own, less one.
    own: u8,
}
const _: () =
    assert!(size_of::<Header>() == WORD && MAX_OVERLAYS <= 1 << 16 && MAX_FRAMES <= 256 && CHAIN < 256);

impl Header {
    fn base(&self) -> u32 {
        self.base & ID
    }
    fn depth(&self) -> usize {
        (self.base >> STACK_BITS) as usize
    }
}

const ID: u32 = (1 << STACK_BITS) - 1;

/// A power of two of slots.
struct Table {
    mask: usize,
    /// The id of a stack, which is never 0, and bits of its hash above it.
    slots: &'static [AtomicU64],
}

pub(super) struct State {
    stored: usize,
    /// The next free word, as an id would give it; 0 before the first.
    next: usize,
    /// The stack that was stored last.
    last: u32,
    frames: [usize; MAX_FRAMES],
    len: usize,
}

static TABLE: AtomicUsize = AtomicUsize::new(0);
static CHUNKS: [AtomicUsize; MAX_CHUNKS] = [const { AtomicUsize::new(0) }; MAX_CHUNKS];
static STATE: Lock<State> =
    Lock::new(Rank::Depot, State { stored: 0, next: 0, last: 0, frames: [0; MAX_FRAMES], len: 0 });

/// For fork's hooks.
pub(super) fn lock() -> &'static Lock<State> {
    &STATE
}

/// The number of this stack, the same for the same stack; 0 for an empty one, or without memory.
#[inline]
pub fn intern(frames: &[usize]) -> u32 {
    if frames.is_empty() {
        return 0;
    }
    let frames = &frames[..frames.len().min(MAX_FRAMES)];
    let hash = hash_of(frames, modules::overlay().1);
    match table().and_then(|table| find(table, hash).ok()) {
        Some(id) => id,
        None => store(frames).unwrap_or(0),
    }
}

/// A stored stack's frames, into `out`; and the overlay that says which modules they lie in.
pub fn get(id: u32, out: &mut [usize; MAX_FRAMES]) -> (&[usize], u32) {
    let Some(stack) = stored(id) else { return (&[], 0) };
    let mut chain = [stack; CHAIN];
    let mut bases = 0;
    while let Some(base) = stored(chain[bases].0.base())
        && bases + 1 < CHAIN
    {
        bases += 1;
        chain[bases] = base;
    }
    // Outermost first, each on top of what it has in common with the one before.
    let mut len = 0;
    for (header, bytes) in chain[..=bases].iter().rev() {
        len = len.min(header.shared as usize);
        let mut before = len.checked_sub(1).map_or(0, |last| out[last].rotate_left(1));
        let mut bytes = *bytes;
        let own = out[len..].iter_mut().take(header.own as usize + 1);
        for slot in own {
            let Some(difference) = decode(&mut bytes) else { break };
            before = before.wrapping_add(difference);
            *slot = before.rotate_right(1);
            len += 1;
        }
    }
    out[..len].reverse();
    (&out[..len], stack.0.overlay as u32)
}

/// How many stacks are stored, and the bytes they take without the table.
pub fn stats() -> (usize, usize) {
    let critical = critical::enter();
    let state = STATE.lock(&critical);
    (state.stored, state.next * WORD)
}

fn table() -> Option<&'static Table> {
    let at = TABLE.load(Ordering::Acquire);
    // SAFETY: a published table is complete and stays.
    (at != 0).then(|| unsafe { &*Addr(at).ptr::<Table>() })
}

/// A stack's header, and what follows it in its chunk.
fn stored(id: u32) -> Option<(&'static Header, &'static [u8])> {
    let (chunk, word) = (id as usize / CHUNK_WORDS, id as usize % CHUNK_WORDS);
    let base = CHUNKS.get(chunk)?.load(Ordering::Acquire);
    if id == 0 || base == 0 {
        return None;
    }
    let at = Addr(base + word * WORD);
    // SAFETY: ids come from `store`, which wrote a header there before it published the id; the chunk goes that far.
    Some(unsafe {
        let bytes = at.add(size_of::<Header>()).ptr::<u8>();
        (&*at.ptr::<Header>(), core::slice::from_raw_parts(bytes, CHUNK - (word + 1) * WORD))
    })
}

/// The id of `hash`, or the empty slot where it belongs.
#[inline]
fn find(table: &Table, hash: u64) -> Result<u32, usize> {
    let mut at = hash as usize & table.mask;
    loop {
        match table.slots[at].load(Ordering::Acquire) {
            0 => return Err(at),
            same if (same ^ hash) >> STACK_BITS == 0 => return Ok(same as u32 & ID),
            _ => at = (at + 1) & table.mask,
        }
    }
}

impl Table {
    fn publish(&self, slot: usize, hash: u64, id: u32) {
        self.slots[slot].store(hash & !(ID as u64) | id as u64, Ordering::Release);
    }
}

/// What a frame adds to its stack's sum, so many frames above the outermost. A sum, so that stacks that differ in
/// their innermost frames share the rest, and so that the multiplications of one stack overlap.
#[inline(always)]
pub fn weight(frame: usize, above: usize) -> u64 {
    let mixed = (frame as u64).wrapping_mul(K);
    (mixed ^ mixed >> 32).wrapping_mul(FACTORS[above % MAX_FRAMES])
}

const K: u64 = 0x9fb2_1c65_1e98_df25;
/// Odd, and like random ones.
const FACTORS: [u64; MAX_FRAMES] = {
    let (mut all, mut at, mut state) = ([0; MAX_FRAMES], 0, K);
    while at < MAX_FRAMES {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        all[at] = (mixed ^ mixed >> 31) | 1;
        at += 1;
    }
    all
};

#[inline(always)]
fn hash_of_sum(sum: u64, frames: usize, key: u64) -> u64 {
    let mixed = (sum ^ key ^ frames as u64).wrapping_mul(K);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(K);
    mixed ^ mixed >> 29
}

fn hash_of(frames: &[usize], key: u64) -> u64 {
    let weights = frames.iter().rev().enumerate().map(|(above, &frame)| weight(frame, above));
    hash_of_sum(weights.fold(0, u64::wrapping_add), frames.len(), key)
}

/// What the numbers of this moment depend on beside the frames: for [`known`].
#[inline(always)]
pub fn key() -> u64 {
    modules::overlay().1
}

/// The number of a stack by its weights' sum, if it is stored.
#[inline]
pub fn known(sum: u64, frames: usize, key: u64) -> Option<u32> {
    if frames == 0 {
        return Some(0);
    }
    find(table()?, hash_of_sum(sum, frames, key)).ok()
}

#[cold]
#[inline(never)]
fn store(frames: &[usize]) -> Option<u32> {
    let critical = critical::enter();
    modules::note(&critical, frames);
    let (overlay, key) = modules::overlay();
    let hash = hash_of(frames, key);
    let mut state = STATE.lock(&critical);
    let table = match table() {
        Some(table) if (state.stored + 1) * 8 <= table.slots.len() * 5 => table,
        old => grow(&critical, old)?,
    };
    let slot = match find(table, hash) {
        Ok(id) => return Some(id),
        Err(slot) => slot,
    };
    let id = write(&critical, &mut state, frames, overlay)?;
    table.publish(slot, hash, id);
    state.stored += 1;
    Some(id)
}

/// Bumps the next stack into the current chunk, or into a new one.
fn write(critical: &Critical, state: &mut State, frames: &[usize], overlay: u32) -> Option<u32> {
    let (base, shared) = base_of(state, frames);
    let own = frames.len() - shared;
    let mut bytes = [0u8; MAX_FRAMES * 10];
    let len = encode(&frames[..own], frames.get(own).copied().unwrap_or(0), &mut bytes);
    let words = (size_of::<Header>() + len).div_ceil(WORD);
    if state.next == 0
        || state.next % CHUNK_WORDS + words > CHUNK_WORDS
        || state.next.is_multiple_of(CHUNK_WORDS)
    {
        let chunk = if state.next == 0 { 0 } else { (state.next - 1) / CHUNK_WORDS + 1 };
        let slot = CHUNKS.get(chunk)?;
        slot.store(metadata::alloc(critical, CHUNK, WORD)?.0, Ordering::Release);
        // Word 0 of the first chunk stays unused: id 0 is "none".
        state.next = (chunk * CHUNK_WORDS).max(1);
    }
    let id = state.next;
    let at = Addr(CHUNKS[id / CHUNK_WORDS].load(Ordering::Relaxed) + id % CHUNK_WORDS * WORD);
    let header = Header { base, overlay: overlay as u16, shared: shared as u8, own: (own - 1) as u8 };
    // SAFETY: the chunk has room for these words, nobody else writes there, nobody reads yet.
    unsafe {
        at.ptr::<Header>().write(header);
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), at.add(size_of::<Header>()).ptr(), len);
    }
    state.next += words;
    (state.last, state.len) = (id as u32, frames.len());
    state.frames[..frames.len()].copy_from_slice(frames);
    Some(id as u32)
}

/// The stack that has the most outermost frames of `frames`, as a header names it, and how many: fewer than all.
fn base_of(state: &State, frames: &[usize]) -> (u32, usize) {
    let last = &state.frames[..state.len];
    let pairs = frames[1..].iter().rev().zip(last.iter().rev());
    let shared = pairs.take_while(|(one, other)| one == other).count();
    if shared < SHARED {
        return (0, 0);
    }
    // One whose own frames are asked for.
    let mut id = state.last;
    while let Some((header, _)) = stored(id) {
        if (header.shared as usize) < shared {
            let depth = header.depth() + 1;
            return if depth < CHAIN { (id | (depth as u32) << STACK_BITS, shared) } else { (0, 0) };
        }
        id = header.base();
    }
    (0, 0)
}

/// A table of twice the size with the stacks of `old`, published.
fn grow(critical: &Critical, old: Option<&Table>) -> Option<&'static Table> {
    let size = old.map_or(FIRST_TABLE, |t| t.slots.len() * 2);
    let slots = metadata::alloc(critical, size * size_of::<AtomicU64>(), PAGE_SIZE)?;
    let at = metadata::alloc(critical, size_of::<Table>(), align_of::<Table>())?;
    // SAFETY: fresh zeroed memory of these sizes; all zero is an empty slot.
    let new = unsafe {
        let slots = core::slice::from_raw_parts(slots.ptr::<AtomicU64>(), size);
        at.ptr::<Table>().write(Table { mask: size - 1, slots });
        &*at.ptr::<Table>()
    };
    let mut frames = [0; MAX_FRAMES];
    let ids = old.map_or(&[][..], |t| t.slots).iter().map(|slot| slot.load(Ordering::Relaxed) as u32 & ID);
    for id in ids.filter(|&id| id != 0) {
        let (frames, overlay) = get(id, &mut frames);
        let hash = hash_of(frames, modules::key_of(overlay));
        if let Err(at) = find(new, hash) {
            new.publish(at, hash, id);
        }
    }
    TABLE.store(at.0, Ordering::Release);
    if let Some(old) = old {
        // SAFETY: whole pages of the old slots, which nobody writes to any more; who reads there finds them empty.
        let _ = unsafe { vm::advise(Addr::of(old.slots), size_of_val(old.slots), libc::MADV_DONTNEED) };
    }
    Some(new)
}
const _: () = assert!((FIRST_TABLE * size_of::<AtomicU64>()).is_multiple_of(PAGE_SIZE));

/// Differences, sign folded into the lowest bit, seven bits a byte; from the outermost frame on, whose caller is `before`. The mark of an exact address moves
/// to the lowest bit, where it costs one bit instead of ten bytes.
fn encode(frames: &[usize], before: usize, out: &mut [u8; MAX_FRAMES * 10]) -> usize {
    let (mut before, mut len) = (before.rotate_left(1), 0);
    for &frame in frames.iter().rev() {
        let turned = frame.rotate_left(1);
        let difference = turned.wrapping_sub(before) as isize;
        before = turned;
        let mut rest = (difference << 1 ^ difference >> 63) as usize;
        while rest >= 0x80 {
            out[len] = rest as u8 | 0x80;
            (rest, len) = (rest >> 7, len + 1);
        }
        out[len] = rest as u8;
        len += 1;
    }
    len
}

/// The next difference of turned addresses.
fn decode(bytes: &mut &[u8]) -> Option<usize> {
    let (mut value, mut shift) = (0usize, 0);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= ((byte & 0x7f) as usize) << shift;
        shift += 7;
        if byte < 0x80 || shift >= 64 {
            return Some(value >> 1 ^ (value & 1).wrapping_neg());
        }
    }
}
const _: () = assert!(EXACT.rotate_left(1) == 1);

#[cfg(test)]
mod tests;

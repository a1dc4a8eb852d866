//! Every distinct call stack, stored once. An object of the heap carries its number.
//!
//! # Shape
//! A hash table of pairs (64-bit hash, id), open addressing, at most 5/8 full; an id is the place of
//! the stack in 64 KiB chunks of metadata memory, counted in words of 16 bytes, so that it has 24 bits. A stored stack is
//! the overlay of modules it was seen under, and its addresses as differences to
//! the address before, in variable-length bytes: about 90 bytes for 28 frames instead of 224.
//!
//! [`known`] reads one cache line of the table, mostly, and takes no lock: the hash *is*
//! the comparison. Two of a million stacks are mistaken for each other with a chance of 1 in
//! 30 million; comparing 28 words each time was rejected, it buys nothing that a user could notice.
//! A new stack is stored under a lock. The table doubles by copying; the old one is left where
//! it is for readers still in it, so that all of them together are twice the last.
//!
//! Locks: rank `Depot`, taken inside; then `Unwind` and `Metadata`. Never called while the
//! caller holds a lock. Bound: 4,095 chunks (256 MiB); beyond it, and without memory, a stack is 0.
//!
//! # Safety
//! Tables, chunks and stored stacks are written before the word that publishes them and are never moved
//! or freed.
#![allow(unsafe_code)]
use super::modules;
use super::unwind::EXACT;
use crate::ground::critical::{self, Critical};
use crate::ground::lock::{Lock, Rank};
use crate::heap::stacks::STACK_BITS;
use crate::pages::metadata;
use crate::pure::addr::Addr;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// The longest stack that is stored; what is below it in the stack is cut off.
pub const MAX_FRAMES: usize = 256;

const CHUNK: usize = 64 << 10;
const WORD: usize = 16;
const CHUNK_WORDS: usize = CHUNK / WORD;
const MAX_CHUNKS: usize = 4095;
/// The largest stored stack: ten bytes hold any difference.
const MAX_STORED: usize = size_of::<Header>() + MAX_FRAMES * 10;
const FIRST_TABLE: usize = 1024;
const _: () = assert!(MAX_STORED < CHUNK && CHUNK_WORDS * MAX_CHUNKS < 1 << STACK_BITS);

/// What precedes the bytes of a stored stack.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    overlay: u32,
    frames: u16,
    bytes: u16,
}

/// A power of two of slots.
struct Table {
    mask: usize,
    slots: &'static [Slot],
}

/// A stack's place in the table; the hash, which is 0 where there is none, is written last.
struct Slot {
    hash: AtomicU64,
    id: AtomicU32,
}

impl Slot {
    fn publish(&self, hash: u64, id: u32) {
        self.id.store(id, Ordering::Relaxed);
        self.hash.store(hash, Ordering::Release);
    }
}

pub(super) struct State {
    stored: usize,
    /// The next free word, as an id would give it; 0 before the first.
    next: usize,
}

static TABLE: AtomicUsize = AtomicUsize::new(0);
static CHUNKS: [AtomicUsize; MAX_CHUNKS] = [const { AtomicUsize::new(0) }; MAX_CHUNKS];
static STATE: Lock<State> = Lock::new(Rank::Depot, State { stored: 0, next: 0 });

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
    let Some(header) = header_of(id) else { return (&[], 0) };
    // SAFETY: a valid id's header is followed by that many bytes.
    let mut bytes = unsafe {
        let at = Addr::of(header).add(size_of::<Header>()).ptr::<u8>();
        core::slice::from_raw_parts(at, header.bytes as usize)
    };
    let (mut before, mut len) = (0usize, 0);
    while let Some(difference) = decode(&mut bytes)
        && len < out.len()
    {
        before = before.wrapping_add(difference);
        out[len] = before.rotate_right(1);
        len += 1;
    }
    (&out[..len], header.overlay)
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

fn header_of(id: u32) -> Option<&'static Header> {
    let (chunk, word) = (id as usize / CHUNK_WORDS, id as usize % CHUNK_WORDS);
    let base = CHUNKS.get(chunk)?.load(Ordering::Acquire);
    if id == 0 || base == 0 {
        return None;
    }
    // SAFETY: ids come from `store`, which wrote a header there before it published the id.
    Some(unsafe { &*Addr(base + word * WORD).ptr::<Header>() })
}

/// The id of `hash`, or the empty slot where it belongs.
#[inline]
fn find(table: &Table, hash: u64) -> Result<u32, usize> {
    let mut at = hash as usize & table.mask;
    loop {
        let slot = &table.slots[at];
        match slot.hash.load(Ordering::Acquire) {
            0 => return Err(at),
            same if same == hash => return Ok(slot.id.load(Ordering::Relaxed)),
            _ => at = (at + 1) & table.mask,
        }
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

/// Never 0.
#[inline(always)]
fn hash_of_sum(sum: u64, frames: usize, key: u64) -> u64 {
    let mixed = (sum ^ key ^ frames as u64).wrapping_mul(K);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(K);
    mixed ^ mixed >> 29 | 1
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
    table.slots[slot].publish(hash, id);
    state.stored += 1;
    Some(id)
}

/// Bumps the next stack into the current chunk, or into a new one.
fn write(critical: &Critical, state: &mut State, frames: &[usize], overlay: u32) -> Option<u32> {
    let mut bytes = [0u8; MAX_FRAMES * 10];
    let len = encode(frames, &mut bytes);
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
    let header = Header { overlay, frames: frames.len() as u16, bytes: len as u16 };
    // SAFETY: the chunk has room for these words, nobody else writes there, nobody reads yet.
    unsafe {
        at.ptr::<Header>().write(header);
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), at.add(size_of::<Header>()).ptr(), len);
    }
    state.next += words;
    Some(id as u32)
}

/// A table of twice the size with the contents of `old`, published.
fn grow(critical: &Critical, old: Option<&Table>) -> Option<&'static Table> {
    let size = old.map_or(FIRST_TABLE, |t| t.slots.len() * 2);
    let slots = metadata::alloc(critical, size * size_of::<Slot>(), align_of::<Slot>())?;
    let at = metadata::alloc(critical, size_of::<Table>(), align_of::<Table>())?;
    // SAFETY: fresh zeroed memory of these sizes; all zero is an empty slot.
    let new = unsafe {
        let slots = core::slice::from_raw_parts(slots.ptr::<Slot>(), size);
        at.ptr::<Table>().write(Table { mask: size - 1, slots });
        &*at.ptr::<Table>()
    };
    for slot in old.map_or(&[][..], |t| t.slots) {
        let hash = slot.hash.load(Ordering::Relaxed);
        if hash != 0
            && let Err(at) = find(new, hash)
        {
            new.slots[at].publish(hash, slot.id.load(Ordering::Relaxed));
        }
    }
    TABLE.store(at.0, Ordering::Release);
    Some(new)
}

/// Differences, sign folded into the lowest bit, seven bits a byte. The mark of an exact address moves
/// to the lowest bit, where it costs one bit instead of ten bytes.
fn encode(frames: &[usize], out: &mut [u8; MAX_FRAMES * 10]) -> usize {
    let (mut before, mut len) = (0usize, 0);
    for &frame in frames {
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

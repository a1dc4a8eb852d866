//! Places that a thread comes back to: the number of the stack there, without a walk.
//!
//! # Shape
//! A program allocates at the same few dozen places again and again, whose callers are the same but for the innermost ones. So
//! beside the one last walk (`walked`) stand [`Leaf`]s, found by the state in which the program called us: the words that
//! a walk from there went by until it met a frame of the last walk, that frame, and the depot's number. If these words are what they were,
//! and those of the frames from the one that it met to the outermost, a walk would go the same way: the stack is the same, and nothing
//! is walked or looked up. A frame is known by its serial: who takes its place has another.
//!
//! Rejected: several last walks side by side; each would have to be compared from its outermost frame on.
//!
//! # Safety
//! As in `memo`: what a leaf reads lies above the stack pointer of the walk that made it, on the thread's own stack, and it is asked by walks
//! that begin there only.
#![allow(unsafe_code)]
use super::chains::State;
use super::read;

/// Any word that a walk went by: where it lies, and what it was.
#[derive(Clone, Copy)]
pub struct Word {
    pub at: usize,
    pub is: usize,
}

impl Word {
    /// # Safety
    /// It lies on the thread's own stack, above the stack pointer.
    #[inline(always)]
    unsafe fn difference(&self) -> usize {
        // SAFETY: the caller's promise.
        unsafe { read(self.at) ^ self.is }
    }
}

/// Whether all of them are what they were: one branch for eight, so that it is foreseen.
///
/// # Safety
/// They lie on the thread's own stack, above the stack pointer.
#[inline(always)]
pub unsafe fn are_same(words: &[Word]) -> bool {
    let (groups, rest) = words.as_chunks::<8>();
    // SAFETY: the caller's promise.
    let differ = |words: &[Word]| words.iter().fold(0, |all, word| all | unsafe { word.difference() }) != 0;
    for group in groups {
        if differ(group) {
            return false;
        }
    }
    !differ(rest)
}

/// The most words that a leaf has.
const WORDS: usize = 9;
const LEAVES: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Leaf {
    pc: usize,
    sp: usize,
    /// What rbp was, if `needs_bp`.
    bp: usize,
    met: Met,
    id: u32,
    /// In the whole stack.
    frames: u16,
    len: u8,
    needs_bp: bool,
    words: [Word; WORDS],
}
const _: () = assert!(size_of::<Leaf>() == 192);

/// A frame of the last walk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// Never 0.
    pub serial: u64,
    /// How many frames lie further out.
    pub at: u16,
}

/// What a leaf says of a stack whose outer frames are as they were.
#[derive(Clone, Copy)]
pub struct Known {
    pub met: Met,
    pub id: u32,
    pub frames: u16,
}

/// What a walk went by, of the frames that it met none of.
pub struct Way<'a> {
    /// Return addresses, without the innermost frame's.
    pub frames: &'a [Word],
    pub others: &'a [Word],
    /// What rbp was where the walk began, if it went by it.
    pub bp: Option<usize>,
}

/// All zero at first: no walk begins at 0, and no frame has the serial 0.
pub struct Leaves([Leaf; LEAVES]);

impl Leaves {
    #[inline(always)]
    fn place(state: &State) -> usize {
        let mixed = (state.pc ^ state.sp.rotate_left(17)).wrapping_mul(0x9fb2_1c65_1e98_df25);
        mixed >> (usize::BITS - LEAVES.ilog2())
    }

    /// The leaf of a walk that begins at `state`, if the words are what they were between there and the frame that it met.
    #[inline(always)]
    pub fn get(&self, state: &State) -> Option<Known> {
        let leaf = &self.0[Leaves::place(state)];
        if leaf.pc != state.pc || leaf.sp != state.sp || leaf.needs_bp && leaf.bp != state.bp() {
            return None;
        }
        let words = leaf.words.get(..leaf.len as usize)?;
        // SAFETY: the walk that made the leaf was there, and began where this one does.
        let same = words.iter().all(|word| unsafe { word.difference() } == 0);
        same.then_some(Known { met: leaf.met, id: leaf.id, frames: leaf.frames })
    }

    /// Remembers the way of a walk from `state` to a frame that it met, if it is short.
    pub fn put(&mut self, state: &State, known: Known, way: &Way<'_>) {
        let len = way.frames.len() + way.others.len();
        let leaf = &mut self.0[Leaves::place(state)];
        let Some(words) = leaf.words.get_mut(..len) else { return };
        words.iter_mut().zip(way.frames.iter().chain(way.others)).for_each(|(place, word)| *place = *word);
        (leaf.pc, leaf.sp, leaf.len) = (state.pc, state.sp, len as u8);
        (leaf.needs_bp, leaf.bp) = (way.bp.is_some(), way.bp.unwrap_or(0));
        (leaf.met, leaf.id, leaf.frames) = (known.met, known.id, known.frames);
    }

    /// The modules are others, with which the depot's numbers mean something else, or the stack is another one, which may end below the words: none is read any more.
    pub fn forget(&mut self) {
        self.0.iter_mut().for_each(|leaf| (leaf.pc, leaf.met.serial) = (0, 0));
    }
}

#[cfg(test)]
mod tests;

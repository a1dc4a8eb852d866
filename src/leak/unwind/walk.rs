//! The walk itself: one tight loop for the usual frames, cold steps for the rest.
//!
//! The loop carries the code address, rsp and rbp only. Where a frame needs another register
//! (`Kind::Full`, rare) the stack is walked again from its start with all of them.
use super::rules::{Key, Kind, Site};
use super::{
    Bounds, CACHE, CODE_LIMIT, EXACT, FRAME_RBP, FRAME_RIP, FRAME_RSP, GENERATION, OWN_LEN, OWN_LO,
    Registers, SAVED_AT_RBP, Start, bounds, dwarf, find, rule_of,
};
use core::sync::atomic::Ordering;

/// What becomes of gleaner's own frames at the top of a stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Top {
    SkipOwn,
    Keep,
}

/// A handler on an alternate stack, interrupted by one on another: more is not followed.
const MAX_STACKS: usize = 4;

/// One frame in the making.
#[derive(Clone, Copy)]
struct Frame {
    pc: usize,
    sp: usize,
    bp: usize,
    site: Site,
}

/// How a cold step ended.
enum Next {
    Frame(Frame),
    End,
    /// Walk again with all registers.
    Again,
}

/// The frames as they are found.
struct Sink<'a> {
    out: &'a mut [usize],
    len: usize,
}

enum Room {
    Left,
    Full,
}

impl Sink<'_> {
    #[inline(always)]
    fn push(&mut self, pc: usize, site: Site) -> Room {
        let Some(slot) = self.out.get_mut(self.len) else { return Room::Full };
        *slot = if matches!(site, Site::Exact) { pc | EXACT } else { pc };
        self.len += 1;
        if self.len == self.out.len() { Room::Full } else { Room::Left }
    }
}

pub fn walk(start: &Start, bounds: Bounds, out: &mut [usize], top: Top) -> usize {
    let mut sink = Sink { out, len: 0 };
    if !fast(start, bounds, &mut sink, top) {
        sink.len = 0;
        full(start, bounds, &mut sink, top);
    }
    sink.len
}

/// Whether `pc` is a frame of gleaner's own, to be left out at the top.
#[inline(always)]
fn is_own(pc: usize, top: Top) -> bool {
    let (lo, len) = (OWN_LO.load(Ordering::Relaxed), OWN_LEN.load(Ordering::Relaxed));
    top == Top::SkipOwn && pc.wrapping_sub(lo) < len
}

#[inline(always)]
fn is_code(pc: usize) -> bool {
    pc.wrapping_sub(1) < CODE_LIMIT - 1
}

/// Returns false if the stack needs the full walk.
fn fast(start: &Start, mut bounds: Bounds, sink: &mut Sink<'_>, top: Top) -> bool {
    let generation = GENERATION.load(Ordering::Acquire);
    let mut frame = Frame { pc: start.rip, sp: start.rsp, bp: start.rbp, site: Site::Exact };
    let mut stacks = 1;
    loop {
        if !is_code(frame.pc) {
            return true;
        }
        let left_out = sink.len == 0 && is_own(frame.pc, top);
        if !left_out && let Room::Full = sink.push(frame.pc, frame.site) {
            return true;
        }
        if let Ran::ToTheEnd = usual_frames(&mut frame, generation, &bounds, sink, top) {
            return true;
        }
        // Not in the cache, or not usual.
        match slowly(&frame, generation, &mut bounds, &mut stacks) {
            Next::Frame(next) => frame = next,
            Next::End => return true,
            Next::Again => return false,
        }
    }
}

enum Ran {
    /// The stack or the room for it ends here.
    ToTheEnd,
    /// The frame it stopped at, which was put out already, needs another way.
    Aside,
}

/// Goes up from `frame` as long as frames are usual and their rules cached.
///
/// The chain of dependent loads is rule, return address, rule, ...: all else, the checks and rbp,
/// runs beside it. So the state is kept in plain locals, which stay in registers; returning each
/// frame through an enum made the loop twice as slow.
#[inline(always)]
fn usual_frames(frame: &mut Frame, generation: u64, bounds: &Bounds, sink: &mut Sink<'_>, top: Top) -> Ran {
    let (mut pc, mut sp, mut bp) = (frame.pc, frame.sp, frame.bp);
    let mut key = Key::new(pc, frame.site, generation);
    let bounds = *bounds;
    loop {
        let (rule, is) = CACHE.probe(key);
        let kind = rule.kind_number();
        if !is || kind.wrapping_sub(Kind::Rsp as u8) > 1 {
            let site = if pc == frame.pc && sp == frame.sp { frame.site } else { Site::Return };
            *frame = Frame { pc, sp, bp, site };
            return Ran::Aside;
        }
        let base = core::hint::select_unpredictable(kind == Kind::Rbp as u8, bp, sp);
        let cfa = base.wrapping_add(rule.offset());
        if cfa <= sp {
            return Ran::ToTheEnd;
        }
        let Some(caller) = bounds.read(cfa.wrapping_sub(8)) else { return Ran::ToTheEnd };
        if rule.rbp_words() != 0 {
            let Some(saved) = bounds.read(cfa.wrapping_sub(rule.rbp_words() * 8)) else {
                return Ran::ToTheEnd;
            };
            bp = saved;
        }
        (pc, sp) = (caller, cfa);
        key = Key::new(pc, Site::Return, generation);
        if !is_code(pc) {
            return Ran::ToTheEnd;
        }
        if sink.len == 0 && is_own(pc, top) {
            continue;
        }
        if let Room::Full = sink.push(pc, Site::Return) {
            return Ran::ToTheEnd;
        }
    }
}

/// One step from a frame that is not in the cache, or not usual.
#[cold]
#[inline(never)]
fn slowly(frame: &Frame, generation: u64, bounds: &mut Bounds, stacks: &mut usize) -> Next {
    let rule = rule_of(frame.pc, frame.site, generation);
    let (offset, rbp_words) = (rule.offset(), rule.rbp_words());
    let next = match rule.kind() {
        Kind::Rsp => usual(frame.sp.wrapping_add(offset), rbp_words, frame, bounds),
        Kind::Rbp => usual(frame.bp.wrapping_add(offset), rbp_words, frame, bounds),
        Kind::AtRbp => aligned(offset, rbp_words, frame, bounds),
        Kind::Signal => interrupted(frame, bounds, stacks),
        Kind::FramePointer => by_frame_pointer(frame, bounds),
        Kind::Full => return Next::Again,
        Kind::None | Kind::End => None,
    };
    next.map_or(Next::End, Next::Frame)
}

/// The caller of `frame`, whose CFA is given: the return address below it, rbp where it was saved.
#[inline(always)]
fn usual(cfa: usize, rbp_words: usize, frame: &Frame, bounds: &Bounds) -> Option<Frame> {
    if cfa <= frame.sp {
        return None;
    }
    let pc = bounds.read(cfa.wrapping_sub(8))?;
    let bp = if rbp_words == 0 { frame.bp } else { bounds.read(cfa.wrapping_sub(rbp_words * 8))? };
    Some(Frame { pc, sp: cfa, bp, site: Site::Return })
}

/// A function that aligned its stack: the CFA was saved near rbp.
fn aligned(offset: usize, rbp_words: usize, frame: &Frame, bounds: &Bounds) -> Option<Frame> {
    let cfa = bounds.read(frame.bp.wrapping_add(offset))?;
    if rbp_words != SAVED_AT_RBP as usize {
        return usual(cfa, rbp_words, frame, bounds);
    }
    let bp = bounds.read(frame.bp)?;
    Some(Frame { bp, ..usual(cfa, 0, frame, bounds)? })
}

/// The program as a signal interrupted it; it may have run on another stack.
fn interrupted(frame: &Frame, bounds: &mut Bounds, stacks: &mut usize) -> Option<Frame> {
    let saved = |offset: usize| bounds.read(frame.sp.wrapping_add(offset));
    let (pc, sp, bp) = (saved(FRAME_RIP)?, saved(FRAME_RSP)?, saved(FRAME_RBP)?);
    follow(frame.sp, sp, bounds, stacks)?;
    Some(Frame { pc, sp, bp, site: Site::Exact })
}

/// Allows the step from one stack pointer to another: upwards on the same stack, or onto
/// another stack, which a signal's frame may do a few times.
fn follow(from: usize, to: usize, bounds: &mut Bounds, stacks: &mut usize) -> Option<()> {
    if to > from && to < bounds.hi {
        return Some(());
    }
    *stacks += 1;
    if *stacks > MAX_STACKS {
        return None;
    }
    *bounds = bounds::asked(to)?;
    Some(())
}

/// Code without tables: perhaps it keeps a frame pointer. Believed only if what it yields is code.
fn by_frame_pointer(frame: &Frame, bounds: &Bounds) -> Option<Frame> {
    if frame.bp < frame.sp {
        return None;
    }
    let pc = bounds.read(frame.bp.wrapping_add(8))?;
    let bp = bounds.read(frame.bp)?;
    let call = pc.wrapping_sub(1);
    find::object(call).filter(|object| object.image.executes(call))?;
    Some(Frame { pc, sp: frame.bp.wrapping_add(16), bp, site: Site::Return })
}

/// The walk with all registers, by the tables alone: microseconds a frame, for stacks that hold
/// hand-written assembly.
#[cold]
#[inline(never)]
fn full(start: &Start, bounds: Bounds, sink: &mut Sink<'_>, top: Top) {
    let mut walk = Full::begin(start, bounds);
    loop {
        if !is_code(walk.registers.rip) {
            return;
        }
        let left_out = sink.len == 0 && is_own(walk.registers.rip, top);
        if !left_out && let Room::Full = sink.push(walk.registers.rip, walk.site) {
            return;
        }
        if walk.up().is_none() {
            return;
        }
    }
}

/// See [`super::frame_below`].
#[cold]
#[inline(never)]
pub fn frame_below(start: &Start, bounds: Bounds, slot: usize) -> Option<Start> {
    let mut walk = Full::begin(start, bounds);
    loop {
        let frame = walk.registers;
        walk.up()?;
        if walk.registers.get(dwarf::RSP)? == slot + 8 {
            return frame.start();
        }
        if !is_code(walk.registers.rip) || walk.registers.get(dwarf::RSP)? > slot {
            return None;
        }
    }
}

struct Full {
    registers: Registers,
    site: Site,
    stacks: usize,
    bounds: Bounds,
}
impl Full {
    fn begin(start: &Start, bounds: Bounds) -> Full {
        Full { registers: Registers::of(start), site: Site::Exact, stacks: 1, bounds }
    }
    /// One frame up.
    fn up(&mut self) -> Option<()> {
        let sp = self.registers.get(dwarf::RSP)?;
        (self.registers, self.site) = match dwarf::step(&self.registers, self.site, &mut self.bounds) {
            dwarf::Step::To(to, next) => {
                let caller_sp = to.get(dwarf::RSP)?;
                match next {
                    Site::Exact => follow(sp, caller_sp, &mut self.bounds, &mut self.stacks)?,
                    Site::Return => (caller_sp > sp && caller_sp <= self.bounds.hi).then_some(())?,
                }
                (to, next)
            }
            dwarf::Step::NoTables => without_tables(&self.registers, sp, &mut self.bounds, &mut self.stacks)?,
            dwarf::Step::End => return None,
        };
        Some(())
    }
}

/// One step where the full walk found no table.
fn without_tables(
    registers: &Registers,
    sp: usize,
    bounds: &mut Bounds,
    stacks: &mut usize,
) -> Option<(Registers, Site)> {
    let frame = Frame { pc: registers.rip, sp, bp: registers.get(dwarf::RBP)?, site: Site::Return };
    let next = match dwarf::rule(frame.pc, frame.site)?.kind() {
        Kind::Signal => interrupted(&frame, bounds, stacks)?,
        Kind::FramePointer => by_frame_pointer(&frame, bounds)?,
        _ => return None,
    };
    let mut to = Registers { known: 0, ..*registers };
    to.rip = next.pc;
    to.set(dwarf::RSP, next.sp);
    to.set(dwarf::RBP, next.bp);
    Some((to, next.site))
}

#[cfg(test)]
pub fn fully(start: &Start, bounds: Bounds, out: &mut [usize]) -> usize {
    let mut sink = Sink { out, len: 0 };
    full(start, bounds, &mut sink, Top::Keep);
    sink.len
}

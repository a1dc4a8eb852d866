//! The loaded objects that stacks lead through, remembered from first sight to exit, so that a
//! frame of an unloaded plug-in still has its name.
//!
//! # Shape
//! An append-only list of up to 4,096 [`Module`]s in metadata memory. A module is noted when a
//! *new* stack leads through it ([`note`], called by the depot), so a program without
//! new call sites pays nothing; that it is still the same module is checked then, too. A module that is unloaded is marked dead ([`refresh`], after dlclose; or its
//! place is found taken by another one) and keeps its entry; loaded again at the same place it is
//! revived.
//!
//! # Overlays: one address, several modules
//! A stack is a list of addresses, and an address means another function once a module has
//! replaced a dead one. The set of dead modules at a moment is an *overlay*; its key goes into
//! the hash of every stack and its number into the stored stack. So a stack stored under one
//! overlay is never mistaken for one of another, and [`resolve`] knows which module was meant:
//! the first-noted one at that address that was not dead then. A plug-in that comes and goes makes
//! two overlays, however often it does. Rejected: a generation that grows with each unload (such
//! a plug-in would fill the depot), and storing (module, offset) pairs (28 look-ups on every
//! allocation).
//!
//! In the record, modules that share addresses are moved to addresses of their own
//! ([`report_address`]), so that the reader needs to know nothing of this.
//!
//! Lock: rank `Unwind`, taken inside; the depot's may be held. Reading the list takes none.
//!
//! # Safety
//! Entries are written before the count that admits them is stored (Release) and are never
//! moved or freed; the mutable state of a module is atomic.
#![allow(unsafe_code)]
use super::elf::BuildId;
use super::unwind::{self, EXACT, find};
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};
use crate::pages::metadata;
use crate::pure::addr::Addr;
use crate::sys::path::Path;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

pub const MAX_MODULES: usize = 4096;
pub const MAX_OVERLAYS: usize = 1024;

/// One object, loaded now or once.
pub struct Module {
    pub start: usize,
    pub end: usize,
    pub bias: usize,
    pub build_id: BuildId,
    path: &'static [u8],
    /// The loader's record of it, now: another one when it was loaded again.
    link_map: AtomicUsize,
    dead: AtomicBool,
    /// Another module was seen at some of the same addresses.
    shares: AtomicBool,
}

impl Module {
    pub fn path(&self) -> &'static [u8] {
        self.path
    }
    pub fn is_loaded(&self) -> bool {
        !self.dead.load(Ordering::Acquire)
    }
    fn holds(&self, pc: usize) -> bool {
        (self.start..self.end).contains(&pc)
    }
}

/// The dead modules of a moment.
struct Overlay {
    key: u64,
    dead: &'static [u16],
}

pub(super) struct State {
    overlays: usize,
}

static MODULES: [AtomicUsize; MAX_MODULES] = [const { AtomicUsize::new(0) }; MAX_MODULES];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Overlay 0, nothing dead, is implied.
static OVERLAYS: [AtomicUsize; MAX_OVERLAYS] = [const { AtomicUsize::new(0) }; MAX_OVERLAYS];
static CURRENT: AtomicU32 = AtomicU32::new(0);
static STATE: Lock<State> = Lock::new(Rank::Unwind, State { overlays: 1 });

/// For fork's hooks.
pub(super) fn lock() -> &'static Lock<State> {
    &STATE
}

/// The number of modules noted so far.
pub fn count() -> usize {
    COUNT.load(Ordering::Acquire)
}

/// Module number `index`.
pub fn get(index: usize) -> Option<&'static Module> {
    if index >= count() {
        return None;
    }
    // SAFETY: admitted by the count, so fully written; never freed.
    Some(unsafe { &*Addr(MODULES[index].load(Ordering::Acquire)).ptr::<Module>() })
}

fn all() -> impl Iterator<Item = (usize, &'static Module)> {
    (0..count()).filter_map(|index| Some((index, get(index)?)))
}

/// The overlay of this moment, and what it adds to the hash of a stack. Hot: two loads.
#[inline(always)]
pub fn overlay() -> (u32, u64) {
    let current = CURRENT.load(Ordering::Acquire);
    (current, if current == 0 { 0 } else { overlay_at(current).map_or(0, |o| o.key) })
}

/// What an overlay adds to the hash of a stack.
pub fn key_of(overlay: u32) -> u64 {
    overlay_at(overlay).map_or(0, |overlay| overlay.key)
}

fn overlay_at(number: u32) -> Option<&'static Overlay> {
    let at = OVERLAYS.get(number as usize)?.load(Ordering::Acquire);
    // SAFETY: non-zero entries are overlays in metadata memory, written before they were stored.
    (at != 0).then(|| unsafe { &*Addr(at).ptr::<Overlay>() })
}

/// Makes sure that the modules of a new stack are noted. The caller's stack leads through them,
/// so they stay loaded meanwhile.
pub fn note(critical: &Critical, frames: &[usize]) {
    let mut last: Option<&Module> = None;
    for frame in frames {
        let pc = call_of(*frame);
        if last.is_some_and(|m| m.holds(pc) && m.is_loaded()) {
            continue;
        }
        let known = all().map(|(_, m)| m).find(|m| m.holds(pc) && m.is_loaded());
        last = known.filter(|m| is_still(m, pc)).or_else(|| add(critical, pc));
    }
}

/// The byte that belongs to the call for a return address, the very byte for an exact one.
fn call_of(frame: usize) -> usize {
    if frame & EXACT != 0 { frame & !EXACT } else { frame.wrapping_sub(1) }
}

/// Whether the module at `pc` is the one that was noted there: libc unloads its own plug-ins
/// without a call that we see, and the next one may take the place, down to the `link_map`.
fn is_still(module: &Module, pc: usize) -> bool {
    let Some(object) = find::object(pc) else { return false };
    let image = object.image;
    let link_map = module.link_map.load(Ordering::Relaxed);
    if (module.start, module.end, module.bias, link_map)
        != (image.start, image.end, image.bias, object.link_map)
    {
        return false;
    }
    let build_id = image.build_id();
    if build_id.len > 0 || module.build_id.len > 0 {
        return build_id == module.build_id;
    }
    let mut path = Path::new();
    find::path_of(&object, &mut path);
    path.as_bytes() == module.path
}

#[cold]
fn add(critical: &Critical, pc: usize) -> Option<&'static Module> {
    let object = find::object(pc)?;
    let mut path = Path::new();
    find::path_of(&object, &mut path);
    let (image, build_id) = (object.image, object.image.build_id());
    let mut state = STATE.lock(critical);
    let overlapping = || all().filter(|(_, m)| m.start < image.end && image.start < m.end);
    // Whoever else is thought to live there does not any more: nobody told us.
    let same = |m: &Module| {
        (m.start, m.end, m.bias) == (image.start, image.end, image.bias)
            && m.build_id == build_id
            && m.path == path.as_bytes()
    };
    let mut replaced = false;
    for (_, module) in overlapping().filter(|(_, m)| !same(m)) {
        module.shares.store(true, Ordering::Relaxed);
        replaced |= !module.dead.swap(true, Ordering::AcqRel);
    }
    let revived = overlapping().find(|(_, m)| same(m)).map(|(_, m)| m);
    let module = match revived {
        Some(module) => {
            module.link_map.store(object.link_map, Ordering::Relaxed);
            replaced |= module.dead.swap(false, Ordering::AcqRel);
            module
        }
        None => {
            let shares = AtomicBool::new(overlapping().next().is_some());
            let path = keep(critical, path.as_bytes())?;
            let (start, end, bias) = (image.start, image.end, image.bias);
            let (link_map, dead) = (AtomicUsize::new(object.link_map), AtomicBool::new(false));
            push(critical, Module { start, end, bias, build_id, path, link_map, dead, shares })?
        }
    };
    if replaced {
        change_overlay(critical, &mut state);
    }
    Some(module)
}

fn push(critical: &Critical, module: Module) -> Option<&'static Module> {
    let index = COUNT.load(Ordering::Relaxed);
    let slot = MODULES.get(index)?;
    let at = metadata::alloc(critical, size_of::<Module>(), align_of::<Module>())?;
    // SAFETY: fresh memory of that size and alignment, ours alone until it is published below.
    let module = unsafe {
        at.ptr::<Module>().write(module);
        &*at.ptr::<Module>()
    };
    slot.store(at.0, Ordering::Release);
    COUNT.store(index + 1, Ordering::Release);
    Some(module)
}

/// A copy of `text` for ever.
fn keep(critical: &Critical, text: &[u8]) -> Option<&'static [u8]> {
    let at = metadata::alloc(critical, text.len(), 1)?;
    // SAFETY: fresh memory of that length, ours alone.
    Some(unsafe {
        core::ptr::copy_nonoverlapping(text.as_ptr(), at.ptr::<u8>(), text.len());
        core::slice::from_raw_parts(at.ptr::<u8>(), text.len())
    })
}

/// Looks which modules are gone. Called after the host's dlclose; nanoseconds a module.
pub fn refresh(critical: &Critical) {
    let mut state = STATE.lock(critical);
    let mut gone = false;
    for (_, module) in all().filter(|(_, m)| m.is_loaded()) {
        if !find::is_loaded(module.start, module.end, module.link_map.load(Ordering::Relaxed)) {
            module.dead.store(true, Ordering::Release);
            gone = true;
        }
    }
    if gone {
        change_overlay(critical, &mut state);
    }
}

/// The set of dead modules has changed: find or make its overlay, then forget unwind rules and known stacks. In this order: whoever sees the
/// new generation sees the new overlay, so that what is known by a generation needs no look at the overlay (`unwind::memo::walked`).
fn change_overlay(critical: &Critical, state: &mut State) {
    make_overlay(critical, state);
    unwind::modules_changed();
}

fn make_overlay(critical: &Critical, state: &mut State) {
    let dead = || all().filter(|(_, m)| !m.is_loaded()).map(|(index, _)| index as u16);
    if dead().next().is_none() {
        return CURRENT.store(0, Ordering::Release);
    }
    let key = dead().fold(0u64, |key, index| key ^ mix(index as u64 + 1));
    let known = (1..state.overlays as u32).find(|&n| overlay_at(n).is_some_and(|o| o.key == key));
    let number = known.or_else(|| {
        let slot = OVERLAYS.get(state.overlays)?;
        let list = metadata::alloc(critical, dead().count() * 2, 2)?;
        let at = metadata::alloc(critical, size_of::<Overlay>(), align_of::<Overlay>())?;
        // SAFETY: two fresh pieces of memory of the right sizes, published only when written.
        unsafe {
            dead().enumerate().for_each(|(i, index)| list.ptr::<u16>().add(i).write(index));
            let dead = core::slice::from_raw_parts(list.ptr::<u16>(), dead().count());
            at.ptr::<Overlay>().write(Overlay { key, dead });
        }
        slot.store(at.0, Ordering::Release);
        state.overlays += 1;
        Some(state.overlays as u32 - 1)
    });
    // Out of overlays or memory: the old one stays, and names may be wrong where code was replaced.
    if let Some(number) = number {
        CURRENT.store(number, Ordering::Release);
    }
}

fn mix(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ n >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// The module that a frame of a stack stored under `overlay` lies in.
pub fn resolve(frame: usize, overlay: u32) -> Option<(usize, &'static Module)> {
    let pc = call_of(frame);
    let dead = overlay_at(overlay).map_or(&[][..], |o| o.dead);
    let held = || all().filter(|(_, m)| m.holds(pc));
    held().find(|(index, _)| !dead.contains(&(*index as u16))).or_else(|| held().last())
}

/// Where module number `index` is said to lie in the record: where it is or was, unless it shared
/// that place with another one.
pub fn report_start(index: usize, module: &Module) -> usize {
    const APART: usize = 1 << 60;
    if module.shares.load(Ordering::Relaxed) { APART | index << 44 } else { module.start }
}

/// A frame's address (without [`EXACT`]) as the record gives it.
pub fn report_address(frame: usize, overlay: u32) -> usize {
    let pc = frame & !EXACT;
    match resolve(frame, overlay) {
        Some((index, module)) => pc.wrapping_sub(module.start).wrapping_add(report_start(index, module)),
        None => pc,
    }
}

#[cfg(test)]
mod tests;

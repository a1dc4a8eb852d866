//! The program's own use of our signal.
//!
//! The kernel holds our handler and never blocks the signal; what the program installed, masked
//! or waits for is kept here and read back to it. A signal that is not a request of ours goes to
//! the program's handler, with the mask that its flags ask for; while the program blocks the
//! signal it is held back, one deep, as the kernel holds a standard signal.
//!
//! One that was sent to the process is offered to its other threads then ([`passing`](super::passing)).
//!
//! What differs from the kernel: a held one forgets its siginfo. A signalfd cannot be imitated: the signal
//! is given back to the program instead ([`handover`](super::handover)).
//!
//! # Safety
//! The program's handler is called as the kernel would call it.
#![allow(unsafe_code)]
use super::record::Thread;
use super::{blocking, passing, registry, rewind, signal_number, start};
use crate::sys::signal::{self, Frame, Info, Set};
use crate::sys::{process, tls};
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::*};

/// Bits of `tls::Block::signal`.
const BLOCKED: u32 = 1;
const HELD: u32 = 2;
const WAITED: u32 = 4;
/// A handler ran; see [`forget_runs`].
const RAN: u32 = 8;

/// What the program installed for our signal. `mask` has our signal's bit as the program set it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    pub handler: usize,
    pub flags: i32,
    pub mask: Set,
}

/// A sequence lock whose reader never waits long: it may be the writer's own signal handler.
struct Shared {
    version: AtomicU32,
    handler: AtomicUsize,
    flags: AtomicU32,
    mask: AtomicU64,
}
static VIEW: Shared = Shared {
    version: AtomicU32::new(0),
    handler: AtomicUsize::new(libc::SIG_DFL),
    flags: AtomicU32::new(0),
    mask: AtomicU64::new(0),
};

/// Signals in whose handlers' masks the program put ours: the kernel must not see that.
static IN_MASK_OF: AtomicU64 = AtomicU64::new(0);

pub fn view() -> View {
    let mut view = View { handler: 0, flags: 0, mask: Set::EMPTY };
    for _ in 0..100 {
        let before = VIEW.version.load(Acquire);
        view = View {
            handler: VIEW.handler.load(Acquire),
            flags: VIEW.flags.load(Acquire) as i32,
            mask: Set(VIEW.mask.load(Acquire)),
        };
        if before & 1 == 0 && VIEW.version.load(Acquire) == before {
            break;
        }
    }
    view
}

/// The program's sigaction on our signal.
pub fn set_view(new: View) {
    VIEW.version.fetch_add(1, AcqRel);
    VIEW.flags.store(new.flags as u32, Release);
    VIEW.mask.store(new.mask.0, Release);
    VIEW.handler.store(new.handler, Release);
    VIEW.version.fetch_add(1, AcqRel);
}

/// Remembers whether the program's handler mask for `signal` held ours; the mask for the kernel.
pub fn strip_handler_mask(signal: i32, mask: Set) -> Set {
    let (own, bit) = (signal_number(), Set::of(signal).0);
    if own != 0 && mask.has(own) {
        IN_MASK_OF.fetch_or(bit, Relaxed);
    } else {
        IN_MASK_OF.fetch_and(!bit, Relaxed);
    }
    strip(mask)
}
/// The handler mask as the program set it.
pub fn restore_handler_mask(in_mask: InMask, mask: Set) -> Set {
    if in_mask.0 { mask.with(signal_number()) } else { mask }
}
/// Whether a handler's mask held our signal, taken before it is changed.
#[derive(Clone, Copy)]
pub struct InMask(bool);
impl InMask {
    pub(super) fn is_set(self) -> bool {
        self.0
    }
}
pub fn in_mask_of(signal: i32) -> InMask {
    InMask(signal_number() != 0 && IN_MASK_OF.load(Relaxed) & Set::of(signal).0 != 0)
}

/// A set as the kernel may have it.
pub fn strip(set: Set) -> Set {
    match signal_number() {
        0 => set,
        own => set.without(own),
    }
}

fn bits() -> &'static AtomicU32 {
    &tls::block().signal
}

/// Whether the program believes that this thread blocks the signal.
pub fn is_blocked() -> bool {
    bits().load(Relaxed) & BLOCKED != 0
}
pub fn set_blocked(blocked: bool) {
    let cell = bits();
    let now = cell.load(Relaxed);
    cell.store(if blocked { now | BLOCKED } else { now & !BLOCKED }, Relaxed);
    if !blocked && (now & HELD != 0 || passing::take()) {
        cell.fetch_and(!HELD, Relaxed);
        let _ = process::tgkill(process::pid(), process::tid(), signal_number());
    }
}
/// From here on [`has_run`] tells whether the program's handler for our signal has run in this thread.
pub fn forget_runs() {
    bits().fetch_and(!RAN, Relaxed);
}
pub fn has_run() -> bool {
    bits().load(Relaxed) & RAN != 0
}
/// What sigpending adds.
pub fn is_held() -> bool {
    bits().load(Relaxed) & HELD != 0 || passing::is_waiting()
}

/// The mask that the program reads back.
pub fn with_block(set: Set) -> Set {
    match signal_number() {
        0 => set,
        own if is_blocked() => set.with(own),
        own => set.without(own),
    }
}

/// Applies a change of the mask to the program's bit; `set` is what the program passed.
pub fn change_block(how: i32, set: Set) {
    let own = signal_number();
    if own == 0 {
        return;
    }
    match (how, set.has(own)) {
        (libc::SIG_BLOCK, true) => set_blocked(true),
        (libc::SIG_UNBLOCK, true) => set_blocked(false),
        (libc::SIG_SETMASK, has) => set_blocked(has),
        _ => {}
    }
}

/// What the program believed of a signal that was ours.
pub(super) struct Was {
    pub blocked: bool,
    pub held: bool,
}
/// Another signal becomes ours; the program blocks that one or not.
pub(super) fn start_over(blocked: bool) -> Was {
    let was = bits().swap(if blocked { BLOCKED } else { 0 }, Relaxed);
    Was { blocked: was & BLOCKED != 0, held: was & HELD != 0 }
}

/// While it lives, a signal of the program's is taken by [`Waited::take`], not by its handler.
pub struct Waited(());
impl Waited {
    pub fn begin() -> Waited {
        bits().fetch_or(WAITED, Relaxed);
        Waited(())
    }
    /// Whether one has come.
    pub fn take(&self) -> bool {
        bits().fetch_and(!HELD, Relaxed) & HELD != 0 || passing::take()
    }
}
impl Drop for Waited {
    fn drop(&mut self) {
        bits().fetch_and(!WAITED, Relaxed);
    }
}

/// In the handler: what the program believes. A thread that starts learns in a moment what it blocks.
fn bits_of(me: Option<&Thread>) -> u32 {
    let starts = me.is_none() && start::is_any_under_way();
    bits().load(Relaxed) | if starts { BLOCKED } else { 0 }
}

/// In the handler: a signal that is not ours.
pub(super) fn deliver(me: Option<&Thread>, signal: i32, info: *mut Info, frame: &mut Frame) {
    let now = bits_of(me);
    // SAFETY: the kernel's, for the length of this call.
    if now & (BLOCKED | WAITED) == BLOCKED && passing::offer(signal, unsafe { &*info }) {
        rewind::repair(frame, me);
        return;
    }
    if now & (BLOCKED | WAITED) != 0 {
        bits().fetch_or(HELD, Relaxed);
        if now & WAITED == 0 {
            rewind::repair(frame, me);
        }
        return;
    }
    let view = view();
    match view.handler {
        libc::SIG_DFL if !is_ignored_by_default(signal) => die_of(signal),
        libc::SIG_DFL | libc::SIG_IGN => rewind::repair(frame, me),
        _ => run(view, me, signal, info, frame),
    }
}

/// In the handler: a signal to the process that another thread blocks.
pub(super) fn offered(me: Option<&Thread>, signal: i32, info: *mut Info, frame: &mut Frame) {
    if bits_of(me) & (BLOCKED | WAITED) == BLOCKED || !passing::take() {
        rewind::repair(frame, me);
        return;
    }
    // As if kill had sent it here.
    // SAFETY: the kernel's, for the length of this call.
    unsafe { (*info).code = libc::SI_USER };
    deliver(me, signal, info, frame);
}

fn is_ignored_by_default(signal: i32) -> bool {
    matches!(signal, libc::SIGURG | libc::SIGCHLD | libc::SIGWINCH | libc::SIGCONT)
}

/// The default action of a signal that ends the process.
fn die_of(signal: i32) {
    signal::reset(signal);
    signal::mask(libc::SIG_UNBLOCK, Set::of(signal));
    let _ = process::tgkill(registry::pid(), process::tid(), signal);
}

fn run(view: View, me: Option<&Thread>, signal: i32, info: *mut Info, frame: &mut Frame) {
    if view.flags & libc::SA_RESETHAND != 0 {
        set_view(View { handler: libc::SIG_DFL, ..view });
    }
    if let Some(me) = me {
        blocking::run_again(me);
        rewind::interrupted(view.flags & libc::SA_RESTART != 0, frame, me);
    }
    if view.flags & libc::SA_RESTART == 0 {
        rewind::refuse_restart(frame);
    }
    bits().fetch_or(RAN, Relaxed);
    let blocked = is_blocked();
    set_blocked(view.flags & libc::SA_NODEFER == 0 || view.mask.has(signal));
    let mask = Set(frame.mask.0 | view.mask.0).without(signal);
    signal::mask(libc::SIG_SETMASK, mask);
    // SAFETY: the program installed it for this signal. Three arguments are passed to handlers
    // of one as well: the ABI lets them be.
    unsafe {
        let handler: unsafe extern "C" fn(i32, *mut Info, *mut Frame) = core::mem::transmute(view.handler);
        handler(signal, info, frame);
    }
    signal::mask(libc::SIG_SETMASK, Set::FULL);
    frame.mask = frame.mask.without(signal);
    set_blocked(blocked);
}

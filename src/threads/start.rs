//! A thread between `pthread_create` and its registration.
//!
//! Its function and argument are nowhere but in libc's descriptor and here, so the argument is a
//! root until the thread has attached. Its id is noted by the thread as its very first deed:
//! from then on it waits for the registry's lock before it runs any code of the program, so the
//! collector may count it as stopped.
//!
//! # Safety
//! Cells belong to the holder of the registry's lock; records are never unmapped.
#![allow(unsafe_code)]
use super::{attach, host, registry};
use crate::ground::critical::{self, Critical};
use crate::pages::metadata;
use crate::sys::process;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering};

pub struct Start {
    /// The thread's id, once it runs.
    pub(super) tid: AtomicI32,
    function: AtomicUsize,
    argument: AtomicUsize,
    /// The program brought the stack along.
    stack_given: AtomicBool,
    /// What the new thread's signal mask is, as the program sees it.
    blocks_signal: AtomicBool,
    pub(super) next: Cell<Option<&'static Start>>,
}
// SAFETY: `next` is touched under the registry's lock only.
unsafe impl Sync for Start {}

/// Threads that do not know yet whether the program blocks our signal in them.
static STARTING: AtomicU32 = AtomicU32::new(0);

/// Whether a thread without a record may be one of these.
pub(super) fn is_any_under_way() -> bool {
    STARTING.load(Ordering::Relaxed) != 0
}
/// In the child of a fork.
pub(super) fn reset() {
    STARTING.store(0, Ordering::Relaxed);
}

/// What the new thread has to run.
#[derive(Clone, Copy)]
pub struct Begun {
    pub function: usize,
    pub argument: usize,
}

/// Notes a thread that is about to be created. `None`: no memory. The caller stays in the
/// critical section until libc has created the thread: a creator stopped half-way would hold
/// locks that the new thread waits for with every signal blocked.
pub fn announce(
    function: usize,
    argument: usize,
    stack_given: bool,
    blocks_signal: bool,
) -> Option<(&'static Start, Critical)> {
    let critical = registry::hold(registry::lock());
    // SAFETY: held by the line above, released below.
    let registry = unsafe { &mut *registry::lock().as_ptr() };
    let start = registry.free_starts.or_else(|| new_start(&critical));
    if let Some(start) = start {
        if registry.free_starts.is_some() {
            registry.free_starts = start.next.take();
        }
        start.tid.store(0, Ordering::Relaxed);
        start.function.store(function, Ordering::Relaxed);
        start.argument.store(argument, Ordering::Relaxed);
        start.stack_given.store(stack_given, Ordering::Relaxed);
        start.blocks_signal.store(blocks_signal, Ordering::Relaxed);
        STARTING.fetch_add(1, Ordering::Relaxed);
        start.next.set(registry.starts.replace(start));
        // From now on: the thread may collect while its maker sits in the next blocking call.
        registry.judge();
    }
    // SAFETY: held above.
    unsafe { registry::lock().release() };
    start.map(|start| (start, critical))
}

/// The thread was not created after all.
pub fn withdraw(start: &'static Start, critical: Critical) {
    drop(critical);
    STARTING.fetch_sub(1, Ordering::Relaxed);
    let _critical = registry::hold(registry::lock());
    // SAFETY: held by the line above.
    unsafe {
        let registry = &mut *registry::lock().as_ptr();
        unlink(registry, start);
        registry.judge();
        registry::lock().release();
    }
}

/// In the new thread, before anything else: registers it and takes what it has to run. On
/// return the program's code may run.
pub fn begin(start: &'static Start) -> Begun {
    start.tid.store(process::tid(), Ordering::Release);
    host::set_blocked(start.blocks_signal.load(Ordering::Relaxed));
    STARTING.fetch_sub(1, Ordering::Relaxed);
    let given = start.stack_given.load(Ordering::Relaxed);
    let critical = critical::enter();
    let begun = Begun {
        function: start.function.load(Ordering::Relaxed),
        argument: start.argument.load(Ordering::Relaxed),
    };
    attach::enlist_current(&critical, given, &mut |registry| unlink(registry, start));
    begun
}

/// Waits until every thread that was created has entered itself, 200 ms at most. Outside of critical
/// sections.
pub fn wait_for_all() {
    let give_up = process::now_ns() + 200_000_000;
    loop {
        let critical = registry::hold(registry::lock());
        // SAFETY: held by the line above.
        let waits = unsafe { (*registry::lock().as_ptr()).starts.is_some() };
        // SAFETY: as above.
        unsafe { registry::lock().release() };
        drop(critical);
        if !waits || process::now_ns() > give_up {
            return;
        }
        process::yield_now();
    }
}

fn unlink(registry: &mut registry::Registry, start: &'static Start) {
    let (mut before, mut at): (Option<&'static Start>, _) = (None, registry.starts);
    while let Some(s) = at.filter(|s| !core::ptr::eq(*s, start)) {
        before = Some(s);
        at = s.next.get();
    }
    if at.is_none() {
        return;
    }
    match before {
        Some(b) => b.next.set(start.next.get()),
        None => registry.starts = start.next.get(),
    }
    start.argument.store(0, Ordering::Relaxed);
    start.next.set(registry.free_starts.replace(start));
}

/// The list from its head.
pub(super) fn for_each(head: Option<&'static Start>, f: &mut dyn FnMut(&'static Start)) {
    let mut at = head;
    while let Some(start) = at {
        f(start);
        at = start.next.get();
    }
}

impl Start {
    /// The program's argument: a root.
    pub fn argument(&self) -> usize {
        self.argument.load(Ordering::Relaxed)
    }
}

fn new_start(critical: &Critical) -> Option<&'static Start> {
    let at: *mut Start = metadata::alloc(critical, size_of::<Start>(), align_of::<Start>())?.ptr();
    // SAFETY: fresh memory of the right size and alignment, ours for ever.
    unsafe {
        at.write(Start {
            tid: AtomicI32::new(0),
            function: AtomicUsize::new(0),
            argument: AtomicUsize::new(0),
            stack_given: AtomicBool::new(false),
            blocks_signal: AtomicBool::new(false),
            next: Cell::new(None),
        });
        Some(&*at)
    }
}

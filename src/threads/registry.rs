//! Who is there: the records of all threads, by id, under one lock.
//!
//! The lock is held while the world is stopped; that alone freezes the beginning and the end of
//! threads. So nobody may wait for it where the collector waits for *him*:
//! - a registered thread takes it with [`hold`], which waits outside critical sections, where
//!   the stop signal can reach it;
//! - a thread that is not registered yet waits as a guest (`guests`), visible to the collector;
//! - the collector itself gives up if a stop is on already.
//!
//! 256 buckets by id: a stop looks each id of the kernel's list up, and n² compares would be
//! 10 ms for 3,000 threads.
//!
//! # Safety
//! The `next` cells of records are touched by the holder of the lock only; records are never
//! unmapped, so `&'static` holds.
#![allow(unsafe_code)]
use super::record::{Link, StackKind, Thread};
use super::start::Start;
use super::{WORLD, blocking, stacks::DeadStacks, state};
use crate::ground::critical::{self, Critical};
use crate::ground::lock::{Guard, Lock, Rank};
use crate::pages::metadata;
use crate::sys::sandbox::{self, Need};
use crate::sys::{futex, process, signal};
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};

// SAFETY: the cell belongs to the holder of the registry's lock.
unsafe impl Sync for Link {}

const BUCKETS: usize = 256;

pub(super) struct Registry {
    buckets: [Option<&'static Thread>; BUCKETS],
    free: Option<&'static Thread>,
    pub live: usize,
    pub dead_stacks: DeadStacks,
    /// Threads that were asked for and have not attached yet.
    pub starts: Option<&'static Start>,
    pub free_starts: Option<&'static Start>,
}

static REGISTRY: Lock<Registry> = Lock::new(
    Rank::Threads,
    Registry {
        buckets: [None; BUCKETS],
        free: None,
        live: 0,
        dead_stacks: DeadStacks::new(),
        starts: None,
        free_starts: None,
    },
);

/// The process that the registry speaks of. A vfork child runs on this memory with another id.
static PID: AtomicI32 = AtomicI32::new(0);

pub(super) fn lock() -> &'static Lock<Registry> {
    &REGISTRY
}

/// The process's id as of start-up or the last fork.
pub fn pid() -> i32 {
    match PID.load(Ordering::Relaxed) {
        0 => {
            let pid = process::pid();
            PID.store(pid, Ordering::Relaxed);
            pid
        }
        pid => pid,
    }
}
pub(super) fn set_pid(pid: i32) {
    PID.store(pid, Ordering::Relaxed);
}

/// Takes `lock` (the registry's, or one of a lower rank) without ever waiting inside a critical
/// section of this function's. The caller must not be in one either, or a stop that another
/// thread asks for meanwhile will be abandoned at its deadline.
/// The lock is then held without a guard; give it back with `release`.
pub fn hold<T>(lock: &Lock<T>) -> Critical {
    let mut tries = 0u32;
    let mut waiting = None;
    loop {
        let critical = critical::enter();
        if lock.try_lock(&critical).map(core::mem::forget).is_some() {
            return critical;
        }
        drop(critical);
        if core::ptr::addr_eq(lock, &REGISTRY) {
            waiting.get_or_insert_with(Waiting::begin);
        }
        pause(&mut tries);
    }
}

/// Threads can be stopped from now on.
pub(super) fn count_again() {
    let _critical = hold(&REGISTRY);
    // SAFETY: held by the line above.
    unsafe {
        (*REGISTRY.as_ptr()).judge();
        REGISTRY.release();
    }
}

/// Threads that wait in [`hold`] or to attach. A collector that stops the world again and again
/// would starve them, since they only try: it lets them pass first ([`let_pass`]).
static WAITING: AtomicU32 = AtomicU32::new(0);

pub(super) struct Waiting(());
impl Waiting {
    pub fn begin() -> Waiting {
        WAITING.fetch_add(1, Ordering::Relaxed);
        Waiting(())
    }
}
impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The collector, before it takes the lock: gives those who wait for it 2 ms to have it.
pub(super) fn let_pass() {
    let begun = process::now_ns();
    while WAITING.load(Ordering::Relaxed) != 0 && process::now_ns() - begun < 2_000_000 {
        process::yield_now();
    }
}
/// In the child of a fork nobody waits.
pub(super) fn nobody_waits() {
    WAITING.store(0, Ordering::Relaxed);
}

/// Waits a little for the lock's holder: until the stop ends, if there is one.
pub(super) fn pause(tries: &mut u32) {
    let epoch = WORLD.load(Ordering::Acquire);
    *tries += 1;
    if state::is_stop(epoch) {
        let _ = futex::wait(&WORLD, epoch, Some(10_000_000));
    } else if *tries < 100 {
        core::hint::spin_loop();
    } else {
        // Not by yielding: to a thread of a higher priority that gives the holder nothing.
        process::sleep_ns(20_000);
    }
}

impl Registry {
    /// A record for `tid`, listed, its word DEAD.
    pub fn enlist(&mut self, critical: &Critical, tid: i32) -> Option<&'static Thread> {
        if let Some(old) = self.find(tid) {
            // The kernel gave the id of a thread that is gone to this one.
            self.bury(old);
        }
        let record = match self.free {
            Some(record) => {
                self.free = record.next.0.take();
                record
            }
            None => new_record(critical)?,
        };
        record.tid.store(tid, Ordering::Relaxed);
        record.signalled.store(0, Ordering::Relaxed);
        record.exiting.store(0, Ordering::Relaxed);
        record.publish(0, 0);
        record.timing.reset();
        record.rewound[0].store(0, Ordering::Relaxed);
        record.lent.store(0, Ordering::Relaxed);
        record.joins.store(0, Ordering::Relaxed);
        record.masked.store(0, Ordering::Relaxed);
        record.joined.store(0, Ordering::SeqCst);
        let bucket = &mut self.buckets[tid as usize % BUCKETS];
        record.next.0.set(bucket.take());
        *bucket = Some(record);
        self.live += 1;
        self.judge();
        Some(record)
    }
    /// Whether there is, or will be, another thread that can stop this one.
    pub fn judge(&self) {
        let several = self.live > 1 || self.starts.is_some();
        let stops = super::signal_number() != 0 && !sandbox::forbids(Need::Collect);
        blocking::set_active(several && stops);
    }
    pub fn find(&self, tid: i32) -> Option<&'static Thread> {
        let mut at = self.buckets[tid as usize % BUCKETS];
        while let Some(record) = at {
            if record.tid.load(Ordering::Relaxed) == tid {
                return Some(record);
            }
            at = record.next.0.get();
        }
        None
    }
    /// Takes a thread that the kernel knows no more off the list; its stack may be a dead one.
    pub fn bury(&mut self, record: &'static Thread) {
        let tid = record.tid.load(Ordering::Relaxed);
        let bucket = tid as usize % BUCKETS;
        let (mut before, mut at): (Option<&'static Thread>, _) = (None, self.buckets[bucket]);
        while let Some(r) = at.filter(|r| !core::ptr::eq(*r, record)) {
            before = Some(r);
            at = r.next.0.get();
        }
        if at.is_none() {
            return;
        }
        let after = record.next.0.take();
        match before {
            Some(b) => b.next.0.set(after),
            None => self.buckets[bucket] = after,
        }
        record.word.kill();
        record.tid.store(0, Ordering::Relaxed);
        if record.stack_kind() == StackKind::Libc {
            self.dead_stacks.add(record.stack().0, record.tcb.load(Ordering::Relaxed));
        }
        record.next.0.set(self.free);
        self.free = Some(record);
        self.live -= 1;
    }
    pub fn for_each(&self, f: &mut dyn FnMut(&'static Thread)) {
        for bucket in &self.buckets {
            let mut at = *bucket;
            while let Some(record) = at {
                // `f` may not unlink; `bury` is for `sweep`.
                at = record.next.0.get();
                f(record);
            }
        }
    }
    /// In the child of a fork: nobody is left but `me`, under its new id.
    pub fn keep_only(&mut self, me: Option<&'static Thread>, tid: i32) {
        for i in 0..BUCKETS {
            let mut at = self.buckets[i];
            while let Some(record) = at {
                at = record.next.0.get();
                self.bury_unless(record, me);
            }
        }
        while let Some(start) = self.starts {
            self.starts = start.next.get();
            start.next.set(self.free_starts.replace(start));
        }
        self.buckets = [None; BUCKETS];
        self.live = 0;
        if let Some(me) = me {
            me.tid.store(tid, Ordering::Relaxed);
            me.signalled.store(0, Ordering::Relaxed);
            me.joins.store(0, Ordering::Relaxed);
            me.joined.store(0, Ordering::SeqCst);
            me.next.0.set(None);
            me.word.revive();
            self.buckets[tid as usize % BUCKETS] = Some(me);
            self.live = 1;
        }
        blocking::set_active(false);
    }
    fn bury_unless(&mut self, record: &'static Thread, me: Option<&'static Thread>) {
        if !me.is_some_and(|me| core::ptr::eq(me, record)) {
            self.bury(record);
        }
    }
    /// Buries exiting threads that are gone.
    pub fn sweep(&mut self) {
        let pid = pid();
        for i in 0..BUCKETS {
            let mut at = self.buckets[i];
            while let Some(record) = at {
                at = record.next.0.get();
                if record.is_exiting() && !signal::exists(pid, record.tid.load(Ordering::Relaxed)) {
                    self.bury(record);
                }
            }
        }
    }
}

fn new_record(critical: &Critical) -> Option<&'static Thread> {
    let at: *mut Thread = metadata::alloc(critical, size_of::<Thread>(), align_of::<Thread>())?.ptr();
    // SAFETY: fresh memory of the right size and alignment, ours for ever.
    unsafe {
        at.write(Thread::new());
        Some(&*at)
    }
}

pub(super) type Held<'a> = Guard<'a, Registry>;

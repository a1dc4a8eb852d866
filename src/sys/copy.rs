//! A copy of this process as it is now, for some work of ours, while the process itself goes on.
//!
//! ```text
//!  process ──clone(VM|VFORK|FILES)──► in between ──clone()──► copy: entry, work, end
//!     │ waits for its end, reaps it        │ leaves all descriptors
//!     ▼ goes on                            ▼ ends
//! ```
//! The one in between is there so that
//! - the copy is nobody's child whom the program could wait for: it is an orphan, and the system's first process
//!   reaps it. (Where the program itself inherits orphans it is made its child by CLONE_PARENT, with exit signal 0:
//!   no SIGCHLD, and only waits with `__WALL` or `__WCLONE` see it. Then somebody has to [`super::child::reap`] it.)
//! - the copy has no descriptor of the program's, from its first instruction on: the other end of a connection that
//!   the program closes must learn of it, and an epoll forgets a file only with its last descriptor. The
//!   table is shared with the one in between until it leaves it: nothing is ever counted twice.
//!
//! # Whether it is still there
//! By a word in memory that both share, which is 0 when the work is done. It is the copy's
//! robust lock: when the copy dies of whatever, the kernel itself notes that in it.
//!
//! # Safety
//! Both processes run on stacks given for that, and end by exit_group. The one in between makes raw system calls on
//! words of the plan only; its parent sleeps meanwhile. All signals are blocked from before the first clone, in
//! the copy for ever. The copy's memory is its own: what it does there harms nobody.
#![allow(unsafe_code)]
use super::child;
use super::file::Fd;
use super::process;
use super::raw::{Errno, check, syscall2, syscall4};
use super::sandbox::{self, Need};
use super::signal::{self, Set};
use crate::pure::addr::Addr;
use core::cell::UnsafeCell;
use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicIsize, AtomicPtr, AtomicU32, AtomicUsize, Ordering::*,
};

/// A debugger that follows the program's children does not follow these.
const UNTRACED: i32 = libc::CLONE_UNTRACED;
/// The copy is being made.
const STARTING: u32 = libc::FUTEX_TID_MASK;

/// What is needed.
pub struct Order<'a> {
    /// Ends of two unused stacks: a page for the process in between, and the copy's.
    pub tops: (Addr, Addr),
    /// A descriptor that the copy keeps, or -1.
    pub keep: i32,
    /// In memory that the processes share.
    pub word: &'a AtomicU32,
}

/// The copy's number, as the process in between sees it, and whether it is a child of ours that must be reaped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Made {
    pub pid: i32,
    pub ours: bool,
}

struct Plan<'a, 'w> {
    order: &'a Order<'a>,
    ours: bool,
    made: AtomicIsize,
    work: UnsafeCell<&'a mut (dyn FnMut() + 'w)>,
}

/// The process that a copy speaks for; 0: this is none.
static ORIGINAL: AtomicI32 = AtomicI32::new(0);

/// Whether this process is such a copy.
pub fn is_copy() -> bool {
    ORIGINAL.load(Relaxed) != 0
}
/// The number of the process that reports are about.
pub fn told_pid() -> i32 {
    match ORIGINAL.load(Relaxed) {
        0 => process::pid(),
        original => original,
    }
}

/// Whether the work that `word` stands for is still being done by `pid`.
pub fn is_at_work(word: &AtomicU32, pid: i32) -> bool {
    let now = word.load(Acquire);
    now != 0 && now & libc::FUTEX_OWNER_DIED == 0 && signal::exists_process(pid)
}

/// Makes the copy, in which `work` is done. Comes back when it exists.
/// # Safety
/// The world is stopped. `work` makes raw system calls and takes no lock that another thread may hold.
pub unsafe fn make(order: &Order<'_>, work: &mut dyn FnMut()) -> Result<Made, Errno> {
    if sandbox::forbids(Need::Copy) {
        return Err(sandbox::REFUSED);
    }
    let ours = child::inherits_orphans();
    let original = process::pid();
    let plan = Plan { order, ours, made: AtomicIsize::new(0), work: UnsafeCell::new(work) };
    order.word.store(STARTING, Relaxed);
    let before = signal::mask(libc::SIG_SETMASK, Set(u64::MAX));
    ORIGINAL.store(original, Relaxed);
    let flags = UNTRACED | libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES;
    // SAFETY: see the chapter above.
    let between = unsafe { child::clone(flags, order.tops.0, between, &plan) };
    ORIGINAL.store(0, Relaxed);
    let result = check(between).and_then(|pid| {
        child::reap(pid as i32, 0);
        check(plan.made.load(Relaxed))
    });
    signal::mask(libc::SIG_SETMASK, before);
    came_to_be(order.word, result, ours)
}

/// What a process beside this one is made of. It shares the memory, so this stays.
struct Beside {
    word: AtomicPtr<AtomicU32>,
    work: AtomicPtr<()>,
    top: AtomicUsize,
    ours: AtomicBool,
    made: AtomicIsize,
}
static BESIDE: Beside = Beside {
    word: AtomicPtr::new(core::ptr::null_mut()),
    work: AtomicPtr::new(core::ptr::null_mut()),
    top: AtomicUsize::new(0),
    ours: AtomicBool::new(false),
    made: AtomicIsize::new(0),
};

/// Makes a process that shares this one's memory and nothing else, in which `work` is done. It comes to be as a copy does,
/// and is as nobody's child.
/// # Safety
/// The world is stopped. Both stacks, and `word`, stay until [`is_at_work`] says no. `work` makes raw system calls, takes no lock and touches
/// no thread-local storage, which is this thread's.
pub unsafe fn make_beside(order: &Order<'static>, work: fn()) -> Result<Made, Errno> {
    if sandbox::forbids(Need::Copy) || sandbox::forbids(Need::Tracked) {
        return Err(sandbox::REFUSED);
    }
    let ours = child::inherits_orphans();
    BESIDE.word.store(core::ptr::from_ref(order.word).cast_mut(), Relaxed);
    BESIDE.work.store(work as *mut (), Relaxed);
    BESIDE.top.store(order.tops.1.0, Relaxed);
    BESIDE.ours.store(ours, Relaxed);
    BESIDE.made.store(0, Relaxed);
    order.word.store(STARTING, Relaxed);
    let before = signal::mask(libc::SIG_SETMASK, Set(u64::MAX));
    let flags = UNTRACED | libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES;
    // SAFETY: see the chapter above.
    let between = unsafe { child::clone(flags, order.tops.0, between_beside, &BESIDE) };
    let result = check(between).and_then(|pid| {
        child::reap(pid as i32, 0);
        check(BESIDE.made.load(Relaxed))
    });
    signal::mask(libc::SIG_SETMASK, before);
    came_to_be(order.word, result, ours)
}

fn came_to_be(word: &AtomicU32, result: Result<usize, Errno>, ours: bool) -> Result<Made, Errno> {
    match result {
        Ok(pid) => {
            // It has done so itself, if it has come that far; it may even be done.
            let _ = word.compare_exchange(STARTING, pid as u32, AcqRel, Relaxed);
            Ok(Made { pid: pid as i32, ours })
        }
        Err(error) => {
            word.store(0, Relaxed);
            Err(error)
        }
    }
}

unsafe extern "C" fn between_beside(plan: &Beside) -> ! {
    // SAFETY: a table of its own; the process beside gets a stack of its own.
    unsafe {
        let made = match child::leave_descriptors(-1) {
            Ok(()) => {
                let flags = if plan.ours.load(Relaxed) { libc::CLONE_PARENT } else { 0 };
                let top = Addr(plan.top.load(Relaxed));
                child::clone(UNTRACED | libc::CLONE_VM | flags, top, begin_beside, &BESIDE)
            }
            Err(Errno(error)) => -error as isize,
        };
        plan.made.store(made, Relaxed);
    }
    process::exit_group(0)
}

unsafe extern "C" fn begin_beside(plan: &Beside) -> ! {
    // SAFETY: what `make_beside` was given; both stay.
    let (word, work) = unsafe {
        (&*plan.word.load(Relaxed), core::mem::transmute::<*mut (), fn()>(plan.work.load(Relaxed)))
    };
    as_lock(word, || {
        no_core();
        work();
    })
}

unsafe extern "C" fn between(plan: &Plan<'_, '_>) -> ! {
    // SAFETY: a table of its own; the copy gets a stack of its own and memory of its own.
    unsafe {
        let made = match child::leave_descriptors(plan.order.keep) {
            Ok(()) => {
                let flags = if plan.ours { libc::CLONE_PARENT } else { 0 };
                child::clone(UNTRACED | flags, plan.order.tops.1, begin, plan)
            }
            Err(Errno(error)) => -error as isize,
        };
        plan.made.store(made, Relaxed);
    }
    process::exit_group(0)
}

/// `struct robust_list_head`, and one lock in it.
#[repr(C)]
struct Robust {
    first: usize,
    offset: isize,
    pending: usize,
    lock: usize,
}

unsafe extern "C" fn begin(plan: &Plan<'_, '_>) -> ! {
    as_lock(plan.order.word, || {
        modest();
        // SAFETY: nobody else uses it: the process's only thread.
        unsafe { (*plan.work.get())() };
    })
}

/// Does `work` while `word` is this process's lock, and ends.
fn as_lock(word: &AtomicU32, work: impl FnOnce()) -> ! {
    let _ = word.compare_exchange(STARTING, process::tid() as u32, AcqRel, Relaxed);
    let mut robust = Robust { first: 0, offset: 0, pending: 0, lock: 0 };
    let (head, lock) = (&raw mut robust as usize, &raw const robust.lock as usize);
    robust = Robust { first: lock, offset: word.as_ptr() as isize - lock as isize, pending: 0, lock: head };
    // SAFETY: the list lives until the process ends: it leads from the head to the lock and back.
    unsafe { syscall2(libc::SYS_set_robust_list, head, core::mem::offset_of!(Robust, lock)) };
    work();
    core::hint::black_box(&robust);
    word.store(0, Release);
    process::exit_group(0)
}

/// Where memory is short the copy is the first to go, and it leaves no core behind.
fn modest() {
    if let Ok(file) = Fd::open(c"/proc/thread-self/oom_score_adj", libc::O_WRONLY, 0) {
        let _ = file.write_all(b"1000");
    }
    no_core();
}

fn no_core() {
    // Of one byte: no file, and no helper is started either.
    let limit = [1u64, 1];
    // SAFETY: the kernel reads two words.
    unsafe { syscall4(libc::SYS_prlimit64, 0, libc::RLIMIT_CORE as usize, limit.as_ptr() as usize, 0) };
}

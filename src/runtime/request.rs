//! `gleaner_collect`: the program asks for a collection, now.
//!
//! For tests, and for programs that know a quiet moment. In gc and audit mode it is a whole cycle; in leak mode the
//! world is stopped and marked, and nothing comes of it; in malloc mode there is nothing to call.
use super::cycle::{self, Held};
use super::world::{Gaps, OwnStack, Process};
use super::{collect, start};
use crate::gc::{self, Abandon};
use crate::ground::critical;
use crate::pure::options::Mode;
use crate::sys::sandbox::{self, Need};
use crate::sys::{errno, process, tls};
use crate::threads;
use core::ffi::c_int;
use core::sync::atomic::Ordering::Relaxed;

/// 0, or the reason why no collection took place, as an error number. errno stays. Waits for a cycle
/// that is under way: what the caller dropped before the call has been looked at when it returns.
pub fn collect() -> c_int {
    let _errno = errno::Saved::new();
    let mode = match possible() {
        Ok(mode) => mode,
        Err(why) => return why,
    };
    let result = match mode {
        Mode::Gc | Mode::Audit => collect::requested(),
        _ => cycle::enter().run(mark).unwrap_or(Err(Abandon::NoMemory)),
    };
    match result {
        Ok(()) => 0,
        Err(why) => number(why),
    }
}

/// The mode, if a cycle can be begun here and now.
pub(super) fn possible() -> Result<Mode, c_int> {
    start::process();
    let mode = start::options().mode;
    if mode == Mode::Malloc {
        return Err(libc::ENOSYS);
    }
    if sandbox::forbids(Need::Collect) {
        return Err(libc::EPERM);
    }
    // A handler that interrupted the allocator, a thread past its last destructor, vfork's child.
    let cannot = critical::depth() != 0 || tls::block().late.load(Relaxed) != 0;
    if cannot || process::pid() != threads::pid() {
        return Err(libc::EBUSY);
    }
    Ok(mode)
}

fn number(why: Abandon) -> c_int {
    match why {
        Abandon::Stop | Abandon::Other => libc::ETIMEDOUT,
        Abandon::Unreadable => libc::EFAULT,
        Abandon::NoMemory => libc::ENOMEM,
        Abandon::Forbidden => libc::EPERM,
        Abandon::NoProc => libc::ENOENT,
        Abandon::Kernel | Abandon::Ring | Abandon::Aio | Abandon::Hidden => libc::EINPROGRESS,
    }
}

/// Leak mode: what a check would do up to the marks.
fn mark(held: &mut Held, sp: usize) -> Result<(), Abandon> {
    let (critical, snapshot) = held.snapshot().ok_or(Abandon::NoMemory)?;
    let options = start::options();
    let deadline = process::now_ns() + options.deadline as u64 * 1_000_000;
    let stopped = threads::stop_world(critical, deadline)?;
    let mut host = Process::new(critical, &stopped, snapshot, OwnStack { sp }, Gaps::Told)?;
    let marked = gc::mark(critical, &mut host, &collect::settings())?;
    drop(host);
    drop(stopped);
    marked.end(critical);
    Ok(())
}

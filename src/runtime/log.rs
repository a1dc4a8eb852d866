//! Where reports and messages go: the option `log`.
use super::start;
use crate::ground::out;
use crate::sys::copy;
use crate::sys::file::{self, Fd};
use crate::sys::letter::another;
use crate::sys::sandbox::{self, Need};
use core::sync::atomic::{AtomicI32, Ordering};

/// What stderr was when the program began to end; 0: nothing yet.
static STDERR: AtomicI32 = AtomicI32::new(0);

/// Holds what stderr is now, until the process ends: it does so already. Where the log is not stderr nothing is held.
pub fn keep_stderr() {
    if start::options().log.is_empty()
        && STDERR.load(Ordering::Relaxed) == 0
        && let Some(copy) = another(2)
    {
        STDERR.store(copy.raw(), Ordering::Relaxed);
        core::mem::forget(copy);
    }
}

fn stderr() -> i32 {
    let kept = STDERR.load(Ordering::Relaxed);
    if kept == 0 || sandbox::forbids(Need::Collect) || file::is_open(2) { 2 } else { kept }
}

/// Calls `f` with a descriptor of the log, opened for the call; stderr if there is none, or it
/// cannot be opened (which is said there), or a sandbox may kill for opening it.
pub fn with(f: &mut dyn FnMut(i32)) {
    let path = &start::options().log;
    if path.is_empty() || sandbox::forbids(Need::Collect) {
        return f(stderr());
    }
    let mut room = [0u8; 4096];
    let opened = path
        .expand(copy::told_pid() as u32, &mut room)
        .and_then(|path| Fd::open(path, libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND, 0o600).ok());
    match opened {
        Some(fd) => f(fd.raw()),
        None => {
            out::say(2, format_args!("cannot write to log; using stderr"));
            f(2);
        }
    }
}

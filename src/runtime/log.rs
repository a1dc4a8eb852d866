//! Where reports and messages go: the option `log`.
use super::start;
use crate::ground::out;
use crate::sys::copy;
use crate::sys::file::Fd;
use crate::sys::sandbox::{self, Need};

/// Calls `f` with a descriptor of the log, opened for the call; stderr if there is none, or it
/// cannot be opened (which is said there), or a sandbox may kill for opening it.
pub fn with(f: &mut dyn FnMut(i32)) {
    let path = &start::options().log;
    if path.is_empty() || sandbox::forbids(Need::Collect) {
        return f(2);
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

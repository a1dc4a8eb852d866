//! What is tried before an allocation fails.
use super::{collect, info, log, start};
use crate::ground::{critical, out};
use crate::pages::limit;
use crate::sys::errno;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The limit was told of.
static TOLD: AtomicBool = AtomicBool::new(false);

/// There was no memory for `n` bytes. Address space may be what is short, or the limit be reached: free memory gives its own
/// back, then a collection finds some, and each time `attempt` is made again. Outside of critical sections.
pub fn again<T>(n: usize, attempt: impl Fn() -> Option<T>) -> Option<T> {
    let most = start::options().max_heap;
    let got = if most != 0 && n > most { None } else { try_again(attempt) };
    if limit::take_refused() && got.is_none() && !TOLD.swap(true, Relaxed) {
        let _errno = errno::Saved::new();
        let text = format_args!("the heap has reached max_heap={most}: no memory for {n} bytes");
        log::with(&mut |fd| out::say(fd, text));
    }
    got
}

fn try_again<T>(attempt: impl Fn() -> Option<T>) -> Option<T> {
    info::trim_all(&critical::enter());
    attempt().or_else(|| {
        if !collect::for_memory() {
            return None;
        }
        info::trim_all(&critical::enter());
        attempt()
    })
}

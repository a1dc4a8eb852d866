//! A handler is seen from within, and not before it.
use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

static END: AtomicUsize = AtomicUsize::new(0);
static SEEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn handler(_: libc::c_int) {
    let here = 0usize;
    // SAFETY: up to a frame of this thread's that raised the signal.
    let has = unsafe { has_frame(Addr::of(&here).0, END.load(Ordering::Relaxed)) };
    SEEN.store(1 + usize::from(has), Ordering::Relaxed);
}

/// With room for what earlier calls left over.
#[inline(never)]
fn raises(low: &[usize; 16]) -> bool {
    END.store(Addr::of(low).0, Ordering::Relaxed);
    // SAFETY: a handler that reads the stack.
    unsafe {
        libc::signal(libc::SIGUSR2, handler as *const () as libc::sighandler_t);
        libc::raise(libc::SIGUSR2);
    }
    SEEN.load(Ordering::Relaxed) == 2
}

#[test]
fn a_handlers_frame_is_seen() {
    std::thread::spawn(|| {
        let low = [0usize; 16];
        let here = 0usize;
        // SAFETY: this function's own frame.
        assert!(!unsafe { has_frame(Addr::of(&here).0.min(Addr::of(&low).0), Addr::of(&low).0 + 128) });
        assert!(raises(&low), "seen: {}", SEEN.load(Ordering::Relaxed));
    })
    .join()
    .unwrap();
}

//! What the program did wrong, in one line.
use crate::ground::fatal;
use crate::pure::addr::Addr;
use crate::spans::Span;
use crate::spans::span::kind;

/// A pointer that is inside one of our spans but cannot be freed.
#[cold]
pub fn invalid(call: &str, addr: Addr, span: &Span) -> ! {
    if span.kind() == kind::SLOTS {
        let index = span.index(addr);
        let slot = span.slot(index);
        if index < span.extended.get() && slot != addr {
            fatal::die(format_args!(
                "{call}: invalid pointer {addr:?}: {} bytes inside the {}-byte block at {slot:?}",
                addr.since(slot),
                span.size.get()
            ));
        }
    }
    fatal::die(format_args!("{call}: invalid pointer {addr:?}: no block was ever handed out there"))
}

#[cold]
pub fn double_free(call: &str, addr: Addr) -> ! {
    if call == "free" {
        fatal::die(format_args!("free: double free of {addr:?}"));
    }
    fatal::die(format_args!("{call}: block {addr:?} was freed already"))
}

/// The program hid its last pointer to the block through enough collections for it to be reclaimed.
#[cold]
pub fn reclaimed(call: &str, addr: Addr) -> ! {
    fatal::die(format_args!("{call}: block {addr:?} was unreachable and has been reclaimed"))
}

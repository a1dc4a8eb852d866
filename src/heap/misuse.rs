//! What the program did wrong, in one line.
use crate::ground::fatal;
use crate::pure::addr::Addr;
use crate::spans::span::kind;
use crate::spans::{Span, map};
use crate::sys::process;

/// A pointer that is inside one of our spans but cannot be freed.
#[cold]
pub fn invalid(call: &str, addr: Addr, span: &Span) -> ! {
    if span.kind() == kind::KEPT && span.base() == addr {
        double_free(call, addr);
    }
    if let Some(index) = span.slot_of(addr) {
        let slot = span.slot(index);
        if slot != addr {
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

/// A free block in a bin has `found` where its mark was.
#[cold]
pub fn written(block: Addr, found: Addr) -> ! {
    let size = map::lookup(block).map_or(0, |span| span.size.get());
    overwritten(block, size, found)
}

/// The bytes behind a block of `n` bytes are not as they were left.
#[cold]
pub fn overflow(call: &str, block: Addr, n: usize, offset: usize, found: u8) -> ! {
    fatal::die(format_args!(
        "{call}: the {n}-byte block at {block:?} was written past its end: byte {} behind it is {found:#04x} (thread {})",
        offset - n,
        process::tid()
    ))
}

/// So are the bytes in front of one.
#[cold]
pub fn underflow(call: &str, block: Addr, n: usize, distance: usize) -> ! {
    fatal::die(format_args!(
        "{call}: the {n}-byte block at {block:?} was written before its start: {distance} bytes before it (thread {})",
        process::tid()
    ))
}

/// A block of `n` bytes was freed, and is not zero any more.
#[cold]
pub fn written_after_free(block: Addr, n: usize, offset: usize, found: u8) -> ! {
    fatal::die(format_args!(
        "the {n}-byte block at {block:?} was written to after it was freed: byte {offset} is {found:#04x} (thread {})",
        process::tid()
    ))
}

/// A delete of `told` bytes.
#[cold]
pub fn other_size(block: Addr, n: usize, told: usize) -> ! {
    fatal::die(format_args!(
        "free: the {n}-byte block at {block:?} is freed as one of {told} bytes (thread {})",
        process::tid()
    ))
}

/// What a block is freed by does not fit what it came from.
#[cold]
pub fn other_call(block: Addr, n: usize, made: &str, freed: &str) -> ! {
    fatal::die(format_args!(
        "free: the {n}-byte block at {block:?} came from {made} and is freed as one from {freed} (thread {})",
        process::tid()
    ))
}

/// A free block of `size` bytes leads to `link`, which is no block of its span.
#[cold]
pub fn overwritten(block: Addr, size: usize, link: Addr) -> ! {
    fatal::die(format_args!(
        "malloc: the free {size}-byte block at {block:?} was overwritten (with {link:?}): \
         written to after free, or past the end of the block before it"
    ))
}

//! The `secure` levels.
use core::sync::atomic::{AtomicU8, Ordering};

static LEVEL: AtomicU8 = AtomicU8::new(0);

/// The level of this process.
#[inline(always)]
pub fn level() -> u8 {
    LEVEL.load(Ordering::Relaxed)
}

/// Sets the level, before the first object is handed out.
pub fn set_level(level: u8) {
    LEVEL.store(level, Ordering::Relaxed);
}

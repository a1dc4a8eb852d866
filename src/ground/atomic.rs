//! Atomics of files that a model checker runs, too: `tests/loom_marking.rs` has the checker's in this place.
pub use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

/// The checker runs this. It does not know that operations of SeqCst have one order, only that fences have.
pub const MODEL: bool = false;

//! L5: the allocator: caches of spans per thread, large objects, remote frees, realloc.
//!
//! **malloc** loads the thread's [`Cache`](cache::Cache), finds the [bin](bins) by size,
//! takes the newest slot. **free** goes address → [bin](crate::spans::plain), looks whether it may be, and puts the
//! slot there. Neither takes a lock, an atomic read-modify-write or a flag, and each
//! single store leaves the structures consistent, so a thread can be stopped at any instruction
//! ([`fast`]). Everything else is a slow path inside a critical section.
//!
//! The heap never calls the collector: it keeps [`live`] bytes, and the runtime looks at them.
//!
//! | request | served by |
//! |---|---|
//! | ≤ 1 KiB | table → bin, from spans of slots |
//! | ≤ 64 KiB | class by arithmetic → bin |
//! | ≤ 32 MiB | a freed one that was [`kept`], or pages of the page allocator, one span an object ([`large`]) |
//! | more | a mapping of its own; realloc moves it by mremap |
pub mod at_hand;
pub mod attached;
pub mod bins;
pub mod buried;
pub mod cache;
pub mod check;
pub mod cleared;
pub mod fast;
pub mod fork;
pub mod free_bits;
pub mod growing;
pub mod guarded;
pub mod kept;
pub mod large;
pub mod limbo;
pub mod live;
pub mod misuse;
pub mod purge;
pub mod quarantine;
pub mod release;
pub mod resize;
pub mod scopes;
pub mod secure;
pub mod shared;
pub mod slots;
pub mod special;
pub mod stacks;
#[cfg(test)]
pub(crate) mod tests;

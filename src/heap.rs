//! L5: the allocator: caches of spans per thread, large objects, remote frees, realloc.
//!
//! **malloc** loads the thread's [`Cache`](cache::Cache), indexes its direct table by size,
//! pops the span's free list. **free** goes address → [`Span`](crate::spans::Span), compares
//! the owner, pushes. Neither takes a lock, an atomic read-modify-write or a flag, and each
//! single store leaves the structures consistent, so a thread can be stopped at any instruction
//! ([`fast`]). Everything else is a slow path inside a critical section.
//!
//! The heap never calls the collector: it keeps [`live`] bytes, and the runtime looks at them.
//!
//! | request | served by |
//! |---|---|
//! | ≤ 1 KiB | direct table → span of slots |
//! | ≤ 64 KiB | class by arithmetic → span of slots |
//! | ≤ 32 MiB | a freed one that was [`kept`], or pages of the page allocator, one span an object ([`large`]) |
//! | more | a mapping of its own; realloc moves it by mremap |
pub mod attached;
pub mod cache;
pub mod check;
pub mod fast;
pub mod fork;
pub mod kept;
pub mod large;
pub mod limbo;
pub mod live;
pub mod misuse;
pub mod purge;
pub mod release;
pub mod resize;
pub mod scopes;
pub mod shared;
pub mod slots;
pub mod special;
pub mod stacks;
#[cfg(test)]
pub(crate) mod tests;

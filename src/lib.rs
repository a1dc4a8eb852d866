//! gleaner's core: an allocator that can *see*, in layers, without `std` and without `alloc`.
//!
//! The compiler thereby proves that the allocator never calls itself. A module uses only what
//! stands below it in this list (`tests/layers.rs` holds the order):
//!
//! ```text
//! L10 runtime   start-up, fork, "allocate, else collect, retry"; what preload/ calls
//! L9  leak      unreachable set → groups by call site; unwinding, stack depot, record format
//! L8  gc        phases, pacing, marking, limbo, checkmark
//! L7  roots     ELF data, stacks + registers, mappings
//! L6  threads   registry, per-thread state machine, the SIGURG stop → a WorldStopped token
//! L5  heap      thread caches, size-class pages, large objects, remote frees, realloc
//! L4  spans     size classes, span descriptors, address → span → object
//! L3  pages     summary-tree page allocator; ranges (B-tree of mappings); metadata arenas
//! L2  ground    ranked futex lock, critical sections, fixed-buffer output, the only abort
//! L1  sys       raw syscalls, vm, futex, signal, errno, TLS
//! L0  pure      addresses, bit sets, options table, counters
//! ```
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]

pub mod gc;
pub mod ground;
pub mod heap;
pub mod leak;
pub mod pages;
pub mod pure;
pub mod roots;
pub mod runtime;
pub mod spans;
pub mod sys;
pub mod threads;

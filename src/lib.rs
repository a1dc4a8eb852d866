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
//! L6  adopted   foreign ranges as objects of the graph, with cleanups
//! L6  threads   registry, per-thread state machine, the SIGURG stop → a WorldStopped token
//! L5  heap      thread caches, size-class pages, large objects, remote frees, realloc
//! L4  spans     size classes, span descriptors, address → span → object
//! L3  cleanups  functions that the program wants called when memory is dead, and their queue
//! L3  pages     summary-tree page allocator; ranges (B-tree of mappings); metadata arenas
//! L2  ground    ranked futex lock, critical sections, fixed-buffer output, the only abort
//! L1  sys       raw syscalls, vm, futex, signal, errno, TLS
//! L0  pure      addresses, bit sets, options table, counters
//! ```
//!
//! # The path of one malloc
//! `malloc` in preload/ is `runtime::memory::malloc`, inlined. One initial-exec TLS load gives
//! the thread's [`Cache`](heap::cache::Cache); its table, indexed by size, gives the
//! *bin* to take the newest free slot from. A
//! new thread's TLS word leads to an empty cache whose bins have no slots, so there is no test
//! for "first call". An empty bin leads to the slow path, a *critical section*: slots put aside, what the
//! thread's [`Span`](spans::Span) has free, slots freed by other
//! threads, untouched slots, another span of the cache, an abandoned span of an exited thread,
//! new pages. `free` goes from the address to the bin by a two-level table ([`spans::plain`]), looks whether that is where an allocated slot
//! begins, and puts it there, whosever it was. Whatever is special about a page (slots in limbo or watched, a large object, no
//! span at all) leads to a bin that takes nothing.
//!
//! # The path of one collection
//! A slow path sees that the live bytes have grown by enough. [`threads`] stops every thread
//! (at any instruction but inside critical sections, which end first), or gives up: then the cycle is
//! abandoned with a counted reason and nothing is freed. [`roots`] hands every word that the
//! program could hold a pointer in to [`gc`], which first derives from bits, lists and bins which slots are
//! allocated, then marks. What is allocated and unmarked goes to *limbo*; what was in limbo
//! already and is still unmarked is reclaimed, after the threads run again, by the same remote
//! free that another thread would use. In leak mode the unreachable objects are grouped by [`leak`]
//! and reported instead.
//!
//! # Glossary
//! *chunk* 512 pages, one bitmap. *summary* (start, max, end) free pages of a region. *span* a
//! run of pages cut into equal *slots*, or one large object. *class* a slot size. *bin* the newest free slots of a class
//! that a thread has at hand. *cache* the bins and spans of one thread. *remote free* a free by a thread that does not own the span. *abandoned* span:
//! its thread is gone. *late* thread: its TSD destructors ran. *critical section* code during
//! which a thread is not stopped. *safe instruction* one at which it may be. *root* memory from
//! which marking starts. *limbo* found unreachable, intact, not yet reclaimed. *resurrection*
//! the program used an object in limbo: it hides pointers. *abandoned cycle* something could not be
//! proven; nothing is freed.
//!
//! # Locks and signals
//! The order of locks is [`ground::lock::Rank`]. A lock is taken only inside a critical
//! section, so **a stopped thread holds no lock of ours**, and the collector may take them all.
//! The stop signal's handler takes no lock, allocates nothing and touches only its thread's record. The
//! fast paths of malloc and free are outside of critical sections and consistent at each
//! instruction (`heap::fast`). While threads are stopped: raw system calls only.
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]

pub mod adopted;
pub mod cleanups;
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

//! L1: the kernel and the few words of libc that we touch. No locks, no policy.
//!
//! Everything goes through raw system calls, because libc's functions are the very ones that
//! `preload/` replaces, set `errno`, or are cancellation points.
mod arguments;
pub mod cgroup;
pub mod child;
pub mod copy;
pub mod descriptors;
pub mod errno;
pub mod fdinfo;
pub mod file;
pub mod futex;
pub mod host;
pub mod letter;
pub mod lines;
pub mod mapping;
pub mod maps;
pub mod memory;
pub mod pagemap;
pub mod path;
pub mod pkeys;
pub mod process;
pub mod random;
pub mod raw;
pub mod sandbox;
pub mod signal;
pub mod smaps;
pub mod tasks;
pub mod timer;
pub mod tls;
pub mod tracking;
pub mod vm;

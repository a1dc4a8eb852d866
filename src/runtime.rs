//! L10: what preload/ calls: start-up, the malloc family with glibc's semantics, the ends.
//!
//! The first slow malloc of the process starts the heap ([`start::heap`]): options, the secret
//! key. That is before our constructor, in ld.so or in another library's constructor. What
//! needs dlsym (other allocators' free, pthread_create) comes with [`start::process`], run by
//! our constructor or by the first call that needs it.
pub mod adopted;
pub mod api;
pub mod asleep;
pub mod attached;
pub mod audit;
pub mod blocking;
pub mod check;
pub mod cleanups;
pub mod collect;
pub mod copies;
pub mod cycle;
pub mod early;
pub mod exec;
pub mod exit;
pub mod follow;
pub mod foreign;
pub mod fork;
mod holders;
pub mod info;
pub mod leaks;
pub mod log;
pub mod lost_mappings;
pub mod lsan;
pub mod mains;
pub mod mappings;
pub mod memory;
pub mod metrics;
pub mod nested;
pub mod next;
pub mod notices;
pub mod old_signals;
pub mod pins;
mod possible;
pub mod request;
pub mod sandbox;
pub mod shortage;
pub mod signals;
pub mod start;
pub mod stats;
pub mod telemetry;
pub mod threads;
pub mod trace;
pub mod world;

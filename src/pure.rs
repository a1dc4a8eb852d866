//! L0: what needs no operating system: addresses, bit sets, options, counters.
pub mod addr;
pub mod bpf;
pub mod options;

//! L2: what everything stands on: critical sections, ranked locks, output, the one abort.
pub mod atomic;
pub mod critical;
pub mod fatal;
pub mod lock;
pub mod out;

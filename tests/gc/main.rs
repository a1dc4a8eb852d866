//! The collector on the real heap of this process, with roots that the tests make up.
//!
//! Its own test program, because a cycle looks at the whole heap: what the other tests have there
//! would be garbage to it. (The test harness itself lives in libc's heap.) The tests take turns.
mod chance;
mod copied;
mod disguise;
mod fixture;
mod graphs;
mod hard_cases;
mod limbo;
mod lists;
mod threads;
mod tracked;

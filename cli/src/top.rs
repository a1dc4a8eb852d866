//! `gleaner top PID`: the memory of a running program by the places that allocated it, live.
//!
//! Every few seconds the program is asked for a check, as `gleaner check` asks; its record has the largest of the
//! living call stacks. A thread of ours asks and names, so that the keys answer at once. Only
//! stacks that were not seen before are named.
//!
//! ```text
//! asking    checks in a row, on a thread of its own
//! sites     what the checks said of each stack: sizes, rates, history
//! screen    what is drawn
//! keys      what a key does; the terminal, and how it is given back
//! lines     the same as lines, where there is no terminal
//! ```
use crate::Failure;
use crate::check::Asker;
use crate::failure::TROUBLE;
use crate::names::Places;
use std::io::IsTerminal;
use std::time::Duration;

mod asking;
pub mod grammar;
mod keys;
mod lines;
mod screen;
mod sites;
#[cfg(test)]
mod tests;

/// What was asked.
pub struct Order {
    pub pid: i32,
    pub signal: Option<i32>,
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// So many checks, as lines; else until the end, on a screen if there is one.
    pub checks: Option<u64>,
    /// So many sites are printed as lines.
    pub sites: usize,
    pub sort: sites::Sort,
    pub places: Places,
}
pub use sites::{Sort, rate, size};

pub fn top(order: &Order) -> Result<u8, Failure> {
    let fail = |text: String| Failure::new(TROUBLE, text);
    let asker = Asker::open(order.pid, order.signal).map_err(fail)?;
    // The first check before the screen is taken: what is wrong is told on an ordinary line.
    let mut reader = asking::Reader::new(asker, order);
    let first = reader.check().map_err(fail)?;
    let on_screen =
        order.checks.is_none() && std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if on_screen { keys::run(order, reader, first) } else { lines::run(order, reader, first) }
}

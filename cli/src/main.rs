//! The `gleaner` command: runs programs under `libgleaner.so`, turns the records that they leave
//! into reports with names, and tells what this machine offers.
//!
//! ```text
//! args      what may be written on the command line
//! check     ask a running program for a leak check
//! launch    run, leaks: find the program and the library, check both, exec
//! record    the text that the library hands over
//! names     address → function, file, line: ELF, DWARF, separate debug files
//! bench     allocators side by side, on our programs or the user's own
//! suppress  LeakSanitizer's and Valgrind's suppression files, read and written
//! report    record + names + suppressions → text and the formats of other tools
//! diff      two records: what is new, gone, grown
//! stat      the library's own figures in a running program
//! top       the places of a running program by what they have allocated, live
//! doctor    what kernel, libc and processor offer, and what is lost without
//! table     the option table for people, for README, for the manual
//! ```
//!
//! Every failure is a [`Failure`]: one line that says what is wrong and what to do, and an exit status.
#![cfg_attr(not(test), no_main)]
#![deny(unsafe_code)]

mod args;
mod bench;
mod check;
mod diff;
mod doctor;
mod failure;
mod launch;
mod names;
mod record;
mod report;
mod start;
mod stat;
mod suppress;
mod table;
mod top;

use failure::Failure;
use std::ffi::OsString;

/// Does what the command line says; the exit status.
fn gleaner(line: impl Iterator<Item = OsString>) -> u8 {
    let done = args::parse(line).and_then(|command| match command {
        args::Command::Told(text) => failure::print(&text).map(|()| 0),
        args::Command::Launch(order) => launch::launch(&order).map(|never| match never {}),
        args::Command::Check(order) => check::check(order),
        args::Command::Stat(order) => stat::stat(&order),
        args::Command::Top(order) => top::top(&order),
        args::Command::Report(order) => report::report(&order),
        args::Command::Diff(order, before) => diff::diff(&order, &before),
        args::Command::Suppress(order, dialect) => report::suppress(&order, dialect),
        args::Command::Options(form) => failure::print(&table::render(form)).map(|()| 0),
        args::Command::Bench(order) => bench::bench(&order),
        args::Command::Doctor => doctor::doctor(),
    });
    done.unwrap_or_else(|failure| {
        eprintln!("gleaner: {}", failure.text);
        failure.status
    })
}

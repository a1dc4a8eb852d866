//! The `gleaner` command from outside: what it prints, and with which status it ends.
mod audit;
mod bench;
mod compare;
mod launch;
mod manual;
mod report;

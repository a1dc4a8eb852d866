//! The `gleaner` command from outside: what it prints, and with which status it ends.
mod audit;
mod bench;
mod browser;
mod compare;
mod formats;
mod holds;
mod launch;
mod manual;
mod page;
mod report;
mod timeline;

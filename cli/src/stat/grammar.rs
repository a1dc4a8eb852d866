//! The words of `gleaner stat`.
use super::Order;
use crate::Failure;
use crate::args::{self, command, one};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use std::time::Duration;

pub fn grammar() -> clap::Command {
    command("stat", "Tell what the library in a running program does: heap, collections, pauses", EXAMPLES)
        .arg(args::interval("Again and again, a line each time, until it ends"))
        .arg(
            Arg::new("count")
                .short('n')
                .long("count")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .requires("interval")
                .help("So many times"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON, a line each time"))
        .arg(args::patience("How long to wait for an answer").default_value("10"))
        .arg(args::own_signal())
        .arg(args::process())
}

/// What was asked for.
pub fn order(m: &ArgMatches) -> Result<Order, Failure> {
    let signal = one::<String>(m, "signal").map(|name| args::signal(&name)).transpose()?;
    Ok(Order {
        pid: one(m, "PID").unwrap_or_default(),
        signal,
        interval: one(m, "interval"),
        count: one(m, "count"),
        json: m.get_flag("json"),
        timeout: Duration::from_secs(one(m, "timeout").unwrap_or_default()),
    })
}

const EXAMPLES: &str = "\
Examples:
  gleaner run -- ./daemon &
  gleaner stat $!
  gleaner stat -i 5 $(pidof daemon)                     a line every five seconds
  gleaner stat --json $(pidof daemon) | jq .metrics.limbo_bytes

Nobody is stopped for it. Not of programs in mode malloc, which has no signal to be asked by.";

//! The words of `gleaner top`.
use super::{Order, Sort};
use crate::Failure;
use crate::args::{self, command, many, one};
use crate::names::Places;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use std::time::Duration;

pub fn grammar() -> clap::Command {
    let sorts = Sort::ALL.map(Sort::name);
    command("top", "Watch the memory of a running program, place by place", EXAMPLES)
        .arg(args::interval("From one check to the next").default_value("2"))
        .arg(
            Arg::new("checks")
                .short('n')
                .long("checks")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help("So many checks, as lines, then end"),
        )
        .arg(
            Arg::new("once").long("once").action(ArgAction::SetTrue).conflicts_with("checks").help("As -n 1"),
        )
        .arg(
            Arg::new("sites")
                .long("sites")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .default_value("20")
                .help("So many places are printed, where lines are"),
        )
        .arg(
            Arg::new("sort")
                .long("sort")
                .value_name("BY")
                .value_parser(PossibleValuesParser::new(sorts))
                .default_value("bytes")
                .help("What comes first"),
        )
        .arg(args::patience("How long to wait for one check"))
        .arg(args::own_signal())
        .arg(args::debug_dirs())
        .arg(args::process())
}

/// What was asked for.
pub fn order(m: &ArgMatches) -> Result<Order, Failure> {
    let signal = one::<String>(m, "signal").map(|name| args::signal(&name)).transpose()?;
    let sort = one::<String>(m, "sort").unwrap_or_default();
    Ok(Order {
        pid: one(m, "PID").unwrap_or_default(),
        signal,
        interval: one(m, "interval").unwrap_or_default(),
        timeout: Duration::from_secs(one(m, "timeout").unwrap_or_default()),
        checks: one(m, "checks").or(m.get_flag("once").then_some(1)),
        sites: one::<u64>(m, "sites").unwrap_or_default() as usize,
        sort: Sort::ALL.into_iter().find(|one| one.name() == sort).unwrap_or(Sort::Bytes),
        places: Places { debug_dirs: many(m, "debug-dir"), sysroot: None },
    })
}

const EXAMPLES: &str = "\
Examples:
  gleaner run -m leak -- ./daemon &
  gleaner top $!                             q quits, ? tells the other keys
  gleaner top --sort growth --interval 10 $(pidof daemon)
  gleaner top -n 6 -i 600 $(pidof daemon) > growth.txt      an hour, without a terminal

The program must have been started in mode leak. It is asked as `gleaner check` asks: it is stopped
for as long as a copy of it takes, at each check.";

//! The words of `gleaner bench`.
use super::Order;
use super::work::SUITES;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::ffi::OsString;
use std::path::PathBuf;

pub fn grammar() -> Command {
    let many = |name: &'static str| Arg::new(name).long(name).action(ArgAction::Append);
    let file = |name: &'static str, value: &'static str| {
        Arg::new(name).long(name).value_name(value).value_parser(value_parser!(PathBuf))
    };
    let number = |name: &'static str| Arg::new(name).long(name).value_name("N");
    Command::new("bench")
        .about("Compare the allocators that are installed, on a suite of programs or on your own")
        .after_help(EXAMPLES)
        .arg(
            Arg::new("suite")
                .long("suite")
                .value_name("SUITE")
                .value_parser(PossibleValuesParser::new(SUITES))
                .default_value("all")
                .conflicts_with("COMMAND")
                .help("What to run"),
        )
        .arg(
            number("rounds")
                .value_parser(value_parser!(u32).range(1..=1000))
                .default_value("5")
                .help("How often; the allocators take turns"),
        )
        .arg(
            many("only")
                .value_name("NAME")
                .num_args(1..)
                .conflicts_with("COMMAND")
                .help("Only these programs of the suite"),
        )
        .arg(many("allocator").short('a').value_name("NAME").num_args(1..).help("Only these allocators"))
        .arg(
            many("lib").value_name("[NAME=]PATH").value_parser(value_parser!(OsString)).help(
                "A further allocator: a shared object that can be preloaded; may be given more than once",
            ),
        )
        .arg(
            number("scale")
                .value_parser(value_parser!(u32).range(1..=10000))
                .default_value("20")
                .help("How long the suite's programs are, in percent"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("SECONDS")
                .value_parser(value_parser!(u32).range(1..))
                .default_value("600")
                .help("When a run is stopped"),
        )
        .arg(file("json", "FILE").help("Write everything that was measured there; - is standard output"))
        .arg(file("html", "FILE").help("Write a page with plots there"))
        .arg(file("svg", "DIR").help("Write the plots there, one file each"))
        .arg(
            Arg::new("list")
                .long("list")
                .action(ArgAction::SetTrue)
                .help("List the allocators found and the programs of the suites"),
        )
        .arg(
            Arg::new("COMMAND")
                .value_parser(value_parser!(OsString))
                .num_args(0..)
                .last(true)
                .help("Your own command and its arguments instead of a suite, after --"),
        )
}

fn many<T: Clone + Send + Sync + 'static>(m: &ArgMatches, name: &str) -> Vec<T> {
    m.get_many(name).map(|values| values.cloned().collect()).unwrap_or_default()
}

/// What the words ask for. Where there is a default, it is clap that knows it.
pub fn order(m: &ArgMatches) -> Order {
    let number = |name: &str| m.get_one::<u32>(name).copied().unwrap_or(1);
    let file = |name: &str| m.get_one::<PathBuf>(name).cloned();
    Order {
        suite: m.get_one::<String>("suite").cloned().unwrap_or_default(),
        rounds: number("rounds"),
        scale: number("scale"),
        seconds: number("timeout"),
        only: many(m, "only"),
        allocators: many(m, "allocator"),
        libraries: many(m, "lib"),
        json: file("json"),
        html: file("html"),
        svg: file("svg"),
        list: m.get_flag("list"),
        command: many(m, "COMMAND"),
    }
}

const EXAMPLES: &str = "\
Examples:
  gleaner bench -- ./prog its arguments          which malloc suits it best?
  gleaner bench --html page.html                 all suites, all that is installed
  gleaner bench --suite micro --only pair64 churn -a glibc gleaner
  gleaner bench --lib mine=./libmine.so --rounds 9 --json all.json -- sh -c 'make -j2'

The command is run once under each allocator for a look at what it prints and what is preloaded, then in
rounds; its standard input is /dev/null. The status is 1 if it fails or prints something else under one of them.";

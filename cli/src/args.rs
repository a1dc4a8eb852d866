//! The command line.
use crate::Failure;
use crate::bench;
use crate::check::Check;
use crate::failure::USAGE;
use crate::launch::Launch;
use crate::report::{Colour, Format, Order, Purpose};
use crate::table::Form;
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use gleaner_core::pure::options::Options;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What the user wants.
pub enum Command {
    /// Help or the version, ready to print.
    Told(String),
    Launch(Launch),
    Report(Order),
    Check(Check),
    Options(Form),
    Bench(bench::Order),
    Doctor,
}

/// Reads the command line; a wrong one gets one line.
pub fn parse(line: impl Iterator<Item = OsString>) -> Result<Command, Failure> {
    let matches = match grammar().try_get_matches_from(line) {
        Ok(matches) => matches,
        Err(error) => return told_or_wrong(&error),
    };
    Ok(match matches.subcommand() {
        Some(("run" | "leaks" | "audit", m)) if unknown_option(m).is_some() => {
            let word = unknown_option(m).unwrap_or_default();
            let text =
                format!("there is no option {word}; see `gleaner --help` (a program of that name: ./{word})");
            return Err(Failure::new(USAGE, text));
        }
        Some(("run", m)) => Command::Launch(run(m)),
        Some(("leaks", m)) => Command::Launch(checked(m, &["mode=leak"])),
        Some(("audit", m)) => Command::Launch(checked(m, &["mode=audit", "verbose=1"])),
        Some(("report", m)) => Command::Report(report(m)),
        Some(("check", m)) => Command::Check(live(m)?),
        Some(("options", m)) if m.get_flag("man") => Command::Options(Form::Manual),
        Some(("options", m)) if m.get_flag("markdown") => Command::Options(Form::Markdown),
        Some(("options", _)) => Command::Options(Form::Text),
        Some(("bench", m)) => Command::Bench(bench::grammar::order(m)),
        _ => Command::Doctor,
    })
}

/// clap's answer: help goes to standard output, anything else becomes one line.
fn told_or_wrong(error: &clap::Error) -> Result<Command, Failure> {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Ok(Command::Told(text));
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Err(Failure::new(USAGE, "what should be done? see `gleaner --help`"));
    }
    let said = text.lines().take_while(|line| !line.starts_with("Usage:"));
    let said: Vec<&str> = said.map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = said.join(" ").replace(" For more information, try '--help'.", "");
    let said = said.strip_prefix("error: ").unwrap_or(&said).replace(" tip: ", "; ");
    Err(Failure::new(USAGE, format_args!("{said}; see `gleaner --help`")))
}

fn command(name: &'static str, about: &'static str, examples: &'static str) -> clap::Command {
    clap::Command::new(name).about(about).after_help(examples)
}

fn grammar() -> clap::Command {
    command(
        "gleaner",
        "A malloc that can see: run programs under libgleaner.so, find what they leak",
        EXAMPLES,
    )
    .version(env!("CARGO_PKG_VERSION"))
    .subcommand_required(true)
    .arg_required_else_help(true)
    .disable_help_subcommand(true)
    .subcommand(
        command("run", "Run a program under the library", RUN_EXAMPLES)
            .arg(mode())
            .arg(option())
            .arg(program()),
    )
    .subcommand(
        check("leaks", "Run a program and report what it leaked", LEAKS_EXAMPLES)
            .mut_arg("exit-code", |arg| {
                arg.help("Exit status of a program that leaked [default: 23]; 0 keeps its own")
            })
            .mut_arg("suppressions", |arg| arg.help("Leaks not to be reported, one leak:PATTERN a line")),
    )
    .subcommand(
        check("audit", "Run a program and report pointers that it hides from the collector", AUDIT_EXAMPLES)
            .mut_arg("exit-code", |arg| {
                arg.help("Exit status of a program that hides pointers [default: 23]; 0 keeps its own")
            })
            .mut_arg("suppressions", |arg| arg.help("Stacks not to be reported, one leak:PATTERN a line")),
    )
    .subcommand(live_grammar())
    .subcommand(report_grammar())
    .subcommand(
        command("options", "List the options that GLEANER and -o take", "")
            .arg(Arg::new("markdown").long("markdown").action(ArgAction::SetTrue).hide(true))
            .arg(
                Arg::new("man").long("man").action(ArgAction::SetTrue).hide(true).conflicts_with("markdown"),
            ),
    )
    .subcommand(bench::grammar::grammar())
    .subcommand(command("doctor", "Tell what this machine offers, and what would degrade", ""))
}

/// A command that runs a program and reports on it.
fn check(name: &'static str, about: &'static str, examples: &'static str) -> clap::Command {
    command(name, about, examples)
        .arg(Arg::new("exit-code").long("exit-code").value_name("N").value_parser(value_parser!(u8)))
        .arg(path_arg("log", "FILE").help("Where the report goes; %p is the process id [default: stderr]"))
        .arg(
            path_arg("record", "FILE")
                .conflicts_with("log")
                .help("Write a record there, for `gleaner report` later or on another machine"),
        )
        .arg(path_arg("suppressions", "FILE"))
        .arg(option())
        .arg(program())
}

fn live_grammar() -> clap::Command {
    named(command("check", "Check a running program for leaks, now; it goes on running", CHECK_EXAMPLES))
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("SECONDS")
                .value_parser(value_parser!(u64).range(1..=86_400))
                .default_value("60")
                .help("How long to wait for the answer"),
        )
        .arg(
            Arg::new("signal")
                .long("signal")
                .value_name("SIGNAL")
                .help("The program's option signal, where it cannot be read from its environment"),
        )
        .arg(
            Arg::new("exit-code")
                .long("exit-code")
                .value_name("N")
                .value_parser(value_parser!(u8))
                .default_value("23")
                .help("Exit status if there are leaks"),
        )
        .arg(
            Arg::new("PID")
                .value_parser(value_parser!(i32).range(1..))
                .required(true)
                .help("The process; the library must have been preloaded when it started"),
        )
}

fn report_grammar() -> clap::Command {
    named(command("report", "Turn a record of the library into a report with names", REPORT_EXAMPLES))
        .arg(
            Arg::new("from-process").long("from-process").action(ArgAction::SetTrue).hide(true).help(
                "The library runs us: standard input is the record, status 3 means that nothing is left",
            ),
        )
        .arg(
            Arg::new("FILE")
                .value_parser(value_parser!(PathBuf))
                .default_value("-")
                .help("The record; - is standard input"),
        )
}

/// What a command takes that names and prints what is in a record.
fn named(command: clap::Command) -> clap::Command {
    command
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(PossibleValuesParser::new(["text", "json"]))
                .default_value("text")
                .help("What to write"),
        )
        .arg(
            path_arg("suppressions", "FILE")
                .action(ArgAction::Append)
                .help("Leaks not to be reported, one leak:PATTERN a line; may be given more than once"),
        )
        .arg(
            path_arg("debug-dir", "DIR")
                .action(ArgAction::Append)
                .help("Where separate debug files are, searched before /usr/lib/debug"),
        )
        .arg(
            Arg::new("color")
                .long("color")
                .value_name("WHEN")
                .value_parser(PossibleValuesParser::new(["auto", "always", "never"]))
                .default_value("auto")
                .help("Colour the text"),
        )
}

fn path_arg(name: &'static str, value: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(value_parser!(PathBuf))
}
fn mode() -> Arg {
    Arg::new("mode")
        .short('m')
        .long("mode")
        .value_name("MODE")
        .help("malloc, leak, gc or audit [default: gc]: the option mode")
}
fn option() -> Arg {
    Arg::new("option")
        .short('o')
        .long("option")
        .value_name("NAME=VALUE")
        .value_parser(value_parser!(OsString))
        .action(ArgAction::Append)
        .help("An option of the library; `gleaner options` lists them")
}
fn program() -> Arg {
    Arg::new("PROGRAM")
        .value_parser(value_parser!(OsString))
        .num_args(1..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true)
        .required(true)
        .help("The program and its arguments, after --")
}

fn many<T: Clone + Send + Sync + 'static>(m: &ArgMatches, name: &str) -> Vec<T> {
    m.get_many(name).map(|values| values.cloned().collect()).unwrap_or_default()
}
fn one<T: Clone + Send + Sync + 'static>(m: &ArgMatches, name: &str) -> Option<T> {
    m.get_one(name).cloned()
}

/// The program's place takes hyphens, for its arguments: a mistyped option of ours lands there.
fn unknown_option(m: &ArgMatches) -> Option<String> {
    let program = m.get_one::<OsString>("PROGRAM")?.to_string_lossy();
    program.starts_with('-').then(|| program.into_owned())
}

fn run(m: &ArgMatches) -> Launch {
    let mode = one::<String>(m, "mode").map(|mode| format!("mode={mode}").into());
    let options = mode.into_iter().chain(many(m, "option")).collect();
    Launch { options, log: None, suppressions: None, program: many(m, "PROGRAM") }
}
fn checked(m: &ArgMatches, options: &[&str]) -> Launch {
    let mut options: Vec<OsString> = options.iter().map(|&option| option.into()).collect();
    options.extend(one::<u8>(m, "exit-code").map(|status| format!("exitcode={status}").into()));
    let record = one::<PathBuf>(m, "record");
    options.extend(record.iter().map(|_| "symbolizer=record".into()));
    options.extend(many(m, "option"));
    Launch {
        options,
        log: one(m, "log").or(record),
        suppressions: one(m, "suppressions"),
        program: many(m, "PROGRAM"),
    }
}
fn live(m: &ArgMatches) -> Result<Check, Failure> {
    let signal = one::<String>(m, "signal").map(|name| signal(&name)).transpose()?;
    Ok(Check {
        pid: one(m, "PID").unwrap_or_default(),
        timeout: Duration::from_secs(one(m, "timeout").unwrap_or_default()),
        signal,
        exit_code: one(m, "exit-code").unwrap_or_default(),
        report: order(m, Purpose::Person, PathBuf::new()),
    })
}
/// As the option of that name reads it.
fn signal(name: &str) -> Result<i32, Failure> {
    let mut wrong = false;
    let options = Options::parse(format!("signal={name}").as_bytes(), &mut |_| wrong = true);
    match wrong {
        true => Err(Failure::new(USAGE, format_args!("--signal: there is no signal {name} to be used so"))),
        false => Ok(options.signal.into()),
    }
}
fn report(m: &ArgMatches) -> Order {
    let purpose = if m.get_flag("from-process") { Purpose::Process } else { Purpose::Person };
    order(m, purpose, one(m, "FILE").unwrap_or_else(|| PathBuf::from("-")))
}
fn order(m: &ArgMatches, purpose: Purpose, file: PathBuf) -> Order {
    Order {
        format: if one::<String>(m, "format").as_deref() == Some("json") {
            Format::Json
        } else {
            Format::Text
        },
        suppressions: many(m, "suppressions"),
        debug_dirs: many(m, "debug-dir"),
        colour: match one::<String>(m, "color").as_deref() {
            Some("always") => Colour::Always,
            Some("never") => Colour::Never,
            _ => Colour::Auto,
        },
        purpose,
        file,
        root: None,
    }
}

const EXAMPLES: &str = "\
Examples:
  gleaner leaks -- ./server --port 80      report at exit what ./server leaked
  gleaner check 4711                       what has process 4711 leaked so far?
  gleaner run -- ./daemon                  run it; what it leaks is reclaimed
  gleaner audit -- ./daemon                would that be safe?
  gleaner run -m malloc -- ./prog          the allocator alone
  gleaner bench -- ./prog its arguments    which malloc suits it best?
  gleaner doctor                           what works on this machine

The manual: gleaner(1) for the command, gleaner(7) for modes and options.";
const RUN_EXAMPLES: &str = "\
Examples:
  gleaner run -- python3 script.py
  gleaner run -m leak -o log=/tmp/leaks.%p -- make -j4
  gleaner run -o stats=yes -o min_growth=64m -- ./daemon

The program replaces gleaner, so signals, descriptors and the exit status are its own. Without
gleaner: LD_PRELOAD=/path/libgleaner.so GLEANER=mode=leak ./prog";
const LEAKS_EXAMPLES: &str = "\
Examples:
  gleaner leaks -- ./prog --its arguments
  gleaner leaks --log leaks.%p --suppressions known.supp -- ./test-suite
  gleaner leaks --exit-code 0 -- ./prog      report, but keep the program's own status
  gleaner leaks --record run.%p -- ./prog    for `gleaner report` later, elsewhere";
const AUDIT_EXAMPLES: &str = "\
Examples:
  gleaner audit -- ./daemon --foreground     is ./daemon safe under mode gc?
  gleaner audit --exit-code 0 --log audit.%p -- ./test-suite

Nothing is reclaimed. An object that no pointer led to, and that the program frees or reallocates
after all, is reported with the stack of that call and the stack that allocated it. A program may
be run under mode gc if it does its usual work here without a report.";
const CHECK_EXAMPLES: &str = "\
Examples:
  gleaner run -m leak -- ./daemon &
  gleaner check $!
  gleaner check --format json --suppressions known.supp $(pidof daemon) > leaks.json

The program must have been started with the library; mode leak has the call stacks. All of its
threads are stopped while memory is looked at. The exit status is 0 without leaks, 23 with some.";
const REPORT_EXAMPLES: &str = "\
Examples:
  gleaner report leaks.4711
  gleaner report --format json --debug-dir ./symbols leaks.4711 > leaks.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        grammar().debug_assert();
    }
    #[test]
    fn what_follows_the_program_is_the_programs() {
        let line = ["gleaner", "run", "-m", "leak", "prog", "-m", "--help"].map(OsString::from);
        let Ok(Command::Launch(order)) = parse(line.into_iter()) else { panic!("not understood") };
        assert_eq!(order.options, ["mode=leak"]);
        assert_eq!(order.program, ["prog", "-m", "--help"]);
    }
    #[test]
    fn a_wrong_line_gets_one_line() {
        for line in [
            &["gleaner"][..],
            &["gleaner", "rum"],
            &["gleaner", "run"],
            &["gleaner", "report", "--format", "xml"],
            &["gleaner", "leaks", "--exit-code", "256", "--", "x"],
            &["gleaner", "leaks", "--exit-cod", "1", "--", "x"],
        ] {
            let Err(failure) = parse(line.iter().map(OsString::from)) else { panic!("{line:?}") };
            assert_eq!(failure.status, USAGE);
            assert!(!failure.text.contains('\n') && failure.text.contains("--help"), "{}", failure.text);
        }
    }
}

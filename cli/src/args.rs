//! The command line.
use crate::Failure;
use crate::bench;
use crate::check::Check;
use crate::failure::USAGE;
use crate::launch::Launch;
use crate::names::Places;
use crate::report::{Colour, Format, Order, Purpose};
use crate::stat;
use crate::suppress::ready::Dialect;
use crate::table::Form;
use crate::top;
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, ValueHint, value_parser};
use clap_complete::Shell;
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
    Stat(stat::Order),
    Top(top::Order),
    Suppress(Order, Dialect),
    /// The newer record, then the older one.
    Diff(Order, Order),
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
        Some(("stat", m)) => Command::Stat(stat::grammar::order(m)?),
        Some(("top", m)) => Command::Top(top::grammar::order(m)?),
        Some(("diff", m)) => diff(m),
        Some(("suppress", m)) => suppress(m),
        Some(("completions", m)) => Command::Told(completions(m)),
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

pub fn command(name: &'static str, about: &'static str, examples: &'static str) -> clap::Command {
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
    .subcommand(stat::grammar::grammar())
    .subcommand(top::grammar::grammar())
    .subcommand(report_grammar())
    .subcommand(diff_grammar())
    .subcommand(suppress_grammar())
    .subcommand(
        command("options", "List the options that GLEANER and -o take", "")
            .arg(Arg::new("markdown").long("markdown").action(ArgAction::SetTrue).hide(true))
            .arg(
                Arg::new("man").long("man").action(ArgAction::SetTrue).hide(true).conflicts_with("markdown"),
            ),
    )
    .subcommand(bench::grammar::grammar())
    .subcommand(completions_grammar())
    .subcommand(command("doctor", "Tell what this machine offers, and what would degrade", ""))
}

/// A command that runs a program and reports on it.
fn check(name: &'static str, about: &'static str, examples: &'static str) -> clap::Command {
    command(name, about, examples)
        .arg(Arg::new("exit-code").long("exit-code").value_name("N").value_parser(value_parser!(u8)))
        .arg(
            path_arg("log", "FILE")
                .visible_alias("output")
                .help("Where the report goes; %p is the process id [default: stderr]"),
        )
        .arg(
            path_arg("record", "FILE")
                .conflicts_with("log")
                .help("Write a record there, for `gleaner report` later or on another machine"),
        )
        .arg(path_arg("suppressions", "FILE"))
        .arg(format().conflicts_with("record"))
        .arg(option())
        .arg(program())
}

/// Seconds to wait for a running program.
pub fn patience(help: &'static str) -> Arg {
    Arg::new("timeout")
        .long("timeout")
        .value_name("SECONDS")
        .value_parser(value_parser!(u64).range(1..=86_400))
        .default_value("60")
        .help(help)
}
/// From one question to the next.
pub fn interval(help: &'static str) -> Arg {
    Arg::new("interval")
        .short('i')
        .long("interval")
        .value_name("SECONDS")
        .value_parser(interval_seconds)
        .help(help)
}
/// A quarter of a second at least: less would be a burden, and no news.
fn interval_seconds(text: &str) -> Result<Duration, String> {
    let told = text.parse::<f64>().ok().filter(|seconds| (0.25..=86_400.0).contains(seconds));
    told.map(Duration::from_secs_f64).ok_or("between 0.25 and 86400 seconds".to_owned())
}
/// The signal that a running program listens to.
pub fn own_signal() -> Arg {
    Arg::new("signal")
        .long("signal")
        .value_name("SIGNAL")
        .help("The program's option signal, where it cannot be read from its environment")
}
/// A running program.
pub fn process() -> Arg {
    Arg::new("PID")
        .value_parser(value_parser!(i32).range(1..))
        .required(true)
        .help("The process; the library must have been preloaded when it started")
}
pub fn debug_dirs() -> Arg {
    path_arg("debug-dir", "DIR")
        .action(ArgAction::Append)
        .help("Where separate debug files are, searched before /usr/lib/debug")
}

fn live_grammar() -> clap::Command {
    named(command("check", "Check a running program for leaks, now; it goes on running", CHECK_EXAMPLES))
        .arg(patience("How long to wait for the answer"))
        .arg(own_signal())
        .arg(
            Arg::new("exit-code")
                .long("exit-code")
                .value_name("N")
                .value_parser(value_parser!(u8))
                .default_value("23")
                .help("Exit status if there are leaks"),
        )
        .arg(process())
}

fn report_grammar() -> clap::Command {
    named(command("report", "Turn a record of the library into a report with names", REPORT_EXAMPLES))
        .arg(
            Arg::new("from-process").long("from-process").action(ArgAction::SetTrue).hide(true).help(
                "The library runs us: standard input is the record, status 3 means that nothing is left",
            ),
        )
        .arg(record_file())
}

fn diff_grammar() -> clap::Command {
    command("diff", "Tell what changed from one record to another", DIFF_EXAMPLES)
        .arg(format().value_parser(PossibleValuesParser::new(["text", "json", "html"])).default_value("text"))
        .arg(output())
        .args(sources())
        .arg(record_file().id("BEFORE").required(true).help("The older record"))
        .arg(record_file().id("FILE").help("The newer record; - is standard input"))
}
fn suppress_grammar() -> clap::Command {
    command("suppress", "Write suppressions for what a record has", SUPPRESS_EXAMPLES)
        .arg(
            Arg::new("for")
                .long("for")
                .value_name("TOOL")
                .value_parser(PossibleValuesParser::new(["lsan", "valgrind"]))
                .default_value("lsan")
                .help("Whose suppressions to write; gleaner reads both"),
        )
        .arg(output())
        .args(sources())
        .arg(record_file())
}

/// What a command takes that names and prints what is in a record.
fn named(command: clap::Command) -> clap::Command {
    command.arg(format().default_value("text")).arg(output()).args(sources()).arg(
        Arg::new("color")
            .long("color")
            .value_name("WHEN")
            .value_parser(PossibleValuesParser::new(["auto", "always", "never"]))
            .default_value("auto")
            .help("Colour the text"),
    )
}

/// What a report is written as.
fn format() -> Arg {
    let names = Format::ALL.map(|format| format.name().to_str().unwrap_or_default());
    Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .value_parser(PossibleValuesParser::new(names))
        .help("What to write")
}
fn output() -> Arg {
    path_arg("output", "FILE").short('o').default_value("-").help("Where to write it; - is standard output")
}
/// Where names come from, and what is known already.
fn sources() -> [Arg; 4] {
    [
        path_arg("suppressions", "FILE").action(ArgAction::Append).help(
            "Leaks not to be reported, as LeakSanitizer or Valgrind writes them; may be given more than once",
        ),
        debug_dirs(),
        path_arg("sysroot", "DIR").help("Where the files of the machine lie that the program ran on"),
        path_arg("source-root", "DIR").default_value(".").help("Paths in SARIF begin there"),
    ]
}
fn format_of(m: &ArgMatches) -> Format {
    let name = one::<String>(m, "format").unwrap_or_default();
    Format::ALL.into_iter().find(|format| format.name().to_bytes() == name.as_bytes()).unwrap_or(Format::Text)
}

fn record_file() -> Arg {
    Arg::new("FILE")
        .value_parser(value_parser!(PathBuf))
        .default_value("-")
        .value_hint(ValueHint::FilePath)
        .help("The record; - is standard input")
}

fn completions_grammar() -> clap::Command {
    command("completions", "Write completions for a shell", COMPLETIONS_EXAMPLES).arg(
        Arg::new("SHELL")
            .value_parser(PossibleValuesParser::new(["bash", "zsh", "fish"]))
            .required(true)
            .help("The shell"),
    )
}
/// What a shell is to load.
fn completions(m: &ArgMatches) -> String {
    let shell = match one::<String>(m, "SHELL").as_deref() {
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut grammar(), "gleaner", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

pub fn path_arg(name: &'static str, value: &'static str) -> Arg {
    let hint = if value == "DIR" { ValueHint::DirPath } else { ValueHint::FilePath };
    Arg::new(name).long(name).value_name(value).value_hint(hint).value_parser(value_parser!(PathBuf))
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
        .value_hint(ValueHint::CommandWithArguments)
        .allow_hyphen_values(true)
        .required(true)
        .help("The program and its arguments, after --")
}

pub fn many<T: Clone + Send + Sync + 'static>(m: &ArgMatches, name: &str) -> Vec<T> {
    m.get_many(name).map(|values| values.cloned().collect()).unwrap_or_default()
}
pub fn one<T: Clone + Send + Sync + 'static>(m: &ArgMatches, name: &str) -> Option<T> {
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
    options.extend(one::<String>(m, "format").map(|format| format!("format={format}").into()));
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
pub fn signal(name: &str) -> Result<i32, Failure> {
    let mut wrong = false;
    let options = Options::parse(format!("signal={name}").as_bytes(), &mut |_| wrong = true);
    match wrong {
        true => Err(Failure::new(USAGE, format_args!("--signal: there is no signal {name} to be used so"))),
        false => Ok(options.signal.into()),
    }
}
fn report(m: &ArgMatches) -> Order {
    let purpose = if m.get_flag("from-process") { Purpose::Process } else { Purpose::Person };
    order(m, purpose, file(m, "FILE"))
}
/// How to print what a record has.
fn order(m: &ArgMatches, purpose: Purpose, file: PathBuf) -> Order {
    let colour = match one::<String>(m, "color").as_deref() {
        Some("always") => Colour::Always,
        Some("never") => Colour::Never,
        _ => Colour::Auto,
    };
    Order { format: format_of(m), colour, purpose, ..of_record(m, file) }
}
fn suppress(m: &ArgMatches) -> Command {
    let valgrind = one::<String>(m, "for").as_deref() == Some("valgrind");
    Command::Suppress(of_record(m, file(m, "FILE")), if valgrind { Dialect::Valgrind } else { Dialect::Lsan })
}
fn diff(m: &ArgMatches) -> Command {
    let order = Order { format: format_of(m), ..of_record(m, file(m, "FILE")) };
    Command::Diff(order, of_record(m, file(m, "BEFORE")))
}
fn file(m: &ArgMatches, name: &str) -> PathBuf {
    one(m, name).unwrap_or_else(|| PathBuf::from("-"))
}
/// What every command that reads a record knows of it.
fn of_record(m: &ArgMatches, from: PathBuf) -> Order {
    Order {
        format: Format::Text,
        suppressions: many(m, "suppressions"),
        places: Places { debug_dirs: many(m, "debug-dir"), sysroot: one(m, "sysroot") },
        colour: Colour::Auto,
        purpose: Purpose::Person,
        file: from,
        output: file(m, "output"),
        source_root: file(m, "source-root"),
    }
}

const EXAMPLES: &str = "\
Examples:
  gleaner leaks -- ./server --port 80      report at exit what ./server leaked
  gleaner check 4711                       what has process 4711 leaked so far?
  gleaner stat 4711                        what does its collector do?
  gleaner top 4711                         which places have its memory, and which grow?
  gleaner leaks --record run.%p -- ./prog  record now, then:
  gleaner report --format html -o leaks.html run.4711
  gleaner diff run.4711 run.4712           what is new, what grew
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
  gleaner report --format html -o leaks.html leaks.4711       one page, to be read and shared
  gleaner report --format sarif --source-root . -o leaks.sarif leaks.4711
  gleaner report --format pprof -o leaks.pb.gz leaks.4711 && go tool pprof -http=: leaks.pb.gz
  gleaner report --sysroot ./target-root --debug-dir ./symbols leaks.4711";
const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  gleaner completions bash > ~/.local/share/bash-completion/completions/gleaner
  gleaner completions zsh > ~/.zfunc/_gleaner
  gleaner completions fish > ~/.config/fish/completions/gleaner.fish";
const DIFF_EXAMPLES: &str = "\
Examples:
  gleaner diff monday.rec tuesday.rec
  gleaner diff --format html -o changes.html monday.rec tuesday.rec
  gleaner diff main.rec branch.rec || echo 'it leaks more'

The status is 1 if a place is new or leaks more than it did, 0 if not.";
const SUPPRESS_EXAMPLES: &str = "\
Examples:
  gleaner suppress leaks.4711 >> known.supp
  gleaner leaks --suppressions known.supp -- ./prog
  gleaner suppress --for valgrind -o known.valgrind leaks.4711";

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
            &["gleaner", "leaks", "--format", "xml", "--", "x"],
            &["gleaner", "leaks", "--exit-code", "256", "--", "x"],
            &["gleaner", "leaks", "--exit-cod", "1", "--", "x"],
        ] {
            let Err(failure) = parse(line.iter().map(OsString::from)) else { panic!("{line:?}") };
            assert_eq!(failure.status, USAGE);
            assert!(!failure.text.contains('\n') && failure.text.contains("--help"), "{}", failure.text);
        }
    }
}

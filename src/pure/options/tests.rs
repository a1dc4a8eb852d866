use super::*;
use proptest::prelude::*;
use std::string::{String, ToString};
use std::vec::Vec;

fn parse(text: &[u8]) -> (Options, Vec<String>) {
    let mut lines = Vec::new();
    let options = Options::parse(text, &mut |line| lines.push(line.to_string()));
    (options, lines)
}
fn good(text: &str) -> Options {
    let (options, lines) = parse(text.as_bytes());
    assert_eq!(lines, Vec::<String>::new(), "{text}");
    options
}
fn bad(text: &str) -> String {
    let (options, mut lines) = parse(text.as_bytes());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(options, Options::DEFAULT, "a bad value gives the default");
    lines.remove(0)
}

#[test]
fn the_defaults() {
    let o = good("");
    assert_eq!(o, Options::DEFAULT);
    assert_eq!((o.mode, o.exitcode, o.stacks, o.deadline), (Mode::Gc, 23, 64, 200));
    assert_eq!((o.min_growth, o.limbo, i32::from(o.signal)), (16 << 20, 2, libc::SIGURG));
    assert!(
        o.follow
            && o.mappings == Mappings::Lost
            && o.marking == Marking::Auto
            && o.disguised
            && o.stats == Stats::No
            && !o.checkmark
            && !o.idle_timer
            && o.log.is_empty()
    );
    assert!(size_of::<Options>() < 3072);
}

#[test]
fn every_kind_of_value() {
    let o = good("mode=leak:exitcode=0:stats=1:follow=no:stacks=256:min_growth=64k:collect_every=3g");
    assert_eq!((o.mode, o.exitcode, o.stats, o.follow, o.stacks), (Mode::Leak, 0, Stats::Yes, false, 256));
    assert_eq!((o.min_growth, o.collect_every), (65536, 3 << 30));
    assert_eq!(good("signal=USR2").signal, 12);
    assert_eq!(good("signal=SIGUSR2").signal, 12);
    assert_eq!(good("signal=12").signal, 12);
    assert_eq!(good("signal=RTMIN+3").signal, 37);
    assert_eq!(good("log=stderr").log, Path::EMPTY);
    assert!(good("symbolizer=none").symbolizer.is("none"));
    assert!(good("symbolizer=auto").symbolizer.is_empty());
}

#[test]
fn colons_quotes_backslashes_blanks() {
    assert!(good(r#"log="/tmp/a:b""#).log.is("/tmp/a:b"));
    assert!(good(r"log=/tmp/a\:b:stats=1").log.is("/tmp/a:b"));
    assert!(good(r#"log=/tmp/"a:b":mode=leak"#).log.is("/tmp/a:b"));
    assert!(good(r#"log="a\"b""#).log.is("a\"b"));
    assert!(good("log=a=b").log.is("a=b"));
    assert_eq!(good(":: mode=leak ::\n stats=yes :").stats, Stats::Yes);
    assert_eq!(good("stats=json").stats, Stats::Json);
    assert!(good(r"log=a\ :stats=1").log.is("a "));
    assert_eq!(good("mode=leak:mode=malloc").mode, Mode::Malloc);
}

#[test]
fn one_clear_line_for_each_fault() {
    assert_eq!(bad("mode=fast"), "GLEANER: mode=fast is not malloc, leak, gc or audit; using gc");
    assert_eq!(bad("mode=safe"), "GLEANER: mode=safe is not built yet; using gc");
    assert_eq!(bad("exitcode=256"), "GLEANER: exitcode=256 is not a number from 0 to 255; using 23");
    assert_eq!(bad("stacks=-1"), "GLEANER: stacks=-1 is not a number from 0 to 256 (frames); using 64");
    assert_eq!(bad("stats=maybe"), "GLEANER: stats=maybe is not yes, json or no; using no");
    assert_eq!(
        bad("min_growth=99999999999t"),
        "GLEANER: min_growth=99999999999t is not a size from 64k to 64t (4096, 64k, 16m, 1g); using 16m"
    );
    assert_eq!(bad("thp=yes"), "GLEANER: thp=yes is not auto, system, never or always; using auto");
    for refused in ["KILL", "SEGV", "9", "32", "65", "RTMIN+31", "RTMIN-1", "FOO", ""] {
        let line = bad(&std::format!("signal={refused}"));
        assert!(line.ends_with("that a handler can take; using URG"), "{line}");
    }
    assert_eq!(bad("mod=leak"), "GLEANER: there is no option \"mod\"; did you mean mode? (ignored)");
    assert_eq!(
        bad("colour=red"),
        "GLEANER: there is no option \"colour\" (ignored); `gleaner options` lists them"
    );
    assert_eq!(bad("leak"), "GLEANER: \"leak\" is not of the form name=value; ignored");
    assert_eq!(bad("=leak"), "GLEANER: \"=leak\" is not of the form name=value; ignored");
    assert_eq!(bad("log=\"/tmp"), "GLEANER: log=\"/tmp has a quote that is not closed; using stderr");
    assert_eq!(bad("log=x\\"), "GLEANER: log=x\\ ends with a lone backslash; using stderr");
    let long = std::format!("log={}", "x".repeat(600));
    assert!(bad(&long).ends_with("... is longer than 510 bytes; using stderr"));
    let (options, lines) = parse(b"mode=\xff\n:stats=1");
    assert_eq!(lines, ["GLEANER: mode=\\xff is not malloc, leak, gc or audit; using gc"]);
    assert_eq!(options.stats, Stats::Yes, "what follows a bad item still counts");
    assert_eq!(parse(b"mode=leak:mode=x").0.mode, Mode::Gc, "the default, not what stood before");
}

#[test]
fn a_raised_process_ignores_its_environment() {
    let mut told = 0;
    let o = Options::of_process(Some(b"mode=leak:foo"), Privilege::Raised, &mut |_| told += 1);
    assert_eq!((o, told), (Options::DEFAULT, 0));
    let o = Options::of_process(Some(b"mode=leak"), Privilege::Ordinary, &mut |_| told += 1);
    assert_eq!((o.mode, told), (Mode::Leak, 0));
    assert_eq!(Options::of_process(None, Privilege::Ordinary, &mut |_| ()), Options::DEFAULT);
}

#[test]
fn relative_paths_get_a_folder() {
    let within =
        |text: &str, folder: &[u8]| good(text).trace.within(folder).map(|path| path.as_bytes().to_vec());
    assert_eq!(within("trace=t.%p", b"/a%b").as_deref(), Ok(&b"/a%%b/t.%p"[..]));
    assert_eq!(within("trace=/t", b"/a").as_deref(), Ok(&b"/t"[..]));
    assert_eq!(within("trace=none", b"/a").as_deref(), Ok(&b""[..]));
    assert_eq!(within("trace=t", &[b'a'; 509]), Err(Fault::Long));
}

#[test]
fn log_names_expand() {
    let expand = |text: &str, pid, room: usize| {
        let mut room = std::vec![0; room];
        good(text).log.expand(pid, &mut room).map(|name| name.to_str().unwrap().to_string())
    };
    assert_eq!(expand("log=/tmp/x.%p", 42, 64).as_deref(), Some("/tmp/x.42"));
    assert_eq!(expand("log=%%p%q%", 42, 64).as_deref(), Some("%p%q%"));
    assert_eq!(expand("log=/tmp/x.%p", 42, 10).as_deref(), Some("/tmp/x.42"));
    assert_eq!(expand("log=/tmp/x.%p", 42, 9), None);
}

#[test]
fn the_table_is_fit_for_the_manual() {
    for row in ROWS {
        assert!(row.doc.ends_with('.') && row.summary().ends_with('.'), "{}", row.name);
        assert!(row.summary().len() <= 100, "{}: {}", row.name, row.summary());
        assert!(row.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", row.name);
        // Each default is a value that the parser takes.
        let text = std::format!("{}={}", row.name, row.default_text());
        assert_eq!(good(&text), Options::DEFAULT, "{text}");
        assert!(!row.allowed().to_string().is_empty() && !row.kind.placeholder().is_empty());
    }
}

fn path() -> impl Strategy<Value = Path> {
    prop::collection::vec(1u8.., 0..=Path::CAPACITY).prop_map(|bytes| {
        let mut path = Path::EMPTY;
        bytes.iter().for_each(|&b| path.push(b).unwrap());
        path
    })
}
fn options() -> impl Strategy<Value = Options> {
    let mode = prop_oneof![Just(Mode::Malloc), Just(Mode::Leak), Just(Mode::Gc), Just(Mode::Audit)];
    let signal = prop_oneof![Just(10u8), Just(23), Just(12), 34..=64u8];
    (
        (mode, path(), path(), path(), any::<u8>(), any::<[bool; 5]>(), 0..=3u8, 0..=256u16),
        (65536usize..=1 << 46, 1..=10_000u16, 1..=100u8, 1..=600_000u32, signal, 0usize..=1 << 46),
    )
        .prop_map(
            |((mode, log, symbolizer, suppressions, exitcode, switches, verbose, stacks), rest)| {
                let (min_growth, growth, limbo, deadline, signal, collect_every) = rest;
                let [follow, stats, checkmark, disguised, idle_timer] = switches;
                let format = Format::ALL[usize::from(stacks) % Format::ALL.len()];
                let mappings = [Mappings::No, Mappings::Lost, Mappings::Yes][usize::from(verbose) % 3];
                Options {
                    mode,
                    log,
                    exitcode,
                    symbolizer,
                    suppressions,
                    format,
                    follow,
                    on_signal: Signals(collect_every as u64 & 0x4000),
                    check_signal: Signals((collect_every as u64 & 1) << 63),
                    check_every: deadline,
                    marking: Marking::ALL[usize::from(limbo) % 4],
                    markers: limbo % 17,
                    stats: [Stats::No, Stats::Yes, Stats::Json]
                        [usize::from(stats) + usize::from(stats && checkmark)],
                    prometheus: symbolizer,
                    trace: log,
                    verbose,
                    stacks,
                    mappings,
                    secure: exitcode & 3,
                    min_growth,
                    max_heap: collect_every / 2,
                    thp: Thp::ALL[usize::from(verbose) % 4],
                    growth,
                    cgroup: limbo - 1,
                    limbo,
                    fill: exitcode,
                    disguised,
                    idle_timer,
                    deadline,
                    signal,
                    collect_every,
                    checkmark,
                }
            },
        )
}

proptest! {
    #[test]
    fn random_bytes_never_panic(text in prop::collection::vec(any::<u8>(), 0..800)) {
        let (_, lines) = parse(&text);
        prop_assert!(lines.iter().all(|line| !line.contains('\n')));
    }
    #[test]
    fn near_misses_never_panic(text in "([a-z_]{0,3}(mode|log|signal|growth|stacks)=[\"\\\\:a-z0-9+ ]{0,9}:?){0,6}") {
        parse(text.as_bytes());
    }
    #[test]
    fn what_is_emitted_parses_back(options in options()) {
        let mut text = Vec::new();
        options.emit(&mut |bytes| text.extend_from_slice(bytes));
        let (back, lines) = parse(&text);
        prop_assert_eq!(lines, Vec::<String>::new());
        prop_assert_eq!(back, options);
    }
}

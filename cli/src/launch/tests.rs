use super::*;

fn order(options: &[&str]) -> Launch {
    let options = options.iter().map(OsString::from).collect();
    Launch { options, log: None, suppressions: None, program: vec!["x".into()] }
}
fn shown(options: &Options) -> String {
    String::from_utf8(emitted(options)).unwrap()
}
fn merged(options: &[&str], environment: &str) -> String {
    shown(&super::options(&order(options), b"", Some(environment.into())).unwrap())
}

#[test]
fn the_command_line_holds_over_the_environment() {
    assert_eq!(merged(&[], ""), "");
    assert_eq!(merged(&["mode=leak"], ""), "mode=leak");
    assert_eq!(merged(&["mode=leak"], "mode=malloc:stats=1"), "mode=leak:stats=yes");
    assert_eq!(merged(&["mode=leak", "log=/a:exitcode=0"], "log=\"/x:y\""), "mode=leak:log=/a:exitcode=0");
    assert_eq!(merged(&["stats=1"], "log=\"/x:y\""), r"log=/x\:y:stats=yes");
    assert_eq!(merged(&["stats=1"], "log=\"/not closed"), "stats=yes");
}

#[test]
fn lsan_options_come_first() {
    let merged = |theirs: &str, environment: &str| {
        shown(
            &super::options(&order(&["mode=leak"]), &lsan::translated(theirs).0, Some(environment.into()))
                .unwrap(),
        )
    };
    assert_eq!(merged("exitcode=7:suppressions=/x", ""), "mode=leak:exitcode=7:suppressions=/x");
    assert_eq!(merged("exitcode=7", "exitcode=5"), "mode=leak:exitcode=5");
    assert_eq!(merged("detect_leaks=0", ""), "mode=malloc");
}

#[test]
fn a_bad_word_on_our_line_is_an_error() {
    let said = |text: &str| {
        let Err(failure) = options(&order(&[text]), b"", None) else { panic!("{text} was taken") };
        assert_eq!(failure.status, USAGE);
        failure.text
    };
    assert_eq!(said("mode=fast"), "mode=fast is not malloc, leak, gc or audit");
    assert_eq!(said("mode=safe"), "mode=safe is not built yet");
    assert_eq!(said("mod=leak"), "there is no option \"mod\"; did you mean mode?");
    assert_eq!(said("colour=1"), "there is no option \"colour\"; `gleaner options` lists them");
    assert_eq!(said("leak"), "\"leak\" is not of the form name=value");
}

#[test]
fn files_of_the_command_line_are_absolute() {
    let mut order = order(&["mode=leak"]);
    order.log = Some("a:b c".into());
    let text = shown(&options(&order, b"", None).unwrap());
    let here = std::env::current_dir().unwrap();
    assert_eq!(text, format!(r"mode=leak:log={}/a\:b\ c", here.display()));
    order.log = Some("stderr".into());
    assert_eq!(shown(&options(&order, b"", None).unwrap()), "mode=leak");
    order.suppressions = Some("/no/such/file".into());
    let failure = options(&order, b"", None).unwrap_err();
    assert_eq!(failure.text, "--suppressions: /no/such/file: No such file or directory");
}

#[test]
fn the_library_comes_first_and_once() {
    let list = |before: &str| preload(Path::new("/x/libgleaner.so"), Some(before.into())).unwrap();
    assert_eq!(list(""), "/x/libgleaner.so");
    assert_eq!(list("/a.so /b.so"), "/x/libgleaner.so:/a.so:/b.so");
    assert_eq!(list("/old/libgleaner.so:/a.so"), "/x/libgleaner.so:/a.so");
    assert!(preload(Path::new("/a b/libgleaner.so"), None).is_err());
}

use super::*;
use proptest::prelude::*;

fn rule(text: &str) -> Result<Option<Named>, Wrong> {
    parse(&mut text.lines().enumerate().map(|(n, line)| (n + 1, line.trim())))
}
fn named<'a>(function: &'a str, inlined: bool) -> Shown<'a> {
    Shown {
        function: Some(function),
        module: Some("/bin/x"),
        file: Some("/a/x.c"),
        line: 7,
        linkage: None,
        inlined,
    }
}

#[test]
fn stacks() {
    let stack = [named("make", true), named("outer", false), named("main", false)];
    for (frames, expected) in [
        ("fun:make\nfun:outer", true),
        ("fun:malloc\nfun:outer\nfun:main", true),
        ("fun:*alloc\nfun:make", true),
        ("fun:malloc\nfun:main", false),
        ("fun:malloc\n...\nfun:main", true),
        ("...\nfun:main\n...", true),
        ("...\nfun:nobody", false),
        ("fun:outer\nfun:main\nfun:_start", false),
        ("obj:/bin/x\nfun:*", true),
        ("obj:*/vgpreload_memcheck*\nfun:outer", true),
        ("src:x.c:7", true),
        ("src:x.c:8", false),
        ("src:x.c", true),
        ("fun:out?r", true),
        ("fun:main", false),
    ] {
        let (name, stack_rule) = rule(&format!("known\nMemcheck:Leak\n{frames}\n}}")).unwrap().unwrap();
        assert_eq!(name, "known");
        assert_eq!(stack_rule.holds(&stack, Kind::Direct), expected, "{frames}");
    }
    let (_, definite) =
        rule("x\nAddrcheck,Memcheck:Leak\nmatch-leak-kinds: definite\nfun:make\n}").unwrap().unwrap();
    assert!(definite.holds(&stack, Kind::Direct) && definite.holds(&stack, Kind::Mapping));
    assert!(!definite.holds(&stack, Kind::Indirect));
    let mangled = Shown { function: Some("f(int)"), linkage: Some("_Z1fi"), ..Shown::default() };
    let (_, cxx) = rule("x\nMemcheck:Leak\nfun:_Znwm\nfun:_Z1f*\n}").unwrap().unwrap();
    assert!(cxx.holds(&[mangled], Kind::Direct));
}
#[test]
fn what_is_no_rule() {
    assert_eq!(rule("x\nMemcheck:Cond\nfun:f\n}"), Ok(None));
    assert_eq!(rule("x\nHelgrind:Race\nanything\n}"), Ok(None));
    assert!(rule("x\nMemcheck:Leak\nfun:f").unwrap_err().1.contains("not closed"));
    assert_eq!(rule("x\nMemcheck:Leak\nfoo:f\n}").unwrap_err().0, Some(3));
    assert!(rule("x\n}").is_err() && rule("").is_err());
}

fn oracle(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|skip| oracle(rest, &text[skip..])),
        Some(('?', rest)) => !text.is_empty() && oracle(rest, &text[1..]),
        Some((c, rest)) => text.first() == Some(c) && oracle(rest, &text[1..]),
    }
}
proptest! {
    #[test]
    fn globs(pattern in "[ab*?]{0,7}", text in "[ab]{0,7}") {
        let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
        prop_assert_eq!(glob(&pattern, &text), oracle(&p, &t));
    }
    #[test]
    fn never_panics(text in "([a-zA-Z:.*{}, ]{0,12}\n){0,8}") {
        let _ = rule(&text);
    }
}

//! Suppression files: LeakSanitizer's, `leak:pattern`, one a line, `#` for a comment, and Valgrind's,
//! rules in braces, of which those of the kind `Memcheck:Leak` count. A file may have both.
//!
//! A pattern of LeakSanitizer's matches anywhere in a function's name, a source file or a module of the
//! stack; `*` is any text, `^` at its begin and `$` at its end hold it there. The first suppression
//! of the file that matches a stack gets the count.
use crate::Failure;
use crate::failure::{TROUBLE, plain};
use crate::record::Kind;
use std::path::{Path, PathBuf};

mod braces;
pub mod ready;

/// The rules in the order of the files, and how often each one held.
#[derive(Clone, Default)]
pub struct Suppressions {
    rules: Vec<Rule>,
}

#[derive(Clone)]
pub struct Rule {
    /// The pattern, or what Valgrind's rule is called.
    pub name: String,
    pub objects: u64,
    pub bytes: u64,
    /// `file:line`; empty for one that the program brought, which is not told when it is not used.
    pub origin: String,
    holds: Holds,
}
#[derive(Clone)]
enum Holds {
    Pattern(String),
    Stack(braces::Stack),
}

/// One frame, as rules see it.
#[derive(Clone, Copy, Default)]
pub struct Shown<'a> {
    pub module: Option<&'a str>,
    pub function: Option<&'a str>,
    pub linkage: Option<&'a str>,
    pub file: Option<&'a str>,
    pub line: u32,
    pub inlined: bool,
}

impl Suppressions {
    pub fn read(files: &[PathBuf]) -> Result<Suppressions, Failure> {
        let mut all = Suppressions::default();
        for file in files {
            let shown = file.display();
            let text = std::fs::read(file).map_err(|error| {
                Failure::new(TROUBLE, format_args!("cannot read the suppressions {shown}: {}", plain(&error)))
            })?;
            all.parse(&String::from_utf8_lossy(&text), file, Whose::Users)?;
        }
        Ok(all)
    }

    fn parse(&mut self, text: &str, file: &Path, whose: Whose) -> Result<(), Failure> {
        let mut lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
        let fail = |number: usize, why: &dyn std::fmt::Display| {
            Failure::new(TROUBLE, format_args!("{}:{number}: {why}", file.display()))
        };
        while let Some((number, line)) = lines.next() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, holds) = if line == "{" {
                match braces::parse(&mut lines).map_err(|(at, why)| fail(at.unwrap_or(number), &why))? {
                    Some((name, stack)) => (name, Holds::Stack(stack)),
                    // Of another tool, or another kind of fault.
                    None => continue,
                }
            } else {
                let pattern = line.strip_prefix("leak:").filter(|pattern| !pattern.is_empty());
                let why = format_args!("a suppression is leak:PATTERN, not \"{line}\"");
                let pattern = pattern.ok_or_else(|| fail(number, &why))?.to_owned();
                (pattern.clone(), Holds::Pattern(pattern))
            };
            let origin = match whose {
                Whose::Users => format!("{}:{number}", file.display()),
                Whose::Programs => String::new(),
            };
            self.rules.push(Rule { name, objects: 0, bytes: 0, origin, holds });
        }
        Ok(())
    }

    /// The rules that a program brought. What is no rule is told.
    pub fn add_own(&mut self, lines: &[String], exe: &str) -> Option<String> {
        let trouble = self.parse(&lines.join("\n"), Path::new(exe), Whose::Programs).err();
        trouble.map(|failure| failure.text)
    }

    /// Whether this stack is suppressed; if so, the leak is counted for the rule.
    pub fn take(&mut self, stack: &[Shown<'_>], kind: Kind, objects: u64, bytes: u64) -> bool {
        let Some(rule) = self.rules.iter_mut().find(|rule| rule.holds(stack, kind)) else { return false };
        rule.objects = rule.objects.saturating_add(objects);
        rule.bytes = rule.bytes.saturating_add(bytes);
        true
    }

    /// The rules that held.
    pub fn used(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.objects > 0)
    }
    /// Those of the user's that did not.
    pub fn unused(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.objects == 0 && !rule.origin.is_empty())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Users,
    Programs,
}

impl Rule {
    fn holds(&self, stack: &[Shown<'_>], kind: Kind) -> bool {
        match &self.holds {
            Holds::Stack(rule) => rule.holds(stack, kind),
            Holds::Pattern(pattern) => stack.iter().any(|frame| {
                let names = [frame.module, frame.function, frame.linkage, frame.file];
                names.into_iter().flatten().any(|name| matches(pattern, name))
            }),
        }
    }
}

/// Whether `pattern` matches `name`. The empty name is matched by nothing.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, at_begin) = pattern.strip_prefix('^').map_or((pattern, false), |rest| (rest, true));
    // What follows a '$' means nothing, as there.
    let (pattern, at_end) = pattern.split_once('$').map_or((pattern, false), |(rest, _)| (rest, true));
    if name.is_empty() {
        return false;
    }
    let mut rest = name;
    let mut pieces = pattern.split('*').peekable();
    let mut held = at_begin;
    while let Some(piece) = pieces.next() {
        let last = pieces.peek().is_none();
        rest = match (held, last && at_end) {
            (true, true) => return rest == piece,
            (true, false) => match rest.strip_prefix(piece) {
                Some(rest) => rest,
                None => return false,
            },
            (false, true) => return rest.ends_with(piece),
            (false, false) => match rest.find(piece) {
                Some(at) => &rest[at + piece.len()..],
                None => return false,
            },
        };
        held = false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("foo", "a_foo_b", true),
            ("foo", "fo", false),
            ("^foo", "a_foo", false),
            ("^foo", "foo_b", true),
            ("foo$", "a_foo", true),
            ("foo$", "foofoo", true),
            ("foo$", "foo_b", false),
            ("^foo$", "foo", true),
            ("^foo$", "foo2", false),
            ("a*b", "xxaxxbxx", true),
            ("a*b", "b a", false),
            ("^a*b$", "a-b-b", true),
            ("^a*b$", "ab", true),
            ("^a*b$", "a", false),
            ("a*b*$", "a b c", true),
            ("*", "x", true),
            ("*", "", false),
            ("^*foo", "a_foo", true),
            ("*LeakingFunc*", "LSanTestLeakingFunc()", true),
            ("libfoo.so", "/usr/lib/libfoo.so.1", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
    /// The meaning of a pattern, without cleverness: `*` tries every length.
    fn oracle(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => true,
            Some(('$', _)) => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|skip| oracle(rest, &name[skip..])),
            Some((c, rest)) => name.first() == Some(c) && oracle(rest, &name[1..]),
        }
    }
    proptest! {
        #[test]
        fn as_the_oracle_says(pattern in "\\^?[ab*]{0,6}\\$?", name in "[ab]{0,7}") {
            let plain: Vec<char> = pattern.strip_prefix('^').map_or(format!("*{pattern}"), str::to_owned).chars().collect();
            let letters: Vec<char> = name.chars().collect();
            prop_assert_eq!(matches(&pattern, &name), !name.is_empty() && oracle(&plain, &letters));
        }
    }
    #[test]
    fn files() {
        let mut rules = Suppressions::default();
        let text = "# known\n\n  leak:first \r\nleak:f\n{\n mine\n Memcheck:Leak\n fun:g\n}\nleak:never\n";
        rules.parse(text, Path::new("x.supp"), Whose::Users).unwrap();
        let named = |name| Shown { function: Some(name), ..Shown::default() };
        assert!(rules.take(&[named("main"), named("first")], Kind::Direct, 2, 20));
        assert!(rules.take(&[named("f")], Kind::Direct, 1, 5));
        assert!(rules.take(&[named("g")], Kind::Direct, 1, 5));
        assert!(!rules.take(&[named("main")], Kind::Direct, 1, 5));
        let used: Vec<_> = rules.used().map(|r| (&*r.name, r.objects, r.bytes)).collect();
        assert_eq!(used, [("first", 2, 20), ("f", 1, 5), ("mine", 1, 5)]);
        let unused: Vec<_> = rules.unused().map(|r| (&*r.name, &*r.origin)).collect();
        assert_eq!(unused, [("never", "x.supp:10")]);
        let failure = rules.parse("leak:ok\nrace:x\n", Path::new("x.supp"), Whose::Users).unwrap_err();
        assert_eq!(failure.text, "x.supp:2: a suppression is leak:PATTERN, not \"race:x\"");
    }
}

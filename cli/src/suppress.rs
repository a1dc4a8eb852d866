//! LeakSanitizer's suppression files: `leak:pattern`, one a line, `#` for a comment.
//!
//! A pattern matches anywhere in a function's name, a source file or a module of the stack; `*` is
//! any text, `^` at its begin and `$` at its end hold it there. The first suppression of the file
//! that matches a stack gets the count.
use crate::Failure;
use crate::failure::{TROUBLE, plain};
use std::path::{Path, PathBuf};

/// The patterns in the order of the files, and how often each one held.
#[derive(Clone, Default)]
pub struct Suppressions {
    rules: Vec<Rule>,
}

#[derive(Clone)]
pub struct Rule {
    pub pattern: String,
    pub objects: u64,
    pub bytes: u64,
}

impl Suppressions {
    pub fn read(files: &[PathBuf]) -> Result<Suppressions, Failure> {
        let mut all = Suppressions::default();
        for file in files {
            let shown = file.display();
            let text = std::fs::read(file).map_err(|error| {
                Failure::new(TROUBLE, format_args!("cannot read the suppressions {shown}: {}", plain(&error)))
            })?;
            all.parse(&String::from_utf8_lossy(&text), file)?;
        }
        Ok(all)
    }

    fn parse(&mut self, text: &str, file: &Path) -> Result<(), Failure> {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let pattern =
                line.strip_prefix("leak:").filter(|pattern| !pattern.is_empty()).ok_or_else(|| {
                    let (file, number) = (file.display(), number + 1);
                    Failure::new(
                        TROUBLE,
                        format_args!("{file}:{number}: a suppression is leak:PATTERN, not \"{line}\""),
                    )
                })?;
            self.rules.push(Rule { pattern: pattern.to_owned(), objects: 0, bytes: 0 });
        }
        Ok(())
    }

    /// The rules that a program brought. What is no rule is told.
    pub fn add_own(&mut self, lines: &[String], exe: &str) -> Option<String> {
        let trouble = self.parse(&lines.join("\n"), Path::new(exe)).err();
        trouble.map(|failure| failure.text)
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether one of the stack's `names` is suppressed; if so, the leak is counted for the rule.
    pub fn take<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str> + Clone,
        objects: u64,
        bytes: u64,
    ) -> bool {
        let rule = self.rules.iter_mut().find(|rule| names.clone().any(|name| matches(&rule.pattern, name)));
        if let Some(rule) = rule {
            rule.objects = rule.objects.saturating_add(objects);
            rule.bytes = rule.bytes.saturating_add(bytes);
            return true;
        }
        false
    }

    /// The rules that held.
    pub fn used(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.objects > 0)
    }
}

/// Whether `pattern` matches `name`. The empty name is matched by nothing.
fn matches(pattern: &str, name: &str) -> bool {
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
        rules.parse("# known\n\n  leak:first \r\nleak:f\n", Path::new("x.supp")).unwrap();
        assert!(rules.take(["main", "first"].into_iter(), 2, 20));
        assert!(rules.take(["f"].into_iter(), 1, 5));
        assert!(!rules.take(["main"].into_iter(), 1, 5));
        let used: Vec<_> = rules.used().map(|r| (&*r.pattern, r.objects, r.bytes)).collect();
        assert_eq!(used, [("first", 2, 20), ("f", 1, 5)]);
        let failure = rules.parse("leak:ok\nrace:x\n", Path::new("x.supp")).unwrap_err();
        assert_eq!(failure.text, "x.supp:2: a suppression is leak:PATTERN, not \"race:x\"");
    }
}

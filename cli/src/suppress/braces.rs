//! Valgrind's suppressions: a name, `Memcheck:Leak`, perhaps `match-leak-kinds:`, then patterns for the
//! frames from the innermost on: `fun:`, `obj:`, `src:` and `...` for any number of frames.
//!
//! Its stacks begin in `malloc` or `operator new`, ours at their caller: a first pattern that names an
//! allocator may hold for a frame that is not there. Functions are matched as linked and demangled,
//! with inlined frames and without.
use super::Shown;
use crate::record::Kind;

/// The frames of one rule, and the kinds of leaks that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    kinds: Vec<Word>,
    frames: Vec<Pattern>,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Definite,
    Indirect,
    Possible,
    /// Kinds that are never in a record.
    Other,
}
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Function(String),
    Object(String),
    Source(String),
    Any,
}

/// A rule and what it is called.
pub type Named = (String, Stack);
/// What is wrong, and in which line.
pub type Wrong = (Option<usize>, String);

/// What comes after the brace; none if it is not about leaks. The error has its line, if there is one.
pub fn parse<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>) -> Result<Option<Named>, Wrong> {
    let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let open = || (None, "a suppression that is not closed by }".to_owned());
    let mut next = || lines.next().ok_or_else(open);
    let (_, name) = next()?;
    let (at, kind) = next()?;
    if name == "}" || kind == "}" {
        return Err((Some(at), "a suppression has a name, a kind such as Memcheck:Leak, and frames".into()));
    }
    let (tools, what) = kind.split_once(':').unwrap_or(("", kind));
    let ours = tools.split(',').any(|tool| tool.trim() == "Memcheck") && what.trim() == "Leak";
    let mut stack = Stack { kinds: Vec::new(), frames: Vec::new() };
    loop {
        let (at, line) = next()?;
        let cut = |head| line.strip_prefix(head).map(|rest: &str| rest.trim().to_owned());
        let pattern = if line == "}" {
            break;
        } else if !ours {
            continue;
        } else if line == "..." {
            Pattern::Any
        } else if let Some(name) = cut("fun:") {
            Pattern::Function(name)
        } else if let Some(name) = cut("obj:") {
            Pattern::Object(name)
        } else if let Some(name) = cut("src:") {
            Pattern::Source(name)
        } else if let Some(kinds) = cut("match-leak-kinds:") {
            stack.kinds = kinds.split(',').flat_map(words).collect();
            continue;
        } else {
            return Err((Some(at), format!("a frame is fun:, obj:, src: or ..., not \"{line}\"")));
        };
        stack.frames.push(pattern);
    }
    Ok(ours.then(|| (name.to_owned(), stack)))
}

fn words(word: &str) -> Vec<Word> {
    match word.trim() {
        "definite" => vec![Word::Definite],
        "indirect" => vec![Word::Indirect],
        "possible" => vec![Word::Possible],
        "all" => vec![Word::Definite, Word::Indirect, Word::Possible, Word::Other],
        _ => vec![Word::Other],
    }
}

impl Stack {
    pub fn holds(&self, stack: &[Shown<'_>], kind: Kind) -> bool {
        let word = match kind {
            Kind::Indirect => Word::Indirect,
            Kind::Possible => Word::Possible,
            Kind::Direct | Kind::Mapping => Word::Definite,
        };
        if !self.kinds.is_empty() && !self.kinds.contains(&word) {
            return false;
        }
        // An inlined frame comes before the one that it was inlined into, which is the function there is.
        let real: Vec<Shown<'_>> = stack.iter().filter(|frame| !frame.inlined).copied().collect();
        let below = match self.frames.split_first() {
            Some((Pattern::Function(name), below)) if ALLOCATORS.iter().any(|one| glob(name, one)) => {
                Some(below)
            }
            Some((Pattern::Object(name), below)) if name.contains("vgpreload") => Some(below),
            _ => None,
        };
        [stack, &real]
            .into_iter()
            .any(|stack| begins(&self.frames, stack) || below.is_some_and(|below| begins(below, stack)))
    }
}

/// What Valgrind replaces.
const ALLOCATORS: &[&str] = &[
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "memalign",
    "posix_memalign",
    "aligned_alloc",
    "valloc",
    "pvalloc",
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
];

/// Whether the patterns hold from the innermost frame on; the stack may go on below them.
fn begins(patterns: &[Pattern], stack: &[Shown<'_>]) -> bool {
    // reach[i]: the patterns so far hold for exactly i frames.
    let mut reach = vec![false; stack.len() + 1];
    reach[0] = true;
    for pattern in patterns {
        let mut next = vec![false; stack.len() + 1];
        for at in (0..=stack.len()).filter(|&at| reach[at]) {
            match (pattern, stack.get(at)) {
                (Pattern::Any, _) => next[at..].fill(true),
                (pattern, Some(frame)) if fits(pattern, frame) => next[at + 1] = true,
                _ => {}
            }
        }
        reach = next;
    }
    reach.contains(&true)
}

fn fits(pattern: &Pattern, frame: &Shown<'_>) -> bool {
    match pattern {
        Pattern::Any => true,
        Pattern::Function(name) => {
            let names = [frame.function, frame.linkage];
            names.into_iter().flatten().any(|known| glob(name, known) || glob(name, bare(known)))
                || (name == "*" && names == [None, None])
        }
        Pattern::Object(name) => glob(name, frame.module.unwrap_or("???")),
        Pattern::Source(place) => {
            let (file, line) = place.rsplit_once(':').unwrap_or((place, ""));
            let Some(known) = frame.file else { return false };
            let base = known.rsplit('/').next().unwrap_or(known);
            (glob(file, base) || glob(file, known)) && (line.is_empty() || line == frame.line.to_string())
        }
    }
}

/// A demangled name without its arguments.
fn bare(name: &str) -> &str {
    name.split('(').next().filter(|head| !head.is_empty()).unwrap_or(name)
}

/// `*` is any text, `?` any character; all of `text` must be matched.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => (p, t) = (p + 1, t + 1),
            // The last star takes one more.
            _ => match star {
                Some((at, from)) => {
                    (p, t) = (at + 1, from + 1);
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests;

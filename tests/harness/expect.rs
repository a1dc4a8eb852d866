//! What a program's output is compared with: patterns, and the leaks planted in its source.

use super::spec::Spec;

/// A leak that the report must name.
#[derive(Debug, Clone)]
pub struct Leak {
    pub function: String,
    pub line: usize,
    pub bytes: u64,
    pub objects: u64,
    pub kind: String,
}

/// The planted leaks of a header; a mark is looked up in its file and in the plugin beside it.
pub fn leaks(spec: &Spec, mode: &str, sources: &[String]) -> Result<Vec<Leak>, String> {
    spec.all("leak", mode).into_iter().map(|row| leak(row, sources)).collect()
}

fn leak(row: &str, sources: &[String]) -> Result<Leak, String> {
    let bad = || format!("a leak needs `function @mark bytes objects kind`, not `{row}`");
    let words: Vec<&str> = row.split_whitespace().collect();
    let [function, mark, bytes, objects, kind] = words[..] else { return Err(bad()) };
    let needle = format!("/* {mark} */");
    let line = sources.iter().find_map(|s| s.lines().position(|l| l.contains(&needle)));
    Ok(Leak {
        function: function.to_string(),
        line: line.ok_or_else(|| format!("no line is marked {needle}"))? + 1,
        bytes: bytes.parse().map_err(|_| bad())?,
        objects: objects.parse().map_err(|_| bad())?,
        kind: kind.to_string(),
    })
}

/// Whether `text` fits `pattern`, in which `*` stands for any run of characters.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or("")) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// Compares output with the patterns, line by line; `...` stands for any number of lines.
pub fn lines_fit(patterns: &[&str], text: &str) -> bool {
    fn from(patterns: &[&str], lines: &[&str]) -> bool {
        match patterns.split_first() {
            None => lines.is_empty(),
            Some((&"...", more)) => (0..=lines.len()).any(|skip| from(more, &lines[skip..])),
            Some((pattern, more)) => {
                lines.first().is_some_and(|l| fits(pattern, l)) && from(more, &lines[1..])
            }
        }
    }
    from(patterns, &text.lines().collect::<Vec<_>>())
}

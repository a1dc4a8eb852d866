//! Reads a leak report back: the groups with their frames, compared with the planted leaks.

use super::expect::Leak;

struct Group {
    kind: String,
    bytes: u64,
    objects: u64,
    /// (function, file, line), innermost first.
    frames: Vec<(String, String, usize)>,
}

/// What is wrong with the report in `text`, given the leaks planted in files called `files`.
pub fn faults(text: &str, planted: &[Leak], files: &[String]) -> Vec<String> {
    let (mut groups, mut faults) = (parse(text), Vec::new());
    for leak in planted {
        match groups.iter().position(|g| is(g, leak, files)) {
            Some(at) => {
                groups.remove(at);
            }
            None => faults.push(format!("not found: {leak:?}")),
        }
    }
    for g in groups {
        let frame = g.frames.iter().find(|f| files.iter().any(|file| f.1.ends_with(file.as_str())));
        faults.push(format!("not planted: {} {} bytes in {} objects, {frame:?}", g.kind, g.bytes, g.objects));
    }
    let total: u64 = planted.iter().filter(|l| l.kind != "possible").map(|l| l.bytes).sum();
    if !planted.is_empty()
        && !text.lines().any(|l| l.starts_with("SUMMARY: ") && l.contains(&format!(" {total} byte")))
    {
        faults.push(format!("no SUMMARY line that says {total} byte(s)"));
    }
    faults
}

fn is(group: &Group, leak: &Leak, files: &[String]) -> bool {
    let here = |f: &(String, String, usize)| {
        let plain = f.0 == leak.function || f.0.starts_with(&format!("{}(", leak.function));
        plain && f.2 == leak.line && files.iter().any(|file| f.1.ends_with(file.as_str()))
    };
    group.kind == leak.kind
        && group.bytes == leak.bytes
        && group.objects == leak.objects
        && group.frames.iter().any(here)
}

/// `Direct leak of 48 byte(s) in 1 object(s) allocated from:` (or `Leaked mapping of …`) and the `    #0 0x… in f file:1` below it.
fn parse(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [kind @ ("Direct" | "Indirect" | "Possible"), "leak", "of", bytes, _, "in", objects, ..]
        | ["Leaked", kind @ "mapping", "of", bytes, _, "in", objects, ..] = words[..]
        {
            groups.push(Group {
                kind: kind.to_lowercase(),
                bytes: bytes.parse().unwrap_or(0),
                objects: objects.parse().unwrap_or(0),
                frames: Vec::new(),
            });
        } else if line.starts_with('#')
            && let (Some((_, rest)), Some(group)) = (line.split_once(" in "), groups.last_mut())
            && let Some((function, place)) = rest.rsplit_once(' ')
        {
            let mut place = place.split(':');
            let file = place.next().unwrap_or("").to_string();
            let line = place.next().and_then(|l| l.parse().ok()).unwrap_or(0);
            group.frames.push((function.to_string(), file, line));
        }
    }
    groups
}

//! What a test program expects, read from the `// key: value` lines at its top.
//!
//! ```text
//! // One sentence that says what the program shows.
//! // modes: malloc leak gc          the modes it runs in; unless told, the first three, and audit in some folders
//! // native: no                     it cannot pass without the library
//! // flags: -pthread                for the compiler, besides -O2 -g
//! // plugin: plugins/leaky.c        built as a shared object; {plugin} in args is its path
//! // gleaner: min_growth=256k       appended to GLEANER=mode=…
//! // env: NAME=value                one variable a line
//! // args: one two                  arguments
//! // shell: ulimit -v 100000; exec {exe}
//! // timeout: 20                    seconds
//! // status: 0                      or SIGABRT, SIGSEGV
//! // stdout: text                   one line; `*` stands for anything; absent: not looked at
//! // stderr: text                   one line; absent: stderr must be empty; `...`: any lines
//! // told: text                   some line of stderr
//! // leak: function @mark bytes objects direct|indirect|mapping|possible
//! ```
//! A key may be narrowed to a mode: `// status[leak]: 23`. A file with `leak:` lines ends with 23 in
//! leak mode, and its stderr is read as the report: each line needs its group, and there must be no
//! group beyond them. `@mark` is the source line that carries the comment `/* @mark */`.

use std::path::Path;

/// The header of one file, for all modes.
pub struct Spec {
    lines: Vec<(String, Option<String>, String)>,
}

const KEYS: &[&str] = &[
    "modes",
    "native",
    "flags",
    "plugin",
    "gleaner",
    "env",
    "args",
    "shell",
    "timeout",
    "status",
    "stdout",
    "stderr",
    "told",
    "leak",
    "needs",
    "normalise",
];

impl Spec {
    /// Reads the leading comment of `text`, whose comments start with `comment` (`//` or `#`).
    pub fn parse(text: &str, comment: &str) -> Result<Spec, String> {
        let mut lines = Vec::new();
        // The first line is the sentence, or #! with the sentence below it.
        let sentence = if text.starts_with("#!") { 2 } else { 1 };
        for line in text.lines().skip(sentence) {
            let Some(line) = line.strip_prefix(comment) else { break };
            let Some((key, value)) = line.trim_start().split_once(':') else { continue };
            let (key, mode) = match key.split_once('[') {
                Some((key, mode)) => (key, Some(mode.trim_end_matches(']').to_string())),
                None => (key, None),
            };
            if KEYS.contains(&key) {
                lines.push((key.to_string(), mode, value.strip_prefix(' ').unwrap_or(value).to_string()));
            } else if !key.contains(' ') {
                return Err(format!("unknown key `{key}`"));
            }
        }
        Ok(Spec { lines })
    }

    /// All values of `key` that hold in `mode`: those narrowed to it, else the general ones.
    pub fn all(&self, key: &str, mode: &str) -> Vec<&str> {
        let of = |wanted: Option<&str>| -> Vec<&str> {
            let hit = |l: &&(String, Option<String>, String)| l.0 == key && l.1.as_deref() == wanted;
            self.lines.iter().filter(hit).map(|l| l.2.as_str()).collect()
        };
        let narrow = of(Some(mode));
        if narrow.is_empty() { of(None) } else { narrow }
    }

    pub fn one(&self, key: &str, mode: &str) -> Option<&str> {
        self.all(key, mode).first().copied()
    }

    /// Whether the program runs in `mode` (`native`: without the library).
    pub fn runs_in(&self, mode: &str) -> bool {
        if mode == "native" {
            return self.one("native", "native") != Some("no");
        }
        self.one("modes", "").is_none_or(|m| m.split_whitespace().any(|m| m == mode))
    }

    pub fn timeout(&self, mode: &str, default: u64) -> u64 {
        self.one("timeout", mode).and_then(|t| t.trim().parse().ok()).unwrap_or(default)
    }
}

/// Reads the header of the file at `path`.
pub fn read(path: &Path, comment: &str) -> Spec {
    let text = std::fs::read_to_string(path).expect("test source");
    Spec::parse(&text, comment).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

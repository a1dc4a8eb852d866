//! Which library is preloaded, in which modes; the command line of both harnesses.

use super::tree;
use std::path::{Path, PathBuf};

/// The modes of the library; `native` stands beside them for a run without it.
pub const MODES: [&str; 4] = ["malloc", "leak", "gc", "audit"];

/// What to preload.
pub enum Preload {
    /// target/release/libgleaner.so, in each of its modes.
    Gleaner(PathBuf),
    /// Another malloc, to check the tests themselves; it has one mode, `malloc`.
    Other(PathBuf),
    /// Nothing.
    Native,
}

impl Preload {
    pub fn modes(&self) -> &'static [&'static str] {
        match self {
            Preload::Gleaner(_) => &MODES,
            Preload::Other(_) => &["malloc"],
            Preload::Native => &["native"],
        }
    }

    /// LD_PRELOAD and GLEANER for `mode`; `options` are appended (`a=b:c=d`).
    pub fn env(&self, mode: &str, options: &[&str]) -> Vec<(String, String)> {
        if mode == "native" {
            return Vec::new();
        }
        let preload = |path: &Path| ("LD_PRELOAD".to_string(), path.display().to_string());
        match self {
            Preload::Gleaner(path) => {
                let mut value = format!("mode={mode}");
                options.iter().for_each(|o| value.push_str(&format!(":{}", o.trim())));
                vec![preload(path), ("GLEANER".to_string(), value)]
            }
            Preload::Other(path) => vec![preload(path)],
            Preload::Native => Vec::new(),
        }
    }
}

/// The command line of both harnesses: `[--preload PATH|native|sanitizers] [--mode MODE] [NAME…]`.
pub struct Args {
    pub preload: Option<String>,
    pub mode: Option<String>,
    pub names: Vec<String>,
    pub verbose: bool,
}

impl Args {
    pub fn from_env() -> Args {
        let mut args = Args { preload: None, mode: None, names: Vec::new(), verbose: false };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--preload" => args.preload = words.next(),
                "--mode" => args.mode = words.next(),
                "-v" | "--nocapture" => args.verbose = true,
                _ if word.starts_with('-') => {}
                _ => args.names.push(word),
            }
        }
        args
    }

    pub fn preload(&self) -> Preload {
        match self.preload.as_deref() {
            None => Preload::Gleaner(tree::build()),
            Some("native" | "sanitizers") => Preload::Native,
            Some(path) => Preload::Other(PathBuf::from(path)),
        }
    }

    /// Whether a test called `name` was asked for: any, or one whose name contains a given word.
    pub fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|n| name.contains(n.as_str()))
    }
}

/// Calls `work` on every item from two threads at most, and returns the results in the items' order.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let jobs = std::env::var("GLEANER_TEST_JOBS").ok().and_then(|j| j.parse().ok()).unwrap_or(2);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = work(item);
                    results.lock().expect("no worker panicked").push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no worker panicked");
    results.sort_by_key(|r| r.0);
    results.into_iter().map(|r| r.1).collect()
}

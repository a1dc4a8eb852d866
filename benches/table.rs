//! Bounds beside figures, ours and each peer's. What is missed stands there like what is reached.
use std::fmt::Write;
use std::fs;

/// What, bound, verdict; then ours and each peer.
pub struct Row {
    pub what: String,
    pub bound: String,
    pub met: Option<bool>,
    pub cells: Vec<String>,
}

impl Row {
    pub fn verdict(&self) -> &'static str {
        match self.met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "no figure",
        }
    }
}

/// The load of the last minute.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// Processor, how many, kernel.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("?", |two| two.1);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // The kernel's own name for its build tells the machine's owner more than the reader.
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {processors} processors, Linux {kernel}")
}

fn head(names: &[&str]) -> Vec<String> {
    ["", "bound", ""].iter().chain(names).map(|word| (*word).to_owned()).collect()
}

/// The table for a terminal: `names` are those of the columns of cells.
pub fn text(names: &[&str], rows: Vec<Row>) -> String {
    let mut lines = vec![head(names)];
    for row in rows {
        let mut line = vec![row.what.clone(), row.bound.clone(), row.verdict().to_owned()];
        line.extend(row.cells);
        lines.push(line);
    }
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    // A last cell may be long: it makes no column wider.
    let width = |at: usize| {
        lines.iter().filter(|line| line.len() > at + 1 || at < 3).map(|line| line[at].chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    let mut out = String::new();
    for line in &lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    out
}

/// The same for a page.
pub fn markdown(names: &[&str], rows: Vec<Row>) -> String {
    let head = head(names);
    let mut out = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let met = if row.met == Some(true) { "met".to_owned() } else { format!("**{}**", row.verdict()) };
        let mut cells = vec![row.what, row.bound, met];
        cells.extend(row.cells);
        cells.resize(head.len(), String::new());
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

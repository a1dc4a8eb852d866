//! What the checks said of each call stack: how much it has now, how that grows, how it was.
use crate::record::Pc;
use std::collections::HashMap;
use std::time::Instant;

/// One stack at one check.
#[derive(Clone, Default, Debug)]
pub struct Site {
    pub key: Vec<Pc>,
    pub label: String,
    pub frames: Vec<String>,
    pub bytes: u64,
    pub objects: u64,
    /// Bytes that nothing points to.
    pub lost: u64,
}

/// One check.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub at: Instant,
    pub pid: u64,
    pub exe: String,
    pub sites: Vec<Site>,
    pub lost: u64,
    /// What the library says of the check.
    pub note: String,
}

/// One stack over the checks.
#[derive(Clone, Debug)]
pub struct Row {
    pub site: Site,
    /// Bytes a second since the check before, and since it was first seen.
    pub now: f64,
    pub all: f64,
    /// Bytes at the last checks, the newest last.
    pub history: Vec<u64>,
    first: (Instant, u64),
    last: (Instant, u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    Bytes,
    Growth,
    Objects,
    Lost,
    Name,
}

impl Sort {
    pub const ALL: [Sort; 5] = [Sort::Bytes, Sort::Growth, Sort::Objects, Sort::Lost, Sort::Name];

    pub fn name(self) -> &'static str {
        match self {
            Sort::Bytes => "bytes",
            Sort::Growth => "growth",
            Sort::Objects => "objects",
            Sort::Lost => "lost",
            Sort::Name => "name",
        }
    }
    pub fn next(self) -> Sort {
        let at = Sort::ALL.iter().position(|&one| one == self).unwrap_or(0);
        Sort::ALL[(at + 1) % Sort::ALL.len()]
    }
}

/// So many checks are kept of each stack.
pub const HISTORY: usize = 60;

#[derive(Default)]
pub struct Sites {
    rows: HashMap<Vec<Pc>, Row>,
    pub checks: u64,
    /// Of all rows, at the last checks.
    pub totals: Vec<u64>,
    pub lost: u64,
    pub note: String,
    pub exe: String,
    pub pid: u64,
}

impl Sites {
    pub fn take(&mut self, snapshot: Snapshot) {
        let at = snapshot.at;
        (self.checks, self.lost) = (self.checks + 1, snapshot.lost);
        (self.note, self.exe, self.pid) = (snapshot.note, snapshot.exe, snapshot.pid);
        // What is not told any more has become small, or is gone.
        for row in self.rows.values_mut() {
            (row.site.bytes, row.site.objects, row.site.lost) = (0, 0, 0);
        }
        for site in snapshot.sites {
            let row = self.rows.entry(site.key.clone()).or_insert_with(|| Row {
                site: Site::default(),
                now: 0.0,
                all: 0.0,
                history: Vec::new(),
                first: (at, site.bytes),
                last: (at, site.bytes),
            });
            row.site = site;
        }
        for row in self.rows.values_mut() {
            let bytes = row.site.bytes;
            let rate = |(before, had): (Instant, u64)| {
                let seconds = at.saturating_duration_since(before).as_secs_f64();
                if seconds > 0.0 { (bytes as f64 - had as f64) / seconds } else { 0.0 }
            };
            (row.now, row.all) = (rate(row.last), rate(row.first));
            row.last = (at, bytes);
            keep(&mut row.history, bytes);
        }
        self.rows.retain(|_, row| row.history.iter().any(|&bytes| bytes > 0) || row.site.lost > 0);
        let total = self.total();
        keep(&mut self.totals, total);
    }

    pub fn total(&self) -> u64 {
        self.rows.values().map(|row| row.site.bytes).sum()
    }
    /// Bytes a second, all together, since the check before.
    pub fn rate(&self) -> f64 {
        self.rows.values().map(|row| row.now).sum()
    }

    /// The first is what the reader looks for.
    pub fn sorted(&self, sort: Sort) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.values().collect();
        rows.sort_by(|a, b| {
            let by_size = b.site.bytes.cmp(&a.site.bytes);
            let first = match sort {
                Sort::Bytes => by_size,
                Sort::Growth => b.all.total_cmp(&a.all),
                Sort::Objects => b.site.objects.cmp(&a.site.objects),
                Sort::Lost => b.site.lost.cmp(&a.site.lost),
                Sort::Name => a.site.label.cmp(&b.site.label),
            };
            first
                .then(by_size)
                .then_with(|| a.site.label.cmp(&b.site.label))
                .then_with(|| order(a).cmp(&order(b)))
        });
        rows
    }
}

/// Any order that stays.
fn order(row: &Row) -> Vec<u64> {
    row.site.key.iter().map(|pc| pc.address).collect()
}

fn keep(history: &mut Vec<u64>, bytes: u64) {
    if history.len() == HISTORY {
        history.remove(0);
    }
    history.push(bytes);
}

/// `12.3M`, four digits at most.
pub fn size(bytes: f64) -> String {
    let mut value = bytes.abs();
    let sign = if bytes < 0.0 { "-" } else { "" };
    for unit in ["", "K", "M", "G"] {
        if value < 999.5 {
            let digits = usize::from(value < 99.95 && !unit.is_empty());
            return format!("{sign}{value:.digits$}{unit}");
        }
        value /= 1024.0;
    }
    format!("{sign}{value:.1}T")
}

/// A rate; a dot where nothing changes.
pub fn rate(bytes: f64) -> String {
    if bytes.abs() < 0.5 {
        "·".to_owned()
    } else {
        format!("{}{}/s", if bytes > 0.0 { "+" } else { "" }, size(bytes))
    }
}

/// The last `width` values as bars; those of a site that stays the same are low.
pub fn bars(history: &[u64], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &history[history.len().saturating_sub(width)..];
    let (least, most) = (shown.iter().min().copied().unwrap_or(0), shown.iter().max().copied().unwrap_or(0));
    let bar = |&bytes: &u64| match most - least {
        0 => BARS[0],
        range => BARS[((bytes - least) as u128 * 7 / u128::from(range)) as usize],
    };
    shown.iter().map(bar).collect()
}

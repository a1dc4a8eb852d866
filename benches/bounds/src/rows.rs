//! The bounds: what is measured, what it may be at most.
use crate::figures::{BASE, Figures, OURS, best, of_outcome};

/// One line of the table.
pub struct Row {
    pub what: String,
    /// In words, for the reader.
    pub bound: String,
    pub limit: f64,
    /// What was measured; or why not.
    pub figure: Result<f64, String>,
    pub detail: String,
}

impl Row {
    pub fn verdict(&self) -> String {
        match &self.figure {
            Ok(figure) if *figure <= self.limit => "met".to_owned(),
            Ok(figure) => format!("missed by {:.0} %", ((figure / self.limit - 1.0) * 100.0).max(1.0)),
            Err(why) => why.clone(),
        }
    }
    pub fn is_missed(&self) -> bool {
        self.figure.as_ref().is_ok_and(|figure| *figure > self.limit)
    }
}

pub fn rows(figures: &Figures) -> Vec<Row> {
    let mut rows = vec![
        mean(
            figures,
            "cpu_ms",
            "suite, processor time",
            figures.peer("mimalloc", "3").ok_or("mimalloc 3"),
            0.92,
        ),
        mean(figures, "cpu_ms", "suite, processor time", Ok(BASE), 0.65),
        worst(figures),
        mean(figures, "peak_kib", "suite, peak memory", Ok(BASE), 1.05),
        beside(figures, ("programs", "tiny", "peak_kib"), "peak of a 2 MB process", &[BASE], 1.3),
    ];
    for (name, what, limit) in [
        ("pair64", "pair of 64 B", 44.0),
        ("malloc", "malloc", 20.0),
        ("free", "free", 24.0),
        ("calloc_pair", "calloc pair", 57.0),
        ("usable_size", "malloc_usable_size", 14.0),
        ("realloc_same", "realloc, same size", 40.0),
        ("pair4k", "pair of 4 KB", 60.0),
        ("pair64k", "pair of 64 KB", 76.0),
    ] {
        rows.push(instructions(figures, name, what, limit));
    }
    let mut time = |name: &str, what: &str, peers: &[&str], limit: f64| {
        rows.push(beside(figures, ("micro", name, "ns_per_op"), what, peers, limit));
    };
    time("grow", "realloc x1.5 to 64 KB", &[BASE], 1.2);
    time("grow_large", "realloc x2 to 64 MB", &[BASE], 1.2);
    time("pair1m", "pair of 1 MB", &["tcmalloc", "rpmalloc"], 1.2);
    time("pair8m", "pair of 8 MB", &["tcmalloc", "rpmalloc"], 1.2);
    time("xmalloc", "producer and consumer", &["snmalloc"], 1.0);
    time("calloc1m", "calloc of 1 MB", &["jemalloc"], 1.0);
    time("churn1m", "churn, a million alive", &["tcmalloc"], 1.1);
    time("shuffled", "a million, freed shuffled", &["mimalloc 3"], 1.1);
    rows.push(crowd(figures));
    rows.push(threads(figures));
    rows.push(idle(figures));
    rows
}

fn missing(peer: &str) -> String {
    format!("{peer} is not here")
}

/// The geometric mean over the suite, beside one peer.
fn mean(figures: &Figures, metric: &str, what: &str, peer: Result<&str, &str>, limit: f64) -> Row {
    let name = peer.unwrap_or_else(|name| name);
    let found = peer
        .map_err(missing)
        .and_then(|peer| figures.mean(OURS, peer, metric).ok_or_else(|| "not measured".to_owned()));
    Row {
        what: what.to_owned(),
        bound: format!("{limit} x {name}"),
        limit,
        detail: found.as_ref().map_or(String::new(), |(_, count)| format!("{count} programs")),
        figure: found.map(|(ratio, _)| ratio),
    }
}

/// The suite's program that is the worst beside the peer that is best at it.
fn worst(figures: &Figures) -> Row {
    let all = losses(figures, 0.0);
    let worst = all.first();
    Row {
        what: "the worst program of the suite".to_owned(),
        bound: "1.1 x its best peer".to_owned(),
        limit: 1.1,
        figure: worst.map(|loss| loss.1).ok_or_else(|| "not measured".to_owned()),
        detail: worst.map_or(String::new(), |loss| {
            let over = all.iter().filter(|loss| loss.1 > 1.1).count();
            format!("{} ({}); {over} of {} are over", loss.0, loss.2, all.len())
        }),
    }
}

/// (program, ratio to its best peer, that peer) of those above `from`, the worst first.
pub fn losses(figures: &Figures, from: f64) -> Vec<(String, f64, String)> {
    let peers = figures.peers();
    let one = |outcome: &serde_json::Value| {
        let (peer, value) = best(outcome, &peers, "cpu_ms")?;
        let ratio = of_outcome(outcome, OURS, "cpu_ms")? / value;
        Some((outcome["name"].as_str()?.to_owned(), ratio, peer))
    };
    let mut all: Vec<_> = figures.suite().filter_map(one).filter(|one| one.1 > from).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

/// One figure beside the best of the peers that the bound names; "NAME SERIES" wants that series.
fn beside(figures: &Figures, of: (&str, &str, &str), what: &str, peers: &[&str], limit: f64) -> Row {
    let (suite, name, metric) = of;
    let words = |peer: &str| -> (String, String) {
        let (name, series) = peer.split_once(' ').unwrap_or((peer, ""));
        (name.to_owned(), series.to_owned())
    };
    let value = |allocator: &str| figures.value(suite, name, allocator, metric);
    let there = peers.iter().filter_map(|peer| {
        let (name, series) = words(peer);
        let peer = figures.peer(&name, &series)?;
        Some((peer, value(peer)?))
    });
    let found = there.reduce(|a, b| if b.1 < a.1 { b } else { a });
    let ours = value(OURS);
    let figure = match (ours, found) {
        (None, _) => Err("not measured".to_owned()),
        (_, None) => Err(missing(&peers.join(", "))),
        (Some(ours), Some((_, theirs))) => Ok(ours / theirs),
    };
    let unit = |value: f64| {
        if metric == "peak_kib" { format!("{:.2} MiB", value / 1024.0) } else { nanoseconds(value) }
    };
    let mut detail = ours.map(unit).unwrap_or_default();
    if let Some((peer, theirs)) = found {
        detail += &format!(", {peer} {}", unit(theirs));
    } else {
        let all = figures.outcomes().iter().find(|one| one["suite"] == suite && one["name"] == name);
        if let Some((peer, theirs)) = all.and_then(|outcome| best(outcome, &figures.peers(), metric)) {
            detail += &format!("; best here {peer} {}", unit(theirs));
        }
    }
    Row { what: what.to_owned(), bound: format!("{limit} x {}", peers.join(" or ")), limit, figure, detail }
}

pub fn nanoseconds(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.2} ms", v / 1e6),
        v if v >= 1e3 => format!("{:.2} us", v / 1e3),
        v => format!("{v:.1} ns"),
    }
}

fn instructions(figures: &Figures, name: &str, what: &str, limit: f64) -> Row {
    let value = |allocator: &str| figures.value("steps", name, allocator, "instructions_per_op");
    let outcome = figures.outcomes().iter().find(|one| one["suite"] == "steps" && one["name"] == name);
    let best = outcome.and_then(|outcome| best(outcome, &figures.peers(), "instructions_per_op"));
    Row {
        what: format!("user instructions: {what}"),
        bound: format!("{limit}"),
        limit,
        figure: value(OURS).ok_or_else(|| "not measured".to_owned()),
        detail: best.map_or(String::new(), |(peer, value)| format!("best peer {value:.0} ({peer})")),
    }
}

/// Many threads are to cost no more than twice what two cost.
fn crowd(figures: &Figures) -> Row {
    let value = |name: &str| figures.value("micro", name, OURS, "ns_per_op");
    let (few, many) = (value("crowd2"), value("crowd256"));
    Row {
        what: "256 threads".to_owned(),
        bound: "2 x the same work by 2".to_owned(),
        limit: 2.0,
        figure: few.zip(many).map(|(few, many)| many / few).ok_or_else(|| "not measured".to_owned()),
        detail: few.zip(many).map_or(String::new(), |(few, many)| {
            format!("{}, by two {}", nanoseconds(many), nanoseconds(few))
        }),
    }
}

fn threads(figures: &Figures) -> Row {
    let value = |name: &str| figures.value("micro", "thread", name, "ns_per_op");
    let ours = value(OURS);
    Row {
        what: "a thread: create, join, us".to_owned(),
        bound: "45".to_owned(),
        limit: 45.0,
        figure: ours.map(|ours| ours / 1e3).ok_or_else(|| "not measured".to_owned()),
        detail: value(BASE).map_or(String::new(), |base| format!("{BASE} {}", nanoseconds(base))),
    }
}

fn idle(figures: &Figures) -> Row {
    let value = |metric: &str| figures.value("programs", "burst", OURS, metric);
    let (before, idle) = (value("before_kib"), value("idle_kib"));
    Row {
        what: "idle after a burst".to_owned(),
        bound: "1.1 x before it".to_owned(),
        limit: 1.1,
        figure: before.zip(idle).map(|(before, idle)| idle / before).ok_or_else(|| "not measured".to_owned()),
        detail: before.zip(idle).map_or(String::new(), |(before, idle)| {
            let peak = value("peak_kib").unwrap_or(0.0) / 1024.0;
            format!("{:.0} MiB, before {:.0}, peak {peak:.0}", idle / 1024.0, before / 1024.0)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn outcome(suite: &str, name: &str, metric: &str, values: [f64; 3]) -> Value {
        let cell = |(allocator, value): (&str, f64)| json!({ "allocator": allocator, "figures": { metric: { "median": value * 2.0, "values": [value * 2.0, value, value * 3.0] } } });
        let results: Vec<Value> =
            ["glibc", "gleaner", "mimalloc"].into_iter().zip(values).map(cell).collect();
        json!({ "suite": suite, "name": name, "results": results })
    }
    fn figures(version: &str) -> Figures {
        let head = json!({
            "allocators": [{ "name": "glibc" }, { "name": "gleaner" }, { "name": "mimalloc", "version": version }],
            "outcomes": [
                outcome("programs", "a", "cpu_ms", [100.0, 50.0, 50.0]),
                outcome("real", "b", "cpu_ms", [100.0, 60.0, 40.0]),
                outcome("programs", "burst", "cpu_ms", [1.0, 900.0, 1.0]),
                outcome("micro", "grow", "ns_per_op", [10.0, 12.0, 9.0]),
                outcome("steps", "pair64", "instructions_per_op", [60.0, 22.0, 30.0]),
            ],
        });
        let later =
            json!({ "outcomes": [outcome("steps", "pair64", "instructions_per_op", [60.0, 24.0, 30.0])] });
        Figures::of(vec![head, later]).unwrap()
    }
    fn row(rows: &[Row], bound: &str) -> (String, String, String) {
        let row = rows.iter().find(|row| row.bound == bound).unwrap();
        let figure = row.figure.as_ref().map_or(String::new(), |figure| format!("{figure:.3}"));
        (figure, row.verdict(), row.detail.clone())
    }
    #[test]
    fn verdicts() {
        let figures = figures("3.1-1");
        let rows = rows(&figures);
        let text = |figure: &str, verdict: &str, detail: &str| (figure.into(), verdict.into(), detail.into());
        assert_eq!(row(&rows, "0.92 x mimalloc"), text("1.225", "missed by 33 %", "2 programs"));
        assert_eq!(row(&rows, "0.65 x glibc"), text("0.548", "met", "2 programs"));
        assert_eq!(
            row(&rows, "1.1 x its best peer"),
            text("1.500", "missed by 36 %", "b (mimalloc); 1 of 2 are over")
        );
        // The later file's, the median as it is no time, and the bound itself is met.
        assert_eq!(row(&rows, "44"), text("48.000", "missed by 9 %", "best peer 60 (mimalloc)"));
        assert_eq!(row(&rows, "1.2 x glibc"), text("1.200", "met", "12.0 ns, glibc 10.0 ns"));
        assert_eq!(row(&rows, "1 x snmalloc").1, "not measured");
    }
    #[test]
    fn a_peer_that_is_missing_is_told() {
        let rows = rows(&figures("2.0.9"));
        assert_eq!(row(&rows, "0.92 x mimalloc 3").1, "mimalloc 3 is not here");
    }
}

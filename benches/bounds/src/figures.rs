//! What `gleaner bench --json` wrote.
use serde_json::Value;

pub struct Figures {
    /// The first file: machine, allocators, notes.
    pub head: Value,
    outcomes: Vec<Value>,
}

/// Whom the bounds are for, and what ratios are to.
pub const OURS: &str = "gleaner";
pub const BASE: &str = "glibc";

impl Figures {
    pub fn read(files: &[String]) -> Result<Figures, String> {
        let mut all = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
            all.push(serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?);
        }
        Figures::of(all)
    }

    pub fn of(all: Vec<Value>) -> Result<Figures, String> {
        let head = all.first().cloned().ok_or("which file? see the first lines of this program")?;
        let mut outcomes: Vec<Value> = Vec::new();
        for outcome in all.iter().flat_map(|file| file["outcomes"].as_array().cloned().unwrap_or_default()) {
            let same = |old: &Value| old["suite"] == outcome["suite"] && old["name"] == outcome["name"];
            outcomes.retain(|old| !same(old));
            outcomes.push(outcome);
        }
        Ok(Figures { head, outcomes })
    }

    pub fn outcomes(&self) -> &[Value] {
        &self.outcomes
    }
    pub fn allocators(&self) -> Vec<&str> {
        self.head["allocators"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["name"].as_str())
            .collect()
    }
    /// Not ours.
    pub fn peers(&self) -> Vec<&str> {
        self.allocators().into_iter().filter(|name| !name.starts_with(OURS)).collect()
    }
    /// A peer by the begin of its name; of a certain series if its version says so, or its own name.
    pub fn peer(&self, name: &str, series: &str) -> Option<&str> {
        let allocators = self.head["allocators"].as_array()?;
        let fits = |one: &&Value| {
            let own = one["name"].as_str().unwrap_or_default();
            let rest = own.strip_prefix(name);
            let version = one["version"].as_str().unwrap_or_default();
            rest.is_some_and(|rest| {
                series.is_empty()
                    || version.starts_with(series)
                    || rest.trim_start_matches('-').starts_with(series)
            })
        };
        allocators.iter().find(fits)?["name"].as_str()
    }
    /// Times: the least of all rounds, which a noisy machine falsifies least. Anything else: the median.
    pub fn value(&self, suite: &str, name: &str, allocator: &str, metric: &str) -> Option<f64> {
        let is = |outcome: &&Value| outcome["suite"] == suite && outcome["name"] == name;
        of_outcome(self.outcomes.iter().find(is)?, allocator, metric)
    }
    /// The programs that the suite's means are over: the burst is followed by a sleep.
    pub fn suite(&self) -> impl Iterator<Item = &Value> {
        self.outcomes
            .iter()
            .filter(|one| (one["suite"] == "programs" || one["suite"] == "real") && one["name"] != "burst")
    }
    /// The geometric mean of the ratios over the suite, and over how many programs.
    pub fn mean(&self, of: &str, to: &str, metric: &str) -> Option<(f64, usize)> {
        let ratios: Vec<f64> = self
            .suite()
            .filter_map(|one| Some(of_outcome(one, of, metric)? / of_outcome(one, to, metric)?))
            .filter(|ratio| ratio.is_finite() && *ratio > 0.0)
            .collect();
        let logs: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
        (!ratios.is_empty()).then(|| ((logs / ratios.len() as f64).exp(), ratios.len()))
    }
}

pub fn of_outcome(outcome: &Value, allocator: &str, metric: &str) -> Option<f64> {
    let cell = outcome["results"].as_array()?.iter().find(|cell| cell["allocator"] == allocator)?;
    let figure = cell["figures"].get(metric)?;
    let is_time = metric.ends_with("_ms") || metric == "ns_per_op";
    let least = || figure["values"].as_array()?.iter().filter_map(Value::as_f64).reduce(f64::min);
    if is_time { least() } else { figure["median"].as_f64() }
}

/// The peer that is best at it.
pub fn best(outcome: &Value, peers: &[&str], metric: &str) -> Option<(String, f64)> {
    let all = peers.iter().filter_map(|peer| Some(((*peer).to_owned(), of_outcome(outcome, peer, metric)?)));
    all.reduce(|a, b| if b.1 < a.1 { b } else { a })
}

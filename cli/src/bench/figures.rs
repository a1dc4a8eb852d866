//! What was measured, and what is told of it: medians, quartiles, ratios. The JSON is these structures.
//!
//! `docs/bench.schema.json` describes it; a test compares.
use super::allocators::Allocator;
use serde::Serialize;
use std::collections::BTreeMap;

/// A quantity. Less of it is better, always.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Nanoseconds an operation, told by a micro-benchmark.
    NsPerOp,
    /// User instructions an operation, counted by single steps.
    InstructionsPerOp,
    WallMs,
    CpuMs,
    UserMs,
    SystemMs,
    PeakKib,
    IdleKib,
    /// Resident before a burst, and after all of it was freed.
    BeforeKib,
    FreedKib,
    MinorFaults,
    MajorFaults,
    Instructions,
}

impl Metric {
    /// For people: a heading, a unit, what the stored value is divided by.
    pub fn shown(self) -> (&'static str, &'static str, f64) {
        match self {
            Metric::NsPerOp => ("time per operation", "ns", 1.0),
            Metric::InstructionsPerOp => ("user instructions per operation", "", 1.0),
            Metric::WallMs => ("time by the clock", "ms", 1.0),
            Metric::CpuMs => ("processor time", "ms", 1.0),
            Metric::UserMs => ("user time", "ms", 1.0),
            Metric::SystemMs => ("system time", "ms", 1.0),
            Metric::PeakKib => ("peak memory", "MiB", 1024.0),
            Metric::IdleKib => ("idle memory", "MiB", 1024.0),
            Metric::BeforeKib => ("before the burst", "MiB", 1024.0),
            Metric::FreedKib => ("after the burst", "MiB", 1024.0),
            Metric::MinorFaults => ("page faults", "", 1.0),
            Metric::MajorFaults => ("page faults from disk", "", 1.0),
            Metric::Instructions => ("user instructions", "million", 1e6),
        }
    }
    pub fn title(self) -> String {
        match self.shown() {
            (title, "", _) => title.to_owned(),
            (title, unit, _) => format!("{title}, {unit}"),
        }
    }
    /// In the unit for people, with three figures.
    pub fn text(self, value: f64) -> String {
        three(value / self.shown().2)
    }
    /// A spread, with the decimals that the median has; empty if there is none to speak of.
    pub fn spread(self, median: f64, mad: f64) -> String {
        let text = self.text(median);
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let text = format!("{:.decimals$}", mad / self.shown().2);
        if text.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
            format!(" ±{text}")
        } else {
            String::new()
        }
    }
}

/// Three significant figures, without an exponent.
pub fn three(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 || v == 0.0 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The values of one quantity over the rounds.
#[derive(Clone, Serialize)]
pub struct Figure {
    pub median: f64,
    /// The quartiles, and the median of the distances from the median.
    pub low: f64,
    pub high: f64,
    pub mad: f64,
    pub n: usize,
    /// Beside the first allocator, which is libc's unless it was left out, and beside the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to_best: Option<f64>,
    /// Each round's.
    pub values: Vec<f64>,
}

impl Figure {
    /// Of at least one value.
    pub fn of(values: &[f64]) -> Figure {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let median = quantile(&sorted, 0.5);
        let mut distances: Vec<f64> = sorted.iter().map(|value| (value - median).abs()).collect();
        distances.sort_by(f64::total_cmp);
        Figure {
            median,
            low: quantile(&sorted, 0.25),
            high: quantile(&sorted, 0.75),
            mad: quantile(&distances, 0.5),
            n: sorted.len(),
            ratio: None,
            ratio_to_best: None,
            values: values.to_vec(),
        }
    }
}

/// Between the two nearest, as most do it.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = part * last as f64;
    let (below, rest) = (at.floor() as usize, at.fract());
    sorted[below] + rest * (sorted[(below + 1).min(last)] - sorted[below])
}

pub type Sample = BTreeMap<Metric, f64>;

/// One program under one allocator.
#[derive(Default, Serialize)]
pub struct Cell {
    pub allocator: String,
    /// How it failed: then there are no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Runs that ended well but not as under the first allocator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
    pub figures: BTreeMap<Metric, Figure>,
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

/// One program under each allocator.
#[derive(Serialize)]
pub struct Outcome {
    pub suite: &'static str,
    pub name: String,
    pub about: &'static str,
    pub results: Vec<Cell>,
}

#[derive(Serialize)]
pub struct Machine {
    pub processor: String,
    pub processors: usize,
    pub kernel: String,
    pub libc: String,
    pub memory_kib: u64,
    /// Of the last minute, before the first and after the last run.
    pub load: [f64; 2],
}

#[derive(Serialize)]
pub struct Results {
    pub format: &'static str,
    pub version: u32,
    pub gleaner: &'static str,
    pub machine: Machine,
    pub rounds: u32,
    pub scale: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    pub allocators: Vec<Allocator>,
    pub outcomes: Vec<Outcome>,
    /// The mean ratio over all programs of a suite that every allocator ended well.
    pub geomeans: Vec<Geomean>,
    pub notes: Vec<String>,
}

#[derive(Serialize)]
pub struct Geomean {
    pub suite: &'static str,
    pub metric: Metric,
    pub programs: usize,
    /// In the order of the allocators.
    pub ratios: Vec<Option<f64>>,
}

impl Outcome {
    /// Turns the samples into figures, and sets them beside each other.
    pub fn settle(&mut self) {
        for cell in &mut self.results {
            let mut values: BTreeMap<Metric, Vec<f64>> = BTreeMap::new();
            if cell.failure.is_none() {
                for (&metric, &value) in cell.samples.iter().flatten() {
                    values.entry(metric).or_default().push(value);
                }
            }
            cell.figures = values.iter().map(|(&metric, values)| (metric, Figure::of(values))).collect();
        }
        let medians = |metric: &Metric, results: &[Cell]| -> Vec<Option<f64>> {
            results.iter().map(|cell| cell.figures.get(metric).map(|figure| figure.median)).collect()
        };
        for at in 0..self.results.len() {
            for metric in self.results[at].figures.keys().copied().collect::<Vec<_>>() {
                let all = medians(&metric, &self.results);
                let best = all.iter().flatten().copied().reduce(f64::min);
                let beside = |other: Option<f64>| {
                    let ratio = all[at]? / other.filter(|other| *other > 0.0)?;
                    ratio.is_finite().then_some(ratio)
                };
                let (ratio, to_best) = (beside(all[0]), beside(best));
                if let Some(figure) = self.results[at].figures.get_mut(&metric) {
                    (figure.ratio, figure.ratio_to_best) = (ratio, to_best);
                }
            }
        }
    }
    pub fn figure(&self, allocator: usize, metric: Metric) -> Option<&Figure> {
        self.results.get(allocator)?.figures.get(&metric)
    }
    pub fn has(&self, metric: Metric) -> bool {
        self.results.iter().any(|cell| cell.figures.contains_key(&metric))
    }
}

/// The quantities that a suite is about.
pub fn headlines(suite: &str) -> &'static [Metric] {
    match suite {
        "micro" => &[Metric::NsPerOp],
        "steps" => &[Metric::InstructionsPerOp],
        _ => &[Metric::CpuMs, Metric::WallMs, Metric::PeakKib],
    }
}

/// The geometric means of each suite's headlines.
pub fn geomeans(outcomes: &[Outcome], allocators: usize) -> Vec<Geomean> {
    let mut means = Vec::new();
    let mut suites: Vec<&'static str> = outcomes.iter().map(|outcome| outcome.suite).collect();
    suites.dedup();
    for suite in suites.into_iter().filter(|suite| *suite != "command") {
        for &metric in headlines(suite) {
            // A burst is followed by a sleep: its time tells nothing.
            let whole = |outcome: &&Outcome| {
                outcome.suite == suite
                    && outcome.name != "burst"
                    && (0..allocators)
                        .all(|at| outcome.figure(at, metric).is_some_and(|figure| figure.ratio.is_some()))
            };
            let rows: Vec<&Outcome> = outcomes.iter().filter(whole).collect();
            let mean = |at: usize| {
                let logs: f64 = rows
                    .iter()
                    .filter_map(|row| Some(row.figure(at, metric)?.ratio?.max(f64::MIN_POSITIVE).ln()))
                    .sum();
                (!rows.is_empty()).then(|| (logs / rows.len() as f64).exp())
            };
            let ratios = (0..allocators).map(mean).collect();
            means.push(Geomean { suite, metric, programs: rows.len(), ratios });
        }
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_spread() {
        let figure = Figure::of(&[5.0, 1.0, 2.0, 4.0, 3.0]);
        assert_eq!((figure.median, figure.low, figure.high, figure.mad, figure.n), (3.0, 2.0, 4.0, 1.0, 5));
        let figure = Figure::of(&[2.0, 1.0]);
        assert_eq!((figure.median, figure.low, figure.high, figure.mad), (1.5, 1.25, 1.75, 0.5));
        assert_eq!(Figure::of(&[7.0]).median, 7.0);
    }
    #[test]
    fn numbers_for_people() {
        let shown: Vec<String> = [0.0, 0.1234, 1.0, 9.999, 31.26, 99.96, 12345.6].map(three).into();
        assert_eq!(shown, ["0", "0.123", "1.00", "10.0", "31.3", "100", "12346"]);
        assert_eq!(Metric::NsPerOp.spread(12.34, 0.56), " ±0.6");
        assert_eq!(Metric::PeakKib.spread(204800.0, 100.0), "");
    }
    fn outcome(name: &str, medians: &[Option<f64>]) -> Outcome {
        let cell = |value: &Option<f64>| Cell {
            samples: value.iter().map(|&v| Sample::from([(Metric::CpuMs, v)])).collect(),
            ..Cell::default()
        };
        let mut outcome = Outcome {
            suite: "programs",
            name: name.to_owned(),
            about: "",
            results: medians.iter().map(cell).collect(),
        };
        outcome.settle();
        outcome
    }
    #[test]
    fn ratios_and_means() {
        let all = [
            outcome("a", &[Some(4.0), Some(2.0)]),
            outcome("b", &[Some(1.0), Some(2.0)]),
            outcome("c", &[Some(1.0), Some(0.5)]),
            outcome("lost", &[Some(1.0), None]),
            outcome("burst", &[Some(1.0), Some(100.0)]),
        ];
        let figure = all[0].figure(0, Metric::CpuMs).unwrap();
        assert_eq!((figure.ratio, figure.ratio_to_best), (Some(1.0), Some(2.0)));
        let means = geomeans(&all, 2);
        let mean = means.iter().find(|mean| mean.metric == Metric::CpuMs).unwrap();
        assert_eq!((mean.programs, mean.ratios[0]), (3, Some(1.0)));
        assert!((mean.ratios[1].unwrap() - 0.5f64.cbrt()).abs() < 1e-9);
    }
}

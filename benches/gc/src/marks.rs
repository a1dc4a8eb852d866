//! Marking of heaps of several shapes, by us and by bdwgc in turn; and what the collector's own memory costs.
use crate::{Collector, Setup};
use gleaner_benches::run::{median, run};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

pub const SHAPES: [&str; 7] = ["random", "tree", "levels", "list", "shuffled", "data4k", "data1m"];
const LIMIT: Duration = Duration::from_secs(1200);
/// Of each run; the first finds a colder heap.
const COLLECTIONS: u32 = 3;

/// Who is measured, and with how many markers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Who {
    Ours(u32),
    Theirs(u32),
}

#[derive(Default, Serialize, Deserialize)]
pub struct Marks {
    /// Milliseconds of the median collection of each round, and of whom.
    times: HashMap<String, Vec<(Who, f64)>>,
    /// Peaks in KiB: with collections, and in mode malloc.
    peaks: HashMap<String, Vec<(f64, f64)>>,
}

impl Marks {
    /// Seconds a gigabyte (10^9 bytes), the median of the rounds.
    pub fn seconds(&self, setup: &Setup, shape: &str, who: Who) -> Option<f64> {
        let times = self.times.get(shape)?.iter().filter(|one| one.0 == who).map(|one| one.1);
        Some(median(times.collect())? / 1e3 / gigabytes(setup))
    }
    /// The least of rounds and of markers.
    pub fn theirs(&self, setup: &Setup, shape: &str) -> Option<f64> {
        [1, 2].into_iter().filter_map(|n| self.seconds(setup, shape, Who::Theirs(n))).reduce(f64::min)
    }
    /// What collections add to the peak, as a part of what is live.
    pub fn metadata(&self, setup: &Setup, shape: &str) -> Option<f64> {
        let all = self.peaks.get(shape)?;
        let more = median(all.iter().map(|(with, without)| with - without).collect())?;
        Some(more / 1024.0 / f64::from(setup.megabytes))
    }
}

fn gigabytes(setup: &Setup) -> f64 {
    f64::from(setup.megabytes) * 1048576.0 / 1e9
}

pub fn measure(setup: &Setup) -> Result<Marks, String> {
    let mut marks = Marks::default();
    let mut all = vec![Who::Ours(1), Who::Ours(2)];
    all.extend(setup.bdwgc.then_some([Who::Theirs(1), Who::Theirs(2)]).into_iter().flatten());
    for _ in 0..setup.rounds {
        for shape in SHAPES {
            for &who in &all {
                let (collector, options) = match who {
                    Who::Ours(n) => (Collector::Gleaner, format!("{STOPPED}:markers={n}")),
                    Who::Theirs(n) => (Collector::Bdwgc(n), String::new()),
                };
                let (times, peak) = once(setup, shape, collector, &options)?;
                let time = median(times).ok_or(format!("{shape}, {who:?}: no collection was told"))?;
                eprintln!("{shape:10} {who:?}: {time:.1} ms");
                marks.times.entry(shape.to_owned()).or_default().push((who, time));
                if who == Who::Ours(1) {
                    let without = once(setup, shape, Collector::Gleaner, "mode=malloc")?.1;
                    marks.peaks.entry(shape.to_owned()).or_default().push((peak, without));
                }
            }
        }
    }
    Ok(marks)
}

/// The program is stopped while its memory is marked, or the kernel's copying of pages would be measured, too.
const STOPPED: &str = "mode=gc:marking=stopped";

/// Milliseconds of each collection but the first, and the peak in KiB.
fn once(setup: &Setup, shape: &str, collector: Collector, options: &str) -> Result<(Vec<f64>, f64), String> {
    let mut command = setup.program("marks", collector, options);
    command.args([shape, &setup.megabytes.to_string(), &COLLECTIONS.to_string()]);
    let ran = run(&mut command, LIMIT).map_err(|error| error.to_string())?;
    if ran.status != 0 {
        return Err(format!("marks {shape}, {collector:?}: status {}", ran.status));
    }
    let all = setup.collections(collector, &ran.stdout);
    // Those while the heap was built come first.
    let asked = all.iter().skip((all.len() + 1).saturating_sub(COLLECTIONS as usize));
    Ok((asked.map(|one| one.marking).collect(), ran.peak_kib))
}

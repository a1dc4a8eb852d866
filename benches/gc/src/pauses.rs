//! How long eight threads that allocate are stopped, beside much live memory.
use crate::{Collector, Setup};
use gleaner_benches::run::run;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const THREADS: &str = "8";
/// Of each collector.
const SECONDS: u32 = 60;
const LIMIT: Duration = Duration::from_secs(1800);

/// Sorted, milliseconds.
#[derive(Serialize, Deserialize)]
pub struct Pauses {
    pub name: String,
    pub all: Vec<f64>,
}

impl Pauses {
    pub fn longest(&self) -> f64 {
        self.all.last().copied().unwrap_or(f64::NAN)
    }
    pub fn quantile(&self, part: f64) -> f64 {
        let at = (self.all.len() as f64 * part).ceil() as usize;
        self.all.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

pub fn measure(setup: &Setup) -> Result<Vec<Pauses>, String> {
    let ours = |name, options| (name, Collector::Gleaner, options);
    // More often than the pacer would, so that there are pauses to count.
    let mut ways = vec![
        ours("gleaner", "mode=gc:collect_every=256m"),
        ours("gleaner, tracked", "mode=gc:collect_every=256m:marking=tracked"),
        ours("gleaner, huge pages", "mode=gc:collect_every=256m:thp=always"),
    ];
    ways.extend(setup.bdwgc.then_some(("bdwgc", Collector::Bdwgc(2), "")));
    let mut found = Vec::new();
    for (name, collector, options) in ways {
        let mut command = setup.program("loaded", collector, options);
        command.args([&setup.loaded.to_string(), THREADS, &SECONDS.min(setup.seconds).to_string()]);
        let ran = run(&mut command, LIMIT).map_err(|error| error.to_string())?;
        if ran.status != 0 {
            return Err(format!("loaded, {name}: status {}", ran.status));
        }
        let stops = setup.stops(collector, &ran.stdout);
        // While the heap grew there was one thread, and less to mark.
        let full = stops.iter().copied().fold(0.0, f64::max) / 2.0;
        let begin = stops.iter().position(|&one| one >= full).unwrap_or(0);
        let mut all = stops[begin..].to_vec();
        all.sort_by(f64::total_cmp);
        let pauses = Pauses { name: name.to_owned(), all };
        eprintln!("{name}: {} pauses, longest {:.1} ms", pauses.all.len(), pauses.longest());
        found.push(pauses);
    }
    Ok(found)
}

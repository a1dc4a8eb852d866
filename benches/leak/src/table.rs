//! The table: bounds beside figures, peers beside ours. What we miss stands there like what we reach.
use crate::Setup;
use crate::pause::Paused;
use crate::real::Runs;
use crate::tools::Tool;
use crate::truth::Judged;
use crate::work::{Costs, Work};
use gleaner_benches::table::{self, Row};
use std::fmt::Write;

#[derive(Default)]
pub struct Figures {
    pub before: String,
    pub after: String,
    pub rounds: u32,
    pub costs: Costs,
    pub truth: Vec<(Tool, Judged)>,
    pub pauses: Vec<(&'static str, Result<Paused, String>)>,
    pub runs: Option<Runs>,
    /// What `cargo bench` printed of stacks.
    pub stacks: String,
    pub notes: Vec<String>,
}

fn machine(setup: &Setup, figures: &Figures) -> String {
    let peers: Vec<&str> = setup.peers.iter().map(|tool| tool.name()).collect();
    let missing: Vec<&str> =
        Tool::PEERS.iter().filter(|tool| !setup.peers.contains(tool)).map(|tool| tool.name()).collect();
    let missing =
        if missing.is_empty() { String::new() } else { format!(" Not installed: {}.", missing.join(", ")) };
    format!(
        "{}; load {} before, {} after; {} rounds, medians (valgrind and liblsan \
         with full stacks: one round). Beside: {}.{missing} Ratios are to the native run. Costs include each tool's check at the \
         end, without names; heaptrack's are those in the program alone.",
        table::machine(),
        figures.before,
        figures.after,
        figures.rounds,
        peers.join(", ")
    )
}

/// Rows of ratios of all programs.
fn costs(setup: &Setup, works: &[Work], figures: &Figures, rows: &mut Vec<Row>) {
    let tools: Vec<Tool> = [Tool::Gleaner].into_iter().chain(setup.peers.iter().copied()).collect();
    let shown = |ratio: Option<f64>| match ratio {
        Some(ratio) if ratio >= 10.0 => format!("{ratio:.0}"),
        Some(ratio) => format!("{ratio:.2}"),
        None => "-".to_owned(),
    };
    for work in works {
        let ratio = |tool: Tool| figures.costs.ratio(work.name, tool);
        rows.push(Row {
            what: format!("processor time, {}", work.name),
            bound: format!("{:.2}", work.bound),
            met: ratio(Tool::Gleaner).map(|ratio| ratio <= work.bound),
            cells: tools.iter().map(|&tool| shown(ratio(tool))).collect(),
        });
    }
    for work in works {
        let ratio = |tool: Tool| figures.costs.peak_ratio(work.name, tool);
        rows.push(Row {
            what: format!("peak memory, {}", work.name),
            bound: "1.10".into(),
            met: ratio(Tool::Gleaner).map(|ratio| ratio <= 1.10),
            cells: tools.iter().map(|&tool| shown(ratio(tool))).collect(),
        });
    }
}

fn rows(setup: &Setup, works: &[Work], figures: &Figures) -> Vec<Row> {
    let mut rows = Vec::new();
    if figures.costs.ratio(works[0].name, Tool::Gleaner).is_some() {
        costs(setup, works, figures, &mut rows);
    }
    if let Some((_, ours)) = figures.truth.first() {
        let cells = |of: fn(&Judged) -> String| figures.truth.iter().map(|(_, judged)| of(judged)).collect();
        rows.push(Row {
            what: format!("planted leaks found / rightly named, of {} kinds", ours.kinds),
            bound: "all".into(),
            met: Some(ours.named == ours.kinds),
            cells: cells(|judged| format!("{} / {}", judged.found, judged.named)),
        });
        rows.push(Row {
            what: format!("live objects called lost (perhaps lost), of {} places", ours.places),
            bound: "0".into(),
            met: Some(ours.accused.is_empty()),
            cells: cells(|judged| match judged.suspected.len() {
                0 => judged.accused.len().to_string(),
                perhaps => format!("{} ({perhaps})", judged.accused.len()),
            }),
        });
    }
    for (thp, paused) in &figures.pauses {
        let bound = if *thp == "always" { 1.0 } else { 20.0 };
        let pages = if *thp == "always" { "with huge pages" } else { "without huge pages" };
        rows.push(Row {
            what: format!("pause of a check of a loaded redis-server, {pages}, ms/GB"),
            bound: format!("{bound}"),
            met: paused.as_ref().ok().map(|one| one.worst <= bound && one.errors == 0),
            cells: vec![match paused {
                Ok(one) => format!("{:.2} ({:.2} GB, {} errors)", one.worst, one.gigabytes, one.errors),
                Err(why) => why.clone(),
            }],
        });
    }
    for (what, bound, name) in STACKS {
        let Some(figure) = criterion(&figures.stacks, name) else { continue };
        rows.push(Row {
            what: (*what).to_owned(),
            bound: format!("{bound}"),
            met: Some(figure <= *bound),
            cells: vec![format!("{figure:.0}")],
        });
    }
    if let Some(runs) = &figures.runs {
        let cells =
            runs.broken.iter().map(|(tool, broken)| (*tool, format!("{}", runs.programs - broken.len())));
        let all: Vec<(Tool, String)> = cells.collect();
        let of =
            |tool: &Tool| all.iter().find(|one| one.0 == *tool).map_or("-".to_owned(), |one| one.1.clone());
        rows.push(Row {
            what: format!("programs of Debian's that run as natively, of {}", runs.programs),
            bound: "all".into(),
            met: runs.broken.first().map(|one| one.1.is_empty()),
            cells: [Tool::Gleaner].iter().chain(&setup.peers).map(of).collect(),
        });
    }
    rows
}

const STACKS: &[(&str, f64, &str)] = &[
    ("stack capture, 28 frames, as the one before, ns", 25.0, "stacks/capture 28 frames, again"),
    ("stack capture, 28 frames, none as before, ns", 150.0, "stacks/capture 28 frames, no memo"),
];

/// The middle one of criterion's three figures, in nanoseconds.
fn criterion(text: &str, name: &str) -> Option<f64> {
    let at = text.lines().position(|line| line.starts_with(name))?;
    let line = text.lines().skip(at).take(3).find(|line| line.contains("time:"))?;
    let words: Vec<&str> = line.split_once('[')?.1.split(']').next()?.split(' ').collect();
    let unit = match *words.get(3)? {
        "ps" => 0.001,
        "ns" => 1.0,
        "µs" | "us" => 1000.0,
        _ => return None,
    };
    Some(words.get(2)?.parse::<f64>().ok()? * unit)
}

/// What the table has no room for.
fn details(figures: &Figures) -> Vec<String> {
    let mut lines = figures.notes.clone();
    let mut add = |tool: Tool, what: &str, list: &[String]| {
        if !list.is_empty() {
            lines.push(format!("{}: {what}: {}", tool.name(), list.join(", ")));
        }
    };
    for (tool, judged) in &figures.truth {
        add(*tool, "not found", &judged.not_found);
        add(*tool, "found with another name", &judged.misnamed);
        add(*tool, "live, called lost", &judged.accused);
        add(*tool, "live, called perhaps lost", &judged.suspected);
        add(*tool, "did not end as natively", &judged.broken);
    }
    for runs in figures.runs.iter() {
        for (tool, broken) in &runs.broken {
            add(*tool, "programs that did not run as natively", broken);
        }
    }
    let absent = figures.runs.iter().map(|runs| &runs.absent).filter(|absent| !absent.is_empty());
    lines.extend(absent.map(|absent| format!("not installed here: {}", absent.join(", "))));
    lines
}

fn names(setup: &Setup) -> Vec<&'static str> {
    [Tool::Gleaner].iter().chain(&setup.peers).map(|tool| tool.name()).collect()
}

pub fn text(setup: &Setup, works: &[Work], figures: &Figures) -> String {
    let mut out = format!("{}\n\n", machine(setup, figures));
    out.push_str(&table::text(&names(setup), rows(setup, works, figures)));
    out.push('\n');
    details(figures).iter().for_each(|line| out.push_str(&format!("note: {line}\n")));
    out
}

pub fn markdown(setup: &Setup, works: &[Work], figures: &Figures) -> String {
    let mut out = String::from(
        "# Leak mode beside its peers\n\nWritten by `scripts/bench leak document` from one run; not edited by hand.\n\n",
    );
    let _ = writeln!(out, "{}\n", machine(setup, figures));
    out.push_str(&table::markdown(&names(setup), rows(setup, works, figures)));
    out.push_str("\n## Notes\n\n");
    details(figures).iter().for_each(|line| out.push_str(&format!("- {line}\n")));
    out
}

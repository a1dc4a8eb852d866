//! The HTML page: one file, no network, light or dark as the reader has it.
use super::figures::{Metric, Outcome, Results};
use super::plot;
use crate::Failure;
use crate::failure::TROUBLE;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Page<'a> {
    title: String,
    results: &'a Results,
    libraries: Vec<String>,
    memory_gib: String,
    plots: Vec<Shown>,
    tables: Vec<Table<'a>>,
    troubles: Vec<String>,
    /// What each geometric mean is of.
    quantities: Vec<String>,
}
#[derive(Serialize)]
struct Shown {
    title: String,
    svg: String,
}
/// One program: a row an allocator, a column a quantity.
#[derive(Serialize)]
struct Table<'a> {
    suite: &'static str,
    name: &'a str,
    about: &'static str,
    columns: Vec<String>,
    rows: Vec<Row<'a>>,
}
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    cells: Vec<Cell>,
}
#[derive(Serialize)]
struct Cell {
    median: String,
    spread: String,
    ratio: String,
    best: bool,
}

const ALL: &[Metric] = &[
    Metric::NsPerOp,
    Metric::InstructionsPerOp,
    Metric::WallMs,
    Metric::CpuMs,
    Metric::UserMs,
    Metric::SystemMs,
    Metric::PeakKib,
    Metric::IdleKib,
    Metric::MinorFaults,
    Metric::MajorFaults,
    Metric::Instructions,
];

pub fn render(results: &Results) -> Result<String, Failure> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let page = page(results);
    let drawn = environment
        .add_template("page", include_str!("page.html"))
        .and_then(|()| environment.get_template("page")?.render(page));
    drawn.map_err(|error| Failure::new(TROUBLE, format_args!("cannot draw the page: {error}")))
}

fn page(results: &Results) -> Page<'_> {
    let library = |path: Option<&Path>| path.map_or("libc.so.6".into(), |p| p.to_string_lossy().into_owned());
    let shown = |plot: plot::Plot| Shown { title: plot.title, svg: plot.svg };
    let mut troubles = Vec::new();
    for outcome in &results.outcomes {
        for cell in &outcome.results {
            for what in cell.failure.iter().chain(&cell.differs) {
                troubles.push(format!("{} under {}: {what}", outcome.name, cell.allocator));
            }
        }
    }
    Page {
        title: match &results.command {
            Some(command) => command.join(" "),
            None => "Allocators compared".to_owned(),
        },
        libraries: results.allocators.iter().map(|one| library(one.library.as_deref())).collect(),
        memory_gib: format!("{:.0}", results.machine.memory_kib as f64 / 1048576.0),
        plots: plot::plots(results).into_iter().map(shown).collect(),
        tables: results.outcomes.iter().map(|outcome| table(results, outcome)).collect(),
        troubles,
        quantities: results.geomeans.iter().map(|mean| mean.metric.shown().0.to_owned()).collect(),
        results,
    }
}

fn table<'a>(results: &'a Results, outcome: &'a Outcome) -> Table<'a> {
    let metrics: Vec<Metric> = ALL.iter().copied().filter(|metric| outcome.has(*metric)).collect();
    let row = |(at, one): (usize, &'a super::allocators::Allocator)| Row {
        name: &one.name,
        cells: metrics.iter().map(|metric| cell(outcome, at, *metric)).collect(),
    };
    Table {
        suite: outcome.suite,
        name: &outcome.name,
        about: outcome.about,
        columns: metrics.iter().map(|metric| metric.title()).collect(),
        rows: results.allocators.iter().enumerate().map(row).collect(),
    }
}

fn cell(outcome: &Outcome, at: usize, metric: Metric) -> Cell {
    let Some(figure) = outcome.figure(at, metric) else {
        let failed = outcome.results[at].failure.is_some();
        let median = if failed { "failed" } else { "-" }.to_owned();
        return Cell { median, spread: String::new(), ratio: String::new(), best: false };
    };
    let (low, high) = (metric.text(figure.low), metric.text(figure.high));
    Cell {
        median: metric.text(figure.median),
        spread: if figure.n > 1 { format!("{low} to {high}, n = {}", figure.n) } else { "n = 1".to_owned() },
        ratio: figure.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")),
        best: figure.ratio_to_best.is_some_and(|ratio| ratio <= 1.0),
    }
}

//! The table for a terminal.
use super::figures::{Metric, Outcome, Results, headlines, three};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use std::fmt::Write;

pub fn render(results: &Results) -> String {
    let mut out = String::new();
    if results.command.is_some() {
        for outcome in &results.outcomes {
            own_command(&mut out, results, outcome);
        }
    } else {
        suites(&mut out, results);
    }
    for outcome in &results.outcomes {
        for cell in &outcome.results {
            for what in cell.failure.iter().chain(&cell.differs) {
                let _ = writeln!(out, "{} under {}: {what}", outcome.name, cell.allocator);
            }
        }
    }
    for note in &results.notes {
        let _ = writeln!(out, "note: {note}");
    }
    out
}

fn table(header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Comfy-table fills the last column as well; a terminal needs no blanks there.
fn push(out: &mut String, table: &Table) {
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push('\n');
}

/// One table for each suite and headline: a row a program, a column an allocator.
fn suites(out: &mut String, results: &Results) {
    let mut suites: Vec<&str> = results.outcomes.iter().map(|outcome| outcome.suite).collect();
    suites.dedup();
    for suite in suites {
        for &metric in headlines(suite) {
            // The time by the clock is in JSON and HTML; in a terminal the processor's tells more.
            if metric != Metric::WallMs {
                let rows = results.outcomes.iter().filter(|o| o.suite == suite && o.name != "burst");
                suite_table(out, results, suite, metric, &rows.collect::<Vec<_>>());
            }
        }
    }
    for burst in results.outcomes.iter().filter(|outcome| outcome.name == "burst") {
        let _ = writeln!(
            out,
            "burst: resident memory in MiB, before, with all freed, after two seconds of sleep; at the peak"
        );
        own_rows(
            out,
            results,
            burst,
            &[Metric::BeforeKib, Metric::FreedKib, Metric::IdleKib, Metric::PeakKib],
        );
    }
}

fn suite_table(out: &mut String, results: &Results, suite: &str, metric: Metric, rows: &[&Outcome]) {
    if rows.is_empty() {
        return;
    }
    let base = results.allocators.first().map_or("", |one| &*one.name);
    let n = rows.iter().filter_map(|row| row.results.iter().find_map(|cell| cell.figures.get(&metric)));
    let n = n.map(|figure| figure.n).max().unwrap_or(0);
    let shown = if suite == "steps" { "micro" } else { suite };
    let _ =
        writeln!(out, "suite {shown}: {}; median ±MAD of {n}, ratio to {base}, * the best", metric.title());
    let mut header = vec![String::new()];
    header.extend(results.allocators.iter().map(|one| one.name.clone()));
    let mut table = table(header);
    for row in rows {
        let mut line = vec![row.name.clone()];
        line.extend((0..results.allocators.len()).map(|at| cell_text(row, at, metric)));
        table.add_row(line);
    }
    let mean = results.geomeans.iter().find(|mean| mean.suite == suite && mean.metric == metric);
    if let Some(mean) = mean.filter(|mean| mean.programs > 1) {
        let mut line = vec![format!("geomean of {}", mean.programs)];
        line.extend(
            mean.ratios.iter().map(|ratio| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2} "))),
        );
        table.add_row(line);
    }
    push(out, &table);
}

fn cell_text(row: &Outcome, at: usize, metric: Metric) -> String {
    let Some(figure) = row.figure(at, metric) else {
        let failed = row.results.get(at).is_some_and(|cell| cell.failure.is_some());
        return if failed { "failed ".to_owned() } else { "- ".to_owned() };
    };
    let spread = metric.spread(figure.median, figure.mad);
    let ratio = figure.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    let best = if figure.ratio_to_best.is_some_and(|ratio| ratio <= 1.0) { "*" } else { " " };
    format!("{}{spread} {ratio}{best}", metric.text(figure.median))
}

/// One command: a row an allocator.
fn own_command(out: &mut String, results: &Results, outcome: &Outcome) {
    let _ = writeln!(
        out,
        "{}: median ±MAD of {} rounds, ratio to {} and to the best\n",
        results.command.as_deref().unwrap_or_default().join(" "),
        outcome.results.iter().map(|cell| cell.samples.len()).max().unwrap_or(0),
        results.allocators.first().map_or("", |one| &*one.name)
    );
    let metrics = [
        Metric::WallMs,
        Metric::CpuMs,
        Metric::PeakKib,
        Metric::IdleKib,
        Metric::MinorFaults,
        Metric::MajorFaults,
        Metric::Instructions,
    ];
    own_rows(out, results, outcome, &metrics);
}

fn own_rows(out: &mut String, results: &Results, outcome: &Outcome, metrics: &[Metric]) {
    let mut header = vec![String::new()];
    header.extend(metrics.iter().map(|metric| metric.title()));
    let mut table = table(header);
    for (at, one) in results.allocators.iter().enumerate() {
        let mut line = vec![one.name.clone()];
        for &metric in metrics {
            let Some(figure) = outcome.figure(at, metric) else {
                line.push(if outcome.results[at].failure.is_some() { "failed" } else { "-" }.to_owned());
                continue;
            };
            let mut text = metric.text(figure.median);
            text.push_str(&metric.spread(figure.median, figure.mad));
            if let (Some(ratio), Some(best)) = (figure.ratio, figure.ratio_to_best) {
                let _ = write!(text, "  {} {}", three(ratio), three(best));
            }
            line.push(text);
        }
        table.add_row(line);
    }
    push(out, &table);
}

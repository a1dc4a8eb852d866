//! The table for a terminal, and docs/benchmarks.md.
use crate::figures::{BASE, Figures, OURS, best, of_outcome};
use crate::rows::{Row, losses, nanoseconds};
use serde_json::Value;
use std::fmt::Write;

fn figure(row: &Row) -> String {
    row.figure.as_ref().map_or("-".to_owned(), |figure| {
        if *figure >= 10.0 { format!("{figure:.0}") } else { format!("{figure:.2}") }
    })
}

pub fn text(figures: &Figures, rows: &[Row]) -> String {
    let mut out = format!("{}\n\n", machine(figures));
    let lines: Vec<[String; 5]> = rows
        .iter()
        .map(|row| [row.what.clone(), row.bound.clone(), figure(row), row.verdict(), row.detail.clone()])
        .collect();
    let head = ["", "at most", "figure", "", ""].map(str::to_owned);
    let width =
        |at: usize| lines.iter().chain([&head]).map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    for line in [&head].into_iter().chain(&lines) {
        let mut shown = String::new();
        for (at, word) in line.iter().enumerate() {
            let blanks = " ".repeat(widths[at] - word.chars().count());
            let _ =
                if at == 2 { write!(shown, "{blanks}{word}  ") } else { write!(shown, "{word}{blanks}  ") };
        }
        let _ = writeln!(out, "{}", shown.trim_end());
    }
    let missed = rows.iter().filter(|row| row.is_missed()).count();
    let met = rows.iter().filter(|row| row.figure.is_ok()).count() - missed;
    let _ = writeln!(out, "\n{met} met, {missed} missed, {} without a figure", rows.len() - met - missed);
    let lost = losses(figures, 1.1);
    if !lost.is_empty() {
        let _ = writeln!(out, "programs over 1.1 x their best peer:");
    }
    for (name, ratio, peer) in lost {
        let _ = writeln!(out, "  {name:16} {ratio:.2} x {peer}");
    }
    for note in notes(figures) {
        let _ = writeln!(out, "note: {note}");
    }
    out
}

fn notes(figures: &Figures) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for note in figures.head["notes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        notes.push(note.to_owned());
    }
    for outcome in figures.outcomes() {
        for cell in outcome["results"].as_array().into_iter().flatten() {
            for what in ["failure", "differs"].iter().filter_map(|word| cell[*word].as_str()) {
                let name = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                notes.push(format!("{} under {}: {what}", name(&outcome["name"]), name(&cell["allocator"])));
            }
        }
    }
    notes
}

fn machine(figures: &Figures) -> String {
    let (head, machine) = (&figures.head, &figures.head["machine"]);
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let versions = head["allocators"].as_array().into_iter().flatten().filter_map(|one| {
        let name = one["name"].as_str().filter(|name| *name != BASE && !name.starts_with(OURS))?;
        Some(format!("{name} {}", one["version"].as_str().unwrap_or("")).trim_end().to_owned())
    });
    // The kernel's own name for its build tells the machine's owner more than the reader.
    let kernel = word(&machine["kernel"]);
    let kernel = kernel.split('-').next().unwrap_or_default();
    format!(
        "{}, {} processors, {:.0} GiB, Linux {kernel}, glibc {}; load {} before, {} after; rounds: {}, scale {}. {}. \
         Of times the least of the rounds, of anything else the median; {OURS} is in mode malloc.",
        word(&machine["processor"]),
        machine["processors"],
        machine["memory_kib"].as_f64().unwrap_or(0.0) / 1048576.0,
        word(&machine["libc"]),
        machine["load"][0],
        machine["load"][1],
        head["rounds"],
        head["scale"],
        versions.collect::<Vec<_>>().join(", ")
    )
}

pub fn markdown(figures: &Figures, rows: &[Row]) -> String {
    let mut out =
        String::from("# Benchmarks\n\nWritten by `scripts/benchmarks` from one run; not edited by hand.\n\n");
    let _ = writeln!(out, "{}\n\n## What is to be reached\n", machine(figures));
    let _ = writeln!(out, "| what | at most | figure | | |\n|---|---|---|---|---|");
    for row in rows {
        let verdict = if row.is_missed() { format!("**{}**", row.verdict()) } else { row.verdict() };
        let _ =
            writeln!(out, "| {} | {} | {} | {verdict} | {} |", row.what, row.bound, figure(row), row.detail);
    }
    let lost = losses(figures, 1.0);
    if !lost.is_empty() {
        let _ =
            writeln!(out, "\n## Where a peer is faster\n\n| program | ratio | best peer |\n|---|---|---|");
    }
    for (name, ratio, peer) in lost {
        let _ = writeln!(out, "| {name} | {ratio:.2} | {peer} |");
    }
    for (suite, metric, title, plot) in [
        ("micro", "ns_per_op", "Time per operation", "micro-time-per-operation.svg"),
        (
            "steps",
            "instructions_per_op",
            "User instructions per operation",
            "steps-user-instructions-per-operation.svg",
        ),
        ("programs", "cpu_ms", "Programs: processor time", "programs-processor-time.svg"),
        ("programs", "peak_kib", "Programs: peak memory", "programs-peak-memory.svg"),
        ("real", "cpu_ms", "Real programs: processor time", "real-processor-time.svg"),
        ("real", "peak_kib", "Real programs: peak memory", "real-peak-memory.svg"),
    ] {
        section(&mut out, figures, suite, metric, title, plot);
    }
    burst(&mut out, figures);
    let notes = notes(figures);
    if !notes.is_empty() {
        let _ = writeln!(out, "\n## Notes\n");
    }
    for note in notes {
        let _ = writeln!(out, "- {note}");
    }
    out
}

fn shown(metric: &str, value: f64) -> String {
    match metric {
        "ns_per_op" => nanoseconds(value),
        "cpu_ms" => format!("{value:.0} ms"),
        "peak_kib" => format!("{:.1} MiB", value / 1024.0),
        _ => format!("{value:.0}"),
    }
}

fn section(out: &mut String, figures: &Figures, suite: &str, metric: &str, title: &str, plot: &str) {
    let rows: Vec<&Value> =
        figures.outcomes().iter().filter(|one| one["suite"] == suite && one["name"] != "burst").collect();
    if rows.is_empty() {
        return;
    }
    let names = figures.allocators();
    let _ = writeln!(out, "\n## {title}\n\n![{title}](benchmarks/{plot})\n\n| | {} |", names.join(" | "));
    let _ = writeln!(out, "|---{}|", "|---".repeat(names.len()));
    for row in rows {
        let base = of_outcome(row, BASE, metric);
        let least = best(row, &names, metric).map(|(_, value)| value);
        let cell = |name: &&str| {
            let Some(value) = of_outcome(row, name, metric) else { return "-".to_owned() };
            let ratio = base.map_or(String::new(), |base| format!(" ({:.2})", value / base));
            let text = format!("{}{ratio}", shown(metric, value));
            if Some(value) == least { format!("**{text}**") } else { text }
        };
        let cells: Vec<String> = names.iter().map(cell).collect();
        let _ = writeln!(out, "| {} | {} |", row["name"].as_str().unwrap_or_default(), cells.join(" | "));
    }
}

fn burst(out: &mut String, figures: &Figures) {
    let value = |name: &str, metric: &str| figures.value("programs", "burst", name, metric);
    if value(OURS, "idle_kib").is_none() {
        return;
    }
    let _ = writeln!(out, "\n## A burst of a gigabyte, then sleep\n\nResident, in MiB.\n");
    let _ = writeln!(out, "| | before | peak | all freed | after two seconds |\n|---|---|---|---|---|");
    for name in figures.allocators() {
        let cells = ["before_kib", "peak_kib", "freed_kib", "idle_kib"].map(|metric| {
            value(name, metric).map_or("-".to_owned(), |value| format!("{:.0}", value / 1024.0))
        });
        let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
    }
}

//! Bounds, our figures, those of bdwgc.
use crate::Setup;
use crate::marks::{Marks, SHAPES, Who};
use crate::pauses::Pauses;
use crate::programs::{Apps, Idle, LIVE, Server, Trees};
use gleaner_benches::table::{self, Row};
use std::fmt::Write;

#[derive(Default)]
pub struct Figures {
    /// Of the machine, before each part.
    pub loads: Vec<(String, String)>,
    pub marks: Option<Marks>,
    pub pauses: Vec<Pauses>,
    pub idle: Option<Idle>,
    pub trees: Option<Trees>,
    pub server: Option<Server>,
    pub apps: Option<Apps>,
}

const NAMES: [&str; 3] = ["gleaner", "bdwgc", ""];

fn machine(setup: &Setup, figures: &Figures) -> String {
    let loads: Vec<String> = figures.loads.iter().map(|(part, load)| format!("{part} {load}")).collect();
    let peer = if setup.bdwgc { "bdwgc is Debian's libgc1, linked" } else { "bdwgc is not installed" };
    format!(
        "{}; load before each part: {}; {} rounds, medians; {} MiB are marked, {} MiB are live where pauses are measured. {peer}.",
        table::machine(),
        loads.join(", "),
        setup.rounds,
        setup.megabytes,
        setup.loaded
    )
}

fn row(what: impl Into<String>, bound: impl Into<String>, met: Option<bool>, cells: [String; 3]) -> Row {
    Row { what: what.into(), bound: bound.into(), met, cells: cells.into() }
}

fn ms(seconds: Option<f64>) -> String {
    seconds.map_or("-".to_owned(), |seconds| format!("{:.0} ms/GB", seconds * 1e3))
}

/// How many times faster than bdwgc with the markers that suit it best.
fn faster(setup: &Setup, marks: &Marks, shape: &str, markers: u32) -> Option<f64> {
    Some(marks.theirs(setup, shape)? / marks.seconds(setup, shape, Who::Ours(markers))?)
}

fn marking(setup: &Setup, marks: &Marks, rows: &mut Vec<Row>) {
    let mut beside = |what: &str, shape: &str, markers: u32, bound: f64| {
        let ratio = faster(setup, marks, shape, markers);
        let detail = match ratio {
            Some(ratio) => format!("{ratio:.2} x faster"),
            None => String::new(),
        };
        let cells =
            [ms(marks.seconds(setup, shape, Who::Ours(markers))), ms(marks.theirs(setup, shape)), detail];
        rows.push(row(what, format!("{bound} x faster"), ratio.map(|ratio| ratio >= bound), cells));
    };
    beside("mark, random graph of 64 B, 1 thread", "random", 1, 5.0);
    beside("mark, random graph of 64 B, 2 threads", "random", 2, 9.0);
    beside("mark, list in order", "list", 1, 1.5);
    beside("mark, tree, depth first", "tree", 1, 1.5);
    beside("mark, tree, level by level", "levels", 1, 1.5);
    beside("mark, shuffled list", "shuffled", 1, 1.0);
    for (what, shape) in [("4 KiB", "data4k"), ("1 MiB", "data1m")] {
        let speed = |seconds: Option<f64>| seconds.map(|seconds| 1.0 / seconds);
        let shown = |speed: Option<f64>| speed.map_or("-".to_owned(), |speed| format!("{speed:.1} GB/s"));
        let ours = speed(marks.seconds(setup, shape, Who::Ours(1)));
        let two = speed(marks.seconds(setup, shape, Who::Ours(2)));
        let detail = two.map_or(String::new(), |two| format!("two threads: {two:.1} GB/s"));
        let cells = [shown(ours), shown(speed(marks.theirs(setup, shape))), detail];
        rows.push(row(
            format!("mark, blocks of {what} without pointers"),
            "25 GB/s",
            ours.map(|ours| ours >= 25.0),
            cells,
        ));
    }
}

fn pauses(setup: &Setup, all: &[Pauses], rows: &mut Vec<Row>) {
    let theirs = all.iter().find(|one| one.name == "bdwgc");
    let gigabytes = f64::from(setup.loaded) * 1048576.0 / 1e9;
    for one in all.iter().filter(|one| one.name != "bdwgc") {
        let (p99, longest) = (one.quantile(0.99), one.longest());
        let detail =
            format!("longest {longest:.1} ms, {:.2} ms/GB; {} pauses", longest / gigabytes, one.all.len());
        let (bound, met) = match one.name.as_str() {
            name if name.contains("huge") => ("1 ms/GB (a copy marked)", Some(longest / gigabytes <= 1.0)),
            name if name.contains("tracked") => ("5 ms (writes tracked)", Some(p99 <= 5.0)),
            _ => ("", None),
        };
        rows.push(row(
            format!("stopped, {gigabytes:.1} GB live, 8 threads allocating, p99 ({})", one.name),
            bound,
            met.filter(|_| p99.is_finite()),
            [
                format!("{p99:.1} ms"),
                theirs.map_or("-".to_owned(), |one| format!("{:.0} ms", one.quantile(0.99))),
                detail,
            ],
        ));
    }
}

fn leaky(server: &Server, rows: &mut Vec<Row>) {
    let ratio = server.resident / LIVE;
    rows.push(row(
        format!("leaky server, {} s: resident to what is live", server.seconds[0]),
        "1.6",
        Some(ratio <= 1.6),
        [format!("{ratio:.2}"), "-".to_owned(), format!("{:.0} MB, {LIVE:.0} live", server.resident)],
    ));
    let ratio = server.rates[0] / server.rates[1];
    rows.push(row(
        "its throughput, to mode malloc",
        "0.97",
        Some(ratio >= 0.97),
        [
            format!("{ratio:.3}"),
            "-".to_owned(),
            format!(
                "{:.0} MB/s leaked; processor {:.2} of a second, mode malloc {:.2} ({} s)",
                server.rates[0], server.work[0], server.work[1], server.seconds[1]
            ),
        ],
    ));
}

/// What the mode costs a program.
fn own_work(figures: &Figures, rows: &mut Vec<Row>) {
    let none = || "-".to_owned();
    if let Some(idle) = &figures.idle {
        let worst: Vec<String> =
            idle.each.iter().take(3).map(|(name, ratio)| format!("{name} {ratio:.2}")).collect();
        rows.push(row(
            "time of programs that do not leak, to that in mode malloc",
            "1.01",
            Some(idle.mean <= 1.01),
            [
                format!("{:.3}", idle.mean),
                none(),
                format!("{} programs; most: {}", idle.each.len(), worst.join(", ")),
            ],
        ));
    }
    if let Some(trees) = &figures.trees {
        let ratio = trees.ours / trees.freeing;
        rows.push(row(
            "trees that are never freed, to libc's malloc and free",
            "1",
            Some(ratio <= 1.0),
            [
                format!("{ratio:.2}"),
                trees.theirs.map_or(none(), |theirs| format!("{:.2}", theirs / trees.freeing)),
                format!(
                    "processor {:.2} s, libc {:.2}; clock {:.2}, {:.2}",
                    trees.ours, trees.freeing, trees.clock[1], trees.clock[0]
                ),
            ],
        ));
    }
}

fn rows(setup: &Setup, figures: &Figures) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(marks) = &figures.marks {
        marking(setup, marks, &mut rows);
    }
    pauses(setup, &figures.pauses, &mut rows);
    let none = || "-".to_owned();
    own_work(figures, &mut rows);
    if let Some(server) = &figures.server {
        leaky(server, &mut rows);
    }
    if let Some(apps) = &figures.apps {
        rows.push(row(
            format!("resurrected in audit mode, {} apps", apps.ran),
            "0",
            Some(apps.resurrected == 0 && apps.failed.is_empty()),
            [
                apps.resurrected.to_string(),
                none(),
                match apps.failed.is_empty() {
                    true => format!("{} collections", apps.cycles),
                    false => format!("failed: {}", apps.failed.join(", ")),
                },
            ],
        ));
    }
    if let Some(marks) = &figures.marks {
        let each = SHAPES.iter().filter_map(|shape| Some((*shape, marks.metadata(setup, shape)?)));
        if let Some((shape, most)) = each.max_by(|a, b| a.1.total_cmp(&b.1)) {
            rows.push(row(
                "peak memory that collections add, of what is live",
                "3 %",
                Some(most <= 0.03),
                [format!("{:.1} %", most * 100.0), none(), format!("most: {shape}")],
            ));
        }
    }
    rows
}

pub fn text(setup: &Setup, figures: &Figures) -> String {
    format!("{}\n\n{}", machine(setup, figures), table::text(&NAMES, rows(setup, figures)))
}

/// `folder` is where the picture lies.
pub fn markdown(setup: &Setup, figures: &Figures, folder: &str) -> String {
    let mut out = String::from(
        "# The collector beside bdwgc\n\nWritten by `scripts/bench gc document`; not edited by hand.\n\n",
    );
    let _ = writeln!(out, "{}\n", machine(setup, figures));
    out.push_str(&table::markdown(&NAMES, rows(setup, figures)));
    if !figures.pauses.is_empty() {
        let _ = writeln!(
            out,
            "\n## How long the program was stopped\n\n![Histogram of pauses]({folder}/pauses.svg)\n"
        );
    }
    if let Some(idle) = &figures.idle {
        out.push_str("\n## Programs that do not leak\n\nProcessor time in mode gc, to that in mode malloc.\n\n| program | ratio |\n|---|---|\n");
        for (name, ratio) in &idle.each {
            let _ = writeln!(out, "| {name} | {ratio:.3} |");
        }
    }
    out
}

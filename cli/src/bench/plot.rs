//! The plots, as SVG that stands in a page or alone: rows of programs, on each a mark for every allocator at its
//! ratio to the first, on a logarithmic scale, with a line from quartile to quartile.
use super::figures::{Figure, Metric, Outcome, Results, headlines};
use std::fmt::Write;

/// The colour of each that we know by name, whoever else takes part; the shapes differ as well.
const COLOURS: &[(&str, &str)] = &[
    ("glibc", "#7f7f7f"),
    ("gleaner", "#d62728"),
    ("gleaner-gc", "#ff9896"),
    ("gleaner-leak", "#e377c2"),
    ("jemalloc", "#1f77b4"),
    ("mimalloc", "#2ca02c"),
    ("tcmalloc", "#9467bd"),
    ("bdwgc", "#8c564b"),
    ("snmalloc", "#bcbd22"),
    ("rpmalloc", "#17becf"),
];
const OTHERS: &[&str] = &["#ff7f0e", "#3b3eac", "#22aa99", "#994499"];
const ROW: usize = 20;
const LEFT: usize = 130;
const WIDTH: usize = 760;
const RIGHT: usize = 24;

/// A plot and what it shows.
pub struct Plot {
    pub name: String,
    pub title: String,
    pub svg: String,
}

/// A plot for each suite and headline; for a command, one with a row a quantity.
pub fn plots(results: &Results) -> Vec<Plot> {
    let mut suites: Vec<&'static str> = results.outcomes.iter().map(|outcome| outcome.suite).collect();
    suites.dedup();
    let mut plots = Vec::new();
    for suite in suites {
        if suite == "command" {
            plots.extend(results.outcomes.iter().map(|outcome| command(results, outcome)));
            continue;
        }
        for &metric in headlines(suite) {
            let in_suite =
                |o: &&Outcome| o.suite == suite && (o.name != "burst" || metric == Metric::PeakKib);
            let rows =
                results.outcomes.iter().filter(in_suite).map(|o| (o.name.clone(), o, metric)).collect();
            let unit = metric.shown().0;
            let shown = if suite == "steps" { "micro" } else { suite };
            let name = format!("{suite}-{}.svg", unit.replace(' ', "-"));
            let title = format!("Suite {shown}: {unit}");
            let svg = drawn(results, &title, rows);
            plots.push(Plot { name, title, svg });
        }
    }
    plots
}

/// The plots as files: they choose dark or light by themselves.
pub fn files(results: &Results) -> Vec<(String, String)> {
    plots(results).into_iter().map(|plot| (plot.name, plot.svg)).collect()
}

fn command(results: &Results, outcome: &Outcome) -> Plot {
    let metrics = [
        Metric::WallMs,
        Metric::CpuMs,
        Metric::PeakKib,
        Metric::IdleKib,
        Metric::MinorFaults,
        Metric::Instructions,
    ];
    let rows = metrics.iter().filter(|metric| outcome.has(**metric));
    let rows = rows.map(|metric| (metric.shown().0.to_owned(), outcome, *metric)).collect();
    let title = outcome.name.clone();
    Plot { name: "command.svg".to_owned(), svg: drawn(results, &title, rows), title }
}

/// Where a ratio stands.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// Over all that is shown, 1 among it.
    fn of(values: impl Iterator<Item = f64>) -> Scale {
        let (low, high) = values
            .filter(|value| value.is_finite() && *value > 0.0)
            .fold((0.8f64, 1.25f64), |(low, high), value| (low.min(value), high.max(value)));
        Scale { low: (low / 1.08).ln(), high: (high * 1.08).ln() }
    }
    fn x(&self, ratio: f64) -> f64 {
        let part = (ratio.max(1e-9).ln() - self.low) / (self.high - self.low);
        LEFT as f64 + part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT) as f64
    }
    fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        const TICKS: &[f64] = &[
            0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0,
            1000.0,
        ];
        TICKS.iter().copied().filter(|tick| (self.low..self.high).contains(&tick.ln()))
    }
}

fn drawn(results: &Results, title: &str, rows: Vec<(String, &Outcome, Metric)>) -> String {
    let mut out = String::new();
    let beside = |row: &(String, &Outcome, Metric), at: usize| -> Option<(f64, f64, f64)> {
        let base = row.1.figure(0, row.2)?.median;
        let Figure { median, low, high, .. } = row.1.figure(at, row.2)?;
        (base > 0.0).then(|| (low / base, median / base, high / base))
    };
    let rows: Vec<_> = rows.into_iter().filter(|row| beside(row, 0).is_some()).collect();
    let count = results.allocators.len();
    let scale = Scale::of(rows.iter().flat_map(|row| (0..count).filter_map(|at| Some(beside(row, at)?.1))));
    let legend_rows = count.div_ceil(6);
    let top = 14 + legend_rows * 18;
    let bottom = top + rows.len() * ROW + 6;
    let height = bottom + 34;
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<title>{}</title>\n{STYLE}",
        escaped(title)
    );
    legend(&mut out, results);
    for tick in scale.ticks() {
        let (x, class) = (scale.x(tick), if tick == 1.0 { "one" } else { "grid" });
        let _ = writeln!(out, "<path class=\"{class}\" d=\"M{x:.1} {top}V{bottom}\"/>");
        let _ =
            writeln!(out, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>", bottom + 15);
    }
    for (number, row) in rows.iter().enumerate() {
        let y = (top + number * ROW + ROW / 2) as f64 + 3.0;
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 8,
            y + 4.0,
            escaped(&row.0)
        );
        for at in (0..count).rev() {
            if let Some((low, median, high)) = beside(row, at) {
                let (low, x, high) = (scale.x(low), scale.x(median), scale.x(high));
                let colour = colour(results, at);
                let text = row.2.text(row.1.figure(at, row.2).map_or(0.0, |figure| figure.median));
                let name = escaped(&results.allocators[at].name);
                let _ = writeln!(
                    out,
                    "<g><title>{name}: {text} {}</title><path stroke=\"{colour}\" stroke-width=\"2\" \
                     d=\"M{low:.1} {y}H{high:.1}\"/>{}</g>",
                    row.2.shown().1,
                    mark(at, x, y, colour)
                );
            }
        }
    }
    let base = results.allocators.first().map_or("", |one| &*one.name);
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{}\">ratio to {}; left is better</text>\n</svg>",
        bottom + 30,
        escaped(base)
    );
    out
}

const STYLE: &str = "<style>text{fill:#222}.grid{stroke:#8884;fill:none}.one{stroke:#888;fill:none}\
@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>";

fn legend(out: &mut String, results: &Results) {
    let each = (WIDTH - 20) / 6;
    for (at, one) in results.allocators.iter().enumerate() {
        let (x, y) = ((14 + at % 6 * each) as f64, (12 + at / 6 * 18) as f64);
        let _ = writeln!(
            out,
            "{}<text x=\"{}\" y=\"{}\">{}</text>",
            mark(at, x, y, colour(results, at)),
            x + 9.0,
            y + 4.0,
            escaped(&one.name)
        );
    }
}

fn colour(results: &Results, at: usize) -> &'static str {
    let known = COLOURS.iter().find(|(name, _)| *name == results.allocators[at].name);
    known.map_or(OTHERS[at % OTHERS.len()], |(_, colour)| colour)
}

/// Circle, square, triangle, diamond, in turn.
fn mark(at: usize, x: f64, y: f64, colour: &str) -> String {
    let path = match at % 4 {
        0 => return format!("<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"4\" fill=\"{colour}\"/>"),
        1 => format!("M{:.1} {}h8v8h-8z", x - 4.0, y - 4.0),
        2 => format!("M{x:.1} {}l5 9h-10z", y - 5.0),
        _ => format!("M{x:.1} {}l5 5l-5 5l-5 -5z", y - 5.0),
    };
    format!("<path d=\"{path}\" fill=\"{colour}\"/>")
}

pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_holds_what_it_shows() {
        let scale = Scale::of([0.2, 7.0].into_iter());
        assert!(scale.x(0.2) > LEFT as f64 && scale.x(7.0) < (WIDTH - RIGHT) as f64);
        assert!(scale.x(0.2) < scale.x(1.0) && scale.x(1.0) < scale.x(7.0));
        assert_eq!(scale.ticks().collect::<Vec<_>>(), [0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0]);
        // Nonsense is drawn at the edge.
        assert_eq!(Scale::of([f64::NAN, -1.0].into_iter()).x(0.0), LEFT as f64);
    }
}

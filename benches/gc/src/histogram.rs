//! The histogram of pauses: how many of each length, on a logarithmic scale, a row a collector.
use crate::pauses::Pauses;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 150.0;
const ROW: f64 = 90.0;
const TOP: f64 = 10.0;
/// Bins to a decade, and the decades: 10 us to 100 s.
const BINS: f64 = 10.0;
const FIRST: f64 = -2.0;
const LAST: f64 = 5.0;
const COLOURS: [&str; 4] = ["#d62728", "#ff9896", "#8c564b", "#1f77b4"];
const STYLE: &str = "<style>text{fill:#222}.grid{stroke:#8884;fill:none}.one{stroke:#888;fill:none}\
@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>";

fn x(exponent: f64) -> f64 {
    LEFT + (exponent - FIRST) / (LAST - FIRST) * (WIDTH - LEFT - 20.0)
}

/// How many are in each bin, by its left edge.
fn bins(all: &[f64]) -> Vec<usize> {
    let count = ((LAST - FIRST) * BINS) as usize;
    let mut bins = vec![0; count];
    for &ms in all {
        let at = (ms.max(1e-9).log10() - FIRST) * BINS;
        bins[(at.max(0.0) as usize).min(count - 1)] += 1;
    }
    bins
}

pub fn svg(all: &[Pauses]) -> String {
    let bottom = TOP + ROW * all.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>How long the program was stopped</title>\n{STYLE}\n",
        bottom + 40.0
    );
    for decade in FIRST as i32..=LAST as i32 {
        let (at, ms) = (x(f64::from(decade)), 10f64.powi(decade));
        let label = if ms >= 1000.0 { format!("{} s", ms / 1000.0) } else { format!("{ms} ms") };
        let _ = writeln!(out, "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom}\"/>");
        let _ = writeln!(
            out,
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            bottom + 16.0
        );
    }
    for (number, one) in all.iter().enumerate() {
        row(&mut out, number, one);
    }
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{}\">pauses by their length; the line: the 99th percentile</text>\n</svg>",
        bottom + 34.0
    );
    out
}

fn row(out: &mut String, number: usize, one: &Pauses) {
    let (base, colour) = (TOP + ROW * (number + 1) as f64 - 2.0, COLOURS[number % COLOURS.len()]);
    let bins = bins(&one.all);
    let most = bins.iter().copied().max().unwrap_or(0).max(1) as f64;
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        LEFT - 10.0,
        base - 26.0,
        one.name
    );
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{} pauses</text><path class=\"one\" d=\"M{LEFT} {base}H{}\"/>",
        LEFT - 10.0,
        base - 10.0,
        one.all.len(),
        WIDTH - 20.0
    );
    for (at, count) in bins.into_iter().enumerate().filter(|bin| bin.1 > 0) {
        let (left, right) = (x(FIRST + at as f64 / BINS), x(FIRST + (at + 1) as f64 / BINS));
        let height = count as f64 / most * (ROW - 14.0);
        let ms = 10f64.powf(FIRST + at as f64 / BINS);
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{colour}\"><title>{count} from {ms:.3} ms</title></rect>",
            base - height,
            right - left - 0.5
        );
    }
    let p99 = x(one.quantile(0.99).max(1e-9).log10().clamp(FIRST, LAST));
    if p99.is_finite() {
        let _ = writeln!(out, "<path stroke=\"{colour}\" d=\"M{p99:.1} {base}V{}\"/>", base - ROW + 8.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_in_a_bin() {
        let bins = bins(&[0.0, 0.01, 1.0, 1.1, 1e9, f64::NAN]);
        assert_eq!(bins.iter().sum::<usize>(), 6);
        assert_eq!((bins[20], bins[69]), (2, 1));
    }
}

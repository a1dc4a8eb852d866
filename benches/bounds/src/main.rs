//! What the allocator is to reach, beside what `gleaner bench --json` measured.
//!
//! ```text
//! gleaner-bounds FILE.json…               the table, for a terminal
//! gleaner-bounds --markdown FILE.json…    docs/benchmarks.md
//! ```
//! Of several files the later one's programs hold. `scripts/bench` runs both.
mod document;
mod figures;
mod rows;

use figures::Figures;

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let markdown = words.first().is_some_and(|word| word == "--markdown");
    if markdown {
        words.remove(0);
    }
    let done = Figures::read(&words).map(|figures| {
        let rows = rows::rows(&figures);
        if markdown { document::markdown(&figures, &rows) } else { document::text(&figures, &rows) }
    });
    match done {
        Ok(text) => print!("{text}"),
        Err(text) => {
            eprintln!("gleaner-bounds: {text}");
            std::process::exit(1);
        }
    }
}

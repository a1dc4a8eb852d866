//! The machine's structures, each by itself: `cargo bench -p gleaner-benches [-- NAME]`.
//!
//! Ratios and changes between two runs mean more here than absolute figures. Whole programs
//! against other allocators are measured by `scripts/bench`.
mod heap;
mod marking;
mod pages;
mod pins;
mod ranges;
mod stacks;

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group!(
    name = structures;
    config = settings();
    targets = pages::pages, heap::heap, pins::pins, ranges::ranges, ranges::adopted, stacks::stacks, marking::marking
);
criterion_main!(structures);

//! The statistics of `stats=1`.
use super::{copies, info};
use crate::gc;
use crate::ground::out;
use crate::threads;

pub fn print(fd: i32) {
    let f = info::figures();
    out::say(
        fd,
        format_args!(
            "heap: {} bytes live, {} mapped, {} free and resident, {} spans, {} huge objects of {} bytes",
            f.live, f.mapped, f.free_pages, f.spans, f.huge, f.huge_bytes
        ),
    );
    gc::stats::STATS.print(fd);
    copies::print(fd);
    let c = threads::counters();
    out::say(
        fd,
        format_args!(
            "stop: {} stops, {} given up, {} signals, {} us at most and {} on average, {} calls begun again, {} not",
            c.stops,
            c.abandoned,
            c.signals,
            c.longest_ns / 1000,
            c.wait_ns / 1000 / c.stops.max(1),
            c.rewound,
            c.eintr_unrewound
        ),
    );
}

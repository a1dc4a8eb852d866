//! The statistics of `stats=1`.
use super::{copies, info};
use crate::gc;
use crate::ground::out;
use crate::leak::unwind::memo;
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
    let [stacks, frames, walked, without] = memo::counts();
    if stacks + without > 0 {
        out::say(
            fd,
            format_args!(
                "stacks: {stacks} with {frames} frames, {walked} of them walked, the others as before; {without} walked whole"
            ),
        );
    }
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

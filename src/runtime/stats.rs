//! The statistics of `stats=1`.
use super::info;
use crate::gc;
use crate::ground::out;

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
}

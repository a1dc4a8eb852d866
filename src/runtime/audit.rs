//! Audit mode: would the collector have harmed the program?
//!
//! Collections as in gc mode, but nothing is reclaimed. When the program hands an object to free, realloc,
//! malloc_usable_size or gleaner_pin that a complete collection had found unreachable, it had the pointer where the
//! collector does not look. Each such use is noted with its call stack and the one that allocated the object, and told
//! when the process ends. What a program only reads or writes by such a pointer is not seen.
use super::leaks::{self, Outcome};
use super::{log, start, trace};
use crate::gc::stats::STATS;
use crate::ground::{critical, out};
use crate::heap::{limbo, stacks};
use crate::leak::hidden::{self, Hidden};
use crate::leak::modules;
use crate::leak::record::Found;
use crate::spans::Span;
use crate::sys::sandbox::{self, Need};
use crate::sys::{process, tls};
use crate::threads;
use core::sync::atomic::Ordering::Relaxed;

/// Collections that an object's age is counted up to.
pub const AGES: u8 = 16;
/// So many bytes are allocated between two collections, if collecting takes little enough of the time: a program that
/// frees what it allocates shall be audited, too.
pub const EVERY: usize = 4 << 20;

/// Called once, at start-up.
pub fn begin() {
    limbo::tell(witness);
}

/// Whatever the program calls us for: no lock is held.
fn witness(span: &'static Span, index: u32, cycles: u32, call: &'static str) {
    let known = |stack: u32| if stack == stacks::IGNORED { 0 } else { stack };
    // A thread past its last destructor has no unwinder's memory left.
    let late = tls::block().late.load(Relaxed) != 0;
    let used = if late { 0 } else { known(trace::stack()) };
    let origin = stacks::get(span, index);
    let bytes = (span.size.get() - origin.slack as usize) as u64;
    let one = Hidden { call, allocated: known(origin.stack), used, bytes, objects: 1, cycles };
    hidden::note(&critical::enter(), one);
}

/// Tells what was noted.
pub fn at_exit() -> Outcome {
    if sandbox::forbids(Need::Collect) || process::pid() != threads::pid() {
        return Outcome::Abandoned;
    }
    let critical = critical::enter();
    let rows = hidden::all(&critical);
    if rows.is_empty() {
        if start::options().verbose > 0 {
            clean();
        }
        return Outcome::Clean;
    }
    modules::refresh(&critical);
    leaks::tell(&critical, "audit", &Found { hidden: &rows, ..Found::default() }, &[])
}

/// What the silence is worth.
fn clean() {
    let (cycles, abandoned) = (STATS.cycles.get(), STATS.abandoned_total());
    let limbo = &STATS.limbo;
    log::with(&mut |fd| match cycles {
        0 => out::say(
            fd,
            format_args!("audit: no collection took place ({abandoned} abandoned): nothing is known"),
        ),
        _ => out::say(
            fd,
            format_args!(
                "audit: {cycles} collections, {abandoned} abandoned; {limbo} unreachable at the last; none was used afterwards"
            ),
        ),
    });
}

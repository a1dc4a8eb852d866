//! Files for other tools while the program runs: `trace=`, collections as Chrome's trace events, and `prometheus=`,
//! the [`metrics`] in Prometheus' text format.
//!
//! A file is opened for the write, under a number that no program uses by chance, and closed again: nothing stays
//! open, and a program that closes all it does not know closes nothing of ours. It is opened without waiting (a FIFO
//! that nobody reads). What cannot be written is left out, silently. Once the program has installed a filter neither
//! is written: their calls are not among those that are tried on it.
//!
//! A trace is an array without its last bracket, as the format allows: with one added it is JSON after each write,
//! whenever the process dies. For that each collection is appended by one write, which is taken back if the
//! disk had no room for all of it; of processes that share a file one begins it.
use super::{fork, metrics, start};
use crate::gc::{Abandon, Found, Sum, limbo::Moved};
use crate::ground::out::Text;
use crate::heap::live;
use crate::pure::options::Mode;
use crate::sys::file::{self, Fd};
use crate::sys::letter::out_of_the_way;
use crate::sys::path::{PATH_MAX, Path};
use crate::sys::raw::Errno;
use crate::sys::{copy, process, sandbox};
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Milliseconds between two writes of the metrics, but for the last.
const PERIOD_MS: u64 = 1000;
/// When the last one was.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// When the parts of a collection ended, nanoseconds; 0: it did not come so far.
#[derive(Clone, Copy, Default, Debug)]
pub struct Phases {
    pub began: u64,
    /// All threads stand.
    pub frozen: u64,
    /// Mappings are listed.
    pub listed: u64,
    /// By a copy of the process: after `resumed`.
    pub marked: u64,
    pub resumed: u64,
    /// All threads are asked to stand again, to move to limbo what the copy found, and the last time they go on again.
    pub again: u64,
    pub settled: u64,
    pub ended: u64,
    /// It was no copy of the process, but one that shares its memory.
    pub tracked: bool,
}

impl Phases {
    /// Whether a copy of the process marked.
    pub fn is_copied(&self) -> bool {
        self.again != 0
    }
    /// When the program went on for good.
    pub fn resumes(&self) -> u64 {
        self.resumed.max(self.settled)
    }
}

/// What a complete collection did.
pub struct Done<'a> {
    pub found: &'a Found,
    pub moved: &'a Moved,
    pub freed: Sum,
}

/// A collection ended: why it began, and how. The cycle's lock is held.
pub fn collected(cause: &str, phases: &Phases, result: Result<Done<'_>, Abandon>) {
    if !start::options().trace.is_empty() && is_allowed() {
        trace(cause, phases, &result);
    }
    if is_wanted() && is_time() {
        write();
    }
}

fn is_allowed() -> bool {
    !sandbox::is_filtered() && (start::options().follow || !fork::is_child())
}

/// Whether the metrics are to be written, by the time.
pub fn is_time() -> bool {
    process::coarse_ms().saturating_sub(WRITTEN.load(Relaxed)) >= PERIOD_MS
}

/// Whether metrics are written when the program ends.
pub fn is_wanted() -> bool {
    !start::options().prometheus.is_empty()
}

/// And before that. Not in mode malloc, where no thread has what a stack of ours needs.
pub fn is_wanted_often() -> bool {
    is_wanted() && start::options().mode != Mode::Malloc
}

/// Writes the metrics. One caller at a time: the holder of the cycle's lock, or who ends the program.
pub fn write() {
    if is_allowed() {
        WRITTEN.store(process::coarse_ms(), Relaxed);
        prometheus();
    }
}

/// Room for a collection and its parts, whatever the numbers. There may be little stack: this is called where there is no
/// memory for one of ours.
type Events = Text<2048>;

fn event(text: &mut Events, name: &str, from: u64, to: u64) {
    let (pid, tid, dur) = (copy::told_pid(), process::tid(), to.saturating_sub(from));
    let _ = write!(
        text,
        "{{\"name\":\"{name}\",\"cat\":\"gc\",\"ph\":\"X\",\"pid\":{pid},\"tid\":{tid},\"ts\":{}.{:03},\"dur\":{}.{:03}",
        from / 1000,
        from % 1000,
        dur / 1000,
        dur % 1000
    );
}

/// Words are ours: no escapes.
fn compose(text: &mut Events, cause: &str, phases: &Phases, result: &Result<Done<'_>, Abandon>) {
    event(text, "collection", phases.began, phases.ended);
    let _ = write!(
        text,
        ",\"args\":{{\"cause\":\"{cause}\",\"marking\":\"{}\"",
        match () {
            _ if phases.tracked => "tracked",
            _ if phases.is_copied() => "snapshot",
            _ => "stopped",
        }
    );
    let _ = match result {
        Err(why) => write!(text, ",\"abandoned\":\"{}\"", why.reason()),
        Ok(Done { found, moved, freed }) => write!(
            text,
            ",\"markers\":{},\"reachable_bytes\":{},\"root_bytes\":{},\"new_in_limbo_bytes\":{},\"limbo_bytes\":{},\"revived_objects\":{},\"reclaimed_objects\":{},\"reclaimed_bytes\":{}",
            1 + found.helpers,
            found.reachable().bytes,
            found.root_bytes,
            moved.fresh.bytes,
            moved.limbo.bytes.saturating_sub(freed.bytes),
            moved.revived.objects,
            freed.objects,
            freed.bytes,
        ),
    };
    let _ = write!(text, ",\"resurrected_objects\":{}}}}}", live::RESURRECTED.load(Relaxed));
    let p = phases;
    let (stop, list) = (("stop threads", p.began, p.frozen), ("list mappings", p.frozen, p.listed));
    let (stopped, reclaim) = (("stopped", p.began, p.resumed), ("reclaim", p.resumes(), p.ended));
    let parts = if p.is_copied() {
        let names = if p.tracked { ("roots", "mark beside") } else { ("copy", "mark in the copy") };
        let (copy, mark) = ((names.0, p.listed, p.resumed), (names.1, p.resumed, p.marked));
        [stopped, stop, list, copy, mark, ("limbo", p.again, p.settled), reclaim]
    } else {
        let limbo = ("limbo", p.marked, p.resumed);
        [stopped, stop, list, ("mark", p.listed, p.marked), limbo, reclaim, ("", 0, 0)]
    };
    for (name, from, to) in parts.into_iter().filter(|&(_, from, to)| from != 0 && to > from) {
        let _ = text.write_str(",\n");
        event(text, name, from, to);
        let _ = text.write_str("}");
    }
}

/// The program was stopped for limbo, in the middle of a collection. The cycle's lock is held.
pub fn stopped(from: u64, to: u64) {
    if !start::options().trace.is_empty() && is_allowed() {
        append(|text| {
            event(text, "stopped", from, to);
            let _ = text.write_str("}");
        });
    }
}

fn trace(cause: &str, phases: &Phases, result: &Result<Done<'_>, Abandon>) {
    append(|text| compose(text, cause, phases, result));
}

fn append(compose: impl FnOnce(&mut Events)) {
    let Some(file) = open_trace() else { return };
    let Some(size) = begun(&file) else { return };
    let mut text = Events::new();
    // A comma comes first, never last.
    let _ = text.write_str(if size == Ok(0) { "[\n" } else { ",\n" });
    compose(&mut text);
    let Ok(size) = size else {
        let _ = file.write_all(text.as_bytes());
        return;
    };
    let fits = file.write_all(text.as_bytes()).is_ok();
    let more = file.size().unwrap_or(size).saturating_sub(size);
    if !fits && more < text.as_bytes().len() {
        let _ = file.cut(size);
    }
}

/// The file's size. Who finds it empty begins it, and no other process does so meanwhile; `None`: another seems to, and takes
/// its time. Where files cannot be locked each has its own.
fn begun(file: &Fd) -> Option<Result<usize, Errno>> {
    const TRIES: u32 = 50;
    const NAP_NS: i64 = 200_000;
    (0..TRIES).find_map(|round| {
        if round > 0 {
            process::sleep_ns(NAP_NS);
        }
        let is_free = file.size() != Ok(0) || file.lock() != Err(Errno(libc::EWOULDBLOCK));
        is_free.then(|| file.size())
    })
}

#[inline(never)]
fn open_trace() -> Option<Fd> {
    let mut room = [0u8; PATH_MAX];
    let path = start::options().trace.expand(copy::told_pid() as u32, &mut room)?;
    let how = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_NONBLOCK | libc::O_NOCTTY;
    Fd::open(path, how, 0o600).ok().map(out_of_the_way)
}

/// Replaces the file: a reader sees the old one or the new one. Devices and links are left alone, by the new one's name
/// too. Two threads may be at it when the program ends.
fn prometheus() {
    let mut room = [0u8; PATH_MAX - 32];
    let Some(path) = start::options().prometheus.expand(copy::told_pid() as u32, &mut room) else { return };
    let (mut new, mut suffix) = (Path::new(), Text::<24>::new());
    let _ = write!(suffix, ".{}.new", process::tid());
    new.set(path.to_bytes());
    new.push(suffix.as_bytes());
    let new = new.as_c_str();
    let how = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_NOFOLLOW;
    if !file::is_replaceable(path) || !file::is_replaceable(new) {
        return;
    }
    let Ok(file) = Fd::open(new, how | libc::O_NONBLOCK | libc::O_NOCTTY, 0o644) else { return };
    let (file, mut done) = (out_of_the_way(file), true);
    metrics::prometheus(&mut |text| done &= file.write_all(text).is_ok());
    drop(file);
    if !done || file::rename(new, path).is_err() {
        file::remove(new);
    }
}

#[cfg(test)]
mod tests;

//! Each test runs in a process of its own, where no other test maps or unmaps memory meanwhile.
use super::*;
use crate::ground::critical;
use crate::sys::pagemap::Way;
use crate::sys::vm;
use std::process::Command;

mod memory;
mod threads;

const PAGE: usize = 4096;
const WORD: usize = 8;

/// Runs `body` in a process of its own; `name` is the test's path.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    if std::env::var_os("GLEANER_TEST_ALONE").is_some() {
        return body();
    }
    let mut me = Command::new(std::env::current_exe().unwrap());
    me.args(["--exact", name, "--test-threads=1", "--nocapture"]).env("GLEANER_TEST_ALONE", "1");
    let out = me.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{name}: {}\n{text}{}", out.status, String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("1 passed"), "no test {name}:\n{text}");
}

/// Value, kind, whether in place.
type Found = (usize, RootKind, bool);

/// A word that is looked for, and what was found at its address.
#[derive(Clone, Copy)]
struct Probe {
    home: Addr,
    found: Option<Found>,
}

/// Notes what a visit shows at some addresses.
struct Seeker {
    probes: Vec<Probe>,
    words: usize,
}

impl RootVisitor for Seeker {
    fn words(&mut self, w: Words) {
        assert!(w.lo < w.hi && w.lo.is_aligned(WORD) && w.hi.is_aligned(WORD) && w.home.is_aligned(WORD));
        self.words += w.hi.since(w.lo) / WORD;
        for p in &mut self.probes {
            if w.home <= p.home && p.home < w.home.add(w.hi.since(w.lo)) {
                // SAFETY: within the words that are readable now.
                let value = unsafe { w.lo.add(p.home.since(w.home)).ptr::<usize>().read() };
                p.found = Some((value, w.kind, w.home == w.lo));
            }
        }
    }
}

const WAYS: [Way; 5] = [Way::ScanGuards, Way::Scan, Way::Entries, Way::Resident, Way::Blind];

/// What a visit by `way` shows at `homes`: value, kind, in place.
fn seek_by(
    way: Way,
    homes: &[Addr],
    stacks: &[StackInput<'_>],
    dead: &[DeadStack],
) -> Result<Vec<Option<Found>>, RootError> {
    let critical = critical::enter();
    let mut snapshot = Snapshot::new(&critical).unwrap();
    let probes = homes.iter().map(|&home| Probe { home, found: None }).collect();
    let mut seeker = Seeker { probes, words: 0 };
    snapshot.take(&critical)?;
    let done = visit::visit_by(way, &critical, &mut snapshot, stacks, dead, &mut seeker)?;
    assert!(done.in_place + done.copied <= seeker.words * WORD);
    Ok(seeker.probes.iter().map(|p| p.found).collect())
}

fn seek(homes: &[Addr]) -> Vec<Option<Found>> {
    seek_by(Way::ScanGuards, homes, &[], &[]).unwrap()
}

fn mmap(len: usize, prot: i32, flags: i32, fd: i32) -> Addr {
    // SAFETY: no MAP_FIXED.
    unsafe { crate::sys::host::mmap(Addr::NULL, len, prot, flags, fd, 0).unwrap() }
}
fn memfd(pages: usize) -> i32 {
    // SAFETY: plain calls.
    unsafe {
        let fd = libc::memfd_create(c"roots-test".as_ptr(), 0);
        assert!(fd >= 0 && libc::ftruncate(fd, (pages * PAGE) as i64) == 0);
        fd
    }
}
fn put(at: Addr, value: usize) {
    // SAFETY: memory that the test mapped.
    unsafe { at.ptr::<usize>().write_volatile(value) };
}

const RW: i32 = libc::PROT_READ | libc::PROT_WRITE;
const PRIVATE: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
const SHARED: i32 = libc::MAP_SHARED | libc::MAP_ANONYMOUS;

//! Objects, roots and turns.
use gleaner_core::gc::limbo::{Doom, Moved};
use gleaner_core::gc::{self, Abandon, Found, Marked, Scan, Settings, World};
use gleaner_core::ground::critical;
use gleaner_core::heap::live::RESURRECTED;
use gleaner_core::heap::resize::{self, Resized, Trace};
use gleaner_core::heap::secure::How;
use gleaner_core::heap::{bins, cache, fast, release};
use gleaner_core::pure::addr::Addr;
use gleaner_core::spans::{Span, map};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard};

pub const PLAIN: Trace = Trace { stack: 0, watched: false, how: How::Malloc };
static TURN: Mutex<()> = Mutex::new(());

/// One test's turn: the heap is empty at its start, and emptied at its end.
pub struct Turn {
    _turn: MutexGuard<'static, ()>,
}
pub fn turn() -> Turn {
    let turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    attach();
    // A test that failed left its objects.
    wipe();
    Turn { _turn: turn }
}
impl Drop for Turn {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            wipe();
        }
        resize::detach(&critical::enter());
    }
}
pub fn attach() {
    assert!(resize::attach(&critical::enter(), false));
}

/// Frees every object there is.
pub fn wipe() {
    let critical = critical::enter();
    let marked = gc::mark(&critical, &mut Roots::default(), &Settings::DEFAULT).expect("marks");
    let mut all = Vec::new();
    marked.each_unreachable(|o| all.push(o.addr()));
    marked.end(&critical);
    drop(critical);
    for at in all {
        free(at.0);
    }
}

pub fn alloc(n: usize) -> usize {
    let fast = fast::malloc(n);
    if !fast.is_null() {
        return fast as usize;
    }
    let at = resize::alloc(&critical::enter(), n, PLAIN).at as usize;
    assert_ne!(at, 0);
    at
}
/// With its whole slot zeroed: what is behind the request is scanned too.
pub fn zeroed(n: usize) -> usize {
    let at = alloc(n);
    // SAFETY: a fresh object, which owns its slot.
    unsafe { core::ptr::write_bytes(at as *mut u8, 0, span(at).size.get()) };
    at
}
pub fn alloc_aligned(n: usize, align: usize) -> usize {
    resize::alloc_aligned(&critical::enter(), n, align, PLAIN).at as usize
}
pub fn free(at: usize) {
    let p = at as *mut u8;
    // SAFETY: the tests free what they allocated.
    unsafe {
        match fast::free(p) {
            fast::Freed::Done => {}
            fast::Freed::Full => release::bin_full(&critical::enter(), p),
            fast::Freed::Special => {
                assert_eq!(release::free(&critical::enter(), p), release::Freed::Ours);
            }
        }
    }
}
/// What this thread has at hand goes back to the lists of the spans.
pub fn shelve() {
    bins::give_all(&critical::enter(), cache::current());
}
/// Two slots of `n` bytes on their span's remote list, the second one's link leads to the first; and an object of that
/// span behind them.
pub fn listed(n: usize) -> (usize, usize, usize) {
    let mut all: Vec<usize> = (0..3).map(|_| zeroed(n)).collect();
    all.sort_unstable();
    let (first, second) = (all[0], all[1]);
    std::thread::spawn(move || {
        attach();
        free(first);
        free(second);
        shelve();
        resize::detach(&critical::enter());
    })
    .join()
    .expect("frees");
    assert_eq!(span(first).remote.load(Ordering::Relaxed) & !1, second);
    (first, second, all[2])
}
pub fn realloc(at: usize, n: usize) -> usize {
    // SAFETY: the tests' own objects.
    match unsafe { resize::realloc(at as *mut u8, n, || (), || PLAIN) } {
        Resized::Done(p) => p as usize,
        _ => panic!("realloc failed"),
    }
}
pub fn span(at: usize) -> &'static Span {
    map::lookup(Addr(at)).expect("in a span")
}

/// Writes word `i` of an object.
pub fn put(at: usize, i: usize, word: usize) {
    // SAFETY: the tests stay inside their objects.
    unsafe { (at as *mut usize).add(i).write_volatile(word) };
}
pub fn get(at: usize, i: usize) -> usize {
    // SAFETY: as above.
    unsafe { (at as *const usize).add(i).read_volatile() }
}

/// A root set of a test.
#[derive(Default)]
pub struct Roots {
    pub words: Vec<usize>,
    pub protected: Vec<(usize, usize)>,
    /// Fails the cycle after the roots were scanned.
    pub fail: Option<Abandon>,
    /// Large objects that were asked for.
    pub asked: Vec<usize>,
    /// Large objects are not read but taken for empty.
    pub skip_large: bool,
    /// Bytes, of which each may begin a pointer.
    pub code: Vec<u8>,
}
pub fn roots(words: &[usize]) -> Roots {
    Roots { words: words.to_vec(), ..Roots::default() }
}
impl World for Roots {
    fn roots(&mut self, scan: &mut Scan<'_>) -> Result<(), Abandon> {
        // Two halves, the second one by way of a copy that changes afterwards.
        let (first, second) = self.words.split_at(self.words.len() / 2);
        let mut copy = second.to_vec();
        for part in [first, &copy[..]] {
            let lo = part.as_ptr() as usize;
            scan(Addr(lo), Addr(lo + part.len() * 8));
        }
        copy.fill(0);
        let lo = self.code.as_ptr() as usize;
        (0..8).for_each(|shift| scan(Addr(lo + shift), Addr(lo + self.code.len())));
        self.fail.map_or(Ok(()), Err)
    }
    fn large(&mut self, lo: Addr, hi: Addr, scan: &mut Scan<'_>) -> Result<(), Abandon> {
        self.asked.push(lo.0);
        if !self.skip_large {
            scan(lo, hi);
        }
        Ok(())
    }
    fn protected(&mut self, tell: &mut Scan<'_>) -> Result<(), Abandon> {
        for &(lo, hi) in &self.protected {
            tell(Addr(lo), Addr(hi));
        }
        Ok(())
    }
}

/// Marks with the checker, and hands the result to `look`.
pub fn marked<T>(world: &mut Roots, settings: Settings, look: impl FnOnce(&Marked) -> T) -> T {
    let critical = critical::enter();
    let marked = gc::mark(&critical, world, &settings).expect("marks");
    let result = look(&marked);
    marked.end(&critical);
    result
}
pub const CHECKED: Settings = Settings { checkmark: true, ..Settings::DEFAULT };

/// For broken heaps: with checkmark the heap is verified first, and that would end the process.
pub const UNVERIFIED: Settings = Settings::DEFAULT;

/// Addresses of unreachable objects.
pub fn unreachable(world: &mut Roots, settings: Settings) -> (BTreeSet<usize>, Found) {
    marked(world, settings, |marked| {
        let mut set = BTreeSet::new();
        marked.each_unreachable(|o| assert!(set.insert(o.addr().0), "told twice"));
        assert_eq!(set.len(), marked.found.unreachable.objects);
        (set, marked.found)
    })
}

/// How often the program used an object in limbo.
pub fn resurrected() -> u64 {
    RESURRECTED.load(Ordering::Relaxed)
}
/// Objects of the heap, reachable or not.
pub fn allocated() -> usize {
    unreachable(&mut roots(&[]), CHECKED).1.allocated.objects
}
/// A size of each sort of object.
pub fn kinds() -> [usize; 4] {
    [24, 5000, 300_000, 5 << 20]
}

/// A whole cycle with limbo, up to the resume.
pub fn stopped_part(world: &mut Roots, needed: u8, doom: Doom) -> Moved {
    stopped_part_by(&CHECKED, world, needed, doom)
}
fn stopped_part_by(settings: &Settings, world: &mut Roots, needed: u8, doom: Doom) -> Moved {
    let critical = critical::enter();
    let marked = gc::mark(&critical, world, settings).expect("marks");
    let moved = marked.to_limbo(&critical, needed, doom);
    marked.end(&critical);
    moved
}
/// A whole cycle; what went to limbo, and how many objects were freed.
pub fn cycle(world: &mut Roots, needed: u8) -> (Moved, usize) {
    let moved = stopped_part(world, needed, Doom::Allowed);
    (moved, gc::reclaim::run(&critical::enter(), 0).objects)
}
/// The same in a heap that is broken.
pub fn cycle_of_broken(world: &mut Roots, needed: u8) -> (Moved, usize) {
    let moved = stopped_part_by(&UNVERIFIED, world, needed, Doom::Allowed);
    (moved, gc::reclaim::run(&critical::enter(), 0).objects)
}

/// xorshift.
pub struct Random(pub u64);
impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

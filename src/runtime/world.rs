//! What the collector must know of this process, from the stopped threads and the roots.
//!
//! # Safety
//! The room for the threads' list is a fresh region of ours, used as a slice of exactly the
//! entries that were written. Heap memory is read in place only where the snapshot says that it
//! can be.
#![allow(unsafe_code)]
use super::{exit, nested};
use crate::adopted;
use crate::gc::{self, Abandon, Scan};
use crate::ground::critical::Critical;
use crate::leak::scratch::List;
use crate::pages::metadata;
use crate::pure::addr::{Addr, PAGE_SIZE, round_up};
use crate::roots::{
    self, Access, DeadStack, Ending, Frames, Nearby, Pagewise, RootError, RootKind, RootVisitor, Snapshot,
    StackInput, Unseen, Words,
};
use crate::sys::{process, signal};
use crate::threads::{self, StackKind, Stopped, WorldStopped};

/// Below this address of the calling thread's stack nothing is live (see `exit`).
#[derive(Clone, Copy)]
pub struct OwnStack {
    pub sp: usize,
}

/// The stopped process, as the collector asks for it.
pub struct Process<'a> {
    critical: &'a Critical,
    stopped: &'a WorldStopped<'a>,
    snapshot: &'a mut Snapshot,
    own: OwnStack,
    /// The page tables, for adopted ranges: opened for the first. Closed before the world resumes, for the
    /// program closes descriptors by number.
    nearby: Option<Nearby>,
    /// For large objects, once there was one.
    pagewise: Option<Pagewise>,
    /// Words of shared memory that may be addresses, and where they stand: gathered for a copy of the process.
    gathered: Option<List<'a, (usize, usize)>>,
    /// What only the kernel holds, once somebody asked.
    held: Option<List<'a, usize>>,
    /// Why that is not known to be all.
    unseen: Option<Unseen>,
    /// Whether the cycle ends then.
    gaps: Gaps,
}

/// What becomes of a cycle if the kernel may hold more than it shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gaps {
    /// It ends: something would be freed.
    Abandon,
    /// It goes on, and the report says so.
    Told,
}

#[derive(Clone, Copy)]
struct Live {
    sp: usize,
    stack: (usize, usize),
    frames: Frames,
    areas: [(Addr, Addr); 3],
    count: usize,
}

impl From<RootError> for Abandon {
    fn from(e: RootError) -> Abandon {
        match e {
            RootError::NoMemory => Abandon::NoMemory,
            _ => Abandon::Unreadable,
        }
    }
}

impl From<Unseen> for Abandon {
    fn from(why: Unseen) -> Abandon {
        match why {
            Unseen::Ring => Abandon::Ring,
            Unseen::Aio => Abandon::Aio,
            Unseen::Hidden => Abandon::Hidden,
            Unseen::Unreadable | Unseen::Notice => Abandon::Kernel,
        }
    }
}

impl From<threads::Abandon> for Abandon {
    fn from(why: threads::Abandon) -> Abandon {
        match why {
            threads::Abandon::Forbidden => Abandon::Forbidden,
            threads::Abandon::NoTaskList(_) => Abandon::NoProc,
            threads::Abandon::NoMemory => Abandon::NoMemory,
            _ => Abandon::Stop,
        }
    }
}

/// Large objects are asked about in the page tables from this size on, bytes.
pub(super) const SPARSE: usize = 1 << 20;

struct Pass<'a, 'b> {
    scan: &'a mut Scan<'b>,
    /// The last piece of code ended here, with this word.
    code: (Addr, usize),
}
impl<'a, 'b> Pass<'a, 'b> {
    fn new(scan: &'a mut Scan<'b>) -> Pass<'a, 'b> {
        Pass { scan, code: (Addr::NULL, 0) }
    }
    /// Every byte of code may begin a pointer: the just-in-time compilers of Java virtual machines put
    /// addresses of malloc'ed records into instructions, and nowhere else.
    fn code(&mut self, words: &Words) {
        const WORD: usize = size_of::<usize>();
        for shift in 1..WORD {
            (self.scan)(words.lo.add(shift), words.hi);
        }
        let word = |at: Addr| -> usize {
            // SAFETY: a word of the piece, readable during the call.
            unsafe { at.ptr::<usize>().read_volatile() }
        };
        if self.code.0 == words.home {
            // Across the border of two pieces.
            let pair = [self.code.1, word(words.lo)];
            let lo = Addr::of(pair.as_ptr());
            (1..WORD).for_each(|shift| (self.scan)(lo.add(shift), lo.add(2 * WORD)));
        }
        self.code = (words.home.add(words.hi.since(words.lo)), word(words.hi.add(WORD.wrapping_neg())));
    }
}
impl RootVisitor for Pass<'_, '_> {
    fn words(&mut self, words: Words) {
        (self.scan)(words.lo, words.hi);
        if words.kind == RootKind::Code && words.lo < words.hi {
            self.code(&words);
        }
    }
}

/// Keeps what may be an address of the program's, and where it stands.
struct Gathering<'a> {
    words: List<'a, (usize, usize)>,
    full: bool,
}
impl RootVisitor for Gathering<'_> {
    fn words(&mut self, words: Words) {
        const PLAUSIBLE: core::ops::Range<usize> = 1 << 16..1 << 47;
        for i in 0..words.hi.since(words.lo) / size_of::<usize>() {
            let offset = i * size_of::<usize>();
            // SAFETY: readable during the call, as visitors are promised; words are aligned.
            let word = unsafe { words.lo.add(offset).ptr::<usize>().read_volatile() };
            if PLAUSIBLE.contains(&word) {
                self.full |= self.words.push((words.home.0 + offset, word)).is_err();
            }
        }
    }
}

impl<'a> Process<'a> {
    /// Takes the snapshot. The world is stopped.
    pub fn new(
        critical: &'a Critical,
        stopped: &'a WorldStopped<'a>,
        snapshot: &'a mut Snapshot,
        own: OwnStack,
        gaps: Gaps,
    ) -> Result<Process<'a>, Abandon> {
        snapshot.take(critical)?;
        let (nearby, pagewise, gathered, held, unseen) = (None, None, None, None, None);
        Ok(Process { critical, stopped, snapshot, own, nearby, pagewise, gathered, held, unseen, gaps })
    }

    /// Learns what only the kernel holds, once. From then on it belongs to the roots.
    pub fn look_beyond(&mut self) -> Result<(), Abandon> {
        if self.held.is_none() {
            let (mut held, mut full) = (List::new(self.critical), false);
            let seen = roots::visit_kernel(self.snapshot, &mut |word| full |= held.push(word).is_err());
            if full {
                return Err(Abandon::NoMemory);
            }
            (self.held, self.unseen) = (Some(held), seen.err());
        }
        match (self.unseen, self.gaps) {
            (Some(why), Gaps::Abandon) => Err(why.into()),
            _ => Ok(()),
        }
    }

    /// Why the kernel may hold more than was learnt, for messages.
    pub fn unseen(&self) -> Option<&'static str> {
        self.unseen.map(|why| Abandon::from(why).reason())
    }

    /// Before a copy of the process is made: what the kernel holds, for that is not copied, and what shared memory holds now, for that goes on changing. `false`: there is
    /// some that is not looked at as a whole, but as a stack, an object or a named root.
    pub fn gather(&mut self) -> Result<bool, Abandon> {
        let snapshot = &*self.snapshot;
        let mut mixed = snapshot.heap_is_shared();
        let mut look = |lo, hi| mixed |= snapshot.is_shared(lo, hi);
        for t in self.threads().ok_or(Abandon::NoMemory)?.slice() {
            look(Addr(t.sp), Addr(t.sp + 1));
            look(Addr(t.stack.1.saturating_sub(1)), Addr(t.stack.1));
        }
        roots::regions::each(self.critical, &mut look);
        adopted::each_range(&mut |lo, last| look(lo, last.add(1)));
        if mixed {
            return Ok(false);
        }
        let mut words = Gathering { words: List::new(self.critical), full: false };
        self.look_beyond()?;
        roots::visit_shared(self.snapshot, &mut words)?;
        if words.full {
            return Err(Abandon::NoMemory);
        }
        self.gathered = Some(words.words);
        Ok(true)
    }

    /// The list of the process's memory that was taken at the stop.
    pub fn snapshot(&self) -> &Snapshot {
        self.snapshot
    }

    /// Every live thread, the calling one first.
    fn threads(&self) -> Option<Room<'a, Live>> {
        let mut count = 1;
        self.stopped.for_each_thread(&mut |_| count += 1);
        let mut room = Room::new(self.critical, count)?;
        let me = self.stopped.me();
        room.push(match self.stopped.visited() {
            Some(visited) => of(&visited),
            None => live(self.own.sp, me.stack(), me.is_whole(), &[]),
        });
        self.stopped.for_each_thread(&mut |t| room.push(of(t)));
        Some(room)
    }

    fn dead(&self) -> Option<Room<'a, DeadStack>> {
        let stacks = self.stopped.dead_stacks();
        let mut room = Room::new(self.critical, stacks.len().max(1))?;
        let own = threads::tid_offset(threads::tcb(), process::tid());
        let ending = own.map_or(Ending::Joinable, |tid| Ending::JoinableUntil { tid });
        for s in stacks {
            room.push(DeadStack {
                lo: Addr(s.lo),
                hi: Addr(round_up(s.tcb, PAGE_SIZE)),
                tcb: Addr(s.tcb),
                ending,
            });
        }
        Some(room)
    }

    /// Shows the whole root set, with the places where the words live.
    fn show_roots(&mut self, visitor: &mut dyn RootVisitor) -> Result<(), Abandon> {
        self.forget_nearby();
        let mut one = |value: usize| {
            let lo = Addr::of(&raw const value);
            let hi = lo.add(size_of::<usize>());
            visitor.words(Words { lo, hi, home: lo, kind: RootKind::Registers });
        };
        self.stopped.for_each_argument(&mut one);
        one(nested::first());
        // The kernel alone may hold the memory of an alternate stack. (Other threads' are in
        // their signal frames or records.)
        one(signal::alternate_stack());
        for (home, word) in self.gathered.iter().flat_map(|words| words.iter()) {
            let lo = Addr::of(word);
            let hi = lo.add(size_of::<usize>());
            visitor.words(Words { lo, hi, home: Addr(*home), kind: RootKind::Shared });
        }
        for word in self.held.iter().flat_map(|words| words.iter()) {
            let lo = Addr::of(word);
            let hi = lo.add(size_of::<usize>());
            visitor.words(Words { lo, hi, home: Addr::NULL, kind: RootKind::Kernel });
        }
        let mut regions = Ok(());
        roots::regions::each(self.critical, |lo, hi| {
            let visited = roots::visit_region(self.snapshot, lo, hi, visitor);
            regions = regions.and(visited);
        });
        regions?;
        let threads = self.threads().ok_or(Abandon::NoMemory)?;
        let dead = self.dead().ok_or(Abandon::NoMemory)?;
        let mut inputs = Room::new(self.critical, threads.len).ok_or(Abandon::NoMemory)?;
        for t in threads.slice() {
            inputs.push(StackInput {
                sp: Addr(t.sp),
                stack: (t.stack.1 != 0).then_some((Addr(t.stack.0), Addr(t.stack.1))),
                frames: t.frames,
                areas: &t.areas[..t.count],
            });
        }
        roots::visit(self.critical, self.snapshot, inputs.slice(), dead.slice(), visitor)?;
        Ok(())
    }

    /// Shows the roots and what adopted ranges hold: all that the program may have outside of the heap.
    pub fn show_all(&mut self, visitor: &mut dyn RootVisitor) -> Result<(), Abandon> {
        self.show_roots(visitor)?;
        let mut result = Ok(());
        adopted::each_range(&mut |lo, last| {
            result = result.and_then(|()| self.show(lo, last, visitor));
        });
        result
    }

    /// Shows what an object of the heap holds: in place where that can be read and is not large, else copies.
    pub fn object(
        &mut self,
        marked: &gc::Marked,
        lo: Addr,
        size: usize,
        scan: &mut Scan<'_>,
    ) -> Result<(), Abandon> {
        let hi = lo.add(size);
        if size < SPARSE && marked.is_readable(lo, size) {
            scan(lo, hi);
            return Ok(());
        }
        gc::World::large(self, lo, hi, scan)
    }

    /// Shows what memory of the program's holds, from `lo` to the byte `last`.
    pub fn show(&mut self, lo: Addr, last: Addr, visitor: &mut dyn RootVisitor) -> Result<(), Abandon> {
        let nearby = self.nearby.get_or_insert_with(Nearby::new);
        Ok(roots::visit_adopted(nearby, self.snapshot, (lo, last.add(1)), visitor)?)
    }

    /// Somebody else is about to use the snapshot's room.
    fn forget_nearby(&mut self) {
        if let Some(nearby) = &mut self.nearby {
            nearby.forget();
        }
    }

    /// Calls `each` with the bounds of stacks that libc may keep for other threads.
    pub fn each_dead_stack(&self, each: &mut dyn FnMut(Addr, Addr)) {
        self.stopped.dead_stacks().iter().for_each(|s| each(Addr(s.lo), Addr(s.tcb)));
    }
}

fn live(sp: usize, stack: (usize, usize), whole: bool, areas: &[(usize, usize)]) -> Live {
    let on_own = stack.1 == 0 || (stack.0 <= sp && sp < stack.1);
    let mut live = Live {
        sp,
        stack,
        frames: if on_own && !whole { Frames::AboveSp } else { Frames::Anywhere },
        areas: [(Addr(0), Addr(0)); 3],
        count: areas.len().min(3),
    };
    for (to, from) in live.areas.iter_mut().zip(areas) {
        *to = (Addr(from.0), Addr(from.1));
    }
    live
}

fn of(t: &Stopped) -> Live {
    // A thread on its way out has no frames of the program's: only its descriptor is live, and of
    // the first thread's stack the arguments and the environment.
    let sp = match (t.sp, t.kind) {
        (0, StackKind::Main) => exit::stack_end(),
        (0, _) => t.tcb,
        (sp, _) => sp,
    };
    live(sp, t.stack, t.whole && t.sp != 0, t.areas())
}

impl gc::World for Process<'_> {
    fn roots(&mut self, scan: &mut Scan<'_>) -> Result<(), Abandon> {
        self.show_roots(&mut Pass::new(scan))
    }

    fn beyond(&mut self, scan: &mut Scan<'_>) -> Result<(), Abandon> {
        self.look_beyond()?;
        for word in self.held.iter().flat_map(|words| words.iter()) {
            let lo = Addr::of(word);
            scan(lo, lo.add(size_of::<usize>()));
        }
        Ok(())
    }

    fn large(&mut self, lo: Addr, hi: Addr, scan: &mut Scan<'_>) -> Result<(), Abandon> {
        if hi.since(lo) < SPARSE && self.snapshot.heap_access(lo, hi) != Access::Closed {
            scan(lo, hi);
            return Ok(());
        }
        self.forget_nearby();
        let by = self.pagewise.get_or_insert_with(Pagewise::open);
        roots::visit_heap(by, self.snapshot, lo, hi, &mut Pass::new(scan))?;
        Ok(())
    }

    fn adopted(&mut self, lo: Addr, hi: Addr, scan: &mut Scan<'_>) -> Result<(), Abandon> {
        self.show(lo, Addr(hi.0 - 1), &mut Pass::new(scan))
    }

    fn protected(&mut self, tell: &mut Scan<'_>) -> Result<(), Abandon> {
        self.snapshot.each_odd(tell);
        Ok(())
    }
}

/// A list in a region of its own.
struct Room<'c, T: Copy> {
    critical: &'c Critical,
    at: Addr,
    bytes: usize,
    len: usize,
    _type: core::marker::PhantomData<T>,
}

impl<'c, T: Copy> Room<'c, T> {
    fn new(critical: &'c Critical, count: usize) -> Option<Room<'c, T>> {
        let bytes = round_up(count * size_of::<T>(), PAGE_SIZE);
        let at = metadata::map_region(critical, bytes)?;
        Some(Room { critical, at, bytes, len: 0, _type: core::marker::PhantomData })
    }
    /// Adds `value` if there is room.
    fn push(&mut self, value: T) {
        if (self.len + 1) * size_of::<T>() <= self.bytes {
            // SAFETY: inside the region.
            unsafe { self.at.ptr::<T>().add(self.len).write(value) };
            self.len += 1;
        }
    }
    fn slice(&self) -> &[T] {
        // SAFETY: `len` entries were written.
        unsafe { core::slice::from_raw_parts(self.at.ptr(), self.len) }
    }
}
impl<T: Copy> Drop for Room<'_, T> {
    fn drop(&mut self) {
        // SAFETY: the region is this list's alone.
        unsafe { metadata::unmap_region(self.critical, self.at, self.bytes) };
    }
}

//! Bins: the free slots of each class that a thread has at hand, and how they come and go.
//!
//! malloc and free work on the thread's [`Bin`] of a class, last in first out, whosever spans the slots are of: what
//! was freed last is what the processor has in its caches. An empty bin is refilled to three quarters from the thread's span; of a full one
//! the older half goes back to the spans, by lists of neighbours: another thread's span gets many slots with one exchange.
//! To their spans slots in bins are in use.
//!
//! A bin begins with room for 2 to 4 slots and doubles when it is full, if it was empty before, and when it is empty twice
//! without having been full. When it is as large as may be, its older half is put aside as a [`Chunk`], one more each time that
//! slots came from a span since some went back to one, up to 128 KiB of slots. So a thread that only
//! frees keeps little, and one that goes back and forth by some hundreds pays a copy of pointers. Rejected: lists through the slots (the collector would believe what the program can overwrite; malloc would have
//! to verify a link); a count in each span (free would need the span).
//!
//! # Safety
//! The bins are those of the calling thread's cache, in a critical section: the collector does not see them between two states, and
//! the thread's own handlers find them [`Shut`].
#![allow(unsafe_code)]
use super::cache::{self, Bin, Cache, Chunk};
use super::{free_bits, live, misuse, release, slots};
use crate::ground::critical::Critical;
use crate::pages::metadata;
use crate::pure::addr::Addr;
use crate::spans::class::{COUNT, HOLDS, MEDIUM_FIRST, SIZE, magic};
use crate::spans::{Block, Span, map, plain};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering, compiler_fence};

/// Bytes of slots that a thread puts aside of a class.
const HOARD: usize = 128 << 10;

/// Room that a bin begins with. A thread that has a few blocks of many sizes pays for each slot that comes and goes.
fn first_room(class: usize) -> isize {
    (8192 / SIZE[class] as isize).clamp(2, 4).min(HOLDS[class] as isize)
}

/// A bin that is worked on. It is *shut* meanwhile: the fast paths find nothing in it and put nothing into it, for a handler of the
/// program's may interrupt us here and allocate (`runtime::nested`).
struct Shut {
    bin: &'static Bin,
    cache: &'static Cache,
    class: usize,
    /// The top that it will have.
    top: isize,
}

impl Shut {
    fn new(cache: &'static Cache, class: usize) -> Shut {
        let bin = cache.bin(class);
        bin.magic.set(0);
        compiler_fence(Ordering::SeqCst);
        // One instruction: what comes before it takes a slot out for good, what comes after it finds none.
        // SAFETY: this thread's cell.
        let newest =
            unsafe { AtomicPtr::from_ptr(bin.newest.as_ptr()) }.swap(ptr::null_mut(), Ordering::Relaxed);
        let mut shut = Shut { bin, cache, class, top: bin.top.get() };
        if bin.room.get() == 0 {
            shut.set_empty(first_room(class));
        }
        // A handler that came between two instructions of malloc may have left places without their newest.
        shut.top = shut.top.max(shut.low());
        if !newest.is_null() {
            shut.push(newest);
        }
        shut
    }
    /// An empty bin gets another size.
    fn set_empty(&mut self, room: isize) {
        self.bin.room.set(room);
        self.top = self.low();
        // SAFETY: the two places below the oldest are the bin's.
        unsafe {
            *self.bin.place(self.top - 1) = ptr::null_mut();
            *self.bin.place(self.top - 2) = ptr::null_mut();
        }
    }
    /// The oldest place.
    fn low(&self) -> isize {
        -self.bin.room.get()
    }
    fn count(&self) -> isize {
        self.top - self.low()
    }
    /// An empty bin is as if it had never been opened: the next thread that has it begins small.
    fn close(self) {
        self.bin.refilled.set(false);
        self.bin.chunks_most.set(0);
        self.bin.room.set(0);
        core::mem::forget(self);
    }
    /// There must be room.
    fn push(&mut self, slot: *mut u8) {
        // SAFETY: a place of the bin.
        unsafe { *self.bin.place(self.top) = slot };
        self.top += 1;
    }
}
impl Drop for Shut {
    fn drop(&mut self) {
        self.bin.top.set(self.top - 1);
        compiler_fence(Ordering::SeqCst);
        // SAFETY: the newest slot's place, or the null below the oldest one.
        self.bin.newest.set(unsafe { *self.bin.place(self.top - 1) });
        compiler_fence(Ordering::SeqCst);
        self.bin.magic.set(magic(SIZE[self.class] as usize) as usize);
    }
}

/// Whether a cache whose calls are all slow has bins of a class nevertheless: in leak mode, where malloc must
/// take a stack and free has nothing to do. The bin of a larger class malloc would find at once.
#[inline(always)]
pub fn has(class: usize) -> bool {
    class < MEDIUM_FIRST && plain::is_recorded()
}

/// Fills three quarters of an empty bin from `span`, as far as that goes.
pub fn refill(cache: &'static Cache, class: usize, span: &Span) {
    if cache.watched.get() && !has(class) {
        return;
    }
    let mut shut = Shut::new(cache, class);
    let bin = shut.bin;
    if shut.count() != 0 {
        return;
    }
    if bin.refilled.replace(true) {
        shut.set_empty((2 * bin.room.get()).min(HOLDS[class] as isize));
    }
    let (low, want) = (shut.low(), bin.room.get() * 3 / 4);
    // The first of the list is to be the first to come out: from above.
    let mut at = low + want;
    let mut put = |block: *mut Block| {
        at -= 1;
        // SAFETY: a place between `low` and `low + want`.
        unsafe { *bin.place(at) = block.cast() };
    };
    if slots::take(span, want as u32, &mut put) == 0 {
        slots::fresh(span, want as u32).for_each(put);
    }
    let count = low + want - at;
    // SAFETY: as above.
    unsafe { ptr::copy(bin.place(at), bin.place(low), count as usize) };
    shut.top = low + count;
    live::hand(count as usize * SIZE[class] as usize);
}

/// A slot of `class` that the slow path of free had in its hands goes to the bin. False: it does not.
pub fn put(critical: &Critical, cache: &'static Cache, class: usize, slot: *mut u8) -> bool {
    if cache.watched.get() && !has(class) || cache.is_empty() {
        return false;
    }
    let mut shut = Shut::new(cache, class);
    if shut.top == 0 {
        make_room(critical, &mut shut);
    }
    shut.push(slot);
    true
}

/// A full bin grows, or half of it is put aside or goes back.
fn make_room(critical: &Critical, shut: &mut Shut) {
    let (bin, class) = (shut.bin, shut.class);
    let (room, most) = (bin.room.get(), HOLDS[class] as isize);
    if room < most && bin.refilled.replace(false) {
        let from = shut.low();
        shut.set_empty((2 * room).min(most));
        // SAFETY: the places from the lowest on are the bin's.
        unsafe { ptr::copy(bin.place(from), bin.place(shut.top), room as usize) };
        shut.top += room;
        return;
    }
    let half = ((room + 1) / 2).min(Chunk::SLOTS as isize);
    let allowed = bin.chunks_most.get();
    if bin.chunks_count.get() == allowed
        && (allowed as usize + 1) * half as usize * SIZE[class] as usize <= HOARD
        && bin.refilled.replace(false)
    {
        bin.chunks_most.set(allowed + 1);
    }
    if bin.chunks_count.get() >= bin.chunks_most.get() || !put_aside(critical, shut, half) {
        give_oldest(critical, shut, half);
    }
}

/// The oldest `count` slots become a chunk. False: no memory for one.
fn put_aside(critical: &Critical, shut: &mut Shut, count: isize) -> bool {
    let (bin, cache) = (shut.bin, shut.cache);
    // SAFETY: chunks are valid for ever.
    let chunk = match unsafe { cache.spare_chunks.get().as_ref() } {
        Some(chunk) => {
            cache.spare_chunks.set(chunk.next.get());
            chunk
        }
        None => match metadata::alloc(critical, size_of::<Chunk>(), 64) {
            // SAFETY: fresh zeroed memory of the right size, ours for ever.
            Some(at) => unsafe { &*at.ptr::<Chunk>() },
            None => return false,
        },
    };
    // SAFETY: places with slots; a chunk has room for as many.
    unsafe { ptr::copy_nonoverlapping(bin.place(shut.low()), chunk.slots[0].as_ptr(), count as usize) };
    chunk.count.set(count as usize);
    chunk.next.set(bin.chunks.get());
    bin.chunks.set(chunk);
    bin.chunks_count.set(bin.chunks_count.get() + 1);
    bin.stored.set(bin.stored.get() + count as u16);
    drop_oldest(shut, count);
    true
}

/// The newest chunk comes into an empty bin. False: there is none.
fn take_chunk(shut: &mut Shut) -> bool {
    let (bin, cache) = (shut.bin, shut.cache);
    // SAFETY: chunks are valid for ever.
    let Some(chunk) = (unsafe { bin.chunks.get().as_ref() }) else { return false };
    let (low, count) = (shut.low(), chunk.count.get());
    // SAFETY: a chunk has no more slots than half of the bin.
    unsafe { ptr::copy_nonoverlapping(chunk.slots[0].as_ptr(), bin.place(low), count) };
    shut.top = low + count as isize;
    bin.chunks.set(chunk.next.get());
    bin.chunks_count.set(bin.chunks_count.get() - 1);
    bin.stored.set(bin.stored.get() - count as u16);
    chunk.next.set(cache.spare_chunks.get());
    cache.spare_chunks.set(chunk);
    true
}

/// A slot from what was put aside, if the bin is empty and something was.
pub fn take(cache: &'static Cache, class: usize) -> Option<*mut Block> {
    if cache.bin(class).chunks.get().is_null() {
        return None;
    }
    let mut shut = Shut::new(cache, class);
    if shut.count() != 0 || !take_chunk(&mut shut) {
        return None;
    }
    live::hand(shut.count() as usize * SIZE[class] as usize);
    shut.top -= 1;
    // SAFETY: the place at the top has a slot.
    Some(unsafe { *shut.bin.place(shut.top) }.cast())
}

/// Everything goes back to the spans; the bins are closed until the next slow path.
pub fn give_all(critical: &Critical, cache: &'static Cache) {
    for class in 1..COUNT {
        if cache.bin(class).room.get() == 0 {
            continue;
        }
        let mut shut = Shut::new(cache, class);
        loop {
            let count = shut.count();
            give_oldest(critical, &mut shut, count);
            if !take_chunk(&mut shut) {
                break;
            }
        }
        shut.close();
    }
}

fn drop_oldest(shut: &mut Shut, count: isize) {
    let (bin, low) = (shut.bin, shut.low());
    // SAFETY: places with slots move to places of the bin.
    unsafe { ptr::copy(bin.place(low + count), bin.place(low), (shut.count() - count) as usize) };
    shut.top -= count;
}

/// The oldest `count` slots go back to the spans.
fn give_oldest(critical: &Critical, shut: &mut Shut, count: isize) {
    let (bin, cache, low) = (shut.bin, shut.cache, shut.low());
    let slot = |at: isize| -> *mut Block {
        // SAFETY: a place with a slot.
        unsafe { (*bin.place(at)).cast() }
    };
    let (mut at, end) = (low, low + count);
    while at < end {
        let Some(span) = map::lookup_of_pointer(Addr::of(slot(at))) else { break };
        let (base, bytes) = (span.base.get(), span.slots.get() as usize * span.size.get());
        let from = at;
        let in_span = |at: isize| at < end && (slot(at) as usize).wrapping_sub(base) < bytes;
        if span.owner.load(Ordering::Acquire) != cache.id() {
            while in_span(at) {
                slots::check_mark(span, slot(at));
                at += 1;
            }
            release::give_slots(critical, cache, span, (from..at).map(slot));
            continue;
        }
        // The usual case: the span is ours, and has free slots already. The last ones that were ever handed out were not, now.
        let size = span.size.get();
        let mut fresh = span.slot(span.extended.get()).0;
        while in_span(at) {
            let block = slot(at);
            at += 1;
            slots::check_mark(span, block);
            if block as usize + size == fresh {
                fresh -= size;
                continue;
            }
            // Never handed out since it came from the span, it may bear no mark.
            // SAFETY: the slot is free, and the caller's.
            if !unsafe { free_bits::put(span, block) } {
                misuse::double_free("free", Addr::of(block));
            }
        }
        if fresh != span.slot(span.extended.get()).0 {
            span.extended.set(span.index(Addr(fresh)));
        }
        span.used.set(span.used.get() - (at - from) as u32);
        if span.used.get() == 0 {
            release::settle(critical, cache, span);
        }
    }
    drop_oldest(shut, count);
}

/// Bytes of free slots in all bins, read beside their owners.
pub fn bytes() -> usize {
    let mut bytes = 0;
    cache::for_each(|cache| {
        for (class, &size) in SIZE.iter().enumerate().skip(1) {
            bytes += cache.bin(class).count_all() * size as usize;
        }
    });
    bytes
}

/// Calls `f` with every slot in a bin. A shut one is skipped: only the child of a fork finds one, whose thread was at work on it in
/// the parent. What is in that belongs to nobody and counts as allocated.
/// # Safety
/// While the world is stopped.
pub unsafe fn for_each_slot(mut f: impl FnMut(Addr)) {
    cache::for_each(|cache| {
        for class in 1..COUNT {
            let bin = cache.bin(class);
            if bin.room.get() == 0 || bin.magic.get() == 0 {
                continue;
            }
            let places = (-bin.room.get()..bin.top.get())
                // SAFETY: a place of the bin.
                .map(|at| unsafe { *bin.place(at) });
            places
                .chain([bin.newest.get()])
                .filter(|slot| !slot.is_null())
                .for_each(|slot| f(Addr::of(slot)));
            let mut chunk = bin.chunks.get();
            // SAFETY: chunks are valid for ever.
            while let Some(c) = unsafe { chunk.as_ref() } {
                c.slots.iter().take(c.count.get()).for_each(|slot| f(Addr::of(slot.get())));
                chunk = c.next.get();
            }
        }
    });
}

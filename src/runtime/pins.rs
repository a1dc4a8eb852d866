//! Pins, as the program asks for them: answers are the header's.
//!
//! A call that interrupts the allocator (a handler of the program's) is refused with EBUSY: the cells may be half
//! made. All others are short critical sections. Nothing here allocates from the heap but [`alloc_pinned`].
//!
//! # Safety
//! A scope's struct is the caller's: one word.
#![allow(unsafe_code)]
use super::{log, memory};
use crate::gc::{Marked, Sum};
use crate::ground::critical::{self, Critical};
use crate::ground::out;
use crate::heap::scopes::{self, Late};
use crate::heap::special::{self, Fate, Found, Named, Refused, state};
use crate::heap::{large, resize};
use crate::leak::scratch::List;
use crate::leak::unwind::find;
use crate::pure::addr::{ADDR_BITS, Addr, PAGE_SIZE};
use crate::spans::map;
use crate::spans::span::kind;
use crate::sys::errno;
use crate::sys::memory::Memory;
use crate::sys::path::Path;
use core::ffi::c_int;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The address belongs to no object of ours: nothing was done.
pub const NOT_OURS: c_int = -2;

/// Unpins of what was not pinned.
pub static UNPIN_ERRORS: AtomicU64 = AtomicU64::new(0);

pub(super) fn number(refused: Refused) -> c_int {
    match refused {
        Refused::NotOurs => NOT_OURS,
        Refused::Dead => libc::EFAULT,
        Refused::Overflow => libc::EOVERFLOW,
        Refused::NoMemory => libc::ENOMEM,
        Refused::NotPinned => {
            UNPIN_ERRORS.fetch_add(1, Relaxed);
            debug_assert!(false, "unpin of an object that is not pinned");
            libc::ENOENT
        }
    }
}

fn answer(result: Result<(), Refused>) -> c_int {
    result.map_or_else(number, |()| 0)
}

/// In a critical section, unless this interrupts one.
#[inline(always)]
pub(super) fn enter() -> Option<Critical> {
    (!critical::is_interrupted()).then(critical::enter)
}

#[inline]
pub fn pin(p: usize, site: usize) -> c_int {
    let Some(critical) = enter() else { return libc::EBUSY };
    let pinned =
        special::find(&critical, Addr(p)).and_then(|object| special::pin(&critical, object, site, 0));
    answer(pinned)
}

#[inline]
pub fn unpin(p: usize) -> c_int {
    let Some(critical) = enter() else { return libc::EBUSY };
    match special::find(&critical, Addr(p)).and_then(|object| Ok((object, special::unpin(object)?))) {
        Ok((object, Fate::Goes)) => give_back(&critical, object),
        Ok(_) => 0,
        Err(why) => number(why),
    }
}

#[cold]
fn give_back(critical: &Critical, object: Found) -> c_int {
    let _errno = errno::Saved::new();
    special::give_back(critical, object);
    0
}

/// A block that is pinned from its first instant until it is freed.
pub fn alloc_pinned(n: usize, site: usize) -> *mut u8 {
    let p = memory::malloc(n);
    let Some(critical) = enter().filter(|_| !p.is_null()) else { return p };
    let pinned = special::find(&critical, Addr(p as usize))
        .and_then(|object| special::pin(&critical, object, site, state::IMPLICIT));
    drop(critical);
    match pinned {
        Ok(()) => p,
        Err(_) => {
            // SAFETY: nobody has seen it.
            unsafe { memory::free(p) };
            errno::set(libc::ENOMEM);
            core::ptr::null_mut()
        }
    }
}

/// Calls `f` with each object that has a byte in `lo..hi`, until it fails.
fn each_in(
    critical: &Critical,
    lo: Addr,
    hi: Addr,
    f: &mut dyn FnMut(Found) -> Result<(), c_int>,
) -> Result<(), c_int> {
    let hi = hi.min(Addr(1 << ADDR_BITS));
    let mut at = lo;
    // Only the first page can lie inside a huge object: all others begin in the range, and the map knows where.
    let mut inside = if lo < hi { large::huge_block(critical, lo) } else { None };
    // What begins behind the first byte is only named by the way.
    let find = |at: Addr| {
        let how = if at == lo { Named::Pointer } else { Named::Range };
        special::find_named(critical, at, how).is_ok()
    };
    while at < hi {
        let base = inside.take().map_or(at, |(base, _)| base);
        let Some(span) = map::lookup(base) else {
            // The range may be as large as the address space.
            at = map::after(at);
            continue;
        };
        let end =
            if span.kind() == kind::NONE { at.add(PAGE_SIZE) } else { span.limit().max(at.add(PAGE_SIZE)) };
        if span.kind() == kind::SLOTS {
            let last = span.index(Addr(hi.min(end).0 - 1)).min(span.slots.get() - 1);
            for index in span.index(at)..=last {
                if find(span.slot(index).max(at)) {
                    f(Found { span, index })?;
                }
            }
        } else if find(at) {
            f(Found { span, index: 0 })?;
        }
        at = end;
    }
    Ok(())
}

/// The end of a range that is one.
fn end_of(p: usize, n: usize) -> Option<Addr> {
    p.checked_add(n).filter(|_| n != 0).map(Addr)
}

/// All objects of the range or none.
pub fn pin_range(p: usize, n: usize, site: usize) -> c_int {
    let Some(hi) = end_of(p, n) else { return libc::EINVAL };
    let Some(critical) = enter() else { return libc::EBUSY };
    let (mut count, mut stop) = (0usize, hi);
    let done = each_in(&critical, Addr(p), hi, &mut |object| {
        special::pin(&critical, object, site, 0).map_err(|why| {
            stop = object.addr().max(Addr(p));
            number(why)
        })?;
        count += 1;
        Ok(())
    });
    match done {
        Ok(()) if count == 0 => NOT_OURS,
        Ok(()) => 0,
        Err(why) => {
            unpin_all(&critical, Addr(p), stop);
            why
        }
    }
}

pub fn unpin_range(p: usize, n: usize) -> c_int {
    let Some(hi) = end_of(p, n) else { return libc::EINVAL };
    let Some(critical) = enter() else { return libc::EBUSY };
    match unpin_all(&critical, Addr(p), hi) {
        0 => number(Refused::NotPinned),
        _ => 0,
    }
}

/// Takes one pin from each pinned object of the range; how many had one.
fn unpin_all(critical: &Critical, lo: Addr, hi: Addr) -> usize {
    let mut count = 0;
    let _ = each_in(critical, lo, hi, &mut |object| {
        match special::unpin(object) {
            Ok(Fate::Goes) => {
                give_back(critical, object);
                count += 1;
            }
            Ok(Fate::Held) => count += 1,
            Err(_) => {}
        }
        Ok(())
    });
    count
}

fn late(why: Late) -> c_int {
    match why {
        Late::Closed => libc::ECANCELED,
        Late::Refused(why) => number(why),
    }
}

/// # Safety
/// `scope` is the caller's word, or null.
pub unsafe fn open(scope: *mut u64, site: usize) -> c_int {
    if scope.is_null() {
        return libc::EINVAL;
    }
    let Some(critical) = enter() else { return libc::EBUSY };
    let word = scopes::open(&critical, scope as usize, site);
    // SAFETY: the caller's promise.
    unsafe { scope.write(word.unwrap_or(0)) };
    if word.is_some() { 0 } else { libc::ENOMEM }
}

/// # Safety
/// As [`open`].
pub unsafe fn scope_pin(scope: *const u64, p: usize, site: usize) -> c_int {
    if scope.is_null() {
        return libc::EINVAL;
    }
    let Some(critical) = enter() else { return libc::EBUSY };
    // SAFETY: the caller's promise.
    let word = unsafe { scope.read() };
    match special::find(&critical, Addr(p)) {
        Ok(object) => scopes::pin(&critical, word, object, site).map_or_else(late, |()| 0),
        Err(_) if scopes::len(&critical, word).is_none() => libc::ECANCELED,
        Err(why) => number(why),
    }
}

/// # Safety
/// As [`open`].
pub unsafe fn scope_pin_range(scope: *const u64, p: usize, n: usize, site: usize) -> c_int {
    let Some(hi) = end_of(p, n).filter(|_| !scope.is_null()) else { return libc::EINVAL };
    let Some(critical) = enter() else { return libc::EBUSY };
    // SAFETY: the caller's promise.
    let word = unsafe { scope.read() };
    let Some(before) = scopes::len(&critical, word) else { return libc::ECANCELED };
    let mut count = 0;
    let done = each_in(&critical, Addr(p), hi, &mut |object| {
        count += 1;
        scopes::pin(&critical, word, object, site).map_err(late)
    });
    match done {
        Ok(()) if count == 0 => NOT_OURS,
        Ok(()) => 0,
        Err(why) => {
            scopes::cut(&critical, word, before);
            why
        }
    }
}

/// # Safety
/// As [`open`].
pub unsafe fn close(scope: *mut u64) -> c_int {
    if scope.is_null() {
        return libc::EINVAL;
    }
    let Some(critical) = enter() else { return libc::EBUSY };
    let _errno = errno::Saved::new();
    // SAFETY: the caller's promise.
    let word = unsafe { scope.read() };
    if scopes::close(&critical, word).is_some() { 0 } else { libc::ECANCELED }
}

/// Nothing that is said about the object, or reached through it, is a leak.
pub fn ignore(p: usize) -> c_int {
    let Some(critical) = enter() else { return libc::EBUSY };
    let ignored =
        special::find(&critical, Addr(p)).and_then(|object| special::set(&critical, object, state::IGNORED));
    answer(ignored)
}

/// A line for each pinned object and each open scope.
pub fn report_to(fd: c_int) -> c_int {
    let Some(critical) = enter() else { return libc::EBUSY };
    report(&critical, fd, &[]);
    0
}

/// Whether there is a pin or an open scope.
pub fn any(critical: &Critical) -> bool {
    let mut any = false;
    special::each(state::COUNT, |_| any = true);
    scopes::each(critical, |_| any = true);
    any
}

/// [`report_to`], with the words of those scopes that nobody can close any more.
pub fn report(critical: &Critical, fd: c_int, lost: &[u64]) {
    let now = special::stamp();
    special::each(state::COUNT, |s| {
        let (bytes, at, pins) = (resize::usable(s.object.span), s.object.addr(), s.pins());
        let freed = if s.state & state::HELD != 0 { ", freed and held" } else { "" };
        let (times, ms) = (if pins == 1 { "pin" } else { "pins" }, now.saturating_sub(s.since));
        let (from, cycles) = (Site::of(s.site), s.collections);
        out::say(
            fd,
            format_args!(
                "{pins} {times} of {bytes} bytes at {at:?}{freed}, {ms} ms and {cycles} collections old, from {from}"
            ),
        );
    });
    scopes::each(critical, |s| {
        let lost = if lost.contains(&s.word) { ", lost: nobody can close it" } else { "" };
        let (pins, ms, from) = (s.pins, now.saturating_sub(s.since), Site::of(s.site));
        out::say(fd, format_args!("scope at {:#x} with {pins} pins{lost}, {ms} ms old, from {from}", s.home));
    });
}

/// A call in the program: its module and the place there.
struct Site {
    pc: usize,
    base: usize,
    path: Path,
}
impl Site {
    fn of(site: usize) -> Site {
        let (mut path, mut base) = (Path::new(), 0);
        let pc = site.wrapping_sub(1);
        if let Some(object) = find::object(pc) {
            find::path_of(&object, &mut path);
            base = object.image.bias;
        }
        Site { pc, base, path }
    }
}
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = core::str::from_utf8(self.path.as_bytes()).unwrap_or("?");
        write!(f, "{:#x} ({name}+{:#x})", self.pc, self.pc.wrapping_sub(self.base))
    }
}

/// What is pinned still, and what nothing but pins leads to. No leaks, and yet forgotten, perhaps.
pub(super) fn tell(critical: &Critical, pinned: Sum, lost: &[u64]) {
    if !any(critical) {
        return;
    }
    log::with(&mut |fd| {
        if pinned.objects != 0 {
            let Sum { objects, bytes } = pinned;
            out::say(fd, format_args!("only pins lead to {bytes} bytes in {objects} objects"));
        }
        report(critical, fd, lost);
    });
}

/// Scopes that nobody can close any more. The world is stopped.
pub(super) fn lost_scopes(critical: &Critical, marked: &Marked, lost: &mut List<'_, u64>) {
    let mut memory = None;
    scopes::each(critical, |scope| {
        let (memory, mut word) = (memory.get_or_insert_with(Memory::open), [0]);
        let intact = memory.read_words(Addr(scope.home), &mut word) == Ok(1) && word[0] as u64 == scope.word;
        if !intact || marked.resolve(scope.home).is_some() {
            // Without memory for the list it is reported as an open one.
            let _ = lost.push(scope.word);
        }
    });
}

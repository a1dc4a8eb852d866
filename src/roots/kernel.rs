//! Roots that only the kernel has: what a program gives to epoll, a timer, a message queue or a ring of operations, and forgets.
//!
//! ```text
//! epoll_event.data       the kernel lists it          /proc/thread-self/fdinfo/N
//! timer_create's value   the kernel lists it          /proc/self/timers
//! mq_notify's value      seen when it was given       [`Notices`]
//! io_uring's user_data   in the rings, which are scanned as memory; once a ring was filled twice,
//!                        entries are overwritten whose operations may still be under way: [`Unseen::Ring`]
//! libaio's iocb          in no memory at all:         [`Unseen::Aio`]
//! POSIX aio              libc's own lists, on our heap
//! ```
//! No call of epoll or of timers is intercepted for it: the kernel knows through dup, fork, close and
//! whoever made the call by hand. What it costs is paid when something is unreachable without it, and then only once a cycle.
//!
//! What cannot be seen is told, never passed over: the collector then frees nothing, and a leak check says so.
//!
//! Not here: signals that are queued and blocked with a value of sigqueue's, and what a program writes into pipes and sockets.
use super::Snapshot;
use crate::sys::{descriptors, fdinfo};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};

/// Why what the kernel holds is not known to the last word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unseen {
    /// Descriptors, an epoll or the timers could not be read.
    Unreadable,
    /// An io_uring may have operations under way that left no trace.
    Ring,
    /// The program has a context of libaio's.
    Aio,
    /// A message queue's notification that could not be kept.
    Notice,
    /// Not the kernel holds it, but a library that hides what it has: [`HIDERS`].
    Hidden,
}
/// Libraries that keep pointers in a form that is not looked for, and live with it in wide use. SWI-Prolog's tables of atoms and
/// procedures are blocks of 2^n entries, of which it stores where entry 0 would be: as far before the block as that is long.
const HIDERS: [&[u8]; 1] = [b"libswipl.so"];
/// Rings whose mappings are told apart.
const RINGS: usize = 16;

/// What the list of mappings showed of rings.
#[derive(Clone, Copy, Default)]
pub(super) struct Mapped {
    rings: [u64; RINGS],
    count: usize,
    aio: bool,
    hider: bool,
}
impl Mapped {
    pub(super) fn note(&mut self, name: &[u8], inode: u64) {
        if name.starts_with(b"/[aio]") {
            self.aio = true;
        } else if name.starts_with(b"anon_inode:[io_uring]")
            && !self.rings[..self.count.min(RINGS)].contains(&inode)
        {
            if let Some(place) = self.rings.get_mut(self.count) {
                *place = inode;
            }
            self.count += 1;
        }
    }
    /// Code of a file is mapped.
    pub(super) fn note_code(&mut self, name: &[u8]) {
        let file = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        self.hider |= HIDERS.iter().any(|hider| file.starts_with(hider));
    }
    fn rings(&self) -> &[u64] {
        &self.rings[..self.count.min(RINGS)]
    }
}

/// Calls `each` with every word that the kernel holds for the program. The world is stopped, and `snapshot` was taken
/// since. What is not known to be complete is said.
pub fn visit_kernel(snapshot: &mut Snapshot, each: &mut dyn FnMut(usize)) -> Result<(), Unseen> {
    let (mapped, buffer) = snapshot.for_kernel();
    let mut seen = [false; RINGS];
    let mut result = if mapped.count > RINGS { Err(Unseen::Ring) } else { Ok(()) };
    let listed = descriptors::each_other(&mut |fd, link| {
        if link.starts_with(b"anon_inode:[eventpoll]") {
            let read = fdinfo::of_epoll(fd, buffer, each);
            result = result.and(read.map_err(|_| Unseen::Unreadable));
        } else if link.starts_with(b"anon_inode:[io_uring]") {
            let whole = match fdinfo::of_ring(fd, buffer, each) {
                Ok(ring) => {
                    let mine = mapped.rings().iter().position(|&inode| inode == ring.inode);
                    mine.into_iter().for_each(|n| seen[n] = true);
                    ring.is_whole
                }
                Err(_) => false,
            };
            result = result.and(if whole { Ok(()) } else { Err(Unseen::Ring) });
        }
    });
    result = result.and(listed.map_err(|_| Unseen::Unreadable));
    if mapped.hider {
        result = result.and(Err(Unseen::Hidden));
    }
    if mapped.aio {
        result = result.and(Err(Unseen::Aio));
    }
    // A ring without a descriptor, or of another process's.
    if !seen[..mapped.rings().len()].iter().all(|seen| *seen) {
        result = result.and(Err(Unseen::Ring));
    }
    // A kernel without that file has no list of timers; then it matters whether there may be any.
    if fdinfo::of_timers(buffer, each).is_err() && TIMERS.load(Relaxed) {
        result = result.and(Err(Unseen::Unreadable));
    }
    result.and(NOTICES.each(each))
}

/// Whether the program called timer_create.
static TIMERS: AtomicBool = AtomicBool::new(false);

pub fn timer_made() {
    TIMERS.store(true, Relaxed);
}

/// Values that message queues are to give back with their notification, by descriptor.
pub struct Notices {
    /// A descriptor plus one; 0: free. Never given back: a place is the descriptor's for ever.
    keys: [AtomicU64; PLACES],
    values: [AtomicUsize; PLACES],
    lost: AtomicBool,
}
const PLACES: usize = 64;
pub static NOTICES: Notices = Notices {
    keys: [const { AtomicU64::new(0) }; PLACES],
    values: [const { AtomicUsize::new(0) }; PLACES],
    lost: AtomicBool::new(false),
};

impl Notices {
    /// `value` is what the queue `fd` holds from now on; 0: nothing. What it held before. From any thread and any handler.
    pub fn set(&self, fd: i32, value: usize) -> usize {
        let key = u64::from(fd as u32) + 1;
        for (place, held) in self.keys.iter().zip(&self.values) {
            let known = match place.load(Acquire) {
                0 if value == 0 => return 0,
                0 => place.compare_exchange(0, key, AcqRel, Acquire).map_or_else(|other| other, |_| key),
                known => known,
            };
            if known == key {
                return held.swap(value, AcqRel);
            }
        }
        if value != 0 {
            self.lost();
        }
        0
    }
    /// Something is held that was not kept.
    pub fn lost(&self) {
        self.lost.store(true, Relaxed);
    }
    fn each(&self, each: &mut dyn FnMut(usize)) -> Result<(), Unseen> {
        let values = self.values.iter().map(|held| held.load(Acquire));
        values.filter(|&value| value != 0).for_each(&mut *each);
        if self.lost.load(Relaxed) { Err(Unseen::Notice) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_kept_by_queue_until_there_is_no_place() {
        let notices = Notices {
            keys: [const { AtomicU64::new(0) }; PLACES],
            values: [const { AtomicUsize::new(0) }; PLACES],
            lost: AtomicBool::new(false),
        };
        let all = || {
            let mut all = Vec::new();
            let whole = notices.each(&mut |value| all.push(value));
            (all, whole)
        };
        assert_eq!(notices.set(0, 0x1000), 0);
        notices.set(7, 0x2000);
        assert_eq!(notices.set(0, 0x3000), 0x1000);
        assert_eq!(all(), (vec![0x3000, 0x2000], Ok(())));
        notices.set(0, 0);
        notices.set(9, 0);
        assert_eq!(all(), (vec![0x2000], Ok(())));
        (1..=PLACES as i32).for_each(|fd| assert_eq!(notices.set(fd, 0x4000) & !0x2000, 0));
        assert_eq!(all().1, Err(Unseen::Notice));
    }

    #[test]
    fn mapped_rings_are_told_apart() {
        let mut mapped = Mapped::default();
        mapped.note(b"/usr/lib/x", 4);
        assert!(mapped.rings().is_empty() && !mapped.aio);
        (0..3).for_each(|n| mapped.note(b"anon_inode:[io_uring]", 5 + n / 2));
        assert_eq!(mapped.rings(), [5, 6]);
        (0..99).for_each(|n| mapped.note(b"anon_inode:[io_uring]", n));
        assert!(mapped.count > RINGS);
        mapped.note(b"/[aio] (deleted)", 1);
        assert!(mapped.aio);
    }
}

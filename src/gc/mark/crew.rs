//! Markers that help while there is much to mark: threads of ours that live as long as one such spell.
//!
//! The first marker begins alone: most heaps are marked before a thread could be made. Once many spans wait, it calls the others, and
//! shares what it has ([`super::team`]). When nothing is left they end, and are waited for until the kernel knows them no more: a program that goes on
//! sees no thread that it did not make. What only the first may do (large objects, adopted ranges, roots) stays with it.
//!
//! # Safety
//! A helper has the caller's thread-local storage and touches none, has all signals blocked, makes raw system calls only, and uses what its
//! [`Order`] gives: that belongs to it until it is gone. The stacks are regions of ours of `STACK` bytes, one for each.
#![allow(unsafe_code)]
use super::scan::Drained;
use super::team::Team;
use super::{Batch, Marker};
use crate::gc::Settings;
use crate::gc::bits::Bits;
use crate::gc::filter::{Level, Window};
use crate::gc::protected::Protected;
use crate::gc::queue::Queue;
use crate::ground::critical::Critical;
use crate::pages::metadata;
use crate::pure::addr::Addr;
use crate::sys::child::{self, Gone};
use crate::sys::process;
use crate::sys::sandbox::{self, Need};
use core::cell::UnsafeCell;

/// Markers at most, the first among them.
const MOST: usize = 16;
/// A helper's frames: a batch and what it leads to are 12 KiB.
const STACK: usize = 64 << 10;

/// Who can be called. What they need is there from the first call on.
pub struct Crew<'a> {
    critical: &'a Critical,
    /// As many, of a heap with so many spans.
    size: usize,
    spans: usize,
    rooms: [Option<Room>; MOST - 1],
    pool: Option<Queue>,
    /// How many came at most, and what they took.
    came: u32,
    took_ns: u64,
}
struct Room {
    stack: Addr,
    queues: Option<(Queue, Queue)>,
}

/// What one helper is told, and tells. Not moved while it is there: the kernel and the helper know the place.
struct Order<'a> {
    team: &'a Team,
    near: Window,
    huge: Window,
    level: Level,
    unpadded: bool,
    protected: &'a Protected,
    sampler: super::Sampler,
    /// Its queue and its `later`, then what is in them when it ends; the processor time.
    own: UnsafeCell<(Option<(Queue, Queue)>, u64)>,
    gone: Gone,
}

impl<'a> Crew<'a> {
    fn has_rooms(&mut self) -> bool {
        if self.pool.is_none() {
            self.pool = Queue::new(self.critical, self.spans);
            for place in self.rooms.iter_mut().take(self.size) {
                *place = Room::new(self.critical, self.spans);
            }
        }
        self.pool.is_some()
    }
    /// Gives the memory back: how many helped, and their processor time.
    pub fn end(self) -> (u32, u64) {
        let critical = self.critical;
        self.pool.into_iter().for_each(|pool| pool.end(critical));
        for Room { stack, queues } in self.rooms.into_iter().flatten() {
            // SAFETY: of `Room::new`; nobody runs there.
            unsafe { metadata::unmap_region(critical, stack, STACK) };
            if let Some((queue, later)) = queues {
                queue.end(critical);
                later.end(critical);
            }
        }
        (self.came, self.took_ns)
    }
}

impl Room {
    fn new(critical: &Critical, spans: usize) -> Option<Room> {
        let stack = metadata::map_region(critical, STACK)?;
        let queue = Queue::new(critical, spans);
        let later = Queue::new(critical, spans);
        let queues = match (queue, later) {
            (Some(queue), Some(later)) => Some((queue, later)),
            (queue, later) => {
                queue.into_iter().chain(later).for_each(|queue| queue.end(critical));
                None
            }
        };
        Some(Room { stack, queues })
    }
}

impl<'a> Marker<'a> {
    /// From now on several may mark at once. Adopted ranges are for one alone.
    pub(super) fn may_call(&mut self, critical: &'a Critical, settings: &Settings, bits: &Bits) {
        let (size, from) = ((settings.markers as usize).clamp(1, MOST) - 1, settings.help_from);
        if size == 0 || bits.spans < from || self.adopted.is_some() || sandbox::forbids(Need::Marker) {
            return;
        }
        let rooms = [const { None }; MOST - 1];
        let crew = Crew { critical, size, spans: bits.spans, rooms, pool: None, came: 0, took_ns: 0 };
        (self.crew, self.help_from) = (Some(crew), from);
    }

    /// [`Marker::drain`], where much waits.
    #[cold]
    #[inline(never)]
    pub(super) fn drain_with_help(&mut self) {
        if let Some(mut crew) = self.crew.take() {
            if crew.has_rooms()
                && let Some(pool) = crew.pool.take()
            {
                let team = Team::new(pool);
                self.drain_in(&mut crew, &team);
                crew.pool = Some(team.into_pool());
            } else {
                self.help_from = usize::MAX;
            }
            self.crew = Some(crew);
        }
        // All of it, or what is left if nobody came.
        let all = self.drain_as::<false>();
        debug_assert!(all == Drained::All);
    }

    fn drain_in(&mut self, crew: &mut Crew<'_>, team: &Team) {
        let mut orders = [const { None::<Order<'_>> }; MOST - 1];
        for (room, place) in crew.rooms.iter_mut().flatten().zip(&mut orders) {
            let Some(queues) = room.queues.take() else { continue };
            *place = Some(Order {
                team,
                near: self.near,
                huge: self.huge,
                level: self.level,
                unpadded: self.unpadded,
                protected: self.protected,
                sampler: self.sampler.clone(),
                own: UnsafeCell::new((Some(queues), 0)),
                gone: Gone::default(),
            });
        }
        let mut came = 0;
        for (room, order) in crew.rooms.iter().flatten().zip(&orders) {
            let Some(order) = order else { continue };
            team.join();
            // SAFETY: see the chapter above; all that the order refers to stays until it is gone.
            match unsafe { child::begin_thread(room.stack.add(STACK), help, order, &order.gone) } {
                Ok(()) => came += 1,
                // Not for this collection.
                Err(_) => {
                    team.leave();
                    break;
                }
            }
        }
        if came == 0 {
            self.help_from = usize::MAX;
        } else {
            self.drain_beside(team);
        }
        crew.came = crew.came.max(came);
        orders.iter().flatten().for_each(|order| order.gone.wait());
        for (room, order) in crew.rooms.iter_mut().flatten().zip(orders) {
            let Some(order) = order else { continue };
            let (queues, took) = order.own.into_inner();
            crew.took_ns += took;
            room.queues = queues.map(|(queue, mut later)| {
                core::iter::from_fn(|| later.pop()).for_each(|span| self.later.push(span));
                (queue, later)
            });
        }
    }

    fn drain_beside(&mut self, team: &Team) {
        // SAFETY: only for as long as this call takes; `team` outlives it.
        self.team = Some(unsafe { &*core::ptr::from_ref(team) });
        self.drain_as::<true>();
        self.team = None;
    }
}

/// What a helper runs.
unsafe extern "C" fn help(order: &Order<'_>) -> ! {
    // SAFETY: the order's, which is this helper's.
    let own = unsafe { &mut *order.own.get() };
    if let Some((queue, later)) = own.0.take() {
        let mut marker = Marker {
            near: order.near,
            huge: order.huge,
            batch: Batch::new(),
            queue,
            later,
            level: order.level,
            unpadded: order.unpadded,
            protected: order.protected,
            adopted: None,
            sampler: order.sampler.clone(),
            found: super::Found::default(),
            crew: None,
            help_from: usize::MAX,
            team: Some(order.team),
        };
        marker.drain_as::<true>();
        own.0 = Some((marker.queue, marker.later));
    }
    own.1 = process::thread_ns();
    child::end_thread()
}

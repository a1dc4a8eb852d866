//! What lies around the files under check: locks and critical sections of the model's, four objects, memory that is never given back.
use crate::addr::Addr;
use crate::{Cell, word};
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::sync::atomic::AtomicBool;

loom::lazy_static! {
    /// One for each rank.
    static ref LOCKS: [Mutex<()>; 3] = [Mutex::new(()), Mutex::new(()), Mutex::new(())];
    /// Held shared by critical sections, alone by a collector that has stopped the world.
    static ref WORLD: RwLock<()> = RwLock::new(());
    static ref CELLS: [Cell<false>; 4] = core::array::from_fn(|_| Cell(AtomicU64::new(0)));
    static ref DEAD: [AtomicU64; 4] = core::array::from_fn(|_| AtomicU64::new(0));
}

/// Whether locks lock: without them a check must fail.
static LOCKING: AtomicBool = AtomicBool::new(true);
pub fn set_locks(on: bool) {
    LOCKING.store(on, std::sync::atomic::Ordering::Relaxed);
}

pub mod ground {
    pub mod critical {
        use super::super::*;
        pub enum Critical {
            Section { _held: RwLockReadGuard<'static, ()> },
            Stopped { _held: RwLockWriteGuard<'static, ()> },
        }
        pub fn enter() -> Critical {
            Critical::Section { _held: WORLD.read().unwrap() }
        }
        pub fn stop_world() -> Critical {
            Critical::Stopped { _held: WORLD.write().unwrap() }
        }
    }
    pub mod lock {
        use super::super::*;
        use super::critical::Critical;
        use std::cell::UnsafeCell;
        use std::ops::{Deref, DerefMut};

        #[derive(Clone, Copy)]
        pub enum Rank {
            Attached,
            Scopes,
            Cleanups,
        }
        pub struct Lock<T> {
            rank: Rank,
            data: UnsafeCell<T>,
        }
        // SAFETY: the model runs its threads one at a time, and changes between them at its own operations only.
        unsafe impl<T> Sync for Lock<T> {}
        pub struct Guard<'a, T> {
            data: &'a UnsafeCell<T>,
            _held: Option<MutexGuard<'static, ()>>,
        }
        impl<T> Lock<T> {
            pub const fn new(rank: Rank, data: T) -> Lock<T> {
                Lock { rank, data: UnsafeCell::new(data) }
            }
            pub fn lock<'a>(&'a self, _: &'a Critical) -> Guard<'a, T> {
                let locks = LOCKING.load(std::sync::atomic::Ordering::Relaxed);
                let held = locks.then(|| LOCKS[self.rank as usize].lock().unwrap());
                Guard { data: &self.data, _held: held }
            }
            pub fn as_ptr(&self) -> *mut T {
                self.data.get()
            }
        }
        impl<T> Deref for Guard<'_, T> {
            type Target = T;
            fn deref(&self) -> &T {
                // SAFETY: see above.
                unsafe { &*self.data.get() }
            }
        }
        impl<T> DerefMut for Guard<'_, T> {
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: see above.
                unsafe { &mut *self.data.get() }
            }
        }
    }
}

pub mod pure {
    pub(crate) use crate::addr;
}
pub mod pages {
    pub use super::metadata;
    pub(crate) use crate::pool;
}

/// Fresh zeroed memory, which stays.
pub mod metadata {
    use super::ground::critical::Critical;
    use crate::addr::Addr;
    pub fn alloc(_: &Critical, bytes: usize, _: usize) -> Option<Addr> {
        let words = vec![0u64; bytes.div_ceil(8)];
        Some(Addr::of(words.leak().as_ptr()))
    }
    pub fn map_region(critical: &Critical, bytes: usize) -> Option<Addr> {
        alloc(critical, bytes, 8)
    }
    /// # Safety
    /// None needed.
    pub unsafe fn unmap_region(_: &Critical, _: Addr, _: usize) {}
}

/// One span of four slots.
pub mod spans {
    use super::*;
    pub struct Span {
        pub owner: std::sync::atomic::AtomicU64,
    }
    pub static SPAN: Span = Span { owner: std::sync::atomic::AtomicU64::new(0) };
    impl Span {
        pub fn index(&self, at: Addr) -> u32 {
            (at.0 / 4096) as u32 - 1
        }
    }
    pub mod span {
        pub mod tag {
            pub const LIMBO: u64 = 1;
        }
    }
    pub mod map {
        pub fn lookup(at: crate::addr::Addr) -> Option<&'static super::Span> {
            (4096..5 * 4096).contains(&at.0).then_some(&super::SPAN)
        }
    }
}

pub mod limbo {
    pub fn revive(_: &super::spans::Span, _: u32) {}
}

pub mod sys {
    pub mod futex {
        use std::sync::atomic::AtomicU32;
        pub fn wake(_: &AtomicU32, _: u32) {}
        pub fn wait(_: &AtomicU32, _: u32, _: Option<u64>) -> Result<(), ()> {
            Ok(())
        }
    }
}

/// The cells, with the real changes of their words.
pub mod special {
    use super::ground::critical::Critical;
    use super::*;
    pub use crate::word::{Fate, Refused, state};

    #[derive(Clone, Copy)]
    pub struct Found {
        pub index: u32,
    }
    impl Found {
        pub fn addr(&self) -> Addr {
            Addr((self.index as usize + 1) * 4096)
        }
    }
    pub fn find(_: &Critical, at: Addr) -> Result<Found, Refused> {
        Ok(Found { index: spans::SPAN.index(at) })
    }
    pub fn pin(_: &Critical, object: Found, _: usize, extra: u64) -> Result<(), Refused> {
        word::pin(&CELLS[object.index as usize], extra).map(|_| ())
    }
    pub fn unpin(object: Found) -> Result<Fate, Refused> {
        word::unpin(&CELLS[object.index as usize])
    }
    pub fn give_back(_: &Critical, object: Found) {
        OBJECTS.dies(object.index);
    }
    pub fn set(_: &Critical, object: Found, bit: u64) -> Result<(), Refused> {
        CELLS[object.index as usize].0.fetch_or(bit, Ordering::AcqRel);
        Ok(())
    }
    pub fn clear(_: &spans::Span, index: u32, bit: u64) -> u64 {
        CELLS[index as usize].0.fetch_and(!bit, Ordering::AcqRel)
    }
    pub fn stamp() -> u64 {
        0
    }
}

/// What the checks ask of the objects.
pub struct Objects;
pub static OBJECTS: Objects = Objects;
impl Objects {
    pub fn pins(&self, number: u32) -> u64 {
        CELLS[number as usize].0.load(Ordering::Acquire) & word::state::COUNT
    }
    pub fn lives(&self, number: u32) -> bool {
        DEAD[number as usize].load(Ordering::Acquire) == 0
    }
    pub fn dies(&self, number: u32) {
        assert_eq!(DEAD[number as usize].swap(1, Ordering::AcqRel), 0, "dies twice");
    }
}
pub fn object(number: u32) -> special::Found {
    special::Found { index: number }
}

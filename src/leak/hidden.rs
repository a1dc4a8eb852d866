//! Audit mode: what the program used although no pointer had led to it.
//!
//! Noted when it happens, in a table of fixed size, by the call stack that allocated the objects, the one that used them
//! and the call; told when the process ends.
use super::scratch::List;
use crate::ground::critical::Critical;
use crate::ground::lock::{Lock, Rank};

/// Objects of one stack that were used in one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hidden {
    /// The function that they were handed to.
    pub call: &'static str,
    /// The depot's numbers of the stacks that allocated and that used them; 0 = unknown.
    pub allocated: u32,
    pub used: u32,
    pub bytes: u64,
    pub objects: u64,
    /// Consecutive collections that had found one of them unreachable, at most.
    pub cycles: u32,
}

/// Different ones that are kept; what comes later is added to the last.
const ROOM: usize = 256;

pub(super) struct Table {
    len: usize,
    rows: [Hidden; ROOM],
}
const NONE: Hidden = Hidden { call: "", allocated: 0, used: 0, bytes: 0, objects: 0, cycles: 0 };
static TABLE: Lock<Table> = Lock::new(Rank::Hidden, Table { len: 0, rows: [NONE; ROOM] });

/// For fork's hooks.
pub(super) fn lock() -> &'static Lock<Table> {
    &TABLE
}

/// One more use: `one` with the count and size of what was used.
pub fn note(critical: &Critical, one: Hidden) {
    let mut table = TABLE.lock(critical);
    let len = table.len;
    let same = |row: &Hidden| (row.call, row.allocated, row.used) == (one.call, one.allocated, one.used);
    let at = match table.rows[..len].iter().position(same) {
        Some(at) => at,
        None if len < ROOM => {
            table.len += 1;
            table.rows[len] = Hidden { bytes: 0, objects: 0, cycles: 0, ..one };
            len
        }
        None => {
            let last = &mut table.rows[ROOM - 1];
            (last.call, last.allocated, last.used) = ("other calls", 0, 0);
            ROOM - 1
        }
    };
    let row = &mut table.rows[at];
    row.bytes += one.bytes;
    row.objects += one.objects;
    row.cycles = row.cycles.max(one.cycles);
}

/// All that was noted, most bytes first; less without memory.
pub fn all(critical: &Critical) -> List<'_, Hidden> {
    let mut list = List::new(critical);
    // Before the lock: the list's memory comes by locks of other ranks.
    if list.reserve(ROOM).is_ok() {
        let table = TABLE.lock(critical);
        let _full = table.rows[..table.len].iter().try_for_each(|row| list.push(*row));
    }
    list.sort_unstable_by_key(|row| core::cmp::Reverse(row.bytes));
    list
}

/// Nothing was noted: in the child of a fork, whose parent tells of its own.
pub(super) fn forget() {
    let critical = crate::ground::critical::enter();
    TABLE.lock(&critical).len = 0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::critical;

    #[test]
    fn equal_ones_are_one_and_too_many_are_others() {
        let critical = critical::enter();
        let one = Hidden { call: "free", allocated: 1, used: 2, bytes: 8, objects: 1, cycles: 1 };
        note(&critical, one);
        note(&critical, Hidden { bytes: 24, cycles: 3, ..one });
        assert_eq!(all(&critical)[..], [Hidden { bytes: 32, objects: 2, cycles: 3, ..one }]);
        (10..10 + 2 * ROOM as u32).for_each(|used| note(&critical, Hidden { used, ..one }));
        let all = all(&critical);
        assert_eq!(all.len(), ROOM);
        assert_eq!(all.iter().map(|row| row.objects).sum::<u64>(), 2 + 2 * ROOM as u64);
        let others = all.iter().find(|row| row.call == "other calls").unwrap();
        assert_eq!((others.allocated, others.used), (0, 0));
        forget();
        assert!(super::all(&critical).is_empty());
    }
}

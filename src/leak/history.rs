//! How much was live at each check so far, and which call stacks had most of it: what a timeline is drawn from.
//!
//! A table of fixed size: 240 checks of 160 bytes. When it is full, every second one is dropped, and from then on only every
//! second is kept (then every fourth, and so on): so it reaches back to the first check however long the program runs, and the last check is
//! always there. It lies in memory that copies of the process share ([`super::growth`] tells how).

/// Of each check so many stacks are kept.
pub const TOP: usize = 8;
const ROOM: usize = 240;
const _: () = assert!(ROOM.is_multiple_of(2));

/// Live bytes of one stack. All zero: none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Top {
    /// The depot's number.
    pub stack: u32,
    pub bytes: u64,
}

/// What one check found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Row {
    /// When, milliseconds of the monotonic clock.
    pub ms: u64,
    /// Reachable, as slots of the heap.
    pub bytes: u64,
    pub objects: u64,
    /// Unreachable.
    pub lost: u64,
    /// The most first.
    pub top: [Top; TOP],
}

/// Valid when all zero.
pub struct History {
    len: usize,
    /// Checks that were told of.
    seen: u64,
    /// log2 of how many checks one row stands for.
    thinned: u32,
    /// The last row is there because it is the last.
    extra: bool,
    rows: [Row; ROOM],
}

impl History {
    pub fn push(&mut self, row: Row) {
        if self.extra {
            self.len -= 1;
        }
        if self.len == ROOM {
            (0..ROOM / 2).for_each(|at| self.rows[at] = self.rows[at * 2]);
            (self.len, self.thinned) = (ROOM / 2, self.thinned + 1);
        }
        self.rows[self.len] = row;
        self.len += 1;
        self.extra = !self.seen.is_multiple_of(1 << self.thinned);
        self.seen += 1;
    }
    /// The first check first.
    pub fn rows(&self) -> &[Row] {
        &self.rows[..self.len.min(ROOM)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reaches_back_to_the_first_check_and_has_the_last() {
        let zero = Row::default();
        let mut history = History { len: 0, seen: 0, thinned: 0, extra: false, rows: [zero; ROOM] };
        for n in 0..5000 {
            history.push(Row { ms: n, ..zero });
            let rows = history.rows();
            assert!(rows.len() <= ROOM && rows.len() as u64 >= (n + 1).min(ROOM as u64 / 2));
            assert_eq!((rows[0].ms, rows[rows.len() - 1].ms), (0, n));
            // Even steps, but to the last.
            let step = 1 << history.thinned;
            assert!(rows.windows(2).rev().skip(1).all(|pair| pair[1].ms - pair[0].ms == step));
        }
        assert_eq!(history.thinned, 5);
    }
}

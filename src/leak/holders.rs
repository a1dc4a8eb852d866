//! What holds what grows: a way from a root to it, call stack by call stack.
//!
//! Every word of the roots and of what is reachable that leads to an object is counted, by the stacks that allocated the object it
//! stands in and the one it leads to. From the stack that grows the way goes up to whoever points to most of it, until
//! a root does: so a stale word that points to one of a thousand objects is not taken for their owner. Words among
//! objects of one stack (a list's links) do not count. It is a way of stacks, not of objects: likely, not proved.
//!
//! The table has room for 24,576 different pairs; what would come beyond is not counted.
use super::scratch::{Full, List};
use crate::ground::critical::Critical;
use crate::roots::RootKind;

/// Stacks on a way at most.
pub const LONGEST: usize = 12;
const TABLE: usize = 1 << 15;
const MOST: usize = TABLE / 4 * 3;

/// Where a word stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    Root(RootKind),
    /// An object of this stack.
    Stack(u32),
}

#[derive(Clone, Copy)]
struct Pair {
    /// None: the entry is free.
    from: Option<From>,
    to: u32,
    count: u32,
    /// Where the first of a root's words stands.
    home: usize,
}
const FREE: Pair = Pair { from: None, to: 0, count: 0, home: 0 };

/// A way to what grows, from the bottom up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Way {
    pub to: u32,
    pub root: Option<(RootKind, usize)>,
    pub through: [u32; LONGEST],
    pub len: usize,
}

pub struct Holders<'c> {
    table: List<'c, Pair>,
    used: usize,
}

impl<'c> Holders<'c> {
    pub fn new(critical: &'c Critical) -> Result<Holders<'c>, Full> {
        Ok(Holders { table: List::filled(critical, FREE, TABLE)?, used: 0 })
    }

    /// A word at `home` that leads to an object of the stack `to`.
    pub fn add(&mut self, from: From, home: usize, to: u32) {
        if from == From::Stack(to) {
            return;
        }
        let key = match from {
            From::Root(kind) => (1 << 32) + kind as u64,
            From::Stack(stack) => stack.into(),
        };
        let hash = (key << 27 ^ u64::from(to)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut at = (hash >> 40) as usize % TABLE;
        loop {
            let pair = &mut self.table[at];
            match pair.from {
                Some(known) if known == from && pair.to == to => {
                    pair.count = pair.count.saturating_add(1);
                    return;
                }
                None if self.used == MOST => return,
                None => {
                    *pair = Pair { from: Some(from), to, count: 1, home };
                    self.used += 1;
                    return;
                }
                Some(_) => at = (at + 1) % TABLE,
            }
        }
    }

    /// How the program comes to what `to` allocated.
    pub fn way(&self, to: u32) -> Way {
        let mut way = Way { to, root: None, through: [0; LONGEST], len: 0 };
        let mut at = to;
        loop {
            let (mut root, mut above): (Option<&Pair>, Option<(u32, u32)>) = (None, None);
            for pair in self.table.iter().filter(|pair| pair.to == at) {
                match pair.from {
                    Some(From::Root(kind))
                        if root.is_none_or(|best| worth(kind, pair.count) > worth_of(best)) =>
                    {
                        root = Some(pair);
                    }
                    Some(From::Stack(stack))
                        if stack != to
                            && !way.through[..way.len].contains(&stack)
                            && above.is_none_or(|best| (pair.count, stack) > (best.1, best.0)) =>
                    {
                        above = Some((stack, pair.count));
                    }
                    _ => {}
                }
            }
            match (root, above) {
                (Some(pair), None) => way.root = of(pair),
                (Some(pair), Some((_, count)))
                    if worth_of(pair).0 && pair.count.saturating_mul(4) >= count =>
                {
                    way.root = of(pair);
                }
                (_, Some((stack, _))) if way.len < LONGEST => {
                    (way.through[way.len], way.len, at) = (stack, way.len + 1, stack);
                    continue;
                }
                _ => {}
            }
            return way;
        }
    }
}

fn of(pair: &Pair) -> Option<(RootKind, usize)> {
    match pair.from {
        Some(From::Root(kind)) => Some((kind, pair.home)),
        _ => None,
    }
}

/// What lasts comes before what passes, then the more words.
fn worth(kind: RootKind, count: u32) -> (bool, u32) {
    (!matches!(kind, RootKind::Registers | RootKind::Stack | RootKind::DeadThread), count)
}
fn worth_of(pair: &Pair) -> (bool, u32) {
    of(pair).map_or((false, 0), |(kind, _)| worth(kind, pair.count))
}

#[cfg(test)]
mod tests {
    use super::{From, *};
    use crate::ground::critical;

    fn way(pairs: &[(From, u32, u32)], to: u32) -> (Option<(RootKind, usize)>, Vec<u32>) {
        let critical = critical::enter();
        let mut holders = Holders::new(&critical).unwrap();
        for (at, &(from, to, count)) in pairs.iter().enumerate() {
            (0..count as usize).for_each(|n| holders.add(from, at * 1000 + n, to));
        }
        let way = holders.way(to);
        assert_eq!(way.to, to);
        (way.root, way.through[..way.len].to_vec())
    }

    #[test]
    fn the_way_goes_to_who_holds_most() {
        use From::{Root, Stack};
        let (data, stack) = (Root(RootKind::Data), Root(RootKind::Stack));
        // A variable has a table, which has the objects; one of them is on the stack and in a variable as well.
        let pairs = [
            (data, 2, 1),
            (Stack(2), 1, 1000),
            (stack, 1, 3),
            (data, 1, 1),
            (Stack(1), 1, 999),
            (Stack(9), 1, 5),
        ];
        assert_eq!(way(&pairs, 1), (Some((RootKind::Data, 0)), vec![2]));
        // An array in a variable.
        assert_eq!(way(&[(data, 1, 1000), (Stack(2), 1, 10)], 1), (Some((RootKind::Data, 0)), vec![]));
        // What passes is a root if nothing else is.
        assert_eq!(way(&[(stack, 1, 1)], 1), (Some((RootKind::Stack, 0)), vec![]));
        // In a circle, and by nobody.
        assert_eq!(
            way(&[(Stack(2), 1, 1), (Stack(1), 2, 1), (Stack(3), 2, 1), (Stack(2), 3, 1)], 1),
            (None, vec![2, 3])
        );
        assert_eq!(way(&[], 1), (None, vec![]));
    }

    #[test]
    fn a_way_and_the_table_have_an_end() {
        let chain: Vec<_> = (1..40).map(|n| (From::Stack(n + 1), n, 1)).collect();
        assert_eq!(way(&chain, 1).1.len(), LONGEST);
        let critical = critical::enter();
        let mut holders = Holders::new(&critical).unwrap();
        (0..2 * MOST as u32).for_each(|n| holders.add(From::Stack(n + 2), 0, 1));
        assert_eq!(holders.used, MOST);
    }
}

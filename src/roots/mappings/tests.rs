use super::*;
use crate::roots::tests::alone;

const FAR: usize = 0x1000_0000_0000;

fn listed(critical: &Critical) -> Vec<(usize, usize, u8, Kind)> {
    let mut all = vec![];
    let mut at = Addr(FAR);
    while let Some(r) = at_or_above(critical, at).filter(|r| r.lo.0 < 2 * FAR) {
        all.push((r.lo.0 - FAR, r.last.0 + 1 - FAR, r.record.prot, r.record.kind));
        at = r.last.add(1);
    }
    all
}

/// Part of a range gets the protection that it has: this once never ended (node, W^X pages).
#[test]
fn a_protection_that_changes_nothing_ends() {
    alone("roots::mappings::tests::a_protection_that_changes_nothing_ends", || {
        mapped(Addr(FAR), 0x8000, 3, false, Kind::Mapped);
        protected(Addr(FAR + 0x1000), 0x1000, 3);
        let critical = critical::enter();
        assert_eq!(listed(&critical), [(0, 0x8000, 3, Kind::Mapped)]);
    });
}

#[test]
fn calls_are_noted_cut_and_compared() {
    alone("roots::mappings::tests::calls_are_noted_cut_and_compared", || {
        let at = |n: usize| Addr(FAR + n);
        mapped(at(0), 0x9fff, 3, false, Kind::Mapped);
        unmapping(at(0x2000), 1);
        protected(at(0x1000), 0x3000, 1);
        mapped(at(0x20000), 0x1000, 3, true, Kind::Brk);
        // Nonsense from a host changes nothing.
        mapped(at(0), 0, 3, false, Kind::Mapped);
        unmapping(Addr(usize::MAX - 0xfff), usize::MAX);
        {
            let critical = critical::enter();
            assert_eq!(
                listed(&critical),
                [
                    (0, 0x1000, 3, Kind::Mapped),
                    (0x1000, 0x2000, 1, Kind::Mapped),
                    (0x3000, 0x4000, 1, Kind::Mapped),
                    (0x4000, 0xa000, 3, Kind::Mapped),
                    (0x20000, 0x21000, 3, Kind::Brk),
                ]
            );
            // A handler that interrupted us goes unrecorded.
            mapped(at(0x50000), 0x1000, 3, false, Kind::Mapped);
            assert_eq!(counts(&critical).unrecorded, 1);
            let mut kernel = Reconcile::begin(&critical);
            kernel.seen(at(0x1000), at(0x5000), 3, false);
            kernel.seen(at(0x50000), at(0x51000), 3, false);
            let (escaped, dropped) = kernel.finish();
            assert_eq!((escaped, dropped), (2, 3));
            assert_eq!(
                listed(&critical),
                [
                    (0x1000, 0x2000, 1, Kind::Mapped),
                    (0x2000, 0x3000, 3, Kind::Escaped),
                    (0x3000, 0x4000, 1, Kind::Mapped),
                    (0x4000, 0x5000, 3, Kind::Mapped),
                    (0x50000, 0x51000, 3, Kind::Escaped),
                ]
            );
        }
    });
}

/// Pieces of objects: (first, behind, call, never), from `FAR` on.
fn objects(critical: &Critical) -> Vec<(usize, usize, u32, bool)> {
    let mut all = vec![];
    made::each(critical, &mut |r| {
        all.push((r.lo.0 - FAR, r.last.0 + 1 - FAR, r.record.call, r.record.never));
        assert_eq!(r.record.stack, r.record.call * 7);
    });
    all
}

#[test]
fn objects_are_cut_moved_and_compared() {
    alone("roots::mappings::tests::objects_are_cut_moved_and_compared", || {
        let at = |n: usize| Addr(FAR + n);
        let by = |stack| Some(made::By { stack, mains: false });
        made::made(at(0), 0x7fff, by(7));
        made::made(at(0x10000), 0x4000, by(14));
        made::made(at(0x20000), 0x2000, None);
        made::unmade(at(0x2000), 0x1000);
        // Over what escaped our notice.
        made::made(at(0x7000), 0x2000, by(21));
        let third = made::at(at(0x8fff)).unwrap();
        made::unmade(at(0x7000), 0x2000);
        made::moved(at(0x30000), 0x5000, third);
        let critical = critical::enter();
        let expected = [
            (0, 0x2000, 1, false),
            (0x3000, 0x7000, 1, false),
            (0x10000, 0x14000, 2, false),
            (0x30000, 0x35000, 3, false),
        ];
        assert_eq!(objects(&critical), expected);
        let mut kernel = Reconcile::begin(&critical);
        kernel.seen(at(0), at(0x6000), 3, false);
        kernel.seen(at(0x13000), at(0x34000), 5, false);
        kernel.strange(at(0x13000), at(0x34000));
        kernel.finish();
        let expected = [
            (0, 0x2000, 1, false),
            (0x3000, 0x6000, 1, false),
            (0x13000, 0x14000, 2, true),
            (0x30000, 0x34000, 3, true),
        ];
        assert_eq!(objects(&critical), expected);
        // A handler that interrupted us unmapped something: nothing is sure.
        made::unmade(at(0x3000), 0x1000);
        assert_eq!(objects(&critical), []);
    });
}

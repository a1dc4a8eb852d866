use super::*;
use std::cell::Cell;

/// A stack of 16 pages with a word in each, and its top.
fn stack() -> (Addr, Addr) {
    let lo = mmap(16 * PAGE, RW, PRIVATE, -1);
    for i in 0..16 {
        put(lo.add(i * PAGE), 100 + i);
    }
    (lo, lo.add(16 * PAGE))
}

fn values(found: &[Option<Found>]) -> Vec<Option<usize>> {
    found.iter().map(|f| f.map(|f| f.0)).collect()
}

#[test]
fn a_live_stack_counts_from_where_it_is_live() {
    alone("roots::tests::threads::a_live_stack_counts_from_where_it_is_live", || {
        let (lo, hi) = stack();
        let sp = lo.add(8 * PAGE + 256);
        put(Addr(sp.0 - 8), 1);
        put(sp, 2);
        put(sp.add(8), 3);
        let homes = [lo, lo.add(7 * PAGE), Addr(sp.0 - 8), sp, sp.add(8), lo.add(15 * PAGE)];
        let areas = [(sp, sp.add(16))];
        let mut input = StackInput { sp, stack: Some((lo, hi)), frames: Frames::AboveSp, areas: &areas };
        let found = seek_by(Way::ScanGuards, &homes, &[input], &[]).unwrap();
        assert_eq!(values(&found), [None, None, None, Some(2), Some(3), Some(115)]);
        assert_eq!(found[5].unwrap().1, RootKind::Stack);
        // On another stack, or with no bounds known, everything counts.
        input.frames = Frames::Anywhere;
        let all = [Some(100), Some(107), Some(1), Some(2), Some(3), Some(115)];
        assert_eq!(values(&seek_by(Way::ScanGuards, &homes, &[input], &[]).unwrap()), all);
        input.frames = Frames::AboveSp;
        input.sp = hi.add(64);
        assert_eq!(values(&seek_by(Way::ScanGuards, &homes, &[input], &[]).unwrap()), all);
        input = StackInput { sp, stack: None, ..input };
        assert_eq!(values(&seek_by(Way::ScanGuards, &homes, &[input], &[]).unwrap()), all);
    });
}

#[test]
fn stack_pointers_and_register_areas_are_words_too() {
    struct Collector(Vec<usize>);
    impl RootVisitor for Collector {
        fn words(&mut self, w: Words) {
            if w.kind == RootKind::Registers {
                let count = w.hi.since(w.lo) / WORD;
                // SAFETY: readable for the call.
                self.0.extend(unsafe { std::slice::from_raw_parts(w.lo.ptr::<usize>(), count) });
            }
        }
    }
    alone("roots::tests::threads::stack_pointers_and_register_areas_are_words_too", || {
        let critical = critical::enter();
        let mut snapshot = Snapshot::new(&critical).unwrap();
        snapshot.take(&critical).unwrap();
        let (lo, hi) = stack();
        let registers = [1usize, 2, 3];
        let at = Addr::of(registers.as_ptr());
        // Bounds of an area need not be aligned.
        let areas = [(at.add(1), at.add(24)), (at, at.add(7))];
        let input =
            StackInput { sp: Addr(0x5000), stack: Some((lo, hi)), frames: Frames::AboveSp, areas: &areas };
        let mut collector = Collector(vec![]);
        visit(&critical, &mut snapshot, &[input], &[], &mut collector).unwrap();
        assert_eq!(collector.0, [2, 3, 0x5000, 0x5000 + RED_ZONE, lo.0]);
    });
}

#[test]
fn a_cached_stack_keeps_its_dtv_and_nothing_else() {
    alone("roots::tests::threads::a_cached_stack_keeps_its_dtv_and_nothing_else", || {
        let (lo, hi) = stack();
        let tcb = Addr(hi.0 - 2368);
        for (offset, value) in [(0, tcb.0), (8, 55), (16, tcb.0), (24, 66)] {
            put(tcb.add(offset), value);
        }
        let homes = [lo, tcb.add(8), tcb.add(24), lo.add(15 * PAGE)];
        let mut dead = DeadStack { lo, hi, tcb, ending: Ending::Gone };
        let run = |dead: DeadStack| values(&seek_by(Way::ScanGuards, &homes, &[], &[dead]).unwrap());
        assert_eq!(run(dead), [None, Some(55), None, None]);
        dead.ending = Ending::Joinable;
        assert_eq!(run(dead), [None, Some(55), Some(66), None]);
        dead.ending = Ending::JoinableUntil { tid: 720 };
        put(tcb.add(720), 4711);
        assert_eq!(run(dead), [None, Some(55), Some(66), None]);
        put(tcb.add(720), u32::MAX as usize | 7 << 32);
        assert_eq!(run(dead), [None, Some(55), None, None]);
        put(tcb.add(720), 4711);
        // It is something else by now.
        put(tcb.add(16), 0);
        let all = [Some(100), Some(55), Some(66), Some(115)];
        assert_eq!(run(dead), all);
        dead.tcb = Addr(hi.0 - 8);
        assert_eq!(run(dead), all);
        dead.tcb = Addr(8);
        assert_eq!(run(dead), all);
        // SAFETY: the test's mapping; nothing is there any more.
        unsafe { vm::unmap(lo, 16 * PAGE).unwrap() };
        assert_eq!(run(DeadStack { tcb, ..dead }), [None; 4]);
    });
}

thread_local! {
    static WORD_OF_THREAD: Cell<usize> = const { Cell::new(0) };
}

#[test]
fn thread_local_words_are_visited_in_every_thread() {
    alone("roots::tests::threads::thread_local_words_are_visited_in_every_thread", || {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            WORD_OF_THREAD.with(|w| {
                w.set(4321);
                tell.send(Addr::of(w.as_ptr())).unwrap();
            });
            let _ = wait.recv();
        });
        let there = told.recv().unwrap();
        let here = WORD_OF_THREAD.with(|w| {
            w.set(1234);
            Addr::of(w.as_ptr())
        });
        assert_eq!(values(&seek(&[here, there])), [Some(1234), Some(4321)]);
        drop(end);
        other.join().unwrap();
    });
}

#[test]
fn the_main_stack_has_its_dead_part_left_out() {
    // Pure: a list with a [stack] in it.
    let critical = critical::enter();
    let mut snapshot = Snapshot::new(&critical).unwrap();
    snapshot.list.entries.clear();
    let entry = snapshot::Entry {
        lo: 0x7ff0_0000,
        hi: 0x7ff8_0000,
        class: classify::Class::Anonymous,
        kind: RootKind::Stack,
        perms: crate::sys::maps::Perms::from_bits(3),
        main_stack: true,
    };
    assert!(snapshot.list.entries.push(entry));
    let input = StackInput { sp: Addr(0x7ff4_0000), stack: None, frames: Frames::AboveSp, areas: &[] };
    let plan = stacks::plan(&snapshot.list, &input);
    assert_eq!(plan, stacks::Plan::Main { lo: Addr(0x7ff0_0000), from: Addr(0x7ff4_0000) });
    let deep = StackInput { sp: Addr(0x7ff0_0010), ..input };
    assert_eq!(
        stacks::plan(&snapshot.list, &deep),
        stacks::Plan::Main { lo: Addr(0x7ff0_0000), from: Addr(0x7ff0_0010) }
    );
    // It grew since its bounds were taken.
    let bounds = Some((Addr(0x7ff6_0000), Addr(0x7ff8_0000)));
    let grown = StackInput { stack: bounds, frames: Frames::Anywhere, ..input };
    assert_eq!(stacks::plan(&snapshot.list, &grown), plan);
    let within = StackInput { sp: Addr(0x7ff7_0000), stack: bounds, ..input };
    assert!(matches!(stacks::plan(&snapshot.list, &within), stacks::Plan::Within { .. }));
    // On a coroutine's stack within it, or on somebody else's.
    let unknown = StackInput { frames: Frames::Anywhere, ..input };
    assert_eq!(stacks::plan(&snapshot.list, &unknown), stacks::Plan::Ordinary { base: None });
    let elsewhere = StackInput { sp: Addr(0x1000), ..input };
    assert_eq!(stacks::plan(&snapshot.list, &elsewhere), stacks::Plan::Ordinary { base: None });
}

use super::*;

fn at(code: &[u8]) -> [u8; CODE] {
    let mut all = [0x90; CODE];
    all[CODE - 2 - code.len()..CODE - 2].copy_from_slice(code);
    all[CODE - 2..].copy_from_slice(&SYSCALL);
    all
}
fn number_of(code: &[u8], regs: &Regs) -> Option<i64> {
    number(&at(code)[..CODE - 2], regs)
}

#[test]
fn numbers_are_read_from_the_code_before() {
    let regs = Regs { r15: 202, rdx: 7, r8: 1 << 40, ..Regs::default() };
    assert_eq!(number_of(&[0xb8, 7, 0, 0, 0], &regs), Some(7));
    assert_eq!(number_of(&[0xb8, 0xe8, 0, 0, 0], &regs), Some(232));
    let msgrcv = [0xb8, 70, 0, 0, 0, 0x8b, 0x7c, 0x24, 8];
    assert_eq!(number_of(&msgrcv, &regs), Some(70));
    let of_result = [0xb8, 70, 0, 0, 0, 0x8b, 0x44, 0x24, 8];
    assert_eq!(number_of(&of_result, &regs), None);
    assert_eq!(number_of(&[0x31, 0xc0], &regs), Some(0));
    assert_eq!(number_of(&[0x44, 0x89, 0xf8], &regs), Some(202));
    assert_eq!(number_of(&[0x90, 0x89, 0xd0], &regs), Some(7));
    assert_eq!(number_of(&[0x44, 0x89, 0xc0], &regs), None, "not a number of a call");
    assert_eq!(number_of(&[0x90, 0x90], &regs), None);
    assert_eq!(number_of(&[0xb8, 0, 0, 0, 0x80], &regs), None);
}

#[test]
fn milliseconds_shrink_and_stay_tagged() {
    let me = Thread::new();
    let mut argument = 1000u64;
    me.timing.note(process::now_ns() + 500 * MS);
    millis(&mut argument, &me);
    let left = argument as u32;
    assert!((400..=500).contains(&left), "{left}");
    me.timing.note(0);
    let first = argument;
    millis(&mut argument, &me);
    assert_eq!(argument >> 32, first >> 32);
    assert!(argument as u32 <= left);
    let mut fresh = 1000u64;
    millis(&mut fresh, &me);
    assert_eq!(fresh as u32, 1000);
    assert_ne!(fresh >> 32, first >> 32);
    for forever in [-1i64 as u64, 0xffff_ffff] {
        let mut argument = forever;
        millis(&mut argument, &me);
        assert_eq!(argument, forever);
    }
}

#[test]
fn a_timespec_is_replaced_once() {
    let me = Thread::new();
    let ts = libc::timespec { tv_sec: 2, tv_nsec: 5 };
    let mut argument = &raw const ts as u64;
    relative(&mut argument, &me);
    assert_eq!(argument, me.timing.scratch());
    let deadline = me.timing.deadline();
    relative(&mut argument, &me);
    assert_eq!((argument, me.timing.deadline()), (me.timing.scratch(), deadline));
}

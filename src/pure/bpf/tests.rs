use super::*;

const KILL: u32 = 0x8000_0000;
const ALLOW: u32 = 0x7fff_0000;

fn i(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}
fn call(number: u32, arguments: [u64; 6]) -> Call {
    Call { number, arguments }
}

#[test]
fn numbers_are_compared() {
    // ld [0]; jeq 257 → kill; allow
    let program = [i(0x20, 0, 0, 0), i(0x15, 0, 1, 257), i(0x06, 0, 0, KILL), i(0x06, 0, 0, ALLOW)];
    assert_eq!(run(&program, &call(257, [0; 6])), Some(KILL));
    assert_eq!(run(&program, &call(0, [0; 6])), Some(ALLOW));
}

#[test]
fn both_halves_of_an_argument() {
    // arch must be x86-64; the second argument's upper half or its lower one.
    let half = |offset| {
        [
            i(0x20, 0, 0, 4),
            i(0x15, 1, 0, ARCHITECTURE),
            i(0x06, 0, 0, KILL),
            i(0x20, 0, 0, offset),
            i(0x16, 0, 0, 0),
        ]
    };
    let it = call(16, [1, 0x1234_5678_9abc_def0, 0, 0, 0, 0]);
    assert_eq!(run(&half(24), &it), Some(0x9abc_def0));
    assert_eq!(run(&half(28), &it), Some(0x1234_5678));
}

#[test]
fn arithmetic_scratch_and_registers() {
    // a = 7; x = a; m[3] = x; a = 5; a = a * x - 1 (34); x = m[3]; a = a / x (4); a = -a & 0xff
    let program = [
        i(0x00, 0, 0, 7),
        i(0x07, 0, 0, 0),
        i(0x03, 0, 0, 3),
        i(0x00, 0, 0, 5),
        i(0x2c, 0, 0, 0),
        i(0x14, 0, 0, 1),
        i(0x61, 0, 0, 3),
        i(0x3c, 0, 0, 0),
        i(0x84, 0, 0, 0),
        i(0x54, 0, 0, 0xff),
        i(0x16, 0, 0, 0),
    ];
    assert_eq!(run(&program, &call(0, [0; 6])), Some(0xfc));
}

#[test]
fn jumps_skip_and_never_leave() {
    let over = [i(0x05, 0, 0, 1), i(0x06, 0, 0, KILL), i(0x06, 0, 0, ALLOW)];
    assert_eq!(run(&over, &call(0, [0; 6])), Some(ALLOW));
    assert_eq!(run(&[i(0x05, 0, 0, u32::MAX)], &call(0, [0; 6])), None);
    assert_eq!(run(&[], &call(0, [0; 6])), None);
}

#[test]
fn what_the_kernel_refuses_is_not_known() {
    let division = [i(0x00, 0, 0, 1), i(0x34, 0, 0, 0), i(0x06, 0, 0, ALLOW)];
    let half_word = [i(0x28, 0, 0, 0), i(0x06, 0, 0, ALLOW)];
    let outside = [i(0x20, 0, 0, 64), i(0x06, 0, 0, ALLOW)];
    let scratch = [i(0x60, 0, 0, 16), i(0x06, 0, 0, ALLOW)];
    for program in [&division[..], &half_word, &outside, &scratch] {
        assert_eq!(run(program, &call(0, [0; 6])), None, "{program:?}");
    }
}

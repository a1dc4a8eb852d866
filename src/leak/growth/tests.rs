use super::*;
use crate::ground::critical;
use std::vec::Vec;

fn new() -> Growth {
    let bytes = size_of::<Site>() << 17;
    let at = crate::pages::metadata::map_region(&critical::enter(), bytes).unwrap();
    // SAFETY: a new region, never unmapped.
    #[allow(unsafe_code)]
    unsafe {
        Growth::new(at, bytes)
    }
}

fn check(growth: &mut Growth, live: &[(u32, usize, usize)], now_ms: u64) -> Vec<Growing> {
    let critical = critical::enter();
    growth.begin(&critical);
    for &(stack, objects, bytes) in live {
        (0..objects).for_each(|_| growth.add(&critical, stack, Addr(stack as usize), bytes));
    }
    growth.end(&critical, now_ms).to_vec()
}

#[test]
fn what_rises_is_told_with_slope_and_age() {
    let mut growth = new();
    assert_eq!(check(&mut growth, &[(1, 10, 1000), (2, 5, 100)], 1000), []);
    let told = check(&mut growth, &[(1, 12, 1000), (2, 5, 100), (3, 2, 5000)], 3000);
    let new = Growing {
        stack: 3,
        bytes: 10_000,
        objects: 2,
        more_bytes: 10_000,
        more_objects: 2,
        rate: 5000,
        age_ms: 2000,
        checks: 2,
        rises: 1,
        sample: 3,
        of: types::NONE,
    };
    let risen =
        Growing { stack: 1, bytes: 12_000, objects: 12, more_bytes: 2000, rate: 1000, sample: 1, ..new };
    assert_eq!(told, [new, risen]);
    // Stack 3 falls, 1 goes on.
    let told = check(&mut growth, &[(1, 15, 1000), (3, 1, 5000)], 5000);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].stack, told[0].more_bytes, told[0].rate, told[0].checks, told[0].rises),
        (1, 3000, 1250, 3, 2)
    );
}

#[test]
fn what_goes_up_and_down_is_not() {
    let mut growth = new();
    let mut told = 0;
    for round in 0..20 {
        let n = if round % 2 == 0 { 10 } else { 20 };
        told += check(&mut growth, &[(7, n, 1000)], 1000 * round).len();
    }
    // The second check cannot know, and by the fourth it rose at two of three.
    assert_eq!(told, 2);
}

#[test]
fn many_stacks() {
    let mut growth = new();
    let all: Vec<(u32, usize, usize)> = (1..20_000).map(|stack| (stack * 77, 1, 100)).collect();
    assert_eq!(check(&mut growth, &all, 1), []);
    let more: Vec<_> = all.iter().map(|&(stack, n, _)| (stack, n, 2000 + stack as usize % 100)).collect();
    let told = check(&mut growth, &more, 2);
    assert_eq!(told.len(), MOST);
    assert!(told.iter().all(|site| site.bytes == 2099));
}

#[test]
fn the_largest_are_known_in_order() {
    let mut growth = new();
    let live: Vec<_> = (1..=20).map(|stack| (stack, 1, (stack as usize * 7) % 20 * 1000)).collect();
    check(&mut growth, &live, 1000);
    let top = growth.top();
    assert!(top.iter().all(|one| one.bytes == u64::from(one.stack * 7 % 20 * 1000)));
    assert_eq!(top.map(|one| one.bytes), [19000, 18000, 17000, 16000, 15000, 14000, 13000, 12000]);
    check(&mut growth, &[(3, 1, 10)], 2000);
    assert_eq!(growth.top()[..2], [Top { stack: 3, bytes: 10 }, Top::default()]);
}

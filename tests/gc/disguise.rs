//! Pointers in disguise keep objects, and numbers do not keep many.
use crate::fixture::*;
use gleaner_core::gc::Settings;
use gleaner_core::gc::filter::{self, Level};

const LOOKING: Settings = Settings { checkmark: true, disguised: true, ..Settings::DEFAULT };

fn garbage(words: &[usize]) -> usize {
    let [one, two, three] = [Level::Words, Level::Avx2, Level::Avx512].map(|level| {
        filter::limit(level);
        unreachable(&mut roots(words), LOOKING).0.len()
    });
    assert_eq!((one, two), (two, three));
    one
}

#[test]
fn an_offset_from_the_object_s_start() {
    // As fontconfig has it: header -> table -> leaf, each by its distance from what holds it.
    let _turn = turn();
    let (header, table, leaf) = (zeroed(24), zeroed(400), zeroed(32));
    put(header, 1, table.wrapping_sub(header));
    put(table, 7, leaf.wrapping_sub(table));
    assert_eq!(unreachable(&mut roots(&[header]), CHECKED).0.len(), 2);
    assert_eq!(garbage(&[header]), 0);
    assert_eq!(garbage(&[]), 3);
    // The middle of an object is nobody's offset.
    put(header, 1, (table + 8).wrapping_sub(header));
    assert_eq!(garbage(&[header]), 2);
}

#[test]
fn an_offset_from_the_word_itself() {
    let _turn = turn();
    let (from, to) = (zeroed(64), zeroed(300));
    put(from, 3, to.wrapping_sub(from + 24));
    assert_eq!(garbage(&[from]), 0);
}

#[test]
fn digits_of_a_python_integer_also_among_the_roots() {
    let _turn = turn();
    let (number, object) = (zeroed(32), zeroed(5000));
    let digits = (object & 0x3fff_ffff) | (object >> 30) << 32;
    assert_eq!(garbage(&[digits]), 1);
    put(number, 3, digits);
    assert_eq!(garbage(&[number]), 0);
}

#[test]
fn boxed_tagged_and_packed_words() {
    let _turn = turn();
    let (box_, object) = (zeroed(64), zeroed(100));
    put(box_, 0, object | 0xfff9 << 48);
    assert_eq!(garbage(&[box_]), 0);
    put(box_, 0, object << 32);
    assert_eq!(garbage(&[box_]), 1);
    put(box_, 1, object >> 32);
    assert_eq!(garbage(&[box_]), 0);
}

#[test]
fn leaked_records_with_a_capacity_do_not_keep_each_other() {
    let _turn = turn();
    let all: Vec<usize> = (0..2000).map(|_| zeroed(60)).collect();
    all.iter().for_each(|&at| put(at, 2, 128));
    // One is live. Its number leads to one more at most, and to what lies 128 bytes behind the number.
    let kept = all.len() - garbage(&[all[700]]);
    assert!(kept <= 3, "{kept}");
}

#[test]
fn a_chain_that_is_longer_than_the_passes_is_not_settled() {
    let _turn = turn();
    let all: Vec<usize> = (0..200).map(|i| zeroed(if i % 2 == 0 { 24 } else { 900 })).collect();
    for i in (1..all.len()).rev() {
        // From the highest address to the lowest, so that each pass goes one step.
        put(all[i], 1, all[i - 1].wrapping_sub(all[i]));
    }
    let (left, found) = unreachable(&mut roots(&[all[199]]), LOOKING);
    assert!(left.is_empty() || found.disguised.unsettled);
}

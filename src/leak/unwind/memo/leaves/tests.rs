use super::*;
use crate::pure::addr::Addr;

const KNOWN: Known = Known { met: Met { serial: 7, at: 3 }, id: 99, frames: 5 };

/// A stack, and what rbp is.
struct Place {
    stack: [usize; 4],
    bp: usize,
}

impl Place {
    fn new() -> Box<Place> {
        Box::new(Place { stack: [10, 11, 12, 13], bp: 1000 })
    }
    fn state(&self) -> State {
        State { pc: 0x4000_1234, sp: Addr::of(&self.stack).0, bp_at: Addr::of(&raw const self.bp).0 }
    }
    /// A walk went by the first two words, and one other.
    fn walked(&self, leaves: &mut Leaves, bp: Option<usize>) {
        let word = |at: usize| Word { at: Addr::of(&self.stack[at]).0, is: self.stack[at] };
        leaves.put(&self.state(), KNOWN, &Way { frames: &[word(0), word(1)], others: &[word(3)], bp });
    }
}

fn none() -> Box<Leaves> {
    // SAFETY: a leaf is of numbers and a bool, all of which may be zero.
    unsafe { Box::new(core::mem::zeroed()) }
}

#[test]
fn the_same_place_is_known() {
    let (place, mut leaves) = (Place::new(), none());
    assert!(leaves.get(&place.state()).is_none());
    place.walked(&mut leaves, None);
    let known = leaves.get(&place.state()).unwrap();
    assert!(known.met == KNOWN.met && known.id == KNOWN.id && known.frames == KNOWN.frames);
    leaves.forget();
    assert!(leaves.get(&place.state()).is_none());
}

/// Where a frame is found by rbp: the words where it was may well be as they were.
#[test]
fn another_rbp_is_another_place() {
    let (mut place, mut leaves) = (Place::new(), none());
    place.walked(&mut leaves, Some(place.bp));
    assert!(leaves.get(&place.state()).is_some());
    place.bp += 64;
    assert!(leaves.get(&place.state()).is_none());
    // By rsp alone: it may be anything.
    place.walked(&mut leaves, None);
    place.bp += 64;
    assert!(leaves.get(&place.state()).is_some());
}

/// A function that calls itself: further in, the words of the call further out are all there.
#[test]
fn another_rsp_is_another_place() {
    let (place, mut leaves) = (Place::new(), none());
    let here = place.state();
    place.walked(&mut leaves, None);
    let further_in = (1..10_000).map(|call| State { sp: here.sp - call * 16, ..here });
    let mut same = further_in.filter(|state| Leaves::place(state) == Leaves::place(&here));
    assert!(leaves.get(&same.next().unwrap()).is_none());
    let other = State { pc: here.pc + 1, ..here };
    assert!(leaves.get(&other).is_none());
}

#[test]
fn another_word_is_another_way() {
    for at in [0, 1, 3] {
        let (mut place, mut leaves) = (Place::new(), none());
        place.walked(&mut leaves, None);
        place.stack[2] += 1;
        assert!(leaves.get(&place.state()).is_some());
        place.stack[at] += 1;
        assert!(leaves.get(&place.state()).is_none());
    }
}

/// A way that is longer than there is room for is not remembered in part.
#[test]
fn a_long_way_is_none() {
    let (place, mut leaves) = (Place::new(), none());
    let word = Word { at: Addr::of(&place.stack).0, is: place.stack[0] };
    let mut put = |len: usize| {
        leaves.put(&place.state(), KNOWN, &Way { frames: &vec![word; len], others: &[word], bp: None });
        leaves.get(&place.state()).is_some()
    };
    assert!(!put(WORDS));
    assert!(put(WORDS - 1));
}

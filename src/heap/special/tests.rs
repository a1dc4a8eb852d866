use super::*;
use crate::ground::critical;
use crate::heap::tests::{TURN, alloc};
use proptest::prelude::*;

fn object(critical: &Critical, at: *mut u8) -> Result<Found, Refused> {
    find(critical, Addr(at as usize))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// PN1, PN3, PN6: counts follow the model; a freed object goes once, when the last pin does.
    #[test]
    fn counts_follow_the_model(size in 1usize..100_000, script in prop::collection::vec(0u8..4, 1..60)) {
        let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
        let at = alloc(size);
        let critical = critical::enter();
        let (mut pins, mut freed) = (0u32, false);
        for op in script {
            let Ok(found) = object(&critical, at) else { break };
            match op {
                0 | 1 => {
                    let told = pin(&critical, found, 7, 0);
                    prop_assert_eq!(told, if freed { Err(Refused::Dead) } else { Ok(()) });
                    pins += !freed as u32;
                }
                2 => match unpin(found) {
                    Err(why) => prop_assert!(why == Refused::NotPinned && pins == 0),
                    Ok(fate) => {
                        pins -= 1;
                        prop_assert_eq!(fate == Fate::Goes, freed && pins == 0);
                        if fate == Fate::Goes {
                            give_back(&critical, found);
                            break;
                        }
                    }
                },
                _ if freed => {}
                _ => {
                    // SAFETY: an object of this test's.
                    unsafe { release::free(&critical, at) };
                    freed = true;
                    if pins == 0 {
                        break;
                    }
                }
            }
            prop_assert_eq!(is_pinned(found.span, found.index), pins != 0);
            prop_assert_eq!(is_held(found.span, found.index), freed);
        }
        if let Ok(found) = object(&critical, at).and_then(|f| if pins != 0 || !freed { Ok(f) } else { Err(Refused::Dead) }) {
            while unpin(found) == Ok(Fate::Held) {}
            if freed {
                give_back(&critical, found);
            } else {
                // SAFETY: as above.
                unsafe { release::free(&critical, at) };
            }
        }
    }
}

#[test]
fn the_highest_count_is_an_error() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let at = alloc(100);
    let critical = critical::enter();
    let found = object(&critical, at).unwrap();
    pin(&critical, found, 1, 0).unwrap();
    let cell = cell(found.span, found.index).unwrap();
    cell.state.store(COUNT, Ordering::Relaxed);
    assert_eq!(pin(&critical, found, 1, 0), Err(Refused::Overflow));
    cell.state.store(1, Ordering::Relaxed);
    assert_eq!(unpin(found), Ok(Fate::Held));
    // SAFETY: an object of this test's.
    unsafe { release::free(&critical, at) };
}

use super::*;
use crate::gc::filter::{self, Level};
use proptest::prelude::*;

/// Word `i` of `words`, in each guise, one by one; `spare` bytes may be read behind the last one.
fn leads(words: &[usize], i: usize, spare: usize, base: Option<Addr>, window: Window) -> bool {
    let (word, place) = (words[i], words.as_ptr() as usize + i * WORD);
    let offsets = base.is_some_and(|base| {
        window.holds(base.0.wrapping_add(word)) || window.holds(place.wrapping_add(word))
    });
    let digits = word & ((1 << DIGIT) - 1) | word >> 32 << DIGIT;
    let tall = word >> 48 != 0 && window.holds(word & ADDRESS);
    let packed = (i + 1 < words.len() || spare >= WORD / 2).then(|| {
        let bytes = words.as_ptr().wrapping_add(i).wrapping_byte_add(WORD / 2);
        // SAFETY: the caller says that it is there.
        unsafe { bytes.read_unaligned() }
    });
    word != 0 && (offsets || window.holds(digits) || tall) || packed.is_some_and(|word| window.holds(word))
}

proptest! {
    #[test]
    fn finds_every_guise(
        low in (1usize << 20)..1 << 46, reach in 0usize..1 << 24, base in any::<bool>(), spare in 0usize..8,
        near in prop::collection::vec((0usize..9, -3i64..4, any::<usize>()), 0..40)
    ) {
        if filter::level() < Level::Avx512 {
            return Ok(());
        }
        let window = Window { low, reach };
        // Two more than are told of: what is read behind the end would be seen, as a packed word, too.
        let mut words = vec![low >> 32; near.len() + 2];
        let lo = words.as_ptr() as usize;
        let start = base.then_some(Addr(lo));
        for (i, &(guise, by, noise)) in near.iter().enumerate() {
            let to = (if noise & 1 == 0 { low } else { low + reach }).wrapping_add(by as usize);
            words[i] = match guise {
                0 => to.wrapping_sub(lo),
                1 => to.wrapping_sub(lo + i * WORD),
                2 => to & ((1 << DIGIT) - 1) | to >> DIGIT << 32,
                3 => to | noise << 48,
                4 => to << 32,
                5 => to >> 32,
                6 => noise,
                _ => 0,
            };
        }
        let words_of = &words[..near.len()];
        let hi = Addr(lo + near.len() * WORD + spare);
        let mut at = Addr(lo);
        let mut told = Vec::new();
        // SAFETY: inside the vector; AVX-512 is there.
        while let Some(near) = unsafe { next_near(at, hi, start, window) } {
            told.push((near.0 - lo) / WORD);
            at = near.add(LANES * WORD);
        }
        // Blocks begin where the last one that was told of ends; between them they are whole.
        let model: Vec<usize> = (0..words_of.len())
            .step_by(LANES)
            .filter(|&block| {
                let last = (block + LANES).min(words_of.len());
                (block..last).any(|i| leads(words_of, i, spare, start, window))
            })
            .collect();
        prop_assert_eq!(told, model);
    }
}

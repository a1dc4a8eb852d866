//! Size classes: which slot size serves a request.
//!
//! A request of `n` bytes gets a slot of at least `n + 1`: a C program may legally hold only
//! the address one past an object's end, and the extra byte keeps that address inside the
//! object's own slot (FACTS §2.6.6). glibc's header costs eight bytes, so up to 256 bytes no
//! request takes more than there.
//!
//! Shape: 16-byte steps up to 256, then eight steps a doubling up to 64 KiB (≤ 12.5 % waste),
//! and one extra class 16 bytes above each power of two from 256 on, because requests of
//! exactly 2^k are common and would otherwise pay a whole step for the one byte.
use crate::pure::addr::{ADDR_BITS, PAGE_SIZE, round_up};

/// Classes are numbered from 1; 0 means "no class" (a large object).
pub const COUNT: usize = 1 + 16 + 8 * 9 + 1;
/// Largest request that goes through the direct table, bytes.
pub const SMALL_MAX: usize = 1024;
/// Entries of the direct table: one a granule of 16 bytes.
pub const DIRECT: usize = (SMALL_MAX + 16) / 16 + 1;
/// Largest slot, bytes.
pub const SLOT_MAX: usize = 65536 + 16;
/// Largest request that a size class serves, bytes.
pub const MEDIUM_MAX: usize = SLOT_MAX - 1;

/// Slot size of each class, bytes.
pub const SIZE: [u32; COUNT] = sizes();
/// Class of each direct index (`(n + 16) >> 4`).
pub const OF_DIRECT: [u8; DIRECT] = direct();
/// Pages of one span of each class, before those at its ends that hold no slot are given back.
pub const PAGES: [u16; COUNT] = pages();
/// The class of slot size 1040, where [`of_medium`]'s regular numbering starts.
pub const MEDIUM_FIRST: usize = OF_DIRECT[DIRECT - 1] as usize;

const fn sizes() -> [u32; COUNT] {
    let mut out = [0; COUNT];
    let mut class = 1;
    let mut size = 16;
    while size <= 256 {
        out[class] = size;
        class += 1;
        size += 16;
    }
    let mut base = 256;
    while base < 65536 {
        out[class] = base + 16;
        class += 1;
        let mut step = 1;
        while step <= 8 {
            out[class] = base + base / 8 * step;
            class += 1;
            step += 1;
        }
        base *= 2;
    }
    out[class] = base + 16;
    assert!(class + 1 == COUNT);
    out
}

const fn direct() -> [u8; DIRECT] {
    let mut out = [1; DIRECT];
    let mut class = 1;
    let mut i = 0;
    while i < DIRECT {
        while (SIZE[class] as usize) < i * 16 {
            class += 1;
        }
        out[i] = class as u8;
        i += 1;
    }
    out
}

/// Enough pages for eight slots (four of the largest), at least 16 pages, with at most 1/16 of
/// the span left over behind the last slot.
const fn pages() -> [u16; COUNT] {
    let mut out = [0; COUNT];
    let mut class = 1;
    while class < COUNT {
        let size = SIZE[class] as usize;
        let least = if size > 16 * 1024 { 4 * size } else { 8 * size };
        let least = if least < 16 * PAGE_SIZE { 16 * PAGE_SIZE } else { least };
        let mut bytes = round_up(least, PAGE_SIZE);
        while (bytes % size) * 16 > bytes {
            bytes += PAGE_SIZE;
        }
        out[class] = (bytes / PAGE_SIZE) as u16;
        class += 1;
    }
    out
}

/// Class for a request of `n` bytes, `SMALL_MAX < n <= MEDIUM_MAX`.
pub const fn of_medium(n: usize) -> usize {
    // The slot must hold n + 1 bytes, and 2^log <= n < 2^(log + 1).
    let log = (usize::BITS - 1 - n.leading_zeros()) as usize;
    let over = n - (1 << log);
    let step = if over < 16 { 0 } else { (over >> (log - 3)) + 1 };
    MEDIUM_FIRST + (log - 10) * 9 + step
}

/// Class for a request of `n` bytes, or 0 if it is too large for any.
pub const fn of(n: usize) -> usize {
    if n <= SMALL_MAX {
        OF_DIRECT[(n + 16) >> 4] as usize
    } else if n <= MEDIUM_MAX {
        of_medium(n)
    } else {
        0
    }
}

/// Smallest class whose slots hold `n` bytes and are all `align`-aligned in a page-aligned span
/// (`align` a power of two, at most a page), or 0.
pub fn of_aligned(n: usize, align: usize) -> usize {
    let mut class = of(n.saturating_sub(1));
    while class != 0 && class < COUNT {
        if (SIZE[class] as usize).is_multiple_of(align) {
            return class;
        }
        class += 1;
    }
    0
}

/// Slots of a span of class `class`, at most.
pub const fn slots(class: usize) -> usize {
    PAGES[class] as usize * PAGE_SIZE / SIZE[class] as usize
}

/// Reciprocal `M` of a slot size, a little more than `2^64 / size`. For an offset within a span, `index = (offset * M) >> 64`.
/// For any address of the user's, be it `k * size + rest`: `address * M mod 2^64 = k * e + rest * M` with
/// `e = M * size - 2^64`, which is below `M` exactly if `rest` is 0 (after Lemire, Kaser, Kurz 2019; it wants `e <= 2^17` for 47 bits).
/// So slots lie at multiples of their size, and that product tells whether an address is one. What it is for a slot, is told by
/// `e` alone: as large as may be, so that it is no number that a program has in its memory. It marks the free slots.
pub const fn magic(size: usize) -> u64 {
    let least = u64::MAX / size as u64 + 1;
    let e = least.wrapping_mul(size as u64);
    least + ((1 << (64 - ADDR_BITS)) - e) / size as u64
}

/// The newest free slots of a class that a thread keeps at hand, at most: see `heap::bins`.
pub const HOLDS: [u16; COUNT] = holds();
/// Where in its cache a thread has the bin of each class, bytes. 0: a bin that never holds anything.
pub const BIN: [u16; COUNT] = bins();
/// The same for a request of `n <= MEDIUM_MAX` bytes, by `n >> 4`.
pub static BIN_OF: [u16; SLOT_MAX / 16] = bin_of();
/// Words of a bin's head behind its end: with that, a cache line.
const BIN_HEAD: usize = 7;
/// Bytes of all bins.
pub const BINS: usize = BIN[COUNT - 1] as usize + (1 + BIN_HEAD) * 8;

const fn holds() -> [u16; COUNT] {
    let mut out = [0; COUNT];
    let mut class = 1;
    while class < COUNT {
        let size = SIZE[class] as usize;
        out[class] = match size {
            0..=256 => 127,
            257..=1040 => 63,
            1041..=8208 => 15,
            _ => 4,
        };
        class += 1;
    }
    out
}

const fn bin_of() -> [u16; SLOT_MAX / 16] {
    let mut out = [0; SLOT_MAX / 16];
    let (mut i, mut class) = (0, 1);
    while i < out.len() {
        // The slot must hold a byte more than the largest of these requests.
        while (SIZE[class] as usize) < (i + 1) * 16 {
            class += 1;
        }
        out[i] = BIN[class];
        i += 1;
    }
    out
}

const fn bins() -> [u16; COUNT] {
    let mut out = [0; COUNT];
    let mut at = (1 + BIN_HEAD) * 8;
    let mut class = 1;
    while class < COUNT {
        // Below its slots lies a null.
        let last = round_up(at + (HOLDS[class] as usize + 1) * 8, 64);
        assert!(last <= u16::MAX as usize);
        out[class] = last as u16;
        at = last + (1 + BIN_HEAD) * 8;
        class += 1;
    }
    out
}

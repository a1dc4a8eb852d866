//! From a page to the bin that its slots go to, for spans with nothing special about them.
//!
//! One word of 32 bits a page: the low half is where in each thread's cache the bin of the span's class is
//! (`class::BIN`), the high half how many bytes of a slot the program may use. 0 says: ask the span. Pages of large objects, of
//! spans with objects in limbo, of watched ones and of nobody are 0, and so is what does not fit. So free needs one small word for a page, which stays in
//! the processor's first cache for megabytes of heap, and no branch: bin 0 takes nothing.
//!
//! Two levels: regions of 4 GiB, so that the halves of an address are the two indices. The root has the *distance* of a region's
//! leaf from the table's own first leaf, which is all 0 and never written to: .bss is a valid table without a store.
//! 4.5 MiB of .bss and 4 MiB for each region, touched where used.
//!
//! # Safety
//! Leaves are zeroed metadata of a leaf's size and stay for ever; indices are as many bits as there are entries.
#![allow(unsafe_code)]
use super::Span;
use super::class;
use super::span::flag;
use crate::ground::critical::Critical;
use crate::pages::metadata;
use crate::pure::addr::{Addr, PAGE_SHIFT, PAGE_SIZE};
use core::arch::asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicUsize, Ordering};

const REGION_BITS: usize = 32;
const LEAF_LEN: usize = 1 << (REGION_BITS - PAGE_SHIFT);

/// What is known of a page's slots.
#[repr(C, align(4))]
struct Entry {
    bin: AtomicU16,
    usable: AtomicU16,
}
#[repr(C, align(4096))]
struct Table {
    nothing: [Entry; LEAF_LEN],
    /// In entries.
    distance: [AtomicUsize; 1 << 16],
}
static TABLE: Table = Table {
    nothing: [const { Entry { bin: AtomicU16::new(0), usable: AtomicU16::new(0) } }; LEAF_LEN],
    distance: [const { AtomicUsize::new(0) }; 1 << 16],
};

/// See [`record`].
static RECORDED: AtomicBool = AtomicBool::new(false);

/// For leak mode, before there is a span: small slots are freed as fast as ever, but no size is told here, so that
/// realloc is a slow call, which takes its stack.
pub fn record() {
    RECORDED.store(true, Ordering::Relaxed);
}
/// Whether the small slots that are here are of objects whose origins are recorded.
#[inline(always)]
pub fn is_recorded() -> bool {
    RECORDED.load(Ordering::Relaxed)
}

/// Defines a function that reads half an entry: the compiler takes two instructions more.
macro_rules! read {
    ($name:ident at $offset:expr, $load:literal) => {
        #[inline(always)]
        fn $name(addr: Addr) -> usize {
            let value: usize;
            // SAFETY: any address has an entry, in the first leaf or in that of its region.
            unsafe {
                asm!("mov {at}, {addr}",
                     "shr {at}, 32",
                     "movzx {at:e}, {at:x}",
                     "lea {table}, [rip + {TABLE}]",
                     "mov {value:e}, {addr:e}",
                     "shr {value:e}, 12",
                     "add {value}, qword ptr [{table} + 8 * {at} + {distance}]",
                     $load,
                     addr = in(reg) addr.0,
                     at = out(reg) _,
                     table = out(reg) _,
                     value = out(reg) value,
                     TABLE = sym TABLE,
                     distance = const offset_of!(Table, distance),
                     offset = const $offset,
                     options(nostack, readonly));
            }
            value
        }
    };
}
const _: () = assert!(REGION_BITS == 32 && PAGE_SHIFT == 12 && size_of::<Entry>() == 4);

read!(read_bin at offset_of!(Entry, bin), "movzx {value:e}, word ptr [{table} + 4 * {value} + {offset}]");
read!(read_both at 0, "mov {value:e}, dword ptr [{table} + 4 * {value} + {offset}]");

/// Where the bin for the slots of `addr`'s page is. Any integer may be asked for.
#[inline(always)]
pub fn bin(addr: Addr) -> usize {
    read_bin(addr)
}
/// [`bin`], and how many bytes a slot of `addr`'s page has for the program. 0: ask the span.
#[inline(always)]
pub fn both(addr: Addr) -> (usize, usize) {
    let both = read_both(addr);
    (both & 0xffff, both >> 16)
}

fn entry(addr: Addr) -> &'static Entry {
    let page = addr.0 as u32 as usize >> PAGE_SHIFT;
    let region = addr.0 >> REGION_BITS & 0xffff;
    let index = page.wrapping_add(TABLE.distance[region].load(Ordering::Relaxed));
    // SAFETY: an entry of the first leaf, or of the region's.
    unsafe { &*(&raw const TABLE.nothing).cast::<Entry>().wrapping_add(index) }
}

/// The span's slots may be had by the fast paths, in the pages where any was ever handed out: what is freed in others is no block.
/// By the span's owner; without memory for it they stay slow.
pub fn show(critical: &Critical, span: &Span) {
    if each_region(span, |region, _, _| ensure_leaf(critical, region)) {
        show_pages(span, 0);
    }
}

/// The same for the pages from number `from` on.
pub fn show_pages(span: &Span, from: usize) {
    let padded = span.flags.load(Ordering::Relaxed) & flag::UNPADDED == 0;
    let usable = match is_recorded() {
        true => 0,
        false => u16::try_from(span.size.get() - padded as usize).unwrap_or(0),
    };
    let both = (usable as u32) << 16 | class::BIN[span.class.get() as usize] as u32;
    let (first, pages) = (span.page_base().add(from * PAGE_SIZE), used_pages(span).saturating_sub(from));
    each_region_of(first, pages, |region, first, pages| {
        let has_leaf = TABLE.distance.get(region).is_some_and(|d| d.load(Ordering::Relaxed) != 0);
        has_leaf && fill(first, pages, both)
    });
}

/// In how many pages slots begin that were handed out once.
pub fn used_pages(span: &Span) -> usize {
    match span.extended.get() {
        0 => 0,
        extended => (span.slot(extended - 1).since(span.page_base()) >> PAGE_SHIFT) + 1,
    }
}

/// Calls `f` with each region that the span has pages in, see [`each_region_of`].
fn each_region(span: &Span, f: impl FnMut(usize, Addr, usize) -> bool) -> bool {
    each_region_of(span.page_base(), span.pages.get() as usize, f)
}

/// Calls `f` with each region that some pages are in (two at most), the first of these pages and how many there are, as long as
/// it says true.
fn each_region_of(first: Addr, pages: usize, mut f: impl FnMut(usize, Addr, usize) -> bool) -> bool {
    let here = pages.min(LEAF_LEN - (first.0 as u32 as usize >> PAGE_SHIFT));
    let next = first.add(here * PAGE_SIZE);
    f(first.0 >> REGION_BITS, first, here) && (here == pages || f(next.0 >> REGION_BITS, next, pages - here))
}

/// The entries of `pages` pages of one region, which has a leaf of its own.
fn fill(first: Addr, pages: usize, both: u32) -> bool {
    let at = (entry(first) as *const Entry).cast::<AtomicU32>();
    for page in 0..pages {
        // SAFETY: an entry of the region's leaf.
        unsafe { &*at.add(page) }.store(both, Ordering::Relaxed);
    }
    true
}

/// Some object of the span has its slot to the last byte from now on (`flag::UNPADDED`). By whoever has an object there.
pub fn unpadded(span: &Span) {
    let usable = u16::try_from(span.size.get()).unwrap_or(0);
    for page in 0..span.pages.get() as usize {
        let entry = entry(span.page_base().add(page * PAGE_SIZE));
        if entry.usable.load(Ordering::Relaxed) != 0 {
            entry.usable.store(usable, Ordering::Relaxed);
        }
    }
}

/// The span's slots want the slow paths. By its owner, or while the world is stopped.
pub fn hide(span: &Span) {
    each_region(span, |region, first, pages| {
        let has_leaf = TABLE.distance.get(region).is_some_and(|d| d.load(Ordering::Relaxed) != 0);
        !has_leaf || fill(first, pages, 0)
    });
}

/// Whether the slots of a page may be had by the fast paths.
pub fn is_shown(at: Addr) -> bool {
    bin(at) != 0
}

fn ensure_leaf(critical: &Critical, region: usize) -> bool {
    let Some(distance) = TABLE.distance.get(region) else { return false };
    if distance.load(Ordering::Acquire) != 0 {
        return true;
    }
    let bytes = LEAF_LEN * size_of::<Entry>();
    let Some(fresh) = metadata::map_region(critical, bytes) else { return false };
    let far = fresh.0 as isize - (&raw const TABLE) as isize;
    let entries = (far / size_of::<Entry>() as isize) as usize;
    if distance.compare_exchange(0, entries, Ordering::AcqRel, Ordering::Acquire).is_err() {
        // SAFETY: the region just mapped, which lost the race and was never published.
        unsafe { metadata::unmap_region(critical, fresh, bytes) };
    }
    true
}

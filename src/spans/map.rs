//! From any address to the span that covers it.
//!
//! Two levels: 2^17 root entries of 1 GiB each (1 MiB of .bss, touched where used), leaves of
//! 2^18 span pointers (2 MiB of lazily touched metadata per GiB of address space in use). A
//! look-up is two dependent loads. Pages in no span read as null. A span of kind HUGE enters
//! its first page only; its interior is found through `heap::large`.
//!
//! Rejected: one flat table (256 GiB of address space: `ulimit -v` counts it); headers in the
//! span itself (a heap overflow reaches them, and a foreign pointer would be dereferenced).
//!
//! # Safety
//! Leaves come zeroed from metadata and stay for ever, so an entry read races with nothing
//! worse than another entry's store. Entries are `&'static Span` or null.
#![allow(unsafe_code)]
use super::Span;
use crate::ground::critical::Critical;
use crate::pages::metadata;
use crate::pure::addr::{ADDR_BITS, Addr, PAGE_SHIFT};
use core::sync::atomic::{AtomicPtr, Ordering};

const LEAF_BITS: usize = 18;
const ROOT_SHIFT: usize = PAGE_SHIFT + LEAF_BITS;
const ROOT_LEN: usize = 1 << (ADDR_BITS - ROOT_SHIFT);
const LEAF_LEN: usize = 1 << LEAF_BITS;

type Entry = AtomicPtr<Span>;
static ROOT: [AtomicPtr<Entry>; ROOT_LEN] = [const { AtomicPtr::new(core::ptr::null_mut()) }; ROOT_LEN];

/// The span that covers `addr`'s page, if any. Any integer may be asked for.
#[inline(always)]
pub fn lookup(addr: Addr) -> Option<&'static Span> {
    let leaf = ROOT.get(addr.0 >> ROOT_SHIFT)?.load(Ordering::Relaxed);
    if leaf.is_null() {
        return None;
    }
    // SAFETY: a leaf has LEAF_LEN entries and stays mapped; the index is masked; entries are
    // null or valid for ever.
    unsafe {
        let entry = &*leaf.add(addr.0 >> PAGE_SHIFT & (LEAF_LEN - 1));
        entry.load(Ordering::Relaxed).as_ref()
    }
}

/// [`lookup`] of what should be a pointer: an address that no user has may be taken for another one.
#[inline(always)]
pub fn lookup_of_pointer(addr: Addr) -> Option<&'static Span> {
    const ABOVE: usize = usize::BITS as usize - ADDR_BITS;
    let index = addr.0 << ABOVE >> (ABOVE + ROOT_SHIFT);
    // SAFETY: the shifts leave as many bits as the root has entries; leaves as in `lookup`.
    unsafe {
        let leaf = ROOT.get_unchecked(index).load(Ordering::Relaxed);
        if leaf.is_null() {
            return None;
        }
        (*leaf.add(addr.0 >> PAGE_SHIFT & (LEAF_LEN - 1))).load(Ordering::Relaxed).as_ref()
    }
}

/// The next page after that of `addr` that may have an entry, or the end of all addresses.
pub fn after(addr: Addr) -> Addr {
    let next = (addr.0 >> PAGE_SHIFT) + 1;
    let has_leaf = |no: usize| ROOT.get(no).is_some_and(|leaf| !leaf.load(Ordering::Relaxed).is_null());
    if has_leaf(next >> LEAF_BITS) {
        return Addr(next << PAGE_SHIFT);
    }
    let leaf = (next >> LEAF_BITS) + 1;
    Addr((leaf..ROOT_LEN).find(|&no| has_leaf(no)).unwrap_or(ROOT_LEN) << ROOT_SHIFT)
}

/// Points the pages of `[base, base + pages)` at `span` (`None` clears them). False = no
/// memory for a leaf; then nothing was set. One writer per page: whoever owns the pages.
#[must_use]
pub fn set(critical: &Critical, base: Addr, pages: usize, span: Option<&'static Span>) -> bool {
    let value = span.map_or(core::ptr::null_mut(), |s| s as *const Span as *mut Span);
    let first = base.0 >> PAGE_SHIFT;
    let last = first + pages;
    let mut leaf_no = first >> LEAF_BITS;
    while leaf_no << LEAF_BITS < last {
        if !ensure_leaf(critical, leaf_no) {
            return false;
        }
        leaf_no += 1;
    }
    let mut page = first;
    while page < last {
        let leaf = ROOT[page >> LEAF_BITS].load(Ordering::Relaxed);
        let end = last.min((page | (LEAF_LEN - 1)) + 1);
        // SAFETY: the leaf was ensured above and stays.
        let entries = unsafe { core::slice::from_raw_parts(leaf.add(page & (LEAF_LEN - 1)), end - page) };
        entries.iter().for_each(|entry| entry.store(value, Ordering::Release));
        page = end;
    }
    true
}

fn ensure_leaf(critical: &Critical, leaf_no: usize) -> bool {
    if leaf_no >= ROOT_LEN {
        return false;
    }
    if !ROOT[leaf_no].load(Ordering::Acquire).is_null() {
        return true;
    }
    let bytes = LEAF_LEN * size_of::<Entry>();
    let Some(fresh) = metadata::map_region(critical, bytes) else { return false };
    let null = core::ptr::null_mut();
    if ROOT[leaf_no].compare_exchange(null, fresh.ptr(), Ordering::AcqRel, Ordering::Acquire).is_err() {
        // SAFETY: the region just mapped, which lost the race and was never published.
        unsafe { metadata::unmap_region(critical, fresh, bytes) };
    }
    true
}

//! Address space: map, unmap, protect, advise, remap.
//!
//! # Safety
//! Mapping fresh memory at a place of the kernel's choosing harms nobody. Functions that
//! change or remove existing mappings are `unsafe`: the range must be ours.
#![allow(unsafe_code)]
use super::raw::{Errno, check, syscall2, syscall3, syscall4, syscall5, syscall6};
use super::sandbox::{self, Need};
use crate::pure::addr::Addr;
use core::sync::atomic::{AtomicU64, Ordering};

/// With the feature `zeal`: the mapping call that counts this down to zero fails with ENOMEM.
pub static FAIL_IN: AtomicU64 = AtomicU64::new(0);

fn injected() -> bool {
    cfg!(feature = "zeal")
        && FAIL_IN.load(Ordering::Relaxed) != 0
        && FAIL_IN.fetch_sub(1, Ordering::Relaxed) == 1
}

fn map(hint: Addr, len: usize, prot: i32, flags: i32) -> Result<Addr, Errno> {
    if injected() || sandbox::forbids(Need::Map) {
        return Err(Errno(libc::ENOMEM));
    }
    // SAFETY: without MAP_FIXED an anonymous mapping never replaces another one.
    check(unsafe { syscall6(libc::SYS_mmap, hint.0, len, prot as usize, flags as usize, usize::MAX, 0) })
        .map(Addr)
}

const ANON: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

/// Address space without memory: no access, no commit charge. `len` in bytes, whole pages.
pub fn reserve(hint: Addr, len: usize) -> Result<Addr, Errno> {
    map(hint, len, libc::PROT_NONE, ANON | libc::MAP_NORESERVE)
}

/// Zeroed read-write memory, `len` bytes in whole pages, near `hint` if that is free.
pub fn map_rw(hint: Addr, len: usize) -> Result<Addr, Errno> {
    map(hint, len, libc::PROT_READ | libc::PROT_WRITE, ANON)
}

/// Zeroed read-write memory that is not charged ahead of use (where the kernel allows that).
pub fn map_rw_lazy(hint: Addr, len: usize) -> Result<Addr, Errno> {
    map(hint, len, libc::PROT_READ | libc::PROT_WRITE, ANON | libc::MAP_NORESERVE)
}

/// The same, shared with copies of this process.
pub fn map_shared_lazy(len: usize) -> Result<Addr, Errno> {
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    map(Addr::NULL, len, libc::PROT_READ | libc::PROT_WRITE, flags)
}

/// Like [`map_rw`], exactly at `at` or not at all (EEXIST).
pub fn map_rw_exactly(at: Addr, len: usize) -> Result<Addr, Errno> {
    let got = map(at, len, libc::PROT_READ | libc::PROT_WRITE, ANON | libc::MAP_FIXED_NOREPLACE)?;
    if got != at {
        // Kernels before 4.17 take the flag for a hint.
        // SAFETY: just mapped by us, referred to by nobody.
        unsafe { unmap(got, len)? };
        return Err(Errno(libc::EEXIST));
    }
    Ok(got)
}

/// Makes part of a reservation readable and writable.
/// # Safety
/// The range must be ours.
pub unsafe fn commit(at: Addr, len: usize) -> Result<(), Errno> {
    if injected() {
        return Err(Errno(libc::ENOMEM));
    }
    // SAFETY: the caller owns the range.
    unsafe { protect(at, len, libc::PROT_READ | libc::PROT_WRITE) }
}

/// # Safety
/// The range must be ours and no longer used.
pub unsafe fn unmap(at: Addr, len: usize) -> Result<(), Errno> {
    if sandbox::forbids(Need::Unmap) {
        return Err(sandbox::REFUSED);
    }
    // SAFETY: forwarded.
    check(unsafe { syscall2(libc::SYS_munmap, at.0, len) }).map(|_| ())
}

/// # Safety
/// The range must be ours.
pub unsafe fn protect(at: Addr, len: usize, prot: i32) -> Result<(), Errno> {
    // SAFETY: forwarded.
    check(unsafe { syscall3(libc::SYS_mprotect, at.0, len, prot as usize) }).map(|_| ())
}

/// # Safety
/// The range must be ours; MADV_DONTNEED and the like lose its contents.
pub unsafe fn advise(at: Addr, len: usize, advice: i32) -> Result<(), Errno> {
    if sandbox::forbids(Need::Release) {
        return Err(sandbox::REFUSED);
    }
    // SAFETY: forwarded.
    check(unsafe { syscall3(libc::SYS_madvise, at.0, len, advice as usize) }).map(|_| ())
}

/// Puts a reservation in the place of memory, whose contents are lost.
/// # Safety
/// The range must be ours and no longer used.
pub unsafe fn take_away(at: Addr, len: usize) -> Result<(), Errno> {
    // SAFETY: forwarded.
    unsafe { replace(at, len, libc::PROT_NONE, ANON | libc::MAP_NORESERVE) }
}

/// Puts zeroed memory in the place of a reservation.
/// # Safety
/// The range must be ours.
pub unsafe fn give_again(at: Addr, len: usize) -> Result<(), Errno> {
    // SAFETY: forwarded.
    unsafe { replace(at, len, libc::PROT_READ | libc::PROT_WRITE, ANON) }
}

/// # Safety
/// The range must be ours; its contents are lost.
unsafe fn replace(at: Addr, len: usize, prot: i32, flags: i32) -> Result<(), Errno> {
    if injected() || sandbox::forbids(Need::Map) {
        return Err(Errno(libc::ENOMEM));
    }
    let flags = flags | libc::MAP_FIXED;
    // SAFETY: the caller owns the range.
    check(unsafe { syscall6(libc::SYS_mmap, at.0, len, prot as usize, flags as usize, usize::MAX, 0) })
        .map(|_| ())
}

/// Grows, shrinks or (with `may_move`) moves a mapping.
/// # Safety
/// The range must be ours; after a move nothing may refer to the old place.
pub unsafe fn remap(at: Addr, old: usize, new: usize, may_move: bool) -> Result<Addr, Errno> {
    if injected() {
        return Err(Errno(libc::ENOMEM));
    }
    let flags = if may_move { libc::MREMAP_MAYMOVE } else { 0 };
    // SAFETY: forwarded.
    check(unsafe { syscall4(libc::SYS_mremap, at.0, old, new, flags as usize) }).map(Addr)
}

/// Moves the pages of `at` to the mapping at `to`, whose first `len` bytes they replace; `at` stays
/// mapped and reads as zero. Kernels before 5.7 refuse.
/// # Safety
/// Both ranges must be ours and private anonymous memory; what was in the target is lost.
pub unsafe fn move_pages(at: Addr, len: usize, to: Addr) -> Result<(), Errno> {
    if injected() {
        return Err(Errno(libc::ENOMEM));
    }
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP;
    // SAFETY: forwarded.
    check(unsafe { syscall5(libc::SYS_mremap, at.0, len, len, flags as usize, to.0) }).map(|_| ())
}

/// Moves the mapping at `at` to `to`, in the place of what is mapped there. Kernels before 5.7 know it, too.
/// # Safety
/// Both ranges must be ours; nothing may refer to the old place, and what was in the target is lost.
pub unsafe fn move_back(at: Addr, len: usize, to: Addr) -> Result<(), Errno> {
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // SAFETY: forwarded.
    check(unsafe { syscall5(libc::SYS_mremap, at.0, len, len, flags as usize, to.0) }).map(|_| ())
}

/// Whether anything readable is mapped at `addr`'s page. Asked by a call that every filter lets pass, because
/// libc makes it: the kernel reads the set before it refuses to know what to do with it.
pub fn is_mapped(addr: Addr) -> bool {
    const NO_WAY: usize = 0x7fff_ffff;
    let page = addr.align_down(crate::pure::addr::PAGE_SIZE);
    // No mask at all would be no fault.
    if page.0 == 0 {
        return false;
    }
    // SAFETY: changes nothing: there is no such way to change a mask.
    let answer = unsafe { syscall4(libc::SYS_rt_sigprocmask, NO_WAY, page.0, 0, 8) };
    answer != -(libc::EFAULT as isize)
}

/// Whether the page at `addr` has memory. False where the kernel does not tell.
pub fn is_resident(addr: Addr) -> bool {
    let mut answer = 0u8;
    let page = addr.align_down(crate::pure::addr::PAGE_SIZE);
    // SAFETY: the kernel writes one byte for one page.
    let done = unsafe {
        syscall3(libc::SYS_mincore, page.0, crate::pure::addr::PAGE_SIZE, (&raw mut answer) as usize)
    };
    done == 0 && answer & 1 != 0
}

/// Calls `tell` with the parts of `lo..hi`, of whole pages, that have memory. Nothing where the kernel does not say.
pub fn each_resident(lo: Addr, hi: Addr, tell: &mut dyn FnMut(Addr, Addr)) {
    const PAGE: usize = crate::pure::addr::PAGE_SIZE;
    let (mut at, mut answers) = (lo, [0u8; 512]);
    while at < hi {
        let pages = answers.len().min(hi.since(at).div_ceil(PAGE));
        // SAFETY: the kernel writes a byte for each page.
        let done = unsafe { syscall3(libc::SYS_mincore, at.0, pages * PAGE, answers.as_mut_ptr() as usize) };
        let mut page = at;
        for run in answers[..pages].chunk_by(|a, b| a & 1 == b & 1).take_while(|_| done == 0) {
            let end = page.add(run.len() * PAGE);
            if run[0] & 1 != 0 {
                tell(page, end);
            }
            page = end;
        }
        at = at.add(pages * PAGE);
    }
}

/// Names an anonymous mapping for /proc/self/maps, where the kernel can (`name` ends in NUL).
pub fn name(at: Addr, len: usize, name: &'static core::ffi::CStr) {
    const PR_SET_VMA: usize = 0x53564d41;
    // SAFETY: changes a label only.
    unsafe {
        syscall5(libc::SYS_prctl, PR_SET_VMA, 0, at.0, len, name.as_ptr() as usize);
    }
}

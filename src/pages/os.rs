//! The real system under the page allocator.
//!
//! # Safety
//! Unmaps and advises ranges that the page heap just took out of circulation: nobody owns a
//! page of them, and they are mappings that this file made.
#![allow(unsafe_code)]
use super::fresh::Fresh;
use super::grow::{Backing, Refused};
use super::{metadata, own, thp};
use crate::ground::critical::Critical;
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::sys::sandbox::{self, Need};
use crate::sys::{random, raw, vm};

/// Heaps begin in this window of 2 TiB: far from what the kernel places by itself (below the
/// stack and above the program), and with high bits that small integers, text and floating
/// point numbers on the host's stacks rarely have: the sixth byte is a control character that no text has. Above
/// it CLISP wants 16 TiB for itself, and Java's ZGC the beginning of each power of two.
const WINDOW: usize = 0x0e00_0000_0000;
/// 2^8 tracts of 8 GiB, and 2^11 chunks in the lower half of one.
const TRACT_BYTES: usize = 8 << 30;
const CHUNK_BYTES: usize = 2 << 20;

pub struct Os<'a>(pub &'a Critical);

impl Backing for Os<'_> {
    fn metadata(&mut self, bytes: usize) -> Option<Fresh> {
        let at = metadata::map_region(self.0, bytes)?;
        // SAFETY: a mapping just made, known to nobody, never passed to `unmap_region`.
        Some(unsafe { Fresh::new(at, bytes) })
    }

    fn map_at(&mut self, at: Addr, bytes: usize) -> Result<(), Refused> {
        match vm::map_rw_exactly(at, bytes) {
            Ok(at) => {
                thp::mapped(at, bytes);
                own::add(at, at.add(bytes));
                Ok(())
            }
            Err(raw::Errno(libc::ENOMEM | libc::EAGAIN)) => Err(Refused::NoMemory),
            Err(_) => Err(Refused::Occupied),
        }
    }

    fn map_anywhere(&mut self, bytes: usize, align: usize) -> Option<Addr> {
        // Newer kernels align large mappings to huge pages of their own accord.
        let at = vm::map_rw(Addr::NULL, bytes).ok()?;
        if at.is_aligned(align) {
            thp::mapped(at, bytes);
            own::add(at, at.add(bytes));
            return Some(at);
        }
        // SAFETY: mapped above, known to nobody.
        let _ = unsafe { vm::unmap(at, bytes) };
        let all = bytes.checked_add(align - PAGE_SIZE)?;
        let from = vm::map_rw(Addr::NULL, all).ok()?;
        let at = from.align_up(align);
        let (end, all_end) = (at.add(bytes), from.add(all));
        for (lo, hi) in [(from, at), (end, all_end)] {
            if lo < hi {
                // SAFETY: the slack of the mapping just made, known to nobody. If the kernel
                // cannot split the mapping, the slack stays mapped, untouched.
                let _ = unsafe { vm::unmap(lo, hi.since(lo)) };
            }
        }
        thp::mapped(at, bytes);
        own::add(at, end);
        Some(at)
    }

    fn unmap(&mut self, at: Addr, bytes: usize) -> bool {
        own::remove(at, at.add(bytes));
        // SAFETY: the page heap took the range out of use; this file mapped it.
        let gone = unsafe { vm::unmap(at, bytes) }.is_ok();
        if !gone {
            own::add(at, at.add(bytes));
        }
        gone
    }

    fn close(&mut self, at: Addr, bytes: usize) -> bool {
        // SAFETY: the page heap keeps the range from everybody.
        !sandbox::forbids(Need::Map) && unsafe { vm::protect(at, bytes, libc::PROT_NONE) }.is_ok()
    }

    fn open(&mut self, at: Addr, bytes: usize) -> bool {
        // SAFETY: closed above.
        !sandbox::forbids(Need::Map) && unsafe { vm::commit(at, bytes) }.is_ok()
    }

    fn small(&mut self, at: Addr, bytes: usize) {
        thp::small(at, bytes);
    }

    fn grown(&mut self, at: Addr, bytes: usize) {
        thp::grown(at, bytes);
    }

    fn whole(&mut self, at: Addr) {
        // SAFETY: a chunk of the heap, of which all pages are free and zero, under the heap's lock.
        unsafe { thp::whole(at) };
    }

    fn first_hint(&mut self) -> Addr {
        let random = random::placement();
        let (tract, chunk) = (random as usize & 0xff, (random >> 32) as usize & 0x7ff);
        Addr(WINDOW + tract * TRACT_BYTES + chunk * CHUNK_BYTES)
    }
}

/// Takes the memory of a leased range away. Whether it reads as zero now.
pub fn release(at: Addr, bytes: usize) -> bool {
    // SAFETY: leased: no page of the range is owned by anybody, and its content is dead.
    unsafe { vm::advise(at, bytes, libc::MADV_DONTNEED) }.is_ok()
}

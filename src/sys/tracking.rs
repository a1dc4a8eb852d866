//! Which pages were written to since they were last asked for: userfaultfd's asynchronous write protection and the `PAGEMAP_SCAN` ioctl
//! (kernel 6.7).
//!
//! ```text
//!  register a mapping ── take: protects what reads as written ──► the program writes: a fault, once a page ──► take: told, and protected anew
//! ```
//! A page without protection reads as written: one that came later, or whose mapping was never registered. So nothing is missed by what
//! is not known here; a page that is not there is not told of, and holds nothing.
//!
//! The protection belongs to the descriptor: it ends when that is closed, at once for all that is registered, under the lock of the
//! address space. Who has much registered takes it back part by part first.
//!
//! # Safety
//! Registering changes no contents and no access: a write to a protected page is let through by the kernel itself. The structs are the
//! kernel's, live for the call.
#![allow(unsafe_code)]
use super::file::Fd;
use super::pagemap::{PAGEMAP_SCAN, Pages, Region, ScanArg};
use super::raw::{Errno, check, syscall1, syscall3};
use crate::pure::addr::Addr;

/// `_IOWR(0xAA, 0x3F, struct uffdio_api)`.
const API: usize = 0xc018_aa3f;
/// `_IOWR(0xAA, 0x00, struct uffdio_register)`.
const REGISTER: usize = 0xc020_aa00;
/// `_IOR(0xAA, 0x01, struct uffdio_range)`.
const UNREGISTER: usize = 0x8010_aa01;
pub(super) const CALLS: [usize; 3] = [API, REGISTER, UNREGISTER];
const VERSION: u64 = 0xaa;
const WP_UNPOPULATED: u64 = 1 << 13;
const WP_ASYNC: u64 = 1 << 15;
/// Page faults of the kernel's own are not handled: nobody needs to be privileged for the rest.
pub(super) const USER_MODE_ONLY: i32 = 1;
const MODE_WP: u64 = 2;
/// What is told is protected.
const WP_MATCHING: u64 = 1;

/// Written since it was last protected, if ever.
const WRITTEN: Pages = Pages(1 << 1);

/// The page tables of this process, which are asked.
pub struct Written {
    map: Fd,
}

impl Written {
    pub fn open() -> Result<Written, Errno> {
        Fd::open(c"/proc/thread-self/pagemap", libc::O_RDONLY, 0).map(|map| Written { map })
    }

    /// Finds pages of `lo..hi` that are there and were written to: fills `out` from its start, and returns how many runs it wrote
    /// and up to where all is told.
    pub fn look(&self, lo: Addr, hi: Addr, out: &mut [Region]) -> Result<(usize, Addr), Errno> {
        self.scan(lo, hi, WRITTEN.0, 0, out)
    }

    /// The same; where the range is registered, they are protected from now on, too. What is not registered is passed over.
    pub fn take(&self, lo: Addr, hi: Addr, out: &mut [Region]) -> Result<(usize, Addr), Errno> {
        self.scan(lo, hi, WRITTEN.0, WP_MATCHING, out)
    }

    /// Pages that are there at all.
    pub fn present(&self, lo: Addr, hi: Addr, out: &mut [Region]) -> Result<(usize, Addr), Errno> {
        self.scan(lo, hi, 0, 0, out)
    }

    fn scan(
        &self,
        lo: Addr,
        hi: Addr,
        mask: u64,
        flags: u64,
        out: &mut [Region],
    ) -> Result<(usize, Addr), Errno> {
        let there = Pages::PRESENT.0 | Pages::SWAPPED.0;
        let mut arg = ScanArg {
            size: size_of::<ScanArg>() as u64,
            flags,
            start: lo.0 as u64,
            end: hi.0 as u64,
            vec: out.as_mut_ptr() as u64,
            vec_len: out.len() as u64,
            category_mask: mask,
            category_anyof_mask: there,
            return_mask: there,
            ..ScanArg::default()
        };
        let (fd, arg_at) = (self.map.raw() as usize, &raw mut arg as usize);
        // SAFETY: the kernel fills at most `vec_len` regions of the slice and the argument.
        let n = check(unsafe { syscall3(libc::SYS_ioctl, fd, PAGEMAP_SCAN, arg_at) })?;
        let end = Addr((arg.walk_end as usize).min(hi.0));
        // A walk that got nowhere would be asked for for ever.
        if end > lo { Ok((n.min(out.len()), end)) } else { Err(Errno(libc::EIO)) }
    }

    /// Calls `each` with the runs that `ask` tells of in `lo..hi`, through an array of `N`.
    pub fn each<const N: usize>(
        &self,
        (lo, hi): (Addr, Addr),
        ask: impl Fn(&Written, Addr, Addr, &mut [Region]) -> Result<(usize, Addr), Errno>,
        each: &mut dyn FnMut(Addr, Addr),
    ) -> Result<(), Errno> {
        let (mut at, mut out) = (lo, [Region::default(); N]);
        while at < hi {
            let (n, end) = ask(self, at, hi, &mut out)?;
            out[..n].iter().for_each(|r| each(Addr(r.lo), Addr(r.hi)));
            at = end;
        }
        Ok(())
    }
}

/// The right to protect.
pub struct Protection {
    fd: Fd,
}

impl Protection {
    pub fn open() -> Result<Protection, Errno> {
        let flags = (libc::O_CLOEXEC | USER_MODE_ONLY) as usize;
        // SAFETY: an integer.
        let fd = check(unsafe { syscall1(libc::SYS_userfaultfd, flags) })?;
        let fd = Fd::adopt(fd as i32);
        let mut api = [VERSION, WP_ASYNC | WP_UNPOPULATED, 0];
        // SAFETY: three words in and out.
        check(unsafe { syscall3(libc::SYS_ioctl, fd.raw() as usize, API, api.as_mut_ptr() as usize) })?;
        Ok(Protection { fd })
    }

    /// Pages of `lo..hi`, which is mapped in all its length and private memory without a file, may be protected.
    pub fn register(&self, lo: Addr, hi: Addr) -> Result<(), Errno> {
        let mut range = [lo.0 as u64, hi.since(lo) as u64, MODE_WP, 0];
        let at = range.as_mut_ptr() as usize;
        // SAFETY: four words in and out.
        check(unsafe { syscall3(libc::SYS_ioctl, self.fd.raw() as usize, REGISTER, at) }).map(|_| ())
    }

    /// The opposite; nothing in there is protected any more.
    pub fn unregister(&self, lo: Addr, hi: Addr) -> Result<(), Errno> {
        let range = [lo.0 as u64, hi.since(lo) as u64];
        let at = range.as_ptr() as usize;
        // SAFETY: two words.
        check(unsafe { syscall3(libc::SYS_ioctl, self.fd.raw() as usize, UNREGISTER, at) }).map(|_| ())
    }
}

#[cfg(test)]
mod tests;

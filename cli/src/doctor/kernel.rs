//! Kernel features, each one tried.
//!
//! # Safety
//! Each probe is a system call on memory or descriptors that the probe itself made; structures
//! have the kernel's layout and size, and live across the call.
#![allow(unsafe_code)]
use super::Finding;
use gleaner_core::pure::addr::Addr;
use gleaner_core::sys::mapping;
use gleaner_core::sys::pagemap::{PageMap, Region, Want, Way};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

const PAGE: usize = 4096;

pub fn features() -> Vec<Finding> {
    vec![
        version(),
        Finding::of(
            "MAP_FIXED_NOREPLACE",
            noreplace(),
            "the heap grows in place",
            "needs Linux 4.17: the heap grows by new areas",
        ),
        Finding::of(
            "memfd_create",
            memfd(),
            "leak records need no file",
            "leak records are written without names",
        ),
        Finding::of(
            "PROCMAP_QUERY",
            mapping::is_quick(),
            "one mapping is looked up in 0.5 us",
            "needs Linux 6.11: /proc/self/maps is read instead",
        ),
        Finding::of(
            "PAGEMAP_SCAN",
            pagemap_scan(),
            "pages never touched are skipped",
            "needs Linux 6.7: /proc/self/pagemap is read instead",
        ),
        userfaultfd(),
        Finding::of(
            "membarrier",
            membarrier(),
            "cheap hand-shakes with threads",
            "expedited membarrier is refused: fences instead",
        ),
        Finding::of(
            "PR_SET_VMA_ANON_NAME",
            anon_name(),
            "our mappings have names in /proc/PID/maps",
            "our mappings have no names",
        ),
    ]
}

fn version() -> Finding {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|word| word.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match version {
        (0, _) => {
            Finding::degraded("kernel", "/proc is not mounted: roots cannot be listed, nothing is collected")
        }
        (0..=4, _) | (5, 0..=9) => {
            Finding::degraded("kernel", format!("Linux {release}: older than 5.10, not tested"))
        }
        _ => Finding::ok("kernel", format!("Linux {release}")),
    }
}

/// A private page of our own.
struct Page(*mut libc::c_void);
impl Page {
    fn new() -> Option<Page> {
        let (rights, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new anonymous mapping where the kernel likes.
        let page = unsafe { libc::mmap(ptr::null_mut(), PAGE, rights, flags, -1, 0) };
        (page != libc::MAP_FAILED).then_some(Page(page))
    }
}
impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: mapped in new(), used by nobody else.
        unsafe { libc::munmap(self.0, PAGE) };
    }
}

fn noreplace() -> bool {
    let Some(page) = Page::new() else { return false };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: with the flag known, the call fails; unknown, it is a hint and maps elsewhere.
    let other = unsafe { libc::mmap(page.0, PAGE, libc::PROT_NONE, flags, -1, 0) };
    if other == libc::MAP_FAILED {
        return std::io::Error::last_os_error().raw_os_error() == Some(libc::EEXIST);
    }
    // SAFETY: mapped by the call above.
    unsafe { libc::munmap(other, PAGE) };
    false
}

fn memfd() -> bool {
    // SAFETY: a C string; the descriptor is owned at once.
    unsafe {
        let fd = libc::memfd_create(c"gleaner".as_ptr(), libc::MFD_CLOEXEC);
        fd >= 0 && OwnedFd::from_raw_fd(fd).as_raw_fd() >= 0
    }
}

/// Whether the library would scan page tables by the ioctl.
fn pagemap_scan() -> bool {
    let Some(page) = Page::new() else { return false };
    let (lo, mut regions) = (Addr(page.0 as usize), [Region::default()]);
    let mut map = PageMap::open();
    map.scan(lo, lo.add(PAGE), Want::Any, &mut regions);
    matches!(map.way(), Way::ScanGuards | Way::Scan)
}

/// `struct uffdio_api` of linux/userfaultfd.h.
#[repr(C)]
struct UffdApi {
    api: u64,
    features: u64,
    ioctls: u64,
}
const UFFDIO_API: libc::Ioctl = iowr(0xaa, 0x3f, size_of::<UffdApi>());
const UFFD_API: u64 = 0xaa;
const UFFD_USER_MODE_ONLY: libc::c_int = 1;
const WP_UNPOPULATED: u64 = 1 << 13;
const WP_ASYNC: u64 = 1 << 15;

fn userfaultfd() -> Finding {
    const NAME: &str = "userfaultfd WP_ASYNC";
    const LOST: &str = "collections of large heaps use fork instead of write tracking";
    // SAFETY: flags only; the descriptor is owned at once.
    let fd = unsafe {
        let fd = libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | UFFD_USER_MODE_ONLY);
        if fd < 0 {
            let why = crate::failure::plain(&std::io::Error::last_os_error());
            return Finding::degraded(NAME, format!("{why}: {LOST}"));
        }
        OwnedFd::from_raw_fd(fd as i32)
    };
    let mut api = UffdApi { api: UFFD_API, features: 0, ioctls: 0 };
    // SAFETY: the kernel reads and writes the structure.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), UFFDIO_API, &raw mut api) } == 0;
    let wanted = WP_ASYNC | WP_UNPOPULATED;
    let lost = format!("needs Linux 6.7: {LOST}");
    Finding::of(NAME, done && api.features & wanted == wanted, "writes can be tracked while marking", &lost)
}

fn membarrier() -> bool {
    const QUERY: libc::c_int = 0;
    const PRIVATE_EXPEDITED: libc::c_long = 1 << 3;
    // SAFETY: numbers only.
    let commands = unsafe { libc::syscall(libc::SYS_membarrier, QUERY, 0, 0) };
    commands >= 0 && commands & PRIVATE_EXPEDITED != 0
}

fn anon_name() -> bool {
    const PR_SET_VMA: libc::c_int = 0x5356_4d41;
    const PR_SET_VMA_ANON_NAME: libc::c_ulong = 0;
    let Some(page) = Page::new() else { return false };
    // SAFETY: names a page of ours; the kernel copies the C string.
    unsafe { libc::prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, page.0, PAGE, c"gleaner".as_ptr()) == 0 }
}

/// `_IOWR(kind, number, size)`.
const fn iowr(kind: u8, number: u8, size: usize) -> libc::Ioctl {
    (3 << 30 | (size as libc::Ioctl) << 16 | (kind as libc::Ioctl) << 8 | number as libc::Ioctl)
        as libc::Ioctl
}

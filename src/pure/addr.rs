//! Addresses and sizes, and the one door from an integer to a pointer.
//!
//! gleaner handles memory that no Rust allocation made: it comes from mmap, or belongs to the
//! host. So an [`Addr`] is an integer, and [`Addr::ptr`] (an *exposed provenance* cast) is the
//! only place where an integer becomes a pointer again.

/// The unit of the page allocator, in bytes: the processor's small page.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;
/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: usize = 12;
/// User-space addresses on x86-64 with four-level paging are below `1 << ADDR_BITS`.
pub const ADDR_BITS: usize = 47;

/// A byte address in this process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Addr(pub usize);

impl Addr {
    pub const NULL: Addr = Addr(0);

    /// The integer as a pointer. Making one is safe; reading through it needs its own proof.
    #[inline(always)]
    pub fn ptr<T>(self) -> *mut T {
        core::ptr::with_exposed_provenance_mut(self.0)
    }
    /// The address of a pointer.
    #[inline(always)]
    pub fn of<T: ?Sized>(p: *const T) -> Addr {
        Addr(p.expose_provenance())
    }
    #[inline(always)]
    #[allow(clippy::should_implement_trait)]
    pub const fn add(self, bytes: usize) -> Addr {
        Addr(self.0.wrapping_add(bytes))
    }
    /// Bytes from `base` up to here.
    #[inline(always)]
    pub const fn since(self, base: Addr) -> usize {
        self.0.wrapping_sub(base.0)
    }
    #[inline(always)]
    pub const fn align_down(self, align: usize) -> Addr {
        Addr(self.0 & !(align - 1))
    }
    #[inline(always)]
    pub const fn align_up(self, align: usize) -> Addr {
        Addr(round_up(self.0, align))
    }
    #[inline(always)]
    pub const fn is_aligned(self, align: usize) -> bool {
        self.0 & (align - 1) == 0
    }
}

impl core::fmt::Debug for Addr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// `n` rounded up to a multiple of `align` (a power of two); wraps past `usize::MAX` to 0.
#[inline(always)]
pub const fn round_up(n: usize, align: usize) -> usize {
    n.wrapping_add(align - 1) & !(align - 1)
}

/// Whole pages that `bytes` need.
#[inline(always)]
pub const fn pages_for(bytes: usize) -> usize {
    bytes.div_ceil(PAGE_SIZE)
}

//! What the heap says of itself: mallinfo, malloc_info, malloc_stats, malloc_trim.
use crate::ground::critical::{self, Critical};
use crate::ground::out::Line;
use crate::heap::kept::{self, Which};
use crate::heap::{bins, cache, live, release};
use crate::heap::{buried, quarantine};
use crate::pages;
use crate::pure::addr::PAGE_SIZE;
use crate::spans::class::{COUNT, SIZE};
use crate::spans::slab;
use crate::spans::span::kind;
use crate::sys::{errno, file};
use core::fmt::Write;

/// Bytes and counts of the heap, now.
#[derive(Clone, Copy, Default, Debug)]
pub struct Figures {
    /// Address space of the page allocator.
    pub mapped: usize,
    /// Objects with mappings of their own, and their bytes.
    pub huge: usize,
    pub huge_bytes: usize,
    /// Bytes in objects, huge ones included.
    pub live: usize,
    /// Free and resident: in spans and in free pages.
    pub free: usize,
    /// Free pages that are resident.
    pub free_pages: usize,
    pub spans: usize,
}

pub fn figures() -> Figures {
    let stats = pages::stats();
    let mut f = Figures {
        mapped: stats.mapped * PAGE_SIZE,
        free_pages: stats.free_resident * PAGE_SIZE,
        live: live::exact(),
        ..Figures::default()
    };
    slab::for_each(|span| {
        f.spans += 1;
        if span.kind() == kind::HUGE {
            f.huge += 1;
            f.huge_bytes += span.size.get();
        }
    });
    f.free = (stats.in_use * PAGE_SIZE + f.free_pages).saturating_sub(f.live - f.huge_bytes.min(f.live));
    f
}

/// Gives free memory back to the OS. True if any was given.
pub fn trim() -> bool {
    let _errno = errno::Saved::new();
    trim_all(&critical::enter())
}

/// Gives back what this thread and the page allocator keep: memory first, then address space.
pub fn trim_all(critical: &Critical) -> bool {
    quarantine::give_all(critical);
    let cache = cache::current();
    if !cache.is_empty() {
        bins::give_all(critical, cache);
        release::give_spares(critical, cache);
        cache.flush_pages(critical);
    }
    buried::give_all(critical);
    kept::age(critical, Which::All);
    let released = pages::scavenge(critical, usize::MAX);
    released + pages::trim(critical, 0) != 0
}

/// Free slots by class: with the threads, and with the spans as far as they were ever handed out.
struct FreeSlots {
    at_hand: [usize; COUNT],
    in_spans: [usize; COUNT],
}

impl FreeSlots {
    fn count() -> FreeSlots {
        let mut free = FreeSlots { at_hand: [0; COUNT], in_spans: [0; COUNT] };
        cache::for_each(|cache| {
            for (class, count) in free.at_hand.iter_mut().enumerate().skip(1) {
                *count += cache.bin(class).count_all();
            }
        });
        slab::for_each(|span| {
            let class = span.class.get() as usize;
            if span.kind() == kind::SLOTS && (1..COUNT).contains(&class) {
                free.in_spans[class] += span.extended.get().saturating_sub(span.used.get()) as usize;
            }
        });
        free
    }
    /// How many are in `of`, and their bytes.
    fn sum(of: &[usize; COUNT]) -> (usize, usize) {
        of.iter()
            .zip(SIZE)
            .fold((0, 0), |(n, bytes), (&count, size)| (n + count, bytes + count * size as usize))
    }
}

/// The XML document of malloc_info(3): of each size class the free blocks, "fast" what the threads have at hand, "rest"
/// all else that is free.
pub fn xml(write: &mut dyn FnMut(&[u8])) {
    let f = figures();
    let free = FreeSlots::count();
    let mut line = Line::new();
    let _ = write!(line, "<malloc version=\"gleaner-1\">\n<heap nr=\"0\">\n<sizes>\n");
    write(line.as_bytes());
    for class in 1..COUNT {
        let count = free.at_hand[class] + free.in_spans[class];
        if count != 0 {
            let (from, to) = (SIZE[class - 1] + 1, SIZE[class]);
            let total = count * to as usize;
            let mut line = Line::new();
            let _ =
                writeln!(line, "  <size from=\"{from}\" to=\"{to}\" total=\"{total}\" count=\"{count}\"/>");
            write(line.as_bytes());
        }
    }
    let (fast, fast_bytes) = FreeSlots::sum(&free.at_hand);
    let mut line = Line::new();
    let _ = write!(
        line,
        "</sizes>\n<total type=\"fast\" count=\"{}\" size=\"{}\"/>\n<total type=\"rest\" count=\"{}\" size=\"{}\"/>\n\
         <system type=\"current\" size=\"{}\"/>\n<aspace type=\"total\" size=\"{}\"/>\n</heap>\n\
         <total type=\"mmap\" count=\"{}\" size=\"{}\"/>\n<system type=\"current\" size=\"{}\"/>\n</malloc>\n",
        fast,
        fast_bytes,
        FreeSlots::sum(&free.in_spans).0,
        f.free.saturating_sub(fast_bytes),
        f.mapped,
        f.mapped,
        f.huge,
        f.huge_bytes,
        f.mapped + f.huge_bytes
    );
    write(line.as_bytes());
}

/// malloc_stats(3): a few lines on stderr.
pub fn print() {
    let _errno = errno::Saved::new();
    let f = figures();
    let mut line = Line::new();
    let _ = write!(
        line,
        "gleaner heap:\nsystem bytes     = {:>10}\nin use bytes     = {:>10}\nfree bytes       = {:>10}\n\
         mmapped regions  = {:>10}\nmmapped bytes    = {:>10}\n",
        f.mapped + f.huge_bytes,
        f.live,
        f.free,
        f.huge,
        f.huge_bytes
    );
    let _ = file::write_all(2, line.as_bytes());
}

//! Growth: memory that the program can still reach, and has more of at each check.
//!
//! A cache without a bound leaks nothing and eats the machine all the same. Each check of a program that goes on counts
//! the live bytes of each call stack, and remembers what the last one counted and when the stack was
//! first seen. What rose since the last check, and at most of the checks before, is told.
//!
//! # Shape
//! A table by stack, open addressing, at most half full, of 56 bytes a stack, in a region that stays for the
//! next check and of which more and more is used. Counting one object is a look-up; neighbours mostly have one stack, so the last one
//! is tried first. Nothing is kept of single objects. Where a copy of the process does the checks, region and
//! [`Growth`] are in memory that both share.
//!
//! # Safety
//! The region has room for `most` entries, zeroed at first, and belongs to the holder of the cycle's lock (who has the
//! one [`Growth`]), or to the copy that works for him.
#![allow(unsafe_code)]
use super::history::{self, Top};
use super::scratch::{Full, List};
use super::types;
use crate::ground::critical::Critical;
use crate::pure::addr::Addr;

/// One call stack over the checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Site {
    /// The depot's number; 0: the entry is free.
    stack: u32,
    /// Checks since the stack was first seen, and at how many of them it had more bytes than at the one before.
    checks: u16,
    rises: u16,
    bytes: u64,
    objects: u64,
    last_bytes: u64,
    last_objects: u64,
    first_bytes: u64,
    /// When it was first seen, milliseconds; a stack that is new at a check had nothing at the one before.
    first_ms: u64,
    /// One of its objects: what is said of it is likely true of the others.
    sample: usize,
}
const _: () = assert!(size_of::<Site>() == 64);

/// A site that grows, as it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Growing {
    pub stack: u32,
    /// Now.
    pub bytes: u64,
    pub objects: u64,
    /// Since the last check. Objects may have become fewer and larger.
    pub more_bytes: u64,
    pub more_objects: i64,
    /// Since it was first seen.
    pub rate: u64,
    pub age_ms: u64,
    pub checks: u16,
    pub rises: u16,
    /// One of its objects, and the number of that one's type ([`super::types`]), which whoever asks fills in.
    pub sample: usize,
    pub of: u16,
}

/// What is kept from check to check.
pub struct Growth {
    at: Addr,
    /// Entries that the region has room for, and those that are used now: a power of two.
    most: usize,
    room: usize,
    len: usize,
    /// Checks so far, and when the last one was.
    checks: u32,
    last_ms: u64,
    /// The entry that was counted last.
    hot: usize,
    /// There was no memory for all: nothing is told.
    full: bool,
}

/// Live memory of one stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Live {
    pub stack: u32,
    pub bytes: u64,
    pub objects: u64,
}
/// So many of them are told at most.
const LARGEST: usize = 150;

const FIRST_ROOM: usize = 4096;
/// So many sites are told at most.
const MOST: usize = 40;
/// Less than this since the last check is no news, bytes.
const LEAST: u64 = 1024;

impl Growth {
    /// # Safety
    /// The region is zeroed, and nobody else's from now on.
    pub unsafe fn new(at: Addr, bytes: usize) -> Growth {
        let most = bytes / size_of::<Site>();
        Growth { at, most, room: 0, len: 0, checks: 0, last_ms: 0, hot: 0, full: false }
    }

    /// Forgets all checks: one broke off in the middle.
    pub fn forget(&mut self) {
        self.sites().fill(Site::default());
        *self = Growth {
            at: self.at,
            most: self.most,
            room: self.room,
            len: 0,
            checks: 0,
            last_ms: 0,
            hot: 0,
            full: false,
        };
    }

    fn sites(&mut self) -> &mut [Site] {
        if self.room == 0 {
            return &mut [];
        }
        // SAFETY: see the chapter above; borrowed through `self`.
        unsafe { core::slice::from_raw_parts_mut(self.at.ptr::<Site>(), self.room) }
    }

    /// A check begins.
    pub fn begin(&mut self, critical: &Critical) {
        self.full = self.room == 0 && self.enlarge(critical).is_err();
        self.hot = 0;
        for site in self.sites() {
            (site.last_bytes, site.last_objects) = (site.bytes, site.objects);
            (site.bytes, site.objects) = (0, 0);
        }
    }

    /// A live object.
    #[inline]
    pub fn add(&mut self, critical: &Critical, stack: u32, at: Addr, bytes: usize) {
        if self.full {
            return;
        }
        let hot = self.hot;
        if self.sites()[hot].stack != stack && self.find(critical, stack).is_err() {
            self.full = true;
            return;
        }
        let hot = self.hot;
        let site = &mut self.sites()[hot];
        site.bytes += bytes as u64;
        site.objects += 1;
        site.sample = at.0;
    }

    /// Makes the stack's entry the hot one.
    fn find(&mut self, critical: &Critical, stack: u32) -> Result<(), Full> {
        let at = place(self.sites(), stack);
        if self.sites()[at].stack == stack {
            self.hot = at;
            return Ok(());
        }
        if (self.len + 1) * 2 > self.room {
            self.enlarge(critical)?;
            return self.find(critical, stack);
        }
        self.sites()[at].stack = stack;
        self.len += 1;
        self.hot = at;
        Ok(())
    }

    fn enlarge(&mut self, critical: &Critical) -> Result<(), Full> {
        let room = (self.room * 2).max(FIRST_ROOM);
        if room > self.most {
            return Err(Full);
        }
        let mut kept: List<Site> = List::new(critical);
        kept.reserve(self.len)?;
        for site in self.sites().iter_mut().filter(|site| site.stack != 0) {
            kept.push(core::mem::take(site))?;
        }
        // What is new was never written.
        self.room = room;
        let sites = self.sites();
        for site in kept.iter() {
            let at = place(sites, site.stack);
            sites[at] = *site;
        }
        self.hot = 0;
        Ok(())
    }

    /// Who had most at the last check, the most first.
    pub fn top(&mut self) -> [Top; history::TOP] {
        let mut top = [Top::default(); history::TOP];
        for site in self.sites().iter() {
            if site.bytes <= top[history::TOP - 1].bytes {
                continue;
            }
            let at = top.partition_point(|other| other.bytes >= site.bytes);
            top[at..].rotate_right(1);
            top[at] = Top { stack: site.stack, bytes: site.bytes };
        }
        top
    }

    /// The check has counted everything. What grows, the most first; nothing at the first check.
    pub fn end<'c>(&mut self, critical: &'c Critical, now_ms: u64) -> List<'c, Growing> {
        let mut told = List::new(critical);
        let (first, before) = (self.checks == 0, self.last_ms);
        if self.full {
            return told;
        }
        (self.checks, self.last_ms) = (self.checks.saturating_add(1), now_ms);
        for site in self.sites().iter_mut().filter(|site| site.stack != 0) {
            let is_new = site.checks == 0;
            if is_new && first {
                (site.checks, site.first_bytes, site.first_ms) = (1, site.bytes, now_ms);
                continue;
            }
            if is_new {
                (site.checks, site.first_ms) = (1, before);
            }
            site.checks = site.checks.saturating_add(1);
            site.rises = site.rises.saturating_add(u16::from(site.bytes > site.last_bytes));
            // Without memory for the list, less is told.
            if let Some(growing) = growing(site, now_ms)
                && told.push(growing).is_err()
            {
                break;
            }
        }
        told.sort_unstable_by_key(|site| (core::cmp::Reverse(site.more_bytes), site.stack));
        told.truncate(MOST);
        told
    }

    /// When the check has ended: the stacks that have most, the most first.
    pub fn largest<'c>(&mut self, critical: &'c Critical) -> List<'c, Live> {
        let mut told = List::new(critical);
        for site in self.sites().iter().filter(|site| site.stack != 0 && site.bytes > 0) {
            let live = Live { stack: site.stack, bytes: site.bytes, objects: site.objects };
            // Without memory for the list, less is told.
            if told.push(live).is_err() {
                break;
            }
        }
        told.sort_unstable_by_key(|site| (core::cmp::Reverse(site.bytes), site.stack));
        told.truncate(LARGEST);
        told
    }
}

/// At this check, and at two of three since it was first seen.
fn growing(site: &Site, now_ms: u64) -> Option<Growing> {
    let more = site.bytes.checked_sub(site.last_bytes).filter(|&more| more >= LEAST)?;
    let steadily = u32::from(site.rises) * 3 >= (u32::from(site.checks) - 1) * 2;
    let age_ms = now_ms.saturating_sub(site.first_ms);
    let risen = site.bytes.saturating_sub(site.first_bytes);
    steadily.then(|| Growing {
        stack: site.stack,
        bytes: site.bytes,
        objects: site.objects,
        more_bytes: more,
        more_objects: site.objects as i64 - site.last_objects as i64,
        rate: (u128::from(risen) * 1000 / u128::from(age_ms.max(1))) as u64,
        age_ms,
        checks: site.checks,
        rises: site.rises,
        sample: site.sample,
        of: types::NONE,
    })
}

/// Where `stack` is, or the free entry for it.
fn place(sites: &[Site], stack: u32) -> usize {
    let mask = sites.len() - 1;
    let mut at = stack.wrapping_mul(0x9e37_79b1) as usize & mask;
    while sites[at].stack != stack && sites[at].stack != 0 {
        at = (at + 1) & mask;
    }
    at
}

#[cfg(test)]
mod tests;

//! What holds what grows: one more look at all words ([`crate::leak::holders`]).
//!
//! # Safety
//! The world is stopped, or this is a copy of it. What the roots show can be read; so can objects of the heap, but in pages that
//! the program protected, which are copied.
#![allow(unsafe_code)]
use super::world::Process;
use crate::gc::{Abandon, Marked, Object};
use crate::ground::critical::Critical;
use crate::heap::stacks;
use crate::leak::growth::Growing;
use crate::leak::holders::{From, Holders, Way};
use crate::leak::modules;
use crate::leak::scratch::List;
use crate::leak::unwind::EXACT;
use crate::pure::addr::Addr;
use crate::roots::{RootKind, RootVisitor, Words};
use crate::sys::copy;

/// So many of what grows are looked for.
const TOLD: usize = 8;
/// With the program stopped a larger heap is not looked at again, bytes.
const STOPPED_MOST: usize = 64 << 20;

/// The ways to what grows, as far as they can be known.
pub fn find<'c>(
    critical: &'c Critical,
    marked: &Marked,
    host: &mut Process<'_>,
    growing: &[Growing],
) -> Result<List<'c, Way>, Abandon> {
    let mut ways = List::new(critical);
    let is_long = !copy::is_copy() && marked.found.reachable().bytes > STOPPED_MOST;
    if growing.is_empty() || is_long {
        return Ok(ways);
    }
    let mut holders = Holders::new(critical).map_err(|_| Abandon::NoMemory)?;
    host.show_all(&mut Look(marked, &mut holders))?;
    heap(marked, host, &mut holders)?;
    for site in growing.iter().take(TOLD) {
        let way = holders.way(site.stack);
        if let Some((_, home)) = way.root {
            // The record shall have its module, which no stack may lead through.
            modules::note(critical, &[home | EXACT]);
        }
        ways.push(way).map_err(|_| Abandon::NoMemory)?;
    }
    Ok(ways)
}

fn origin(object: &Object) -> u32 {
    match object.origin().stack {
        stacks::IGNORED => 0,
        stack => stack,
    }
}

/// # Safety
/// The words of `lo..hi` are readable.
unsafe fn words(marked: &Marked, holders: &mut Holders<'_>, from: From, (lo, hi): (Addr, Addr), home: Addr) {
    const LOWEST: usize = 1 << 16;
    let start = lo.align_up(size_of::<usize>());
    for n in 0..hi.0.saturating_sub(start.0) / size_of::<usize>() {
        let at = start.add(n * size_of::<usize>());
        // SAFETY: the caller's promise; volatile, as it is not Rust's.
        let word = unsafe { at.ptr::<usize>().read_volatile() };
        if word >= LOWEST
            && let Some(object) = marked.object(word)
        {
            holders.add(from, home.0.wrapping_add(at.since(lo)), origin(&object));
        }
    }
}

struct Look<'a, 'c>(&'a Marked, &'a mut Holders<'c>);
impl RootVisitor for Look<'_, '_> {
    fn words(&mut self, seen: Words) {
        if seen.kind != RootKind::Code {
            // SAFETY: readable during the call, as visitors are promised.
            unsafe { words(self.0, self.1, From::Root(seen.kind), (seen.lo, seen.hi), seen.home) };
        }
    }
}

fn heap(marked: &Marked, host: &mut Process<'_>, holders: &mut Holders<'_>) -> Result<(), Abandon> {
    let mut done = Ok(());
    marked.each_reachable(|object| {
        let from = From::Stack(origin(&object));
        // SAFETY: what the host shows of an object can be read.
        let mut look = |lo: Addr, hi: Addr| unsafe { words(marked, holders, from, (lo, hi), lo) };
        if done.is_ok() {
            done = host.object(marked, object.addr(), object.size(), &mut look);
        }
    });
    done
}

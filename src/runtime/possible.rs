//! Which unreachable objects are held in disguise: one more look at all words ([`crate::leak::possible`]).
//!
//! # Safety
//! The world is stopped, or this is a copy of it. What the roots show can be read; so can objects of the heap, but in pages that
//! the program protected, which are copied.
#![allow(unsafe_code)]
use super::world::{Process, SPARSE};
use crate::gc::{Abandon, Marked, World};
use crate::ground::critical::Critical;
use crate::leak::group::{Edges, Object};
use crate::leak::possible::Possible;
use crate::pure::addr::Addr;
use core::cell::RefCell;

/// Calls with the parts of an object that can be read, or with copies of them.
pub fn parts(
    marked: &Marked,
    host: &RefCell<&mut Process<'_>>,
    object: &Object,
    each: &mut dyn FnMut(Addr, Addr),
) {
    let (lo, hi) = (Addr(object.addr), Addr(object.addr).add(object.size));
    if object.size < SPARSE && marked.is_readable(lo, object.size) {
        return each(lo, hi);
    }
    // Gigabytes may be leaked of which nothing was ever touched. What cannot be read leads nowhere: then more objects are
    // called direct.
    let read = host.borrow_mut().large(lo, hi, each);
    let _: Result<(), Abandon> = read;
}

/// Sets the kinds of those of `objects`, which are sorted by address.
pub fn find(
    critical: &Critical,
    marked: &Marked,
    host: &RefCell<&mut Process<'_>>,
    objects: &mut [Object],
    edges: &dyn Edges,
) -> Result<(), Abandon> {
    if objects.is_empty() {
        return Ok(());
    }
    let mut possible = Possible::new(critical, objects).map_err(|_| Abandon::NoMemory)?;
    let lost = &*objects;
    // SAFETY: roots that are shown can be read.
    host.borrow_mut().roots(&mut |lo, hi| unsafe { possible.look(lost, lo, hi) })?;
    let mut done = Ok(());
    marked.each_reachable(|object| {
        let (lo, hi) = (object.addr(), object.addr().add(object.size()));
        // SAFETY: an object of the heap, readable; or a copy of it.
        let mut look = |lo: Addr, hi: Addr| unsafe { possible.look(lost, lo, hi) };
        if done.is_err() {
        } else if object.size() < SPARSE && marked.is_readable(lo, object.size()) {
            look(lo, hi);
        } else {
            done = host.borrow_mut().large(lo, hi, &mut look);
        }
    });
    done?;
    possible.settle(objects, edges, &|object, each| parts(marked, host, object, each));
    Ok(())
}

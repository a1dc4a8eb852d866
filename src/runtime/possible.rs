//! Which unreachable objects are held in disguise: one more look at all words ([`crate::leak::possible`]).
//!
//! # Safety
//! The world is stopped, or this is a copy of it. What the roots show can be read; so can objects of the heap, but in pages that
//! the program protected, which are copied.
#![allow(unsafe_code)]
use super::world::Process;
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
    // What cannot be read leads nowhere: then more objects are called direct.
    let read = host.borrow_mut().object(marked, Addr(object.addr), object.size, each);
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
        // SAFETY: what the host shows of an object can be read.
        let mut look = |lo: Addr, hi: Addr| unsafe { possible.look(lost, lo, hi) };
        if done.is_ok() {
            done = host.borrow_mut().object(marked, object.addr(), object.size(), &mut look);
        }
    });
    done?;
    possible.settle(objects, edges, &|object, each| parts(marked, host, object, each));
    Ok(())
}

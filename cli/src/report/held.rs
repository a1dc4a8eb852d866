//! What holds what grows: names for a root, and for the stacks on the way from there.
use super::{flat, site, stack};
use crate::names::{Frame, Names};
use crate::record::{Record, Way};
use std::rc::Rc;

/// From the root down; equal neighbours once.
pub fn by<'a>(record: &'a Record, names: &mut Names<'a>, way: &Way) -> Vec<String> {
    let root = way.root.as_ref().map(|(kind, address)| match names.variable(record, *address) {
        Some(name) => format!("the variable {name}"),
        None => place(record, kind, *address),
    });
    let mut all: Vec<String> = root.into_iter().collect();
    for id in &way.through {
        let stack: Vec<Rc<[Frame]>> = stack(record, *id).iter().map(|pc| names.frames(record, *pc)).collect();
        let frames: Vec<&Frame> = flat(&stack).collect();
        let own = site::own(record, &frames);
        all.push(own.map_or("an unknown place".to_owned(), |at| site::label(record, frames[at])));
    }
    all.dedup();
    all
}

fn place(record: &Record, kind: &str, address: u64) -> String {
    if let Some(module) = record.module_of(address).map(|index| &record.modules[index]) {
        let path = module.path.to_string_lossy();
        return format!("data of {}+{:#x}", site::base(&path), address.wrapping_sub(module.bias));
    }
    match kind {
        "registers" => "a register".into(),
        "stack" => "a stack".into(),
        "ended-thread" => "a thread that ended".into(),
        "kernel" => "the kernel (epoll, a timer)".into(),
        "shared" => "shared memory".into(),
        _ => "memory that the program mapped".into(),
    }
}

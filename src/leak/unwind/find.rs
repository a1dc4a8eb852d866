//! Which loaded object holds this code address, and where are its unwind tables?
//!
//! `_dl_find_object` (glibc 2.35) answers in 4 ns without a lock, whatever other threads load or
//! unload meanwhile. It is found by reading libc's own symbol table, once: dlsym would
//! take the loader's lock, and calls malloc when a symbol is missing. On older glibc the
//! kernel's list of mappings answers instead, in some tens of microseconds; the rule cache makes
//! that a cost per call site. `dl_iterate_phdr` was rejected: it takes the loader's lock, which
//! a thread inside dlopen, calling us from a constructor's malloc, may hold for ever.
//!
//! # Safety
//! The function pointer has glibc's documented type. Images are those of code addresses that
//! the caller's stack returns to, so they stay loaded while they are looked at; an address that
//! merely looks like one is harmless, since only what the loader or the kernel says is mapped is
//! read.
#![allow(unsafe_code)]
use crate::leak::elf::Image;
use crate::pure::addr::Addr;
use crate::sys::mapping;
use crate::sys::maps::{self, Mapping, Perms};
use crate::sys::path::Path;
use core::sync::atomic::{AtomicUsize, Ordering};

/// glibc's `struct dl_find_object`.
#[repr(C)]
struct Found {
    flags: u64,
    map_start: usize,
    map_end: usize,
    link_map: usize,
    eh_frame: usize,
    reserved: [u64; 7],
}
const _: () = assert!(size_of::<Found>() == 96);

type FindObject = unsafe extern "C" fn(usize, *mut Found) -> i32;

/// A loaded object.
#[derive(Clone, Copy)]
pub struct Object {
    pub image: Image,
    /// The loader's `struct link_map`, or 0.
    pub link_map: usize,
}

/// `_dl_find_object`: 0 = not looked for yet, 1 = there is none, else its address.
static FINDER: AtomicUsize = AtomicUsize::new(0);
const ABSENT: usize = 1;

/// The object that holds the code address `pc`; `None` for generated code and wild addresses.
pub fn object(pc: usize) -> Option<Object> {
    match finder() {
        Some(find) => by_loader(find, pc),
        None => by_kernel(pc),
    }
}

fn finder() -> Option<FindObject> {
    let mut at = FINDER.load(Ordering::Relaxed);
    if at == 0 {
        at = search().unwrap_or(ABSENT);
        FINDER.store(at, Ordering::Relaxed);
    }
    if at == ABSENT {
        return None;
    }
    // SAFETY: the loader's exported `_dl_find_object`, of this type since it exists.
    Some(unsafe { core::mem::transmute::<usize, FindObject>(at) })
}

/// libc exports it. libc is the object that holds one of its functions, or, where a program
/// without position-independent code has put a stub of its own in between, the one of that name.
fn search() -> Option<usize> {
    const NAME: &[u8] = b"_dl_find_object";
    if let Some(at) = by_kernel(libc::getauxval as *const () as usize).and_then(|o| o.image.symbol(NAME)) {
        return Some(at);
    }
    let mut base = None;
    each(&mut |mapping| {
        let name = mapping.name.rsplit(|&b| b == b'/').next().unwrap_or_default();
        if base.is_none() && is_first(mapping) && name.starts_with(b"libc.so.") {
            base = Some(mapping.lo.0);
        }
    });
    // SAFETY: libc is never unmapped.
    unsafe { Image::at(base?)? }.symbol(NAME)
}

fn by_loader(find: FindObject, pc: usize) -> Option<Object> {
    let mut found = Found { flags: 0, map_start: 0, map_end: 0, link_map: 0, eh_frame: 0, reserved: [0; 7] };
    // SAFETY: the struct is glibc's; any address may be asked about.
    if unsafe { find(pc, &mut found) } != 0 {
        return None;
    }
    // SAFETY: the loader vouches for the object (see the chapter on safety).
    let image = unsafe { Image::at(found.map_start)? };
    Some(Object { image, link_map: found.link_map })
}

/// The object by the mappings: the nearest one at or below `pc` with offset 0 and the same file.
fn by_kernel(pc: usize) -> Option<Object> {
    let mut first = None;
    let mut base = None;
    each(&mut |mapping| {
        let named = !mapping.name.is_empty();
        if is_first(mapping) && named && !mapping.name.starts_with(b"[heap") {
            first = Some((mapping.lo.0, mapping.inode));
        }
        if mapping.lo.0 <= pc && pc < mapping.hi.0 {
            base = first.filter(|&(_, inode)| inode == mapping.inode && named).map(|(start, _)| start);
        }
    });
    // SAFETY: the kernel just listed the page as readable (see the chapter on safety).
    let image = unsafe { Image::at(base?)? };
    (pc < image.end).then_some(Object { image, link_map: 0 })
}

/// Every mapping with its path. A list that cannot be read shows none.
fn each(visit: &mut dyn FnMut(&Mapping<'_>)) {
    let _: Result<(), maps::MapsError> = maps::for_each_path(visit);
}

/// The first mapping of a file, where its ELF header is.
fn is_first(mapping: &Mapping<'_>) -> bool {
    mapping.offset == 0 && mapping.perms.has(Perms::READ)
}

/// Whether an object noted earlier is still there. Reads nothing of it: another thread may be
/// unloading it.
pub fn is_loaded(start: usize, end: usize, link_map: usize) -> bool {
    match finder() {
        Some(find) => {
            let mut found =
                Found { flags: 0, map_start: 0, map_end: 0, link_map: 0, eh_frame: 0, reserved: [0; 7] };
            // SAFETY: the struct is glibc's; any address may be asked about.
            let is = unsafe { find(start, &mut found) } == 0;
            is && (found.map_start, found.link_map) == (start, link_map) && found.map_end <= end
        }
        None => {
            mapping::holding(Addr(start)).is_some_and(|m| m.lo.0 == start && m.offset == 0 && m.inode != 0)
        }
    }
}

/// The path of an object: the loader's name for it, else the kernel's.
pub fn path_of(object: &Object, path: &mut Path) {
    path.set(b"");
    if object.link_map != 0 {
        // SAFETY: a live object's link_map is { l_addr, l_name, .. }; the name is a C string.
        let name = unsafe {
            let text = Addr(object.link_map + 8).ptr::<*const core::ffi::c_char>().read();
            (!text.is_null()).then(|| core::ffi::CStr::from_ptr(text))
        };
        path.set(name.map(|n| n.to_bytes()).unwrap_or_default());
    }
    // The program itself has an empty name; a path that is not absolute depends on the directory.
    if !path.as_bytes().starts_with(b"/") {
        each(&mut |mapping| {
            if mapping.lo.0 == object.image.start && !mapping.name.is_empty() {
                path.set(mapping.name);
            }
        });
    }
}

/// Whether the loader answers, not the kernel's list: glibc 2.35 and later.
pub fn has_loader() -> bool {
    finder().is_some()
}

#[cfg(test)]
pub mod only_by_kernel {
    //! For tests: the answer that an old glibc would get.
    pub fn object(pc: usize) -> Option<super::Object> {
        super::by_kernel(pc)
    }
}

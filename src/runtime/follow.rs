//! `follow=no`: programs that this one executes run without us.
//!
//! The library leaves LD_PRELOAD in the environment that the program hands on: in place, before the program has seen it.
//!
//! # Safety
//! Before the program's code runs, `environ` is the array that the kernel laid down, of strings on the stack that may
//! be written to.
#![allow(unsafe_code)]
use crate::leak::unwind;
use crate::leak::unwind::find;
use crate::sys::path::Path;
use core::ffi::{CStr, c_char};

const NAME: &[u8] = b"LD_PRELOAD=";

/// Takes our path out of LD_PRELOAD.
pub fn no_more() {
    unsafe extern "C" {
        static environ: *mut *mut c_char;
    }
    let mut library = Path::new();
    let here = unwind::capture as fn(&mut [usize]) -> usize as usize;
    if let Some(object) = find::object(here) {
        find::path_of(&object, &mut library);
    }
    // SAFETY: see the chapter above.
    unsafe {
        let mut at = environ;
        while !at.is_null() && !(*at).is_null() {
            let text = CStr::from_ptr(*at).to_bytes();
            if text.starts_with(NAME) {
                let text = core::slice::from_raw_parts_mut((*at).cast::<u8>(), text.len() + 1);
                if without(&mut text[NAME.len()..], library.as_bytes()) == 0 {
                    return drop_entry(at);
                }
            }
            at = at.add(1);
        }
    }
}

/// # Safety
/// `at` is in an array that ends with NULL.
unsafe fn drop_entry(mut at: *mut *mut c_char) {
    // SAFETY: the caller's promise.
    unsafe {
        while !(*at).is_null() {
            *at = *at.add(1);
            at = at.add(1);
        }
    }
}

/// Takes `library`, or what bears its name, out of a list that ends with NUL; the new length.
fn without(list: &mut [u8], library: &[u8]) -> usize {
    let base = |path: &[u8]| path.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
    let name = &library[base(library)..];
    let (mut from, mut to) = (0, 0);
    while from < list.len() {
        let end =
            list[from..].iter().position(|b| matches!(b, b':' | b' ' | 0)).map_or(list.len(), |n| from + n);
        let entry = &list[from..end];
        let ours = !name.is_empty() && &entry[base(entry)..] == name;
        let last = list.get(end).is_none_or(|&b| b == 0);
        if !ours && !entry.is_empty() {
            let before = usize::from(to > 0);
            list.copy_within(from..end, to + before);
            if before == 1 {
                list[to] = b':';
            }
            to += before + end - from;
        }
        if last {
            break;
        }
        from = end + 1;
    }
    if let Some(end) = list.get_mut(to) {
        *end = 0;
    }
    to
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn only_we_leave() {
        for (list, left) in [
            ("/x/libgleaner.so", ""),
            ("/x/libgleaner.so:/y/other.so", "/y/other.so"),
            ("/a.so:/x/libgleaner.so:/b.so", "/a.so:/b.so"),
            ("/a.so libgleaner.so", "/a.so"),
            ("/a.so::/b.so", "/a.so:/b.so"),
            ("", ""),
        ] {
            let mut text = std::vec::Vec::from(list.as_bytes());
            text.push(0);
            let length = without(&mut text, b"/z/libgleaner.so");
            assert_eq!((&text[..length], text[length]), (left.as_bytes(), 0), "{list}");
        }
    }
}

use super::*;
use crate::leak::unwind::find;

#[test]
fn reads_its_own_image_and_libc() {
    let here = reads_its_own_image_and_libc as fn() as usize;
    let own = find::object(here).unwrap().image;
    assert!(own.executes(here) && !own.executes(own.start));
    assert!(own.slice(own.end).is_none() && own.slice(own.start.wrapping_sub(1)).is_none());
    assert!(own.eh_frame_hdr().is_some());
    let libc = find::object(libc::malloc as *const () as usize).unwrap().image;
    assert!(libc.build_id().len >= 16, "{}", libc.build_id());
    assert_eq!(libc.symbol(b"qsort"), Some(libc::qsort as *const () as usize));
    assert_eq!(libc.symbol(b"no_such_symbol_here"), None);
}

#[test]
fn what_is_no_image_is_refused() {
    let page = crate::sys::vm::map_rw(Addr::NULL, PAGE_SIZE).unwrap();
    // SAFETY: a mapped page, whatever it holds.
    assert!(unsafe { Image::at(page.0) }.is_none());
    // SAFETY: ours; an ELF magic with nothing behind it.
    unsafe { page.ptr::<[u8; 6]>().write(*b"\x7fELF\x02\x01") };
    // SAFETY: as above.
    assert!(unsafe { Image::at(page.0) }.is_none());
    // SAFETY: never read, since it is not a page.
    assert!(unsafe { Image::at(page.0 + 8) }.is_none());
}

#[test]
fn notes_that_lie_about_their_size_end_the_search() {
    assert!(build_id_in(b"").is_none());
    let note: &'static [u8] = b"\x04\0\0\0\xff\xff\xff\xff\x03\0\0\0GNU\0abcd";
    assert!(build_id_in(note).is_none());
    let note: &'static [u8] = b"\x04\0\0\0\x00\0\0\0\x01\0\0\0GNU\0\x04\0\0\0\x04\0\0\0\x03\0\0\0GNU\0abcd";
    assert_eq!(build_id_in(note).unwrap().as_bytes(), b"abcd");
    assert_eq!(build_id_in(note).unwrap().to_string(), "61626364");
}

#[test]
fn both_finders_agree() {
    for pc in [libc::malloc as *const () as usize, both_finders_agree as fn() as usize] {
        let (a, b) = (find::object(pc).unwrap(), find::only_by_kernel::object(pc).unwrap());
        assert_eq!((a.image.start, a.image.end, a.image.bias), (b.image.start, b.image.end, b.image.bias));
        let (mut by_loader, mut by_kernel) = (crate::sys::path::Path::new(), crate::sys::path::Path::new());
        find::path_of(&a, &mut by_loader);
        find::path_of(&b, &mut by_kernel);
        // The loader's path may go through links that the kernel's has resolved.
        let real =
            |p: &crate::sys::path::Path| std::fs::canonicalize(std::str::from_utf8(p.as_bytes()).unwrap());
        assert_eq!(real(&by_loader).unwrap(), real(&by_kernel).unwrap());
    }
    let heap = Box::new(0u8);
    let wild = &raw const *heap as usize;
    assert!(find::object(wild).is_none() && find::only_by_kernel::object(wild).is_none());
}

#[test]
fn the_loaders_finder_is_found() {
    assert!(find::has_loader());
}

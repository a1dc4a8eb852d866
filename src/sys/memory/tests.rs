use super::*;
use crate::pure::addr::PAGE_SIZE;
use crate::sys::vm;

#[test]
fn reads_up_to_what_is_refused() {
    let base = vm::map_rw(Addr::NULL, 3 * PAGE_SIZE).unwrap();
    let third = base.add(2 * PAGE_SIZE);
    // SAFETY: ours.
    unsafe {
        base.ptr::<u8>().write_bytes(7, 3 * PAGE_SIZE);
        vm::unmap(third, PAGE_SIZE).unwrap();
        vm::protect(base.add(PAGE_SIZE), PAGE_SIZE, libc::PROT_NONE).unwrap();
    }
    let mut buf = [0u8; 3 * PAGE_SIZE];
    let memory = Memory::open();
    assert_eq!(memory.read(base, &mut buf), Ok(2 * PAGE_SIZE), "PROT_NONE is forced");
    assert!(buf[..2 * PAGE_SIZE].iter().all(|&b| b == 7));
    assert_eq!(memory.read(third, &mut buf), Err(Refused::Page));
    let memory = Memory::without_file();
    assert_eq!(memory.read(base, &mut buf), Ok(PAGE_SIZE));
    assert_eq!(memory.read(base.add(PAGE_SIZE), &mut buf), Err(Refused::Page));
    assert_eq!(memory.read(base, &mut []), Err(Refused::Page));
    // SAFETY: ours.
    unsafe { vm::unmap(base, 2 * PAGE_SIZE).unwrap() };
}

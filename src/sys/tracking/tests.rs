use super::*;
use crate::pure::addr::PAGE_SIZE;
use crate::sys::vm;

const N: usize = 2000;

struct Map(Addr);
impl Map {
    fn new() -> Map {
        let at = vm::map_rw(Addr::NULL, N * PAGE_SIZE).unwrap();
        // SAFETY: ours; small pages, so that one touch is one page.
        unsafe { vm::advise(at, N * PAGE_SIZE, libc::MADV_NOHUGEPAGE).unwrap() };
        Map(at)
    }
    fn page(&self, n: usize) -> Addr {
        self.0.add(n * PAGE_SIZE)
    }
    fn touch(&self, n: usize) {
        // SAFETY: a page of the mapping.
        unsafe { self.page(n).ptr::<u8>().write_volatile(1) };
    }
    fn read(&self, n: usize) {
        // SAFETY: a page of the mapping.
        unsafe { self.page(n).ptr::<u8>().read_volatile() };
    }
    fn pages(&self, told: impl Fn(&mut dyn FnMut(Addr, Addr))) -> Vec<usize> {
        let mut pages = Vec::new();
        told(&mut |lo, hi| pages.extend((lo.since(self.0) / PAGE_SIZE)..(hi.since(self.0) / PAGE_SIZE)));
        pages
    }
    fn all(&self) -> (Addr, Addr) {
        (self.0, self.page(N))
    }
    fn take(&self, written: &Written) -> Vec<usize> {
        self.pages(|each| written.each::<3>(self.all(), Written::take, each).unwrap())
    }
    fn look(&self, written: &Written) -> Vec<usize> {
        self.pages(|each| written.each::<3>(self.all(), Written::look, each).unwrap())
    }
}
impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the test's.
        unsafe { vm::unmap(self.0, N * PAGE_SIZE).unwrap() };
    }
}

/// `None`: a kernel before 6.7, or a filter that refuses (as containers have it).
fn opened() -> Option<(Map, Written, Protection)> {
    let protection = Protection::open().inspect_err(|why| eprintln!("not tested: {why:?}")).ok()?;
    Some((Map::new(), Written::open().unwrap(), protection))
}

#[test]
fn what_is_written_after_a_take_is_told_by_the_next_and_nothing_else() {
    let Some((map, written, protection)) = opened() else { return };
    (0..N).step_by(2).for_each(|n| map.touch(n));
    protection.register(map.0, map.page(N)).unwrap();
    assert_eq!(map.take(&written), (0..N).step_by(2).collect::<Vec<_>>());
    assert_eq!(map.look(&written), Vec::<usize>::new());
    (0..N).step_by(7).for_each(|n| map.touch(n));
    assert_eq!(map.look(&written), (0..N).step_by(7).collect::<Vec<_>>());
    assert_eq!(map.take(&written), (0..N).step_by(7).collect::<Vec<_>>());
    (0..N).for_each(|n| map.read(n));
    let fresh: Vec<usize> = (0..N).filter(|n| n % 2 == 1 && n % 7 != 0).collect();
    assert_eq!(map.look(&written), fresh, "pages that were first read since, and hold nothing");
}

#[test]
fn what_is_not_registered_reads_as_written() {
    let Some((map, written, protection)) = opened() else { return };
    (0..N).for_each(|n| map.touch(n));
    assert_eq!(map.look(&written).len(), N);
    assert_eq!(map.take(&written).len(), 0, "there is nothing to protect");
    protection.register(map.page(10), map.page(20)).unwrap();
    assert_eq!(map.take(&written), (10..20).collect::<Vec<_>>());
    assert_eq!(map.look(&written).len(), N - 10);
    protection.unregister(map.page(10), map.page(15)).unwrap();
    assert_eq!(map.look(&written).len(), N - 5);
    drop(protection);
    assert_eq!(map.look(&written).len(), N);
}

#[test]
fn memory_that_went_and_came_again_reads_as_written() {
    let Some((map, written, protection)) = opened() else { return };
    (0..N).for_each(|n| map.touch(n));
    protection.register(map.0, map.page(N)).unwrap();
    assert_eq!(map.take(&written).len(), N);
    // SAFETY: the test's memory.
    unsafe { vm::advise(map.page(5), 5 * PAGE_SIZE, libc::MADV_DONTNEED).unwrap() };
    assert_eq!(map.look(&written), Vec::<usize>::new());
    map.touch(7);
    assert_eq!(map.look(&written), [7]);
    assert_eq!(map.pages(|each| written.each::<5>(map.all(), Written::present, each).unwrap()).len(), N - 4);
}

/// The kernel writes where a read tells it to.
#[test]
fn a_read_into_a_protected_page_succeeds_and_is_told() {
    let Some((map, written, protection)) = opened() else { return };
    (0..N).for_each(|n| map.touch(n));
    protection.register(map.0, map.page(N)).unwrap();
    map.take(&written);
    let zero = Fd::open(c"/dev/zero", libc::O_RDONLY, 0).unwrap();
    // SAFETY: two pages of the test's.
    let room = unsafe { core::slice::from_raw_parts_mut(map.page(3).ptr::<u8>(), 2 * PAGE_SIZE) };
    assert_eq!(zero.read(room), Ok(2 * PAGE_SIZE));
    assert_eq!(map.look(&written), [3, 4]);
}

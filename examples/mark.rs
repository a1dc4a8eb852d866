//! How long marking takes, in milliseconds of this thread per GB, for heaps of several shapes.
//!
//! `cargo run --release --example mark [MB]`. Best of five; nothing else may use the heap.
use gleaner_core::gc::{self, Abandon, Scan, Settings, World};
use gleaner_core::ground::critical;
use gleaner_core::heap::resize::{self, Trace};
use gleaner_core::heap::{fast, release};
use gleaner_core::pure::addr::Addr;

fn alloc(n: usize) -> usize {
    let fast = fast::malloc(n);
    if !fast.is_null() {
        return fast as usize;
    }
    let critical = critical::enter();
    assert!(resize::attach(&critical, false));
    resize::alloc(&critical, n, Trace { stack: 0, watched: false }).at as usize
}

/// A zeroed object of `n` bytes.
fn zeroed(n: usize) -> usize {
    let at = alloc(n);
    // SAFETY: fresh.
    unsafe { core::ptr::write_bytes(at as *mut u8, 0, n) };
    at
}

fn put(at: usize, word: usize, value: usize) {
    // SAFETY: inside an object of this program.
    unsafe { *(at as *mut usize).add(word) = value };
}

struct Root(Vec<usize>);
impl World for Root {
    fn roots(&mut self, scan: &mut Scan<'_>) -> Result<(), Abandon> {
        let lo = self.0.as_ptr() as usize;
        scan(Addr(lo), Addr(lo + self.0.len() * 8));
        Ok(())
    }
}

/// CPU time of this thread, milliseconds.
fn cpu() -> f64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut ts) };
    ts.tv_sec as f64 * 1e3 + ts.tv_nsec as f64 / 1e6
}

fn measure(name: &str, bytes: usize, objects: Vec<usize>, root: Vec<usize>) {
    let mut best = f64::MAX;
    let mut derive = 0.0;
    let critical = critical::enter();
    for _ in 0..5 {
        let mut world = Root(root.clone());
        let began = cpu();
        let marked = gc::mark(&critical, &mut world, &Settings::DEFAULT).expect("marks");
        let took = cpu() - began;
        assert_eq!(marked.found.unreachable.objects, 0, "{name}");
        if took < best {
            (best, derive) = (took, marked.found.derive_ns as f64 / 1e6);
        }
        marked.end(&critical);
    }
    drop(critical);
    let gb = bytes as f64 / 1e9;
    let per_object = best * 1e6 / objects.len() as f64;
    println!(
        "{name:32} {:8.0} ms/GB  {per_object:8.1} ns/object  (derive {:.1} ms/GB)",
        best / gb,
        derive / gb
    );
    for at in objects {
        let p = at as *mut u8;
        // SAFETY: this program's objects.
        unsafe {
            if !fast::free(p) {
                release::free(&critical::enter(), p);
            }
        }
    }
}

/// xorshift.
struct Random(u64);
impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
    fn shuffle(&mut self, v: &mut [usize]) {
        (1..v.len()).rev().for_each(|i| v.swap(i, self.below(i + 1)));
    }
}

fn list(objects: &[usize]) -> Vec<usize> {
    objects.windows(2).for_each(|w| put(w[0], 1, w[1]));
    vec![objects[0]]
}

fn main() {
    let mb = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(256usize);
    let bytes = mb << 20;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for size in [64usize, 32] {
        let slot = size;
        let objects: Vec<usize> = (0..bytes / slot).map(|_| zeroed(size - 1)).collect();
        for &at in &objects {
            (0..3).for_each(|i| put(at, i, objects[random.below(objects.len())]));
        }
        // A chain through all of them, so that all are reachable.
        objects.windows(2).for_each(|w| put(w[0], 3, w[1]));
        measure(&format!("random graph, {size} B"), bytes, objects.clone(), vec![objects[0]]);
    }
    let objects: Vec<usize> = (0..bytes / 48).map(|_| zeroed(47)).collect();
    let root = list(&objects);
    measure("list in order, 48 B", bytes, objects, root);
    let objects: Vec<usize> = (0..bytes / 64 / 4).map(|_| zeroed(63)).collect();
    let mut order = objects.clone();
    random.shuffle(&mut order);
    let root = list(&order);
    measure("shuffled list, 64 B", bytes / 4, objects, root);
    let objects: Vec<usize> = (0..bytes / 64).map(|_| zeroed(63)).collect();
    for i in 0..objects.len() {
        for (word, child) in [2 * i + 1, 2 * i + 2].into_iter().enumerate() {
            if child < objects.len() {
                put(objects[i], word, objects[child]);
            }
        }
    }
    let root = vec![objects[0]];
    measure("tree, 64 B", bytes, objects, root);
    for (name, size) in [("pointer-free, 4 KB", 4000usize), ("pointer-free, 1 MB", (1 << 20) - 1)] {
        let objects: Vec<usize> = (0..bytes / size).map(|_| zeroed(size)).collect();
        let root = objects.clone();
        measure(name, bytes, objects, root);
    }
}

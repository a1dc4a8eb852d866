//! L8: marking heaps of several shapes, by the thread's processor time. Throughput is in bytes of the
//! heap; `HEAP_MB` sets its size, 64 unless told.
use super::heap::{alloc, free};
use criterion::{Criterion, Throughput};
use gleaner_benches::Random;
use gleaner_core::gc::{self, Abandon, Scan, Settings, World};
use gleaner_core::ground::critical;
use gleaner_core::pure::addr::Addr;
use gleaner_core::sys::process::thread_ns;
use std::time::Duration;

fn heap() -> usize {
    std::env::var("HEAP_MB").ok().and_then(|mb| mb.parse().ok()).unwrap_or(64) << 20
}

/// A zeroed object in a slot of `slot` bytes: one byte is padding.
fn zeroed(slot: usize) -> usize {
    let at = alloc(slot - 1);
    // SAFETY: fresh, of that size.
    unsafe { core::ptr::write_bytes(at as *mut u8, 0, slot - 1) };
    at
}

fn put(at: usize, word: usize, value: usize) {
    // SAFETY: inside an object of this program.
    unsafe { *(at as *mut usize).add(word) = value };
}

fn objects(slot: usize, bytes: usize) -> Vec<usize> {
    (0..bytes / slot).map(|_| zeroed(slot)).collect()
}

/// Links them by word `word`; the first leads to all.
fn chain(objects: &[usize], word: usize) -> Vec<usize> {
    objects.windows(2).for_each(|pair| put(pair[0], word, pair[1]));
    vec![objects[0]]
}

struct Roots(Vec<usize>);
impl World for Roots {
    fn roots(&mut self, scan: &mut Scan<'_>) -> Result<(), Abandon> {
        let lo = self.0.as_ptr() as usize;
        scan(Addr(lo), Addr(lo + self.0.len() * 8));
        Ok(())
    }
}

fn random_graph() -> (Vec<usize>, Vec<usize>) {
    let (objects, mut random) = (objects(64, heap()), Random::default());
    for &at in &objects {
        (0..3).for_each(|word| put(at, word, objects[random.below(objects.len())]));
    }
    let root = chain(&objects, 3);
    (objects, root)
}

fn tree() -> (Vec<usize>, Vec<usize>) {
    let objects = objects(64, heap());
    for i in 0..objects.len() {
        for (word, child) in [2 * i + 1, 2 * i + 2].into_iter().enumerate() {
            objects.get(child).inspect(|&&child| put(objects[i], word, child));
        }
    }
    let root = vec![objects[0]];
    (objects, root)
}

fn list(shuffled: bool) -> (Vec<usize>, Vec<usize>) {
    let mut objects = objects(64, heap());
    if shuffled {
        Random::default().shuffle(&mut objects);
    }
    let root = chain(&objects, 1);
    (objects, root)
}

fn pointer_free(slot: usize) -> (Vec<usize>, Vec<usize>) {
    let objects = objects(slot, heap());
    let roots = objects.clone();
    (objects, roots)
}

type Shape = fn() -> (Vec<usize>, Vec<usize>);

pub fn marking(c: &mut Criterion) {
    let shapes: [(&str, Shape); 6] = [
        ("random graph, 64 B", random_graph),
        ("tree, 64 B", tree),
        ("list in order, 64 B", || list(false)),
        ("list shuffled, 64 B", || list(true)),
        ("pointer-free, 4 KB", || pointer_free(4096)),
        ("pointer-free, 1 MB", || pointer_free(1 << 20)),
    ];
    let mut group = c.benchmark_group("marking");
    group.sample_size(10);
    for (name, shape) in shapes {
        let (objects, roots) = shape();
        group.throughput(Throughput::Bytes(heap() as u64));
        group.bench_function(name, |b| b.iter_custom(|rounds| (0..rounds).map(|_| mark(&roots)).sum()));
        objects.into_iter().for_each(free);
    }
    group.finish();
}

/// The time of one marking. Nothing else uses the heap: each of its objects must be found.
fn mark(roots: &[usize]) -> Duration {
    let critical = critical::enter();
    let mut world = Roots(roots.to_vec());
    let began = thread_ns();
    let marked = gc::mark(&critical, &mut world, &Settings::DEFAULT).expect("marks");
    let took = Duration::from_nanos(thread_ns() - began);
    assert_eq!(marked.found.unreachable.objects, 0);
    marked.end(&critical);
    took
}

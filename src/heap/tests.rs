//! Random op scripts on the heap, several threads, cross-thread frees: contents must survive.
#![allow(unsafe_code)]
use super::resize::{self, Resized, Trace};
use super::{fast, release};
use crate::ground::critical;

/// Tests that use the process's one heap take turns: its invariants are checked between.
pub(crate) static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

const PLAIN: Trace = Trace { stack: 0, watched: false, how: super::secure::How::Malloc };

pub(crate) fn alloc(n: usize) -> *mut u8 {
    let fast = fast::malloc(n);
    if !fast.is_null() {
        return fast;
    }
    let c = critical::enter();
    assert!(resize::attach(&c, false));
    resize::alloc(&c, n, PLAIN).at
}

fn free(p: *mut u8) {
    // SAFETY: the tests free what they allocated.
    unsafe {
        match fast::free(p) {
            fast::Freed::Done => {}
            fast::Freed::Full => release::bin_full(&critical::enter(), p),
            fast::Freed::Special => {
                assert_eq!(release::free(&critical::enter(), p), release::Freed::Ours);
            }
        }
    }
}

/// xorshift; the seed is printed by the test.
struct Random(u64);
impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
    fn size(&mut self) -> usize {
        let shift = self.below(18);
        self.below(1 << shift.max(1)) + if self.below(400) == 0 { 3 << 20 } else { 0 }
    }
}

struct Object {
    at: usize,
    size: usize,
    tag: u8,
}

fn fill(o: &Object) {
    // SAFETY: the object holds `size` bytes.
    unsafe { core::ptr::write_bytes(o.at as *mut u8, o.tag, o.size) };
}
fn verify(o: &Object) {
    // SAFETY: as above.
    let bytes = unsafe { core::slice::from_raw_parts(o.at as *const u8, o.size) };
    assert!(bytes.iter().all(|&b| b == o.tag), "object {:#x} of {} bytes was overwritten", o.at, o.size);
    assert_eq!(o.at % 16, 0);
}

#[test]
fn objects_keep_their_contents_whoever_frees_them() {
    let _turn = TURN.lock();
    let seed = 0x5eed_0001;
    println!("seed {seed:#x}");
    let (send, receive) = std::sync::mpsc::channel::<Object>();
    let receive = std::sync::Arc::new(std::sync::Mutex::new(receive));
    std::thread::scope(|scope| {
        for t in 0..4u64 {
            let (send, receive) = (send.clone(), receive.clone());
            scope.spawn(move || {
                let mut random = Random(seed + t * 7919);
                let mut mine: Vec<Object> = Vec::new();
                for _ in 0..30_000 {
                    match random.below(8) {
                        0..=3 => {
                            let size = random.size();
                            let o = Object { at: alloc(size) as usize, size, tag: random.below(255) as u8 };
                            fill(&o);
                            mine.push(o);
                        }
                        4 | 5 if !mine.is_empty() => {
                            let o = mine.swap_remove(random.below(mine.len()));
                            verify(&o);
                            free(o.at as *mut u8);
                        }
                        6 if !mine.is_empty() => {
                            let mut o = mine.swap_remove(random.below(mine.len()));
                            verify(&o);
                            let n = random.size();
                            // SAFETY: the object is ours.
                            match unsafe { resize::realloc(o.at as *mut u8, n, || (), || PLAIN) } {
                                Resized::Done(p) => o.at = p as usize,
                                _ => panic!("realloc failed"),
                            }
                            o.size = o.size.min(n);
                            verify(&o);
                            o.size = n;
                            fill(&o);
                            mine.push(o);
                        }
                        _ => {
                            if let Some(o) = mine.pop() {
                                let _ = send.send(o);
                            }
                            if let Ok(o) = receive.lock().unwrap().try_recv() {
                                verify(&o);
                                free(o.at as *mut u8);
                            }
                        }
                    }
                    if mine.len() > 3000 {
                        let o = mine.swap_remove(0);
                        free(o.at as *mut u8);
                    }
                }
                for o in mine {
                    verify(&o);
                    free(o.at as *mut u8);
                }
                resize::detach(&critical::enter());
            });
        }
    });
    super::check::verify(0).unwrap();
}

#[test]
fn aligned_objects_are_aligned() {
    let _turn = TURN.lock();
    let c = critical::enter();
    assert!(resize::attach(&c, false));
    for shift in 4..=22 {
        for n in [0, 1, 15, 16, 100, 4096, 5000, 70_000, 3 << 20] {
            let p = resize::alloc_aligned(&c, n, 1 << shift, PLAIN).at;
            assert!(!p.is_null());
            assert_eq!(p as usize % (1 << shift), 0);
            // SAFETY: fresh object of at least n bytes.
            unsafe {
                core::ptr::write_bytes(p, 0xa5, n);
                release::free(&c, p);
            }
        }
    }
}

//! Little memory, for real: each case is an ignored test that a visible one runs in a process
//! of its own, under a limit that would hurt the other tests.
use super::*;
use crate::sys::vm;
use std::process::Command;

/// Runs the ignored test `name` under `ulimit -v` of that many KiB (0: no limit).
fn alone(name: &str, kib: usize) {
    let limit = if kib == 0 { String::new() } else { format!("ulimit -v {kib};") };
    let script =
        format!("{limit} exec \"$0\" --exact pages::tests::limits::{name} --ignored --test-threads=1");
    let exe = std::env::current_exe().unwrap();
    let out = Command::new("sh").arg("-c").arg(script).arg(exe).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && text.contains("1 passed"), "{out:?}");
}

#[test]
fn under_small_address_space_limits() {
    for kib in [100_000, 40_000, 24_000] {
        alone("use_everything_there_is", kib);
    }
}

/// Until nothing is left, twice; then metadata degrades to small blocks and to `None`.
#[test]
#[ignore = "run by under_small_address_space_limits, in its own process"]
fn use_everything_there_is() {
    let critical = critical::enter();
    let mut cache = PageCache::new();
    let mut got = [0; 2];
    for round in &mut got {
        let mut last = None;
        for n in [64, 1] {
            while let Some(run) = alloc(&critical, &mut cache, n, true) {
                *round += n;
                // The pages themselves hold the list of what to free.
                // SAFETY: this test's pages, just allocated.
                unsafe { run.base.ptr::<(usize, usize)>().write((last.unwrap_or(0), n)) };
                last = Some(run.base.0);
            }
        }
        check(&critical);
        while let Some(at) = last.filter(|&at| at != 0) {
            // SAFETY: written above.
            let (next, n) = unsafe { Addr(at).ptr::<(usize, usize)>().read() };
            free(&critical, Addr(at), n);
            last = Some(next);
        }
        flush(&critical, &mut cache);
        check(&critical);
        assert_eq!(stats().in_use, 0);
    }
    assert!(got[0] >= 512 && got[1] == got[0], "{got:?} pages");
    let mapped = stats().mapped;
    while let Some(at) = metadata::alloc(&critical, 5000, 64) {
        assert!(own::contains(at));
    }
    assert_eq!(metadata::alloc(&critical, 1 << 20, 64), None);
    // Releasing and unmapping need no memory, and make room for metadata.
    scavenge(&critical, usize::MAX);
    assert_eq!(trim(&critical, 0), mapped);
    assert!(metadata::alloc(&critical, 1 << 20, 64).is_some());
    check(&critical);
}

#[test]
fn the_kth_real_mapping_fails() {
    if cfg!(feature = "zeal") {
        alone("every_mapping_fails_once", 0);
    }
}

/// Zeal builds only: there the k-th mapping call can be made to fail.
#[test]
#[ignore = "run by the_kth_real_mapping_fails, in its own process"]
fn every_mapping_fails_once() {
    let critical = critical::enter();
    let mut cache = PageCache::new();
    for k in 1..=40 {
        vm::FAIL_IN.store(k, Ordering::Relaxed);
        let mut live = vec![];
        let mut lost = 0;
        for n in [1, 16, 700, 5000, 64] {
            match alloc(&critical, &mut cache, n, true) {
                Some(run) => live.push(Marked::new(run, n, k)),
                None => lost += 1,
            }
            check(&critical);
        }
        // Metadata blocks and regions fail alike.
        lost += metadata::alloc(&critical, 200_000, 8).is_none() as usize;
        lost += (0..20).filter(|_| metadata::alloc(&critical, 60_000, 8).is_none()).count();
        assert!(lost <= 1, "one failed mapping cost {lost} requests");
        for old in live {
            old.verify();
            free(&critical, old.run.base, old.pages);
        }
        flush(&critical, &mut cache);
        scavenge(&critical, usize::MAX);
        trim(&critical, 0);
        check(&critical);
    }
    vm::FAIL_IN.store(0, Ordering::Relaxed);
    assert_eq!(own::forgotten(), 0);
}

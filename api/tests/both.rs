//! The same tests natively and, in a process of their own, under the library in each of its modes.
use gleaner_api::*;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Which cleanups run is a matter of the whole process.
static ONE: Mutex<()> = Mutex::new(());

/// Set for the processes that this one starts.
const WITHIN: &str = "GLEANER_TEST_WITHIN";

fn library() -> std::path::PathBuf {
    if let Some(library) = std::env::var_os("GLEANER_LIBRARY") {
        return library.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let library = target.join("release/libgleaner.so");
    if std::env::var_os("GLEANER_BUILT").is_none() && !library.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--release", "--quiet", "-p", "gleaner-preload"]).current_dir(root);
        assert!(build.status().expect("cargo").success());
    }
    library
}

#[test]
fn under_the_library() {
    if is_present() {
        return;
    }
    // Or a library that is not there would have each of them start the next, without end.
    assert!(std::env::var_os(WITHIN).is_none(), "the library was not loaded");
    assert!(library().exists(), "{} is not built", library().display());
    for mode in ["malloc", "leak", "gc"] {
        let out = Command::new(std::env::current_exe().expect("this test"))
            .env("LD_PRELOAD", library())
            .env("GLEANER", format!("mode={mode}:exitcode=0"))
            .env("MODE", mode)
            .env(WITHIN, "1")
            .output()
            .expect("it runs");
        assert!(out.status.success(), "{mode}: {}", String::from_utf8_lossy(&out.stdout));
    }
}

#[test]
fn absent_means_absent() {
    if is_present() {
        return;
    }
    let value = Box::new(5);
    assert_eq!(collect(), Err(Error::Absent));
    assert_eq!(stats(), Err(Error::Absent));
    assert_eq!(check_leaks(), Err(Error::Absent));
    assert_eq!(pin(&*value).unwrap_err(), Error::Absent);
    assert_eq!(Weak::new(&*value).unwrap_err(), Error::Absent);
    assert_eq!(on_death(&*value, |_, _| ()).unwrap_err(), Error::Absent);
    assert_eq!(run_cleanups(), 0);
}

#[test]
fn a_pinned_vector_outlives_its_owner() {
    if !is_present() {
        return;
    }
    let vector = vec![7u8; 5000];
    let (pinned, at) = (pin(vector.as_slice()).unwrap(), vector.as_ptr());
    drop(vector);
    let others: Vec<Vec<u8>> = (0..100).map(|_| vec![1u8; 5000]).collect();
    assert!(others.iter().all(|other| other.as_ptr() != at));
    drop(pinned);
    static GLOBAL: u8 = 0;
    assert_eq!(pin(&GLOBAL).unwrap_err(), Error::NotOurs);
}

#[test]
fn a_scope_ends_its_pins() {
    let values: Vec<Box<[u8; 100]>> = (0..20).map(|i| Box::new([i; 100])).collect();
    let Ok(scope) = Scope::open() else { return assert!(!is_present()) };
    let scope = Box::new(scope);
    values.iter().for_each(|v| scope.pin(&**v).unwrap());
    scope.pin_range(values.as_ptr().cast(), 1).unwrap();
    drop(scope);
}

#[test]
fn a_buffer_is_memory() {
    let mut buffer = alloc_pinned(1000).unwrap();
    assert!(buffer.iter().all(|b| *b == 0));
    buffer.fill(3);
    let _ = collect();
    assert!(buffer.iter().all(|b| *b == 3));
}

#[test]
fn closures_are_called_once_or_dropped() {
    let _one = ONE.lock().unwrap();
    if !is_present() {
        return;
    }
    let counter = Arc::new(AtomicUsize::new(0));
    let count = || {
        let counter = counter.clone();
        move |_: usize, size: usize| {
            assert!(size >= 100);
            counter.fetch_add(1, Ordering::Relaxed);
        }
    };
    let value = Box::new([0u8; 100]);
    let cancelled = on_death(&*value, count()).unwrap();
    let kept = on_death(&*value, count()).unwrap();
    on_death(&*value, count()).unwrap();
    assert_eq!(cancelled.cancel(), Cancelled::Cancelled);
    let _ = collect();
    drop(value);
    assert_eq!(counter.load(Ordering::Relaxed), 0);
    run_cleanups();
    assert_eq!(counter.load(Ordering::Relaxed), 2);
    assert_eq!(kept.cancel(), Cancelled::Done);
    assert_eq!(Arc::strong_count(&counter), 1);
}

#[test]
fn weak_handles_know_the_end() {
    if !is_present() {
        return;
    }
    let value = Box::new([1u64; 9]);
    let weak = Weak::new(&value[3]).unwrap();
    assert_eq!(weak, Weak::new(&value[3]).unwrap());
    assert_ne!(weak, Weak::new(&value[4]).unwrap());
    let again = weak.again().unwrap();
    assert_eq!(weak.get().unwrap().as_ptr().cast_const(), &raw const value[3]);
    drop(value);
    assert!(weak.get().is_none() && again.get().is_none() && weak.again().is_none());
}

#[test]
fn ranges_are_adopted_and_disowned() {
    if !is_present() {
        return;
    }
    let _one = ONE.lock();
    static MEMORY: [u8; 8192] = [0; 8192];
    let range = std::ptr::slice_from_raw_parts_mut(MEMORY.as_ptr().cast_mut(), MEMORY.len());
    let kept = Arc::new(());
    let owned = kept.clone();
    // SAFETY: a static, to which nothing is written.
    let adopted = unsafe { adopt(range, Contents::Plain, true, move |_, _| drop(owned)) }.unwrap();
    // SAFETY: as above.
    let again = unsafe { adopt(range, Contents::Plain, false, |_, _| ()) };
    assert!(matches!(again, Err(Error::Code(17))), "{again:?}");
    assert_eq!(adopted.disown(), Cancelled::Cancelled);
    assert_eq!(Arc::strong_count(&kept), 1);
    assert!(matches!(register_root(&MEMORY[..0]), Err(Error::Code(22))));
    drop(register_root(&MEMORY[..]).unwrap());
}

#[test]
fn figures_are_filled() {
    assert_eq!(is_present(), std::env::var_os("MODE").is_some());
    let Ok(figures) = stats() else { return assert!(!is_present()) };
    assert!(figures.live_bytes > 0);
}

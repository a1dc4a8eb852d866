//! libc, processor, limits and settings of the machine.
//!
//! # Safety
//! libc functions that fill a local structure or give a constant string.
#![allow(unsafe_code)]
use super::Finding;
use std::ffi::CStr;

/// glibc 2.35 brought `_dl_find_object`.
const GLIBC: (u32, u32) = (2, 35);
/// Below this address space a large program's metadata does not fit.
const SMALL_SPACE: u64 = 1 << 30;

pub fn libc_and_processor() -> Vec<Finding> {
    vec![glibc(), processor()]
}

pub fn settings() -> Vec<Finding> {
    vec![overcommit(), address_space(), map_count(), huge_pages(), seccomp(), ptrace()]
}

/// The version of the libc that we run with.
pub fn libc_version() -> String {
    // SAFETY: a constant C string of glibc.
    unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) }.to_string_lossy().into_owned()
}

fn glibc() -> Finding {
    let version = libc_version();
    let mut numbers = version.split('.').map(|word| word.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found >= GLIBC {
        Finding::ok("glibc", version)
    } else {
        let lost = "older than 2.35, which brought _dl_find_object: stacks are slower, and end in code loaded by dlopen";
        Finding::degraded("glibc", format!("{version}: {lost}"))
    }
}

fn processor() -> Finding {
    let avx512 =
        std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vl");
    match (avx512, std::arch::is_x86_feature_detected!("avx2")) {
        (true, _) => Finding::ok("processor", "AVX-512: 30 GB/s a core are scanned"),
        (false, true) => Finding::ok("processor", "AVX2, no AVX-512"),
        (false, false) => {
            Finding::degraded("processor", "neither AVX2 nor AVX-512: memory is scanned at half speed")
        }
    }
}

/// A small file of /proc or /sys, trimmed.
fn setting(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn overcommit() -> Finding {
    const NAME: &str = "overcommit";
    match setting("/proc/sys/vm/overcommit_memory").as_deref() {
        Some("2") => Finding::degraded(
            NAME,
            "vm.overcommit_memory=2: less is reserved ahead, snapshots by fork may fail",
        ),
        Some(value) => Finding::ok(NAME, format!("vm.overcommit_memory={value}")),
        None => Finding::degraded(NAME, "vm.overcommit_memory cannot be read"),
    }
}

fn address_space() -> Finding {
    const NAME: &str = "address space";
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills the structure.
    unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) };
    match limit.rlim_cur {
        libc::RLIM_INFINITY => Finding::ok(NAME, "unlimited"),
        bytes if bytes >= SMALL_SPACE => Finding::ok(NAME, format!("ulimit -v {}", bytes >> 10)),
        bytes => Finding::degraded(NAME, format!("ulimit -v {}: a smaller window for the heap", bytes >> 10)),
    }
}

fn map_count() -> Finding {
    const NAME: &str = "mappings";
    const USUAL: u64 = 65530;
    match setting("/proc/sys/vm/max_map_count").and_then(|text| text.parse::<u64>().ok()) {
        Some(count) if count < USUAL => Finding::degraded(
            NAME,
            format!("vm.max_map_count={count}: fewer large objects at a time than usual"),
        ),
        Some(count) => Finding::ok(NAME, format!("vm.max_map_count={count}")),
        None => Finding::degraded(NAME, "vm.max_map_count cannot be read"),
    }
}

fn huge_pages() -> Finding {
    let modes = setting("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    let chosen = modes.split(['[', ']']).nth(1).unwrap_or("unknown");
    let lost =
        format!("transparent_hugepage={chosen}: snapshots of large heaps pause longer (18 ms/GB, not 0.6)");
    Finding::of(
        "huge pages",
        matches!(chosen, "always" | "madvise"),
        &format!("transparent_hugepage={chosen}"),
        &lost,
    )
}

/// A filter of system calls that this command runs under, and so its children do.
fn seccomp() -> Finding {
    let status = setting("/proc/self/status").unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(str::trim);
    let lost = "a seccomp filter is in force: what it refuses shows above";
    Finding::of("seccomp", mode != Some("2"), "no filter", lost)
}

/// Not needed, said because other leak finders need it.
fn ptrace() -> Finding {
    let scope = setting("/proc/sys/kernel/yama/ptrace_scope");
    Finding::ok(
        "ptrace",
        match scope.as_deref() {
            None | Some("0") => "not needed".to_owned(),
            Some(scope) => format!("not needed (yama.ptrace_scope={scope})"),
        },
    )
}

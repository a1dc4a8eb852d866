#!/bin/bash
# cargo makes, builds, tests and runs a crate; rustc links it.
# needs: cargo rustc
# timeout: 120
# normalise: s/in [0-9.]+s/in T/g; s/-[0-9a-f]{16}/-HASH/g
export CARGO_NET_OFFLINE=true CARGO_TERM_COLOR=never RUSTC_WRAPPER= CARGO_BUILD_JOBS=2
cargo new -q --vcs none demo 2>/dev/null && cd demo || exit 1
cat >src/main.rs <<'END'
use std::{collections::HashMap, sync::mpsc, thread};
fn count(n: u64) -> usize { let mut m: HashMap<String, Vec<u64>> = HashMap::new(); for i in 0..20000 { m.entry(format!("{}", i % (n + 50))).or_default().push(i); } m.len() }
fn main() {
    let (tx, rx) = mpsc::channel();
    for n in 0..8 { let tx = tx.clone(); thread::spawn(move || tx.send((n, count(n))).unwrap()); }
    drop(tx); let mut all: Vec<_> = rx.iter().collect(); all.sort(); println!("{all:?}");
    let r = std::panic::catch_unwind(|| panic!("caught")); println!("{}", r.is_err());
}
#[test] fn counts() { assert_eq!(count(1), 51); }
END
cargo run -q --release 2>err; echo "status $?"; grep -c caught err
cargo test -q 2>&1 | grep 'test result'
echo 'fn main() { let x: u8 = "no"; }' >src/main.rs; cargo build -q 2>&1 | grep -c 'E0308'

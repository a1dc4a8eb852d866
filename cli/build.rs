//! Compiles the programs that `gleaner bench` runs; `bench::staged` holds their bytes.
//!
//! Plain C programs, so that what is measured starts as the programs of this world start, and so that
//! their peaks are not those of a Rust runtime.
use std::path::Path;

const PROGRAMS: &[&str] = &["meter", "micro", "steps", "suite"];

fn main() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/programs");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let mut build = cc::Build::new();
    // The compiler must not know malloc: it would leave out pairs.
    build.opt_level(2).debug(false).warnings(false).pic(false);
    build.flag("-fno-builtin").flag("-pthread").define("_GNU_SOURCE", None);
    let compiler = build.get_compiler();
    for name in PROGRAMS {
        let file = source.join(format!("{name}.c"));
        println!("cargo::rerun-if-changed={}", file.display());
        let mut command = compiler.to_command();
        command.arg(&file).args(["-s", "-o"]).arg(Path::new(&out).join(name));
        let done = command.status().unwrap_or_else(|error| panic!("cannot run the C compiler: {error}"));
        assert!(done.success(), "{} does not compile", file.display());
    }
}

//! Link options of libgleaner.so.
fn main() {
    // No symbols but the exported ones: a debugger of the host must not find functions of ours
    // under the names of the host's.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-s");
    // What every program touches lies together, and where the file's windows are the memory's.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-T,{}/start.ld", env!("CARGO_MANIFEST_DIR"));
    println!("cargo:rerun-if-changed=start.ld");
    // Where each function came to lie, for scripts/link-order.
    println!("cargo:rerun-if-env-changed=GLEANER_LINK_MAP");
    if let Ok(map) = std::env::var("GLEANER_LINK_MAP") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-Map={map}");
    }
    // Our own calls of our own symbols stay inside; every import is bound at load time.
    for arg in [
        "-Wl,-z,now",
        "-Wl,-z,separate-loadable-segments",
        "-Wl,-Bsymbolic",
        "-Wl,-z,nodelete",
        "-Wl,-soname,libgleaner.so",
        "-lc",
    ] {
        println!("cargo:rustc-cdylib-link-arg={arg}");
    }
}

//! Link options of libgleaner.so.
fn main() {
    // No symbols but the exported ones: a debugger of the host must not find functions of ours
    // under the names of the host's.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-s");
    // Code that every program runs lies together.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-T,{}/start.ld", env!("CARGO_MANIFEST_DIR"));
    println!("cargo:rerun-if-changed=start.ld");
    // Our own calls of our own symbols stay inside; every import is bound at load time.
    for arg in ["-Wl,-z,now", "-Wl,-Bsymbolic", "-Wl,-z,nodelete", "-Wl,-soname,libgleaner.so", "-lc"] {
        println!("cargo:rustc-cdylib-link-arg={arg}");
    }
}

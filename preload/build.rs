//! Link options of libgleaner.so.
fn main() {
    // Our own calls of our own symbols stay inside; every import is bound at load time.
    for arg in ["-Wl,-z,now", "-Wl,-Bsymbolic", "-Wl,-z,nodelete", "-Wl,-soname,libgleaner.so", "-lc"] {
        println!("cargo:rustc-cdylib-link-arg={arg}");
    }
}

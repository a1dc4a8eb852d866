//! `libgleaner.so`: C signatures only, one line each into the core's runtime.
#![no_std]

mod api;
mod blocking;
mod context;
mod cxx;
mod dl;
mod ends;
mod exec;
mod info;
mod lsan;
mod malloc;
mod pthread;
mod sandbox;
mod signals;
mod vm;

/// Our constructor. ld.so calls it with (argc, argv, envp) once the library is relocated; by
/// then other libraries may have called malloc already.
extern "C" fn constructor() {
    gleaner_core::runtime::start::process();
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = constructor;

#[cfg(not(test))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    gleaner_core::ground::fatal::die(format_args!("internal error: {info}"))
}

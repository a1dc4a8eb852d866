//! `libgleaner.so`: C signatures only, one line each into the core's runtime.
#![no_std]
use gleaner_core as _;

#[cfg(not(test))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    gleaner_core::ground::fatal::die(format_args!("internal error: {info}"))
}

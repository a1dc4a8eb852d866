//! The C entry point.
//!
//! std's own start-up would ignore SIGPIPE, open /dev/null on closed descriptors and install stack
//! guards; `gleaner run` must hand the program exactly what it was given itself, and a report cut
//! short by `head` should end quietly. So `main` is C's, and std finds the arguments by itself
//! (glibc passes them to its constructor).
//!
//! # Safety
//! `main` is exported under the name that the C runtime calls, with that signature, once.
#![allow(unsafe_code)]

#[cfg(not(test))]
#[unsafe(no_mangle)]
extern "C" fn main(_count: i32, _arguments: *const *const libc::c_char) -> i32 {
    crate::gleaner(std::env::args_os()).into()
}
#[cfg(test)]
const _: fn(std::env::ArgsOs) -> u8 = crate::gleaner;

//! What a copy of this process did not get: `/proc/thread-self/smaps`, for the bounds and one flag of each mapping.
//!
//! The kernel walks all page tables for it: for processes that nobody waits for.
use super::file::Fd;
use super::lines;
use super::maps::MapsError;
use core::ops::ControlFlow;

/// Calls `each` with the bounds of every mapping, and whether it is one that forks get empty (MADV_WIPEONFORK).
pub fn for_each(buffer: &mut [u8], each: &mut dyn FnMut(usize, usize, bool)) -> Result<(), MapsError> {
    let fd = Fd::open(c"/proc/thread-self/smaps", libc::O_RDONLY, 0).map_err(MapsError::Io)?;
    // The mapping whose flags are still to come.
    let (mut range, mut strange) = (None, false);
    lines::for_each(&fd, buffer, &mut |line| {
        if let Some(flags) = line.strip_prefix(b"VmFlags:") {
            match range.take() {
                Some((lo, hi)) => each(lo, hi, flags.split(|&b| b == b' ').any(|flag| flag == b"wf")),
                None => strange = true,
            }
        } else if !line.first().is_some_and(u8::is_ascii_uppercase) {
            // The one before had no flags: an old kernel, or another list.
            strange |= range.is_some();
            range = bounds(line);
            strange |= range.is_none();
        }
        if strange { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .map_err(MapsError::Io)?;
    if strange || range.is_some() { Err(MapsError::Malformed) } else { Ok(()) }
}

/// `7f00-7f10 rw-p …`
fn bounds(line: &[u8]) -> Option<(usize, usize)> {
    let mut pieces = line.split(|&b| b == b' ').next()?.split(|&b| b == b'-');
    let mut number = || usize::from_str_radix(core::str::from_utf8(pieces.next()?).ok()?, 16).ok();
    Some((number()?, number()?))
}

#[cfg(test)]
mod tests;

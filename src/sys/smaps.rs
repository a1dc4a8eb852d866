//! What a copy of this process did not get: `/proc/thread-self/smaps`, for the bounds and one flag of each mapping.
//!
//! The kernel walks all page tables for it: for processes that nobody waits for.
use super::file::{self, Fd};
use super::maps::MapsError;

/// Calls `each` with the bounds of every mapping, and whether it is one that forks get empty (MADV_WIPEONFORK).
pub fn for_each(buffer: &mut [u8], each: &mut dyn FnMut(usize, usize, bool)) -> Result<(), MapsError> {
    let fd = Fd::open(c"/proc/thread-self/smaps", libc::O_RDONLY, 0).map_err(MapsError::Io)?;
    let mut lines = Lines::default();
    loop {
        let n = file::read(fd.raw(), buffer).map_err(MapsError::Io)?;
        if n == 0 {
            return if lines.len == 0 && lines.range.is_none() { Ok(()) } else { Err(MapsError::Malformed) };
        }
        lines.feed(&buffer[..n], each)?;
    }
}

/// The begin of the line that is being read, and the mapping whose flags are still to come.
struct Lines {
    line: [u8; 256],
    len: usize,
    range: Option<(usize, usize)>,
}
impl Default for Lines {
    fn default() -> Lines {
        Lines { line: [0; 256], len: 0, range: None }
    }
}

impl Lines {
    fn feed(&mut self, text: &[u8], each: &mut dyn FnMut(usize, usize, bool)) -> Result<(), MapsError> {
        for &byte in text {
            if byte == b'\n' {
                self.end_of_line(each)?;
            } else if let Some(place) = self.line.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
        Ok(())
    }

    fn end_of_line(&mut self, each: &mut dyn FnMut(usize, usize, bool)) -> Result<(), MapsError> {
        let line = &self.line[..core::mem::take(&mut self.len)];
        if let Some(flags) = line.strip_prefix(b"VmFlags:") {
            let (lo, hi) = self.range.take().ok_or(MapsError::Malformed)?;
            each(lo, hi, flags.split(|&b| b == b' ').any(|flag| flag == b"wf"));
        } else if !line.first().is_some_and(u8::is_ascii_uppercase) {
            // The one before had no flags: an old kernel, or another list.
            if self.range.is_some() {
                return Err(MapsError::Malformed);
            }
            self.range = Some(bounds(line).ok_or(MapsError::Malformed)?);
        }
        Ok(())
    }
}

/// `7f00-7f10 rw-p …`
fn bounds(line: &[u8]) -> Option<(usize, usize)> {
    let mut pieces = line.split(|&b| b == b' ').next()?.split(|&b| b == b'-');
    let mut number = || usize::from_str_radix(core::str::from_utf8(pieces.next()?).ok()?, 16).ok();
    Some((number()?, number()?))
}

#[cfg(test)]
mod tests;

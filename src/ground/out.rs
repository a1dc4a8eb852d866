//! Text output without allocation or stdio: a fixed buffer, one write(2) a line.
use crate::sys::{errno, file};
use core::fmt;

/// A line in the making. What does not fit is cut, never an error.
pub struct Line {
    bytes: [u8; 1024],
    len: usize,
}

impl Line {
    pub const fn new() -> Line {
        Line { bytes: [0; 1024], len: 0 }
    }
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
    pub fn clear(&mut self) {
        self.len = 0;
    }
}
impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}
impl fmt::Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let n = s.len().min(self.bytes.len() - self.len);
        self.bytes[self.len..self.len + n].copy_from_slice(&s.as_bytes()[..n]);
        self.len += n;
        Ok(())
    }
}

/// Writes `gleaner: <text>\n` to descriptor `fd` in one write; errno is kept.
pub fn say(fd: i32, text: fmt::Arguments<'_>) {
    let _errno = errno::Saved::new();
    let mut line = Line::new();
    let _ = fmt::write(&mut line, format_args!("gleaner: {text}"));
    if line.len == line.bytes.len() {
        line.len -= 1;
    }
    line.bytes[line.len] = b'\n';
    line.len += 1;
    let _ = file::write_all(fd, line.as_bytes());
}

//! Text output without allocation or stdio: a fixed buffer, one write(2) a line.
use crate::sys::{errno, file};
use core::fmt;

/// A text in the making. What does not fit is cut, never an error.
pub struct Text<const ROOM: usize> {
    bytes: [u8; ROOM],
    len: usize,
}
pub type Line = Text<1024>;

impl<const ROOM: usize> Text<ROOM> {
    pub const fn new() -> Self {
        Text { bytes: [0; ROOM], len: 0 }
    }
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
    pub fn clear(&mut self) {
        self.len = 0;
    }
}
impl<const ROOM: usize> Default for Text<ROOM> {
    fn default() -> Self {
        Self::new()
    }
}
impl<const ROOM: usize> fmt::Write for Text<ROOM> {
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

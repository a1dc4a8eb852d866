//! A path in a fixed buffer: there is no allocator to ask for a longer one.
use super::file;

/// The longest path that is kept, its NUL included; longer ones are cut.
pub const PATH_MAX: usize = 1024;

/// A path. The bytes behind it are always followed by a NUL.
#[derive(Clone, Copy)]
pub struct Path {
    bytes: [u8; PATH_MAX],
    len: usize,
}
impl Path {
    pub const fn new() -> Path {
        Path { bytes: [0; PATH_MAX], len: 0 }
    }
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
    pub fn set(&mut self, text: &[u8]) {
        self.len = 0;
        self.push(text);
    }
    pub fn push(&mut self, text: &[u8]) {
        let n = text.len().min(PATH_MAX - 1 - self.len);
        self.bytes[self.len..self.len + n].copy_from_slice(&text[..n]);
        self.len += n;
        self.bytes[self.len] = 0;
    }
    /// Becomes what the symbolic link `link` says, or empty.
    pub fn read_link(&mut self, link: &core::ffi::CStr) {
        self.len = 0;
        if let Ok(len) = file::read_link(link, &mut self.bytes[..PATH_MAX - 1]) {
            self.len = len;
        }
        self.bytes[self.len] = 0;
    }
    /// For system calls: ends in NUL (the buffer always keeps one).
    pub fn as_c_str(&self) -> &core::ffi::CStr {
        core::ffi::CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}
impl Default for Path {
    fn default() -> Self {
        Path::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_never_overrun() {
        let mut path = Path::new();
        path.push(&[b'a'; 3000]);
        assert_eq!(path.as_bytes().len(), PATH_MAX - 1);
        assert_eq!(path.as_c_str().to_bytes().len(), PATH_MAX - 1);
        path.set(b"/x");
        path.push(b"y");
        assert_eq!(path.as_c_str(), c"/xy");
    }
}

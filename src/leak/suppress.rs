//! Suppressions where no name is known: patterns against the paths of modules.
//!
//! The `gleaner` command applies the user's file to functions, files and modules. This is for the
//! plain report only: a line `leak:pattern` whose pattern matches the path of a module in the
//! stack. `*` stands for any text, `^` and `$` hold the pattern at the path's ends. Patterns that
//! mean a function match no path, and their leaks are reported: told too much rather than too
//! little.
use super::scratch::List;
use crate::ground::critical::Critical;
use crate::sys::file::Fd;
use core::ffi::CStr;

/// The text of a suppression file.
pub struct Suppressions<'c> {
    text: List<'c, u8>,
}

impl<'c> Suppressions<'c> {
    /// The program's own rules, and the file's; none of those if it cannot be read.
    pub fn read(critical: &'c Critical, file: Option<&CStr>, own: &[u8]) -> Suppressions<'c> {
        let mut text = List::new(critical);
        // Without memory there are fewer rules: more is reported.
        let _ = own.iter().chain(b"\n").try_for_each(|&byte| text.push(byte));
        let fd = file.and_then(|path| Fd::open(path, libc::O_RDONLY, 0).ok());
        let mut buffer = [0u8; 1024];
        while let Some(Ok(n @ 1..)) = fd.as_ref().map(|fd| fd.read(&mut buffer)) {
            if buffer[..n].iter().any(|&byte| text.push(byte).is_err()) {
                break;
            }
        }
        Suppressions { text }
    }
    /// Whether a rule matches this path.
    pub fn hold(&self, path: &[u8]) -> bool {
        let lines = self.text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
        lines
            .filter_map(|line| line.strip_prefix(b"leak:"))
            .any(|pattern| !pattern.is_empty() && matches(pattern, path))
    }
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (pattern, at_begin) = match pattern.strip_prefix(b"^") {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    let (pattern, at_end) = match pattern.strip_suffix(b"$") {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    let mut rest = text;
    let mut pieces = pattern.split(|&b| b == b'*').enumerate().peekable();
    while let Some((number, piece)) = pieces.next() {
        let held = number == 0 && at_begin;
        if pieces.peek().is_none() && at_end {
            // The last piece: at the very end, and, if it is the only one, at the begin too.
            return rest.ends_with(piece) && (!held || rest.len() == piece.len());
        }
        let found = if held { rest.starts_with(piece).then_some(0) } else { position(rest, piece) };
        match found {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}

fn position(text: &[u8], piece: &[u8]) -> Option<usize> {
    if piece.is_empty() { Some(0) } else { text.windows(piece.len()).position(|window| window == piece) }
}

#[cfg(test)]
mod tests {
    use super::{Suppressions, matches};
    use crate::ground::critical;

    #[test]
    fn the_program_has_its_own() {
        let critical = critical::enter();
        let rules = Suppressions::read(&critical, None, b"# known\n leak:foo.so$");
        assert!(rules.hold(b"/lib/foo.so") && !rules.hold(b"/lib/foo.so.1"));
    }

    #[test]
    fn patterns() {
        let path = b"/usr/lib/libfoo.so.1";
        for pattern in
            ["libfoo", "lib*foo", "^/usr", "so.1$", "^/usr*.so", "^/usr/lib/libfoo.so.1$", "*", "^*$"]
        {
            assert!(matches(pattern.as_bytes(), path), "{pattern}");
        }
        for pattern in ["libbar", "^lib", "so$", "foo*usr", "^/usr/lib$", "foo**bar", "^x*$"] {
            assert!(!matches(pattern.as_bytes(), path), "{pattern}");
        }
    }
}

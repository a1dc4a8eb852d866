//! The outer syntax: items parted by colons, quotes and backslashes, and bytes made fit to print.
use super::value::{Fault, Path};
use core::fmt;

/// One `name=value` of the text, still quoted.
pub struct Item<'a>(&'a [u8]);

impl<'a> Item<'a> {
    pub fn name_and_value(&self) -> Option<(&'a [u8], &'a [u8])> {
        let equals = self.0.iter().position(|&b| b == b'=')?;
        let (name, value) = (self.0[..equals].trim_ascii_end(), &self.0[equals + 1..]);
        (!name.is_empty()).then_some((name, value))
    }
    pub fn shown(&self) -> Shown<'a> {
        Shown(self.0)
    }
}

/// The items of `text`; empty ones are left out.
pub fn items(text: &[u8]) -> impl Iterator<Item = Item<'_>> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        loop {
            let text = rest?;
            let end = item_end(text);
            rest = text.get(end + 1..);
            let item = trim(&text[..end]);
            if !item.is_empty() {
                return Some(Item(item));
            }
        }
    })
}

/// Blanks around an item go, but not a blank that a backslash keeps.
fn trim(item: &[u8]) -> &[u8] {
    let item = item.trim_ascii_start();
    let kept = item.trim_ascii_end();
    let backslashes = kept.iter().rev().take_while(|&&b| b == b'\\').count();
    let keep_one = backslashes % 2 == 1 && kept.len() < item.len();
    &item[..kept.len() + usize::from(keep_one)]
}

/// Where the first item of `text` ends: its colon, or the end.
fn item_end(text: &[u8]) -> usize {
    let (mut quoted, mut at) = (false, 0);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => quoted = !quoted,
            b':' if !quoted => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// The plain value of `raw`: backslashes and quotes resolved.
pub fn unquote(raw: &[u8], value: &mut Path) -> Result<(), Fault> {
    *value = Path::EMPTY;
    let (mut quoted, mut bytes) = (false, raw.iter());
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => value.push(*bytes.next().ok_or(Fault::Backslash)?)?,
            b'"' => quoted = !quoted,
            _ => value.push(byte)?,
        }
    }
    if quoted { Err(Fault::Quote) } else { Ok(()) }
}

/// Writes `value` so that [`unquote`] gives it back: a backslash before what would mean something.
pub fn quote(value: &[u8], out: &mut dyn FnMut(&[u8])) {
    for byte in value {
        if matches!(byte, b':' | b'"' | b'\\') || byte.is_ascii_whitespace() {
            out(b"\\");
        }
        out(core::slice::from_ref(byte));
    }
}

/// Bytes of the user in a message: printable ASCII as it is, the rest as `\x..`, cut after 80.
#[derive(Clone, Copy)]
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 80;
        let shown = &self.0[..self.0.len().min(LONGEST)];
        // Whole UTF-8 passes, apart from control characters; anything else is escaped.
        for chunk in shown.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() { write!(f, "\\x{:02x}", c as u32)? } else { write!(f, "{c}")? }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        if self.0.len() > LONGEST { f.write_str("...") } else { Ok(()) }
    }
}

/// Edits (insert, remove, replace) between two short names; a long one is simply far away.
pub fn distance(a: &[u8], b: &[u8]) -> usize {
    const LONGEST: usize = 24;
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut row = [0; LONGEST + 1];
    for (column, cell) in row.iter_mut().enumerate() {
        *cell = column;
    }
    for (line, &from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, &to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

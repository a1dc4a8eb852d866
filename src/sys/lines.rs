//! The lines of one of the kernel's text files, however the reads cut them.
use super::file::{self, Fd};
use super::raw::Errno;

/// Of a longer line only this much is shown.
const LONGEST: usize = 1024;

/// Calls `each` with every line of `file`, without its end, until it says that it has enough.
pub fn for_each(
    file: &Fd,
    buffer: &mut [u8],
    each: &mut dyn FnMut(&[u8]) -> core::ops::ControlFlow<()>,
) -> Result<(), Errno> {
    // A line whose begin came with an earlier read.
    let (mut line, mut len) = ([0u8; LONGEST], 0);
    let append = |line: &mut [u8; LONGEST], len: &mut usize, more: &[u8]| {
        let n = more.len().min(LONGEST - *len);
        line[*len..*len + n].copy_from_slice(&more[..n]);
        *len += n;
    };
    loop {
        let n = file::read(file.raw(), buffer)?;
        let mut rest = &buffer[..n];
        while let Some(end) = rest.iter().position(|&b| b == b'\n') {
            let whole = match len {
                0 => &rest[..end.min(LONGEST)],
                _ => {
                    append(&mut line, &mut len, &rest[..end]);
                    &line[..core::mem::take(&mut len)]
                }
            };
            if each(whole).is_break() {
                return Ok(());
            }
            rest = &rest[end + 1..];
        }
        append(&mut line, &mut len, rest);
        if n == 0 {
            if len != 0 {
                let _ = each(&line[..len]);
            }
            return Ok(());
        }
    }
}

/// What stands behind `name`, up to the next blank; blanks before it are passed over. Wherever `name` is in the line.
pub fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = line.windows(name.len()).position(|part| part == name)?;
    let rest = line[at + name.len()..].trim_ascii_start();
    let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
    (end != 0).then_some(&rest[..end])
}

/// A number and nothing else.
pub fn number(text: &[u8], radix: u32) -> Option<u64> {
    u64::from_str_radix(core::str::from_utf8(text).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ops::ControlFlow;

    #[test]
    fn lines_are_whole_whatever_the_reads_cut() {
        let fd = Fd::adopt(file::memory(c"lines-test").unwrap());
        let long = [b'x'; LONGEST + 50];
        fd.write_all(b"one\n\ntwo words\n").unwrap();
        fd.write_all(&long).unwrap();
        fd.write_all(b"\nlast").unwrap();
        for size in [1, 2, 3, 7, 4096] {
            file::rewind(fd.raw()).unwrap();
            let mut all: Vec<Vec<u8>> = Vec::new();
            for_each(&fd, &mut vec![0; size], &mut |line| {
                all.push(line.to_vec());
                ControlFlow::Continue(())
            })
            .unwrap();
            let wanted: [&[u8]; 5] = [b"one", b"", b"two words", &long[..LONGEST], b"last"];
            assert_eq!(all, wanted);
        }
        file::rewind(fd.raw()).unwrap();
        let mut count = 0;
        for_each(&fd, &mut [0; 8], &mut |_| {
            count += 1;
            ControlFlow::Break(())
        })
        .unwrap();
        assert_eq!(count, 1);
    }

    #[test]
    fn values_are_found_by_name() {
        let line = b"tfd:       21 events:       19 data:     7f0400  pos:0";
        assert_eq!(value(line, b"data:"), Some(&b"7f0400"[..]));
        assert_eq!(value(line, b"pos:"), Some(&b"0"[..]));
        assert_eq!(value(line, b"ino:"), None);
        assert_eq!(value(b"data:", b"data:"), None);
        assert_eq!(number(b"7f", 16), Some(0x7f));
        assert_eq!(number(b"7g", 16), None);
        assert_eq!(number(b"", 10), None);
    }
}

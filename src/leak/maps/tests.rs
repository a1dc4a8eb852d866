use super::*;

#[test]
fn a_line_is_parsed() {
    let line = b"7f12a000-7f12c000 r-xp 00001000 08:01 1234                       /usr/lib/a b.so (deleted)";
    let (mapping, path) = parse(line).unwrap();
    let wanted = Mapping { start: 0x7f12a000, end: 0x7f12c000, offset: 0x1000, readable: true, inode: 1234 };
    assert_eq!(mapping, wanted);
    assert_eq!(path, b"/usr/lib/a b.so (deleted)");
    let (mapping, path) = parse(b"1000-2000 ---p 00000000 00:00 0 ").unwrap();
    assert!(!mapping.readable && path.is_empty());
    for bad in [&b""[..], b"x", b"1000", b"1000-", b"1000-2000", b"1000-2000 r", b"1000-2000 r-xp 0"] {
        assert!(parse(bad).is_none());
    }
}

#[test]
fn the_text_and_the_query_agree() {
    let local = 1u8;
    for addr in [&raw const local as usize, libc::malloc as *const () as usize] {
        let mut by_text = None;
        each(&mut |m, _| {
            if (m.start..m.end).contains(&addr) {
                by_text = Some(m);
            }
            true
        });
        let asked = holding(addr).unwrap();
        assert!((asked.start..asked.end).contains(&addr) && asked.readable);
        assert_eq!(by_text.unwrap().end, asked.end);
    }
    assert_eq!(holding(0x10), None);
}

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

use super::*;
use proptest::prelude::*;

#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    lo: usize,
    hi: usize,
    perms: Perms,
    offset: u64,
    inode: u64,
    name: Vec<u8>,
}

/// Feeds `text` in pieces of `step` bytes.
fn parse(text: &[u8], step: usize) -> Result<Vec<Line>, Malformed> {
    let mut lines = vec![];
    let mut parser = Parser::<NAME>::new();
    for piece in text.chunks(step) {
        parser.feed(piece, &mut |m| {
            lines.push(Line {
                lo: m.lo.0,
                hi: m.hi.0,
                perms: m.perms,
                offset: m.offset,
                inode: m.inode,
                name: m.name.to_vec(),
            })
        })?;
    }
    parser.finish()?;
    Ok(lines)
}

const SAMPLE: &str = "\
55d0c8a00000-55d0c8a02000 r--p 00000000 fe:00 316535                     /usr/bin/cat
55d0c9000000-55d0c9021000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000021000 rw-p 00000000 00:00 0 
7f0000021000-7f0004000000 ---p 00000000 00:00 0 
7f1000000000-7f1000001000 rw-s 00000000 00:01 1044                       /dev/zero (deleted)
7f1000001000-7f1000002000 rwxs 00003000 00:01 18446744073709551615       /memfd:a b (deleted)
7f1000002000-7f1000003000 rw-p 00000000 00:00 0                          [anon:some name]
7f4fd1c4c000-7f4fd1c50000 r--p 00000000 00:00 0                          [vvar]
7ffc5a3ba000-7ffc5a3db000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
";

#[test]
fn every_kind_of_line_in_pieces_of_every_size() {
    let whole = parse(SAMPLE.as_bytes(), SAMPLE.len()).unwrap();
    assert_eq!(whole.len(), 10);
    assert_eq!(whole[0].name, b"/usr/bin/cat");
    assert_eq!(whole[0].perms, Perms::READ);
    assert_eq!((whole[0].lo, whole[0].inode), (0x55d0c8a00000, 316535));
    assert_eq!(whole[2].name, b"");
    assert_eq!(whole[3].perms, Perms::default());
    assert!(whole[5].perms.has(Perms::SHARED.with(Perms::EXEC)));
    assert_eq!((whole[5].offset, whole[5].inode), (0x3000, u64::MAX));
    assert_eq!(whole[5].name, b"/memfd:a b (deleted)");
    assert_eq!(whole[9].hi, 0xffff_ffff_ff60_1000);
    for step in 1..200 {
        assert_eq!(parse(SAMPLE.as_bytes(), step).unwrap(), whole);
    }
}

#[test]
fn a_path_of_any_length_is_cut() {
    let text = format!("1000-2000 r--p 0 fe:00 7    /{}\n2000-3000 rw-p 0 00:00 0\n", "x".repeat(20_000));
    let lines = parse(text.as_bytes(), 4096).unwrap();
    assert_eq!(lines[0].name.len(), NAME);
    assert_eq!((lines[1].lo, lines[1].name.len()), (0x2000, 0));
}

#[test]
fn what_is_not_a_list_is_refused() {
    for bad in [
        "1000-2000",
        "1000-2000\n",
        "\n",
        "1000-2000 rw-p 0 00:00 0\n10",
        "2000-1000 rw-p 0 00:00 0\n",
        "1000-1000 rw-p 0 00:00 0\n",
        "10g0-2000 rw-p 0 00:00 0\n",
        "1000-2000 rq-p 0 00:00 0\n",
        "-2000 rw-p 0 00:00 0\n",
        "11111111111111111-2 rw-p 0 00:00 0\n",
        "1000-2000 rw-p 0 00:00 x\n",
    ] {
        assert_eq!(parse(bad.as_bytes(), 7), Err(Malformed), "{bad:?}");
    }
    assert_eq!(parse(b"", 1), Ok(vec![]));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in proptest::collection::vec(any::<u8>(), 0..300), step in 1usize..50) {
        let _ = parse(&text, step);
    }
}

#[test]
fn the_real_list_holds_this_very_variable() {
    let here = 0u64;
    let at = Addr::of(&raw const here);
    let (mut found, mut last) = (false, Addr::NULL);
    for_each(&mut [0; 4096], &mut |m| {
        assert!(m.lo >= last && m.hi > m.lo);
        last = m.hi;
        found |= m.lo <= at && at < m.hi && m.perms.has(Perms::READ.with(Perms::WRITE));
    })
    .unwrap();
    assert!(found);
}

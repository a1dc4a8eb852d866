use super::*;
use crate::sys::maps::Parser;

#[test]
fn every_kind_of_line() {
    use Class::*;
    let (anon, brk, data, sh) = (RootKind::Anonymous, RootKind::Brk, RootKind::Data, RootKind::Shared);
    let table: [(&str, Option<(Class, RootKind)>); 33] = [
        ("rw-p 0 00:00 0", Some((Anonymous, anon))),
        ("---p 0 00:00 0", Some((Anonymous, anon))),
        ("rwxp 0 00:00 0 [anon:some name]", Some((Anonymous, anon))),
        ("rw-p 0 00:00 0 [heap]", Some((Anonymous, brk))),
        ("rw-p 0 00:00 0 [stack]", Some((Anonymous, anon))),
        ("r--p 0 00:00 0 [vvar]", None),
        ("r--p 0 00:00 0 [vvar_vclock]", None),
        ("r-xp 0 00:00 0 [vdso]", None),
        ("--xp 0 00:00 0 [vsyscall]", None),
        ("--xp 0 00:00 0 [uprobes]", None),
        ("r-xp 0 fe:00 3 /usr/bin/cat", Some((File, data))),
        ("rw-p 0 fe:00 3 /usr/bin/cat (deleted)", Some((File, data))),
        ("rw-p 0 00:01 3 /memfd:x (deleted)", Some((File, data))),
        ("rw-p 0 00:01 3 /dev/zero", Some((Anonymous, anon))),
        ("rw-p 0 00:01 3 /dev/shm/x", Some((File, data))),
        ("rw-p 0 00:01 3 /dev/hugepages/x", Some((File, data))),
        ("rw-p 0 00:01 3 /dev/fb0", None),
        ("rw-s 0 00:01 3 /dev/zero (deleted)", Some((SharedAnonymous, sh))),
        ("---s 0 00:01 3 /dev/zero (deleted)", Some((Shared, sh))),
        ("rw-s 0 00:01 3 /dev/shm/x", Some((Shared, sh))),
        ("r--s 0 00:01 3 /memfd:x (deleted)", Some((Shared, sh))),
        ("rw-s 0 00:01 3 /SYSV00000000 (deleted)", Some((Shared, sh))),
        ("rw-s 0 00:01 3 [anon_shmem:name]", Some((Shared, sh))),
        ("rw-s 0 00:01 3 /anon_hugepage (deleted)", Some((Shared, sh))),
        ("rw-s 0 fe:00 3 /home/me/data", Some((Shared, sh))),
        ("-w-s 0 fe:00 3 /home/me/data", Some((Shared, sh))),
        ("r--s 0 fe:00 3 /usr/lib/gconv/gconv-modules.cache", None),
        ("rw-s 0 00:05 3 /dev/nvidia0", None),
        ("rw-s 0 00:05 3 /dev/dri/card0", None),
        ("rw-s 0 00:05 3 /sys/bus/pci/devices/0/resource0", None),
        ("rw-s 0 00:0e 3 anon_inode:[perf_event]", None),
        ("rw-s 0 00:0e 3 anon_inode:[io_uring]", Some((Whole, sh))),
        ("rw-s 0 00:0e 3 /secretmem (deleted)", Some((Whole, sh))),
    ];
    for (line, expected) in table {
        let mut got = None;
        let text = format!("1000-2000 {line}\n");
        Parser::<48>::new().feed(text.as_bytes(), &mut |m| got = Some(classify(m))).unwrap();
        assert_eq!(got, Some(expected), "{line}");
    }
}

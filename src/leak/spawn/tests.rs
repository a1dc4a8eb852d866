use super::*;
use crate::ground::critical;
use crate::sys::file;
use std::sync::Mutex;

/// One child at a time: the deadline is about time.
static ALONE: Mutex<()> = Mutex::new(());

fn sh(script: &CStr, input: &[u8], deadline_ms: u64) -> (End, Vec<u8>) {
    let (stdin, stdout) = (file::memory(c"in").unwrap(), file::memory(c"out").unwrap());
    file::write_all(stdin, input).unwrap();
    file::rewind(stdin).unwrap();
    let argv = [c"sh", c"-c", script];
    let program = Program { path: c"/bin/sh", argv: &argv, stdin, stdout, deadline_ms, until: Until::End };
    let end = run(&critical::enter(), &program);
    file::rewind(stdout).unwrap();
    let (stdin, stdout) = (Fd::adopt(stdin), Fd::adopt(stdout));
    let mut text = vec![0; 1 << 16];
    let n = stdout.read(&mut text).unwrap();
    text.truncate(n);
    drop(stdin);
    (end, text)
}

#[test]
fn input_output_status() {
    let _alone = ALONE.lock().unwrap();
    let (end, text) = sh(c"tr a-z A-Z; exit 3", b"leak", 10_000);
    assert_eq!((end, text.as_slice()), (End::Status(3), &b"LEAK"[..]));
    assert_eq!(sh(c"kill -9 $$", b"", 10_000).0, End::Broken);
    let program = Program {
        path: c"/no/such",
        argv: &[c"x"],
        stdin: 0,
        stdout: 1,
        deadline_ms: 1000,
        until: Until::End,
    };
    assert_eq!(run(&critical::enter(), &program), End::NotRun);
    let program = Program {
        path: c"/bin/true",
        argv: &[c"x"],
        stdin: -1,
        stdout: 1,
        deadline_ms: 1000,
        until: Until::End,
    };
    assert_eq!(run(&critical::enter(), &program), End::NotRun);
}

#[test]
fn past_its_deadline_it_is_killed() {
    let _alone = ALONE.lock().unwrap();
    let begin = std::time::Instant::now();
    assert_eq!(sh(c"exec sleep 30", b"", 100).0, End::Broken);
    assert!(begin.elapsed().as_secs() < 10);
}

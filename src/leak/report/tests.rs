use super::*;
use crate::ground::critical;
use crate::leak::{depot, unwind};
use std::os::unix::fs::PermissionsExt;

const ABOUT: About<'static> =
    About { mode: "leak", notes: &["3 threads did not stop"], rules: b"leak:own_rule\n" };

type Lines<'a> = Vec<Vec<&'a str>>;

#[inline(never)]
fn somewhere() -> u32 {
    let mut out = [0; 64];
    let n = unwind::capture(&mut out);
    depot::intern(&out[..n])
}

fn groups() -> Vec<Group> {
    let stack = somewhere();
    vec![
        Group { kind: Kind::Direct, stack, bytes: 300, objects: 3 },
        Group { kind: Kind::Direct, stack: 0, bytes: 8, objects: 1 },
        Group { kind: Kind::Indirect, stack, bytes: 1 << 33, objects: 2 },
    ]
}

fn printed(order: impl Fn(i32) -> Order<'static>, groups: &[Group]) -> (Verdict, String) {
    let out = Fd::adopt(file::memory(c"out").unwrap());
    let verdict = finish(&critical::enter(), &order(out.raw()), &ABOUT, &groups.into());
    file::rewind(out.raw()).unwrap();
    let mut bytes = vec![0; 1 << 20];
    let n = out.read(&mut bytes).unwrap();
    (verdict, String::from_utf8(bytes[..n].to_vec()).unwrap())
}

fn none(out: i32) -> Order<'static> {
    Order { out, symbolizer: b"none", suppressions: b"", format: Format::Text, until: Until::End }
}

fn file_of(name: &str, text: &str) -> &'static [u8] {
    let path = std::env::temp_dir().join(format!("gleaner-report-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.into_os_string().into_encoded_bytes().leak()
}

#[test]
fn plain_text() {
    let (verdict, text) = printed(none, &groups());
    assert_eq!(verdict, Verdict::Leaks);
    let pid = std::process::id();
    assert!(text.contains(&format!("=={pid}==ERROR: LeakSanitizer: detected memory leaks\n\n")), "{text}");
    assert!(text.contains("Direct leak of 300 byte(s) in 3 object(s) allocated from:\n    #0 0x"), "{text}");
    assert!(
        text.contains("Direct leak of 8 byte(s) in 1 object(s) allocated from:\n    <empty stack>\n"),
        "{text}"
    );
    assert!(text.contains("Indirect leak of 8589934592 byte(s) in 2 object(s)"), "{text}");
    assert!(
        text.ends_with("SUMMARY: LeakSanitizer: 8589934900 byte(s) leaked in 6 allocation(s).\n"),
        "{text}"
    );
    let exe = std::env::current_exe().unwrap();
    let frame = text.lines().find(|l| l.starts_with("    #0 ")).unwrap();
    assert!(frame.contains(&format!(" ({}+0x", exe.display())), "{frame}");
    assert!(text.lines().any(|l| l.contains("libc.so.6+0x") && l.contains(") (BuildId: ")), "{text}");
    assert_eq!(printed(none, &[]), (Verdict::Clean, String::new()));
}

#[test]
fn suppressed_by_module() {
    let rules = file_of("rules", "# ours\n  leak:no_such_thing\nleak:^*/gleaner_core-*\n");
    let order = |out| Order { suppressions: rules, ..none(out) };
    let (verdict, text) = printed(order, &groups());
    assert_eq!(verdict, Verdict::Leaks);
    assert!(text.ends_with("SUMMARY: LeakSanitizer: 8 byte(s) leaked in 1 allocation(s).\n"), "{text}");
    assert_eq!(printed(order, &groups()[..1]), (Verdict::Clean, String::new()));
}

#[test]
fn the_record_reaches_the_command() {
    let command = file_of("echo", "#!/bin/sh\necho \"$@\"\ncat\n");
    let order = |out| Order {
        out,
        symbolizer: command,
        suppressions: b"/some/rules",
        format: Format::Html,
        until: Until::End,
    };
    let (verdict, text) = printed(order, &groups());
    assert_eq!(verdict, Verdict::Leaks);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "report --from-process --format html - --suppressions /some/rules");
    let exe = std::env::current_exe().unwrap();
    let head = [
        "gleaner-record 1".into(),
        format!("pid {}", std::process::id()),
        format!("exe {}", exe.display()),
        "mode leak".into(),
    ];
    assert_eq!(lines[1..5], head);
    let of =
        |kind: &str| lines.iter().filter(|l| l.starts_with(kind)).map(|l| l.split(' ').collect()).collect();
    let (modules, stacks, leaks): (Lines, Lines, Lines) = (of("module "), of("stack "), of("leak "));
    let module = modules.iter().find(|m| m[5] == exe.to_str().unwrap()).unwrap();
    let hex = |text: &str| usize::from_str_radix(text, 16).unwrap();
    let here = somewhere as fn() -> u32 as usize;
    assert!(hex(module[1]) < here && here < hex(module[2]) && hex(module[3]) <= hex(module[1]));
    assert!(stacks[0].len() > 6 && stacks[0][2..].iter().all(|pc| hex(pc.trim_start_matches('!')) > 0));
    assert_eq!(leaks[0], ["leak", "direct", "300", "3", stacks[0][1]]);
    assert_eq!(leaks[1], ["leak", "direct", "8", "1", "0"]);
    let tail = ["note 3 threads did not stop", "suppress leak:own_rule", "end 8589934900 6"];
    assert_eq!(lines[lines.len() - 3..], tail);
}

#[test]
fn the_record_itself_on_request() {
    let (verdict, text) = printed(|out| Order { symbolizer: b"record", ..none(out) }, &groups());
    assert_eq!(verdict, Verdict::Leaks);
    assert!(text.starts_with("gleaner-record 1\npid ") && text.ends_with("\nend 8589934900 6\n"), "{text}");
}

#[test]
fn its_verdict_counts_and_its_failure_costs_nothing() {
    for (script, verdict, starts) in [
        ("exit 0", Verdict::Leaks, ""),
        ("exit 3", Verdict::Clean, ""),
        ("exit 1", Verdict::Leaks, "\n====="),
        ("kill -11 $$", Verdict::Leaks, "\n====="),
    ] {
        let command = file_of("verdict", &format!("#!/bin/sh\n{script}\n"));
        let order = |out| Order {
            out,
            symbolizer: command,
            suppressions: b"",
            format: Format::Text,
            until: Until::End,
        };
        let (seen, text) = printed(order, &groups());
        assert_eq!(seen, verdict, "{script}");
        assert!(text.starts_with(starts) && (text.is_empty() == starts.is_empty()), "{script}: {text}");
    }
    let missing = |out| Order {
        out,
        symbolizer: b"/no/such/command",
        suppressions: b"",
        format: Format::Text,
        until: Until::End,
    };
    assert!(printed(missing, &groups()).1.contains("SUMMARY"));
}

#[test]
fn paths_cannot_break_the_lines() {
    let fd = Fd::adopt(file::memory(c"out").unwrap());
    let mut out = Out::new(fd.raw());
    out.path(b"/a\nleak direct 1 1 1\r");
    out.bytes(&[b'x'; 9000]);
    out.finish().unwrap();
    file::rewind(fd.raw()).unwrap();
    let mut bytes = vec![0; 10_000];
    let n = fd.read(&mut bytes).unwrap();
    assert_eq!(n, 9000 + 21);
    assert!(bytes.starts_with(b"/a?leak direct 1 1 1?x"));
    assert_eq!(Out::new(-1).finish(), Ok(()));
    let mut unwritable = Out::new(-1);
    unwritable.bytes(b"x");
    assert_eq!(unwritable.finish(), Err(Unwritten));
}

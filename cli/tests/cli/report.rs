//! `gleaner report` on records of modules that are compiled here: names, lines, inlining, separate
//! debug files, suppressions, and the exact text.

use crate::bench::{Bench, gleaner};

/// A leak through an inlined function; `static` so that -O2 really inlines.
const C: &str = r#"#include <stdlib.h>
void *keep;
static inline __attribute__((always_inline)) void *make(int n) {
    keep = malloc(n);
    return keep;
}
__attribute__((noinline)) void *outer(int n) {
    void *p = make(n + 1);
    keep = 0;
    return p;
}
int main(void) {
    return outer(3) == 0;
}
"#;

#[test]
fn lines_inlining_and_the_exact_text() {
    let bench = Bench::new("lines");
    let program = bench.compile("cc", "leak.c", C, &["-g", "-O2", "-fno-pie", "-no-pie"]);
    let call = bench.call_in(&program, "outer", "malloc");
    let record = format!(
        "gleaner-record 1\npid 42\nexe {0}\nmode leak\nmodule 400000 500000 0 - {0}\n\
         module 7f0000000000 7f0000100000 7f0000000000 00ff /no/such/plugin.so\n\
         stack 1 {call:x} 7f0000001235\nstack 2 {call:x} 7f0000001235\nstack 3 !99\n\
         leak indirect 500 1 1\nleak direct 16 1 1\nleak direct 8 1 2\nleak direct 100 2 3\nleak direct 1 1 0\n\
         leak mapping 8192 2 2\nend 8817 8\n",
        program.display()
    );
    let done = gleaner(&["report", "-"], record.as_bytes());
    let (source, at) = (bench.path("leak.c"), call - 1);
    let source = source.display();
    let stack = format!(
        "    #0 {at:#014x} in make {source}:4:12\n    #1 {at:#014x} in outer {source}:8:15\n    \
         #2 0x7f0000001234 (/no/such/plugin.so+0x1234) (BuildId: 00ff)\n"
    );
    let expected = format!(
        "\n=================================================================\n\
         ==42==ERROR: LeakSanitizer: detected memory leaks\n\n\
         ==42==gleaner: 8 leaks, 8817 bytes lost from 3 places, most in\n\
         ==42==gleaner:   8716 bytes in 5 objects: make, leak.c:4\n\
         ==42==gleaner:   100 bytes in 2 objects: 0x99\n\
         ==42==gleaner:   1 bytes in 1 object: an unknown place\n\n\
         ==42==gleaner: /no/such/plugin.so cannot be read: its functions have no names here\n\n\
         Direct leak of 100 byte(s) in 2 object(s) allocated from:\n    #0 0x000000000099 (<unknown module>)\n\n\
         Direct leak of 24 byte(s) in 2 object(s) allocated from:\n{stack}\n\
         Direct leak of 1 byte(s) in 1 object(s) allocated from:\n    <empty stack>\n\n\
         Indirect leak of 500 byte(s) in 1 object(s) allocated from:\n{stack}\n\
         Leaked mapping of 8192 byte(s) in 2 mapping(s) mapped from:\n{stack}\n\
         ==42==gleaner: known and meant? Put into a file for --suppressions:\nleak:^make$\n\n\
         SUMMARY: LeakSanitizer: 8817 byte(s) leaked in 8 allocation(s).\n"
    );
    assert_eq!(done.out, expected);
    assert_eq!((done.status, &*done.err), (0, ""));
}

#[test]
fn cpp_names_in_a_position_independent_program() {
    let bench = Bench::new("cpp");
    let text = "namespace shop { template <class T> struct Cart { [[gnu::noinline]] T *add(int n) { return new T[n]; } }; }\n\
                int *kept;\nint main() { shop::Cart<int> c; kept = c.add(3); return 0; }\n";
    for flags in [&["-g", "-O1"][..], &["-O1"]] {
        let program = bench.compile("c++", "cart.cc", text, flags);
        let call = bench.call_in(&program, "_ZN4shop4CartIiE3addEi", "_Znam");
        let bias = 0x5500_0000_0000u64;
        let record = bench.record(&program, bias, &[bias + call], "-");
        let done = gleaner(&["report"], record.as_bytes());
        assert!(done.out.contains(" in shop::Cart<int>::add(int) "), "{}", done.out);
        assert_eq!(done.out.contains("cart.cc:1:"), flags.contains(&"-g"), "{}", done.out);
    }
}

#[test]
fn separate_debug_files() {
    let bench = Bench::new("separate");
    let flags = ["-g", "-O2", "-fno-pie", "-no-pie", "-Wl,--build-id=0x0123456789abcdef"];
    let program = bench.compile("cc", "leak.c", C, &flags);
    let call = bench.call_in(&program, "outer", "malloc");
    let debug = bench.path("leak.debug");
    bench.run(
        "objcopy",
        &[
            "--only-keep-debug",
            "--compress-debug-sections",
            program.to_str().unwrap(),
            debug.to_str().unwrap(),
        ],
    );
    let stripped = bench.path("stripped");
    bench.run("strip", &["-o", stripped.to_str().unwrap(), program.to_str().unwrap()]);
    let record = bench.record(&stripped, 0, &[call], "0123456789abcdef");
    let named = |done: crate::bench::Done| done.out.contains("in outer ") && done.out.contains("leak.c:8:15");

    // Nothing to go by.
    let done = gleaner(&["report"], record.as_bytes());
    assert!(done.out.contains(&format!("({}+", stripped.display())), "{}", done.out);
    // By build-id, in a directory named by the user.
    let store = bench.path("store");
    std::fs::create_dir_all(store.join(".build-id/01")).unwrap();
    std::fs::copy(&debug, store.join(".build-id/01/23456789abcdef.debug")).unwrap();
    let dir = format!("--debug-dir={}", store.display());
    assert!(named(gleaner(&["report", &dir], record.as_bytes())));
    // The same with the module itself gone: its file is on another machine.
    let gone = record.replace("stripped", "elsewhere");
    assert!(named(gleaner(&["report", &dir], gone.as_bytes())));
    // By link, beside the module.
    bench.run("objcopy", &[&format!("--add-gnu-debuglink={}", debug.display()), stripped.to_str().unwrap()]);
    assert!(named(gleaner(&["report"], record.as_bytes())));
    // The program on disk is not the one that ran.
    let done = gleaner(&["report"], record.replace("0123456789abcdef", "ff").as_bytes());
    assert!(done.out.contains("was changed since it ran (its build-id differs)"), "{}", done.out);
    assert!(!done.out.contains("in outer"));
}

#[test]
fn a_link_by_checksum() {
    let bench = Bench::new("checksum");
    let program =
        bench.compile("cc", "leak.c", C, &["-g", "-O2", "-fno-pie", "-no-pie", "-Wl,--build-id=none"]);
    let call = bench.call_in(&program, "outer", "malloc");
    let (debug, stripped) = (bench.path("leak.debug"), bench.path("stripped"));
    let (program, link) = (program.to_str().unwrap(), format!("--add-gnu-debuglink={}", debug.display()));
    bench.run("objcopy", &["--only-keep-debug", program, debug.to_str().unwrap()]);
    bench.run("objcopy", &["--strip-all", &link, program, stripped.to_str().unwrap()]);
    let record = bench.record(&stripped, 0, &[call], "-");
    assert!(gleaner(&["report"], record.as_bytes()).out.contains("leak.c:8:15"));
    // Another file under that name is not believed.
    let mut bytes = std::fs::read(&debug).unwrap();
    bytes.push(0);
    std::fs::write(&debug, bytes).unwrap();
    assert!(!gleaner(&["report"], record.as_bytes()).out.contains("leak.c"));
}

#[test]
fn parts_that_dwz_moved() {
    let bench = Bench::new("dwz");
    // Not installed everywhere, and nothing else makes such files.
    if std::process::Command::new("dwz").arg("--version").output().is_err() {
        return;
    }
    // dwz takes DWARF 4, and moves what two programs share.
    let flags = ["-g", "-gdwarf-4", "-O2", "-fno-pie", "-no-pie", "-Wl,--build-id"];
    let first = bench.compile("cc", "leak.c", C, &flags);
    std::fs::copy(&first, bench.path("first")).unwrap();
    std::fs::copy(&first, bench.path("second")).unwrap();
    bench.run("dwz", &["-m", "common.debug", "first", "second"]);
    assert!(bench.run("readelf", &["-SW", "first"]).contains("gnu_debugaltlink"));
    let call = bench.call_in(&first, "outer", "malloc");
    let done = gleaner(&["report"], bench.record(&bench.path("first"), 0, &[call], "-").as_bytes());
    assert!(done.out.contains(" in make ") && done.out.contains("leak.c:8:15"), "{}", done.out);
}

#[test]
fn damaged_modules_cost_names_not_the_report() {
    let bench = Bench::new("damage");
    let program = bench.compile("cc", "leak.c", C, &["-g", "-O2", "-fno-pie", "-no-pie"]);
    let call = bench.call_in(&program, "outer", "malloc");
    let sound = std::fs::read(&program).unwrap();
    let record = bench.record(&program, 0, &[call, call + 40, 0x400100, 0x4fffff], "-");
    let mut seed = 1u64;
    for round in 0..40 {
        let mut bytes = sound.clone();
        for _ in 0..1 + round * 8 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // The middle of the file holds code; DWARF and the tables follow it, headers precede it.
            let at = (seed >> 20) as usize % bytes.len();
            bytes[at] = (seed >> 52) as u8;
        }
        bytes.truncate(if round % 4 == 3 { bytes.len() * round / 40 } else { bytes.len() });
        std::fs::write(&program, bytes).unwrap();
        let done = gleaner(&["report"], record.as_bytes());
        assert_eq!((done.status, &*done.err), (0, ""), "round {round}");
        assert!(
            done.out.ends_with("SUMMARY: LeakSanitizer: 24 byte(s) leaked in 1 allocation(s).\n"),
            "{}",
            done.out
        );
    }
}

#[test]
fn split_dwarf() {
    let bench = Bench::new("split");
    let program = bench.compile("cc", "leak.c", C, &["-g", "-gsplit-dwarf", "-O2", "-fno-pie", "-no-pie"]);
    let call = bench.call_in(&program, "outer", "malloc");
    let done = gleaner(&["report"], bench.record(&program, 0, &[call], "-").as_bytes());
    assert!(done.out.contains(" in make ") && done.out.contains("leak.c:8:15"), "{}", done.out);
}

#[test]
fn symbols_only() {
    let bench = Bench::new("symbols");
    let program = bench.compile("cc", "leak.c", C, &["-O2", "-fno-pie", "-no-pie"]);
    let call = bench.call_in(&program, "outer", "malloc");
    let done = gleaner(&["report"], bench.record(&program, 0, &[call], "-").as_bytes());
    let expected = format!(" in outer ({}+{:#x})\n", program.display(), call - 1);
    assert!(done.out.contains(&expected), "{}", done.out);
}

#[test]
fn suppressions() {
    let bench = Bench::new("suppress");
    let program = bench.compile("cc", "leak.c", C, &["-g", "-O2", "-fno-pie", "-no-pie"]);
    let call = bench.call_in(&program, "outer", "malloc");
    let mut record = bench.record(&program, 0, &[call], "-");
    record = record.replace("end ", "stack 2 !777777777\nleak direct 5 1 2\nend ");
    let run = |rules: &str, more: &[&str]| {
        let file = bench.path("known.supp");
        std::fs::write(&file, rules).unwrap();
        let file = format!("--suppressions={}", file.display());
        gleaner(&[&["report", &file][..], more].concat(), record.as_bytes())
    };
    let done = run("# a comment\nleak:^make$\nleak:never\n", &[]);
    let used = "-----------------------------------------------------\nSuppressions used:\n  count      bytes template\n      \
                1         24 ^make$\n-----------------------------------------------------\n\n\
                ==42==gleaner: suppressions not used: never (PLACE:3)\n\n\
                SUMMARY: LeakSanitizer: 5 byte(s) leaked in 1 allocation(s).\n";
    let used = used.replace("PLACE", bench.path("known.supp").to_str().unwrap());
    assert!(done.out.ends_with(&used), "{}", done.out);
    assert!(!done.out.contains("in outer"));
    // By module and by file, as LeakSanitizer does.
    for rule in ["leak:leak.c", &format!("leak:{}", program.display())] {
        assert!(run(rule, &[]).out.contains("SUMMARY: LeakSanitizer: 5 byte(s)"));
    }
    let one = record.replace("leak direct 5 1 2\n", "");
    std::fs::write(bench.path("known.supp"), "leak:outer").unwrap();
    let file = format!("--suppressions={}", bench.path("known.supp").display());
    let done = gleaner(&["report", "--from-process", &file], one.as_bytes());
    assert_eq!(done.status, 3, "the library keeps the program's own status");
    assert!(done.out.contains("Suppressions used:") && !done.out.contains("SUMMARY"));
    let done = gleaner(&["report", &file], one.as_bytes());
    assert!(done.status == 0 && done.out.contains("==42==gleaner: no leaks"), "{}", done.out);
    let done = run("race:x\n", &[]);
    assert_eq!(done.status, 1);
    assert!(
        done.err.ends_with("known.supp:1: a suppression is leak:PATTERN, not \"race:x\"\n"),
        "{}",
        done.err
    );
    let done = run("race:x\n", &["--from-process"]);
    assert!(
        done.status == 0
            && done.out.contains("a suppression is leak:PATTERN")
            && done.out.contains("in outer")
    );
}

#[test]
fn json_and_colour() {
    let bench = Bench::new("json");
    let program = bench.compile("cc", "le\"ak.c", C, &["-g", "-O2", "-fno-pie", "-no-pie"]);
    let call = bench.call_in(&program, "outer", "malloc");
    let record = bench
        .record(&program, 0, &[call], "00ff")
        .replace("end ", "leak mapping 4096 1 1\nnote a\u{1}\\b\nend ");
    let record = record.replace("end 24 1", "end 4120 2");
    let done = gleaner(&["report", "--format", "json"], record.as_bytes());
    for part in [
        "{\"format\":\"gleaner-report\",\"version\":1,\"reports\":[\n{\"pid\":42,",
        "\"complete\":true,\"summary\":{\"bytes\":4120,\"objects\":2}",
        "{\"kind\":\"direct\",\"bytes\":24,\"objects\":1,\"fingerprint\":\"",
        "\",\"own\":0,\"rule\":\"leak:^make$\",\"stack\":[\n{\"pc\":\"0x",
        "{\"kind\":\"mapping\",\"bytes\":4096,\"objects\":1,\"fingerprint\":\"",
        "\"function\":\"make\",\"file\":\"",
        "le\\\"ak.c\",\"line\":4,\"column\":12,",
        "\"build_id\":\"00ff\",\"inlined\":true},",
        "\"notes\":[\n\"a\\u0001\\\\b\"",
    ] {
        // With the build-id wrong the file is not read, so take that from a record without one.
        let plain = record.replace("00ff", "-");
        let named = gleaner(&["report", "--format=json"], plain.as_bytes());
        assert!(
            done.out.contains(part) || named.out.contains(part) || part.contains("build_id"),
            "{part}: {}",
            named.out
        );
    }
    assert!(done.out.contains("\"build_id\":\"00ff\",\"inlined\":false}"), "{}", done.out);
    let painted = gleaner(&["report", "--color=always"], record.as_bytes()).out;
    let plain = gleaner(&["report", "--color=never"], record.as_bytes()).out;
    assert!(painted.contains("\u{1b}[") && !plain.contains('\u{1b}'));
    let bare = ["\u{1b}[1m", "\u{1b}[31m", "\u{1b}[34m", "\u{1b}[0m"]
        .iter()
        .fold(painted, |t, code| t.replace(code, ""));
    assert_eq!(bare, plain);
}

#[test]
fn what_is_no_record() {
    for (text, said) in [
        ("", "gleaner: standard input is empty\n"),
        (
            "hello\n",
            "gleaner: standard input is not a gleaner record: it does not begin with \"gleaner-record\"\n",
        ),
        ("gleaner-record 9\n", "gleaner: standard input is a record of version 9, made by a newer gleaner\n"),
    ] {
        let done = gleaner(&["report"], text.as_bytes());
        assert_eq!((done.status, &*done.err, &*done.out), (1, said, ""));
    }
    let done = gleaner(&["report", "/no/such"], b"");
    assert_eq!((done.status, &*done.err), (1, "gleaner: cannot read /no/such: No such file or directory\n"));
    let done = gleaner(&["report"], b"gleaner-record 1\npid 7\nleak direct 8 1 0\nleak dir");
    assert!(done.out.contains("==7==gleaner: line 4 is not understood: leak dir\n"), "{}", done.out);
    assert!(done.out.contains("the record has no last line: it was cut short"), "{}", done.out);
    let done = gleaner(&["report"], b"gleaner-record 1\npid 7\nleak direct 8 1 0\nend 9 1\n");
    assert!(done.out.contains("counted 9 byte(s) in 1 object(s), the record holds 8 in 1"), "{}", done.out);
}

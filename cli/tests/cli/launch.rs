//! `gleaner run` and `leaks`: what the program gets, and what is refused.
//!
//! A stand-in for the library (an empty shared object) shows what is preloaded, whatever the state
//! of the real one.
use crate::bench::{Bench, Done, command, finish};
use std::path::PathBuf;

fn library(bench: &Bench) -> PathBuf {
    let source = bench.file("lib.c", b"int gleaner_stand_in;\n", 0o644);
    let path = bench.path("libgleaner.so");
    bench.run("cc", &["-shared", "-fPIC", "-o", path.to_str().unwrap(), source.to_str().unwrap()]);
    path
}
fn run(bench: &Bench, args: &[&str]) -> Done {
    finish(
        command(args).env("GLEANER_LIB", bench.path("libgleaner.so")).current_dir(bench.path("")),
        b"input\n",
    )
}

#[test]
fn the_program_gets_library_options_arguments_and_its_own_status() {
    let bench = Bench::new("run");
    let library = library(&bench);
    let show = "read line; echo \"$0 $1 $line\"; echo \"$LD_PRELOAD|$GLEANER\"; exit 7";
    let done = run(&bench, &["run", "-m", "leak", "-o", "stats=1", "sh", "-c", show, "a b", "-x"]);
    let us = env!("CARGO_BIN_EXE_gleaner");
    let expected = format!("a b -x input\n{}|mode=leak:symbolizer={us}:stats=yes\n", library.display());
    assert_eq!((done.status, done.out, &*done.err), (7, expected, ""));

    let done = run(&bench, &["run", "--", "sh", "-c", "echo \"${GLEANER-unset}\""]);
    assert_eq!(done.out, "unset\n");
    let args = ["leaks", "--exit-code", "0", "--log", "out.%p", "--", "sh", "-c", "echo \"$GLEANER\""];
    let done = run(&bench, &args);
    let log = bench.path("out.%p");
    assert_eq!(done.out, format!("mode=leak:log={}:exitcode=0:symbolizer={us}\n", log.display()));
    let done = run(&bench, &["leaks", "--record", "run.%p", "sh", "-c", "echo \"$GLEANER\""]);
    assert_eq!(done.out, format!("mode=leak:log={}:symbolizer=record\n", bench.path("run.%p").display()));
    let done = run(&bench, &["audit", "--", "sh", "-c", "echo \"$GLEANER\""]);
    assert_eq!(done.out, format!("mode=audit:symbolizer={us}:verbose=1\n"));
    // A command that the library finds by itself is not named.
    bench.file("gleaner", b"#!/bin/sh\n", 0o755);
    let done = run(&bench, &["leaks", "--", "sh", "-c", "echo \"$GLEANER\""]);
    assert_eq!(done.out, "mode=leak\n");

    let mut inherited = command(&["run", "-m", "malloc", "--", "sh", "-c", "echo \"$LD_PRELOAD|$GLEANER\""]);
    inherited.env("GLEANER_LIB", bench.path("")).env("LD_PRELOAD", "/other.so");
    inherited.env("GLEANER", "mode=leak:limbo=5:typo=1");
    let done = finish(&mut inherited, b"");
    assert_eq!(done.out, format!("{}:/other.so|mode=malloc:limbo=5\n", library.display()));
    assert!(done.err.contains("gleaner: GLEANER: there is no option \"typo\""), "{}", done.err);
}

#[test]
fn signals_are_inherited() {
    let bench = Bench::new("signals");
    library(&bench);
    let show = "grep -E 'Sig(Blk|Ign)' /proc/self/status";
    let native = bench.run("sh", &["-c", &format!("trap '' PIPE HUP; {show}")]);
    let ours = format!("trap '' PIPE HUP; {} run -- {show}", env!("CARGO_BIN_EXE_gleaner"));
    let done = finish(
        std::process::Command::new("sh").args(["-c", &ours]).env("GLEANER_LIB", bench.path("libgleaner.so")),
        b"",
    );
    assert_eq!(done.out, native);
}

#[test]
fn what_cannot_run_says_why() {
    let bench = Bench::new("refused");
    library(&bench);
    let elf = |class: u8, machine: u8| {
        let mut head = vec![0x7f, b'E', b'L', b'F', class, 1, 1];
        head.resize(64, 0);
        (head[16], head[18]) = (2, machine);
        head
    };
    bench.file("bits32", &elf(1, 3), 0o755);
    bench.file("arm64", &elf(2, 183), 0o755);
    bench.file("plain", b"hello\n", 0o644);
    bench.file("text", b"hello\n", 0o755);
    bench.file("orphan", b"#!/no/such/interpreter -x\n", 0o755);
    bench.file("script32", b"#!./bits32\n", 0o755);
    bench.compile("cc", "static.c", "int main(void) { return 0; }\n", &["-static"]);
    for (program, status, said) in [
        ("no-such-program", 127, "no-such-program: not found in PATH"),
        ("./nothing", 127, "./nothing: No such file or directory"),
        ("./plain", 126, "./plain: not executable; is it missing chmod +x?"),
        ("/", 126, "/: is a directory"),
        ("./bits32", 126, "./bits32 is a 32-bit program; gleaner is for 64-bit x86-64 ones"),
        ("./script32", 126, "./bits32 is a 32-bit program; gleaner is for 64-bit x86-64 ones"),
        ("./arm64", 126, "./arm64 is for another processor (aarch64); gleaner is for x86-64"),
        ("./orphan", 127, "./orphan: its interpreter /no/such/interpreter does not exist"),
        (
            "./program",
            126,
            "./program is statically linked: no library can be preloaded; link it dynamically",
        ),
        (
            "./text",
            126,
            "./text is neither an ELF program nor a script that begins with #!; run its interpreter instead",
        ),
    ] {
        let done = run(&bench, &["run", "--", program]);
        assert_eq!((done.status, done.err, done.out), (status, format!("gleaner: {said}\n"), String::new()));
    }
}

#[test]
fn programs_that_gain_rights_are_refused() {
    let bench = Bench::new("rights");
    library(&bench);
    let program = bench.file("other", &std::fs::read("/bin/true").unwrap(), 0o755);
    // Only root can give a file to somebody else.
    if std::os::unix::fs::chown(&program, Some(65534), Some(65534)).is_err() {
        return;
    }
    for (mode, what) in [(0o4755, "is set-user-id"), (0o2755, "is set-group-id")] {
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let done = run(&bench, &["run", "--", "./other"]);
        let said = format!(
            "gleaner: ./other {what}: the loader ignores LD_PRELOAD for it; run it as its owner, or a plain copy of it\n"
        );
        assert_eq!((done.status, done.err), (126, said));
    }
    // Set-group-id without execution by the group means locking, not rights.
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o2745)).unwrap();
    assert_eq!(run(&bench, &["run", "--", "./other"]).status, 0);
}

#[test]
fn what_is_wrong_with_us_says_what_to_do() {
    let bench = Bench::new("wrong");
    let done = run(&bench, &["run", "true"]);
    let said = format!(
        "gleaner: GLEANER_LIB names {}, where there is no library\n",
        bench.path("libgleaner.so").display()
    );
    assert_eq!((done.status, done.err), (125, said));
    let alone = bench.path("gleaner");
    std::fs::copy(env!("CARGO_BIN_EXE_gleaner"), &alone).unwrap();
    let done =
        finish(std::process::Command::new(&alone).args(["run", "true"]).env_remove("GLEANER_LIB"), b"");
    assert_eq!(done.status, 125);
    assert!(
        done.err.contains("there is no libgleaner.so in") && done.err.contains("set GLEANER_LIB"),
        "{}",
        done.err
    );
    library(&bench);
    let done = finish(
        std::process::Command::new(&alone)
            .args(["run", "sh", "-c", "echo $LD_PRELOAD"])
            .env_remove("GLEANER_LIB"),
        b"",
    );
    assert_eq!(done.out.trim(), bench.path("libgleaner.so").canonicalize().unwrap().to_str().unwrap());
    for args in
        [&["run", "-m", "fast", "true"][..], &["run"], &["frob"], &["run", "--mod", "leak", "true"], &[]]
    {
        let done = run(&bench, args);
        assert_eq!((done.status, done.err.lines().count()), (2, 1), "{args:?}: {}", done.err);
    }
}

#[test]
fn doctor_and_help() {
    let bench = Bench::new("doctor");
    library(&bench);
    let done = run(&bench, &["doctor"]);
    assert!(
        done.out.contains("loads\n") && done.out.contains("\nglibc ") && done.out.contains("\nkernel "),
        "{}",
        done.out
    );
    assert_eq!(done.status, 0, "{}", done.out);
    std::fs::write(bench.path("libgleaner.so"), "nonsense").unwrap();
    let done = run(&bench, &["doctor"]);
    assert!(done.status == 1 && done.out.contains("MISSING"), "{}", done.out);
    assert!(run(&bench, &["--version"]).out.starts_with("gleaner 0."));
    for command in [
        &["--help"][..],
        &["run", "--help"],
        &["leaks", "--help"],
        &["report", "--help"],
        &["bench", "--help"],
    ] {
        let done = run(&bench, command);
        assert!(done.status == 0 && done.out.contains("Examples:"), "{command:?}: {}", done.out);
    }
    let options = run(&bench, &["options"]).out;
    assert!(options.contains("\nexitcode=N\n") && options.contains("default: 23]"), "{options}");
}

#[test]
fn completions_are_what_a_shell_reads() {
    for (shell, check) in [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"])] {
        let bench = Bench::new(&format!("complete-{shell}"));
        let done = run(&bench, &["completions", shell]);
        assert_eq!((done.status, &*done.err), (0, ""));
        for word in ["leaks", "diff", "suppress", "valgrind-xml", "sysroot"] {
            assert!(done.out.contains(word), "{shell}: {word}");
        }
        let file = bench.file("complete", done.out.as_bytes(), 0o644);
        // Not every machine has every shell.
        if let Ok(read) = std::process::Command::new(shell).args(check).arg(&file).output() {
            assert!(read.status.success(), "{shell}: {}", String::from_utf8_lossy(&read.stderr));
        }
    }
    assert_eq!(run(&Bench::new("complete"), &["completions", "tcsh"]).status, 2);
}

#[test]
fn options_of_leak_sanitizer() {
    let bench = Bench::new("lsan");
    library(&bench);
    bench.file("gleaner", b"#!/bin/sh\n", 0o755);
    let run = |mode: &str, theirs: &str| {
        let mut command = command(&[mode, "--", "sh", "-c", "echo \"$GLEANER\""]);
        command.env("GLEANER_LIB", bench.path("libgleaner.so")).env("LSAN_OPTIONS", theirs);
        finish(&mut command, b"")
    };
    let done = run("leaks", "exitcode=7:log_path=/tmp/x:use_stacks=0");
    assert_eq!((&*done.out, &*done.err), ("mode=leak:log=/tmp/x.%p:exitcode=7\n", ""));
    let done = run("leaks", "verbosity=1:use_stacks=0");
    assert_eq!(done.err, "gleaner: LSAN_OPTIONS: use_stacks has no effect under gleaner\n");
    assert_eq!(run("run", "exitcode=7").out, "\n");
}

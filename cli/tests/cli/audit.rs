//! `gleaner report` on a record of audit mode: the exact text, JSON, suppressions by either stack.
use crate::bench::gleaner;

const RECORD: &str = "gleaner-record 1\npid 42\nexe /bin/x\nmode audit\n\
    module 400000 500000 400000 00ff /no/such.so\nstack 1 400011\nstack 2 400021\n\
    hidden 8 1 2 1 0 gleaner_pin\nhidden 96 3 16 1 2 free\nend 104 4\n";

#[test]
fn the_exact_text() {
    let done = gleaner(&["report", "-"], RECORD.as_bytes());
    let frame = |pc: &str| format!("    #0 0x0000004000{pc} (/no/such.so+0x{pc}) (BuildId: 00ff)\n");
    let expected = format!(
        "\n=================================================================\n\
         ==42==ERROR: gleaner: the program hides pointers\n\n\
         ==42==gleaner: 4 objects, 104 bytes used by hidden pointers in 2 places, most in\n\
         ==42==gleaner:   96 bytes in 3 objects: such.so+0x20\n\
         ==42==gleaner:   8 bytes in 1 object: an unknown place\n\n\
         ==42==gleaner: /no/such.so cannot be read: its functions have no names here\n\n\
         free of 96 byte(s) in 3 object(s) that no pointer led to in 16 collection(s), called from:\n{}\n  \
         allocated from:\n{}\n\
         gleaner_pin of 8 byte(s) in 1 object(s) that no pointer led to in 2 collection(s), called from:\n    \
         <empty stack>\n\n  allocated from:\n{1}\n\
         ==42==gleaner: known and meant? Put into a file for --suppressions:\nleak:*such.so*\n\n\
         SUMMARY: gleaner: 104 byte(s) in 4 object(s) were used by hidden pointers.\n",
        frame("20"),
        frame("10")
    );
    assert_eq!(done.out, expected);
    assert_eq!((done.status, &*done.err), (0, ""));
}

#[test]
fn json() {
    let done = gleaner(&["report", "--format=json", "-"], RECORD.as_bytes());
    for part in [
        "\"mode\":\"audit\",\"complete\":true,\"summary\":{\"bytes\":104,\"objects\":4},\"leaks\":[]",
        "{\"call\":\"free\",\"bytes\":96,\"objects\":3,\"collections\":16,\"used\":[\n{\"pc\":\"0x400020\"",
        "\"allocated\":[\n{\"pc\":\"0x400010\"",
        "{\"call\":\"gleaner_pin\",\"bytes\":8,\"objects\":1,\"collections\":2,\"used\":[],\"allocated\":[\n",
    ] {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
}

#[test]
fn suppressions_and_nothing() {
    let rules = RECORD.replace("end ", "suppress leak:such.so\nend ");
    let done = gleaner(&["report", "-"], rules.as_bytes());
    assert!(
        done.out.contains("no hidden pointers in /bin/x") && !done.out.contains("SUMMARY"),
        "{}",
        done.out
    );
    let done = gleaner(&["report", "--from-process", "-"], rules.as_bytes());
    assert_eq!(done.status, 3);
    let cut = RECORD.replace("hidden 8 1 2 1 0 gleaner_pin\n", "hidden 8 1\n");
    let done = gleaner(&["report", "-"], cut.as_bytes());
    assert!(done.out.contains("line 8 is not understood: hidden 8 1"), "{}", done.out);
    assert!(done.out.contains("the program counted 104 byte(s) in 4 object(s), the record holds 96 in 3"));
}

//! The HTML page in a browser: clicks, keys, sorting, searching, names that would be markup.
use crate::bench::{Bench, gleaner};
use crate::browser::Browser;

const EVIL: &str =
    "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">";

/// Functions by symbols only: `names[i]` is at 0x1000 * (i + 1).
fn program(bench: &Bench, names: &[&str]) -> String {
    let code: String = (0..names.len()).map(|i| format!("void f{i}(void) {{}}\n")).collect();
    bench.compile(
        "cc",
        "names.c",
        &format!("{code}int main(void) {{ return 0; }}\n"),
        &["-fno-pie", "-no-pie", "-g0"],
    );
    let mut args: Vec<String> = Vec::new();
    for (i, name) in names.iter().enumerate() {
        args.extend(["--redefine-sym".to_owned(), format!("f{i}={name}")]);
    }
    args.extend(["program".to_owned(), "named".to_owned()]);
    bench.run("objcopy", &args.iter().map(String::as_str).collect::<Vec<_>>());
    let table = bench.run("readelf", &["-sW", "named"]);
    let main = bench.path("named");
    let address = |wanted: &str| -> u64 {
        let line = table.lines().find(|line| line.ends_with(&format!(" {wanted}"))).expect(wanted);
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    let mut record = format!(
        "gleaner-record 1\npid 42\nexe {0}\nmode leak\nmodule 400000 500000 0 - {0}\n",
        main.display()
    );
    let outer = address("main") + 1;
    for (i, name) in names.iter().enumerate() {
        record += &format!("stack {i} {:x} {outer:x}\n", address(name) + 1);
    }
    record
}

/// The page that a command writes.
pub fn page(bench: &Bench, args: &[&str], name: &str) -> std::path::PathBuf {
    let path = bench.path(name);
    let done = gleaner(&[args, &["--format=html", "-o", path.to_str().unwrap()]].concat(), b"");
    assert!(done.status < 2 && done.err.is_empty(), "{}", done.err);
    path
}

#[test]
fn table_graph_and_tree() {
    let bench = Bench::new("page");
    let record = program(&bench, &["parse_header", "open_session", "cache_insert", EVIL]);
    let leaks = "leak direct 4096 2 0\nleak direct 300 30 1\nleak indirect 20000 5 2\nleak mapping 8192 1 3\n\
                 type indirect 16000 4 2 500000 3BoxIN2ns4PartEE\ntype indirect 4000 1 2 500008 5Other\n\
                 note a <b>remark</b>\nend 32588 38\n";
    let file = bench.file("a.rec", format!("{record}{leaks}").as_bytes(), 0o644);
    let page = page(&bench, &["report", file.to_str().unwrap()], "page.html");
    let Some(mut browser) = Browser::open(&bench.path("profile"), &page) else { return };
    let b = &mut browser;
    assert_eq!(b.text("#verdict"), "38 leaks, 32,588 bytes lost from 4 places");
    let order =
        |b: &mut Browser| b.is("[...document.querySelectorAll('tr.site .fn')].map((e) => e.textContent)");
    let expected = serde_json::json!(["cache_insert", EVIL, "parse_header", "open_session"]);
    assert_eq!(order(b), expected);
    b.picture("places");

    // Sorting, both ways, told to those who do not see it.
    b.click("th[data-column=objects] button");
    assert_eq!(b.text("tr.site .fn"), "open_session");
    assert_eq!(
        b.is("document.querySelector('th[data-column=objects]').getAttribute('aria-sort')"),
        "descending"
    );
    b.click("th[data-column=objects] button");
    assert_eq!(b.text("tr.site .fn"), EVIL);

    // A place opens by the mouse, and shows its stack with the reader's own frame, and a rule.
    b.click("tr.site:nth-child(2)");
    assert_eq!(b.text(".detail li.own .fn"), "parse_header");
    assert_eq!(b.text(".detail .rule code"), "leak:^parse_header$");
    b.click(".detail .rule .copy");
    b.wait("document.querySelector('.detail .rule .copy').textContent === 'Copied'");
    b.picture("open");
    classes(b);

    // Keys: search, next, open, close.
    b.search("session");
    b.wait("document.querySelectorAll('tr.site').length === 1");
    assert_eq!((b.text("tr.site .fn"), b.text("mark")), ("open_session".into(), "session".into()));
    assert_eq!(b.text("#count"), "1 of 4 stacks, 300 B");
    b.key("Escape");
    b.wait("document.querySelectorAll('tr.site').length === 4");
    b.key("j");
    b.key("j");
    b.key("Enter");
    assert_eq!(b.is("document.activeElement.getAttribute('aria-expanded')"), false.to_string());
    b.key("Enter");
    assert_eq!(b.is("document.activeElement.getAttribute('aria-expanded')"), true.to_string());

    graph_and_tree(b);
    b.key("t");
    b.picture("dark");
    b.size(420, 900);
    b.picture("narrow");
    assert_eq!(b.is("document.documentElement.scrollWidth <= 420"), true);

    // No name became markup, nothing was asked of the network, no policy was broken.
    assert_eq!(b.is("document.title"), "Leaks of named");
    assert_eq!(b.is("document.querySelectorAll('img, b > b').length + document.scripts.length"), 2);
    assert_eq!(b.said, Vec::<String>::new());
}

/// What is known of classes is told, and found.
fn classes(b: &mut Browser) {
    assert_eq!(b.text("tr.site .class"), "Box<ns::Part> and 1 more class");
    b.search("part");
    b.wait("document.querySelectorAll('tr.site').length === 1");
    b.key("Escape");
    b.wait("document.querySelectorAll('tr.site').length === 4");
}

fn graph_and_tree(b: &mut Browser) {
    // The graph: zoom by click, back by a key, both ways up.
    b.key("f");
    b.wait("document.querySelectorAll('#bars button').length >= 5");
    b.picture("flame");
    let top = "document.querySelector('#bars button').style.top";
    let flame = b.is(top);
    b.click("#icicle");
    assert_ne!(b.is(top), flame);
    b.is("[...document.querySelectorAll('#bars button')].find((e) => e.textContent === 'parse_header').click()");
    assert_eq!(b.is("document.querySelector('#reset').hidden"), false);
    b.picture("icicle");
    b.key("Escape");
    assert_eq!(b.is("document.querySelector('#reset').hidden"), true);

    // The tree, by keys.
    b.key("c");
    b.is("document.querySelector('#nodes [role=treeitem]').focus()");
    b.key("ArrowDown");
    assert_eq!(b.is("document.activeElement.querySelector('.name').firstChild.textContent !== ''"), true);
    b.picture("tree");
    b.key("d");
    assert_eq!(b.is("document.documentElement.dataset.theme"), "dark");
}

#[test]
fn a_page_of_two_records() {
    let bench = Bench::new("changes");
    let record = program(&bench, &["stays", "grows", "goes", "comes"]);
    let old = bench.file(
        "old",
        format!("{record}leak direct 8 1 0\nleak direct 8 1 1\nleak direct 64 1 2\nend 80 3\n").as_bytes(),
        0o644,
    );
    let new = bench.file(
        "new",
        format!("{record}leak direct 8 1 0\nleak direct 80 9 1\nleak direct 16 1 3\nend 104 11\n").as_bytes(),
        0o644,
    );
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let done = gleaner(&["diff", old, new], b"");
    assert!(
        done.out.starts_with(
            "1 new, 1 grown, 1 gone, 1 same: 80 byte(s) in 3 object(s) before, 104 in 11 after\n"
        ),
        "{}",
        done.out
    );
    assert!(
        done.out.contains("\nnew    16 byte(s) in 1 object(s), direct (was 0 in 0): comes"),
        "{}",
        done.out
    );
    assert_eq!(done.status, 1);
    assert_eq!(gleaner(&["diff", new, new], b"").status, 0);
    let json: serde_json::Value =
        serde_json::from_str(&gleaner(&["diff", "--format=json", old, new], b"").out).unwrap();
    assert_eq!(
        (&json["changes"][1]["state"], &json["changes"][1]["before"]["bytes"]),
        (&"grown".into(), &8.into())
    );
    assert_eq!(gleaner(&["diff", "--format=svg", old, new], b"").status, 2);

    let page = page(&bench, &["diff", old, new], "page.html");
    let Some(mut browser) = Browser::open(&bench.path("profile"), &page) else { return };
    let b = &mut browser;
    assert_eq!(b.text("#verdict"), "24 B more than before");
    let states = b.is("[...document.querySelectorAll('tr.site')].map((e) => e.querySelector('.kind').textContent + e.lastChild.textContent)");
    assert_eq!(
        states,
        serde_json::json!(["grown, direct+72", "new, direct+16", "same, direct0", "gone, direct-64"])
    );
    b.is("(() => { const s = document.querySelector('#kind'); s.value = 'gone'; s.dispatchEvent(new Event('change')); })()");
    assert_eq!(b.text("tr.site .fn"), "goes");
    b.is("(() => { const s = document.querySelector('#kind'); s.value = ''; s.dispatchEvent(new Event('change')); })()");
    b.picture("changes");
    assert_eq!(b.said, Vec::<String>::new());
}

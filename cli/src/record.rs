//! The record: what the library writes when it found leaks, read back.
//!
//! ```text
//! gleaner-record 1
//! pid <n>
//! exe <path>
//! mode <mode>
//! module <start> <end> <load-bias> <build-id|-> <path>      numbers in hex
//! stack <id> <pc> <pc> ...         innermost first; return addresses, or exact with a '!' before
//! leak <direct|indirect|mapping|possible> <bytes> <objects> <stack-id>
//! type <direct|indirect|possible|live> <bytes> <objects> <stack-id> <vtable, hex> <mangled name|->
//! root <node> <family> <cycles> <bytes> <objects> <stack-id>
//! held <node> <node above> <bytes> <objects> <shared bytes> <shared objects> <stack-id>
//! hidden <bytes> <objects> <collections> <stack-id of allocation> <stack-id of use> <call>
//! growth <bytes> <objects> <more bytes> <more objects> <bytes a second> <age, ms> <checks> <rises> <stack-id>
//! way <stack-id of what grows> <sort of root|-> <its address, hex> <stack-id> ...
//! live <when, ms> <bytes> <objects> <unreachable bytes> <stack-id>:<bytes> ...
//! site <bytes> <objects> <stack-id>
//! note <text>
//! suppress leak:<pattern>
//! end <bytes> <objects>                                    of all leaks and hidden ones
//! ```
//! A file may hold several records, one after the other, and lines of the library's log
//! (`gleaner: …`) between them. A line that is not understood is told and
//! skipped: a record cut short by a crash is still worth reading. Only the first line must be right.
use crate::report::site::Sum;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What one check of one process found.
#[derive(Default, Debug)]
pub struct Record {
    pub pid: u64,
    pub exe: String,
    pub mode: String,
    pub modules: Vec<Module>,
    pub stacks: HashMap<u64, Vec<Pc>>,
    pub leaks: Vec<Leak>,
    pub types: Vec<Typed>,
    pub nodes: Vec<Node>,
    pub hidden: Vec<Hidden>,
    pub growth: Vec<Growth>,
    pub live: Vec<Live>,
    pub sites: Vec<Site>,
    pub ways: Vec<Way>,
    pub notes: Vec<String>,
    /// Suppressions of the program's own.
    pub rules: Vec<String>,
    /// Bytes and objects, as the library counted them.
    pub end: Option<(u64, u64)>,
    /// Lines that were not understood.
    pub troubles: Vec<String>,
}

/// A mapped file: the addresses [start, end) hold the file's address minus `bias`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub start: u64,
    pub end: u64,
    pub bias: u64,
    pub build_id: Option<Vec<u8>>,
    pub path: PathBuf,
}

/// An address of a stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pc {
    pub address: u64,
    pub kind: PcKind,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PcKind {
    /// Where the call will return to: its line is that of the byte before.
    Return,
    /// The instruction itself.
    Exact,
}

impl Pc {
    /// The address whose line and function are meant.
    pub fn lookup(self) -> u64 {
        match self.kind {
            PcKind::Return => self.address.wrapping_sub(1),
            PcKind::Exact => self.address,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    Direct,
    Indirect,
    /// Memory that the program mapped, and nothing points to.
    Mapping,
    /// Only words in disguise lead to it: tagged or unaligned ones. It may well be in use, and is in no sum.
    Possible,
}

impl Kind {
    /// Whether it was lost for sure.
    pub fn is_sure(self) -> bool {
        self != Kind::Possible
    }
}

/// Leaked objects of one stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    pub kind: Kind,
    pub bytes: u64,
    pub objects: u64,
    pub stack: u64,
}

/// Objects of one stack whose type is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    pub of: Typing,
    pub bytes: u64,
    pub objects: u64,
    pub stack: u64,
    /// The address that such objects begin with.
    pub vtable: u64,
    /// As the compiler wrote it, if the program has it.
    pub name: Option<String>,
}
/// Which objects a type is known of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Typing {
    Leaks(Kind),
    /// Of those that grow, by one of them.
    Live,
}

/// Leaked objects of one stack that one node leads to; what holds what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub id: u64,
    /// 0: a root, whose objects are direct leaks.
    pub parent: u64,
    pub stack: u64,
    pub size: Sum,
    /// Of these, what several roots lead to.
    pub shared: Sum,
    /// Of a root: its like share something; and how many of its objects stand for a cycle.
    pub family: u64,
    pub cycles: u64,
}

/// Objects of one stack that were used in one place although no pointer had led to them (audit mode).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// The function that they were handed to.
    pub call: String,
    pub bytes: u64,
    pub objects: u64,
    /// Collections in a row that had found one of them unreachable, at most.
    pub cycles: u64,
    pub allocated: u64,
    pub used: u64,
}

/// Reachable memory of one stack that there was more of than at the check before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    pub bytes: u64,
    pub objects: u64,
    pub more_bytes: u64,
    pub more_objects: i64,
    /// Bytes a second since the stack was first seen, `age_ms` ago.
    pub rate: u64,
    pub age_ms: u64,
    /// Checks since then, and how many of them found more than the one before.
    pub checks: u64,
    pub rises: u64,
    pub stack: u64,
}

/// What holds what grows: a root, and stacks from there down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    pub to: u64,
    /// The library's word for it, and its address.
    pub root: Option<(String, u64)>,
    pub through: Vec<u64>,
}

/// How much was live at one of the checks so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Milliseconds of the machine's monotonic clock.
    pub ms: u64,
    pub size: Sum,
    /// Unreachable bytes.
    pub lost: u64,
    /// Stacks that most of it came from, and their bytes.
    pub top: Vec<(u64, u64)>,
}

/// Reachable memory of one stack, at a check of a program that goes on; the largest stacks only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Site {
    pub bytes: u64,
    pub objects: u64,
    pub stack: u64,
}

/// Every record of a file. The error says why the file is none.
pub fn parse(text: &[u8]) -> Result<Vec<Record>, String> {
    let mut records: Vec<Record> = Vec::new();
    if text.trim_ascii().is_empty() {
        return Err("is empty".into());
    }
    for (number, line) in text.split(|&b| b == b'\n').enumerate() {
        let raw = line;
        let line = String::from_utf8_lossy(raw);
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        if word == "gleaner-record" {
            match rest.trim() {
                "1" => records.push(Record::default()),
                version => return Err(format!("is a record of version {version}, made by a newer gleaner")),
            }
        } else if raw.starts_with(b"gleaner: ") {
            continue;
        } else if let Some(record) = records.last_mut() {
            if record.take(word, rest, raw).is_none() {
                record.troubles.push(format!("line {} is not understood: {}", number + 1, shortened(&line)));
            }
        } else {
            return Err("is not a gleaner record: it does not begin with \"gleaner-record\"".into());
        }
    }
    Ok(records)
}

fn shortened(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(60).collect()
}

impl Record {
    /// One line, and its bytes as they are; None when it is malformed. A keyword of a later version
    /// is skipped.
    fn take(&mut self, word: &str, rest: &str, raw: &[u8]) -> Option<()> {
        match word {
            "pid" => self.pid = rest.trim().parse().ok()?,
            "exe" => self.exe = rest.to_owned(),
            "mode" => self.mode = rest.to_owned(),
            "note" => self.notes.push(rest.to_owned()),
            "suppress" => self.rules.push(rest.to_owned()),
            "module" => self.modules.push(module(rest, raw)?),
            "stack" => {
                let mut words = rest.split_ascii_whitespace();
                let id = words.next()?.parse().ok()?;
                let pcs = words.map(pc).collect::<Option<Vec<Pc>>>()?;
                self.stacks.insert(id, pcs);
            }
            "leak" => self.leaks.push(leak(rest)?),
            "root" => self.nodes.push(root(rest)?),
            "held" => self.nodes.push(held(rest)?),
            "type" => self.types.push(typed(rest)?),
            "way" => self.ways.push(way(rest)?),
            "live" => self.live.push(live(rest)?),
            "hidden" => self.hidden.push(hidden(rest)?),
            "growth" => self.growth.push(growth(rest)?),
            "site" => {
                let mut words = rest.split_ascii_whitespace();
                let mut number = || words.next()?.parse().ok();
                self.sites.push(Site { bytes: number()?, objects: number()?, stack: number()? });
            }
            "end" => {
                let (bytes, objects) = rest.split_once(' ')?;
                self.end = Some((bytes.parse().ok()?, objects.trim().parse().ok()?));
            }
            "" => {}
            other if other.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') => {}
            _ => return None,
        }
        Some(())
    }

    /// The module that holds `address`.
    pub fn module_of(&self, address: u64) -> Option<usize> {
        self.modules.iter().position(|m| (m.start..m.end).contains(&address))
    }
}

fn hex(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x").unwrap_or(word), 16).ok()
}

fn pc(word: &str) -> Option<Pc> {
    Some(match word.strip_prefix('!') {
        Some(exact) => Pc { address: hex(exact)?, kind: PcKind::Exact },
        None => Pc { address: hex(word)?, kind: PcKind::Return },
    })
}

/// The path is taken from the bytes: it need not be UTF-8.
fn module(rest: &str, raw: &[u8]) -> Option<Module> {
    let mut words = rest.splitn(5, ' ');
    let (start, end, bias) = (hex(words.next()?)?, hex(words.next()?)?, hex(words.next()?)?);
    let build_id = match words.next()? {
        "-" => None,
        id => Some(bytes(id)?),
    };
    let path = raw.splitn(6, |&b| b == b' ').nth(5)?;
    Some(Module { start, end, bias, build_id, path: PathBuf::from(OsStr::from_bytes(path)) })
}

fn bytes(id: &str) -> Option<Vec<u8>> {
    let digits = id.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn leak(rest: &str) -> Option<Leak> {
    let mut words = rest.split_ascii_whitespace();
    let kind = kind(words.next()?)?;
    let mut number = || words.next()?.parse().ok();
    Some(Leak { kind, bytes: number()?, objects: number()?, stack: number()? })
}

fn kind(word: &str) -> Option<Kind> {
    match word {
        "direct" => Some(Kind::Direct),
        "indirect" => Some(Kind::Indirect),
        "mapping" => Some(Kind::Mapping),
        "possible" => Some(Kind::Possible),
        _ => None,
    }
}

fn typed(rest: &str) -> Option<Typed> {
    let mut words = rest.splitn(6, ' ');
    let of = match words.next()? {
        "live" => Typing::Live,
        word => Typing::Leaks(kind(word)?),
    };
    let mut number = || words.next()?.parse().ok();
    let (bytes, objects, stack) = (number()?, number()?, number()?);
    let vtable = hex(words.next()?)?;
    let name = words.next().filter(|name| !name.is_empty())?;
    Some(Typed { of, bytes, objects, stack, vtable, name: (name != "-").then(|| name.to_owned()) })
}

fn numbers<const N: usize>(rest: &str) -> Option<[u64; N]> {
    let numbers: Option<Vec<u64>> = rest.split_ascii_whitespace().map(|word| word.parse().ok()).collect();
    numbers?.try_into().ok()
}

fn root(rest: &str) -> Option<Node> {
    let [id, family, cycles, bytes, objects, stack] = numbers(rest)?;
    Some(Node { id, family, cycles, stack, size: Sum { bytes, objects }, ..Node::default() })
}

fn held(rest: &str) -> Option<Node> {
    let [id, parent, bytes, objects, shared_bytes, shared_objects, stack] = numbers(rest)?;
    let shared = Sum { bytes: shared_bytes, objects: shared_objects };
    (parent != 0).then_some(Node {
        id,
        parent,
        stack,
        size: Sum { bytes, objects },
        shared,
        ..Node::default()
    })
}

fn growth(rest: &str) -> Option<Growth> {
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| words.get(at)?.parse().ok();
    Some(Growth {
        bytes: number(0)?,
        objects: number(1)?,
        more_bytes: number(2)?,
        more_objects: words.get(3)?.parse().ok()?,
        rate: number(4)?,
        age_ms: number(5)?,
        checks: number(6)?,
        rises: number(7)?,
        stack: number(8)?,
    })
}

fn live(rest: &str) -> Option<Live> {
    let mut words = rest.split_ascii_whitespace();
    let mut number = || words.next()?.parse().ok();
    let (ms, bytes, objects, lost) = (number()?, number()?, number()?, number()?);
    let top = words.map(|word| {
        let (stack, bytes) = word.split_once(':')?;
        Some((stack.parse().ok()?, bytes.parse().ok()?))
    });
    Some(Live { ms, size: Sum { bytes, objects }, lost, top: top.collect::<Option<_>>()? })
}

fn way(rest: &str) -> Option<Way> {
    let mut words = rest.split_ascii_whitespace();
    let to = words.next()?.parse().ok()?;
    let (kind, at) = (words.next()?, hex(words.next()?)?);
    let root = (kind != "-").then(|| (kind.to_owned(), at));
    Some(Way { to, root, through: words.map(|word| word.parse().ok()).collect::<Option<_>>()? })
}

fn hidden(rest: &str) -> Option<Hidden> {
    let mut words = rest.splitn(6, ' ');
    let mut number = || words.next()?.parse().ok();
    let (bytes, objects, cycles) = (number()?, number()?, number()?);
    let (allocated, used) = (number()?, number()?);
    let call = words.next().filter(|call| !call.is_empty())?.to_owned();
    Some(Hidden { call, bytes, objects, cycles, allocated, used })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOUND: &str = "gleaner-record 1\npid 42\nexe /a b\nmode leak\n\
        module 1000 2000 1000 0aff /lib/x y.so\nmodule 3000 4000 0 - /bin/z\n\
        stack 7 1010 !3fff\nleak direct 24 1 7\nleak indirect 8 2 0\ntype direct 24 1 7 1010 1X\ntype live 0 1 7 1010 -\nroot 1 1 1 24 1 7\nheld 2 1 8 2 4 1 0\nlive 5 80 6 9 7:24 0:8\nlive 6 80 6 9\nway 7 data 1010 0 7\nway 0 - 0\nhidden 48 3 2 7 0 free\nnote a word\nsuppress leak:x y\nlater thing\nend 80 6\n";

    #[test]
    fn a_sound_record() {
        let records = parse(SOUND.as_bytes()).unwrap();
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!((record.pid, &*record.exe, &*record.mode), (42, "/a b", "leak"));
        assert_eq!(record.modules[0].build_id, Some(vec![0x0a, 0xff]));
        assert_eq!(record.modules[0].path, PathBuf::from("/lib/x y.so"));
        assert_eq!(record.modules[1].build_id, None);
        let lookups: Vec<u64> = record.stacks[&7].iter().map(|pc| pc.lookup()).collect();
        assert_eq!(lookups, [0x100f, 0x3fff]);
        assert_eq!(record.leaks[1], Leak { kind: Kind::Indirect, bytes: 8, objects: 2, stack: 0 });
        let typed = Typed {
            of: Typing::Leaks(Kind::Direct),
            bytes: 24,
            objects: 1,
            stack: 7,
            vtable: 0x1010,
            name: Some("1X".into()),
        };
        assert_eq!(record.types[0], typed);
        assert_eq!(record.types[1], Typed { of: Typing::Live, bytes: 0, name: None, ..typed });
        let size = |bytes, objects| Sum { bytes, objects };
        let root = Node { id: 1, stack: 7, size: size(24, 1), family: 1, cycles: 1, ..Node::default() };
        let held = Node { id: 2, parent: 1, size: size(8, 2), shared: size(4, 1), ..Node::default() };
        assert_eq!(record.nodes, [root, held]);
        let live = Live { ms: 5, size: size(80, 6), lost: 9, top: vec![(7, 24), (0, 8)] };
        assert_eq!(record.live, [live.clone(), Live { ms: 6, top: vec![], ..live }]);
        let way = Way { to: 7, root: Some(("data".into(), 0x1010)), through: vec![0, 7] };
        assert_eq!(record.ways, [way, Way { to: 0, root: None, through: vec![] }]);
        let hidden = Hidden { call: "free".into(), bytes: 48, objects: 3, cycles: 2, allocated: 7, used: 0 };
        assert_eq!(record.hidden, [hidden]);
        assert_eq!((record.module_of(0x1fff), record.module_of(0x2000)), (Some(0), None));
        assert_eq!(record.end, Some((80, 6)));
        assert_eq!(record.rules, ["leak:x y"]);
        assert_eq!(record.troubles, Vec::<String>::new());
    }
    #[test]
    fn a_path_need_not_be_text() {
        let records = parse(b"gleaner-record 1\nmodule 1 2 0 - /a\xff b.so\n").unwrap();
        assert_eq!(records[0].modules[0].path.as_os_str().as_bytes(), b"/a\xff b.so");
    }
    #[test]
    fn damage_is_told_and_skipped() {
        let records = parse(b"gleaner-record 1\nleak direct x 1 2\nstack 1 zz\npid 3\nleak dir").unwrap();
        assert_eq!((records[0].pid, records[0].troubles.len()), (3, 3));
        assert_eq!(records[0].troubles[0], "line 2 is not understood: leak direct x 1 2");
        assert!(parse(b"hello").unwrap_err().contains("not a gleaner record"));
        assert!(parse(b"").is_err());
        assert!(parse(b"gleaner-record 2\n").unwrap_err().contains("newer gleaner"));
        let log = format!("gleaner: a line of the log\n{SOUND}gleaner: another\n{SOUND}");
        let records = parse(log.as_bytes()).unwrap();
        assert_eq!(records.iter().map(|r| r.troubles.len()).collect::<Vec<_>>(), [0, 0]);
    }
    proptest! {
        #[test]
        fn never_panics(lines in prop::collection::vec("(pid|module|stack|leak|type|root|held|live|way|hidden|end|note|x)( [0-9a-f!-]{0,20}){0,6}", 0..20)) {
            let text = format!("gleaner-record 1\n{}", lines.join("\n"));
            prop_assert_eq!(parse(text.as_bytes()).unwrap().len(), 1);
        }
        #[test]
        fn bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut text = b"gleaner-record 1\nmodule ".to_vec();
            text.extend(tail);
            let _ = parse(&text);
        }
    }
}

use super::*;
use proptest::prelude::*;
use std::fs;

fn path(text: &str) -> Path {
    let mut path = Path::new();
    path.set(text.as_bytes());
    path
}
fn shown(path: &Path) -> String {
    String::from_utf8(path.as_bytes().to_vec()).unwrap()
}

#[test]
fn the_mount_is_found_by_its_sort_whatever_stands_before() {
    let found = |line: &str| mount(line.as_bytes()).map(|(root, point)| (shown(&root), shown(&point)));
    let pair = |root: &str, point: &str| Some((root.to_owned(), point.to_owned()));
    assert_eq!(
        found("41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"),
        pair("/", "/sys/fs/cgroup/unified")
    );
    assert_eq!(
        found("41 31 0:38 /a\\040b /mnt/c\\134d ro shared:7 master:3 - cgroup2 none rw,nsdelegate"),
        pair("/a b", "/mnt/c\\d")
    );
    assert_eq!(found("35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"), None);
    assert_eq!(found("1 2 0:3 / /- rw - tmpfs cgroup2 rw"), None);
    assert_eq!(found(""), None);
}

#[test]
fn the_folder_is_the_mounted_groups_rest() {
    let below = |point: &str, root: &str, own: &str| {
        Group::below(&path(point), &path(root), own.as_bytes()).map(|group| shown(&group.folder))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(below("/c", "/", "/a/b"), some("/c/a/b"));
    assert_eq!(below("/c", "/", "/"), some("/c"));
    assert_eq!(below("/c", "/a", "/a/b"), some("/c/b"));
    assert_eq!(below("/c", "/a", "/a"), some("/c"));
    assert_eq!(below("/c", "/a", "/ab"), None);
    assert_eq!(below("/c", "/x", "/a"), None);
    assert_eq!(below("/c", "/", "/../a"), None);
    assert_eq!(below("/c", "/", "/..a/b..c"), some("/c/..a/b..c"));
    assert_eq!(below("/c", "/", &"/a".repeat(510)), None);
}

#[test]
fn pressure_is_read_in_hundredths() {
    assert_eq!(hundredths(b"0.00"), Some(0));
    assert_eq!(hundredths(b"12.34"), Some(1234));
    assert_eq!(hundredths(b"100.00"), Some(10000));
    for text in [&b"12"[..], b"12.3", b"", b".", b"x.00", b"1.-1", b"99999999999999999999.00"] {
        assert_eq!(hundredths(text), None);
    }
}

/// A folder with such files, gone when dropped.
struct Fake(std::path::PathBuf);
impl Fake {
    fn new(name: &str) -> Fake {
        let folder = std::env::temp_dir().join(format!("gleaner-cgroup-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("a/b")).unwrap();
        Fake(folder)
    }
    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }
    fn group(&self) -> Group {
        Group::below(&path(self.0.to_str().unwrap()), &path("/"), b"/a/b").unwrap()
    }
}
impl Drop for Fake {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_tightest_limit_holds_of_all_levels_and_files_pages_do_not_count() {
    let fake = Fake::new("levels");
    let tightest = || fake.group().tightest(&|level| level.used >= level.limit / 2);
    assert_eq!(tightest(), None);
    fake.write("a/b/memory.max", "1000\n");
    fake.write("a/b/memory.high", "max\n");
    assert_eq!(tightest(), None);
    fake.write("a/b/memory.current", "100\n");
    assert_eq!(tightest(), Some(Level { limit: 1000, used: 100 }));
    fake.write("a/b/memory.high", "800\n");
    assert_eq!(tightest(), Some(Level { limit: 800, used: 100 }));
    // The one above, where others take as much; then the mount point.
    fake.write("a/memory.max", "2000\n");
    fake.write("a/memory.current", "1900\n");
    assert_eq!(tightest(), Some(Level { limit: 2000, used: 1900 }));
    fake.write("memory.max", "3000\n");
    fake.write("memory.current", "2950\n");
    assert_eq!(tightest().unwrap().room(), 50);
    fake.write("memory.stat", "anon 7\ninactive_file 2000\nactive_file 600\nworkingset_activate_file 9\n");
    assert_eq!(tightest(), Some(Level { limit: 2000, used: 1900 }));
    fake.write("a/memory.stat", "inactive_anon 5000\ninactive_file 1500\n");
    assert_eq!(tightest(), Some(Level { limit: 800, used: 100 }));
    fake.write("a/b/memory.high", "nonsense");
    fake.write("a/b/memory.max", "");
    assert_eq!(tightest().unwrap().room(), 1600);
    fake.write("a/b/memory.pressure", "some avg10=5.10 avg60=0.00 avg300=0.00 total=0\nfull avg10=9.99");
    assert_eq!(fake.group().pressure(), Some(510));
    assert!(!fake.group().is_one());
    fake.write("a/b/cgroup.controllers", "memory\n");
    assert!(fake.group().is_one());
}

#[test]
fn this_machine_is_read_without_a_fault() {
    if let Some(group) = Group::find() {
        let _ = (group.tightest(&|_| true), group.pressure());
    }
    assert!(pressure().is_none_or(|hundredths| hundredths <= 10_000));
}

proptest! {
    #[test]
    fn what_is_escaped_comes_back(text in prop::collection::vec(1u8.., 0..100)) {
        let escaped: Vec<u8> = text.iter().flat_map(|&b| match b {
            b' ' | b'\t' | b'\n' | b'\\' => format!("\\{b:03o}").into_bytes(),
            b => vec![b],
        }).collect();
        let path = unescaped(&escaped);
        prop_assert_eq!(path.as_bytes(), &text[..]);
    }
    #[test]
    fn any_line_is_read_without_a_fault(line in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (mount(&line), hundredths(&line), unescaped(&line));
        let _ = Group::below(&unescaped(&line), &path("/"), &line).map(|group| group.levels(&mut |_| ()));
    }
}

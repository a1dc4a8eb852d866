//! How much memory the process's control group may still have, and how long its tasks wait for memory.
//!
//! ```text
//! /proc/thread-self/cgroup      "0::/a/b"                                     where the process is, of version 2
//! /proc/thread-self/mountinfo   "… / /sys/fs/cgroup rw - cgroup2 …"           where that can be read
//! FOLDER/memory.{current,high,max,stat}, of the group and of each one above   bytes, or "max"
//! FOLDER/memory.pressure, /proc/pressure/memory                               "some avg10=1.23 …"
//! ```
//! A limit of any group above holds as well. The file system shows those above as far as it is mounted: in a
//! container mostly the container's own group, at the mount point itself. Of version 1 nothing is known here.
//!
//! Files are opened for one read and closed again, by the calls that each collection makes, too; beside other threads, which may
//! close what they do not know and open something of their own, under a number that nobody uses by chance.
use super::file::Fd;
use super::letter::out_of_the_way;
use super::lines;
use super::path::{PATH_MAX, Path};
use super::sandbox::{self, Need};
use super::tasks;
use core::ffi::CStr;
use core::ops::ControlFlow;

/// The group's folder.
pub struct Group {
    folder: Path,
    /// So many bytes of it are the mount point.
    root: usize,
}

/// One group's limit, the lower of memory.high and memory.max, and what it has. Bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level {
    pub limit: u64,
    /// Without files' pages that the kernel would take back first, if those were asked for.
    pub used: u64,
}
impl Level {
    pub fn room(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

fn open(path: &CStr) -> Option<Fd> {
    let file = Fd::open(path, libc::O_RDONLY, 0).ok()?;
    // A filter from before the program's start may know no fcntl: that is risked only where it is needed.
    let plain = tasks::count() == Some(1) || sandbox::forbids(Need::Answer);
    Some(if plain { file } else { out_of_the_way(file) })
}

impl Group {
    /// `None`: there is none of version 2, or it cannot be seen from here.
    pub fn find() -> Option<Group> {
        let (mut buffer, mut own, mut found) = ([0u8; 4096], Path::new(), None);
        let mut known = false;
        let file = open(c"/proc/thread-self/cgroup")?;
        lines::for_each(&file, &mut buffer, &mut |line| match line.strip_prefix(b"0::") {
            Some(path) => {
                (own, known) = (unescaped(path), true);
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        })
        .ok()?;
        drop(file);
        if !known {
            return None;
        }
        let file = open(c"/proc/thread-self/mountinfo")?;
        lines::for_each(&file, &mut buffer, &mut |line| {
            found = mount(line).and_then(|(root, point)| Group::below(&point, &root, own.as_bytes()));
            found = found.take().filter(Group::is_one);
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .ok()?;
        found
    }

    /// The group `own`, where the group `root` is mounted at `point`.
    fn below(point: &Path, root: &Path, own: &[u8]) -> Option<Group> {
        let rest = match root.as_bytes() {
            b"/" => own,
            root => own.strip_prefix(root).filter(|rest| matches!(rest.first(), None | Some(b'/')))?,
        };
        // "/..": outside of what this namespace may see.
        if rest.split(|&b| b == b'/').any(|name| name == b"..") {
            return None;
        }
        let mut folder = *point;
        let root = folder.as_bytes().len();
        folder.push(rest.strip_suffix(b"/").unwrap_or(rest));
        // Room for the longest name of a file in it.
        (folder.as_bytes().len() + 32 < PATH_MAX).then_some(Group { folder, root })
    }

    /// Something else may be mounted there since.
    fn is_one(&self) -> bool {
        open(file(&self.folder, b"cgroup.controllers").as_c_str()).is_some()
    }

    /// Calls `each` with the folder of the group and of every one above it.
    fn levels(&self, each: &mut dyn FnMut(&Path)) {
        let (mut folder, mut len) = (self.folder, self.folder.as_bytes().len());
        loop {
            each(&folder);
            if len <= self.root {
                return;
            }
            len = self.folder.as_bytes()[..len].iter().rposition(|&b| b == b'/').unwrap_or(0).max(self.root);
            folder.set(&self.folder.as_bytes()[..len]);
        }
    }

    /// The level with the least room for its limit, if any has a limit. What files' pages take is asked of those only
    /// that `is_full` says are near their limit with them.
    pub fn tightest(&self, is_full: &dyn Fn(Level) -> bool) -> Option<Level> {
        let mut tightest: Option<Level> = None;
        self.levels(&mut |folder| {
            let limit = number(folder, b"memory.max").min(number(folder, b"memory.high"));
            if limit == u64::MAX {
                return;
            }
            let used = number(folder, b"memory.current");
            let mut level = Level { limit, used };
            if used == u64::MAX {
                return;
            }
            if is_full(level) {
                level.used = used.saturating_sub(reclaimable(folder));
            }
            if tightest.is_none_or(|other| level.room() < other.room()) {
                tightest = Some(level);
            }
        });
        tightest
    }

    /// As [`pressure`], of the group's own tasks. `None`: this kernel does not tell.
    pub fn pressure(&self) -> Option<u32> {
        pressure_in(file(&self.folder, b"memory.pressure").as_c_str())
    }
}

/// In how many hundredths of a percent of the last ten seconds some task of the machine waited for memory.
pub fn pressure() -> Option<u32> {
    pressure_in(c"/proc/pressure/memory")
}

fn pressure_in(path: &CStr) -> Option<u32> {
    let mut text = [0u8; 128];
    let n = open(path)?.read(&mut text).ok()?;
    hundredths(lines::value(&text[..n], b"some avg10=")?)
}

/// "1.23" as 123.
fn hundredths(text: &[u8]) -> Option<u32> {
    let mut parts = text.splitn(2, |&b| b == b'.');
    let whole = lines::number(parts.next()?, 10)?;
    let part = match parts.next() {
        Some(digits @ [_, _]) => lines::number(digits, 10)?,
        _ => return None,
    };
    u32::try_from(whole.checked_mul(100)?.checked_add(part)?).ok()
}

fn file(folder: &Path, name: &[u8]) -> Path {
    let mut path = *folder;
    path.push(b"/");
    path.push(name);
    path
}

/// What a file says; "max", and all that is no number, is the largest there is.
fn number(folder: &Path, name: &[u8]) -> u64 {
    let mut text = [0u8; 32];
    let read = open(file(folder, name).as_c_str()).and_then(|file| file.read(&mut text).ok());
    read.and_then(|n| lines::number(text[..n].trim_ascii_end(), 10)).unwrap_or(u64::MAX)
}

/// Pages of files, which the kernel takes back before it kills anybody: of those in use half.
fn reclaimable(folder: &Path) -> u64 {
    let (mut buffer, mut sum) = ([0u8; 2048], 0u64);
    let Some(file) = open(file(folder, b"memory.stat").as_c_str()) else { return 0 };
    let _ = lines::for_each(&file, &mut buffer, &mut |line| {
        let value = |name| lines::value(line, name).and_then(|text| lines::number(text, 10)).unwrap_or(0);
        if line.starts_with(b"inactive_file ") {
            sum = sum.saturating_add(value(b"inactive_file "));
        } else if line.starts_with(b"active_file ") {
            sum = sum.saturating_add(value(b"active_file ") / 2);
        }
        ControlFlow::Continue(())
    });
    sum
}

/// The group that a line of mountinfo mounts, and where; `None`: it is of another sort.
fn mount(line: &[u8]) -> Option<(Path, Path)> {
    const SORT: &[u8] = b" - cgroup2 ";
    line.windows(SORT.len()).position(|part| part == SORT)?;
    let mut fields = line.split(|&b| b == b' ').skip(3);
    Some((unescaped(fields.next()?), unescaped(fields.next()?)))
}

/// Blanks and their like stand there as \040.
fn unescaped(text: &[u8]) -> Path {
    let (mut path, mut rest) = (Path::new(), text);
    while let [first, after @ ..] = rest {
        let code = after.get(..3).filter(|_| *first == b'\\').and_then(|code| lines::number(code, 8));
        match code.and_then(|code| u8::try_from(code).ok()) {
            Some(byte) => {
                path.push(&[byte]);
                rest = &after[3..];
            }
            None => {
                path.push(&[*first]);
                rest = after;
            }
        }
    }
    path
}

#[cfg(test)]
mod tests;

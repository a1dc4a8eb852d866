//! What a line of the kernel's list means for the roots.
use super::RootKind;
use crate::sys::maps::{Mapping, Perms};

/// How a mapping's contents are found and read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Private anonymous: modified pages, in place.
    Anonymous,
    /// Private, of a file: modified pages. Copied, because a file can be truncated by others at
    /// any moment, and its modified pages go with it.
    File,
    /// Shared anonymous: no name, so nobody can truncate it. Present pages, in place.
    SharedAnonymous,
    /// Shared, of a file or named memory: present pages, copied.
    Shared,
    /// Memory that the kernel reads for nobody and that cannot shrink: all of it, in place.
    Whole,
}

impl Class {
    /// Only pages that differ from the file's are contents of the host's making.
    pub fn modified_only(self) -> bool {
        matches!(self, Class::Anonymous | Class::File)
    }
    /// A present page may be read where it is (given that the protection allows it).
    pub fn in_place(self) -> bool {
        matches!(self, Class::Anonymous | Class::SharedAnonymous | Class::Whole)
    }
}

/// Memory that lives in no file system that could be read some other way.
const MEMORY: [&[u8]; 6] =
    [b"/memfd:", b"/dev/shm/", b"/SYSV", b"/dev/hugepages/", b"/anon_hugepage", b"[anon_shmem"];
/// Kernel code and data; registers of devices; windows into the kernel.
const NOTHING: [&[u8]; 9] = [
    b"[vvar",
    b"[vdso",
    b"[vsyscall",
    b"[uprobes",
    b"/dev/",
    b"/proc/",
    b"/sys/",
    b"anon_inode:",
    b"socket:",
];

fn begins(name: &[u8], with: &[&[u8]]) -> bool {
    with.iter().any(|w| name.starts_with(w))
}

/// `None`: no roots in there.
pub fn classify(m: &Mapping<'_>) -> Option<(Class, RootKind)> {
    if m.perms.has(Perms::SHARED) {
        return shared(m).map(|class| (class, RootKind::Shared));
    }
    if m.inode == 0 {
        return match m.name {
            b"[heap]" => Some((Class::Anonymous, RootKind::Brk)),
            name if begins(name, &NOTHING) => None,
            _ => Some((Class::Anonymous, RootKind::Anonymous)),
        };
    }
    if m.name.starts_with(b"/dev/zero") {
        return Some((Class::Anonymous, RootKind::Anonymous));
    }
    if begins(m.name, &NOTHING) && !begins(m.name, &MEMORY) {
        return None;
    }
    Some((Class::File, RootKind::Data))
}

/// Memory as any program may ask for: no code, no device, no window into the kernel, no stack.
pub fn is_plain(m: &Mapping<'_>) -> bool {
    const MARKED: [&[u8]; 2] = [b"[heap]", b"[stack"];
    let shared_anonymous = m.perms.has(Perms::SHARED) && m.name.starts_with(b"/dev/zero");
    let named = begins(m.name, &NOTHING) || begins(m.name, &MARKED);
    !m.perms.has(Perms::EXEC) && (!named || shared_anonymous || begins(m.name, &MEMORY))
}

fn shared(m: &Mapping<'_>) -> Option<Class> {
    if m.name.starts_with(b"/dev/zero") {
        return Some(if m.perms.has(Perms::READ) { Class::SharedAnonymous } else { Class::Shared });
    }
    if m.name.starts_with(b"/secretmem") || m.name.starts_with(b"anon_inode:[io_uring]") {
        // Submission entries hold pointers that come back with the completion.
        return m.perms.has(Perms::READ).then_some(Class::Whole);
    }
    // Memory may have been written before it was protected, or through another mapping that
    // is gone. A file that we only read has the same words that it has on disk.
    if begins(m.name, &MEMORY) {
        return Some(Class::Shared);
    }
    if begins(m.name, &NOTHING) || !m.perms.has(Perms::WRITE) {
        return None;
    }
    Some(Class::Shared)
}

#[cfg(test)]
mod tests;

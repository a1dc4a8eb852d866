//! The allocators that are compared: libc's, this library in its modes, those that are installed, those that are named.
use crate::Failure;
use crate::failure::{TROUBLE, USAGE, plain};
use crate::launch::library;
use object::elf::{EM_X86_64, ET_DYN, FileHeader64};
use object::read::elf::{ElfFile, FileHeader};
use object::{LittleEndian, Object, ObjectSymbol};
use serde::Serialize;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One allocator.
#[derive(Clone, Serialize)]
pub struct Allocator {
    pub name: String,
    /// What is preloaded; libc's needs nothing.
    pub library: Option<PathBuf>,
    /// What GLEANER is set to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<&'static str>,
    /// The version of the package that it came in, if the system knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether the user named it: then it is an error if it cannot be preloaded.
    #[serde(skip)]
    pub named: bool,
}

impl Allocator {
    fn new(name: &str, library: Option<PathBuf>) -> Allocator {
        Allocator { name: name.to_owned(), library, options: None, version: None, named: false }
    }
    /// The words of the environment that bring it in.
    pub fn environment(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        if let Some(library) = &self.library {
            let mut word = OsString::from("LD_PRELOAD=");
            word.push(library);
            words.push(word);
        }
        words.extend(self.options.map(|options| format!("GLEANER={options}").into()));
        words
    }
}

/// How an allocator is called, and how its library's file name begins. An earlier row holds.
const KNOWN: &[(&str, &[&str])] = &[
    ("jemalloc", &["libjemalloc.so"]),
    ("mimalloc", &["libmimalloc.so"]),
    ("tcmalloc", &["libtcmalloc_minimal.so", "libtcmalloc.so"]),
    // Only where it was built to take malloc's place.
    ("bdwgc", &["libgc.so", "libgcmalloc.so"]),
    ("snmalloc", &["libsnmallocshim.so"]),
    ("rpmalloc", &["librpmallocwrap.so", "librpmalloc.so"]),
    ("hoard", &["libhoard.so"]),
    ("mesh", &["libmesh.so"]),
    ("scudo", &["libscudo.so", "libclang_rt.scudo_standalone"]),
    ("hardened_malloc", &["libhardened_malloc.so"]),
];
const DIRECTORIES: &[&str] =
    &["/usr/local/lib", "/usr/local/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/lib64"];
/// Our modes. What a leak check finds is not named, and goes nowhere: that is no part of allocating.
const OURS: &[(&str, &str)] = &[
    ("gleaner", "mode=malloc"),
    ("gleaner-gc", "mode=gc"),
    ("gleaner-leak", "mode=leak:exitcode=0:symbolizer=record:log=/dev/null"),
];

/// All that can be compared here: libc's first. `named` are the user's own, NAME=PATH or PATH.
pub fn find(named: &[OsString]) -> Result<Vec<Allocator>, Failure> {
    let mut all = vec![Allocator::new("glibc", None)];
    let ours = library::find().map_err(|text| Failure::new(TROUBLE, text))?;
    all.extend(OURS.iter().map(|&(name, options)| Allocator {
        options: Some(options),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        ..Allocator::new(name, Some(ours.clone()))
    }));
    let installed = installed();
    for (name, beginnings) in KNOWN {
        let fits = |path: &&PathBuf| beginnings.iter().any(|b| file_name(path).starts_with(b));
        all.extend(installed.iter().find(fits).map(|path| Allocator::new(name, Some(path.clone()))));
    }
    for one in named {
        all.push(user_named(one, &all)?);
    }
    for one in &mut all[1..] {
        one.version =
            one.version.take().or_else(|| one.library.as_deref().filter(|_| !one.named).and_then(version));
    }
    Ok(all)
}

/// Those of `all` that the user asks for, in the order of `all`.
pub fn chosen(all: Vec<Allocator>, wanted: &[String]) -> Result<Vec<Allocator>, Failure> {
    if let Some(missing) = wanted.iter().find(|name| !all.iter().any(|one| one.name == **name)) {
        let names: Vec<&str> = all.iter().map(|one| &*one.name).collect();
        let text = format!("there is no allocator {missing} here; there are: {}", names.join(", "));
        return Err(Failure::new(USAGE, text));
    }
    // The user's own are never left out: they were asked for.
    Ok(all.into_iter().filter(|one| wanted.is_empty() || one.named || wanted.contains(&one.name)).collect())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Shared objects in the usual places that have malloc; of several versions the newest first.
fn installed() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let own = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&own).filter(|dir| dir.is_absolute());
    for dir in dirs.chain(DIRECTORIES.iter().map(PathBuf::from)).chain(configured()) {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        let known = |path: &PathBuf| {
            let name = file_name(path);
            KNOWN.iter().any(|(_, beginnings)| beginnings.iter().any(|b| name.starts_with(b)))
        };
        let mut here: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(known).collect();
        here.sort_by_key(|path| std::cmp::Reverse(file_name(path)));
        found.extend(here.into_iter().filter(|path| check(path).is_ok()));
    }
    found
}

/// Whether a file is one of the allocators that we know by name.
pub fn is_known(path: &Path) -> bool {
    let name = file_name(path);
    // The collector is linked by programs that ask it for memory by its own names.
    let rows = KNOWN.iter().filter(|row| row.0 != "bdwgc");
    rows.flat_map(|row| row.1).any(|beginning| name.starts_with(beginning))
}

/// The directories that the system's administrator added to the loader's.
fn configured() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/etc/ld.so.conf.d") else { return Vec::new() };
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter(|line| line.starts_with('/')).map(PathBuf::from).collect()
}

/// `--lib PATH` or `--lib NAME=PATH`.
fn user_named(text: &OsString, others: &[Allocator]) -> Result<Allocator, Failure> {
    let whole = PathBuf::from(text);
    let (name, path) = match text.to_str().and_then(|text| text.split_once('=')) {
        Some((name, path)) if !whole.exists() => (Some(name.to_owned()), PathBuf::from(path)),
        _ => (None, whole),
    };
    let wrong = |why: String| Failure::new(USAGE, format_args!("--lib {}: {why}", path.display()));
    check(&path).map_err(wrong)?;
    let path = std::path::absolute(&path).map_err(|error| wrong(plain(&error)))?;
    if path.as_os_str().as_bytes().iter().any(|b| matches!(b, b':' | b' ' | b'\t' | b'\n')) {
        return Err(wrong("LD_PRELOAD cannot name it: its path has a blank or a colon".to_owned()));
    }
    let taken = |name: &str| others.iter().any(|other| other.name == name);
    let name = match name {
        Some(name) if name.is_empty() || name.contains(char::is_whitespace) => {
            return Err(wrong("the name before = must be one word".to_owned()));
        }
        Some(name) if taken(&name) => {
            return Err(wrong(format!("there is a {name} already; give it another name")));
        }
        Some(name) => name,
        None => free_name(&path, &taken),
    };
    Ok(Allocator { named: true, ..Allocator::new(&name, Some(path)) })
}

/// As the allocator is known, or as its file is called; numbered if there is one.
fn free_name(path: &Path, taken: &dyn Fn(&str) -> bool) -> String {
    let file = file_name(path);
    let known = KNOWN.iter().find(|(_, beginnings)| beginnings.iter().any(|b| file.starts_with(b)));
    let stem = file.split(".so").next().unwrap_or(&file).trim_start_matches("lib");
    let name = known.map_or(stem, |(name, _)| name);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

/// Whether the file can take malloc's place; the error says why not.
fn check(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err("is a directory; name the library in it".to_owned());
    }
    let bytes = std::fs::read(path).map_err(|error| plain(&error))?;
    if !bytes.starts_with(b"\x7fELF") {
        return Err("is not a shared object".to_owned());
    }
    if bytes.get(4) != Some(&2) {
        return Err("is a 32-bit library; those of 64-bit x86-64 are compared".to_owned());
    }
    let broken = |_| "is a damaged shared object".to_owned();
    let header = FileHeader64::<LittleEndian>::parse(&*bytes).map_err(broken)?;
    if header.e_machine.get(LittleEndian) != EM_X86_64 {
        return Err("is for another processor than x86-64".to_owned());
    }
    if header.e_type(LittleEndian) != ET_DYN {
        return Err("is not a shared object".to_owned());
    }
    let file = ElfFile::<FileHeader64<LittleEndian>>::parse(&*bytes).map_err(broken)?;
    let defines =
        |name: &str| file.dynamic_symbols().any(|symbol| symbol.is_definition() && symbol.name() == Ok(name));
    match ["malloc", "free"].iter().find(|name| !defines(name)) {
        Some(name) => Err(format!("does not define {name}: preloading it would change nothing")),
        None => Ok(()),
    }
}

/// Debian's version of the package that brought the file.
fn version(library: &Path) -> Option<String> {
    let said = |tool: &str, args: &[&std::ffi::OsStr]| {
        let done = Command::new(tool).args(args).output().ok().filter(|done| done.status.success())?;
        Some(String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let owner = said("dpkg-query", &["-S".as_ref(), library.as_os_str()])?;
    let package = owner.rsplit_once(": ")?.0.split(',').next()?.to_owned();
    said("dpkg-query", &["-W".as_ref(), "-f=${Version}".as_ref(), package.as_ref()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_free() {
        let nobody = |_: &str| false;
        assert_eq!(free_name(Path::new("/x/libjemalloc.so.2"), &nobody), "jemalloc");
        assert_eq!(free_name(Path::new("/x/libmine.so"), &nobody), "mine");
        assert_eq!(free_name(Path::new("/x/libmine.so"), &|name| name == "mine"), "mine-2");
    }
    #[test]
    fn what_cannot_be_preloaded_says_why() {
        assert_eq!(check(Path::new("/")).unwrap_err(), "is a directory; name the library in it");
        assert_eq!(check(Path::new("/nothing")).unwrap_err(), "No such file or directory");
        assert_eq!(check(Path::new("/etc/passwd")).unwrap_err(), "is not a shared object");
        let own = std::env::current_exe().unwrap();
        assert!(check(&own).unwrap_err().starts_with("does not define malloc"));
    }
}

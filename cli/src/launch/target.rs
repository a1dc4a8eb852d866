//! The program to be run: found as a shell finds it, and looked at before it is run.
//!
//! Preloading fails silently or with the loader's mutter for static, set-user-id, 32-bit and musl
//! programs; here each gets one line. A script is judged by its interpreter.
use super::process;
use crate::Failure;
use crate::failure::{NOT_FOUND, NOT_RUNNABLE, plain};
use object::LittleEndian;
use object::elf::{
    ELFCLASS32, ELFDATA2MSB, EM_386, EM_X86_64, ET_DYN, ET_EXEC, FileClass, FileHeader64, Machine,
};
use object::read::elf::{FileHeader, ProgramHeader};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A script's interpreter may be a script; Linux follows four.
const INTERPRETERS: usize = 4;
/// What the kernel reads of a `#!` line.
const FIRST_LINE: usize = 256;
/// Enough for the ELF header, the program headers and the interpreter's name.
const HEAD: usize = 64 << 10;

/// Finds `name` as execvp(3) would.
pub fn find(name: &OsStr) -> Result<PathBuf, Failure> {
    if name.as_bytes().contains(&b'/') {
        return runnable(Path::new(name));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/bin:/usr/bin"));
    let mut refused = None;
    for dir in std::env::split_paths(&path) {
        let candidate = if dir.as_os_str().is_empty() { Path::new(".").join(name) } else { dir.join(name) };
        match runnable(&candidate) {
            Ok(found) => return Ok(found),
            Err(failure) if failure.status == NOT_RUNNABLE => refused = refused.or(Some(failure)),
            Err(_) => {}
        }
    }
    let missing = || Failure::new(NOT_FOUND, format_args!("{}: not found in PATH", name.display()));
    Err(refused.unwrap_or_else(missing))
}

fn runnable(path: &Path) -> Result<PathBuf, Failure> {
    let shown = path.display();
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(Failure::new(NOT_RUNNABLE, format_args!("{shown}: {}", plain(&error))));
        }
        Err(error) => return Err(Failure::new(NOT_FOUND, format_args!("{shown}: {}", plain(&error)))),
    };
    if metadata.is_dir() {
        return Err(Failure::new(NOT_RUNNABLE, format_args!("{shown}: is a directory")));
    }
    if !process::may_execute(path) {
        return Err(Failure::new(
            NOT_RUNNABLE,
            format_args!("{shown}: not executable; is it missing chmod +x?"),
        ));
    }
    Ok(path.to_owned())
}

/// Whether a file of the command line can be read; else why not.
pub fn exists_for_us(path: &Path) -> Result<(), String> {
    File::open(path).map(|_| ()).map_err(|error| plain(&error))
}

/// Refuses, with its reason, what the library could not be loaded into.
pub fn check(program: &Path) -> Result<(), Failure> {
    let mut path = program.to_owned();
    for _ in 0..=INTERPRETERS {
        raises(&path)?;
        let head = match head(&path) {
            Ok(head) => head,
            // Executable but not readable: the kernel can run it, and so may the loader.
            Err(_) => return Ok(()),
        };
        match look(&head) {
            Look::Fits => return Ok(()),
            Look::Script(interpreter) if interpreter.exists() => path = interpreter,
            Look::Script(interpreter) => {
                let (path, interpreter) = (path.display(), interpreter.display());
                let text = format!("{path}: its interpreter {interpreter} does not exist");
                return Err(Failure::new(NOT_FOUND, text));
            }
            Look::Static if is_loader(&path) => return Ok(()),
            other => {
                let (path, why) = (path.display(), other.why());
                return Err(Failure::new(NOT_RUNNABLE, format_args!("{path} {why}")));
            }
        }
    }
    Err(Failure::new(NOT_RUNNABLE, format_args!("{}: too many interpreters", program.display())))
}

/// A program that gains rights by exec runs without LD_PRELOAD.
fn raises(path: &Path) -> Result<(), Failure> {
    let Ok(metadata) = path.metadata() else { return Ok(()) };
    let (user, group) = process::ids();
    let (mode, executable_by_group) = (metadata.mode(), metadata.mode() & 0o010 != 0);
    let what = if mode & libc::S_ISUID != 0 && metadata.uid() != user {
        "is set-user-id"
    } else if mode & libc::S_ISGID != 0 && executable_by_group && metadata.gid() != group {
        "is set-group-id"
    } else if user != 0 && process::has_capabilities(path) {
        "has file capabilities"
    } else {
        return Ok(());
    };
    let path = path.display();
    let text = format!(
        "{path} {what}: the loader ignores LD_PRELOAD for it; run it as its owner, or a plain copy of it"
    );
    Err(Failure::new(NOT_RUNNABLE, text))
}

/// What the first bytes of a file tell.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Fits,
    Script(PathBuf),
    Static,
    Bits32,
    Machine(u16),
    Libc(String),
    NotAProgram,
    Unknown,
}

impl Look {
    fn why(&self) -> String {
        match self {
            Look::Static => "is statically linked: no library can be preloaded; link it dynamically".into(),
            Look::Bits32 => "is a 32-bit program; gleaner is for 64-bit x86-64 ones".into(),
            Look::Machine(machine) => {
                format!("is for another processor ({}); gleaner is for x86-64", machine_name(*machine))
            }
            Look::Libc(interpreter) => {
                format!("uses the loader {interpreter}; gleaner needs glibc's, ld-linux-x86-64.so.2")
            }
            Look::NotAProgram => "is an ELF file but not a program".into(),
            _ => "is neither an ELF program nor a script that begins with #!; run its interpreter instead"
                .into(),
        }
    }
}

fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn look(head: &[u8]) -> Look {
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = &line[..line.len().min(FIRST_LINE)];
        let line = line.split(|&b| b == b'\n').next().unwrap_or(line).trim_ascii_start();
        let word = line.split(|b| b.is_ascii_whitespace()).next().unwrap_or(line);
        return Look::Script(PathBuf::from(OsStr::from_bytes(word)));
    }
    let Some(ident) = head.get(..20).filter(|ident| ident.starts_with(b"\x7fELF")) else {
        return Look::Unknown;
    };
    let machine = [ident[18], ident[19]];
    if ident[5] == ELFDATA2MSB.0 {
        return Look::Machine(u16::from_be_bytes(machine));
    }
    match (FileClass(ident[4]), Machine(u16::from_le_bytes(machine))) {
        (ELFCLASS32, EM_386 | EM_X86_64) => return Look::Bits32,
        (_, EM_X86_64) => {}
        (_, machine) => return Look::Machine(machine.0),
    }
    interpreter(head).unwrap_or(Look::NotAProgram)
}

/// A 64-bit little-endian file: does it ask for glibc's loader?
fn interpreter(head: &[u8]) -> Option<Look> {
    let header = FileHeader64::<LittleEndian>::parse(head).ok()?;
    if !matches!(header.e_type(LittleEndian), ET_EXEC | ET_DYN) {
        return None;
    }
    for segment in header.program_headers(LittleEndian, head).ok()? {
        if let Some(path) = segment.interpreter(LittleEndian, head).ok()? {
            let path = String::from_utf8_lossy(path);
            let other =
                path.contains("musl") || path.contains("uClibc") || path.contains("/system/bin/linker");
            return Some(if other { Look::Libc(path.into_owned()) } else { Look::Fits });
        }
    }
    Some(Look::Static)
}

/// The loader run by hand (`ld.so prog`) has no interpreter of its own and does preload.
fn is_loader(path: &Path) -> bool {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = real.file_name().unwrap_or_default().as_bytes();
    name.starts_with(b"ld-linux") || name.starts_with(b"ld-2.") || name == b"ld.so"
}

fn machine_name(machine: u16) -> String {
    let name = match machine {
        8 => "mips",
        21 => "powerpc64",
        22 => "s390",
        40 => "arm",
        183 => "aarch64",
        243 => "riscv",
        258 => "loongarch",
        other => return format!("ELF machine {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(class: u8, data: u8, machine: u16) -> Vec<u8> {
        let mut head = b"\x7fELF".to_vec();
        head.extend([class, data, 1]);
        head.resize(64, 0);
        head[16] = 2;
        head[18..20].copy_from_slice(&if data == 2 { machine.to_be_bytes() } else { machine.to_le_bytes() });
        head
    }

    #[test]
    fn first_bytes_tell() {
        assert_eq!(look(&elf(2, 1, 62)), Look::Static);
        assert_eq!(look(&elf(1, 1, 3)), Look::Bits32);
        assert_eq!(look(&elf(1, 1, 62)), Look::Bits32);
        assert_eq!(look(&elf(2, 1, 183)), Look::Machine(183));
        assert_eq!(look(&elf(2, 2, 22)), Look::Machine(22));
        assert_eq!(look(b"#! /bin/sh -e\nexit"), Look::Script("/bin/sh".into()));
        assert_eq!(look(b"echo hi\n"), Look::Unknown);
        assert_eq!(look(b""), Look::Unknown);
        let own = head(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(look(&own), Look::Fits);
        // Cut short anywhere, it is something else, never a panic.
        (0..own.len().min(2000)).for_each(|cut| drop(look(&own[..cut])));
    }
}

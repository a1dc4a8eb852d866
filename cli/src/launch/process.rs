//! execve(2) with a changed environment, and the two questions to the kernel that std lacks.
//!
//! std's `CommandExt::exec` resets the signal mask and SIGPIPE; the program must inherit ours.
//!
//! # Safety
//! The vectors handed to execve are NULL-terminated arrays of pointers to C strings that live
//! until it returns; the other calls take C strings and no buffer.
#![allow(unsafe_code)]
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;

/// Replaces this process; comes back only with the reason why not.
pub fn become_program(program: &Path, line: &[OsString], change: &[(&str, Option<OsString>)]) -> io::Error {
    let strings = || -> io::Result<(CString, Vec<CString>, Vec<CString>)> {
        let line = line.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<_, _>>()?;
        Ok((CString::new(program.as_os_str().as_bytes())?, line, environment(change)?))
    };
    let (program, line, environment) = match strings() {
        Ok(strings) => strings,
        Err(error) => return error,
    };
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
    };
    let (argv, envp) = (pointers(&line), pointers(&environment));
    // SAFETY: all three live until here, each array ends with NULL.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

fn environment(change: &[(&str, Option<OsString>)]) -> io::Result<Vec<CString>> {
    let kept = std::env::vars_os()
        .filter(|(name, _)| !change.iter().any(|(changed, _)| name == OsStr::new(changed)));
    let set = change.iter().filter_map(|(name, value)| Some((OsString::from(*name), value.clone()?)));
    let entry = |(name, value): (OsString, OsString)| {
        let mut entry = name.into_vec();
        entry.push(b'=');
        entry.extend_from_slice(value.as_bytes());
        CString::new(entry)
    };
    Ok(kept.chain(set).map(entry).collect::<Result<_, _>>()?)
}

/// Whether the effective user may execute the file.
pub fn may_execute(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: a C string and plain numbers.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::X_OK, libc::AT_EACCESS) == 0 }
}

/// Whether the file carries capabilities that executing it would give.
pub fn has_capabilities(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: C strings; a size of 0 asks for the length only.
    unsafe { libc::getxattr(path.as_ptr(), c"security.capability".as_ptr(), ptr::null_mut(), 0) > 0 }
}

/// The effective user and group.
pub fn ids() -> (u32, u32) {
    // SAFETY: no arguments.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

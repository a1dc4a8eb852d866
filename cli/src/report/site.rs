//! Which frame of a stack the reader wrote: where to look first, what to suppress, what to sort by.
//!
//! A stack begins in allocators and ends in libc; between them lies what the reader can mend. Their
//! frame is the first that is neither an allocator's wrapper nor in a library of the system nor the
//! standard library of C++ or Rust; where all of it is the system's, the first that is no wrapper.
//! A guess, and only for emphasis: the whole stack is always there.
use crate::names::Frame;
use crate::record::Record;
use std::collections::BTreeMap;

/// What hands memory on: the leak is its caller's.
const WRAPPERS: &[&str] = &[
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "pvalloc",
    "mmap",
    "mmap64",
    "strdup",
    "strndup",
    "wcsdup",
    "asprintf",
    "vasprintf",
    "getline",
    "getdelim",
    "fopen",
    "fdopen",
    "opendir",
    "realpath",
    "getcwd",
    "scandir",
    "operator new",
    "xmalloc",
    "xcalloc",
    "xrealloc",
    "xstrdup",
    "xstrndup",
    "g_malloc",
    "g_malloc0",
    "g_realloc",
    "g_strdup",
    "g_strndup",
    "g_slice_alloc",
    "CRYPTO_malloc",
    "CRYPTO_zalloc",
    "CRYPTO_realloc",
    "CRYPTO_strdup",
    "CRYPTO_memdup",
    // glib
    "g_malloc_n",
    "g_malloc0_n",
    "g_realloc_n",
    "g_try_malloc",
    "g_memdup",
    "g_memdup2",
    "g_strdup_printf",
    "g_slice_alloc0",
    // gnulib, libiberty
    "xmemdup",
    "xasprintf",
    "xvasprintf",
    "xzalloc",
    "xnmalloc",
    "xcharalloc",
    "xreallocarray",
    "x2realloc",
    "x2nrealloc",
    "xpalloc",
    "ximalloc",
    "xicalloc",
    "xirealloc",
    "xizalloc",
    "imalloc",
    "ireallocarray",
    // Programs in wide use: redis, nginx, sqlite3, CPython, Perl, Ruby, PHP, git, FFmpeg, Apache
    "zmalloc",
    "zcalloc",
    "zcalloc_num",
    "zrealloc",
    "zstrdup",
    "zmalloc_usable",
    "zcalloc_usable",
    "zrealloc_usable",
    "ztrymalloc",
    "ztrymalloc_usable",
    "ztrymalloc_usable_internal",
    "ngx_alloc",
    "ngx_calloc",
    "ngx_memalign",
    "ngx_create_pool",
    "ngx_palloc",
    "ngx_pnalloc",
    "ngx_pcalloc",
    "ngx_palloc_block",
    "ngx_palloc_large",
    "sqlite3MemMalloc",
    "sqlite3MemRealloc",
    "sqlite3Malloc",
    "sqlite3MallocZero",
    "sqlite3Realloc",
    "sqlite3DbMallocRaw",
    "sqlite3DbMallocRawNN",
    "sqlite3DbMallocZero",
    "sqlite3DbStrDup",
    "sqlite3_malloc",
    "sqlite3_malloc64",
    "sqlite3_realloc",
    "sqlite3_realloc64",
    "PyMem_Malloc",
    "PyMem_Calloc",
    "PyMem_Realloc",
    "PyMem_RawMalloc",
    "PyMem_RawCalloc",
    "PyMem_RawRealloc",
    "PyObject_Malloc",
    "PyObject_Calloc",
    "PyObject_Realloc",
    "Perl_safesysmalloc",
    "Perl_safesyscalloc",
    "Perl_safesysrealloc",
    "ruby_xmalloc",
    "ruby_xmalloc2",
    "ruby_xcalloc",
    "ruby_xrealloc",
    "ruby_xrealloc2",
    "emalloc",
    "ecalloc",
    "erealloc",
    "estrdup",
    "pemalloc",
    "safe_malloc",
    "safe_calloc",
    "av_malloc",
    "av_mallocz",
    "av_calloc",
    "av_realloc",
    "av_strdup",
    "apr_palloc",
    "apr_pcalloc",
    "do_xmalloc",
];
/// Libraries of languages, by how their demangled names begin.
const LIBRARIES: &[&str] = &[
    "std::",
    "__gnu_cxx::",
    "__cxxabiv1::",
    "core::",
    "alloc::",
    "hashbrown::",
    "<alloc::",
    "<core::",
    "<std::",
    "__rust_",
    "__rdl_",
    "__rg_",
];
/// The same of C++ templates, whose demangled names begin with what they return.
const MANGLED: &[&str] =
    &["_ZNSt", "_ZNKSt", "_ZSt", "_ZNS", "_ZNKS", "_ZN9__gnu_cxx", "_ZNK9__gnu_cxx", "_Znw", "_Zna"];
const SYSTEM: &[&str] = &["/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "[vdso]"];

/// The index of the reader's own frame; none of an empty stack.
pub fn own(record: &Record, frames: &[&Frame]) -> Option<usize> {
    let theirs = |frame: &&Frame| !is_library(frame) && !is_of_the_system(record, frame);
    let plain = |frame: &&Frame| !is_library(frame);
    let known = |frame: &&Frame| frame.function.is_some() || frame.source.is_some();
    let first = |fits: &dyn Fn(&&Frame) -> bool| frames.iter().position(fits);
    first(&|frame| theirs(frame) && known(frame))
        .or_else(|| first(&theirs))
        .or_else(|| first(&plain))
        .or((!frames.is_empty()).then_some(0))
}

fn is_library(frame: &Frame) -> bool {
    let Some(function) = frame.function.as_deref() else { return false };
    let bare = function.split(['(', '@', '[']).next().unwrap_or(function).trim_end();
    let bare = bare.trim_start_matches("__libc_").trim_start_matches("__GI_").trim_start_matches('_');
    let linkage = frame.linkage.as_deref().unwrap_or("");
    let file = frame.source.as_ref().map_or("", |source| source.file.as_str());
    WRAPPERS.contains(&bare)
        || LIBRARIES.iter().any(|head| function.starts_with(head))
        || MANGLED.iter().any(|head| linkage.starts_with(head))
        || file.starts_with("/rustc/")
        || file.contains("/include/c++/")
}

/// Whether the frame is in a library that came with the system.
pub fn is_of_the_system(record: &Record, frame: &Frame) -> bool {
    let Some((index, _)) = frame.place else { return true };
    let path = record.modules[index].path.to_string_lossy();
    *path != record.exe && SYSTEM.iter().any(|place| path.starts_with(place))
}

/// `function, file:line`, or as much of it as is known.
pub fn label(record: &Record, frame: &Frame) -> String {
    let source = frame.source.as_ref().map(|source| {
        let file = base(&source.file);
        if source.line > 0 { format!("{file}:{}", source.line) } else { file.to_owned() }
    });
    match (frame.function.as_deref(), source) {
        (Some(function), Some(source)) => format!("{function}, {source}"),
        (Some(function), None) => match frame.place {
            Some((index, _)) => {
                format!("{function}, in {}", base(&record.modules[index].path.to_string_lossy()))
            }
            None => function.to_owned(),
        },
        (None, Some(source)) => source,
        (None, None) => match frame.place {
            Some((index, offset)) => {
                format!("{}+{offset:#x}", base(&record.modules[index].path.to_string_lossy()))
            }
            None => format!("{:#x}", frame.pc),
        },
    }
}

/// A path's last part.
pub fn base(path: &str) -> &str {
    path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path)
}

/// What a rule of LeakSanitizer's would be that holds for this frame, and for little else.
pub fn rule(record: &Record, frame: &Frame) -> Option<String> {
    if let Some(function) = frame.function.as_deref().filter(|name| !name.trim().is_empty()) {
        return pattern(function, true);
    }
    let (index, _) = frame.place?;
    let path = record.modules[index].path.to_string_lossy().into_owned();
    pattern(base(&path), false)
}

/// A name as a pattern. `$` would end it, a line's end would end the rule, blanks at its end would be
/// trimmed: they become "any text". None where nothing would be left, which would hold for all.
fn pattern(name: &str, whole: bool) -> Option<String> {
    let (held, cut) = name.split_once('$').map_or((name, false), |(head, _)| (head, true));
    let plain: String = held.chars().map(|c| if c.is_control() { '*' } else { c }).collect();
    if plain.trim_matches([' ', '*']).is_empty() {
        return None;
    }
    Some(match (whole, cut) {
        (true, false) => format!("^{plain}$"),
        (true, true) => format!("^{}*", plain.trim_end()),
        (false, _) => format!("*{}*", plain.trim()),
    })
}

/// What is lost in one place.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sum {
    pub bytes: u64,
    pub objects: u64,
}

/// Leaks by the reader's own frame, most bytes first.
pub fn places<'a>(record: &Record, leaks: impl Iterator<Item = (Vec<&'a Frame>, Sum)>) -> Vec<(String, Sum)> {
    let mut all: BTreeMap<String, Sum> = BTreeMap::new();
    for (frames, size) in leaks {
        let place =
            own(record, &frames).map_or("an unknown place".to_owned(), |at| label(record, frames[at]));
        let sum = all.entry(place).or_default();
        sum.bytes = sum.bytes.saturating_add(size.bytes);
        sum.objects = sum.objects.saturating_add(size.objects);
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.bytes));
    all
}

/// 64-bit FNV-1a: a name for a leak that stays when lines move, and from one release to the next.
pub fn fingerprint(record: &Record, kind: &str, frames: &[&Frame]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut take = |text: &str| {
        for byte in text.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    };
    take(kind);
    for frame in frames {
        match &frame.function {
            Some(function) => take(function),
            None => take(&label(record, &Frame { pc: 0, ..(*frame).clone() })),
        }
        take(frame.source.as_ref().map_or("", |source| base(&source.file)));
    }
    hash
}

#[cfg(test)]
mod tests;

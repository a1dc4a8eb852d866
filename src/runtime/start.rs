//! Start-up, in two steps, each once.
//!
//! # Safety
//! `environ` and the auxiliary vector are set by ld.so before any code of a library runs; they
//! are read here once, early, and not kept.
#![allow(unsafe_code)]
use crate::ground::critical::{self, Critical};
use crate::ground::lock::{Lock, Rank};
use crate::ground::out;
use crate::heap::{cache, resize, secure};
use crate::leak::unwind;
use crate::pages::{limit, own, thp};
use crate::pure::addr::{Addr, PAGE_SIZE};
use crate::pure::options::{Mode, Options, Path, Privilege};
use crate::roots::stale;
use crate::spans::plain;
use crate::sys::file;
use crate::sys::maps::{self, Perms};
use crate::threads;
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicU8, Ordering};

const NEW: u8 = 0;
const HEAP: u8 = 1;
const PROCESS: u8 = 2;
static STATE: AtomicU8 = AtomicU8::new(NEW);
static INIT: Lock<()> = Lock::new(Rank::Init, ());

struct Chosen(UnsafeCell<Options>);
// SAFETY: written once under INIT before STATE says HEAP, read-only afterwards.
unsafe impl Sync for Chosen {}
static OPTIONS: Chosen = Chosen(UnsafeCell::new(Options::DEFAULT));

/// The options of this process; the defaults before [`heap`] ran.
pub fn options() -> &'static Options {
    // SAFETY: see `Chosen`.
    unsafe { &*OPTIONS.0.get() }
}

/// Frees and allocations are watched, stacks are recorded.
#[inline]
pub fn watched() -> bool {
    matches!(options().mode, Mode::Leak | Mode::Audit)
}

/// No call takes a fast path.
#[inline]
pub fn slow() -> bool {
    watched() || secure::level() != 0
}

/// Leaks are told when the process ends.
#[inline]
pub fn tells_leaks() -> bool {
    options().mode == Mode::Leak
}

/// The heap can be used: options read, secret set.
pub fn heap(critical: &Critical) {
    if STATE.load(Ordering::Acquire) != NEW {
        return;
    }
    let _init = INIT.lock(critical);
    if STATE.load(Ordering::Relaxed) != NEW {
        return;
    }
    read_options();
    // SAFETY: AT_RANDOM is the address of 16 random bytes on the initial stack.
    let secret = unsafe {
        let random = libc::getauxval(libc::AT_RANDOM) as *const usize;
        if random.is_null() { 0x9e37_79b9_7f4a_7c15 } else { random.add(1).read_unaligned() }
    };
    // Odd, so that no key equals its (aligned) address and zeroed memory never matches.
    cache::set_key(secret | 1);
    if options().max_heap != 0 {
        limit::set(critical, options().max_heap / PAGE_SIZE);
    }
    thp::set(options().thp);
    secure::begin(options().secure, secret.rotate_left(29));
    if tells_leaks() && secure::level() == 0 {
        plain::record();
    }
    unwind::init();
    STATE.store(HEAP, Ordering::Release);
}

fn read_options() {
    let complain = &mut |text: core::fmt::Arguments<'_>| out::say(2, text);
    // SAFETY: getauxval has no side effects but errno, which is ENOENT for unknown types only.
    let secure = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    let privilege = if secure { Privilege::Raised } else { Privilege::Ordinary };
    let text = variable(b"GLEANER=");
    let mut options = Options::of_process(text, privilege, complain);
    for path in [&mut options.trace, &mut options.prometheus] {
        *path = from_here(path);
    }
    // SAFETY: under INIT, before the state says that the options are there.
    unsafe { *OPTIONS.0.get() = options };
}

/// The file that is meant now, wherever the program goes later. What cannot be named so is left as it is.
fn from_here(path: &Path) -> Path {
    let mut room = [0u8; Path::CAPACITY];
    if !path.is_relative() {
        return *path;
    }
    file::folder(&mut room).ok().and_then(|folder| path.within(folder).ok()).unwrap_or(*path)
}

/// The value of an environment variable; `name` ends in `=`.
pub fn variable(name: &[u8]) -> Option<&'static [u8]> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: environ is null or a null-terminated array of C strings.
    unsafe {
        let mut at = environ;
        while !at.is_null() && !(*at).is_null() {
            let entry = CStr::from_ptr(*at).to_bytes();
            if entry.starts_with(name) {
                return Some(&entry[name.len()..]);
            }
            at = at.add(1);
        }
    }
    None
}

/// This thread can allocate: the heap is there, and so is its cache (unless the thread is late).
#[cold]
pub fn thread(critical: &Critical) -> bool {
    heap(critical);
    if crate::sys::tls::block().late.load(Ordering::Relaxed) != 0 {
        return true;
    }
    // Nobody is ever stopped in malloc mode.
    if options().mode != Mode::Malloc {
        threads::attach_current(critical);
    }
    resize::attach(critical, slow())
}

/// The calling thread's last destructor runs: its cache goes to others, and what it still
/// allocates on its way out is late.
pub fn thread_ends() {
    threads::joins::ending();
    let critical = critical::enter();
    crate::sys::tls::block().late.store(1, Ordering::Relaxed);
    crate::leak::unwind::memo::give_back();
    resize::detach(&critical);
    threads::detach_current(&critical);
}

/// The whole machine: called by our constructor, or earlier by a call that needs it.
pub fn process() {
    if STATE.load(Ordering::Acquire) == PROCESS {
        return;
    }
    {
        let critical = critical::enter();
        thread(&critical);
    }
    look_around();
    super::foreign::resolve();
    super::notices::resolve();
    super::fork::register();
    super::exit::register();
    let signal = (options().mode != Mode::Malloc).then_some(options().signal as i32);
    match super::threads::begin(signal) {
        Ok(()) => {
            if options().mode == Mode::Audit {
                super::audit::begin();
            }
            super::check::begin(options());
            super::collect::begin(options());
        }
        Err(e) => out::say(
            2,
            format_args!("cannot install the stop signal's handler (error {}): no collections", e.0),
        ),
    }
    if !options().follow {
        super::follow::no_more();
    }
    STATE.store(PROCESS, Ordering::Release);
}

/// Our own variables are no roots: they hold addresses of the heap that keep nothing alive. Nor are [`stale`] words of ld.so's.
fn look_around() {
    let (image, end) = unwind::own_image();
    // SAFETY: as for AT_SECURE.
    let linker = Addr(unsafe { libc::getauxval(libc::AT_BASE) } as usize);
    let mut text = [0u8; 8192];
    let (mut first, mut data, mut in_linker, mut inode) = (None, None, false, 0);
    let listed = maps::for_each(&mut text, &mut |m| {
        let writable = m.perms.has(Perms::READ) && m.perms.has(Perms::WRITE);
        if writable && image <= m.lo.0 && m.lo.0 < end {
            first.get_or_insert(m.lo);
        }
        if m.lo == linker {
            (in_linker, inode) = (true, m.inode);
        }
        in_linker &= m.inode == inode;
        if in_linker && writable {
            data = Some((m.lo, m.hi));
        }
    });
    if listed.is_err() {
        return;
    }
    if let Some(lo) = first {
        own::add(lo, Addr(end).align_up(PAGE_SIZE));
    }
    if let Some((lo, hi)) = data
        && options().mode != Mode::Malloc
    {
        // SAFETY: ld.so's; this is our constructor, or comes before it.
        unsafe { stale::note(lo, hi) };
    }
}

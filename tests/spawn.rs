//! A program run from inside the host, which must not notice: alone in its process, because
//! children, signal handlers and the environment belong to the whole of it.
#![allow(clippy::undocumented_unsafe_blocks)] // Plain calls into libc, all of them.
use gleaner_core::ground::critical;
use gleaner_core::leak::spawn::{End, Program, Until, run};
use gleaner_core::sys::file::{self, Fd};
use std::sync::atomic::{AtomicU32, Ordering};

static SIGNALS: AtomicU32 = AtomicU32::new(0);
extern "C" fn on_signal(_: i32) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

fn mask() -> [u64; 16] {
    let mut set = [0u64; 16];
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), set.as_mut_ptr().cast()) };
    set
}

/// No SIGCHLD, nothing for wait(), mask and descriptors as they were; in the child default
/// handlers, an empty mask, three descriptors, none of our variables.
#[test]
fn the_host_does_not_notice() {
    unsafe {
        let handler = on_signal as extern "C" fn(i32) as usize;
        libc::signal(libc::SIGCHLD, handler);
        libc::signal(libc::SIGUSR2, handler);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&mut set, libc::SIGTERM);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        std::env::set_var("GLEANER", "mode=leak");
        std::env::set_var("LD_BIND_NOW", "1");
        std::env::set_var("GLEANER_KEPT", "yes");
    }
    let before = mask();
    let out = Fd::adopt(file::memory(c"out").unwrap());
    let script = c"ls /proc/self/fd | wc -l; cat /proc/self/status | grep -E 'SigBlk|SigCgt';
        env | grep -E '^(GLEANER(_KEPT)?=|LD_)'; readlink /proc/self/fd/0";
    let argv = [c"sh", c"-c", script];
    let program = Program {
        path: c"/bin/sh",
        argv: &argv,
        stdin: out.raw(),
        stdout: out.raw(),
        deadline_ms: 10_000,
        until: Until::End,
    };
    assert_eq!(run(&critical::enter(), &program), End::Status(0));
    file::rewind(out.raw()).unwrap();
    let mut text = [0; 4096];
    let n = out.read(&mut text).unwrap();
    let text = String::from_utf8(text[..n].to_vec()).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    // 0, 1, 2 and the directory itself.
    let wanted = [
        "4",
        "SigBlk:",
        "0000000000000000",
        "SigCgt:",
        "0000000000000000",
        "GLEANER_KEPT=yes",
        "/memfd:out",
        "(deleted)",
    ];
    assert_eq!(words, wanted, "{text}");
    assert_eq!(mask(), before);
    let any = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
    assert_eq!((any, std::io::Error::last_os_error().raw_os_error()), (-1, Some(libc::ECHILD)));
    assert_eq!(SIGNALS.load(Ordering::Relaxed), 0);
}

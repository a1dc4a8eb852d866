//! Runs one program under ptrace, counts the calls that map memory and stand in a library's code, and lets the
//! kernel refuse some of them: what the library does without memory is seen with nothing built into it for that.
//!
//! Threads of the program are followed, its child processes are not.
//!
//! # Safety
//! Plain system calls on the child that this file made; what the kernel writes goes to values of its own layout.

use super::process::{End, Outcome};
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Which of the counted calls fail with ENOMEM; the first is number 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fails {
    None,
    Only(u32),
    AllFrom(u32),
}

/// The library whose calls are counted.
pub struct Library {
    pub path: PathBuf,
    /// Offsets of its functions that make the program's own calls.
    passes_on: Vec<Range<u64>>,
}

impl Library {
    pub fn at(path: PathBuf) -> Library {
        let nm = Command::new("nm").args(["-D", "-S", "--defined-only"]).arg(&path).output().expect("nm");
        let range = |line: &str| {
            let mut words = line.split_whitespace();
            let (at, size, _, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
            let number = |text| u64::from_str_radix(text, 16).ok();
            let called = NAMES.iter().any(|n| n.1 == name);
            called.then_some(number(at)?..number(at)? + number(size)?)
        };
        let passes_on: Vec<_> = String::from_utf8_lossy(&nm.stdout).lines().filter_map(range).collect();
        assert_eq!(passes_on.len(), NAMES.len(), "a function of the library is missing");
        Library { path, passes_on }
    }
}

/// What a run came to.
pub struct Traced {
    pub outcome: Outcome,
    /// Calls counted.
    pub calls: u32,
    /// The first that failed, as `name(arguments) +offset in the library`.
    pub first: Option<String>,
    /// The last fault (SIGSEGV), unless the program handled it.
    pub fault: Option<Fault>,
}

/// Where a program was when it touched what it may not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    pub at: u64,
    /// Offset in the library, if its code did that.
    pub ours: Option<u64>,
    /// At the stack's end: it called itself without end.
    pub overflow: bool,
}

const NAMES: [(i64, &str); 5] = [
    (libc::SYS_mmap, "mmap"),
    (libc::SYS_mremap, "mremap"),
    (libc::SYS_mprotect, "mprotect"),
    (libc::SYS_munmap, "munmap"),
    (libc::SYS_madvise, "madvise"),
];
/// Offsets of the registers in `struct user`.
const RAX: usize = 10 * 8;
const ORIG_RAX: usize = 15 * 8;

struct Tracer<'a> {
    pid: i32,
    library: &'a Library,
    fails: Fails,
    calls: u32,
    first: Option<String>,
    fault: Option<Fault>,
    /// Pages of code: where in the library, if it is that.
    code: HashMap<u64, Option<u64>>,
    /// Threads: whether the call that each is in is to fail.
    threads: HashMap<i32, bool>,
    /// The rest runs without stops at system calls.
    done: bool,
}

/// Runs `command` to its end, at most `limit`.
pub fn run(
    command: &mut Command,
    library: &Library,
    fails: Fails,
    limit: Duration,
    scratch: &Path,
) -> Traced {
    let (out, err) = (scratch.with_extension("out"), scratch.with_extension("err"));
    std::fs::create_dir_all(scratch.parent().expect("scratch has a folder")).expect("scratch folder");
    command.stdin(Stdio::null()).process_group(0);
    command.stdout(File::create(&out).expect("stdout file")).stderr(File::create(&err).expect("stderr file"));
    // SAFETY: one system call.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    let start = Instant::now();
    // The tracer waits for it and for its threads.
    #[expect(clippy::zombie_processes)]
    let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let pid = child.id() as i32;
    let (threads, code) = (HashMap::from([(pid, false)]), HashMap::new());
    let mut tracer =
        Tracer { pid, library, fails, calls: 0, first: None, fault: None, code, threads, done: false };
    let late = AtomicBool::new(false);
    let (ended, ending) = channel::<()>();
    let mut end = std::thread::scope(|scope| {
        scope.spawn(|| {
            let ending = ending;
            if ending.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                late.store(true, Ordering::Relaxed);
                // SAFETY: the group of the child, which nobody has waited for yet.
                unsafe { libc::kill(-pid, libc::SIGKILL) };
            }
        });
        let end = tracer.follow();
        drop(ended);
        end
    });
    if late.load(Ordering::Relaxed) {
        end = End::TimeOut;
    }
    let read = |path: PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    let (stdout, stderr) = (read(out), read(err));
    let outcome = Outcome { end, stdout, stderr, seconds: start.elapsed().as_secs_f64() };
    Traced { outcome, calls: tracer.calls, first: tracer.first, fault: tracer.fault }
}

impl Tracer<'_> {
    /// Until the child has ended.
    fn follow(&mut self) -> End {
        let mut begun = false;
        loop {
            let mut status = 0;
            // SAFETY: children and tracees of this thread only; `status` is ours.
            let tid = unsafe { libc::waitpid(-1, &mut status, libc::__WALL | libc::__WNOTHREAD) };
            assert!(tid > 0, "waitpid: {}", std::io::Error::last_os_error());
            if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
                self.threads.remove(&tid);
                if tid != self.pid {
                    continue;
                }
                return if libc::WIFEXITED(status) {
                    End::Exit(libc::WEXITSTATUS(status))
                } else {
                    End::Signal(libc::WTERMSIG(status))
                };
            }
            if !begun {
                begun = true;
                let options = libc::PTRACE_O_TRACESYSGOOD
                    | libc::PTRACE_O_TRACECLONE
                    | libc::PTRACE_O_TRACEEXEC
                    | libc::PTRACE_O_EXITKILL;
                ask(libc::PTRACE_SETOPTIONS, tid, 0, options as usize);
                self.go_on(tid, 0);
                continue;
            }
            let signal = self.stopped(tid, status);
            self.go_on(tid, signal);
        }
    }

    fn go_on(&self, tid: i32, signal: i32) {
        let request = if self.done { libc::PTRACE_CONT } else { libc::PTRACE_SYSCALL };
        // It may have been killed meanwhile.
        ask(request, tid, 0, signal as usize);
    }

    /// One stop of a thread; the signal to hand on.
    fn stopped(&mut self, tid: i32, status: i32) -> i32 {
        let signal = libc::WSTOPSIG(status);
        if signal == libc::SIGTRAP | 0x80 {
            self.at_call(tid);
            return 0;
        }
        if status >> 16 != 0 {
            if status >> 16 == libc::PTRACE_EVENT_EXEC {
                self.code.clear();
            }
            return 0;
        }
        if signal == libc::SIGSEGV {
            self.fault = Some(self.fault_of(tid));
        }
        // A new thread begins with a stop.
        let new = !self.threads.contains_key(&tid);
        self.threads.entry(tid).or_insert(false);
        if new && signal == libc::SIGSTOP { 0 } else { signal }
    }

    /// A thread enters a system call or leaves one.
    fn at_call(&mut self, tid: i32) {
        // SAFETY: plain numbers.
        let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
        let size = size_of::<libc::ptrace_syscall_info>();
        ask(libc::PTRACE_GET_SYSCALL_INFO as _, tid, size, &raw mut info as usize);
        if info.op == libc::PTRACE_SYSCALL_INFO_EXIT {
            if self.threads.insert(tid, false) == Some(true) {
                ask(libc::PTRACE_POKEUSER, tid, RAX, -(libc::ENOMEM as isize) as usize);
                self.done = matches!(self.fails, Fails::Only(_));
            }
            return;
        }
        if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            return;
        }
        // SAFETY: the kernel says that it is an entry.
        let (number, args) = unsafe { (info.u.entry.nr as i64, info.u.entry.args) };
        let Some((_, name)) = NAMES.iter().find(|n| n.0 == number) else { return };
        let Some(offset) = self.in_library(info.instruction_pointer) else { return };
        if self.library.passes_on.iter().any(|range| range.contains(&offset)) {
            return;
        }
        self.calls += 1;
        let fails = match self.fails {
            Fails::None => false,
            Fails::Only(k) => self.calls == k,
            Fails::AllFrom(k) => self.calls >= k,
        };
        if fails {
            ask(libc::PTRACE_POKEUSER, tid, ORIG_RAX, usize::MAX);
            self.threads.insert(tid, true);
            let [a, b, c, d, ..] = args;
            self.first
                .get_or_insert_with(|| format!("{name}({a:#x}, {b:#x}, {c:#x}, {d:#x}) at +{offset:#x}"));
        }
    }

    /// The fault that stopped a thread.
    fn fault_of(&mut self, tid: i32) -> Fault {
        // SAFETY: plain numbers, both.
        let (mut info, mut registers): (libc::siginfo_t, libc::user_regs_struct) =
            unsafe { std::mem::zeroed() };
        ask(libc::PTRACE_GETSIGINFO, tid, 0, &raw mut info as usize);
        ask(libc::PTRACE_GETREGS, tid, 0, &raw mut registers as usize);
        // SAFETY: a fault's record has an address.
        let at = unsafe { info.si_addr() } as u64;
        Fault { at, ours: self.in_library(registers.rip), overflow: registers.rsp.abs_diff(at) < 64 << 10 }
    }

    /// Where in the library the code at `ip` stands.
    fn in_library(&mut self, ip: u64) -> Option<u64> {
        let page = ip >> 12;
        let (pid, library) = (self.pid, self.library);
        let base = *self.code.entry(page).or_insert_with(|| {
            let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
            let mut first = None;
            for line in
                maps.lines().filter(|l| Path::new(l.rsplit("  ").next().unwrap_or("").trim()) == library.path)
            {
                let (lo, hi) = line.split_once(' ')?.0.split_once('-')?;
                let (lo, hi) = (u64::from_str_radix(lo, 16).ok()?, u64::from_str_radix(hi, 16).ok()?);
                let base = *first.get_or_insert(lo);
                if lo <= ip && ip < hi {
                    return Some(base);
                }
            }
            None
        });
        base.map(|base| ip - base)
    }
}

fn ask(request: libc::c_uint, tid: i32, address: usize, data: usize) -> i64 {
    // SAFETY: acts on a tracee of this thread; `data` is a number, or the address of what the request fills.
    unsafe { libc::ptrace(request, tid, address, data) }
}

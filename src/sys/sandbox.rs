//! What the program forbade itself, and with it us: seccomp filters installed since it started.
//!
//! A filter may end the process for a system call that the program never makes. So each filter is
//! tried out ([`crate::pure::bpf`]) on the calls that a library like this makes and an ordinary
//! malloc does not, and what it would kill for is not done any more. A refusal with an error
//! number is no harm: every caller lives with errors.
//!
//! Filters that the process was born with cannot be read. There ld.so's own calls went well, and
//! the ordinary ones of a collection are in every list that lets a daemon run; see docs/adr.
use super::raw::Errno;
use crate::pure::bpf::{self, Call, Instruction};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// What some of our system calls are needed for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Need {
    /// Stop the threads, read the process's memory: a collection, a leak check.
    Collect = 1,
    /// Give memory back to the system, keeping the addresses.
    Release = 2,
    /// Run the command that names frames.
    Spawn = 4,
    /// What is asked once, when the heap begins: personality, getrandom.
    Begin = 8,
    /// Unmap.
    Unmap = 16,
    /// A timer that sends a signal.
    Timer = 32,
    /// Map memory: what is there must do.
    Map = 64,
    /// Answer somebody who asked for a check.
    Answer = 128,
    /// Make a copy of the process, which marks while the process goes on.
    Copy = 256,
    /// Ask what a descriptor is.
    Probe = 512,
    /// Make a thread for the time of a collection.
    Marker = 1024,
    /// Make a process that marks in the same memory, and have the kernel track what is written.
    Tracked = 2048,
}
const EVERYTHING: u32 = 4095;

static FORBIDDEN: AtomicU32 = AtomicU32::new(0);

/// Whether a filter ends the process for it.
#[inline]
pub fn forbids(need: Need) -> bool {
    FORBIDDEN.load(Relaxed) & need as u32 != 0
}

/// The error for what is forbidden.
pub const REFUSED: Errno = Errno(libc::EPERM);

/// Whether a filter was installed since the program started: it may end a single thread, silently.
pub fn is_filtered() -> bool {
    FILTERED.load(Relaxed)
}
static FILTERED: AtomicBool = AtomicBool::new(false);

/// A filter is in force; `None`: the strict mode, or a program that could not be read.
pub fn installed(program: Option<&[Instruction]>) {
    FILTERED.store(true, Relaxed);
    FORBIDDEN.fetch_or(program.map_or(EVERYTHING, judge), Relaxed);
}

/// The needs for which the filter kills.
fn judge(program: &[Instruction]) -> u32 {
    let kills = |calls: &[(i64, [u64; 6])]| {
        calls.iter().any(|&(number, arguments)| {
            let verdict = bpf::run(program, &Call { number: number as u32, arguments });
            verdict.is_none_or(is_fatal)
        })
    };
    let all = [
        (Need::Collect, COLLECT),
        (Need::Release, RELEASE),
        (Need::Spawn, SPAWN),
        (Need::Begin, BEGIN),
        (Need::Unmap, UNMAP),
        (Need::Timer, TIMER),
        (Need::Map, MAP),
        (Need::Answer, ANSWER),
        (Need::Copy, COPY),
        (Need::Probe, PROBE),
        (Need::Marker, MARKER),
        (Need::Tracked, TRACKED),
    ];
    all.into_iter().filter(|(_, calls)| kills(calls)).fold(0, |bits, (need, _)| bits | need as u32)
}

/// A signal, the end, or somebody else's decision.
fn is_fatal(verdict: u32) -> bool {
    !matches!(
        verdict & 0xffff_0000,
        libc::SECCOMP_RET_ALLOW | libc::SECCOMP_RET_LOG | libc::SECCOMP_RET_ERRNO
    )
}

type Calls = &'static [(i64, [u64; 6])];

const fn plain(number: i64) -> (i64, [u64; 6]) {
    (number, [3, 0, 0, 0, 0, 0])
}
const AT: u64 = libc::AT_FDCWD as u64;
const READ_ONLY: u64 = (libc::O_RDONLY | libc::O_CLOEXEC) as u64;
const READ_WRITE: u64 = (libc::PROT_READ | libc::PROT_WRITE) as u64;
const ANON: u64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE) as u64;
const FUTEX_WAIT: u64 = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as u64;
const FUTEX_WAKE: u64 = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as u64;

const COLLECT: Calls = &[
    (libc::SYS_openat, [AT, 0x1000, READ_ONLY, 0, 0, 0]),
    plain(libc::SYS_read),
    plain(libc::SYS_close),
    plain(libc::SYS_pread64),
    plain(libc::SYS_getdents64),
    plain(libc::SYS_readlinkat),
    (libc::SYS_ioctl, [3, super::pagemap::PAGEMAP_SCAN as u64, 0x1000, 0, 0, 0]),
    (libc::SYS_ioctl, [3, super::mapping::PROCMAP_QUERY as u64, 0x1000, 0, 0, 0]),
    plain(libc::SYS_mincore),
    plain(libc::SYS_process_vm_readv),
    plain(libc::SYS_sysinfo),
    (libc::SYS_clock_gettime, [libc::CLOCK_MONOTONIC as u64, 0x1000, 0, 0, 0, 0]),
    plain(libc::SYS_getpid),
    plain(libc::SYS_gettid),
    plain(libc::SYS_rt_tgsigqueueinfo),
    plain(libc::SYS_tgkill),
    plain(libc::SYS_rt_sigreturn),
    (libc::SYS_rt_sigaction, [1, 0, 0x1000, 8, 0, 0]),
    plain(libc::SYS_rt_sigpending),
    (libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as u64, 0x1000, 0x1000, 8, 0, 0]),
    (libc::SYS_sigaltstack, [0, 0x1000, 0, 0, 0, 0]),
    plain(libc::SYS_sched_yield),
    (libc::SYS_futex, [0x1000, FUTEX_WAIT, 0, 0, 0, 0]),
    (libc::SYS_futex, [0x1000, FUTEX_WAKE, 1, 0, 0, 0]),
    (libc::SYS_mmap, [0, 4096, READ_WRITE, ANON, u64::MAX, 0]),
    (libc::SYS_mprotect, [0x1000, 4096, libc::PROT_NONE as u64, 0, 0, 0]),
    (libc::SYS_munmap, [0x1000, 4096, 0, 0, 0, 0]),
];
const PROBE: Calls = &[plain(libc::SYS_statx)];
const RELEASE: Calls = &[(libc::SYS_madvise, [0x1000, 4096, libc::MADV_DONTNEED as u64, 0, 0, 0])];
const UNMAP: Calls = &[(libc::SYS_munmap, [0x1000, 4096, 0, 0, 0, 0])];
const MAP: Calls = &[(libc::SYS_mmap, [0, 4096, READ_WRITE, ANON, u64::MAX, 0])];
const TIMER: Calls = &[
    (libc::SYS_timer_create, [libc::CLOCK_MONOTONIC as u64, 0x1000, 0x1000, 0, 0, 0]),
    plain(libc::SYS_timer_settime),
    plain(libc::SYS_gettid),
    plain(libc::SYS_rt_sigreturn),
];
const SPAWN: Calls = &[
    (libc::SYS_memfd_create, [0x1000, libc::MFD_CLOEXEC as u64, 0, 0, 0, 0]),
    (libc::SYS_faccessat, [AT, 0x1000, libc::X_OK as u64, 0, 0, 0]),
    plain(libc::SYS_lseek),
    (libc::SYS_fcntl, [3, libc::F_DUPFD_CLOEXEC as u64, 10, 0, 0, 0]),
    (libc::SYS_clone, [libc::CLONE_VM as u64, 0x1000, 0, 0, 0, 0]),
    (libc::SYS_wait4, [2, 0x1000, libc::__WALL as u64, 0, 0, 0]),
    plain(libc::SYS_nanosleep),
    plain(libc::SYS_kill),
];
const ANSWER: Calls = &[
    (
        libc::SYS_socket,
        [
            libc::AF_UNIX as u64,
            (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) as u64,
            0,
            0,
            0,
            0,
        ],
    ),
    (libc::SYS_sendmsg, [1000, 0x1000, (libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) as u64, 0, 0, 0]),
    (libc::SYS_memfd_create, [0x1000, libc::MFD_CLOEXEC as u64, 0, 0, 0, 0]),
    (libc::SYS_fcntl, [3, libc::F_DUPFD_CLOEXEC as u64, 1000, 0, 0, 0]),
    (libc::SYS_write, [1000, 0x1000, 4096, 0, 0, 0]),
    plain(libc::SYS_close),
];
const BETWEEN: u64 = (libc::CLONE_UNTRACED | libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES) as u64;
const UNTRACED: u64 = libc::CLONE_UNTRACED as u64;
const SHARED: u64 = (libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE) as u64;
const COPY: Calls = &[
    (libc::SYS_prctl, [libc::PR_GET_CHILD_SUBREAPER as u64, 0x1000, 0, 0, 0, 0]),
    (libc::SYS_clone, [BETWEEN, 0x1000, 0, 0, 0, 0]),
    (libc::SYS_clone, [UNTRACED, 0x1000, 0, 0, 0, 0]),
    (libc::SYS_clone, [UNTRACED | libc::CLONE_PARENT as u64, 0x1000, 0, 0, 0, 0]),
    (libc::SYS_wait4, [2, 0, libc::__WALL as u64, 0, 0, 0]),
    plain(libc::SYS_close_range),
    plain(libc::SYS_set_robust_list),
    plain(libc::SYS_prlimit64),
    plain(libc::SYS_exit_group),
    plain(libc::SYS_kill),
    plain(libc::SYS_write),
    (libc::SYS_pipe2, [0x1000, libc::O_CLOEXEC as u64, 0, 0, 0, 0]),
    (libc::SYS_mmap, [0, 4096, READ_WRITE, SHARED, u64::MAX, 0]),
];
const MARKER: Calls = &[
    (libc::SYS_clone, [super::child::THREAD as u64, 0x1000, 0x1000, 0x1000, 0, 0]),
    (libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as u64, 0x1000, 0x1000, 8, 0, 0]),
    (libc::SYS_clock_gettime, [libc::CLOCK_THREAD_CPUTIME_ID as u64, 0x1000, 0, 0, 0, 0]),
    plain(libc::SYS_sched_yield),
    plain(libc::SYS_nanosleep),
    plain(libc::SYS_tgkill),
    plain(libc::SYS_exit),
];
const TRACKED: Calls = &[
    (libc::SYS_clone, [UNTRACED | libc::CLONE_VM as u64, 0x1000, 0, 0, 0, 0]),
    (libc::SYS_userfaultfd, [(libc::O_CLOEXEC | super::tracking::USER_MODE_ONLY) as u64, 0, 0, 0, 0, 0]),
    (libc::SYS_ioctl, [3, super::tracking::CALLS[0] as u64, 0x1000, 0, 0, 0]),
    (libc::SYS_ioctl, [3, super::tracking::CALLS[1] as u64, 0x1000, 0, 0, 0]),
    (libc::SYS_ioctl, [3, super::tracking::CALLS[2] as u64, 0x1000, 0, 0, 0]),
    (libc::SYS_rt_sigaction, [libc::SIGSEGV as u64, 0x1000, 0, 8, 0, 0]),
    plain(libc::SYS_pidfd_open),
    plain(libc::SYS_poll),
    plain(libc::SYS_kcmp),
    plain(libc::SYS_madvise),
];
const BEGIN: Calls =
    &[(libc::SYS_personality, [0xffff_ffff, 0, 0, 0, 0, 0]), (libc::SYS_getrandom, [0x1000, 8, 1, 0, 0, 0])];

#[cfg(test)]
mod tests {
    use super::*;

    fn i(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
        Instruction { code, jt, jf, k }
    }
    /// A filter that says `verdict` to one number and allows the rest.
    fn against(number: i64, verdict: u32) -> [Instruction; 4] {
        let allow = i(0x06, 0, 0, libc::SECCOMP_RET_ALLOW);
        [i(0x20, 0, 0, 0), i(0x15, 0, 1, number as u32), i(0x06, 0, 0, verdict), allow]
    }

    #[test]
    fn only_what_kills_is_forbidden() {
        let kill = libc::SECCOMP_RET_KILL_PROCESS;
        assert_eq!(judge(&against(libc::SYS_openat, kill)), Need::Collect as u32);
        assert_eq!(
            judge(&against(libc::SYS_madvise, libc::SECCOMP_RET_TRAP)),
            Need::Release as u32 | Need::Tracked as u32
        );
        assert_eq!(judge(&against(libc::SYS_userfaultfd, kill)), Need::Tracked as u32);
        assert_eq!(judge(&against(libc::SYS_personality, kill)), Need::Begin as u32);
        assert_eq!(judge(&against(libc::SYS_timer_create, kill)), Need::Timer as u32);
        assert_eq!(
            judge(&against(libc::SYS_clone, 0)),
            Need::Spawn as u32 | Need::Copy as u32 | Need::Marker as u32 | Need::Tracked as u32
        );
        assert_eq!(judge(&against(libc::SYS_close_range, kill)), Need::Copy as u32);
        assert_eq!(
            judge(&against(libc::SYS_mmap, kill)),
            Need::Collect as u32 | Need::Map as u32 | Need::Copy as u32
        );
        assert_eq!(judge(&against(libc::SYS_openat, libc::SECCOMP_RET_ERRNO | 1)), 0);
        assert_eq!(judge(&against(libc::SYS_ptrace, kill)), 0);
        assert_eq!(judge(&[]), EVERYTHING);
    }
}

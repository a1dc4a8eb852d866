//! Which functions of libc can block, and where the real ones are.
//!
//! Not in the list are functions that allocate or free before they wait (popen, getaddrinfo, stdio), or call
//! the program while they do (pthread_once). They are interrupted and begun again (`threads::rewind`). A name
//! for which another library stands between us and libc is passed through untouched: its code is not libc's.
//!
//! # Safety
//! The functions take at most six integer arguments and one more word of stack, and return in rax.
#![allow(unsafe_code)]
use crate::threads::blocking::Call;
use core::arch::naked_asm;
use core::ffi::{CStr, c_void};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// All of them. Those from `posix_spawn` on are reached through functions of ours (`exec`, `signals`).
pub const NAMES: [&CStr; 154] = [
    c"vfork",
    c"__vfork",
    c"pthread_join",
    c"pthread_timedjoin_np",
    c"pthread_clockjoin_np",
    c"thrd_join",
    c"poll",
    c"__poll",
    c"epoll_wait",
    c"__read_chk",
    c"write",
    c"__write",
    c"readv",
    c"writev",
    c"pread",
    c"pread64",
    c"__pread64",
    c"__pread_chk",
    c"__pread64_chk",
    c"pwrite",
    c"pwrite64",
    c"__pwrite64",
    c"preadv",
    c"preadv64",
    c"preadv2",
    c"preadv64v2",
    c"pwritev",
    c"pwritev64",
    c"pwritev2",
    c"pwritev64v2",
    c"eventfd_read",
    c"eventfd_write",
    c"recv",
    c"__recv_chk",
    c"recvfrom",
    c"__recvfrom_chk",
    c"recvmsg",
    c"recvmmsg",
    c"send",
    c"__send",
    c"sendto",
    c"sendmsg",
    c"sendmmsg",
    c"accept",
    c"accept4",
    c"connect",
    c"__connect",
    c"__poll_chk",
    c"select",
    c"__select",
    c"nanosleep",
    c"__nanosleep",
    c"clock_nanosleep",
    c"usleep",
    c"sleep",
    c"thrd_sleep",
    c"pause",
    c"pthread_cond_wait",
    c"pthread_cond_timedwait",
    c"pthread_cond_clockwait",
    c"cnd_wait",
    c"cnd_timedwait",
    c"pthread_barrier_wait",
    c"msgrcv",
    c"msgsnd",
    c"semop",
    c"semtimedop",
    c"mq_receive",
    c"mq_timedreceive",
    c"mq_send",
    c"mq_timedsend",
    c"aio_suspend",
    c"aio_suspend64",
    c"wait",
    c"__wait",
    c"waitpid",
    c"__waitpid",
    c"wait3",
    c"wait4",
    c"waitid",
    c"pclose",
    c"open",
    c"__open",
    c"open64",
    c"__open64",
    c"__open_2",
    c"__open64_2",
    c"openat",
    c"openat64",
    c"__openat_2",
    c"__openat64_2",
    c"creat",
    c"creat64",
    c"open_by_handle_at",
    c"flock",
    c"lockf",
    c"lockf64",
    c"close",
    c"__close",
    c"dup2",
    c"__dup2",
    c"dup3",
    c"fsync",
    c"fdatasync",
    c"syncfs",
    c"sync",
    c"msync",
    c"sync_file_range",
    c"fallocate",
    c"fallocate64",
    c"posix_fallocate",
    c"posix_fallocate64",
    c"ioctl",
    c"tcdrain",
    c"tcsendbreak",
    c"tcsetattr",
    c"sendfile",
    c"sendfile64",
    c"splice",
    c"tee",
    c"vmsplice",
    c"copy_file_range",
    c"getrandom",
    c"sem_wait",
    c"sem_timedwait",
    c"sem_clockwait",
    c"pthread_mutex_lock",
    c"pthread_mutex_timedlock",
    c"pthread_mutex_clocklock",
    c"mtx_lock",
    c"mtx_timedlock",
    c"pthread_rwlock_rdlock",
    c"pthread_rwlock_timedrdlock",
    c"pthread_rwlock_clockrdlock",
    c"pthread_rwlock_wrlock",
    c"pthread_rwlock_timedwrlock",
    c"pthread_rwlock_clockwrlock",
    c"read",
    c"__read",
    c"fcntl",
    c"fcntl64",
    c"__fcntl",
    c"syscall",
    c"posix_spawn",
    c"posix_spawnp",
    c"system",
    c"sigsuspend",
    c"sigtimedwait",
    c"sigwait",
    c"ppoll",
    c"__ppoll_chk",
    c"pselect",
    c"epoll_pwait",
    c"epoll_pwait2",
];

/// One entry a name.
pub static CALLS: [Call; NAMES.len()] = [const {
    Call { real: AtomicPtr::new(first_time as *const () as *mut ()), trusted: AtomicUsize::new(0) }
}; NAMES.len()];

/// The offset of the entry of `name` in [`CALLS`].
pub const fn offset(name: &str) -> usize {
    let mut i = 0;
    while i < NAMES.len() {
        if is_same(NAMES[i].to_bytes(), name.as_bytes()) {
            return i * size_of::<Call>();
        }
        i += 1;
    }
    panic!("not in the list")
}
const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// Looks all of them up.
pub fn resolve() {
    let libc = libc_image();
    for (call, name) in CALLS.iter().zip(NAMES) {
        look_up(call, name, libc);
    }
}

fn look_up(call: &Call, name: &CStr, libc: Option<usize>) {
    let found = next(name);
    if found.is_null() {
        call.real.store(missing as *const () as *mut (), Ordering::Release);
        return;
    }
    call.trusted.store(usize::from(libc.is_some() && image_of(found) == libc), Ordering::Relaxed);
    call.real.store(found.cast(), Ordering::Release);
}

/// The version that a program of this century means.
fn next(name: &CStr) -> *mut c_void {
    let old = name == c"pthread_cond_wait" || name == c"pthread_cond_timedwait";
    // SAFETY: plain look-ups of symbols that exist, or not.
    unsafe {
        let found = match old {
            true => libc::dlvsym(libc::RTLD_NEXT, name.as_ptr(), c"GLIBC_2.3.2".as_ptr()),
            false => core::ptr::null_mut(),
        };
        if found.is_null() { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) } else { found }
    }
}

/// Where libc's own image begins.
fn libc_image() -> Option<usize> {
    // SAFETY: a plain look-up.
    image_of(unsafe { libc::dlsym(libc::RTLD_NEXT, c"__libc_start_main".as_ptr()) })
}
unsafe extern "C" {
    fn _dl_find_object(address: *mut c_void, result: *mut c_void) -> i32;
}
fn image_of(at: *mut c_void) -> Option<usize> {
    let mut info = [0usize; 16];
    // SAFETY: fills one dl_find_object struct (under 128 bytes): flags, begin and end of the image, …
    let status = unsafe { _dl_find_object(at, info.as_mut_ptr().cast()) };
    (status == 0).then_some(info[1])
}

extern "C" fn look_up_late(call: &Call) {
    let index = (&raw const *call as usize - &raw const CALLS as usize) / size_of::<Call>();
    look_up(call, NAMES[index], libc_image());
}

extern "C" fn missing() -> isize {
    crate::sys::errno::set(libc::ENOSYS);
    -1
}

/// What an entry holds at first: a call that came before [`resolve`]. r11 is the entry.
#[unsafe(naked)]
unsafe extern "C" fn first_time() {
    naked_asm!(
        ".cfi_startproc",
        crate::arguments!(push),
        "push r11",
        ".cfi_adjust_cfa_offset 56",
        "mov rdi, r11",
        "call {look_up}",
        "pop r11",
        crate::arguments!(pop),
        ".cfi_adjust_cfa_offset -56",
        "xor eax, eax",
        "jmp qword ptr [r11]",
        ".cfi_endproc",
        look_up = sym look_up_late,
    )
}

/// A function that calls the one of this name as a blocking call.
macro_rules! wrapped {
    ($($(#[$doc:meta])* $visibility:vis fn $function:ident = $name:literal;)*) => {$(
        $(#[$doc])*
        /// # Safety
        /// As the C function.
        #[unsafe(naked)]
        $visibility unsafe extern "C" fn $function() {
            core::arch::naked_asm!(
                "lea r11, [rip + {calls} + {at}]",
                "jmp {call}",
                calls = sym $crate::runtime::blocking::CALLS,
                at = const $crate::runtime::blocking::offset($name),
                call = sym $crate::threads::blocking::call,
            )
        }
    )*};
}
/// Calls one of [`wrapped`] with these arguments, all of integer registers.
macro_rules! block {
    ($function:ident($($argument:expr),*)) => {{
        // SAFETY: the C function's own arguments; integer registers for all of them.
        #[allow(unused_unsafe)]
        let result = unsafe {
            let f: unsafe extern "C" fn() = $function;
            let f: unsafe extern "C" fn(usize, usize, usize, usize, usize, usize) -> c_int =
                core::mem::transmute(f);
            let mut arguments = [0usize; 6];
            let mut i = 0;
            $(arguments[i] = $argument as usize; i += 1;)*
            let _ = i;
            let [a, b, c, d, e, g] = arguments;
            f(a, b, c, d, e, g)
        };
        result
    }};
}
pub(super) use {block, wrapped};

//! Functions that can block. Each enters the core with the address of its entry in r11.
//!
//! # Safety
//! Each function has the contract of its C name; arguments stay in their registers.
#![allow(clippy::missing_safety_doc)]
use core::arch::naked_asm;
use gleaner_core::heap::purge::BEGUN;
use gleaner_core::runtime::asleep;
use gleaner_core::runtime::blocking::{CALLS, offset};
use gleaner_core::threads::blocking::{call, call_aside, call_join, call_repeatable};
use gleaner_core::threads::{lend, locks};

macro_rules! blocking {
    ($($name:ident)*) => { blocking! { call: $($name)* } };
    ($through:path: $($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            naked_asm!(
                "lea r11, [rip + {calls} + {at}]",
                "jmp {call}",
                calls = sym CALLS,
                at = const offset(stringify!($name)),
                call = sym $through,
            )
        }
    )*};
}

/// Functions that may be a program's sleep: `$slices` where there is idle memory to give back.
macro_rules! sleeping {
    ($through:path: $slices:path: $($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            naked_asm!(
                "cmp qword ptr [rip + {idle}], 0",
                "jne {slices}",
                "lea r11, [rip + {calls} + {at}]",
                "jmp {call}",
                idle = sym BEGUN,
                slices = sym $slices,
                calls = sym CALLS,
                at = const offset(stringify!($name)),
                call = sym $through,
            )
        }
    )*};
}

/// Functions that first look whether they will wait: after `$look`, `$free` jumps straight to libc.
macro_rules! looking {
    ($look:literal, $free:literal, $through:path: $($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            naked_asm!(
                "lea r11, [rip + {calls} + {at}]",
                $look,
                concat!($free, " 2f"),
                "jmp {call}",
                "2: jmp qword ptr [r11]",
                calls = sym CALLS,
                at = const offset(stringify!($name)),
                call = sym $through,
            )
        }
    )*};
}

blocking! { lend::vfork: vfork __vfork }
blocking! { call_join: pthread_join pthread_timedjoin_np pthread_clockjoin_np thrd_join }
// Flushes, waits, and frees in the end. (fclose may call the program: fopencookie.)
blocking! { call_aside: pclose }
// Calls that many programs make all the time to find that they need not wait.
sleeping! { call_repeatable: asleep::poll: poll __poll }
sleeping! { call_repeatable: asleep::epoll_wait: epoll_wait }
sleeping! { call: asleep::select: select __select }
sleeping! { call: asleep::nanosleep: nanosleep __nanosleep }
sleeping! { call: asleep::clock_nanosleep: clock_nanosleep }
sleeping! { call: asleep::usleep: usleep }
sleeping! { call: asleep::sleep: sleep }

blocking! {
    __read_chk write __write readv writev
    pread pread64 __pread64 __pread_chk __pread64_chk pwrite pwrite64 __pwrite64
    preadv preadv64 preadv2 preadv64v2 pwritev pwritev64 pwritev2 pwritev64v2 eventfd_read eventfd_write
    recv __recv_chk recvfrom __recvfrom_chk recvmsg recvmmsg send __send sendto sendmsg sendmmsg
    accept accept4 connect __connect
    __poll_chk thrd_sleep pause
    pthread_cond_wait pthread_cond_timedwait pthread_cond_clockwait
    cnd_wait cnd_timedwait pthread_barrier_wait
    msgrcv msgsnd semop semtimedop mq_receive mq_timedreceive mq_send mq_timedsend aio_suspend aio_suspend64
    wait __wait waitpid __waitpid wait3 wait4 waitid
    open __open open64 __open64 __open_2 __open64_2 openat openat64 __openat_2 __openat64_2 creat creat64
    open_by_handle_at flock lockf lockf64 close __close dup2 __dup2 dup3
    fsync fdatasync syncfs sync msync sync_file_range fallocate fallocate64 posix_fallocate posix_fallocate64
    ioctl tcdrain tcsendbreak tcsetattr sendfile sendfile64 splice tee vmsplice copy_file_range getrandom
}

looking! { "cmp dword ptr [rdi], 0", "jne", call: sem_wait sem_timedwait sem_clockwait }
// The owner. The lock's own word would do, but to read what a locked instruction has just written takes 4 ns.
looking! {
    "cmp dword ptr [rdi + 8], 0", "je", locks::held_mutex:
    pthread_mutex_lock pthread_mutex_timedlock pthread_mutex_clocklock mtx_lock mtx_timedlock
}
// The writer that has it; where the kind (48) prefers writers, bit 1 of the first word: there is one that
// waits.
looking! {
    "cmp dword ptr [rdi + 24], 0\njne {call}\ncmp dword ptr [rdi + 48], 0\nje 2f\ntest dword ptr [rdi], 2", "jz", call:
    pthread_rwlock_rdlock pthread_rwlock_timedrdlock pthread_rwlock_clockrdlock
}
// Bit 1: a writer. Readers are counted from bit 3 on. Bit 0 is the phase.
looking! {
    "test dword ptr [rdi], -2", "jz", call:
    pthread_rwlock_wrlock pthread_rwlock_timedwrlock pthread_rwlock_clockwrlock
}
/// A long read can end early because of a signal; a short one begins again as if it had not begun.
macro_rules! reading {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            naked_asm!(
                "lea r11, [rip + {calls} + {at}]",
                "cmp rdx, 4096",
                "jbe {again}",
                "jmp {call}",
                calls = sym CALLS,
                at = const offset(stringify!($name)),
                again = sym call_repeatable,
                call = sym call,
            )
        }
    )*};
}
reading! { read __read }

/// Those that wait for a file's lock: F_SETLKW and F_OFD_SETLKW.
macro_rules! controlling {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            naked_asm!(
                "lea r11, [rip + {calls} + {at}]",
                "cmp esi, {lock}",
                "je {call}",
                "cmp esi, {ofd_lock}",
                "je {call}",
                "jmp qword ptr [r11]",
                calls = sym CALLS,
                at = const offset(stringify!($name)),
                lock = const libc::F_SETLKW,
                ofd_lock = const libc::F_OFD_SETLKW,
                call = sym call,
            )
        }
    )*};
}
controlling! { fcntl fcntl64 __fcntl }

/// System calls that wait: a bit each.
static WAITS: [u64; 8] = {
    let mut bits = [0u64; 8];
    // read write poll select nanosleep … futex …: what `blocking!` names, by number.
    let numbers = [
        0, 1, 2, 3, 7, 16, 17, 18, 19, 20, 23, 33, 34, 35, 40, 42, 43, 44, 45, 46, 47, 61, 65, 69, 70, 72,
        73, 74, 75, 85, 128, 130, 162, 202, 208, 220, 230, 232, 242, 243, 247, 257, 270, 271, 275, 276, 277,
        278, 281, 285, 288, 292, 295, 296, 299, 304, 306, 307, 318, 326, 327, 328, 333, 426, 437, 441, 449,
        455,
    ];
    let mut i = 0;
    while i < numbers.len() {
        bits[numbers[i] / 64] |= 1 << (numbers[i] % 64);
        i += 1;
    }
    bits
};

/// The rest of syscall(2), after `sandbox`.
/// # Safety
/// Jumped to, with all registers as they came.
#[unsafe(naked)]
pub unsafe extern "C" fn waiting_syscall() {
    naked_asm!(
        "lea r11, [rip + {calls} + {at}]",
        "cmp rdi, 511",
        "ja 2f",
        "lea r10, [rip + {waits}]",
        "mov eax, edi",
        "shr eax, 6",
        "mov rax, qword ptr [r10 + rax * 8]",
        "bt rax, rdi",
        "jc {call}",
        "2: xor eax, eax",
        "jmp qword ptr [r11]",
        calls = sym CALLS,
        at = const offset("syscall"),
        waits = sym WAITS,
        call = sym call,
    )
}

//! Functions that can block. Each enters the core with the address of its entry in r11.
//!
//! # Safety
//! Each function has the contract of its C name; arguments stay in their registers.
#![allow(clippy::missing_safety_doc)]
use core::arch::naked_asm;
use gleaner_core::runtime::blocking::{CALLS, offset};
use gleaner_core::threads::{blocking::call, lend};

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

blocking! { lend::vfork: vfork __vfork }

blocking! {
    read __read __read_chk write __write readv writev
    pread pread64 __pread64 __pread_chk __pread64_chk pwrite pwrite64 __pwrite64
    preadv preadv64 pwritev pwritev64
    recv __recv_chk recvfrom __recvfrom_chk recvmsg recvmmsg send __send sendto sendmsg sendmmsg
    accept accept4 connect __connect
    poll __poll __poll_chk select __select epoll_wait
    nanosleep __nanosleep clock_nanosleep usleep sleep thrd_sleep pause
    sem_timedwait sem_clockwait pthread_cond_wait pthread_cond_timedwait pthread_cond_clockwait
    cnd_wait cnd_timedwait pthread_barrier_wait
    msgrcv msgsnd semop semtimedop mq_receive mq_timedreceive mq_send mq_timedsend
    wait __wait waitpid __waitpid wait3 wait4 waitid posix_spawn posix_spawnp system
    flock lockf lockf64 close __close fsync fdatasync syncfs tcdrain
    sendfile sendfile64 splice copy_file_range
}

/// System calls that wait: a bit each.
static WAITS: [u64; 8] = {
    let mut bits = [0u64; 8];
    // read write poll select nanosleep … futex …: what `blocking!` names, by number.
    let numbers = [
        0, 1, 7, 17, 18, 19, 20, 23, 34, 35, 42, 43, 44, 45, 46, 47, 61, 65, 69, 70, 73, 128, 130, 202, 208,
        220, 230, 232, 242, 243, 247, 270, 271, 275, 281, 288, 299, 307, 333, 426, 441, 449,
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

//! How the program begins and ends: main and exit, seen from the outside.
//!
//! A leak check at exit must not take stale words of dead frames for pointers. So it must know
//! whether main has returned (then no frame of the program's is left) or where exit was called.
//! Only where something is told at the end is main called through a frame of ours.
//!
//! # Safety
//! The real functions are entered with the caller's registers as they were; `entry_main` keeps
//! the ABI and describes its one push, so that unwinding (pthread_exit in main) passes through.
use core::arch::naked_asm;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};
use gleaner_core::runtime::{exit, foreign, mains, start};

static MAIN: AtomicUsize = AtomicUsize::new(0);
static REAL_EXIT: AtomicUsize = AtomicUsize::new(0);

type StartMain = unsafe extern "C" fn(usize, c_int, *mut c_void, usize, usize, usize, *mut c_void) -> c_int;

/// # Safety
/// Called by the program's start code.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __libc_start_main(
    main: usize,
    argc: c_int,
    argv: *mut c_void,
    init: usize,
    fini: usize,
    rtld_fini: usize,
    stack_end: *mut c_void,
) -> c_int {
    start::process();
    MAIN.store(main, Ordering::Relaxed);
    let entry = if exit::is_told_of() { entry_main as *const () as usize } else { main };
    let real = foreign::look_up(c"__libc_start_main");
    // SAFETY: libc's function of this name and type.
    unsafe {
        core::mem::transmute::<usize, StartMain>(real)(entry, argc, argv, init, fini, rtld_fini, stack_end)
    }
}

#[unsafe(naked)]
unsafe extern "C" fn entry_main() {
    naked_asm!(
        ".cfi_startproc",
        "push rbx",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset rbx, 0",
        "lea rax, [rsp - 8]",
        "mov qword ptr [rip + {slot}], rax",
        "call qword ptr [rip + {main}]",
        "mov dword ptr [rip + {returned}], 1",
        // Main's frame must be seen before anything is laid over it.
        "mov rcx, qword ptr [rip + {frame}]",
        "test rcx, rcx",
        "jz 2f",
        "push rbp",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset rbp, 0",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov ebx, eax",
        "lea rsp, [rcx - 128]",
        "and rsp, -16",
        "call {look}",
        "mov eax, ebx",
        "mov rsp, rbp",
        ".cfi_def_cfa_register rsp",
        "pop rbp",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore rbp",
        "2: mov ebx, eax",
        "call {begins}",
        "mov eax, ebx",
        "pop rbx",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore rbx",
        "ret",
        ".cfi_endproc",
        main = sym MAIN,
        returned = sym exit::MAIN_RETURNED,
        slot = sym mains::CALL,
        frame = sym mains::FRAME,
        look = sym mains::main_returned,
        begins = sym exit::begins,
    )
}

extern "C" fn prepare_exit() {
    if REAL_EXIT.load(Ordering::Acquire) == 0 {
        REAL_EXIT.store(foreign::look_up(c"exit"), Ordering::Release);
    }
    exit::begins();
}

/// # Safety
/// As exit(3).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn exit() {
    naked_asm!(
        "mov qword ptr [rip + {sp}], rsp",
        "push rdi",
        "call {prepare}",
        "pop rdi",
        "mov rax, qword ptr [rip + {real}]",
        "jmp rax",
        sp = sym exit::CALLED_AT,
        real = sym REAL_EXIT,
        prepare = sym prepare_exit,
    )
}

/// # Safety
/// As _exit(2).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn _exit(status: c_int) -> ! {
    core::arch::naked_asm!("lea rsi, [rsp + 8]", "jmp {end}", end = sym exit::immediately)
}
/// # Safety
/// As _Exit(3).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn _Exit(status: c_int) -> ! {
    core::arch::naked_asm!("lea rsi, [rsp + 8]", "jmp {end}", end = sym exit::immediately)
}

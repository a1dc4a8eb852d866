//! Calls that can block: a thread in one of them is SAFE and gets no signal.
//!
//! The exported `read`, `poll`, `pthread_cond_wait`, … of preload/ jump to [`call`] with the address of
//! their [`Call`] in r11. Where no stop can concern the thread (one thread only, a critical
//! section, a thread without a record) it jumps on to libc as if nothing stood in between. Otherwise
//! it lays down one frame with the callee-saved registers *and the arguments* (a buffer's
//! address may be in a register only while the kernel writes to it), publishes its stack
//! pointer, and calls libc between RUN → SAFE and SAFE → RUN. The frame costs 1 ns, each
//! compare-and-swap 7 to 9, so there are two routines: [`call`] for all, and [`call_repeatable`] for
//! the few that are made all the time without waiting, which becomes SAFE by a plain store
//! (`Word::enter_repeatable`). A signal may then come in the call, in one case of millions; so its calls are
//! those that the handler can make begin again as if they had not begun: nothing is
//! done before they wait. A write that was interrupted has written a part.
//!
//! What may run while a thread is SAFE: libc's own function, which holds no pointer that the
//! frames above do not hold, and does not allocate; calls that do are not in the list. And further:
//! - *A handler of the program's* leaves SAFE first (`handlers`); handlers that libc's functions did
//!   not install make the collector distrust SAFE (`stop`). On return the call goes on, as RUN.
//! - *Cancellation*: the frame's personality leaves SAFE while the unwinder passes it, before any clean-up
//!   of the program's. A landing pad was rejected: an asynchronous cancellation can come at any
//!   instruction of the frame, and one routine that looks at the state is right for all of them.
//! - *longjmp out of a handler*: the handler has left SAFE already.
//! - *A child of vfork, or a thread that a raw clone gave this thread's storage*, must not mark this
//!   thread SAFE: only calls on the thread's own stack count, and vfork's child is marked.
//!
//! If the request of a stop is there already when the call is entered, its signal is on the way and
//! would come in the call: the thread stops here, and takes the signal before it goes on.
//!
//! Locks look first whether they will wait (`locks`); a join wakes up as RUN (`joins`).
//!
//! Rejected: what allocates before it waits (getaddrinfo, fopen, stdio), or calls the program (pthread_once):
//! interrupted, and begun again by libc or by `rewind`.
//!
//! # Safety
//! The asm keeps the ABI; `Thread`'s offsets are the compiler's. A `Call` holds a function that
//! takes at most six integer registers and one word of stack, and returns in rax.
#![allow(unsafe_code)]
use super::record::Thread;
use super::state::{Entered, State};
use super::{WORLD, ack, current, exec, joins, lend, park};
use crate::sys::{futex, process, tls};
use core::arch::global_asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering::*};

/// A function of libc's that ours stands in front of.
#[repr(C)]
pub struct Call {
    /// Where to go on: a routine that looks the function up, at first.
    pub real: AtomicPtr<()>,
    /// 1: it is libc's, so it may be called SAFE. 0: somebody else's of that name.
    pub trusted: AtomicUsize,
}
const _: () = assert!(size_of::<Call>() == 16);

/// More than one thread is registered, and they can be stopped.
pub(super) static ACTIVE: AtomicU32 = AtomicU32::new(0);

/// There will be no stop any more, and calls of ours may be forbidden.
pub fn never_again() {
    set_active(false);
}

/// Kept by the registry: whether SAFE is of use.
pub(super) fn set_active(active: bool) {
    ACTIVE.store(u32::from(active), Relaxed);
}

/// Goes on to libc at label 9 where no stop can concern the calling thread. Else r10 is its record.
macro_rules! guard {
    () => {
        concat!(
            "cmp dword ptr [rip + {active}], 0\n",
            "je 9f\n",
            "mov r10, qword ptr fs:[0]\n",
            "add r10, qword ptr [rip + gleaner_tls_block@GOTTPOFF]\n",
            "cmp dword ptr [r10 + {depth}], 0\n",
            "jne 9f\n",
            "mov r10, qword ptr [r10 + {thread}]\n",
            "test r10, r10\n",
            "jz 9f\n",
            "cmp rsp, qword ptr [r10 + {low}]\n",
            "jb 9f\n",
            "cmp rsp, qword ptr [r10 + {high}]\n",
            "jae 9f\n",
            "cmp qword ptr [r11 + 8], 0\n",
            "je 9f\n",
        )
    };
}
pub(super) use guard;

/// One routine: how it becomes SAFE (or goes to 5, where `enter` says whether it is), and RUN again
/// (or goes to 7, where `leave` does it).
macro_rules! routine {
    ($name:literal, $enter:path, $leave:path, [$($go:literal),*], [$($back:literal),*], $($operand:tt)*) => {
        global_asm!(
            ".text",
            concat!(".globl ", $name),
            concat!(".hidden ", $name),
            concat!(".type ", $name, ", @function"),
            ".p2align 4",
            concat!($name, ":"),
            ".cfi_startproc",
            ".cfi_personality 0x1b, {personality}",
            guard!(),
            "push rbp",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset rbp, -16",
            "mov rbp, rsp",
            ".cfi_def_cfa_register rbp",
            "push rbx",
            "push r12",
            "push r13",
            "push r14",
            "push r15",
            ".cfi_offset rbx, -24",
            ".cfi_offset r12, -32",
            ".cfi_offset r13, -40",
            ".cfi_offset r14, -48",
            ".cfi_offset r15, -56",
            "push r9",
            "push r8",
            "push rcx",
            "push rdx",
            "push rsi",
            "push rdi",
            // The seventh argument, if there is one.
            "push qword ptr [rbp + 16]",
            "mov rbx, r10",
            "mov r12, r11",
            "mov qword ptr [rbx + {frame}], 0",
            "mov qword ptr [rbx + {sp}], rsp",
            "cmp dword ptr [rbx + {signalled}], 0",
            "jne 5f",
            $($go,)*
            "3: xor eax, eax",
            "call qword ptr [r12]",
            "mov r13, rax",
            $($back,)*
            "4: mov rax, r13",
            "lea rsp, [rbp - 40]",
            "pop r15",
            "pop r14",
            "pop r13",
            "pop r12",
            "pop rbx",
            "pop rbp",
            ".cfi_remember_state",
            ".cfi_def_cfa rsp, 8",
            "ret",
            ".cfi_restore_state",
            "5: mov rdi, rbx",
            "mov rsi, qword ptr [rsp + 8]",
            "call {enter}",
            "mov r14d, eax",
            "mov rdi, qword ptr [rsp + 8]",
            "mov rsi, qword ptr [rsp + 16]",
            "mov rdx, qword ptr [rsp + 24]",
            "mov rcx, qword ptr [rsp + 32]",
            "mov r8, qword ptr [rsp + 40]",
            "mov r9, qword ptr [rsp + 48]",
            "test r14d, r14d",
            "jnz 3b",
            "xor eax, eax",
            "call qword ptr [r12]",
            "mov r13, rax",
            "jmp 4b",
            "7: mov rdi, rbx",
            "call {leave}",
            "jmp 4b",
            "9:",
            ".cfi_def_cfa rsp, 8",
            ".cfi_restore rbp",
            ".cfi_restore rbx",
            ".cfi_restore r12",
            ".cfi_restore r13",
            ".cfi_restore r14",
            ".cfi_restore r15",
            "jmp qword ptr [r11]",
            ".cfi_endproc",
            concat!(".size ", $name, ", . - ", $name),
            personality = sym personality,
            active = sym ACTIVE,
            enter = sym $enter,
            leave = sym $leave,
            depth = const offset_of!(tls::Block, depth),
            thread = const offset_of!(tls::Block, thread),
            low = const offset_of!(Thread, safe_lo),
            high = const offset_of!(Thread, stack_hi),
            frame = const offset_of!(Thread, frame),
            sp = const offset_of!(Thread, sp),
            signalled = const offset_of!(Thread, signalled),
            $($operand)*
        );
    };
}

// `Word::enter_blocking` and `Word::leave`.
routine!(
    "gleaner_blocking",
    enter,
    leave,
    ["xor eax, eax", "mov r14d, {safe}", "lock cmpxchg dword ptr [rbx + {word}], r14d", "jne 5f"],
    ["mov eax, {safe}", "xor ecx, ecx", "lock cmpxchg dword ptr [rbx + {word}], ecx", "jne 7f"],
    word = const offset_of!(Thread, word),
    safe = const State::Safe as u32,
);
// `Word::enter_repeatable` and `Word::leave`. The second look at `signalled` is for a thread that was off
// the processor between the first and the store.
routine!(
    "gleaner_repeatable",
    enter,
    leave,
    [
        "cmp dword ptr [rbx + {word}], 0",
        "jne 5f",
        "mov dword ptr [rbx + {word}], {safe}",
        "cmp dword ptr [rbx + {signalled}], 0",
        "jne 5f"
    ],
    ["mov eax, {safe}", "xor ecx, ecx", "lock cmpxchg dword ptr [rbx + {word}], ecx", "jne 7f"],
    word = const offset_of!(Thread, word),
    safe = const State::Safe as u32,
);
routine!("gleaner_joining", joins::enter, joins::leave, ["jmp 5f"], ["jmp 7f"],);
routine!("gleaner_aside", enter_aside, leave_aside, ["jmp 5f"], ["jmp 7f"],);
unsafe extern "C" {
    /// The rest of an exported function: r11 holds its [`Call`]'s address, everything else is as the caller
    /// left it.
    #[link_name = "gleaner_blocking"]
    pub fn call();
    /// The same for a call that the stop's handler can make begin again so that nobody sees it.
    #[link_name = "gleaner_repeatable"]
    pub fn call_repeatable();
    /// The same for pthread_join and its like: the first argument is a thread.
    #[link_name = "gleaner_joining"]
    pub fn call_join();
    /// The same for a function that frees after it has waited: its first free waits for the end of a stop.
    #[link_name = "gleaner_aside"]
    pub fn call_aside();
}

/// How often a thread looks for a signal that is on its way before it goes on without.
const LOOKS: u32 = 1000;

/// A signal that was sent for a stop that this thread has answered otherwise must not come in the call.
fn await_signal(me: &Thread) {
    let mut looks = 0;
    while me.signalled.load(Acquire) != 0 && looks < LOOKS {
        process::yield_now();
        looks += 1;
    }
    if looks == LOOKS {
        // Somebody took it: a wait of the program's that we did not see.
        me.signalled.store(0, Relaxed);
    }
}

/// What [`enter`] says when the thread is SAFE.
pub(super) const ENTERED: u32 = 1;

/// The word was not plain RUN. 1: it is SAFE now. 0: the call goes on without.
pub(super) unsafe extern "C" fn enter(me: &Thread) -> u32 {
    loop {
        await_signal(me);
        match me.word.enter_blocking(&WORLD) {
            Entered::Yes => return ENTERED,
            Entered::Asked(epoch) => {
                if me.word.arrive(epoch) {
                    ack();
                    park(me);
                }
            }
            Entered::Not(State::Safe) if !me.is_exiting() && me.lent.load(Relaxed) == 0 => left_behind(me),
            Entered::Not(_) => return 0,
        }
    }
}

unsafe extern "C" fn enter_aside(me: &Thread) -> u32 {
    lend::put_aside(me);
    // SAFETY: the calling thread's own record.
    let entered = unsafe { enter(me) };
    if entered != ENTERED {
        lend::fetch_back(me);
    }
    entered
}
unsafe extern "C" fn leave_aside(me: &Thread) {
    // SAFETY: the calling thread's own record.
    unsafe { leave(me) };
    lend::fetch_back(me);
}

/// The program's code runs in a thread that says that it is in a blocking call: the frame of that
/// call is gone, in a way that nobody told us.
#[cold]
fn left_behind(me: &Thread) {
    // SAFETY: the calling thread's own record.
    unsafe { leave(me) };
}

/// Back to RUN, when no stop is on any more. The thread may be RUN already: a handler of the program's ran.
pub(super) unsafe extern "C" fn leave(me: &Thread) {
    while me.word.state() == State::Safe {
        if let Err(epoch) = me.word.leave(&WORLD) {
            let _ = futex::wait(&WORLD, epoch, None);
        }
    }
}

/// The calling thread is about to run the program's code, whatever it was doing.
pub(super) fn run_again(me: &Thread) {
    if me.word.state() == State::Safe && !me.is_exiting() {
        // SAFETY: the calling thread's own record.
        unsafe { leave(me) };
    }
    joins::forget(me);
}

const UA_CLEANUP_PHASE: i32 = 2;
const URC_CONTINUE_UNWIND: i32 = 8;

/// The unwinder passes a frame of [`call`]: the thread is being cancelled in a blocking call.
unsafe extern "C" fn personality(_version: i32, actions: i32, _class: u64, _what: usize, _at: usize) -> i32 {
    if actions & UA_CLEANUP_PHASE != 0
        && let Some(me) = current()
    {
        run_again(me);
        exec::forget(me);
    }
    URC_CONTINUE_UNWIND
}
